"""How a fit ended: one table, in C, and what Python, the stub, every result and every test make of it."""
import ast
import pickle
import re
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

import gslfit
from gslfit import FitStatus, Model, Parameters, curve_fit, fit, fit_batch, minimize
from gslfit.errors import ending
from gslfit.multifit import FdfSolver, Function_fdf
from gslfit.solvers.termination import Ending, sentence

ROOT = Path(__file__).parents[2]
LINE = re.compile(r'^    X\((\w+), (\d+), ([01]), (-?\d+), "(.*)"\)(?:\s*\\)?$', re.MULTILINE)
TABLE = [(name, int(number), success == "1", int(ier), prose)
         for name, number, success, ier, prose in LINE.findall((ROOT / "src" / "common" / "status.h").read_text())]
X = np.linspace(0, 5, 40)
Y = 2*np.exp(-X/1.5) + 0.01*np.cos(9*X)


def test_python_has_the_table_of_c():
    """Every line of the table in C is a member of FitStatus with the same number, success, ier and prose, and there are no others."""
    assert [(status.name, status.value, status.success, status.ier, status.prose) for status in FitStatus] == TABLE
    assert [number for _, number, *_ in TABLE] == list(range(len(TABLE)))        # C looks lines up by their numbers
    assert all(success == (ier in (1, 2, 3, 4)) for _, _, success, ier, _ in TABLE)     # MINPACK's numbers of a success


def test_the_stub_has_it_too():
    """Type checkers and editors are told of the same members."""
    tree = ast.parse((ROOT / "gslfit" / "_status.pyi").read_text())
    members = next(node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == "FitStatus").body
    lines = [line for line in members if isinstance(line, ast.Assign)]
    assert [(line.targets[0].id, line.value.value) for line in lines] == [(name, number) for name, number, *_ in TABLE]


def test_no_number_is_used_again():
    """Files of batches hold numbers: the statuses of gslfit 0.1 keep theirs."""
    names = ["NOT_RUN", "CONVERGED", "CONVERGED_BY_GSL", "MAX_NFEV", "NO_PROGRESS", "SINGULAR", "AT_BOUND", "BAD_DATA", "TOO_FEW_POINTS",
             "RANK_DEFICIENT"]
    assert [name for name, *_ in TABLE][:len(names)] == names


@pytest.mark.parametrize("status", FitStatus, ids=lambda status: status.name)
def test_pickles(status):
    """A status is itself after a pickle, by its own path and by those of before."""
    assert pickle.loads(pickle.dumps(status)) is status
    for path in ("batchresult", "curves.batch_result"):
        assert pickle.loads(f"cgslfit.{path}\nFitStatus\n(I{status.value}\ntR.".encode()) is status


def test_endings_of_before():
    """An ending in a pickle of gslfit 0.1 is the status of its name, and negative numbers were no minimum."""
    for number, name in Ending.NUMBERS.items():
        found = pickle.loads(f"cgslfit.outcome\nEnding\n(I{number}\ntR.".encode())
        assert found is FitStatus[name] is getattr(Ending, name)
        assert found.success == (number > 0)


def test_known_by_minpacks_number():
    """A status that a file of gslfit 0.1 holds as `ier` and words is found; in doubt by its number."""
    for status in FitStatus:
        found = ending(status.ier, status.prose, status.success)
        assert (found.ier, found.prose, found.success) == (status.ier, status.prose, status.success)
    assert ending(1, "lanes: converged; Gauss-Newton steps by QR went down to rounding.", True) is FitStatus.CONVERGED
    assert ending(5, "something else", False) is FitStatus.MAX_NFEV
    assert ending(99, "", False) is FitStatus.NO_PROGRESS


def results():
    """Return a result of every entry, by name."""
    params = Parameters()
    params.add("A", 1.0)
    params.add("tau", 1.0)
    model, start = Model("A*exp(-x/tau)"), {"A": 1.0, "tau": 1.0}
    return {"fit": fit("A*exp(-x/tau)", Y, x=X, **start), "fit, by GSL": fit("A*exp(-x/tau)", Y, x=X, method="lmder", **start),
            "fit_batch": fit_batch("A*exp(-x/tau)", [Y, Y], x=X, **start)[1],
            "minimize": minimize(lambda p: p["A"]*np.exp(-X/p["tau"]) - Y, params.copy()),
            "minimize, by L-BFGS-B": minimize(lambda p: p["A"]*np.exp(-X/p["tau"]) - Y, params.copy(), method="lbfgsb"),
            "Model.fit": model.fit(Y, x=X, **start),
            "Model.fit, options": model.fit(Y, x=X, fit_kws={"xtol": 1e-9}, **start),
            "Model.fit, by L-BFGS-B": model.fit(Y, x=X, method="lbfgsb", **start)}


def test_every_result_has_a_status():
    """`status` is a FitStatus, and `success` and `ier` are what the table says of it."""
    for name, result in results().items():
        assert isinstance(result.status, FitStatus), name
        assert result.success is result.status.success is True, name
        assert result.ier == result.status.ier, name
    *_, ier = curve_fit(lambda x, A, tau: A*np.exp(-x/tau), X, Y, p0=(1, 1), full_output=True)
    assert ier in {status.ier for status in FitStatus if status.success}


@pytest.mark.parametrize("call", [
    lambda data, **kws: fit("A*exp(-x/tau)", data, x=X, A=1.0, tau=1.0, **kws),
    lambda data, **kws: fit_batch("A*exp(-x/tau)", data, x=X, A=1.0, tau=1.0, **kws)[0],
    lambda data, **kws: Model("A*exp(-x/tau)").fit(data, x=X, A=1.0, tau=1.0, **kws)], ids=["fit", "fit_batch", "Model.fit"])
def test_a_limit_is_told_alike(call):
    """A fit that used up its evaluations says so by the same status everywhere."""
    result = call(Y, max_nfev=3)
    assert result.status == FitStatus.MAX_NFEV and not result.success, result.message
    assert result.ier == FitStatus.MAX_NFEV.ier


@pytest.mark.parametrize("call", [
    lambda params: fit("A*exp(-x/tau)", Y, params, x=X),
    lambda params: fit_batch("A*exp(-x/tau)", Y, params, x=X)[0],
    lambda params: minimize(lambda p: p["A"]*np.exp(-X/p["tau"]) - Y, params),
    lambda params: Model("A*exp(-x/tau)").fit(Y, params, x=X)], ids=["fit", "fit_batch", "minimize", "Model.fit"])
def test_a_bound_is_told_alike(call):
    """A parameter held at its bound is the status of every entry."""
    params = Parameters()
    params.add("A", 1.0, max=1.8)
    params.add("tau", 1.0)
    result = call(params)
    assert result.success and result.status == FitStatus.AT_BOUND, result.message


def test_solvers_of_gsl():
    """What a solver's `solve()` returns has it too, and a sentence that says it with what is known beyond."""
    solver = FdfSolver("lmsder", 40, 2)
    solver.set(Function_fdf.from_callables(lambda v: v[0]*np.exp(-X/v[1]) - Y, None, 40, 2), [1, 1])
    outcome = solver.solve()
    assert isinstance(outcome.ending, FitStatus) and outcome.status is outcome.ending and outcome.success
    assert outcome.message == f"converged: {outcome.ending.prose}"
    assert gslfit.multifit.Ending is gslfit.multifit.FitStatus is FitStatus
    assert sentence(FitStatus.MAX_ITER, 7) == "not converged: the limit of 7 iterations (max_iter) was reached"
    assert sentence(FitStatus.FAILED, 7, "why") == f"not converged: {FitStatus.FAILED.prose} (why)"


def spoken_of(node):
    """Whether an expression is a status, or several: `.status`, `.ending` or `["status"]`, or made of them by calls and indices."""
    if isinstance(node, ast.Attribute):
        return node.attr in ("status", "ending") or (node.attr == "tolist" and spoken_of(node.value))
    if isinstance(node, ast.Subscript):
        return spoken_of(node.slice) or spoken_of(node.value)
    if isinstance(node, ast.Call):
        return any(map(spoken_of, [node.func, *node.args]))
    return isinstance(node, ast.Constant) and node.value == "status"


def numbers(node):
    """Whether an expression is a number or a display of some."""
    elements = [node, *(node.elts if isinstance(node, (ast.List, ast.Set, ast.Tuple)) else [])]
    return any(isinstance(each, ast.Constant) and type(each.value) is int for each in elements)


def pairs(one, other):
    """Return what is compared with what: tuples of one length element by element."""
    if isinstance(one, ast.Tuple) and isinstance(other, ast.Tuple) and len(one.elts) == len(other.elts):
        return list(zip(one.elts, other.elts, strict=True))
    return [(one, other)]


def bare(text):
    """Return the lines of a program on which a status is compared with a number."""
    if "status" not in text and "ending" not in text:       # most speak of none
        return []
    found = set()
    for node in ast.walk(ast.parse(text)):
        sides = [node.left, *node.comparators] if isinstance(node, ast.Compare) else node.args if isinstance(node, ast.Call) else []
        for one, other in [pair for left, right in pairwise(sides) for pair in pairs(left, right)]:
            if (spoken_of(one) and numbers(other)) or (spoken_of(other) and numbers(one)):
                found.add(node.lineno)
    return sorted(found)


@pytest.mark.parametrize("folder", ["tests", "gslfit", "benchmarks", "examples"])
def test_no_bare_number(folder):
    """Nobody compares a status with a number: its name says what is meant."""
    paths = sorted((ROOT / folder).glob("**/*.py" if folder in ("tests", "gslfit") else "*.py"))
    assert paths
    found = {str(path.relative_to(ROOT)): lines for path in paths if (lines := bare(path.read_text()))}
    assert not found, f"a status is compared with a number in {found}"


def test_finds_bare_numbers():
    """The look at a program sees numbers on either side, in sets and in calls, and only those."""
    lines = ['assert out.status == 1', 'assert set(found["status"]) <= {1, 2}', 'assert 3 != out.status', 'np.all(out.status[2] == 7)',
             'np.testing.assert_array_equal(found["status"], [1, 2])', 'assert outcome.ending > 0',
             'assert (out.status, out.nfev) == (1, 7)', 'assert (out.status, out.nfev) == (FitStatus.STEP, 7)',
             'assert out.status.ndim == 1', 'assert out.status == FitStatus.CONVERGED', 'assert out.status[3] == other.status[4]',
             'assert out.nfev == 3']
    assert bare("\n".join(lines)) == [1, 2, 3, 4, 5, 6, 7]
