"""Fits that don't determine every parameter: their bands, and which sums of parameters they do determine, by every entry."""
import numpy as np
import pytest
from scipy.stats import t as student

from gslfit import FitStatus, Model, Parameters, fit, fit_batch, minimize
from gslfit.minimizer.uncertainty import combinations, determined_sums

X = np.linspace(0, 10, 50)
WEIGHTS = 1/np.linspace(.02, .08, 50)
Y = 3*np.exp(-X/2) + .2 + np.random.default_rng(0).normal(size=50)/WEIGHTS
WHOLE = {"a": 2., "t": 1., "c": 0.}
SHORT = {      # text with more parameters than it needs, their starts, and what is said of them
    "(a + b)*exp(-x/t) + c": ({"a": 1., "b": 1., "t": 1., "c": 0.}, "a and b only as a + b"),
    "a*exp(-x/t) + c - d": ({"a": 1., "t": 1., "c": 1., "d": 1.}, "c and d only as c - d"),
    "a*b*exp(-x/t) + c": ({"a": 1., "b": 2., "t": 1., "c": 0.}, "a and b only as a + "),
    "a*exp(-(x - d)/t) + c": ({"a": 1., "d": .5, "t": 1., "c": 0.}, "a and d only as a + "),
}


def results(text, start, **more):
    """Return the fit by every entry that has a model."""
    return [fit(text, Y, x=X, **start, **more), Model(text).fit(Y, x=X, **start, **more), fit_batch(text, Y[None], x=X, **start, **more)[0],
            Model(text).fit_batch(Y[None], x=X, **start, **more)[0]]


@pytest.mark.parametrize("weights", [None, WEIGHTS])
@pytest.mark.parametrize("text", SHORT)
def test_bands(text, weights):
    """The curve is as certain as that of the same formula without the idle parameter, but for the degree of freedom that it costs."""
    start, said = SHORT[text]
    wanted = fit("a*exp(-x/t) + c", Y, x=X, weights=weights, **WHOLE)
    fewer = student.ppf(.841344746, 46)/student.ppf(.841344746, 47)*np.sqrt(47/46)
    for result in results(text, start, weights=weights):
        assert result.success
        np.testing.assert_allclose(result.eval_uncertainty(), wanted.eval_uncertainty()*fewer, rtol=1e-4)
        assert said in result.message


def test_all_parameters_undetermined():
    """A mean of two parameters is as certain as a mean."""
    for result in results("a + b + 0*x", {"a": 1., "b": 1.}):
        np.testing.assert_allclose(result.eval_uncertainty(), np.std(Y)*np.sqrt(50/48)/np.sqrt(50)*student.ppf(.841344746, 48), rtol=1e-6)


def test_where_nothing_is_known():
    """Beyond the data, where the curve moves with a parameter that they say nothing of, it has no band, and never one of zeros."""
    text = "a*exp(-x/t) + where(x > 20, b, 0)"
    beyond = np.array([1., 15., 25.])
    for result in results(text, {"a": 2., "t": 1., "b": 1.}):
        band = np.asarray(result.eval_uncertainty(x=beyond))
        assert np.isfinite(band[:2]).all()
        assert (band[:2] > 0).all()
        assert np.isnan(band[2])


def test_beside_a_bound():
    """What a bound holds adds nothing; what is undetermined beside it is still undetermined."""
    params = Parameters()
    for name, value in {"a": 1., "b": 1., "t": 1., "c": 1.}.items():
        params.add(name, value)
    params["c"].min = .5
    result = fit("(a + b)*exp(-x/t) + c", Y, params, x=X)
    held = fit("a*exp(-x/t) + .5", Y, x=X, a=2., t=1.)
    assert result.params["c"].value == pytest.approx(.5)
    ratio = np.asarray(result.eval_uncertainty()/held.eval_uncertainty())
    np.testing.assert_allclose(ratio, ratio[0], rtol=1e-4)
    assert 1 < ratio[0] < 1.05


SUMS = {"a + b*x + c*(1 + x)": "a, b and c only as a + c, b + c.", "a + b*x + c*x + d*(1 + x)": "a, b, c and d only as a + d, b + c + d.",
        "a - b + c*x - 2*d*x": "a and b only as a - b. c and d only as c - 2*d."}


@pytest.mark.parametrize(("text", "said"), SUMS.items())
def test_sums_of_several(text, said):
    """Null vectors of any number of parameters, by every entry."""
    names = [name for name in "abcd" if name in text]
    for result in results(text, dict.fromkeys(names, 1.)):
        assert said in result.message


def test_sums_of_a_residual_function():
    """The same where only a residual is known."""
    params = Parameters()
    for name in "abc":
        params.add(name, 1.)
    found = minimize(lambda p: p["a"].value + p["b"].value*X + p["c"].value*(1 + X) - Y, params)
    assert SUMS["a + b*x + c*(1 + x)"] in found.message


def test_determined_sums():
    """The rows span those of the columns, whatever the columns' sizes."""
    rng = np.random.default_rng(3)
    for k, rank in ((2, 1), (3, 2), (5, 3), (6, 1)):
        columns = (rng.standard_normal((40, rank)) @ rng.standard_normal((rank, k)))*10.**rng.integers(-8, 8, k)
        rows = determined_sums(columns)
        assert len(rows) == rank
        rest = columns - (columns @ np.linalg.pinv(rows)) @ rows
        assert np.max(np.abs(rest)/np.max(np.abs(columns), axis=0)) < 1e-9
    assert combinations(np.eye(5)[:, :3], ["a", "b", "c"]) == []


@pytest.mark.parametrize("text", list(SHORT)[:3])       # without a refit, the lanes don't arrive in the fourth
def test_lanes_alone_name_the_sums(text):
    start, said = SHORT[text]
    one = fit(text, Y, x=X, weights=WEIGHTS, method="lanes", **start)
    rows = fit_batch(text, Y[None], x=X, weights=WEIGHTS, method="lanes", **start)
    assert one.status == FitStatus.RANK_DEFICIENT
    assert rows.status[0] == FitStatus.RANK_DEFICIENT
    assert said in one.message
    assert said in rows[0].message
    assert all((one.params[name].stderr is None) == np.isnan(rows.stderr[name][0]) for name in start)


def test_what_has_no_error_has_no_correlations():
    """Of a sum of two parameters neither has an error, nor a correlation with what the data determine."""
    x = np.linspace(0, 1, 20)
    y = 2*x + .5 + .01*np.random.default_rng(0).normal(size=20)
    params = Parameters()
    params.add_many(("a", 1.), ("b", 2.), ("c", .3))
    result = minimize(lambda p: (p["a"] + p["b"])*x + p["c"] - y, params)
    assert [result.params[name].stderr is None for name in "abc"] == [True, True, False]
    assert not any(result.params[name].correl for name in "abc")


@pytest.mark.parametrize("jacobian", [False, True])
def test_what_the_curvature_alone_determines(jacobian):
    """A minimum at which chi-square rises by the residual's second derivatives, a million times less by its first ones.

    The errors of J alone would be ten thousand times a + b, which is within a few hundredths of where it is.
    """
    x = np.linspace(-1, 1, 21)
    q, _ = np.linalg.qr(np.stack([np.ones(21), x, x**2, x**3], axis=1))
    bent, tilted = q[:, 2], q[:, 3]
    y = 2*x + 0.01*np.random.default_rng(1).normal(size=21)

    def residual(p):
        total = p["a"] + p["b"]
        return (p["a"] - p["b"])*x + (1 + total**2/2)*bent + 1e-5*total*tilted - y

    def slopes(p):
        by_total = (p["a"] + p["b"])*bent + 1e-5*tilted
        return np.stack([x + by_total, by_total - x], axis=1)

    params = Parameters()
    params.add_many(("a", 1.3), ("b", -1.1))
    found = minimize(residual, params, **({"Dfun": slopes} if jacobian else {}))
    assert found.success
    assert [found.params[name].stderr for name in "ab"] == [None, None]
