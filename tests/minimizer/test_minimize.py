"""minimize and Minimizer: results, options, derivatives, bounds, expressions, methods, against SciPy and lmfit."""
import copy
import pickle
import threading

import lmfit
import numpy as np
import pytest
from scipy.optimize import curve_fit, least_squares, leastsq

import gslfit
from gslfit import FitStatus, Minimizer, Parameter, Parameters, minimize
from gslfit.errors import InputError, InputTypeError

X = np.linspace(0, 10, 50)
NOISE = np.random.default_rng(3).normal(0, 0.05, X.size)
Y = 3 * np.exp(-0.5 * X) + 1 + NOISE


def decay(a, b, c):
    return a * np.exp(-b * X) + c


def residual(p, y=Y):
    return decay(p["a"].value, p["b"].value, p["c"].value) - y


def jacobian(p, y=Y):
    e = np.exp(-p["b"].value * X)
    return np.column_stack([e, -p["a"].value * X * e, np.ones_like(X)])


def start(**changes):
    """Give fresh start values; a keyword's dict changes one parameter."""
    params = Parameters()
    params.add_many(("a", 2), ("b", 1), ("c", 0.2))
    for name, change in changes.items():
        params[name].set(**change)
    return params


@pytest.fixture(scope="module")
def oracle():
    """Give SciPy's fit of the same data, tight."""
    best, covar = curve_fit(lambda _, *v: decay(*v), X, Y, [2, 1, 0.2], xtol=1e-14, ftol=1e-14,
                            jac=lambda _, a, b, c: np.column_stack([np.exp(-b * X), -a * X * np.exp(-b * X), np.ones_like(X)]))
    return best, covar


def check(params, oracle, values=5e-7, errors=5e-5):
    """Compare with the tight fit: values to leastsq's TARGET, errors to its BENT, how far off their Jacobian may be taken."""
    best, covar = oracle
    np.testing.assert_allclose([p.value for p in params.values()], best, rtol=values)
    np.testing.assert_allclose([p.stderr for p in params.values()], np.sqrt(np.diag(covar)), rtol=errors)


@pytest.mark.parametrize("engine", ["leastsq", "lmder", "lbfgsb", "anneal"])
def test_every_method_finds_the_minimum_and_its_errors(engine, oracle):
    params = start()
    out = minimize(residual, params, engine=engine)
    assert out.success, out.message
    assert out.errorbars
    assert out.method == engine
    check(params, oracle, *((1e-4, 1e-4) if engine == "lbfgsb" else ()))


def test_results():
    params = start()
    out = minimize(residual, params)
    assert out.params is params
    assert out.residual.shape == X.shape
    np.testing.assert_allclose(out.residual, residual(params))
    assert out.chisqr == pytest.approx(np.sum(out.residual**2), rel=1e-14)
    assert (out.ndata, out.nvarys, out.nfree) == (50, 3, 47)
    assert out.redchi == pytest.approx(out.chisqr / 47, rel=1e-14)
    assert isinstance(out.status, FitStatus) and out.status.success
    assert out.ier == out.status.ier and out.ier in (1, 2, 3, 4)       # MINPACK's numbers of a success
    assert out.lmdif_message == out.status.prose
    assert out.var_names == ["a", "b", "c"]
    assert out.init_vals == [2, 1, 0.2]
    assert out.init_values == {"a": 2, "b": 1, "c": 0.2}
    assert not out.aborted
    assert out.message
    assert out.call_kws["xtol"] == 1e-7
    np.testing.assert_allclose(np.sqrt(np.diag(out.covar)), [p.stderr for p in params.values()], rtol=1e-12)
    assert [p.init_value for p in params.values()] == [2, 1, 0.2]
    for i, one in enumerate(params.values()):
        assert set(one.correl) == set(params) - {one.name}
        for j, other in enumerate(params):
            if i != j:
                assert one.correl[other] == pytest.approx(out.covar[i, j] / np.sqrt(out.covar[i, i] * out.covar[j, j]), rel=1e-12)


def test_statistics_are_lmfits():
    theirs = lmfit.Parameters()
    theirs.add_many(("a", 2), ("b", 1), ("c", 0.2))
    want = lmfit.minimize(lambda p: decay(*p.valuesdict().values()) - Y, theirs)
    out = minimize(residual, start())
    for name in ("chisqr", "redchi", "aic", "bic"):
        assert getattr(out, name) == pytest.approx(getattr(want, name), rel=1e-9)
    np.testing.assert_allclose(out.covar, want.covar, rtol=1e-4)


def test_counts_every_call():
    calls = []
    out = minimize(lambda p: (calls.append(1), residual(p))[1], start())
    assert out.nfev == len(calls)


def test_attributes_wait_for_a_fit():
    fitter = Minimizer(residual, start())
    with pytest.raises(AttributeError, match="call leastsq"):
        _ = fitter.chisqr
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = fitter.nonsense
    assert fitter.leastsq() is True
    assert fitter.chisqr > 0


def test_engines_run_again_from_where_the_parameters_are():
    fitter = minimize(residual, start())
    first = fitter.nfev
    assert fitter.leastsq()
    assert fitter.nfev < first
    assert fitter.lbfgsb()
    assert fitter.method == "lbfgsb"
    assert fitter.minimize(method="lmder") is fitter


@pytest.mark.parametrize("engine", ["leastsq", "lmder", "lbfgsb", "anneal"])
def test_options_of_a_call_overrule_those_of_the_minimizer(engine):
    """Either way, few evaluations or as many as it takes; and the Minimizer's own hold where the call says nothing."""
    few, many = ({"max_nfev": limit} for limit in (3, 50_000))
    for own, call, stopped in ((few, many, False), (many, few, True), (few, {}, True)):
        calls = []

        def counted(params, calls=calls):
            calls.append(1)
            return residual(params)
        fitter = Minimizer(counted, start(), **own)
        getattr(fitter, engine)(**call)
        assert (len(calls) < 20) == stopped and fitter.success != stopped


def test_a_fit_taken_up_again_began_where_the_first_one_did():
    """A second call goes on from the end of the first: its initial values, and the report's, are still the caller's."""
    params = Parameters()
    params.add_many(("A", 1.), ("t", 1.))
    fitter = Minimizer(lambda p: p["A"].value*np.exp(-X/p["t"].value) - 2*np.exp(-X/1.3), params)
    for _ in range(2):
        assert fitter.minimize()
        assert [par.init_value for par in params.values()] == [1., 1.]
    params["A"].value = 3.          # another start, by hand
    fitter.minimize()
    assert params["A"].init_value == 3.


# -- the call

def test_third_argument_may_be_a_method():
    params = start()
    out = minimize(residual, params, "lbfgsb", (Y,))
    assert out.method == "lbfgsb"
    assert minimize(residual, start(), method="leastsq", kws={"y": Y}).success
    assert minimize(residual, start(), (Y,), None, "lmder").method == "lmder"


def test_dict_of_parameters():
    params = {"a": Parameter(value=2), "b": Parameter(value=1), "c": Parameter(value=0.2)}
    minimize(residual, params)
    assert params["a"].value == pytest.approx(3, abs=0.2)
    assert params["a"].stderr > 0


def test_manual_names_of_leastsq_options():
    out = minimize(residual, start(), xtol=1e-9, ftol=1e-9, gtol=1e-9, maxfev=500)
    assert out.success
    assert out.call_kws["max_nfev"] == 500


@pytest.mark.parametrize("shape", [(50,), (5, 10), (50, 1)])
def test_shapes_signs_and_kinds_of_residuals(shape, oracle):
    for sign in (1, -1):
        params = start()
        assert minimize(lambda p, s=sign: s * residual(p).reshape(shape), params).success
        check(params, oracle)
    params = start()
    minimize(lambda p: residual(p).tolist(), params)
    check(params, oracle)


def test_a_reused_buffer_works(oracle):
    buffer = np.empty_like(X)

    def f(p):
        buffer[:] = residual(p)
        return buffer

    params = start()
    assert minimize(f, params).success
    check(params, oracle)


def test_complex_residuals_count_twice(oracle):
    params = start()
    out = minimize(lambda p: residual(p) * (1 + 0j), params)
    assert out.ndata == 100
    np.testing.assert_allclose([p.value for p in params.values()], oracle[0], rtol=1e-7)
    params = start()
    z = (1 + 2j) * Y
    assert minimize(lambda p: decay(*[v.value for v in p.values()]) * (1 + 2j) - z, params).success
    np.testing.assert_allclose([p.value for p in params.values()], oracle[0], rtol=1e-7)


def test_writing_into_the_parameters_has_no_effect(oracle):
    def f(p):
        out = residual(p)
        p["a"].value = 99
        p["b"].vary = False
        p["c"].max = 0.5
        return out

    params = start()
    assert minimize(f, params).success
    check(params, oracle)
    assert params["b"].vary
    assert params["c"].max is None


def test_masked_points_are_left_out():
    mask = np.arange(50) % 7 == 0
    params = start()
    out = minimize(lambda p: np.ma.masked_array(residual(p), mask), params)
    assert out.ndata == 50 - mask.sum()


def test_asteval_functions_in_expressions():
    fitter = Minimizer(residual, start())
    fitter.asteval.symtable["half"] = lambda v: v / 2
    fitter.params["c"].expr = "half(a) - 0.5"
    assert fitter.leastsq()
    assert fitter.params["c"].value == pytest.approx(fitter.params["a"].value / 2 - 0.5)
    assert fitter.params["c"].stderr == pytest.approx(fitter.params["a"].stderr / 2, rel=1e-6)


def test_without_arguments():
    fitter = Minimizer()
    fitter.asteval.symtable["f"] = abs
    with pytest.raises(InputError, match="no residual function"):
        fitter.leastsq()


def test_prepare_fit():
    params = start(c={"expr": "a/10"})
    fitter = Minimizer(residual, params)
    fitter.prepare_fit()
    np.testing.assert_allclose(residual(params), decay(2, 1, 0.2) - Y)


# -- bounds, fixed values, expressions

@pytest.mark.parametrize("bounds", [{"min": 0}, {"max": 10}, {"min": 0, "max": 10}, {"min": -1e10, "max": 1e10}, {"min": 1e-12}])
def test_bounds_that_do_not_bind_change_nothing(bounds, oracle):
    params = start(a=bounds, b=bounds)
    assert minimize(residual, params).success
    check(params, oracle)


@pytest.mark.parametrize("at", ["min", "max"])
@pytest.mark.parametrize("engine", ["leastsq", "lmder", "lbfgsb"])
def test_a_bound_that_binds(at, engine):
    limit = {"min": 1.2, "max": 0.8}[at]
    params = start(c={at: limit, "value": {"min": 1.5, "max": 0.5}[at]})
    out = minimize(residual, params, engine=engine)
    assert out.success
    assert params["c"].value == pytest.approx(limit, rel=1e-9)
    assert params["c"].stderr is None
    assert not out.errorbars
    assert f"c is at its bound ({at} = {limit:g})" in out.message
    held = start(c={"value": limit, "vary": False})
    minimize(residual, held)
    for name in "ab":
        assert params[name].value == pytest.approx(held[name].value, rel=1e-4 if engine == "lbfgsb" else 1e-6)
        assert params[name].stderr == pytest.approx(held[name].stderr, rel=0.02)      # one more degree of freedom there


@pytest.mark.parametrize("bounds", [{"min": 0.2}, {"max": 0.2}, {"min": 0.2, "max": 5}, {"min": -5, "max": 0.2}])
def test_a_start_on_a_bound_still_gets_away(bounds, oracle):
    params = start(c=bounds)
    out = minimize(residual, params)
    if params["c"].max == 0.2:
        assert params["c"].value == pytest.approx(0.2)
        assert not out.errorbars
    else:
        check(params, oracle)


def test_fixed_parameters_have_no_error():
    params = start(c={"value": 1, "vary": False})
    assert minimize(residual, params).nvarys == 2
    assert params["c"].stderr == 0
    assert params["c"].value == 1


def test_errors_propagate_through_expressions():
    params = start()
    params.add("ratio", expr="a/c + 0*b")
    params.add("lifetime", expr="1/b")
    out = minimize(residual, params)
    a, b, c = (params[n].value for n in "abc")
    slopes = np.array([[1 / c, 0, -a / c**2], [0, -1 / b**2, 0]])
    want = np.sqrt(np.diag(slopes @ out.covar @ slopes.T))
    assert [params["ratio"].stderr, params["lifetime"].stderr] == pytest.approx(want, rel=1e-9)


# -- derivatives

def fits_with(df, oracle, params=None, **options):
    params = start() if params is None else params
    out = minimize(residual, params, Dfun=df, **options)
    assert out.success
    best, covar = oracle
    np.testing.assert_allclose([params[n].value for n in "abc"], best, rtol=1e-9)
    np.testing.assert_allclose([params[n].stderr for n in "abc"], np.sqrt(np.diag(covar)), rtol=1e-6)


def test_jacobian(oracle):
    fits_with(jacobian, oracle)
    fits_with(lambda p: jacobian(p).T, oracle, col_deriv=True)
    fits_with(lambda p: dict(zip("abc", jacobian(p).T, strict=True)), oracle)
    params = start()
    assert minimize(residual, params, jac=jacobian).nfev < 20


def test_jacobian_with_bounds(oracle):
    fits_with(jacobian, oracle, start(a={"min": 0}, b={"min": 0, "max": 3}, c={"max": 4}))


@pytest.mark.parametrize("side", [1, -1])
@pytest.mark.parametrize("aside", [1e-6, 1e-4, .1])
def test_a_jacobian_is_checked_within_bounds(side, aside):
    """The residual is never asked beyond a bound beside which the fit starts: it has no value there."""
    def f(p):
        k = side*p["k"].value
        assert k >= 1
        return np.sqrt(k - 1)*X + p["c"].value - 2*X - 1

    def slopes(p):
        return np.column_stack([side*.5/np.sqrt(side*p["k"].value - 1)*X, np.ones_like(X)])
    params = Parameters()
    params.add("k", side*(1 + aside), **{"min" if side > 0 else "max": side})
    params.add("c", .1)
    assert minimize(f, params, jac=slopes).success
    assert params["k"].value == pytest.approx(5*side) and params["c"].value == pytest.approx(1)


def test_jacobian_with_a_fixed_parameter():
    for df in (jacobian, lambda p: jacobian(p)[:, :2]):
        params = start(c={"value": 1, "vary": False})
        want = start(c={"value": 1, "vary": False})
        minimize(residual, want)
        assert minimize(residual, params, Dfun=df).success
        assert params["b"].value == pytest.approx(want["b"].value, rel=1e-7)


def test_jacobian_with_an_expression():
    def tied():
        return start(c={"expr": "a**2/9"}, a={"min": 0, "max": 9})

    want = tied()
    minimize(residual, want)
    total = lambda p: np.column_stack([jacobian(p)[:, 0] + 2 * p["a"].value / 9 * jacobian(p)[:, 2], jacobian(p)[:, 1]])  # noqa: E731
    for df in (jacobian, total, lambda p: dict(zip("abc", jacobian(p).T, strict=True))):
        params = tied()
        assert minimize(residual, params, Dfun=df).success
        for name in "abc":
            assert params[name].value == pytest.approx(want[name].value, rel=1e-7)
            assert params[name].stderr == pytest.approx(want[name].stderr, rel=1e-5)


def test_single_precision_gives_no_false_minimum(oracle):
    x32, y32 = X.astype("f4"), Y.astype("f4")

    def f(p):
        a, b, c = (np.float32(v.value) for v in p.values())
        return a * np.exp(-b * x32) + c - y32

    for residual32 in (f, lambda p: f(p).astype(float)):
        params = start()
        out = minimize(residual32, params)
        assert out.success, out.message
        sigma = np.sqrt(np.diag(oracle[1]))
        assert np.max(np.abs(np.array([p.value for p in params.values()]) - oracle[0]) / sigma) < 1e-3
        np.testing.assert_allclose([p.stderr for p in params.values()], sigma, rtol=1e-2)


def test_epsfcn_tells_the_precision_of_a_rough_residual(oracle):
    params = start()
    out = minimize(lambda p: np.round(residual(p), 6), params, epsfcn=1e-6)
    assert out.success, out.message
    assert np.max(np.abs(np.array([p.value for p in params.values()]) - oracle[0]) / np.sqrt(np.diag(oracle[1]))) < 1e-2


# -- doubts

def test_a_parameter_without_effect():
    params = start()
    params.add("idle", value=1)
    out = minimize(residual, params)
    assert not out.errorbars
    assert "idle has no effect on the residual" in out.message
    assert params["idle"].stderr is None
    assert params["idle"].value == 1
    assert all(params[n].stderr > 0 for n in "abc")
    assert np.isnan(out.covar[3]).all()


def test_parameters_that_cannot_be_told_apart():
    params = start()
    params.add("k", value=1.5)
    out = minimize(lambda p: decay(p["a"].value * p["k"].value, p["b"].value, p["c"].value) - Y, params)
    assert not out.errorbars
    assert "a, k: the data do not tell them apart" in out.message
    assert params["a"].stderr is params["k"].stderr is None
    assert params["b"].stderr > 0


def test_ending_on_a_flat_is_no_success():
    # from so far away the exponential is gone before the first point: only the offset is left
    x = X + 1
    params = Parameters()
    params.add_many(("a", 2), ("b", 1))
    y = 3 * np.exp(-0.5 * x)
    out = minimize(lambda p: p["a"].value * np.exp(-abs(p["b"].value) * x * 1e3) - y, params)
    assert not (out.success and out.errorbars)


def test_a_width_that_ran_to_nothing_has_no_error():
    """A step fitted to noise gets ever steeper: once its width is 0 as far as the points can tell, it has no standard error.

    Where the step ends on a point, width and place tell that one together, and only together.
    """
    x, steep, alone = np.linspace(0, 5, 40), 0, 0
    for seed in range(20, 34):
        y = .02*np.random.default_rng(seed).normal(size=x.size)
        params = Parameters()
        params.add_many(("a", 1), ("b", -2), ("c", .1))
        with np.errstate(all="ignore"):
            out = minimize(lambda p, y=y: p["a"].value*np.arctan((x - p["b"].value)/p["c"].value) - y, params)
        if abs(out.params["c"].value) < 1e-12:
            steep += 1
            on_a_point = np.abs(x - out.params["b"].value).min() < 1e-10
            assert not out.success and out.params["c"].stderr is None
            assert on_a_point or (out.status == FitStatus.LOST_EFFECT and "c has lost its effect" in out.message)
            alone += not on_a_point
    assert steep and alone


@pytest.mark.parametrize("side", [1, -1])
@pytest.mark.parametrize("seed", [0, 4])
def test_what_a_long_step_carried_onto_a_bound_comes_off_it(side, seed):
    """From a rate that is far too negative, upper bounds or, with all signs turned, lower ones: SciPy's minimum from the same start."""
    x = np.linspace(.1, 5, 25)
    y = 1.9*np.exp(-1.85*x) + 1 + .2*np.random.default_rng(seed).normal(size=25)
    low, begin, high = (-6.1, -6.8, .8), (6.2, -4.8, .9), (17, 4.1, np.inf)
    params = Parameters()
    for name, *ends, value in zip("abc", low, high, begin, strict=True):
        least, most = sorted(side*end for end in ends)
        params.add(name, side*value, min=least, max=most)
    out = minimize(lambda p: side*p["a"].value*np.exp(-side*p["b"].value*x) + side*p["c"].value - y, params)
    oracle = least_squares(lambda v: v[0]*np.exp(-v[1]*x) + v[2] - y, begin, bounds=(low, high), xtol=1e-12, ftol=1e-12)
    assert out.success and out.chisqr == pytest.approx(2*oracle.cost, rel=1e-8)


def test_looks_again_when_in_doubt():
    import nist
    data, f = nist.read("BoxBOD"), nist.residual("BoxBOD")
    params = Parameters()
    params.add_many(("b1", 1), ("b2", 1))
    with np.errstate(all="ignore"):
        out = minimize(lambda p: f([p["b1"].value, p["b2"].value]), params)
    np.testing.assert_allclose([p.value for p in params.values()], data.certified, rtol=1e-6)
    assert "looked again" in out.message


def test_as_many_residuals_as_parameters():
    params = start()
    out = minimize(lambda p: (decay(*[v.value for v in p.values()]) - Y)[[0, 5, 40]], params)
    assert out.success
    assert not out.errorbars
    assert "no degrees of freedom" in out.message
    assert params["a"].stderr is None


def test_annealing_finds_the_global_minimum_where_leastsq_does_not():
    x = np.linspace(0, 10, 80)
    y = 2 * np.sin(3.1 * x + 0.4)

    def f(p):
        return p["amp"].value * np.sin(p["freq"].value * x + p["phase"].value) - y

    def wrong():
        params = Parameters()
        params.add("amp", 1, min=0, max=5)
        params.add("freq", 1.2, min=0.5, max=5)
        params.add("phase", 0, min=-np.pi, max=np.pi)
        return params

    stuck = wrong()
    minimize(f, stuck)
    assert abs(stuck["freq"].value - 3.1) > 0.5
    params = wrong()
    out = minimize(f, params, engine="anneal", seed=1)
    assert out.success
    assert params["freq"].value == pytest.approx(3.1, rel=1e-8)
    assert params["amp"].value == pytest.approx(2, rel=1e-8)


# -- stops

def test_maxfev_gives_the_best_so_far():
    for name in ("maxfev", "max_nfev"):
        params = start()
        out = minimize(residual, params, **{name: 12})
        assert not out.success
        assert out.status == FitStatus.MAX_NFEV
        assert out.nfev == 12
        assert "limit of 12 evaluations" in out.message
        assert out.chisqr < np.sum(residual(start())**2)
        assert out.chisqr == pytest.approx(np.sum(residual(params)**2))


@pytest.mark.parametrize("engine", ["leastsq", "lbfgsb", "anneal"])
def test_the_callback_sees_every_call_and_can_stop(engine):
    seen = []

    def look(params, number, r, *args, **kws):
        seen.append((number, params["a"].value, r.size, args))
        return number == 15

    out = minimize(residual, start(), (Y,), engine=engine, iter_cb=look)
    assert out.aborted
    assert not out.success
    assert [number for number, *_ in seen] == list(range(1, 16))
    assert seen[0][1:3] == (2, 50)
    assert seen[0][3][0] is Y


@pytest.mark.parametrize("options", [{"iter_cb": lambda *args, **kws: True}, {"max_nfev": 1}])
def test_what_was_not_measured_is_not_said(options):
    """Where a fit ends before anything is known of its parameters, nothing is said of their effects."""
    out = minimize(residual, start(), (Y,), **options)
    assert not out.success
    assert "effect" not in out.message


@pytest.mark.parametrize("engine", ["leastsq", "lmder", "lbfgsb", "anneal"])
@pytest.mark.parametrize("Dfun", [None, jacobian])
def test_stops_at_once_are_results_too(engine, Dfun):
    for limit in (1, 2, 3):
        params = start()
        out = minimize(residual, params, engine=engine, maxfev=limit, Dfun=Dfun)
        assert not out.success
        assert out.nfev <= limit
        assert out.chisqr <= np.sum(residual(start())**2)
        out = minimize(residual, start(), engine=engine, iter_cb=lambda p, number, *_, last=limit, **__: number == last, Dfun=Dfun)
        assert out.aborted
        assert out.nfev == limit


@pytest.mark.parametrize("engine", ["leastsq", "lmder", "lbfgsb", "anneal"])
@pytest.mark.parametrize("error", [ZeroDivisionError("mine"), KeyboardInterrupt(), SystemExit(3)])
@pytest.mark.parametrize("call", [1, 2, 9])
def test_exceptions_surface_as_they_are(engine, error, call):
    count = 0

    def f(p):
        nonlocal count
        count += 1
        if count == call:
            raise error
        return residual(p)

    params = start()
    with pytest.raises(type(error)) as caught:
        minimize(f, params, engine=engine)
    assert caught.value is error
    assert count == call
    if isinstance(error, KeyboardInterrupt):            # which leaves the best values seen
        assert np.sum(residual(params)**2) <= np.sum(residual(start())**2)
    else:
        assert [p.value for p in params.values()] == [2, 1, 0.2]
    assert minimize(residual, params).success


def test_two_threads_fit_side_by_side(oracle):
    done = []

    def work():
        for _ in range(20):
            params = start()
            minimize(residual, params)
            done.append([p.value for p in params.values()])

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(done) == 40
    np.testing.assert_allclose(done, [oracle[0]] * 40, rtol=1e-7)


def test_results_can_be_copied_and_pickled():
    out = minimize(residual, start())
    again = pickle.loads(pickle.dumps(out.params))
    assert again["a"].stderr == out.params["a"].stderr
    assert copy.deepcopy(out.params)["b"].correl == out.params["b"].correl


def test_scale_covar():
    params, unscaled = start(), start()
    out = minimize(residual, params)
    minimize(residual, unscaled, scale_covar=False)
    for name in "abc":
        assert params[name].stderr == pytest.approx(unscaled[name].stderr * np.sqrt(out.redchi), rel=1e-6)
    bare = start()
    assert minimize(residual, bare, calc_covar=False).covar is None
    assert bare["a"].stderr is None


@pytest.mark.parametrize("scale", [1e-200, 1e-3, 1e200])
def test_errors_of_residuals_in_any_unit(scale):
    """With scale_covar=False the error of a line's slope is 1/|x|, by the unit of the residuals, however small or large that is."""
    params = Parameters()
    params.add("A", 1.)
    out = minimize(lambda p: (p["A"].value*X - 2*X - .1*np.cos(9*X))*scale, params, scale_covar=False)
    assert params["A"].stderr == pytest.approx(1/np.linalg.norm(X)/scale, rel=1e-6), out.message


def test_agrees_with_leastsq(oracle):
    best = leastsq(lambda v: decay(*v) - Y, [2, 1, 0.2], xtol=1e-14, ftol=1e-14)[0]
    np.testing.assert_allclose(best, oracle[0], rtol=1e-6)


def test_options_are_checked():
    with pytest.raises(InputTypeError, match="no option 'xtoll'"):
        minimize(residual, start(), xtoll=1)
    with pytest.raises(InputTypeError, match="'diag' is not available"):
        minimize(residual, start(), diag=[1, 2, 3])
    with pytest.raises(InputError, match="xtol is -1"):
        minimize(residual, start(), xtol=-1)
    with pytest.raises(InputError, match="at least 1"):
        minimize(residual, start(), maxfev=0)
    with pytest.raises(InputError, match="no method 'simplex'; there are leastsq, lmder, lbfgsb, anneal"):
        minimize(residual, start(), engine="simplex")
    assert gslfit.minimize is minimize


def test_bounds_cost_no_evaluations():
    """A start well inside its bounds, or without any, is not asked where it would better be."""
    free = minimize(residual, start())
    bounded = minimize(residual, start(a={"min": -1e6, "max": 1e6}))
    assert abs(bounded.nfev - free.nfev) <= 1


def test_lbfgsb_goes_on_to_a_minimum():
    """L-BFGS-B ends here, content, at eighty times the least chi-square, where a step led to where the model overflows."""
    x = np.linspace(0, 10, 50)
    y = 3*np.exp(-.5*x) + 1 + np.random.default_rng(0).normal(0, .05, 50)
    found = []
    for engine in ("leastsq", "lbfgsb"):
        params = Parameters()
        params.add_many(("a", 2), ("b", 1), ("c", 0))
        with np.errstate(over="ignore"):
            out = minimize(lambda p: p["a"].value*np.exp(-p["b"].value*x) + p["c"].value - y, params, engine=engine)
        assert out.success
        found.append([*params.valuesdict().values(), out.chisqr])
    assert found[1] == pytest.approx(found[0], rel=1e-5)


def test_bounded_at_its_bound_of_zero():
    """A value of exactly 0, on a bound of 0, is a bounded one."""
    x = np.linspace(0, 10, 50)
    params = Parameters()
    params.add("a", 2)
    params.add("c", 0, min=0)
    out = minimize(lambda p: p["a"].value*np.exp(-x) + p["c"].value - 3*np.exp(-x) + .1*np.sin(x) + .2, params)
    assert out.success
    assert params["c"].value == 0
    assert params["c"].stderr is None


@pytest.mark.parametrize("start", [(12.92, -.32, .73), (5.94, -.09, .56), (27.77, -.3, .3)])
def test_a_way_that_wanders_leaves_calls_for_others(start):
    """From these starts lmsder wanders off; were it let, it would use up all the evaluations that another way needs."""
    x = np.linspace(1, 11, 40)
    y = 2*x**-1.2 + .3
    params = Parameters()
    params.add_many(*zip(("a", "b", "c"), start, strict=True))
    out = minimize(lambda p: p["a"].value*x**p["b"].value + p["c"].value - y, params)
    assert out.success
    assert "looked again" in out.message
    assert out.nfev < 4000
    assert list(params.valuesdict().values()) == pytest.approx([2, -1.2, .3], rel=1e-6)


def test_a_small_limit_is_for_the_first_way():
    """Few evaluations are not dealt out."""
    params = Parameters()
    params.add_many(("a", 12.92), ("b", -.32), ("c", .73))
    x = np.linspace(1, 11, 40)
    out = minimize(lambda p: p["a"].value*x**p["b"].value + p["c"].value - 2*x**-1.2 - .3, params, maxfev=50)
    assert not out.success
    assert out.nfev == 50
    assert "limit of 50 evaluations" in out.message
    assert "looked again" not in out.message


@pytest.mark.parametrize("size", [1.0, 1e-12, 1e-200, 1e200])
@pytest.mark.parametrize("offset", [1.5, 0.0])
@pytest.mark.filterwarnings("error")
def test_a_wrong_column_is_told_in_any_unit(size, offset):
    """Beside one that is 1e9 times as long too, as a slope's is where x are frequencies: a column is compared with itself."""
    x = np.linspace(1e9, 2e9, 30)
    y = (3e-9*x + 2 + .01*np.sin(np.arange(30.)))*size
    params = Parameters()
    params.add_many(("a", 1e-9*size), ("b", offset*size))

    def fitted(sign):
        return minimize(lambda p: p["a"].value*x + p["b"].value - y, params, Dfun=lambda p: np.stack([x, sign*np.ones(30)], axis=1))
    assert fitted(1).success
    with pytest.raises(InputError, match="'b' has the wrong sign"):
        fitted(-1)


def test_a_column_too_small_for_differences_is_not_called_wrong():
    """Far from a step all of the curve is below rounding: differences see nothing of it, the exact Jacobian does."""
    x = np.linspace(0, 10, 40)
    y = 3/(1 + np.exp(-(x - 5)/.7))
    params = Parameters()
    params.add_many(("a", 7.), ("b", 88.), ("c", .75))

    def curve(p):
        return p["a"].value/(1 + np.exp(-(x - p["b"].value)/p["c"].value))

    def slopes(p):
        a, b, c = (p[name].value for name in "abc")
        e = np.exp(-(x - b)/c)
        bend = a*e/(1 + e)**2
        return np.stack([1/(1 + e), -bend/c, -bend*(x - b)/c**2], axis=1)
    with np.errstate(over="ignore"):
        out = minimize(lambda p: curve(p) - y, params, Dfun=slopes)
    assert not out.success or out.chisqr < 1e-9
    with pytest.raises(InputError, match="'a' has the wrong sign"):
        minimize(lambda p: curve(p) - y, {**params, "b": Parameter(4., name="b")}, Dfun=lambda p: slopes(p)*[-1, 1, 1])


ROOT = np.exp(-np.linspace(1, 5, 12)/3)


def beyond_its_domain(params, seen, yb):
    """Return a residual of real data that turns complex where its parameter is below 1, as Python's powers do."""
    out = ROOT*(float(params["b"].value) - 1)**0.5
    seen.append(np.iscomplexobj(out))
    return out - yb*ROOT


@pytest.mark.parametrize("method", ["leastsq", "lmder", "lbfgsb"])
@pytest.mark.parametrize("yb", [0.05, 0.3])
def test_model_that_turns_complex_off_its_domain(method, yb):
    """Where a residual that was real is complex, the model has no value: a place that is refused, not one with more residuals."""
    params, seen = Parameters(), []
    params.add("b", 3.0)
    result = minimize(beyond_its_domain, params, args=(seen, yb), method=method)
    assert any(seen)                            # it has been there
    assert result.success
    assert params["b"].value == pytest.approx(1 + yb**2, rel=1e-5)


def test_interval_beside_a_complex_domain():
    """A Hill curve of scalars in a list, complex at negative h: its region is that of a curve of arrays, which is NaN there."""
    x = np.array([.3, .5, 1, 1.5, 2, 3, 4, 6, 8, 10, 15, 20.])
    y = 5*x**1.7/(4**1.7 + x**1.7) + np.random.default_rng(4).normal(0, .4, 12)

    def scalars(p):
        a, h, n = (complex(p[name].value) if name == "h" else float(p[name].value) for name in "ahn")
        return np.array([a*t**n/(h**n + t**n) if h.real < 0 else (a*t**n/(h**n + t**n)).real for t in x]) - y

    def arrays(p):
        a, h, n = (np.float64(p[name].value) for name in "ahn")
        with np.errstate(all="ignore"):
            return a*x**n/(h**n + x**n) - y

    found = []
    for residual in (scalars, arrays):
        params = Parameters()
        for name, value in {"a": 4., "h": 3., "n": 1.}.items():
            params.add(name, value)
        result = minimize(residual, params)
        assert result.success
        found.append(gslfit.conf_interval2d(result, "h", "n", 6, 6, limits=((-3, 8), (.5, 3)))[2])
    np.testing.assert_allclose(found[0], found[1], atol=1e-4)


def test_complex_residual_that_is_real_somewhere():
    """One that was complex at the start stays so: a real one has imaginary parts of zero."""
    x = np.linspace(0, 2, 9)
    data = 2*np.exp(.5j*x)

    def residual(p):
        a, w = p["a"].value, p["w"].value
        return (a*np.exp(1j*w*x) - data) if w < 1 or w > 3 else np.full(x.size, 9.)

    params = Parameters()
    params.add("a", 1.0)
    params.add("w", 0.0)
    result = minimize(residual, params)
    assert result.success
    assert params["a"].value == pytest.approx(2, rel=1e-8)
    assert params["w"].value == pytest.approx(.5, rel=1e-8)
