"""Build gslfit's extensions: find GSL, compile the Cython and C of src/ into the gslfit package.

GSL and Cython are looked for when something is compiled, not before: an sdist and the metadata can be had without them.
"""
import os
import shlex
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from glob import glob

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext
from setuptools.command.build_py import build_py
from setuptools.modified import newer_group

OLDEST_GSL = (2, 6)
DIRECTIVES = {"language_level": 3, "embedsignature": True, "binding": True, "freethreading_compatible": True,
              "autotestdict": False, "auto_pickle": False}

# GSL 2.8 beside <complex.h>, which NumPy includes, has initialisers that gcc 16 refuses, unless its complex numbers are those of before
MACROS = [("NPY_NO_DEPRECATED_API", "NPY_1_7_API_VERSION"), ("HAVE_INLINE", "1"), ("GSL_COMPLEX_LEGACY", "1")]

MISSING = """
gslfit needs the GNU Scientific Library (GSL {oldest} or later) with its headers, and {problem}.
Install it, then run the same command again:

    Debian, Ubuntu    sudo apt install libgsl-dev pkg-config
    Fedora            sudo dnf install gsl-devel pkgconf-pkg-config
    macOS             brew install gsl pkg-config
    conda             conda install -c conda-forge gsl pkg-config
    Windows           conda install -c conda-forge gsl (then set GSL_DIR to the environment's Library folder)

GSL is looked for with pkg-config, then gsl-config, then in the folder that GSL_DIR names (its include and lib).
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
    with open(header, encoding="utf-8") as lines:
        version = next(line.split('"')[1] for line in lines if line.startswith("#define GSL_VERSION"))
    return version, {"include_dirs": [os.path.join(root, "include")], "library_dirs": [os.path.join(root, "lib")],
                     "libraries": ["gsl", "gslcblas", *(["m"] if os.name == "posix" else [])]}       # with glibc's libmvec


def find_gsl():
    """Return the version of GSL, and its include folders, library folders and libraries."""
    for look in (from_pkg_config, from_gsl_config, from_gsl_dir):
        found = look()
        if found:
            break
    else:
        missing("it was not found")
    version, flags = found
    if tuple(int(part) for part in version.split("+")[0].split(".")[:2]) < OLDEST_GSL:
        missing(f"the one found is {version}")
    return version, flags


def headers():
    """Every header and declaration: what includes them is compiled again when one changes."""
    return sorted([*glob("src/**/*.h", recursive=True), *glob("src/**/*.px[di]", recursive=True)])


def extension(name, source, core=False, loops=False, seldom=False):
    """Return an extension of the package: its name below gslfit, its .pyx in src/, whether it calls the C core, whether it has loops over
    numbers of its own (what only hands them on is compiled to be small), and whether nobody waits for it: that is compiled to be smallest.
    """
    return Extension(f"gslfit.{name}", [f"src/{source}", GSL_ERRORS], depends=[*headers(), "setup.py"], define_macros=MACROS,
                     libraries=["gslfit"] if core else [], extra_compile_args=[] if loops else SMALLEST if seldom else SMALL)


GSL_ERRORS = "src/common/gsl_errors.c"
SMALL, SMALLEST = ([], []) if sys.platform == "win32" else (["-O2"], ["-Os"])
# the C core, linked once, as a library inside the package
CORE = sorted(glob("src/**/*.c", recursive=True))
CORE_FOLDER = "lib"     # of the package, and no package itself: beside modules the library would be taken for one

EXTENSIONS = [
    extension("_status", "common/_status.pyx", seldom=True),
    extension("solvers._function", "solver/_function.pyx"),
    extension("solvers._multifit", "solver/_multifit.pyx", core=True),
    extension("solvers._nlinear", "solver/_nlinear.pyx", core=True, seldom=True),
    extension("solvers._siman", "solver/_siman.pyx", seldom=True),
    extension("parameters._values", "parameters/_values.pyx"),
    extension("minimizer._descent", "descent/_descent.pyx", core=True, loops=True),
    extension("minimizer._uncertainty", "descent/_uncertainty.pyx"),
    extension("formula._program", "program/_program.pyx", core=True, loops=True),
    extension("objective._loss", "program/_loss.pyx", core=True),
    extension("curves._batch", "batch/_batch.pyx", core=True),
    extension("curves._polish", "descent/_polish.pyx", core=True),
    extension("shared._rows", "batch/_rows.pyx", core=True, loops=True),
    extension("confidence._profile", "profile/_profile.pyx", core=True, loops=True),
]

# what someone else's Cython needs to cimport, and C to include
INSTALLED = ["gsl.pxd", "loop.pxd", "solver/fdfsolver.h", "solver/guard.h", "solver/loop.h", "common/status.h"]


def read(path):
    """Return the text of a file, empty where there is none."""
    if not os.path.exists(path):
        return ""
    with open(path, encoding="utf-8") as file:
        return file.read()


class BuildExt(build_ext):
    """Compile against the GSL found here, and compile anew when what it was compiled with has changed."""

    def build_extensions(self):
        import Cython
        import numpy
        from Cython.Build import cythonize

        version, gsl = find_gsl()
        gnu = self.compiler.compiler_type != "msvc"
        flags = ["-O1" if self.debug else "-O3", "-fno-math-errno", "-Wno-unused-function"] if gnu else []
        made_with = repr([sys.version, Cython.__version__, numpy.__version__, version, gsl, flags, MACROS, DIRECTIVES, self.debug,
                          getattr(self.compiler, "compiler_so", None), [os.environ.get(name) for name in ("CC", "CFLAGS", "LDFLAGS")]])
        record = os.path.join(self.build_temp, "made-with.txt")
        self.force = self.force or read(record) != made_with

        objects = self.build_objects(["src", *gsl["include_dirs"]], [*flags, *(["-fno-semantic-interposition"] if gnu else [])])
        strip = ["-Wl,-s"] if sys.platform.startswith("linux") and not self.debug else []
        self.link_core(list(objects.values()), gsl, strip)
        for ext in self.extensions:
            self.set_flags(ext, gsl, numpy.get_include(), [*flags, *(["-fvisibility=hidden"] if gnu else [])], strip)
            ext.extra_objects += [objects[GSL_ERRORS]]
            ext.sources.remove(GSL_ERRORS)
            ext.depends += [GSL_ERRORS]
        compiled = cythonize(self.extensions, build_dir=self.build_temp, include_path=["src"], force=self.force,
                             compiler_directives=DIRECTIVES)
        for ext, new in zip(self.extensions, compiled, strict=True):
            ext.sources = new.sources
        self.parallel = self.parallel or True
        super().build_extensions()
        with open(record, "w", encoding="utf-8") as file:
            file.write(made_with)

    def set_flags(self, ext, gsl, numpy, compile_args, link_args):
        """Tell an extension where GSL and the C core are, now and when it is imported."""
        ext.include_dirs += ["src", numpy, *gsl["include_dirs"]]
        ext.library_dirs += [os.path.dirname(self.core_path()), *gsl["library_dirs"]]
        ext.libraries += gsl["libraries"]
        small = [] if self.debug else ext.extra_compile_args
        ext.extra_compile_args = [*compile_args, *small]            # the last -O counts, if there are two
        ext.extra_link_args += link_args
        if os.name == "posix":
            here = "@loader_path" if sys.platform == "darwin" else "$ORIGIN"
            ext.runtime_library_dirs += ["/".join([here, *[".."] * (ext.name.count(".") - 1), CORE_FOLDER]), *gsl["library_dirs"]]

    def core_path(self):
        """Where the C core's library is built: a folder of the package in the build folder."""
        suffix = {"darwin": ".dylib", "win32": ".dll"}.get(sys.platform, ".so")
        return os.path.join(self.build_lib, "gslfit", CORE_FOLDER, f"libgslfit{suffix}")

    def link_core(self, objects, gsl, link_args):
        """Link the C core, if an object is newer than the library; every name that it exports begins with gslfit_."""
        path = self.core_path()
        if not (self.force or newer_group(objects, path)):
            return
        os.makedirs(os.path.dirname(path), exist_ok=True)
        command = list(self.compiler.linker_so)
        if sys.platform == "darwin":
            self.compiler.linker_so = [{"-bundle": "-dynamiclib"}.get(word, word) for word in command]
            link_args = [*link_args, "-install_name", f"@rpath/{os.path.basename(path)}"]
        elif os.name == "posix":
            link_args = [*link_args, "-Wl,-Bsymbolic", f"-Wl,-soname,{os.path.basename(path)}"]
        try:
            self.compiler.link_shared_object(objects, path, libraries=[*gsl["libraries"]], library_dirs=gsl["library_dirs"],
                                             runtime_library_dirs=gsl["library_dirs"] if os.name == "posix" else None,
                                             extra_postargs=[*link_args, *(["-lpthread"] if os.name == "posix" else [])])
        finally:
            self.compiler.linker_so = command

    def build_objects(self, include_dirs, flags):
        """Compile the plain C side by side, each file once and only if it changed; give source -> object."""
        objects = dict(zip(CORE, self.compiler.object_filenames(CORE, output_dir=self.build_temp), strict=True))
        others = [*glob("src/**/*.h", recursive=True), "setup.py"]
        stale = [source for source in CORE if self.force or newer_group([source, *others], objects[source])]
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            list(pool.map(lambda source: self.compiler.compile([source], output_dir=self.build_temp, macros=MACROS,
                                                               include_dirs=include_dirs, extra_postargs=flags), stale))
        return objects

    def copy_extensions_to_source(self):
        """Copy the C core too, where extensions are built in place."""
        super().copy_extensions_to_source()
        self.mkpath(os.path.dirname(self.core_in_source()))
        self.copy_file(self.core_path(), self.core_in_source())

    def core_in_source(self):
        """Where the C core's library lies when extensions are built in place."""
        package = self.get_finalized_command("build_py").get_package_dir("gslfit")
        return os.path.join(package, CORE_FOLDER, os.path.basename(self.core_path()))

    def get_outputs(self):
        """Name the C core's library among what is built."""
        return [*super().get_outputs(), self.core_path()]

    def get_output_mapping(self):
        """Name where the C core's library comes from in a build in place."""
        mapping = super().get_output_mapping()
        return {**mapping, self.core_path(): self.core_in_source()} if mapping else mapping


class BuildPy(build_py):
    """Add what other Cython and C code needs to use gslfit's, and drop what an earlier build left behind."""

    def run(self):
        if not self.editable_mode:
            self.clear()
        super().run()
        if not self.editable_mode:  # an editable install is read where it lies: gslfit.get_include() says src there
            for name in INSTALLED:
                copy = os.path.join(self.build_lib, "gslfit", "include", name)
                self.mkpath(os.path.dirname(copy))
                self.copy_file(os.path.join("src", name), copy)

    def clear(self):
        """Remove from the build folder what is no extension of today: modules that were renamed would be installed."""
        keep = {os.path.abspath(path) for path in self.get_finalized_command("build_ext").get_outputs()}
        for folder, _, files in os.walk(os.path.join(self.build_lib, "gslfit")):
            for path in (os.path.join(folder, file) for file in files):
                if os.path.abspath(path) not in keep:
                    os.remove(path)


setup(ext_modules=EXTENSIONS, cmdclass={"build_ext": BuildExt, "build_py": BuildPy})
