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

OLDEST_GSL = (2, 5)
DIRECTIVES = {"language_level": 3, "embedsignature": True, "binding": True, "freethreading_compatible": True,
              "autotestdict": False, "auto_pickle": False}

MACROS = [("NPY_NO_DEPRECATED_API", "NPY_1_7_API_VERSION"), ("HAVE_INLINE", "1")]

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
                     "libraries": ["gsl", "gslcblas"]}


def find_gsl():
    """The version of GSL, and its include folders, library folders and libraries."""
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


def extension(name, source, *c_sources):
    """An extension of the package: its name below gslfit, its .pyx and C in src/.

    It is compiled again when any header changes: C's own includes are not followed.
    """
    headers = [*glob("src/**/*.h", recursive=True), *glob("src/**/*.px[di]", recursive=True)]
    return Extension(f"gslfit.{name}", [f"src/{path}" for path in dict.fromkeys((source, "common/gsl_errors.c", *c_sources))],
                     depends=sorted({*headers, "setup.py"}), define_macros=MACROS)


ENGINE = ["program/program.c", "program/special.c", "lanes/lanes.c", "common/judgement.c", "isa/isa_base.c", "isa/isa_v3.c", "isa/isa_v4.c"]
SOLVER = ["solver/loop.c", "solver/guard.c", "solver/fdfsolver.c", "solver/subspace.c", "common/judgement.c"]

EXTENSIONS = [
    extension("solvers._function", "solver/_function.pyx"),
    extension("solvers._multifit", "solver/_multifit.pyx", *SOLVER),
    extension("solvers._nlinear", "solver/_nlinear.pyx", *SOLVER),
    extension("solvers._siman", "solver/_siman.pyx"),
    extension("parameters._values", "parameters/_values.pyx"),
    extension("minimizer._descent", "descent/_descent.pyx", "common/judgement.c"),
    extension("minimizer._uncertainty", "descent/_uncertainty.pyx"),
    extension("formula._program", "program/_program.pyx", *ENGINE, "program/curve.c", "parameters/bounds.c"),
    extension("curves._batch", "batch/_batch.pyx", *ENGINE, "program/curve.c", "parameters/bounds.c", *SOLVER, "batch/strided_array.c",
              "batch/fit_transform.c", "batch/gather_rows.c", "batch/batch.c", "batch/tall_fit.c", "batch/gsl_refit.c", "descent/polish.c"),
    extension("curves._polish", "descent/_polish.pyx", *ENGINE, "descent/polish.c"),
]


def read(path):
    """The text of a file, empty where there is none."""
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
        flags = [] if self.compiler.compiler_type == "msvc" else ["-O3", "-fno-math-errno", "-fvisibility=hidden", "-Wno-unused-function"]
        made_with = repr([sys.version, Cython.__version__, numpy.__version__, version, gsl, flags, MACROS, DIRECTIVES,
                          getattr(self.compiler, "compiler_so", None), [os.environ.get(name) for name in ("CC", "CFLAGS", "LDFLAGS")]])
        record = os.path.join(self.build_temp, "made-with.txt")
        self.force = self.force or read(record) != made_with

        objects = self.build_objects(["src", *gsl["include_dirs"]], flags)
        for ext in self.extensions:
            ext.include_dirs += ["src", numpy.get_include(), *gsl["include_dirs"]]
            ext.library_dirs += gsl["library_dirs"]
            ext.libraries += gsl["libraries"]
            ext.extra_compile_args += flags
            ext.extra_objects += [objects[source] for source in ext.sources if source in objects]
            ext.depends += [source for source in ext.sources if source in objects]
            ext.sources = [source for source in ext.sources if source not in objects]
            if os.name == "posix":
                ext.runtime_library_dirs += gsl["library_dirs"]  # a GSL outside the system's folders is found again at import
        compiled = cythonize(self.extensions, build_dir=self.build_temp, include_path=["src"], force=self.force,
                             compiler_directives=DIRECTIVES)
        for ext, new in zip(self.extensions, compiled, strict=True):
            ext.sources = new.sources
        self.parallel = self.parallel or True
        super().build_extensions()
        with open(record, "w", encoding="utf-8") as file:
            file.write(made_with)

    def build_objects(self, include_dirs, flags):
        """Compile the plain C of all extensions side by side, each file once and only if it changed; give source -> object."""
        sources = sorted({source for ext in self.extensions for source in ext.sources if source.endswith(".c")})
        objects = dict(zip(sources, self.compiler.object_filenames(sources, output_dir=self.build_temp), strict=True))
        others = [*glob("src/**/*.h", recursive=True), "setup.py"]
        stale = [source for source in sources if self.force or newer_group([source, *others], objects[source])]
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            list(pool.map(lambda source: self.compiler.compile([source], output_dir=self.build_temp, macros=MACROS,
                                                               include_dirs=include_dirs, extra_postargs=flags), stale))
        return objects


class BuildPy(build_py):
    """Add what other Cython and C code needs to use gslfit's, and drop what an earlier build left behind."""

    def run(self):
        if not self.editable_mode:
            self.clear()
        super().run()
        if not self.editable_mode:  # an editable install is read where it lies: gslfit.get_include() says src there
            for source in glob("src/**/*.pxd", recursive=True) + glob("src/**/*.h", recursive=True):
                copy = os.path.join(self.build_lib, "gslfit", "include", os.path.relpath(source, "src"))
                self.mkpath(os.path.dirname(copy))
                self.copy_file(source, copy)

    def clear(self):
        """Remove from the build folder what is no extension of today: modules that were renamed would be installed."""
        keep = {os.path.abspath(path) for path in self.get_finalized_command("build_ext").get_outputs()}
        for folder, _, files in os.walk(os.path.join(self.build_lib, "gslfit")):
            for path in (os.path.join(folder, file) for file in files):
                if os.path.abspath(path) not in keep:
                    os.remove(path)


setup(ext_modules=EXTENSIONS, cmdclass={"build_ext": BuildExt, "build_py": BuildPy})
