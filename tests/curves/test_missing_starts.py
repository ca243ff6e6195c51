"""Parameters that a formula is linear in need no start, by every entry that takes a formula; errors say what can be done for others."""
import numpy as np
import pytest

from gslfit import Formula, Model, Parameters, curve_fit, fit, fit_batch
from gslfit.curves.linear_start import linear_starts
from gslfit.data.inputs import inputs
from gslfit.data.layout import layout
from gslfit.data.numbers import read
from gslfit.errors import InputError, ParameterError
from gslfit.formula.parametrize import fold
from gslfit.minimizer.options import FitOptions

TEXT = "A*exp(-t/tau) + c"
T = np.linspace(0, 10, 60)
SIZES = [1e-200, 1e-6, 1., 3e5, 1e200]
CURVES = np.array([3., -3., .02])[:, None]*np.exp(-T/2.5) + np.array([.2, 4., -1.])[:, None]
CURVES = CURVES + .01*np.random.default_rng(1).standard_normal(CURVES.shape)
MODEL = Model(TEXT, independent_vars=["t"])


def bare(**values):
    """Parameters of which some have no value."""
    params = Parameters()
    for name in ("A", "tau", "c"):
        params.add(name, values.get(name))
    return params


@pytest.mark.parametrize("size", SIZES)
def test_every_entry(size):
    """Whatever the size and the sign of the data, from the start of what is not linear alone."""
    y = CURVES[0]*size
    wanted = fit(TEXT, CURVES[0], t=T, A=3., tau=2.5, c=.2).params
    found = [fit(TEXT, y, t=T, tau=1.), fit(TEXT, y, bare(tau=1.), t=T), MODEL.fit(y, t=T, tau=1.), MODEL.fit(y, bare(tau=1.), t=T),
             fit_batch(TEXT, CURVES*size, t=T, tau=1.)[0], fit_batch(TEXT, CURVES*size, t=T, tau=np.array([1., 2., 3.]))[0],
             MODEL.fit_batch(CURVES*size, t=T, tau=1.)[0], MODEL.fit_batch(CURVES*size, bare(tau=1.), t=T)[0]]
    for result in found:
        assert result.success
        for name, value in wanted.valuesdict().items():
            assert result.params[name].value == pytest.approx(value*(1 if name == "tau" else size), rel=1e-7)


def test_curve_fit_without_p0():
    """What is linear begins where it fits best, in bounds too."""
    popt, _ = curve_fit(lambda t, A, tau, c: A*np.exp(-t/tau) + c, T, CURVES[1]*1e5)
    assert popt == pytest.approx(list(fit(TEXT, CURVES[1]*1e5, t=T, tau=2.).params.valuesdict().values()), rel=1e-6)
    popt, _ = curve_fit(lambda t, A, tau, c: A*np.exp(-t/tau) + c, T, CURVES[0]*1e5, bounds=(0, np.inf))
    assert popt == pytest.approx([3e5, 2.5, 2e4], rel=.1)


def solved(y, x, starts, text=TEXT, params=None, names=("A", "c"), **more):
    """Return the starts of some parameters, from arrays as fit_batch takes them."""
    data = read("y", y)
    where = layout(data, None, [x], "y")
    given = inputs(data, where, {"t": read("t", x)}, more.get("yerr"), more.get("weights"), more.get("mask"))
    return linear_starts(fold(Formula(text, "t"), params), names, given, {name: np.asarray(value, float) for name, value in starts.items()},
                         FitOptions())


@pytest.mark.parametrize("shape", [(), (3,), (2, 3)])
@pytest.mark.parametrize("own", ["shared", "starts", "points", "weights", "errors", "mask", "missing"])
def test_linear_fit(shape, own):
    """The best values beside the others' starts, against numpy.linalg.lstsq row by row."""
    rng = np.random.default_rng(2)
    y = rng.standard_normal((*shape, 20)) + 3
    x = np.linspace(0, 5, 20) + (.1*rng.random((*shape, 20)) if own == "points" else 0)
    tau = rng.uniform(1, 3, shape) if own == "starts" else np.asarray(2.)
    factor = rng.uniform(.5, 2, (*shape, 20)) if own in ("weights", "errors") else np.ones((*shape, 20))
    left = rng.random((*shape, 20)) < .2 if own in ("mask", "missing") else np.zeros((*shape, 20), bool)
    given = {"weights": {"weights": factor}, "errors": {"yerr": 1/factor}, "mask": {"mask": left}}.get(own, {})
    found = solved(np.where(left, np.nan, y), x, {"tau": tau}, **given)
    assert all(value.shape == shape for value in found.values())
    for place in np.ndindex(*shape):
        keep, points = ~left[place], x[place] if x.ndim > 1 else x
        columns = np.stack([np.exp(-points/(tau[place] if tau.ndim else tau)), np.ones(20)], axis=1)*factor[place][:, None]
        wanted = np.linalg.lstsq(columns[keep], (y*factor)[place][keep], rcond=None)[0]
        assert [found["A"][place], found["c"][place]] == pytest.approx(wanted.tolist(), rel=1e-9)


def test_starts_inside_bounds():
    """Where the linear fit lies outside a bound a start lies inside, and it is never zero, which would silence the others."""
    params = bare(tau=2.)
    params["A"].min = 0
    params["c"].set(min=-1, max=.1)
    found = solved(np.stack([-np.exp(-T/2), 0*T, np.exp(-T/2) - 5]), T, {"tau": 2.}, params=params)
    assert np.all(found["A"] > 0)
    assert np.all((found["c"] > -1) & (found["c"] < .1))


@pytest.mark.parametrize(("call", "error"), [
    (lambda: fit(TEXT, CURVES[0], t=T), InputError), (lambda: fit_batch(TEXT, CURVES, t=T, A=1.), InputError),
    (lambda: fit(TEXT, CURVES[0], bare(), t=T), ParameterError), (lambda: MODEL.fit(CURVES[0], t=T), InputError),
    (lambda: MODEL.fit(CURVES[0], bare(A=1.), t=T), InputError), (lambda: MODEL.fit_batch(CURVES, t=T), ParameterError)])
def test_what_is_not_linear_needs_a_start(call, error):
    """The error names it, those that need none, and what else can be done."""
    with pytest.raises(error, match=r"(no start value for|parameter) '?tau'?.*c (need|needs) none.*gslfit\.models"):
        call()


def test_a_product_of_two():
    """Of two that multiply one another the one that has no start is solved for; of neither there is no way."""
    y = 3*(1 + .5*T)*np.exp(-T/5)
    found = fit("A*(1 + k*t)*exp(-t/tau)", y, t=T, A=2., tau=4.)
    assert found.params["k"].value == pytest.approx(.5, rel=1e-6)
    with pytest.raises(InputError, match="no start value for 'k'"):
        fit("A*(1 + k*t)*exp(-t/tau)", y, t=T, tau=4.)


@pytest.mark.parametrize("bounds", [(None, None), (0.5, None), (None, 2.), (-1., 1.)])
@pytest.mark.parametrize("case", ["plain", "weights", "all weights 0 but two", "twice the same"])
def test_one_curve_as_many(case, bounds):
    """The linear fit of one curve is that of a batch of two, weighted, within bounds, and where columns are the same."""
    text = "A*exp(-t/tau) + c" if case != "twice the same" else "A*exp(-t/tau) + c*exp(-t/tau)"
    params = Parameters()
    for name in ("A", "c"):
        params.add(name, None, min=bounds[0], max=bounds[1])
    params.add("tau", 1.3)
    weights = {"plain": None, "weights": 1 + T, "twice the same": None}.get(case, np.where(np.arange(T.size) < 2, 1., 0.))
    found = []
    for y in (CURVES[0], CURVES[[0, 0]]):
        reading = read("y", y)
        given = inputs(reading, layout(reading, None, ()), {"t": read("t", T)}, None, weights, None)
        found.append(linear_starts(fold(Formula(text, "t"), params), ("A", "c"), given, {"tau": np.asarray(1.3)}, FitOptions()))
    for name in ("A", "c"):
        assert found[0][name].shape == ()
        assert np.allclose(found[1][name], found[0][name], rtol=1e-9)


@pytest.mark.parametrize("shape", [(3, 0), (0, 5), (0, 0), (2, 0, 5), (2, 3, 0)])
@pytest.mark.parametrize("text", ["a*x", "A*exp(-x/tau) + c"])
def test_a_batch_without_points_or_rows(shape, text):
    """No row fails the batch: what has no points has bad data, and no rows are no fits."""
    start = {"tau": 2.0} if "tau" in text else {}
    result = fit_batch(text, np.empty(shape), x=np.arange(float(shape[-1])), start=start)
    assert result.shape == shape[:-1]
    assert not result.success.any()
    assert np.isnan(result.values["a" if text == "a*x" else "A"]).all()
    by_model = Model(text).fit_batch(np.empty(shape), x=np.arange(float(shape[-1])), **start)
    assert by_model.shape == shape[:-1]
    assert not by_model.success.any()
