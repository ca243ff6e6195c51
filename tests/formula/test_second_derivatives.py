"""The pass that finds second derivatives: its sums against differences of the exact first derivatives, in NumPy and by the program."""
import pickle

import numpy as np
import pytest
from random_formulas import formulas

from gslfit.errors import InputError
from gslfit.formula._program import NOTHING, OPCODES, Program
from gslfit.formula.formula import Formula
from gslfit.formula.graph import POINT, below
from gslfit.formula.lower import lower
from gslfit.formula.operations import evaluate
from gslfit.formula.parametrize import fold
from gslfit.formula.second_derivatives import second_derivatives
from gslfit.models.library.classes import CLASSES

PEAK = "y0 + A*exp(-(x - x0)**2/(2*var))"
SPOT = "A*exp(-((x - x0)**2 + (y - y0)**2)/(2*s**2)) + b"
LORENTZ = "A/(1 + ((x - c)/w)**2) + b + d*x"
POINTS = 41


def bent(text, independent=("x",)):
    """Return the graph of a formula with second derivatives."""
    return second_derivatives(fold(Formula(text, independent), None).graph)


def columns_at(graph, values):
    """Return the Jacobian by NumPy."""
    return np.array([np.broadcast_to(column, POINTS) for column in evaluate(graph.columns, values)])


def check(graph, seed):
    """Compare elements with differences of the columns, to a part of all that is summed up. Return whether all could be."""
    rng = np.random.default_rng(seed)
    values = {name: rng.uniform(.6, 1.9) for name in graph.free}
    values |= {name: rng.uniform(.3, 2.7, POINTS) for name in graph.independent}
    r = rng.normal(size=POINTS)
    columns = columns_at(graph, values)
    known = values | {f"r.d/d{name}": r @ column for name, column in zip(graph.free, columns, strict=True)}
    for leaf, pair in zip(graph.sums[len(graph.free):], graph.pairs, strict=True):
        factors = [np.broadcast_to(factor, POINTS) for factor in evaluate(tuple(node for node in pair if node), values)]
        known[leaf.value] = r @ np.prod(factors, axis=0)
    elements = iter(graph.bends)
    found, wanted, size = [], [], []
    for i, name in enumerate(graph.free):
        steps = [columns_at(graph, values | {name: values[name] + k*1e-4}) for k in (-2, -1, 1, 2)]
        slopes = (steps[0] - 8*steps[1] + 8*steps[2] - steps[3])/12e-4
        for j in range(i + 1):
            node = next(elements)
            found.append(0.0 if node is None else evaluate((node,), known)[0])
            wanted.append(r @ slopes[j])
            size.append(np.abs(r) @ np.abs(slopes[j]) + np.abs(columns[j]).max() + np.abs(columns[i]).max())
    good = np.isfinite(wanted)
    silent = np.array(size) == 0    # columns of zeros leave 0/0: then there are no steps of Newton's
    assert np.all((np.abs(np.array(found) - wanted) <= 1e-6*np.array(size))[good & ~silent]), (values, found, wanted)
    return good.all()


@pytest.mark.parametrize(("text", "sums", "operations"), [
    ("A*exp(-b*x) + c", 1, 0), (PEAK, 2, 1), (SPOT, 5, 0), (LORENTZ, 2, 1), ("A*x/(k + x)", 1, 0), ("b1*(1 - exp(-b2*x))", 1, 0),
    ("A*sin(w*x + p)*exp(-g*x)", 2, 0), ("A/(s*sqrt(2*pi))*exp(-(x - c)**2/(2*s**2))", 2, 1), ("A/(1 + exp(-(x - c)/w))", 4, 1),
    ("A*exp(-x/t) + B*exp(-x/u) + c", 2, 0),
])
def test_what_is_new(text, sums, operations):
    """So many sums, and so many new operations at a point: the rest is known of columns that are there."""
    graph = bent(text, ("x", "y") if text == SPOT else ("x",))
    new = set(below([node for pair in graph.pairs for node in pair if node])) - set(graph.nodes())
    assert len(graph.pairs) == sums
    assert sum(node.level == POINT and bool(node.args) for node in new) == operations
    assert all(check(graph, seed) for seed in range(5))


@pytest.mark.parametrize("text", ["a + b*x", "a*x**b", "where(x > a, x*b, b**2)", "max(a*x, exp(b*x))", "x", "a*b", "a*b*x"])
def test_none(text):
    """Of what is linear, of branches, and of second derivatives of which no sum over the points is known: no second derivatives, or right
    ones."""
    graph = bent(text)
    assert not graph.bends or check(graph, 1)
    if not graph.bends:
        assert fold(Formula(text), None).bent is fold(Formula(text), None).program


@pytest.mark.parametrize("seed", range(8))
def test_random_formulas(seed):
    """Of random formulas, where there are any."""
    for text in formulas(40, seed + 900):
        graph = bent(text, ("x", "y"))
        if graph.bends:
            check(graph, seed)


def test_models():
    """Of the models of the library; a third of them have some."""
    count = 0
    for name, cls in CLASSES.items():
        if name in ("ExpressionModel", "SplineModel"):
            continue
        graph = second_derivatives(fold(cls().formula, None).graph)
        count += bool(graph.bends) and check(graph, 3)
    assert count >= 25


def test_a_large_formula_is_left_alone():
    """Nothing is looked for where it would take long."""
    assert not bent(" + ".join(f"a{k}*exp(-((x - c{k})/w{k})**2)" for k in range(21))).bends
    deep = "x"
    for k in range(90):
        deep = f"sin(a{k % 3} + {deep})"
    assert not bent(deep).bends or check(bent(deep), 1)


def test_printed():
    """The pass prints its sums and elements, and so does the program."""
    graph = bent("A*exp(-b*x) + c")
    assert "r.m0 = sum of r * " in str(graph)
    assert "r.d2/dbdA = " in str(graph)
    listing = lower(graph).listing()
    assert "for second derivatives:" in listing
    assert "r.d2/dbdb = " in listing
    assert "after second_derivatives:" in str(Formula(PEAK).passes)


def test_a_program_with_them_is_the_same_program():
    """Value and derivatives to the last bit, and a pickle."""
    folded = fold(Formula(PEAK), None)
    v, x = [.5, 2., .3, 1.2], np.linspace(-2, 2, 33)
    for program in (folded.bent, pickle.loads(pickle.dumps(folded.bent))):
        for found, wanted in zip(program.evaluate(v, x), folded.program.evaluate(v, x), strict=True):
            assert np.array_equal(found, wanted)
        assert all(np.array_equal(one, other) for one, other in zip(program.second, folded.bent.second, strict=True))
    assert folded.program.second is None


@pytest.mark.parametrize(("change", "message"), [
    ({1: [[99, 0], [5, 0]]}, "operand 0 of the pairs is 99"), ({1: [[NOTHING, 0], [5, 0]]}, "of the pairs"),
    ({1: [[0, 0]]*17}, "up to 16 pairs"), ({1: [[1, 2, 3]]}, "pairs of operands"), ({3: [0]}, "a triangle"),
    ({3: [9999]*10}, "element 0"), ({2: [[3, 0, 1, 1, 0]]}, "writes to 0"), ({2: [[3, 16, 1, 1, 0]]}, "temporaries begin"),
    ({2: [[3, 60, 9999, 1, 0]]}, "reads 9999"),
    ({0: [[3, 6, 999, 1, 0]]}, "reads 999"), ({2: [[1, 2, 3]]}, "5 are needed"),
])
def test_refused(change, message):
    """Nothing outside the program is read or written."""
    arguments = lower(bent(PEAK)).encoded(OPCODES)
    second = list(arguments["second"])
    for place, value in change.items():
        second[place] = np.array(value, np.int32)
    with pytest.raises(InputError, match=message):
        Program(**arguments | {"second": tuple(second)})
