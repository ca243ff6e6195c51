"""GSL's objects in any units: the same minimum, or no success; and what they give back is in the caller's units."""
import numpy as np
import pytest

from gslfit.errors import NonFiniteError
from gslfit.multifit import FdfSolver, Function_fdf, LargeSolver, NonlinearSolver
from gslfit.solvers import _nlinear as nlinear

X = np.linspace(.1, 5, 40)
NOISE = .01*np.random.default_rng(2).normal(size=40)
# of each a model, what the parameters are, their derivatives, and their units by those of x and y
MODELS = {
    "decay": (lambda v, x: v[0]*np.exp(-v[1]*x) + v[2], [2, .7, .3],
              lambda v, x: np.stack([np.exp(-v[1]*x), -v[0]*x*np.exp(-v[1]*x), np.ones(x.size)], 1), lambda x, y: [y, 1/x, y]),
    "parabola": (lambda v, x: v[0] + v[1]*x + v[2]*x*x, [2, .7, -.4],
                 lambda v, x: np.stack([np.ones(x.size), x, x*x], 1), lambda x, y: [y, y/x, y/x/x]),
    "peak": (lambda v, x: v[0]*np.exp(-((x - v[1])/v[2])**2/2), [2, 2.3, .8],
             lambda v, x: np.exp(-((x - v[1])/v[2])**2/2)[:, None]*np.stack(
                 [np.ones(x.size), v[0]*((x - v[1])/v[2])/v[2], v[0]*((x - v[1])/v[2])**2/v[2]], 1), lambda x, y: [y, x, x]),
}
SOLVERS = {"lmsder": lambda: FdfSolver("lmsder", 40, 3), "trust": lambda: NonlinearSolver(40, 3),
           **{f"large {trs}": lambda trs=trs: LargeSolver(40, 3, trs=trs) for trs in ("lm", "dogleg", "cgst")}}
UNITS = [(1, 1), (1, 1e-9), (1, 1e9), (1, 1e-140), (1, 1e100), (1e100, 1e140), (1e100, 1), (1e-100, 1e-140)]


def begun(solver, model, form, start, x_unit, y_unit):
    """Set a solver to its start in units; the data and the unit of each parameter too."""
    f, truth, df, units = MODELS[model]
    x, y, unit = X*x_unit, (f(truth, X) + NOISE)*y_unit, np.array(units(x_unit, y_unit))

    def product(v, u, transpose):
        J = df(v, x)
        return J.T @ J if u is None else (J.T if transpose else J) @ u

    how = {"differences": {"df": None}, "df": {"df": lambda v: df(v, x)}, "product": {"df": None, "product": product}}[form]
    solver.set(Function_fdf.from_callables(lambda v: f(v, x) - y, n=40, p=3, **how), np.array(start)*unit)
    return y, unit


def least(model):
    """Return chi-square at the minimum, and where that is, in units of 1."""
    f, truth, df, _ = MODELS[model]
    v, y = np.array(truth, float), f(truth, X) + NOISE
    for _ in range(20):
        v -= np.linalg.lstsq(df(v, X), f(v, X) - y, rcond=None)[0]
    return np.sum((f(v, X) - y)**2), v


@pytest.mark.parametrize(("x_unit", "y_unit"), UNITS)
@pytest.mark.parametrize("form", ["differences", "df", "product"])
@pytest.mark.parametrize("name", SOLVERS)
@pytest.mark.parametrize(("model", "start"), [("decay", [2.4, .84, .36]), ("decay", [2.4, 0, 0]), ("parabola", [0, .84, -.48]),
                                              ("peak", [0, 1.9, 1]), ("peak", [0, 2.76, .96])])
def test_units(model, start, name, form, x_unit, y_unit):
    """A fit ends at its minimum in any unit: where J^T J left the range of doubles, or J^T f said nothing of the short columns, the start
    was called a minimum; and a column that was zero at the start counted as 1, whatever the unit of the residual. Dogleg steps, and those
    by conjugate gradients from a peak without amplitude, may come to nothing, but no other end is a success.
    """
    if form == "product" and "large" not in name:
        pytest.skip("it asks for no products")
    solver = SOLVERS[name]()
    with np.errstate(over="ignore", invalid="ignore"):
        try:
            _, unit = begun(solver, model, form, start, x_unit, y_unit)
            outcome = solver.solve()
        except NonFiniteError as found:
            refused = str(found)
            outcome = None
    if outcome is None:
        assert form == "product" and "beyond double precision" in refused       # its own squares
        return
    chisqr, best = least(model)
    squares = form == "product" and name != "large cgst" and max(x_unit, 1/x_unit) > 1e50        # its own, which have few digits
    if not outcome.success:
        assert squares or name == "large dogleg" or (name, model) == ("large cgst", "peak")
        return
    assert np.sum((solver.f/y_unit)**2) == pytest.approx(chisqr, rel=1e-5 if squares else 1e-6)
    np.testing.assert_allclose(np.abs(solver.x/unit), np.abs(best), rtol=1e-2 if squares else 1e-3)


@pytest.mark.parametrize("name", SOLVERS)
@pytest.mark.parametrize(("x_unit", "y_unit"), [(1e70, 1e70), (1e-70, 1e-70), (1, 1e-100)])
def test_what_is_read_back(name, x_unit, y_unit):
    """Parameters, steps, Jacobian, gradient and covariances are the caller's, whatever units GSL's numbers have."""
    solver = SOLVERS[name]()
    y, unit = begun(solver, "decay", "df", [2.4, .84, .36], x_unit, y_unit)
    f, _, df, _ = MODELS["decay"]
    np.testing.assert_array_equal(solver.x, np.array([2.4, .84, .36])*unit)
    np.testing.assert_allclose(solver.f/y_unit, (f(solver.x, X*x_unit) - y)/y_unit, rtol=1e-12)
    slopes = df(solver.x/unit, X)
    gradient = slopes.T @ ((f(solver.x, X*x_unit) - y)/y_unit)
    if hasattr(solver, "J"):
        np.testing.assert_allclose(solver.J*unit/y_unit, slopes, rtol=1e-12)
    np.testing.assert_allclose(solver.gradient()/y_unit*unit/y_unit, gradient, rtol=1e-9)
    assert solver.iterate() == 0
    assert .01 < np.max(np.abs(solver.dx/unit)) < 100
    if "cgst" not in name:
        slopes = df(solver.x/unit, X)
        np.testing.assert_allclose(solver.covar()/unit*y_unit/unit[:, None]*y_unit, np.linalg.inv(slopes.T @ slopes), rtol=1e-6)


@pytest.mark.parametrize("weigh", [False, True])
@pytest.mark.parametrize("name", SOLVERS)
def test_calls_of_the_start(name, weigh):
    """Looking at the start first costs no call: what was evaluated is what the solver is given."""
    calls = []
    solver = SOLVERS[name]()
    f, truth, df, _ = MODELS["decay"]
    y = f(truth, X) + NOISE
    function = Function_fdf.from_callables(lambda v: calls.append("f") or f(v, X) - y, lambda v: calls.append("df") or df(v, X), 40, 3)
    solver.set(function, [2.4, .84, .36], np.full(40, 4.) if weigh else None)
    assert (calls, solver.nfev, solver.njev) == (["f", "df"], 1, 1)
    np.testing.assert_allclose(solver.f, (f([2.4, .84, .36], X) - y)*(2 if weigh else 1), rtol=1e-12)


@pytest.mark.parametrize("trs", nlinear.LARGE_TRS)
def test_conjugate_gradients_see_what_is_short(trs):
    """Where J is known by its products alone, the angle to the longest columns is none to the others."""
    hidden = np.stack([np.ones(40), 1e-7*X], 1)
    y = 1 + X + NOISE
    solver = LargeSolver(40, 2, trs=trs)
    solver.set(Function_fdf.from_callables(lambda v: hidden @ v - y, None, 40, 2, product=lambda v, u, transpose: (
        hidden.T @ hidden if u is None else (hidden.T if transpose else hidden) @ u)), [1, 0])
    outcome = solver.solve()
    assert outcome.success
    np.testing.assert_allclose(solver.x, np.linalg.lstsq(hidden, y, rcond=None)[0], rtol=1e-4)
