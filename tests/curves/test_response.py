"""Fits of models that are folded with a measured response: the oracle is SciPy with numpy.convolve, derivatives by algebra."""
import pickle

import numpy as np
import pytest
from instruction_sets import each_set
from scipy.optimize import least_squares
from scipy.stats import norm as normal
from scipy.stats import t as student

from gslfit import BatchResult, Formula, Model, Parameters, fit, fit_batch, fit_shared
from gslfit.errors import InputError, InputTypeError

N, STEP = 128, 0.1
T = np.arange(N)*STEP
RESPONSE = np.exp(-0.5*((T[:40] - 1.5)/0.25)**2) + 0.3*np.exp(-0.5*((T[:40] - 2.4)/0.3)**2)
TEXT = "a*exp(-t/tau) + b*exp(-t/theta) + c"
NAMES = ("a", "tau", "b", "theta", "c")
TRUE = np.array([20.0, 0.5, 10.0, 3.0, 2.0])
START = {"a": 15.0, "tau": 0.4, "b": 12.0, "theta": 2.5, "c": 1.0}
CENTRE = 12


def folded(columns, response=RESPONSE, centre=CENTRE):
    """Columns (n, p), each folded as numpy.convolve does it."""
    return np.transpose([np.convolve(each, response)[centre:centre + N] for each in np.transpose(columns)])


def moved(shift, response=RESPONSE):
    """Return the response as its straight lines have it after a shift, its places from -N on, and its derivative by the shift."""
    places = np.arange(-N, N + len(response)) - shift/STEP
    known, wide = np.arange(-1, len(response) + 1), np.concatenate([[0.0], response, [0.0]])
    slopes = np.concatenate([[0.0], np.diff(wide), [0.0]])
    return np.interp(places, known, wide), -slopes[np.clip(np.floor(places).astype(int) + 2, 0, len(slopes) - 1)]/STEP


def model(v, response=RESPONSE, centre=CENTRE):
    """Value (n,) and Jacobian (n, p) of two decays and an offset."""
    a, tau, b, theta, c = v
    short, long = np.exp(-T/tau), np.exp(-T/theta)
    J = folded(np.transpose([short, a*T/tau**2*short, long, b*T/theta**2*long, np.ones(N)]), response, centre)
    return J @ np.array([a, 0, b, 0, c]), J


def least(y, start=TRUE, keep=slice(None), function=model, **how):
    """SciPy's least squares: values and standard errors."""
    found = least_squares(lambda v: (function(v)[0] - y)[keep], start, jac=lambda v: function(v)[1][keep], xtol=1e-15, ftol=1e-15,
                          gtol=1e-15, **how)
    freedom = len(found.fun) - len(start)
    return found.x, np.sqrt(np.diag(np.linalg.inv(found.jac.T @ found.jac))*2*found.cost/freedom)


def likeliest(y, start=TRUE, keep=slice(None), function=model):
    """Fisher's scoring of Poisson's likelihood: values and standard errors."""
    v = np.array(start, float)
    for _ in range(40):
        m, J = (each[keep] for each in function(v))
        information = J.T @ (J/m[:, None])
        v = v + np.linalg.solve(information, J.T @ (y[keep]/m - 1))
    return v, np.sqrt(np.diag(np.linalg.inv(information)))


def noisy(rows, seed=1):
    return model(TRUE)[0] + np.random.default_rng(seed).normal(0, 1, (rows, N))


def counts(rows, seed=2):
    return np.random.default_rng(seed).poisson(5*model(TRUE)[0], (rows, N)).astype(float)


COUNTED = TRUE*np.array([5, 1, 5, 1, 5])
HOW = {"t": T, "response": RESPONSE, "response_centre": CENTRE}


def check(result, place, values, errors, names=NAMES, tolerance=1e-6, of_errors=1e-6):
    own = np.array([result.values[name][place] for name in names])
    assert np.max(np.abs(own - values)/errors) < tolerance
    assert np.allclose([result.stderr[name][place] for name in names], errors, rtol=of_errors)


def check_one(result, values, errors, names=NAMES, tolerance=1e-6):
    own = np.array([result.params[name].value for name in names])
    assert np.max(np.abs(own - values)/errors) < tolerance
    assert np.allclose([result.params[name].stderr for name in names], errors, rtol=1e-6)


# -- values

@pytest.mark.parametrize("centre", [0, 12, 39])
@pytest.mark.parametrize("count", [1, 3, 40, 200])
def test_value_and_derivatives_are_those_of_numpy(centre, count):
    response = np.random.default_rng(count).normal(size=count)
    centre = min(centre, count - 1)
    result = fit(TEXT, model(TRUE)[0], t=T, **START, response=response, response_centre=centre, max_nfev=3)
    formula = result._source.formula
    values, J = model(TRUE, response, centre)
    given = dict(zip(NAMES, TRUE, strict=True))
    assert np.allclose(formula(t=T, **given), values, rtol=1e-13, atol=1e-12)
    assert np.allclose(formula.jacobian(t=T, **given), J, rtol=1e-13, atol=1e-11)
    some = np.array([3, 60, 127])
    assert np.array_equal(formula(t=T[some], **given), formula(t=T, **given)[some])


def test_a_response_of_one_number_is_a_factor():
    y = noisy(5)
    plain, once = fit_batch(TEXT, y, t=T, **START), fit_batch(TEXT, y, t=T, **START, response=[1.0])
    for name in NAMES:
        assert np.allclose(plain.values[name], once.values[name], rtol=0, atol=1e-7*plain.stderr[name])
        assert np.allclose(plain.stderr[name], once.stderr[name], rtol=1e-7)


# -- fits

def test_least_squares():
    y = noisy(20)
    result = fit_batch(TEXT, y, **START, **HOW)
    assert result.success.all()
    for k in (0, 7, 19):
        values, errors = least(y[k])
        check(result, k, values, errors)
        check_one(fit(TEXT, y[k], **START, **HOW), values, errors)


def test_counts():
    y = counts(20)
    result = fit_batch(TEXT, y, **START, **HOW, loss="poisson")
    assert result.success.all()
    for k in (0, 7, 19):
        values, errors = likeliest(y[k], COUNTED)
        check(result, k, values, errors)
        check_one(fit(TEXT, y[k], **START, **HOW, loss="poisson"), values, errors)
        m = model(values)[0]
        deviance = 2*np.sum(m - y[k] + y[k]*np.log(np.where(y[k] > 0, y[k], 1)/m))
        assert result.chisqr[k] == pytest.approx(deviance, rel=1e-12)


def test_masked_points_are_folded_first():
    y, mask = noisy(6), (T > 1.3) & (T < 2.2)
    y[:, mask] = np.nan
    result = fit_batch(TEXT, y, **START, **HOW, mask=mask)
    own = fit(TEXT, y[0], **START, **HOW, mask=mask)
    values, errors = least(np.where(mask, 0, y[0]), keep=~mask)
    check(result, 0, values, errors)
    check_one(own, values, errors)
    assert result.ndata[0] == own.ndata == np.count_nonzero(~mask)
    omitted = fit_batch(TEXT, y, **START, **HOW, nan_policy="omit")
    for name in NAMES:
        assert np.allclose(omitted.values[name], result.values[name], rtol=0, atol=1e-9*result.stderr[name])


def test_a_masked_point_at_which_the_model_is_infinite():
    x, response = np.arange(40.0), np.array([1.0, 0.5])
    truth = np.convolve(3/(40 - np.append(x[:-1], 39.5)), response)[:40]
    truth[-1] = np.nan
    mask = x > 38
    found = fit_batch("a/(39 - x) + b*x", np.tile(truth, (3, 1)), x=x, a=1.0, b=1.0, response=response, mask=mask)
    alone = fit("a/(39 - x) + b*x", truth, x=x, a=1.0, b=1.0, response=response, mask=mask)
    assert found.success.all()
    assert found.values["a"][0] == pytest.approx(alone.params["a"].value, rel=1e-9)


def test_bounds_and_weights():
    y, sigma = noisy(4), 0.5 + np.random.default_rng(3).random(N)
    result = fit_batch(TEXT, y, **START, **HOW, yerr=sigma, bounds={"tau": (0.2, 0.45), "a": (0, None)}, scale_covar=False)
    low, high = np.array([0, 0.2, -np.inf, -np.inf, -np.inf]), np.array([np.inf, 0.45, np.inf, np.inf, np.inf])

    def weighted(v):
        return tuple((each.T/sigma).T for each in model(v))
    values, _ = least(y[0]/sigma, np.array([20, 0.4, 10, 3, 2.0]), function=weighted, bounds=(low, high))
    assert np.allclose([result.values[name][0] for name in NAMES], values, rtol=1e-6)


@pytest.mark.parametrize("loss", ["huber", "cauchy"])
def test_robust_losses_by_the_lanes_and_by_one_fit(loss):
    y = noisy(4)
    y[:, 60] += 30
    result, alone = fit_batch(TEXT, y, **START, **HOW, loss=loss), fit(TEXT, y[2], **START, **HOW, loss=loss)
    found = least_squares(lambda v: model(v)[0] - y[2], TRUE, jac=lambda v: model(v)[1], loss=loss, xtol=1e-15, ftol=1e-15, gtol=1e-15)
    for k, name in enumerate(NAMES):
        assert result.values[name][2] == pytest.approx(found.x[k], abs=1e-5*result.stderr[name][2])
        assert alone.params[name].value == pytest.approx(found.x[k], abs=1e-5*result.stderr[name][2])


def test_rows_are_independent_and_threads_don_t_matter():
    y = counts(40)
    how = {**START, **HOW, "loss": "poisson", "response_shift": "shift"}
    whole, threads = fit_batch(TEXT, y, **how, threads=1), fit_batch(TEXT, y, **how, threads=3)
    some = fit_batch(TEXT, y[[31, 2, 17]], **how)
    for name in (*NAMES, "shift"):
        assert np.array_equal(whole.values[name], threads.values[name])
        assert np.array_equal(whole.values[name][[31, 2, 17]], some.values[name])
        assert np.array_equal(whole.stderr[name][[31, 2, 17]], some.stderr[name])


def test_all_instruction_sets():
    y = counts(9)
    found = [fit_batch(TEXT, y, **START, **HOW, loss="poisson") for _ in each_set()]
    for other in found[1:]:
        for name in NAMES:
            assert np.allclose(found[0].values[name], other.values[name], rtol=0, atol=1e-6*other.stderr[name])


def test_more_points_than_the_lanes_take_side_by_side():
    x = np.arange(5000)*0.01
    y = np.convolve(3*np.exp(-x/5), np.ones(7))[:5000] + np.random.default_rng(0).normal(0, 0.1, 5000)
    result = fit("a*exp(-x/tau)", y, x=x, a=2.0, tau=4.0, response=np.ones(7))

    def function(v):
        shape = np.exp(-x/v[1])
        J = np.transpose([np.convolve(each, np.ones(7))[:5000] for each in (shape, v[0]*x/v[1]**2*shape)])
        return J[:, 0]*v[0], J
    values, errors = least(y, np.array([3.0, 5.0]), function=function)
    check_one(result, values, errors, ("a", "tau"))


# -- responses of each fit

@pytest.mark.parametrize("loss", ["linear", "poisson", "cauchy"])
def test_responses_of_each_fit(loss):
    rng = np.random.default_rng(5)
    responses = np.array([np.exp(-0.5*((T[:40] - m)/w)**2) for m, w in zip(rng.uniform(1, 2, 12), rng.uniform(0.2, 0.4, 12),
                                                                          strict=True)]).reshape(3, 4, 40)
    y = np.array([[5*model(TRUE, each)[0] for each in row] for row in responses])
    y = rng.poisson(y).astype(float) if loss == "poisson" else y + rng.normal(0, 1, y.shape)
    y[1, 2, 5] = np.nan
    how = {**START, "t": T, "response_centre": CENTRE, "loss": loss, "nan_policy": "omit"}
    result = fit_batch(TEXT, y, **how, response=responses)
    assert result.success.all()
    for place in ((0, 0), (1, 2), (2, 3)):
        alone = fit(TEXT, y[place], **how, response=responses[place])
        for name in NAMES:
            assert result.values[name][place] == pytest.approx(alone.params[name].value, abs=1e-6*alone.params[name].stderr)
            assert result.stderr[name][place] == pytest.approx(alone.params[name].stderr, rel=1e-6)
        assert np.allclose(result[place].best_fit, alone.best_fit, rtol=1e-7, equal_nan=True)
        assert np.allclose(result.best_fit()[place], result.best_fit(place))
        if loss != "cauchy":
            assert np.allclose(result.eval_uncertainty()[place], alone.eval_uncertainty(), rtol=1e-5, equal_nan=True)


# -- a shift

def shifted(v, centre=CENTRE):
    """Value and Jacobian of a decay and an offset whose response is moved."""
    a, tau, c, shift = v
    shape, (response, slopes) = np.exp(-T/tau), moved(shift)

    def fold(each, by):
        return np.convolve(each, by)[centre + N:centre + 2*N]
    J = [fold(shape, response), fold(a*T/tau**2*shape, response), fold(np.ones(N), response), fold(a*shape + c, slopes)]
    return a*J[0] + c*J[2], np.transpose(J)


@pytest.mark.parametrize("shift", [0.033, -0.47, 1.21])
@pytest.mark.parametrize("loss", ["linear", "poisson"])
def test_a_shift(shift, loss):
    truth = np.array([50.0, 1.5, 3.0, shift])
    rng = np.random.default_rng(6)
    mean = np.tile(shifted(truth)[0], (9, 1))
    y = rng.poisson(mean).astype(float) if loss == "poisson" else mean + rng.normal(0, 1, mean.shape)
    how = {**HOW, "a": 40.0, "tau": 1.2, "c": 2.0, "response_shift": "shift", "shift": shift*0.95, "loss": loss}
    result, names = fit_batch("a*exp(-t/tau) + c", y, **how), ("a", "tau", "c", "shift")
    assert result.success.all()
    values, errors = likeliest(y[4], truth, function=shifted) if loss == "poisson" else least(y[4], truth, function=shifted)
    check(result, 4, values, errors, names)
    check_one(fit("a*exp(-t/tau) + c", y[4], **how), values, errors, names)


@pytest.mark.parametrize(("name", "text", "by"), [("a", "50 + 20*shift", 20), ("c", "3 - 5*shift", -5), ("tau", "1.5 + 0.5*shift", 0.5)])
def test_a_shift_that_others_depend_on(name, text, by):
    """The derivative is that of the moved response, and that of the parameters that follow it."""
    fixed, place = np.array([50.0, 1.5, 3.0]), ("a", "tau", "c").index(name)
    free = [k for k in range(3) if k != place]

    def function(v):
        values = fixed.copy()
        values[free], values[place] = v[:2], fixed[place] + by*v[2]
        m, J = shifted([*values, v[2]])
        return m, np.column_stack([J[:, free], J[:, 3] + by*J[:, place]])
    names = [*(("a", "tau", "c")[k] for k in free), "shift"]
    truth = np.array([*fixed[free], 0.033])
    y = function(truth)[0] + np.random.default_rng(8).normal(0, 1, (3, N))
    params = Parameters()
    for k in range(3):
        params.add(("a", "tau", "c")[k], fixed[k], expr=text if k == place else None)
    params.add("shift", 0.03)
    how = {**HOW, "response_shift": "shift"}
    values, errors = least(y[1], truth, function=function)
    check(fit_batch("a*exp(-t/tau) + c", y, params, **how), 1, values, errors, names)
    check(fit_batch("a*exp(-t/tau) + c", y, params, **how, method="lmsder"), 1, values, errors, names)
    check_one(fit("a*exp(-t/tau) + c", y[1], params, **how), values, errors, names)
    shared = fit_shared("a*exp(-t/tau) + c", y[1:2], params, **how, shared=names[:1])
    assert shared.success
    assert np.max(np.abs(np.array([np.ravel(shared.values[each])[0] for each in names]) - values)/errors) < 1e-6
    assert np.allclose([np.ravel(shared.stderr[each])[0] for each in names], errors, rtol=1e-6)


def test_a_neighbour_that_is_moved_elsewhere_does_not_matter():
    """The model is infinite at a point that is left out, which the response of no row reaches but that of one."""
    x = np.arange(40.0)
    plain = np.append(3/(39 - x[:-1]), 0) + x
    y = np.convolve(plain, [1, 0.5])[:40] + 0.01*np.sin(np.outer(np.arange(1, 9), x))
    how = {"x": x, "a": 1.0, "b": 1.0, "response": [1.0, 0.5], "response_shift": "shift", "mask": x > 38,
           "vary": {"shift": np.zeros(8, bool)}}
    shifts = np.full(8, 0.25)
    alike = fit_batch("a/(39 - x) + b*x", y, **how, start={"shift": shifts})
    shifts[3] = -5
    others = fit_batch("a/(39 - x) + b*x", y, **how, start={"shift": shifts})
    rest = np.arange(8) != 3
    assert alike.success.all()
    assert others.success[rest].all()
    for name in ("a", "b"):
        assert np.array_equal(alike.values[name][rest], others.values[name][rest])
        assert np.array_equal(alike.stderr[name][rest], others.stderr[name][rest])


def test_a_shift_that_is_held():
    rng = np.random.default_rng(7)
    shifts = rng.uniform(-0.5, 0.5, 8)
    y = np.array([shifted([50, 1.5, 3, each])[0] for each in shifts]) + rng.normal(0, 1, (8, N))
    params = Parameters()
    for name, value in (("a", 40.0), ("tau", 1.2), ("c", 2.0)):
        params.add(name, value)
    params.add("shift", 0.0, vary=False)
    how = {**HOW, "response_shift": "shift"}
    result = fit_batch("a*exp(-t/tau) + c", y, params, **how, start={"shift": shifts})
    pattern = fit_batch("a*exp(-t/tau) + c", y, **how, a=40.0, tau=1.2, c=2.0, start={"shift": shifts},
                        vary={"shift": np.zeros(8, bool)})
    params["shift"].value = float(shifts[3])
    alone = fit("a*exp(-t/tau) + c", y[3], params, **how)

    def function(v):
        values, J = shifted([*v, shifts[3]])
        return values, J[:, :3]
    values, errors = least(y[3], np.array([50, 1.5, 3.0]), function=function)
    check(result, 3, values, errors, ("a", "tau", "c"))
    check(pattern, 3, values, errors, ("a", "tau", "c"))
    check_one(alone, values, errors, ("a", "tau", "c"))


def test_a_shift_beyond_the_response_leaves_nothing():
    formula = fit("a*exp(-t/tau)", noisy(1)[0], **HOW, a=1.0, tau=1.0, response_shift="shift", max_nfev=3)._source.formula
    assert not formula(t=T, a=1.0, tau=1.0, shift=1e9).any()
    assert not formula(t=T, a=1.0, tau=1.0, shift=-1e300).any()
    assert np.isnan(formula(t=T, a=1.0, tau=1.0, shift=np.nan)).all()


# -- what comes after a fit

def test_bands_and_intervals():
    y = counts(8)
    result = fit_batch(TEXT, y, **START, **HOW, loss="poisson")
    alone = fit(TEXT, y[3], **START, **HOW, loss="poisson")
    values, _ = likeliest(y[3], COUNTED)
    m, J = model(values)
    band = student.ppf(normal.cdf(1), N - 5)*np.sqrt(np.einsum("ni,ij,nj->n", J, np.linalg.inv(J.T @ (J/m[:, None])), J))
    assert np.allclose(alone.eval_uncertainty(), band, rtol=1e-5)
    assert np.allclose(result.eval_uncertainty()[3], band, rtol=1e-5)
    lanes, one = result.conf_interval(["theta"], [0.95]), alone.conf_interval(["theta"], [0.95])
    low, high = one["theta"][0][1], one["theta"][-1][1]
    assert lanes["theta"][0, :, 3] == pytest.approx([low, high], rel=1e-4)

    def profile(theta):
        held = likeliest(y[3], values[[0, 1, 2, 4]], function=lambda v: tuple(
            each if each.ndim == 1 else each[:, [0, 1, 2, 4]] for each in model([*v[:3], theta, v[3]])))[0]
        m = model([*held[:3], theta, held[3]])[0]
        return 2*np.sum(m - y[3] + y[3]*np.log(np.where(y[3] > 0, y[3], 1)/m))
    for limit in (low, high):
        assert profile(limit) - alone.chisqr == pytest.approx(3.841459, rel=1e-3)


def test_bootstrap():
    y = counts(1)[0]
    found = fit(TEXT, y, **START, **HOW, loss="poisson").bootstrap(60, seed=1)
    _, errors = likeliest(y, COUNTED)
    assert found.stderr["theta"] == pytest.approx(errors[3], rel=0.5)
    least_squares_fit = fit(TEXT, noisy(1)[0], **START, **HOW)
    assert least_squares_fit.bootstrap(20, seed=1).stderr["theta"] == pytest.approx(least_squares_fit.params["theta"].stderr, rel=0.6)


def test_starts_that_are_missing_and_many():
    y, mask = noisy(6), T > 12
    result = fit_batch(TEXT, y, tau=0.4, theta=2.5, **HOW, mask=mask)
    many = fit_batch(TEXT, y, ranges={"tau": (0.1, 1), "theta": (1, 10)}, **HOW, mask=mask)
    values, errors = least(y[1], keep=~mask)
    check(result, 1, values, errors)
    assert many.chisqr[1] == pytest.approx(result.chisqr[1], rel=1e-9)
    assert fit(TEXT, y[1], ranges={"tau": (0.1, 1), "theta": (1, 10)}, **HOW, mask=mask).chisqr == pytest.approx(result.chisqr[1], rel=1e-9)


def test_expressions_are_folded_too():
    params = Parameters()
    for name, value in START.items():
        params.add(name, value)
    params["theta"].set(expr="6*tau")
    y = noisy(3)
    result, alone = fit_batch(TEXT, y, params, **HOW), fit(TEXT, y[1], params, **HOW)

    def function(v):
        values, J = model([v[0], v[1], v[2], 6*v[1], v[3]])
        return values, np.transpose([J[:, 0], J[:, 1] + 6*J[:, 3], J[:, 2], J[:, 4]])
    values, errors = least(y[1], np.array([20, 0.5, 10, 2.0]), function=function)
    check(result, 1, values, errors, ("a", "tau", "b", "c"))
    check_one(alone, values, errors, ("a", "tau", "b", "c"))


def test_pickles_and_files(tmp_path):
    y = noisy(4)
    responses = np.array([RESPONSE, 2*RESPONSE, RESPONSE, RESPONSE])
    for response in (RESPONSE, responses):
        result = fit_batch(TEXT, y, **START, **{**HOW, "response": response}, response_shift="shift")
        result.save(tmp_path/"batch.npz")
        for again in (pickle.loads(pickle.dumps(result)), BatchResult.load(tmp_path/"batch.npz")):
            assert np.array_equal(again.best_fit(), result.best_fit())
            assert again.data.formula == result.data.formula
    one = fit(TEXT, y[0], **START, **HOW)
    assert np.array_equal(pickle.loads(pickle.dumps(one)).best_fit, one.best_fit)
    kept = fit_batch(TEXT, y, **START, **{**HOW, "response": responses}, out=tmp_path/"out")
    assert np.array_equal(kept.values["tau"], fit_batch(TEXT, y, **START, **{**HOW, "response": responses}).values["tau"])
    with pytest.raises(InputError, match="response"):
        fit_batch(TEXT, y, **START, **HOW, out=tmp_path/"out", resume=True)


# -- what is refused

def called(x, a):
    return np.array([a*float(each) for each in x])


@pytest.mark.parametrize(("change", "message"), [
    ({"t": T**2}, "t is not evenly spaced: point"),
    ({"t": np.where(np.arange(N) == 3, np.nan, T)}, "t is not finite at point 3"),
    ({"ycov": np.eye(N)}, "response= and ycov= "),
    ({"prior": {"tau": (1, 0.1)}, "yerr": 1.0}, "response= and prior= "),
    ({"response_centre": 40}, "response_centre is 40, and response has 40 numbers"),
    ({"response_centre": -1}, "response_centre is -1"),
    ({"response": None}, "response_centre is given, and no response"),
    ({"response_shift": "tau"}, "response_shift is 'tau'"),
    ({"response_shift": 2}, "response_shift is 2"),
    ({"response": np.zeros(4), "response_centre": 0}, "response has nothing but zeros"),
    ({"response": [1.0, np.nan]}, "response is not finite at"),
    ({"response": np.ma.array(RESPONSE, mask=RESPONSE < 0.01)}, r"response is masked at \(0,\)"),
    ({"response": np.ones((3, 40))}, r"response has the shape \(3, 40\), and the batch \(\)"),
    ({"response": "irf"}, "response is 'irf'"),
])
def test_refusals(change, message):
    with pytest.raises((InputError, InputTypeError), match=message):
        fit(TEXT, noisy(1)[0], **{**START, **HOW, **change})


def test_more_refusals():
    y = noisy(2)
    with pytest.raises(InputError, match=r"t has the shape \(2, 128\)"):
        fit_batch(TEXT, y, **START, **{**HOW, "t": np.array([T, T])})
    with pytest.raises(InputError, match="one independent variable, and here there are x, z"):
        fit("a*x + z", y[0], x={"x": T, "z": T}, a=1.0, response=RESPONSE)
    with pytest.raises(InputError, match="response= needs a formula that compiles"):
        fit(called, y[0], x=T, a=1.0, response=RESPONSE)
    params = Parameters()
    for name, value in {**START, "shift": 0.0}.items():
        params.add(name, value)
    params["shift"].set(expr="0.1*tau")
    with pytest.raises(InputError, match="response_shift is 'shift', which has the expression"):
        fit(TEXT, y[0], params, **HOW, response_shift="shift")
    with pytest.raises(InputError, match="t is 0.05, which is none of the points that the model is folded over"):
        fit(TEXT, y[0], **START, **HOW).eval(t=T + STEP/2)


def test_a_spacing_with_rounding_is_even():
    rough = np.round(T + 1e-5*np.random.default_rng(0).normal(size=N), 5)
    assert fit(TEXT, noisy(1)[0], **START, **{**HOW, "t": rough.astype(np.float32)}).success


def test_more_parameters_than_a_program_has():
    count = 70
    text = " + ".join(f"a{k}*exp(-(t - {0.1*k:g})**2/0.02)" for k in range(count)) + " + d"
    params = Parameters()
    for k in range(count):
        params.add(f"a{k}", 1.0 + 0.1*k, vary=k < 5)
    params.add("d", 0.5)
    own = [np.exp(-(T - float(f"{0.1*k:g}"))**2/0.02) for k in range(count)] + [np.ones(N)]
    J = folded(np.transpose(own))
    values = np.array([*(1.0 + 0.1*k for k in range(count)), 0.5])
    result = fit(text, J @ values, params, **HOW)
    formula, given = result._source.formula, dict(zip([*(f"a{k}" for k in range(count)), "d"], values, strict=True))
    assert np.allclose(formula(t=T, **given), J @ values, rtol=1e-12)
    assert np.allclose(formula.jacobian(t=T, **given), J, rtol=1e-11, atol=1e-12)
    assert np.allclose(result.best_fit, J @ values, rtol=1e-9)


def test_a_batch_of_no_fits():
    for responses in (RESPONSE, np.empty((0, 40))):
        found = fit_batch(TEXT, np.empty((0, N)), **START, **{**HOW, "response": responses})
        assert found.values["tau"].shape == (0,)
        assert found.best_fit().shape == (0, N)


def test_a_folded_formula_given_again():
    """It is fitted at its own points, or at some of them; others are an error, and so is a second response."""
    y = noisy(2)
    formula = fit(TEXT, y[0], **START, **HOW)._source.formula
    some = fit(TEXT, y[0], **START, **HOW, mask=T > 9)
    for found in (fit(formula, y[0][T <= 9], t=T[T <= 9], **START), fit_batch(formula, y[:, T <= 9], t=T[T <= 9], **START)[0]):
        for name in NAMES:
            assert found.params[name].value == pytest.approx(some.params[name].value, abs=1e-6*some.params[name].stderr)
    for off in (T + STEP/3, T + 100*STEP, T - 100*STEP, np.where(T > 9, np.inf, T)):
        for call in (lambda points: fit(formula, y[0], t=points, **START), lambda points: fit_batch(formula, y, t=points, **START),
                     lambda points: Model(formula).fit(y[0], t=points, **START),
                     lambda points: fit_shared(formula, y, t=points, **START, shared="tau")):
            with pytest.raises(InputError, match="grid|finite|none of the points"):
                call(off)
    with pytest.raises(InputError, match="folded with a response of 40 numbers is that already"):
        fit(formula, y[0], **START, **HOW)
    part = Model("a*exp(-t/tau)", "t").fit(y[0], **HOW, a=15.0, tau=0.4).model
    with pytest.raises(InputError, match="folded as a whole"):
        (part + Model("c", "t")).fit(y[0], t=T, a=15.0, tau=0.4, c=1.0)


def test_formulas_compare():
    one, two = (fit(TEXT, noisy(1)[0], **START, **{**HOW, "response_centre": centre})._source.formula for centre in (3, 4))
    assert one != two
    assert one == pickle.loads(pickle.dumps(one))
    assert one != Formula(TEXT, "t")
    assert "folded with a response of 40 numbers" in repr(one)
