"""What holds for every file: nothing heavy is imported unasked, no state is global, no file names a machine."""
import ast
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
OPTIONAL = ["asteval", "click", "dask", "distributed", "h5py", "lmfit", "matplotlib", "numba", "pandas", "rich", "scipy", "tifffile",
            "tqdm", "uncertainties", "xarray", "zarr"]
FOLDERS = ["src", "gslfit", "tests", "examples", "benchmarks", "docs", ".ci"]


def loaded(code):
    """Which of the optional packages are loaded after some code has run in a fresh Python."""
    report = f"; import sys; print(*[name for name in {OPTIONAL} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code + report], capture_output=True, text=True, cwd=ROOT / "tests")
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_import_is_light():
    """`import gslfit` loads NumPy at most."""
    assert loaded("import gslfit") == []


def test_names_are_light():
    """Every public name is there, and touching it loads none of the optional packages."""
    assert loaded("import gslfit; [getattr(gslfit, name) for name in dir(gslfit)]") == []


@pytest.mark.slow
def test_import_time():
    """`import gslfit` takes at most 1.6 times as long as `import numpy`."""
    measure = [sys.executable, ROOT / "benchmarks" / "import_time.py", "--rounds", "7"]
    done = subprocess.run(measure, capture_output=True, text=True, cwd=ROOT / "tests")
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_fit_is_light():
    """A fit by the default method with an expression needs neither SciPy nor asteval."""
    assert loaded("import gslfit, numpy as np; p = gslfit.Parameters(); p.add('a', 1.0); p.add('b', expr='2*a');"
                  "gslfit.minimize(lambda p: np.arange(4.0) - p['a'].value - p['b'].value, p)") == []


def test_unknown_name():
    """A name that is not there is an AttributeError with the name."""
    import gslfit
    with pytest.raises(AttributeError, match="'gslfit' has no attribute 'minimise'"):
        gslfit.minimise  # noqa: B018


def globals_of(text):
    """Return the lines of a program that have a global statement."""
    return [node.lineno for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Global)] if "global" in text else []


def test_no_python_globals():
    """No function of the package rebinds a module's names: threads share modules."""
    assert globals_of("# global\ndef f():\n    global x\n    x = 1") == [3]
    texts = {path: path.read_text() for path in sorted(ROOT.glob("gslfit/**/*.py"))}
    found = {str(path.relative_to(ROOT)): lines for path, text in texts.items() if (lines := globals_of(text))}
    assert texts and not found, f"there are global statements in {found}"


def test_records():
    """Named tuples are `Record`s, which take a third of the time to import; each module that makes one keeps its annotations as texts."""
    for path in sorted(ROOT.glob("gslfit/**/*.py")):
        text = path.read_text()
        assert path.name == "records.py" or "NamedTuple" not in text, f"{path.name} has a NamedTuple of typing's"
        assert "(Record)" not in text or "\nfrom __future__ import annotations\n" in text, f"{path.name} evaluates annotations"


@pytest.mark.parametrize("path", sorted([*ROOT.glob("src/**/*.pyx"), *ROOT.glob("src/**/*.pxi")]), ids=lambda path: path.name)
def test_no_cython_globals(path):
    """An extension has no C variable at module level: extensions declare that they run without the GIL."""
    for number, line in enumerate(path.read_text().splitlines(), 1):
        variable = re.match(r"cdef\s+(?!extern|class|struct|enum|union|packed|inline|const)[^(:]*$", line.split("#")[0].rstrip())
        constant = re.match(r"cdef\s+\w+\s+[A-Z_]+\s*=", line)  # capitals are not assigned to again
        assert constant or not variable, f"{path.name}:{number} declares a global: {line}"


def variable(line):
    """Return the variable that a line of C declares at file level or as static and that may change, "" if there is none.

    What may not change: a constant, which is a `const` without a pointer or a `*const`. An atomic variable may be seen by all threads.
    """
    code = re.sub(r"/\*.*?(\*/|$)|//.*", "", line).rstrip()
    if not re.match(r"\s+static\b|[A-Za-z_]", code) or re.match(r"(typedef|enum|extern|return|goto|case|default|else)\b|\w+:", code):
        return ""
    declared = re.split(r"[={;]", code)[0]
    if declared == code or re.search(r"_Atomic|\batomic_", declared) or re.match(r"(struct|union)\s+\w*\s*$", declared):
        return ""
    pointed = re.match(r"[\w\s*]+\(\s*\*([^()]*)\)\s*\(", declared)     # to a function
    if "(" in declared and not pointed:
        return ""
    after = pointed[1] if pointed else declared.rpartition("*")[2] if "*" in declared else declared
    return "" if re.search(r"\bconst\b", after) or not re.search(r"\w+\W+\w", declared) else declared.strip()


CHANGE = ("static int count;", "static const char *name;", "const isa *chosen = 0;", "int x = 3; /* const */", "static int (*hook)(int);",
          "static const int (*hook)(int) = f;", "    static double last;", "    static const isa *set = NULL;",
          "double table[3] = {1, 2, 3};", "struct pool pool;")
STAY = ("static const double E = 2.7;", "const isa *const isas[] = {&one, NULL};", "static int (*const hook)(int) = f;",
        "static void share(int n, void (*task)(int)) {", "static _Atomic(const isa *) chosen;", "static atomic_int seen;",
        "int largest(int a, int b) {", "const isa *current(void);", "    int count = 3;", "    static const int few[] = {1};",
        "struct pool {", "typedef struct pool pool;", "extern const isa isa_v4;", "enum { CLAIM = 64 };", "    return x;")


@pytest.mark.parametrize("line", [*CHANGE, *STAY])
def test_variable(line):
    """The look at a line sees pointers to constants, pointers to functions and words in comments for what they are."""
    assert bool(variable(line)) is (line in CHANGE)


def lines_of_c():
    """Return each line of the C core with where it is, file by file."""
    paths = sorted([*ROOT.glob("src/**/*.c"), *ROOT.glob("src/**/*.h")])
    assert paths
    return [[(f"{path.name}:{number}", line) for number, line in enumerate(path.read_text().splitlines(), 1)] for path in paths]


def test_no_c_globals():
    """The C core has no variable outside a function, and none that is static in one, but constants and atomics."""
    found = []
    for lines in lines_of_c():
        inside = False      # of a struct or of what a typedef names
        for place, line in lines:
            inside = inside or bool(re.match(r"(typedef\s+)?(struct|union|enum)\b[^;]*\{[^}]*$", line))
            found += [f"{place} declares a global: {line}"] if not inside and variable(line) else []
            inside = inside and not line.startswith("}")
    assert not found


def test_lines_of_c_fit():
    """A line of C has at most 140 characters, as Python's lines have."""
    assert not [f"{place} has {len(line)} characters" for lines in lines_of_c() for place, line in lines if len(line) > 140]


@pytest.mark.skipif(not shutil.which("nm"), reason="needs nm")
def test_c_names_are_ours():
    """The C core is one library, and every name that it lends begins with gslfit_."""
    import gslfit
    core, = Path(gslfit.__path__[0], "lib").glob("libgslfit.*")
    listed = subprocess.run(["nm", "-D", "--defined-only", core], check=True, capture_output=True, text=True).stdout.split("\n")
    names = [line.split()[-1] for line in listed if line]
    assert {"gslfit_batch_run", "gslfit_program_check", "gslfit_loop_init"} <= set(names)
    assert [name for name in names if not name.startswith("gslfit_")] == []


def test_one_instruction_set():
    """The instruction set that one extension chooses is that of all."""
    from gslfit.curves import _batch
    from gslfit.formula import _program
    best = _program.instruction_set()
    try:
        assert _program.instruction_set("base") == _batch.instruction_set() == "base"
    finally:
        assert _batch.instruction_set(best) == _program.instruction_set() == best


def committed():
    """Return the project's files: what git tracks where there is git, else everything in its folders."""
    if (ROOT / ".git").exists() and shutil.which("git"):
        listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True)
        if listed.returncode == 0:
            return [ROOT / name for name in listed.stdout.split("\0") if name]
    junk = {"__pycache__", ".hypothesis", ".mypy_cache", "output"}
    return [path for folder in FOLDERS for path in (ROOT / folder).rglob("*") if path.suffix != ".so" and not junk & set(path.parts)]


def test_no_machine_paths():
    """No committed file names a folder of the machine it was written on."""
    machine = re.compile(r"(?<![\w.~$}<-])/(?:work|root|home|Users|tmp|opt/venvs|var/tmp)/[\w.-]+")
    for path in committed():
        if path.is_file() and path.suffix not in (".png", ".npy", ".npz", ".gz"):
            found = machine.search(path.read_text(encoding="utf-8", errors="replace"))
            assert not found, f"{path.relative_to(ROOT)} names {found[0]}"


def test_static_names_are_the_lazy_ones():
    """What type checkers and editors are told of the package is what a program finds there."""
    import gslfit
    tree = ast.parse((ROOT / "gslfit" / "__init__.py").read_text())
    block = next(node for node in tree.body if isinstance(node, ast.If))
    told = {(alias.asname, node.module.removeprefix("gslfit").lstrip(".") or alias.name) for node in block.body for alias in node.names}
    assert told == set(gslfit._HOME.items()), "gslfit/__init__.py: the imports for type checkers are not those of _HOME"
