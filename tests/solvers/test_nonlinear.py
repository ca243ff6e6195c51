"""The trust-region solvers: every choice, what can be read, second derivatives, products, failures."""
import doctest
import itertools

import numpy as np
import pytest

import gslfit.solvers._nlinear as nlinear
from gslfit import FitStatus
from gslfit.errors import InputError, InputTypeError, NonFiniteError
from gslfit.multifit import CONTINUE, SUCCESS, FdfSolver, Function_fdf, LargeSolver, NonlinearSolver

T = np.linspace(0, 10, 60)
Y = 1 + 5 * np.exp(-0.4 * T) + 0.1 * np.random.default_rng(4).normal(size=60)
START = [3.0, 0.3, 0.5]


def residual(x):
    """Return a decay with background."""
    return x[0] * np.exp(-x[1] * T) + x[2] - Y


def jacobian(x):
    """Its derivatives."""
    e = np.exp(-x[1] * T)
    return np.column_stack([e, -T * x[0] * e, np.ones_like(T)])


def curvature(x, v):
    """Its second derivative along v."""
    e = np.exp(-x[1] * T)
    return -2 * T * e * v[0] * v[1] + T**2 * x[0] * e * v[1] ** 2


def product(x, u, transpose):
    """J^T J, J^T u or J u, the Jacobian never kept."""
    J = jacobian(x)
    return J.T @ J if u is None else J.T @ u if transpose else J @ u


def function(f=residual, df=jacobian, **options):
    """Return the function as lean callables."""
    return Function_fdf.from_callables(f, df, 60, 3, **options)


def solved(solver, fun=None, weights=None, **options):
    """Return the solver, run to the end with success."""
    solver.set(fun or function(), START, weights)
    outcome = solver.solve(**options)
    assert outcome.success, outcome
    return solver


BEST = solved(FdfSolver(60, 3), xtol=0, ftol=0, gtol=1e-12)


@pytest.mark.parametrize(("trs", "scale", "solver"), list(itertools.product(nlinear.TRS, nlinear.SCALE, nlinear.SOLVER)))
def test_every_choice(trs, scale, solver):
    """Each step, scale and linear solver, with Jacobian and with differences, leads to the same minimum."""
    made = NonlinearSolver(60, 3, trs=trs, scale=scale, solver=solver)
    np.testing.assert_allclose(solved(made).x, BEST.x, rtol=1e-6)
    np.testing.assert_allclose(solved(made, function(df=None)).x, BEST.x, rtol=1e-5)


@pytest.mark.parametrize(("trs", "scale"), list(itertools.product(nlinear.LARGE_TRS, nlinear.SCALE)))
def test_every_choice_of_the_large_solver(trs, scale):
    """With the Jacobian, with differences, and with products only."""
    made = LargeSolver(60, 3, trs=trs, scale=scale)
    for fun in (function(), function(df=None), function(df=None, product=product)):
        np.testing.assert_allclose(solved(made, fun).x, BEST.x, rtol=1e-5)
    if trs != "cgst":
        for solver in ("cholesky", "mcholesky"):
            np.testing.assert_allclose(solved(LargeSolver(60, 3, trs=trs, scale=scale, solver=solver)).x, BEST.x, rtol=1e-5)


@pytest.mark.parametrize("scale", [1e-200, 1e-12, 1e12, 1e200])
@pytest.mark.parametrize("make", [*[lambda trs=trs: NonlinearSolver(60, 3, trs=trs) for trs in nlinear.TRS],
                                  *[lambda trs=trs: LargeSolver(60, 3, trs=trs) for trs in nlinear.LARGE_TRS]])
def test_residuals_of_any_size(make, scale):
    """Multiplying the residuals by anything changes nothing; covar and gradient scale as they should."""
    solver, reference = make(), solved(make())
    solved(solver, function(lambda x: scale * residual(x), lambda x: scale * jacobian(x)))
    np.testing.assert_allclose(solver.x, reference.x, rtol=1e-6)
    np.testing.assert_allclose(solver.f, scale * residual(solver.x), rtol=1e-12)
    if abs(np.log10(scale)) < 100 and getattr(solver, "options", {}).get("trs") != "cgst":
        np.testing.assert_allclose(solver.covar() * scale**2, reference.covar(), rtol=1e-5)


def test_what_can_be_read():
    """J, gradient, covar, rcond, avratio, name, options."""
    solver = solved(NonlinearSolver(60, 3, trs="ddogleg"))
    J = jacobian(solver.x)
    np.testing.assert_allclose(solver.J, J, rtol=1e-12)
    np.testing.assert_allclose(solver.covar(), np.linalg.inv(J.T @ J), rtol=1e-9)
    np.testing.assert_allclose(solver.gradient(), J.T @ solver.f, atol=1e-12)
    assert 0 < solver.rcond() < 1
    assert solver.avratio() == 0
    assert solver.name == "trust-region/double-dogleg"
    assert solver.options["trs"] == "ddogleg"
    large = solved(LargeSolver(60, 3))
    np.testing.assert_allclose(large.covar(), np.linalg.inv(J.T @ J), rtol=1e-4)
    np.testing.assert_allclose(large.gradient(), jacobian(large.x).T @ large.f, atol=1e-10)
    assert 0 < large.rcond() < 1
    assert large.avratio() == 0
    assert large.name == "trust-region/levenberg-marquardt"
    with pytest.raises(InputError, match="keeps no J"):
        solved(LargeSolver(60, 3, trs="cgst")).covar()


@pytest.mark.parametrize("cls", [NonlinearSolver, LargeSolver])
def test_second_derivatives(cls):
    """fvv is called by lmaccel, and gives what differences give; M2's manner of filling an array works too."""
    calls = []

    def fvv(x, v):
        calls.append(1)
        return curvature(x, v)

    solver = solved(cls(60, 3, trs="lmaccel"), function(fvv=fvv))
    assert calls
    assert solver.avratio() > 0
    np.testing.assert_allclose(solver.x, BEST.x, rtol=1e-6)
    niter = solver.niter
    solved(solver)
    assert abs(solver.niter - niter) <= 1
    solved(cls(60, 3, trs="lmaccel", h_fvv=0.02))

    def fill(x, v, out):
        out[:] = curvature(x, v)

    filling = Function_fdf(lambda x, out: np.copyto(out, residual(x)), lambda x, out: np.copyto(out, jacobian(x)), 3, fvv=fill)
    np.testing.assert_allclose(solved(cls(60, 3, trs="lmaccel"), filling).x, BEST.x, rtol=1e-6)


def test_weights():
    """Weights of the squared residuals; not with products, which can't be weighted from outside."""
    w = np.linspace(0.5, 2, 60)
    by_hand = solved(FdfSolver(60, 3), function(lambda x: np.sqrt(w) * residual(x), lambda x: np.sqrt(w)[:, None] * jacobian(x)))
    for solver in (NonlinearSolver(60, 3), LargeSolver(60, 3), LargeSolver(60, 3, trs="cgst"), FdfSolver(60, 3)):
        np.testing.assert_allclose(solved(solver, weights=w).x, by_hand.x, rtol=1e-5)
    with pytest.raises(InputError, match="weights don't go with a function that has product"):
        LargeSolver(60, 3).set(function(df=None, product=product), START, w)


@pytest.mark.parametrize(("options", "message"), [
    ({"trs": "newton"}, "trs is 'newton'; there are lm, lmaccel, dogleg, ddogleg, subspace2D"),
    ({"scale": "none"}, "scale is 'none'; there are more, levenberg, marquardt"),
    ({"solver": "lu"}, "solver is 'lu'; there are qr, cholesky, mcholesky, svd"),
    ({"fdtype": "backward"}, "fdtype is 'backward'; there are forward, centred"),
    ({"factor_up": 0}, "factor_up is 0"),
    ({"avmax": -1}, "avmax is -1"),
    ({"h_df": np.nan}, "h_df is nan"),
    ({"h_fvv": 0}, "h_fvv is 0"),
])
def test_choices_there_are_not(options, message):
    """The message lists what there is."""
    with pytest.raises(InputError, match=message):
        NonlinearSolver(60, 3, **options)


def test_sizes_and_pairs_there_are_not():
    """n < p, n of another kind, and cgst with a factorization."""
    for cls in (NonlinearSolver, LargeSolver):
        with pytest.raises(InputError, match="2 residuals for 3 parameters"):
            cls(2, 3)
        with pytest.raises(InputTypeError, match="p must be an integer"):
            cls(3, 2.0)
        with pytest.raises(InputError, match="p is 0"):
            cls(3, 0)
    for options in ({"trs": "cgst", "solver": "cholesky"}, {"trs": "lm", "solver": "none"}):
        with pytest.raises(InputError, match="go together only"):
            LargeSolver(60, 3, **options)
    with pytest.raises(InputError, match="there are lm, lmaccel, dogleg, ddogleg, subspace2D, cgst"):
        LargeSolver(60, 3, trs="newton")


def test_differences():
    """fdtype and h_df choose them; centred ones are closer."""
    errors = [np.abs(started(NonlinearSolver(60, 3, fdtype=kind)).J - jacobian(START)).max() for kind in ("forward", "centred")]
    assert errors[1] < errors[0] / 30
    assert np.abs(started(NonlinearSolver(60, 3, h_df=1e-2)).J - jacobian(START)).max() > 10 * errors[0]


def started(solver):
    """Return the solver at its start, Jacobian by differences."""
    solver.set(function(df=None), START)
    return solver


MAKERS = [lambda: NonlinearSolver(60, 3), lambda: NonlinearSolver(60, 3, trs="lmaccel"), lambda: NonlinearSolver(60, 3, trs="subspace2D"),
          lambda: LargeSolver(60, 3), lambda: LargeSolver(60, 3, trs="cgst")]


class Boom(Exception):
    """An exception of the caller's own."""


@pytest.mark.parametrize("make", MAKERS)
@pytest.mark.parametrize("error", [Boom("here"), KeyboardInterrupt(), SystemExit(2)], ids=repr)
@pytest.mark.parametrize("callback", ["f", "df", "fvv", "product", "watch"])
@pytest.mark.parametrize("call", [1, 3])
def test_every_failure_of_every_callback_surfaces(make, error, callback, call):
    """As itself, at once; the next fit works."""
    last = []

    def act(name, good):
        last.append(name)
        if name == callback and last.count(name) == call:
            raise error
        return good

    fun = function(lambda x: act("f", residual(x)), lambda x: act("df", jacobian(x)), fvv=lambda x, v: act("fvv", curvature(x, v)),
                   product=(lambda x, u, t: act("product", product(x, u, t))) if callback == "product" else None)
    solver = make()

    def run():
        solver.set(fun, START)
        solver.solve(callback=lambda s: act("watch", False))

    if (callback == "fvv" and solver.options["trs"] != "lmaccel") or (callback == "product" and isinstance(solver, NonlinearSolver)):
        return                                          # never called
    with pytest.raises(type(error)) as caught:
        run()
    assert caught.value is error
    assert last[-1] == callback
    np.testing.assert_allclose(solved(solver).x, BEST.x, rtol=1e-5)


@pytest.mark.parametrize("make", MAKERS)
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_not_finite(make, value):
    """An error at the start, a refused step on the way, an ending for a Jacobian."""
    with pytest.raises(NonFiniteError, match=f"index 0 is {value} at the start"):
        make().set(function(lambda x: np.full(60, value)), START)

    def wall(x):
        return residual(x) if x[0] < 5.5 else np.full(60, value)

    solver = make()
    solver.set(function(wall), [1, 0.4, 6])
    outcome = solver.solve(max_iter=500)
    np.testing.assert_allclose(solver.x, BEST.x, rtol=1e-5)
    assert outcome.success
    solver.set(function(df=lambda x: jacobian(x) if x[0] == 3 else np.full((60, 3), value)), START)
    assert solver.solve().ending == FitStatus.NONFINITE
    assert np.isfinite(solver.x).all()


def test_limits_and_watching():
    """max_iter, max_nfev and the callback end a fit; iterate and solve go on from where it was."""
    for make in MAKERS:
        solver = make()
        solver.set(function(), START)
        assert solver.solve(max_iter=1).ending == FitStatus.MAX_ITER
        assert solver.iterate() == 0
        assert solver.solve(callback=lambda s: True).ending in (FitStatus.STOPPED, FitStatus.GRADIENT)
        assert solver.solve().success
        solver.set(function(df=None), START)
        outcome = solver.solve(max_nfev=7)
        assert (outcome.ending, outcome.nfev) == (FitStatus.MAX_NFEV, 7)


@pytest.mark.parametrize("trs", ["lm", "cgst"])
def test_many_residuals_by_products(trs):
    """30,000 residuals, the Jacobian in no one's memory: GSL's own case for the large solver."""
    n, p = 30_000, 5
    t = np.linspace(-1, 1, n)
    basis = [np.polynomial.legendre.legval(t, np.eye(p)[j]) for j in range(p)]
    truth = np.array([1.0, -2, 0.5, 1.5, 0.3])
    y = sum(c * b for c, b in zip(truth, basis, strict=True)) + 0.1 * np.random.default_rng(6).normal(size=n)

    def columns(x):
        return [b * (1 + 0.1 * x[j]) for j, b in enumerate(basis)]

    def f(x):
        return sum((c + 0.05 * c**2) * b for c, b in zip(x, basis, strict=True)) - y

    def products(x, u, transpose):
        cols = columns(x)
        if u is None:
            return np.array([[a @ b for b in cols] for a in cols])
        return np.array([c @ u for c in cols]) if transpose else sum(v * c for v, c in zip(u, cols, strict=True))

    solver = LargeSolver(n, p, trs=trs)
    solver.set(Function_fdf.from_callables(f, None, n, p, product=products), np.zeros(p))
    outcome = solver.solve()
    assert outcome.success
    linear = np.linalg.lstsq(np.stack(basis, axis=1), y, rcond=None)[0]
    np.testing.assert_allclose(solver.x + 0.05 * solver.x**2, linear, rtol=1e-5)


def test_solvers_leave_nothing():
    """Thousands created, used, broken and dropped: the process does not grow."""
    psutil = pytest.importorskip("psutil")

    def breaking(x):
        raise Boom

    def use(times):
        for i in range(times):
            solver = MAKERS[i % len(MAKERS)]()
            solver.set(function(), START)
            solver.iterate()
            with pytest.raises(Boom):
                solver.set(function(breaking), START)

    use(200)
    before = psutil.Process().memory_info().rss
    use(2000)
    assert psutil.Process().memory_info().rss - before < 2e6


def test_docstrings_run():
    """The examples in the docstrings are true."""
    assert doctest.testmod(nlinear).failed == 0


# -- GSL's own test and driver, for loops written by hand

def exponential(fvv=None):
    """Return a decay on data that it doesn't reach."""
    t = np.arange(12)
    return Function_fdf.from_callables(
        lambda x: x[0]*np.exp(-x[1]*t) - 5*np.exp(-.3*t) - .1*(t % 3),
        lambda x: np.column_stack([np.exp(-x[1]*t), -x[0]*t*np.exp(-x[1]*t)]), 12, 2, **({"fvv": fvv(t)} if fvv else {}))


class Told(list):
    """The iterations that a callback was told of."""

    def __call__(self, solver):
        self.append(solver.niter)


@pytest.mark.parametrize("make", [lambda: FdfSolver("lmsder", 12, 2), lambda: NonlinearSolver(12, 2), lambda: LargeSolver(12, 2)])
def test_convergence_as_gsl_judges_it(make):
    """A step below xtol, then a gradient below gtol, by GSL's formulas at each iterate; the driver ends where a loop by hand does."""
    solver = make()
    with pytest.raises(InputError, match="call set"):
        solver.test(1e-8, 1e-8)
    seen = []
    for xtol, gtol in ((1e-3, 0), (0, 1e-3), (0, 0)):
        solver.set(exponential(), [1., 1.])
        status = CONTINUE
        while status == CONTINUE and solver.niter < 6:
            assert solver.iterate() == 0
            status, info = solver.test(xtol, gtol)
            x, dx, f, g = solver.x, solver.dx, solver.f, solver.gradient()
            small = (np.abs(dx) < xtol**2 + xtol*np.abs(x)).all()
            flat = np.abs(g*np.maximum(x, 1)).max() <= gtol*max(f @ f/2, 1)
            assert (status, info) == ((SUCCESS, 1) if small else (SUCCESS, 2) if flat else (CONTINUE, 0))
        ended, by_hand = (status, info), solver.x
        told = Told()
        solver.set(exponential(), [1., 1.])
        assert solver.driver(6, xtol, gtol, callback=told) == (ended if status == SUCCESS else (11, 0))
        np.testing.assert_array_equal(solver.x, by_hand)
        assert told == list(range(solver.niter + 1))
        seen.append(info)
    assert 0 in seen
    with pytest.raises(InputError, match="xtol"):
        solver.test(-1, 0)


def test_driver_at_the_limits_of_precision():
    """A status that means precision is exhausted is success, and the info; no step at the first iteration is EMAXITER."""
    solver = FdfSolver("lmsder", 2, 2)
    exact = Function_fdf.from_callables(lambda x: x - [1., 2.], lambda x: np.eye(2), 2, 2)
    solver.set(exact, [0., 0.])
    assert solver.driver(50, 0, 0)[0] == SUCCESS
    np.testing.assert_allclose(solver.x, [1, 2])
    wrong = Function_fdf.from_callables(lambda x: x + 3, lambda x: -np.eye(2), 2, 2)
    trust = NonlinearSolver(2, 2)
    trust.set(wrong, [1., 1.])
    assert trust.driver(9, 1e-8, 1e-8) == (11, 27)
    trust.set(exponential_of_one(), [1.5, 1.5])
    with pytest.raises(ZeroDivisionError):
        trust.driver(9, 1e-8, 1e-8, callback=lambda s: 1/0)


def exponential_of_one():
    """Return residuals of two parameters."""
    return Function_fdf.from_callables(lambda x: np.exp(x) - 2, lambda x: np.diag(np.exp(x)), 2, 2)


def test_names_and_counts_of_gsl():
    """`nevalf`, `nevaldf`, `nevalfvv`, `trs_name`, `residual`, and `info` of what solve says."""
    def second(t):
        return lambda x, v: -2*v[0]*v[1]*t*np.exp(-x[1]*t) + v[1]**2*x[0]*t*t*np.exp(-x[1]*t)
    for make, step in ((NonlinearSolver, "levenberg-marquardt+accel"), (LargeSolver, "levenberg-marquardt+accel")):
        solver = make(12, 2, trs="lmaccel")
        solver.set(exponential(second), [4., .5])
        outcome = solver.solve()
        assert outcome.success
        assert outcome.info in (1, 2, 3)
        assert (solver.nevalf, solver.nevaldf) == (outcome.nfev, outcome.njev)
        assert solver.nevalfvv >= outcome.niter
        assert solver.trs_name == step
        assert solver.name == f"trust-region/{step}"
        np.testing.assert_array_equal(solver.residual(), solver.f)
        solver.set(exponential(), [4., .5])
        assert solver.nevalfvv == 0
        assert solver.solve(max_iter=0).info == 0


def test_a_driver_that_gets_nowhere_ends():
    """Tolerances of zero and iterations without end: where no step helps any more, the driver says so."""
    solver = solved(NonlinearSolver(60, 3))
    assert solver.driver(2**31 - 1, 0.0, 0.0)[1] == 0 and np.isfinite(solver.x).all()


@pytest.mark.parametrize("cls", [NonlinearSolver, LargeSolver])
def test_second_differences_stand_for_second_derivatives(cls):
    """Accelerated steps without fvv are those with it, to the accuracy of a second difference."""
    t = np.linspace(0, 3, 12)

    def second(x, v):
        return -2*v[0]*v[1]*t*np.exp(-x[1]*t) + v[1]**2*x[0]*t*t*np.exp(-x[1]*t)

    def model(x):
        return x[0]*np.exp(-x[1]*t) - 3*np.exp(-2*t) - .05*np.cos(9*t)

    def slopes(x):
        e = np.exp(-x[1]*t)
        return np.column_stack([e, -x[0]*t*e])

    ends = {}
    for name, trs, fvv in (("exact", "lmaccel", second), ("differences", "lmaccel", None), ("none", "lm", None)):
        solver = cls(12, 2, trs=trs)
        solver.set(Function_fdf.from_callables(model, slopes, 12, 2, fvv=fvv), [2., 1.2])
        solver.iterate()
        ends[name] = np.array(solver.x)
    bent = np.abs(ends["exact"] - ends["none"]).max()
    assert bent > 1e-3
    assert np.abs(ends["differences"] - ends["exact"]).max() < .02*bent
