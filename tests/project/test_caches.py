"""What is kept of earlier calls has a bound, which the documentation names, and never stands for something else."""
import functools
import importlib
import itertools
import pkgutil
import re
from pathlib import Path
from weakref import WeakKeyDictionary, WeakSet, WeakValueDictionary

import numpy as np
import pytest

import gslfit
from gslfit.compat import lmfit
from gslfit.formula.memory import MOST, Memory
from gslfit.models import GaussianModel, Model
from gslfit.models.library.classes import definition

DOCUMENT = Path(__file__).parents[2] / "docs" / "development.md"
X = np.linspace(0, 1, 3000)


def modules():
    """All modules of the package."""
    for found in pkgutil.walk_packages(gslfit.__path__, "gslfit."):
        yield importlib.import_module(found.name)


def test_every_cache_is_bounded_and_documented():
    """The table of the documentation has each function that remembers, with its bound, and no other."""
    found = [value for module in modules() for value in vars(module).values() if isinstance(value, functools._lru_cache_wrapper)]
    caches = {f"{value.__module__}.{value.__qualname__}": value.cache_parameters()["maxsize"] for value in found
              if value.__module__.startswith("gslfit")}
    table = dict(re.findall(r"^\| `(gslfit\.[\w.]+)` \| ([\d,]+) \|", DOCUMENT.read_text(encoding="utf-8"), re.MULTILINE))
    assert {name: int(bound) for name, bound in table.items() if name != "gslfit.formula.memory.Memory"} == caches
    assert int(table["gslfit.formula.memory.Memory"]) == MOST


def test_memory_forgets():
    """A memory holds no more than its bound, and what was put in last."""
    memory = Memory()
    for number in range(10*MOST):
        memory[number] = number
        assert len(memory) <= MOST
        assert memory[number] == number
    memory[number] = "again"
    assert memory[number] == "again"


def test_prefixes():
    """Models of the library with ever other prefixes share a memory that does not grow."""
    for number in range(3*MOST):
        assert GaussianModel(prefix=f"p{number}_").formula.names[0].startswith(f"p{number}_")
    assert len(definition("GaussianModel", None)._formulas) <= MOST


def test_programs_of_one_formula():
    """A formula keeps a bounded number of its programs, however many choices of free parameters are asked for."""
    formula = gslfit.Formula("a*x + b*x**2 + c*sin(x) + d + f*cos(x)")
    for order in itertools.permutations(formula.names):
        assert formula.program(order).nfree == 5
    assert max(len(formula._made), len(formula._programs), len(formula._folded)) <= MOST


def convolved(x, a, kernel=None):
    """Return a curve that depends on an option."""
    return a*np.interp(x, X, kernel)


@pytest.mark.parametrize("prefix", ["", "p_"])
@pytest.mark.parametrize("composite", [False, True])
def test_options_of_a_model(prefix, composite):
    """A model's function is called with the option of its own fit, though two long arrays look alike; nothing grows."""
    model = Model(convolved, prefix=prefix)
    fitted = model + Model("b*x", prefix="q_") if composite else model
    for number in range(3*MOST):
        kernel = np.ones(X.size)
        kernel[1500:] = 2 + number % 7
        starts = {f"{prefix}a": 1.0, **({"q_b": 0.1} if composite else {})}
        if number % 16 == 0:
            result = fitted.fit(3*kernel, x=X, kernel=kernel, **starts)
            assert result.params[f"{prefix}a"].value == pytest.approx(3, rel=1e-9)
        fitted._formula({"kernel": kernel})
    assert len(model._definition._formulas) <= MOST
    assert len(getattr(fitted, "_memory", ())) <= MOST


KINDS = dict, list, set, WeakKeyDictionary, WeakValueDictionary, WeakSet


def containers():
    """Return how many entries each container has that a module, a class or an object of a module holds, by its name."""
    sizes = {}
    for module in modules():
        for name, value in vars(module).items():
            ours = getattr(value, "__module__", type(value).__module__) or ""
            held = vars(value) if hasattr(value, "__dict__") and ours.startswith("gslfit") else {}
            for key, found in (("", value), *held.items()):
                if isinstance(found, KINDS) and not name.startswith("__"):
                    sizes[id(found)] = (f"{module.__name__}.{name}{key and '.'}{key}", len(found))
    return dict(sizes.values())


def calls_of_their_own(number):
    """Fit by many entries, with names, texts, functions, expressions and points that no call before had."""
    x = np.linspace(0, 8, 40 - number % 20) * (1 + number / 100)
    y, name = 3*np.exp(-x/2.2) + .4, f"q{number}"
    start, text = {name: 1.0, "t": 2.0}, f"{name}*exp(-x/t)"
    gslfit.fit(text, y, x=x, **start)
    gslfit.fit_batch(text, y[None], x=x, **start)
    gslfit.Formula(text).jacobian(x, **start)
    made: dict = {"np": np, "x": x, "y": y}
    exec(f"def traced(x, {name}, t): return {name}*np.exp(-x/t)\ndef called(x, {name}, t): return traced(x, {name}, float(t))\n"
         f"def residual(p): return traced(x, p['{name}'].value, p['t'].value) - y", made)
    for function in (made["traced"], made["called"]):
        gslfit.curve_fit(function, x, y, [1.0, 2.0])
        gslfit.Model(function).fit(y, x=x, **start)
        lmfit.Model(function).fit(y, x=x, **start)
    for kind, minimize in ((gslfit.Parameters, gslfit.minimize), (lmfit.Parameters, lmfit.minimize)):
        params = kind()
        for each, value in start.items():
            params.add(each, value)
        params.add("twice", expr=f"{number}*{name}")
        minimize(made["residual"], params)
    GaussianModel(prefix=f"{name}_").fit(y, x=x)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_nothing_else_is_kept():
    """Of all that modules and their objects hold, only what the documentation names grows from call to call."""
    for number in range(3):
        calls_of_their_own(number)
    before = containers()
    for number in range(3, 9):
        calls_of_their_own(number)
    after = containers()
    text = DOCUMENT.read_text(encoding="utf-8")
    grown = {name for name in after if after[name] != before.get(name, 0)}
    assert grown, "nothing is kept, and this test sees nothing"
    for name in grown:
        module, _, rest = name.partition("._KNOWN") if "._KNOWN" in name else name.rpartition(".known")
        assert f"`{module}`" in text, (name, before.get(name), after[name], rest)
