"""What counts as a minimum: known minima are reached and said to be, failures are said too, and nothing on the way is an internal error."""
import numpy as np
import pytest
from more_garbow_hillstrom import CASES
from scipy.optimize import least_squares

from gslfit import FitStatus, FitWarning, Minimizer, Parameters, conf_interval, fit_batch, minimize
from gslfit.compat import lmfit
from gslfit.errors import NonFiniteError
from gslfit.multifit import FdfSolver, Function_fdf, LargeSolver, NonlinearSolver

CHISQR = 1e-6           # relative: half the digits that the paper gives
ZERO = 1e-14            # of chi-square at the start
FINITE = 1e5            # parameters beyond this, where the start is within 1e4, are on their way to infinity


def parameters(values):
    """Parameters x0, x1, ... with start values."""
    params = Parameters()
    for k, value in enumerate(values):
        params.add(f"x{k}", float(value))
    return params


def fitted(residual, start, **options):
    """Return the fitted Minimizer of a residual of an array, and the array it ended at."""
    params = parameters(start)
    with np.errstate(all="ignore"):
        out = minimize(lambda p: residual(np.array([par.value for par in p.values()])), params, **options)
    return out, np.array([par.value for par in params.values()])


def reached(case, chisqr, first):
    """Whether chi-square is that of one of the finite minima."""
    return any(abs(chisqr - known) <= CHISQR * known + (ZERO * first if known == 0 else 0) for known in case.minima)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_known_minima_from_the_standard_start(case):
    """All 41 from the standard start, without derivatives, and success said of each."""
    with np.errstate(all="ignore"):
        first = float(np.sum(case.residuals(case.start_at(1))**2))
    out, _ = fitted(case.residuals, case.start_at(1))
    assert reached(case, out.chisqr, first), (out.chisqr, case.minima)
    assert out.success, out.message


@pytest.mark.parametrize("factor", [10, 100])
@pytest.mark.parametrize("case", [pytest.param(case, marks=[pytest.mark.slow] if case.name.startswith("chebyquad") else [])
                                  for case in CASES], ids=[case.name for case in CASES])
def test_honesty_from_further_starts(case, factor):
    """From 10 and 100 times the start: no error; a finite minimum that is reached is said to be; one at infinity is no success."""
    with np.errstate(all="ignore"):
        first = float(np.sum(case.residuals(case.start_at(factor))**2))
    out, x = fitted(case.residuals, case.start_at(factor))
    ran_off = np.abs(x).max() > FINITE * max(1, np.abs(case.start_at(factor)).max() / 1e4) or "has lost its effect" in out.message
    if not ran_off and reached(case, out.chisqr, min(first, 1e10)):
        assert out.success, out.message
    if any(abs(out.chisqr - known) <= 1e-3 * known for known in case.infinite):
        assert not out.success, out.message
    if out.success and not reached(case, out.chisqr, first):
        with np.errstate(all="ignore"):
            further = least_squares(case.residuals, x, jac="3-point", x_scale="jac", xtol=1e-15, ftol=1e-15, gtol=1e-15, max_nfev=200)
        assert 2 * further.cost >= out.chisqr * (1 - 1e-6), out.message


def test_the_list_is_whole():
    """35 problems in 41 cases, each with a start of its size."""
    assert len(CASES) == 41
    assert len({case.name.rstrip("0123456789_") for case in CASES}) in (33, 34, 35)
    for case in CASES:
        assert case.residuals(case.start_at(1)).size >= len(case.start)


X = np.linspace(0, 10, 40)
ZEROS = {
    "proportion": (lambda v: v[0] * X, [[0.]]),
    "line": (lambda v: v[0] * X + v[1], [[2., 0.], [0., 0.], [0., -3.]]),
    "decay": (lambda v: v[0] * np.exp(-X / v[1]) + v[2], [[3., 2., 0.], [0., 2., 0.]]),
    "peak": (lambda v: v[0] * np.exp(-(X - 5 - v[1])**2 / (2 * v[2]**2)) + v[3], [[2., 0., 1., 0.]]),
    "sine": (lambda v: v[0] * np.sin(v[1] * X + v[2]), [[3., 1., 0.]]),
    "cubic": (lambda v: v[0] + v[1] * X + v[2] * X**2 + v[3] * X**3, [[0., 0., 1., 0.], [0., 0., 0., 0.]]),
    "sinh": (lambda v: np.sinh(v[0]) + v[1] * X, [[0., 0.]]),
    "exp - 1": (lambda v: np.exp(v[0] * X / 10) - 1, [[0.]]),
    "double root": (lambda v: v[0]**2 * X, [[0.]]),
    "quotient": (lambda v: v[0] * X / (1 + v[1] * X), [[0., 1.]]),
}


@pytest.mark.parametrize("name", ZEROS)
def test_exact_data_with_zeros(name):
    """Noise-free data, some or all parameters zero: no exception, the curve, success, and no more evaluations than the kind needs."""
    curve, truths = ZEROS[name]
    rng = np.random.default_rng(11)
    for true in truths:
        y = curve(np.array(true))
        for _ in range(8):
            start = np.array(true) + 0.3 * rng.standard_normal(len(true))
            out, x = fitted(lambda v, y=y: curve(v) - y, start)
            assert np.abs(curve(x) - y).max() <= 1e-7 * max(1, np.abs(y).max()), (true, start, out.message)
            assert out.success, (true, start, out.message)
            assert out.nfev < 500 * (len(true) + 1), (true, start)


@pytest.mark.parametrize("start", [
    (0.33607910710410654, 2.380978024196376, -0.5853077341563768), (-0.16977759810370993, 2.5231263829549055, 0.06251163484747393),
    (0.186358911964925, 1.6470071124740786, 0.5304338085321573)])
def test_zeros_down_to_the_least_numbers(start):
    """Data of zeros, where the amplitude ends among the subnormal numbers, whose products are zero: an exact fit without misses."""
    out, _ = fitted(lambda v: v[0] * np.exp(-X / v[1]) + v[2], start)
    assert out.chisqr == 0
    assert out.success, out.message


@pytest.mark.parametrize("n", [3, 6, 17])
@pytest.mark.parametrize("slope", [0.1, 1., 3.])
def test_exact_lines(n, slope):
    """A line through its data, from starts where a step hits them exactly."""
    x = np.arange(n) * 1.
    for start in ((1, 1), (0, 1), (1, 0.5), (0.1, 0.9)):
        out, found = fitted(lambda v: v[0] * x + v[1] - slope * x, start)
        assert out.success and np.allclose(found, [slope, 0], atol=1e-12)


def test_a_start_where_nothing_has_an_effect():
    """A line of light started far from where it is: nothing moves, and that is no success."""
    x = np.linspace(390, 396, 61)
    y = 900 * np.exp(-(x - 393.4)**2 / (2 * 0.21**2)) + np.random.default_rng(7).normal(0, 12, 61)
    out, found = fitted(lambda v: v[0] * np.exp(-(x - v[1])**2 / (2 * v[2]**2)) - y, [1, 1, 1])
    assert not out.success and "no parameter has an effect" in out.message
    assert found.tolist() == [1, 1, 1]


def test_a_saddle_is_left():
    """b*b*x from b = 0 next to a line: the slope by b is zero there, and chi-square falls to either side."""
    y = 1 + 2 * X + np.random.default_rng(3).normal(0, 0.1, X.size)
    out, found = fitted(lambda v: v[0] + v[1]**2 * X - y, [1, 0])
    best = np.linalg.lstsq(np.column_stack([np.ones_like(X), X]), y, rcond=None)[0]
    assert out.success and np.allclose([found[0], found[1]**2], best, rtol=1e-6)


@pytest.mark.parametrize("scale", [1e-30, 1e-12, 1e12, 1e30, 1e-200, 1e200])
def test_data_of_another_size_than_the_start(scale):
    """Data of 1e-30 from an amplitude of 1, and others: a success is at the minimum, which SciPy finds in fitting units."""
    x = np.linspace(0, 5, 40)
    y = 2 * np.exp(-x / 1.5) + 0.3 + np.random.default_rng(0).normal(0, 0.01, 40)
    best = least_squares(lambda v: v[0] * np.exp(-x / v[1]) + v[2] - y, [1, 1, 0], xtol=1e-15, ftol=1e-15, gtol=1e-15)
    start = [scale, 1, 0] if abs(np.log10(scale)) > 100 else [1, 1, 0]
    out, found = fitted(lambda v: v[0] * np.exp(-x / v[1]) + v[2] - scale * y, start)
    if out.success:
        assert np.allclose(found / [scale, 1, scale], best.x, rtol=1e-6)
    else:
        assert start[0] != scale, out.message
    if scale in (1e-30, 1e-200, 1e200, 1e-12):
        assert out.success, out.message


def test_products_of_tiny_residuals():
    """Where the products of the Jacobian's columns with the residual vanish, a point with a slope is no minimum, from any start."""
    x = np.linspace(0, 5, 40)
    y = 2 * np.exp(-x) + 0.5 + np.random.default_rng(8).normal(scale=0.02, size=x.size)
    best = least_squares(lambda v: v[0] * np.exp(-v[1] * x) + v[2] - y, [2, 1, 0.5], xtol=1e-15, ftol=1e-15, gtol=1e-15)
    for k in range(16):
        out, found = fitted(lambda v: v[0] * np.exp(-v[1] * x) + v[2] - 1e-200 * y, [1 + 0.03 * k, 0.7, 0.2])
        assert out.success, (k, out.message)
        assert np.allclose(found / [1e-200, 1, 1e-200], best.x, rtol=1e-5), (k, found)



def test_the_best_point_seen_at_a_limit():
    """A fit stopped by its limit, or by its callback, returns the best values that the residual was called with."""
    y = 14 * np.sin(0.123 + X / 1.4) * np.exp(-X * 0.1) + np.random.default_rng(1).normal(scale=0.7, size=X.size)
    for engine in ("leastsq", "lmder", "lbfgsb", "anneal"):
        for limit in (5, 9, 17, 40):
            seen = []

            def residual(v, seen=seen):
                r = v[0] * np.sin(v[1] + X / v[2]) * np.exp(-X * v[3]) - y
                seen.append(r @ r)
                return r
            out, _ = fitted(residual, [13, 0, 2, 0.02], engine=engine, max_nfev=limit)
            if "limit" in out.message:
                assert out.chisqr <= min(seen) * (1 + 1e-12), (engine, limit)
                assert not out.success and f"limit of {limit} evaluations" in out.message
            assert len(seen) <= limit
        stop = fitted(residual, [13, 0, 2, 0.02], engine=engine, iter_cb=lambda params, k, r: k >= 12)[0]
        assert stop.aborted and stop.chisqr <= min(seen[-12:]) * (1 + 1e-12)


def test_an_interrupt_leaves_the_best_point_seen():
    """KeyboardInterrupt reaches the caller, and the Minimizer has the best values that the residual was called with."""
    y = 2 * np.exp(-X / 1.5)
    for engine in ("leastsq", "lbfgsb", "anneal"):
        seen = []

        def residual(params, seen=seen):
            if len(seen) == 12:
                raise KeyboardInterrupt
            r = params["a"].value * np.exp(-X / params["t"].value) - y
            seen.append(r @ r)
            return r
        params = Parameters()
        params.add_many(("a", 1), ("t", 1))
        fitter = Minimizer(residual, params)
        with pytest.raises(KeyboardInterrupt):
            fitter.minimize(engine)
        assert fitter.chisqr == min(seen) and fitter.aborted and not fitter.success and "interrupted" in fitter.message
        assert np.sum((params["a"].value * np.exp(-X / params["t"].value) - y)**2) == pytest.approx(min(seen))


def test_a_jacobian_that_is_not_finite():
    """It is said with its row and its column: at the start by an error, on the way by the message of a fit that is no success."""
    y = 2 * np.exp(-X / 1.5) + np.random.default_rng(0).normal(0, 0.01, X.size)

    def slopes(params):
        a, t = params["a"].value, params["t"].value
        J = np.stack([np.exp(-X / t), a * X / t**2 * np.exp(-X / t)], axis=1)
        J[7, 1] = np.nan if t > 1.2 else J[7, 1]
        return J

    def residual(params):
        return params["a"].value * np.exp(-X / params["t"].value) - y
    params = Parameters()
    params.add_many(("a", 1), ("t", 1.))
    out = minimize(residual, params, Dfun=slopes)
    assert not out.success and "nan in row 7, the derivative by t" in out.message
    params["t"].value = 1.3
    with pytest.raises(NonFiniteError, match="slopes is nan in row 7, the derivative by 't'"):
        minimize(residual, params, Dfun=slopes)


@pytest.mark.parametrize("method", ["nelder", "powell", "bfgs", "lbfgsb", "tnc", "slsqp", "least_squares", "leastsq", "basinhopping",
                                    "ampgo",
                                    "dual_annealing", "brute", "differential_evolution"])
def test_lmfit_methods_return_the_best_point_seen_at_a_limit(method):
    """Each method of the compat layer, stopped by max_nfev."""
    y = 2 * np.exp(-X / 1.5) + np.random.default_rng(0).normal(0, 0.01, X.size)
    for limit in (7, 20):
        best = [np.inf]

        def residual(params, best=best):
            r = params["a"].value * np.exp(-X / params["t"].value) - y
            best[0] = min(best[0], r @ r)
            return r
        params = lmfit.create_params(a={"value": 1, "min": 0, "max": 10}, t={"value": 1, "min": 0.1, "max": 10})
        out = lmfit.minimize(residual, params, method=method, max_nfev=limit)
        if out.aborted:
            assert not out.success and "evaluations" in out.message
        assert out.chisqr == pytest.approx(best[0], rel=1e-12)


@pytest.mark.parametrize("trs", ["lm", "lmaccel", "dogleg", "ddogleg", "subspace2D", "cgst"])
@pytest.mark.parametrize("exact", [True, False])
def test_solvers_where_nothing_has_an_effect(trs, exact):
    """GSL's own objects: a start on a flat, and a fit that runs onto one, are no successes; a zero Jacobian has rank 0."""
    x = np.linspace(390, 396, 61)
    y = 900 * np.exp(-(x - 393.4)**2 / (2 * 0.21**2))

    def f(p):
        with np.errstate(under="ignore"):
            return p[0] * np.exp(-(x - p[1])**2 / (2 * p[2]**2)) - y

    function = Function_fdf.from_callables(f, (lambda p: np.zeros((61, 3))) if exact else None, 61, 3)
    solvers = [LargeSolver(61, 3, trs=trs)] if trs == "cgst" else [LargeSolver(61, 3, trs=trs), NonlinearSolver(61, 3, trs=trs)]
    for solver in [*solvers, FdfSolver("lmsder", 61, 3), FdfSolver("lmniel", 61, 3)]:
        solver.set(function, [1., 1., 1.])
        outcome = solver.solve()
        assert not outcome.success and outcome.ending == FitStatus.NO_EFFECT, (solver.name, outcome)
        assert outcome.rank == 0


def test_intervals_in_any_unit():
    """Confidence intervals of data of 1e-200 and 1e200 are those of data of 1."""
    x = np.linspace(0, 5, 40)
    noise = 0.01 * np.random.default_rng(0).standard_normal(40)
    found = []
    for unit in (1., 1e-160, 1e-200, 1e200):
        y = (2 * np.exp(-x / 1.5) + noise) * unit
        params = Parameters()
        params.add_many(("A", unit), ("tau", 1.))
        fitted = minimize(lambda p, y=y: p["A"].value * np.exp(-x / p["tau"].value) - y, params)
        intervals = conf_interval(fitted, sigmas=[0.683, 0.95])
        found.append([value / (unit if name == "A" else 1) for name in ("A", "tau") for _, value in intervals[name]])
    for other in found[1:]:
        assert np.allclose(other, found[0], rtol=1e-7)


def test_no_minimum_at_infinity():
    """What only infinity would reach is no minimum, and an end there is no success."""
    params = Parameters()
    params.add("c", .89)
    found = minimize(lambda p: np.tanh(np.cbrt(9 + p["c"].value**2)) - np.full(7, 1.05), params)
    assert not found.success
    assert np.isfinite(found.params["c"].value) or found.status == FitStatus.LOST_EFFECT


@pytest.mark.parametrize(("rayleigh", "seed"), [(1e-4, 1), (1e-4, 2), (1e-5, 1)])
def test_what_is_seen_only_far_along_the_null_space(rayleigh, seed):
    """A beam from a waist of 0: next to a line through 0 its waist and Rayleigh range grow 1e4 times before chi-square falls."""
    z = np.linspace(-3, 3, 69)
    y = 5 * np.sqrt(1 + ((z + .6) / .12)**2) * (1 + .01 * np.random.default_rng(seed).normal(size=z.size))
    params = Parameters()
    params.add("w0", 0., min=0)
    params.add("z0", -137.)
    params.add("zR", rayleigh, min=0)

    def residual(p):
        return p["w0"].value * np.sqrt(1 + ((z - p["z0"].value) / p["zR"].value)**2) - y
    with np.errstate(all="ignore"):
        found = minimize(residual, params)
    assert found.success
    assert params["zR"].value == pytest.approx(.12, rel=.05)


@pytest.mark.parametrize("width", [1e-2, 1e-4, 1e-6, 1e-8, 1e-10])
@pytest.mark.parametrize("bend", [.5, 1.2])
def test_bounds_next_to_each_other(width, bend):
    """A parameter that its bounds hold all but fixed ends on one of them, at the cost of a fit without it, and the others at their best."""
    x = np.linspace(0, 5, 30)
    y = .6 + 2 * x + bend * x**2 + .1 * np.random.default_rng(0).normal(size=30)
    params = Parameters()
    params.add("c0", .6)
    params.add("c1", 1.9)
    params.add("c2", .8 * (1 + width / 2), min=.8, max=.8 * (1 + width))
    out = minimize(lambda p: p["c0"].value + x * (p["c1"].value + x * p["c2"].value) - y, params)
    assert out.status == FitStatus.AT_BOUND
    assert params["c2"].value == (.8 if bend < .8 else .8 * (1 + width))
    rest = np.polyfit(x, y - params["c2"].value * x**2, 1)
    assert [params["c1"].value, params["c0"].value] == pytest.approx(rest, rel=1e-7)
    assert out.nfev < 100


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("exact", [True, False])
def test_a_way_down_to_one_side_alone(sign, exact):
    """At 0 a cube has no slope and no curvature, and chi-square falls to one side of it."""
    x, params = np.linspace(.5, 1.5, 9), Parameters()
    params.add_many(("a", 3.), ("p", 0.))
    found = minimize(lambda p: (p["a"].value - 1)*x + (p["p"].value**3 - sign*8)*x**2 + .01*np.cos(9*x), params,
                     Dfun=(lambda p: np.column_stack([x, 3*p["p"].value**2*x**2])) if exact else None)
    assert found.success
    assert found.params["p"].value == pytest.approx(2*sign, rel=.01)


@pytest.mark.parametrize("seed", [1, 3, 6])
@pytest.mark.parametrize(("of_x", "of_y"), [(1, 1), (1e6, 1e6), (1e-9, 1e-100)])
@pytest.mark.parametrize("how", ["minimize", "called rows"])
def test_a_rate_that_runs_off_before_a_bound_silences_it(how, of_x, of_y, seed):
    """Of data below two bounds the amplitude and the constant are 0 at the minimum, wherever the rate has gone on the way."""
    u = np.linspace(.05, 6, 25)
    rng = np.random.default_rng(seed)
    y = of_y*(-2*np.exp(-.8*u) - .3 + .05*rng.normal(size=u.size))
    start = {"A": of_y*rng.uniform(.5, 3), "k": rng.uniform(.3, 3)/of_x, "c": of_y*rng.uniform(.1, 1)}

    def decay(x, A, k, c):
        with np.errstate(all="ignore"):
            return float(A)*np.exp(-float(k)*x) + float(c)
    params = Parameters()
    for name, value in start.items():
        params.add(name, value, min=0 if name != "k" else -np.inf)
    if how == "minimize":
        result = minimize(lambda p: decay(of_x*u, *p.valuesdict().values()) - y, params)
    else:
        with pytest.warns(FitWarning):
            result = fit_batch(decay, y[None], params, x=of_x*u)[0]
    assert result.success
    assert result.params["A"].value == result.params["c"].value == 0
    assert result.params["k"].stderr is None
    assert result.chisqr == pytest.approx(np.sum(y**2), rel=1e-14)
