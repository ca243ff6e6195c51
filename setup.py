"""Build gslfit's extensions: find GSL, compile the Cython and C of src/ into the gslfit package."""
import os
import shlex
import shutil
import subprocess
import sys
from glob import glob

import numpy
from Cython.Build import cythonize
from setuptools import Extension, setup

OLDEST_GSL = (2, 5)

MISSING = """
gslfit needs the GNU Scientific Library (GSL {oldest} or later) with its headers, and {problem}.
Install it, then run the same command again:

    Debian, Ubuntu    sudo apt install libgsl-dev pkg-config
    Fedora            sudo dnf install gsl-devel pkgconf-pkg-config
    macOS             brew install gsl pkg-config
    conda             conda install -c conda-forge gsl pkg-config
    Windows           conda install -c conda-forge gsl (then set GSL_DIR to the environment's Library folder)

GSL is looked for with pkg-config, then gsl-config, then in the folder that GSL_DIR names (its include/ and lib/).
"""


def missing(problem):
    """Stop the build with the one message that says what to install."""
    raise SystemExit(MISSING.format(oldest=".".join(map(str, OLDEST_GSL)), problem=problem))


def from_pkg_config():
    """GSL as pkg-config describes it, or None."""
    try:
        import pkgconfig
        if not pkgconfig.exists("gsl"):
            return None
        found = pkgconfig.parse("gsl")
        return pkgconfig.modversion("gsl"), {key: list(found[key]) for key in ("include_dirs", "library_dirs", "libraries")}
    except (ImportError, OSError):
        return None


def from_gsl_config():
    """GSL as gsl-config describes it, or None."""
    if not shutil.which("gsl-config"):
        return None

    def ask(option):
        return subprocess.run(["gsl-config", option], check=True, capture_output=True, text=True).stdout.strip()

    found = {"include_dirs": [], "library_dirs": [], "libraries": []}
    for flag in shlex.split(ask("--cflags")) + shlex.split(ask("--libs")):
        key = {"-I": "include_dirs", "-L": "library_dirs", "-l": "libraries"}.get(flag[:2])
        if key:
            found[key].append(flag[2:])
    return ask("--version"), found


def from_gsl_dir():
    """GSL below the folder that GSL_DIR names, or None where it is not set."""
    root = os.environ.get("GSL_DIR")
    if not root:
        return None
    header = os.path.join(root, "include", "gsl", "gsl_version.h")
    if not os.path.exists(header):
        missing(f"GSL_DIR is {root!r}, where there is no include/gsl/gsl_version.h")
    with open(header) as lines:
        version = next(line.split('"')[1] for line in lines if line.startswith("#define GSL_VERSION"))
    return version, {"include_dirs": [os.path.join(root, "include")], "library_dirs": [os.path.join(root, "lib")],
                     "libraries": ["gsl", "gslcblas"]}


def find_gsl():
    """The include folders, library folders and libraries of GSL."""
    for look in (from_pkg_config, from_gsl_config, from_gsl_dir):
        found = look()
        if found:
            break
    else:
        missing("it was not found")
    version, flags = found
    if tuple(int(part) for part in version.split("+")[0].split(".")[:2]) < OLDEST_GSL:
        missing(f"the one found is {version}")
    return flags


def extensions():
    """Every extension of the package; the name in gslfit/ is the name of its .pyx in src/."""
    gsl = find_gsl()
    flags = [] if sys.platform == "win32" else ["-O3", "-fno-math-errno", "-Wno-unused-function"]

    def extension(name, *c_sources, depends=()):
        return Extension(
            f"gslfit.{name}", [f"src/{name}.pyx", *c_sources], depends=list(depends), extra_compile_args=flags,
            define_macros=[("NPY_NO_DEPRECATED_API", "NPY_1_7_API_VERSION"), ("HAVE_INLINE", "1")],
            include_dirs=["src", numpy.get_include(), *gsl["include_dirs"]],
            library_dirs=gsl["library_dirs"], libraries=gsl["libraries"])

    return [
        extension("_multifit", depends=["src/gsl.pxd"]),
        extension("_program", "src/program.c", depends=glob("src/*.h")),
    ]


BUILDING = not {"sdist", "egg_info", "dist_info", "clean"} & set(sys.argv[1:])
setup(ext_modules=cythonize(extensions(), build_dir="build", include_path=["src"], nthreads=0,
                            compiler_directives={"language_level": 3, "embedsignature": True, "binding": True})
      if BUILDING else [])
