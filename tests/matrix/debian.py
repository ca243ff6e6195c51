"""Debian releases in folders, and packages of others, from the archive that this machine's apt uses."""
from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
from pathlib import Path

TEST_EXTRA = ("pytest", "pytest-xdist", "hypothesis", "lmfit", "sympy", "mpmath", "numba", "cffi", "matplotlib", "tqdm", "pandas", "psutil",
              "xarray", "emcee", "dask[array]", "distributed", "joblib", "polars", "h5py", "zarr", "click", "rich", "tifffile")
PACKAGES = ("gcc", "libc6-dev", "make", "pkg-config", "libgsl-dev", "ca-certificates")
PASSED_ON = ("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")
ANY_DATE = ("-o", "Acquire::Check-Valid-Until=false")        # a mirror may be some weeks old


class NotRunError(Exception):
    """What a row needs isn't here."""


def run(*command: object, **options: object) -> str:
    """Run a command, and return what it prints; its output is the exception's text where it fails."""
    done = subprocess.run([str(word) for word in command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace",
                          **options)     # type: ignore[call-overload]
    if done.returncode:
        raise RuntimeError(f"{shlex.join(map(str, command))[:300]}\n{done.stdout[-3000:]}")
    return str(done.stdout)


def needs(*commands: str) -> None:
    """Raise NotRunError where a command is missing."""
    missing = [command for command in commands if not shutil.which(command)]
    if missing:
        raise NotRunError(f"needs {', '.join(missing)}")


def mirror() -> str:
    """Return the address of the Debian archive that this machine's apt uses."""
    needs("apt-get")
    found = run("apt-get", "indextargets", "--format", "$(REPO_URI)", "Created-By: Packages").split()
    for address in found:
        if re.search(r"/debian/?$", address):
            return address.rstrip("/")
    raise NotRunError("needs a Debian archive among apt's sources")


class Debian:
    """A Debian release in a folder.

    Parameters
    ----------
    folder : Path
        Where the release is, or will be.
    suite : str
        Its name.
    """

    def __init__(self, folder: Path, suite: str):
        self.root, self.suite = folder, suite

    def make(self) -> None:
        """Install the base system and what gslfit is built with, where that isn't done yet."""
        needs("debootstrap", "chroot", "unshare")
        if os.geteuid():
            raise NotRunError("needs root")
        if not (self.root / "made").exists():
            run("debootstrap", "--variant=minbase", self.suite, self.root, mirror())
            (self.root / "etc/apt/sources.list").write_text(f"deb {mirror()} {self.suite} main\ndeb-src {mirror()} {self.suite} main\n")
            self.inside(shlex.join(["apt-get", *ANY_DATE, "-qq", "update"]))
            self.install(*PACKAGES)
            local = Path("/usr/local/share/ca-certificates")
            if local.is_dir():
                shutil.copytree(local, self.root / local.relative_to("/"), dirs_exist_ok=True)
            self.inside("update-ca-certificates")
            (self.root / "made").touch()

    def inside(self, script: str, **settings: str) -> str:
        """Run a script of the shell in the release, with /proc and /dev there; return what it prints."""
        env, certificates = {name: os.environ[name] for name in PASSED_ON if name in os.environ}, "/etc/ssl/certs/ca-certificates.crt"
        env |= {"PATH": "/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root", "LANG": "C.UTF-8",
                "DEBIAN_FRONTEND": "noninteractive", "SSL_CERT_FILE": certificates, "PIP_CERT": certificates,
                "PIP_DISABLE_PIP_VERSION_CHECK": "1", "OPENBLAS_NUM_THREADS": "1"} | settings
        mounts = 'mount --rbind /dev "$0/dev" && mount -t proc proc "$0/proc" && mount -t tmpfs tmpfs "$0/dev/shm"'
        enter = f'{mounts} && exec chroot "$0" sh -ec "$1"'
        return run("unshare", "--mount", "--pid", "--fork", "--propagation", "private", "sh", "-ec", enter, self.root, script, env=env)

    def install(self, *packages: str) -> None:
        """Install Debian packages."""
        self.inside(shlex.join(["apt-get", "-qq", "-y", "--no-install-recommends", "install", *packages]))

    def environment(self, python: str) -> tuple[str, list[str]]:
        """Return the Python of a virtual environment with what the tests need, and which of it has no wheel for that Python."""
        place = f"/opt/env-{Path(python).name}"
        lacking = self.root / place.removeprefix("/") / "lacking.json"
        if not lacking.exists():
            self.inside(f"{python} -m venv --clear {place}")
            wheels = f"{place}/bin/pip install -q --only-binary :all:"
            self.inside(f"{wheels} 'numpy>=2' scipy asteval 'Cython>=3.1' 'setuptools>=77' pkgconfig")
            without = []
            for package in TEST_EXTRA:
                try:
                    self.inside(f"{wheels} '{package}'")
                except RuntimeError:
                    without.append(package)
            lacking.write_text(json.dumps(without))
        return f"{place}/bin/python", json.loads(lacking.read_text())


def fetched(folder: Path, suite: str, *command: str, architecture: str = "") -> Path:
    """Have apt fetch packages of another release or architecture, with lists of its own; return the folder in which they are."""
    for name in ("lists/partial", "cache/archives/partial", "etc", "packages"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    (folder / "status").touch()
    listed = folder / "sources.list"
    listed.write_text("".join(f"{kind} [check-valid-until=no] {mirror()} {suite} main\n" for kind in ("deb", "deb-src")))
    place = {"Dir::Etc::SourceList": listed, "Dir::Etc::SourceParts": folder / "etc", "Dir::State::Lists": folder / "lists",
             "Dir::State::Status": folder / "status", "Dir::Cache": folder / "cache", "APT::Sandbox::User": "root"}
    place |= {"APT::Architecture": architecture, "APT::Architectures": architecture} if architecture else {}
    options = [word for name, value in place.items() for word in ("-o", f"{name}={value}")]
    run("apt-get", *options, "-qq", "update")
    run("apt-get", *options, "-qq", *command, cwd=folder / "packages")
    return folder / "packages"
