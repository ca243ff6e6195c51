"""What is determined has its error, by every entry: expressions of parameters that the data determine only together, against the same
formula without the idle parameter; and the rule itself, in Python and in C, against algebra.
"""
import math

import numpy as np
import pytest

from gslfit import FitStatus, Model, Parameters, curve_fit, fit, fit_batch, fit_shared, minimize
from gslfit.minimizer.propagation import Directions, Spread, determined, propagated

RNG = np.random.default_rng(5)
X = np.linspace(0, 10, 50)
WEIGHTS = 1/np.linspace(.02, .08, 50)
Y = 3*np.exp(-X/2) + .2 + RNG.normal(size=50)/WEIGHTS
COUNTS = RNG.poisson(300*np.exp(-X/2) + 20).astype(float)
WHOLE = "s*exp(-x/t) + c"
# a formula with a parameter too many, its starts, expressions that the data determine as such of the whole one, and one that they don't
SHORT = {
    "(a + b)*exp(-x/t) + c": ({"a": 1., "b": 1.5, "t": 1., "c": 0.}, {"a + b": "s", "(a + b)*t": "s*t", "2*a + 2*b - c": "2*s - c"},
                              "a - b"),
    "a*b*exp(-x/t) + c": ({"a": 1., "b": 2., "t": 1., "c": 0.}, {"a*b": "s", "log(a) + log(b)": "log(s)"}, "a + b"),
    "a*exp(-(x - b)/t) + c": ({"a": 1., "b": .5, "t": 1., "c": 0.}, {"a*exp(b/t)": "s", "b/t + log(a)": "log(s)"}, "a"),
}
WAYS = {"estimated": {}, "weighted": {"weights": WEIGHTS}, "known": {"yerr": 1/WEIGHTS, "scale_covar": False},
        "poisson": {"loss": "poisson"}}


def parameters(start, expressions, factor=1.0):
    """Return parameters with expressions e0, e1, ...; what multiplies the curve begins as many times higher."""
    params = Parameters()
    for name, value in start.items():
        params.add(name, value*factor if name == "a" else value*max(factor/10, 1) if name == "c" else value)
    for k, text in enumerate(expressions):
        params.add(f"e{k}", expr=text)
    return params


def called(text):
    """Return the curve of a formula as a function that does not compile."""
    code = compile(text, "", "eval")

    def curve(x, **values):
        return np.array([eval(code, {"exp": math.exp, "x": each}, {name: float(value) for name, value in values.items()}) for each in x])
    return curve


def answers(text, start, expressions, how):
    """Return by entry the value and the error of each expression, as a parameter and derived, of the fit of a formula."""
    y, factor = (COUNTS, 100.0) if how.get("loss") == "poisson" else (Y, 1.0)
    params = parameters(start, expressions, factor)
    own, found = [f"e{k}" for k in range(len(expressions))], {}
    results = {"fit": fit(text, y, params, x=X, **how), "Model.fit": Model(text).fit(y, params, x=X, **how),
               "fit, lmder": fit(text, y, params, x=X, method="lmder", **how)}
    batches = {"fit_batch": fit_batch(text, y[None], params, x=X, **how),
               "fit_batch, covar": fit_batch(text, y[None], params, x=X, covar=True, **how)}
    if "loss" not in how:
        factors = how.get("weights", WEIGHTS if "yerr" in how else 1.0)
        scaled = {"scale_covar": how.get("scale_covar", True)}
        code = compile(text, "", "eval")

        def residual(p):
            return (eval(code, {"exp": np.exp, "x": X}, {name: p[name].value for name in start}) - y)*factors
        results["minimize"] = minimize(residual, params, **scaled)
    for entry, batch in batches.items():
        assert batch.success.all(), entry
        found[entry] = [(batch.values[name][0], batch.stderr[name][0], *(each[0] for each in batch.derived(expr)))
                        for name, expr in zip(own, expressions, strict=True)]
        results[f"{entry}, row"] = batch[0]
    for entry, result in results.items():
        assert result.success, entry
        found[entry] = [(result.params[name].value, result.params[name].stderr, *result.derived(expr))
                        for name, expr in zip(own, expressions, strict=True)]
    return found


@pytest.mark.parametrize("text", SHORT)
@pytest.mark.parametrize("way", WAYS)
def test_every_entry_has_the_error_of_what_is_determined(text, way):
    """An expression that the data determine has the error that it has in the whole formula, but for the degree of freedom that is lost."""
    start, expressions, open_ = SHORT[text]
    how = WAYS[way]
    factor = np.sqrt(47/46) if way in ("estimated", "weighted") else 1.0
    y, unit = (COUNTS, 100.0) if way == "poisson" else (Y, 1.0)
    right = fit(WHOLE, y, parameters({"s": 1.*unit, "t": 1., "c": max(unit/10, 0.1)}, expressions.values()), x=X, **how)
    for entry, found in answers(text, start, [*expressions, open_], how).items():
        for k, (value, error, derived, of_derived) in enumerate(found[:-1]):
            wanted = right.params[f"e{k}"]
            assert value == pytest.approx(wanted.value, rel=1e-5), entry
            assert error == pytest.approx(wanted.stderr*factor, rel=1e-4), (entry, k)
            assert (derived, of_derived) == pytest.approx((value, error), rel=1e-5), entry
        _, error, _, of_derived = found[-1]
        assert error is None or math.isnan(error), entry
        assert math.isnan(of_derived), entry


def test_a_function_that_is_called():
    """A batch of called functions has the errors of minimize."""
    start, expressions, open_ = SHORT["(a + b)*exp(-x/t) + c"]
    curve = called("(a + b)*exp(-x/t) + c")
    with pytest.warns(UserWarning, match="call Python"):
        many = fit_batch(lambda x, a, b, t, c: curve(x, a=a, b=b, t=t, c=c), Y[None], parameters(start, [*expressions, open_]), x=X)
    right = fit(WHOLE, Y, parameters({"s": 1., "t": 1., "c": 0.}, expressions.values()), x=X)
    for k in range(len(expressions)):
        assert many.stderr[f"e{k}"][0] == pytest.approx(right.params[f"e{k}"].stderr*np.sqrt(47/46), rel=1e-4)
    assert np.isnan(many.stderr[f"e{len(expressions)}"]).all()


def test_beside_a_bound():
    """What a bound holds adds nothing, as in the whole formula; a sum of it alone has none."""
    params = parameters({"a": 1., "b": 1., "t": 1., "c": 1.}, ["a + b", "a + b + c", "c*2", "a + c"])
    params["c"].set(min=.5)
    whole = parameters({"s": 1., "t": 1., "c": 1.}, ["s"])
    whole["c"].set(min=.5)
    wanted = fit(WHOLE, Y, whole, x=X).params["e0"].stderr*np.sqrt(47/46)
    text = "(a + b)*exp(-x/t) + c"
    results = [fit(text, Y, params, x=X), fit_batch(text, Y[None], params, x=X)[0], Model(text).fit(Y, params, x=X)]
    for result in results:
        errors = [result.params[f"e{k}"].stderr for k in range(4)]
        assert errors[:2] == pytest.approx([wanted, wanted], rel=1e-4)
        assert errors[2:] == [None, None]


@pytest.mark.parametrize("shared", [["t"], ["a", "b"], ["a", "t"], ["a", "b", "t"]], ids="-".join)
def test_data_sets_that_share_parameters(shared):
    """Of local and of shared parameters, and of sums of both."""
    expressions = {"a + b": "s", "(a + b)*t": "s*t"}
    data = np.array([Y, Y + RNG.normal(size=50)/WEIGHTS, 2*Y + RNG.normal(size=50)/WEIGHTS])
    if {"a", "b"} <= set(shared):
        data = data[:2]
    found = fit_shared("(a + b)*exp(-x/t) + c", data, parameters({"a": 1., "b": 1.5, "t": 1., "c": 0.}, [*expressions, "a - b"]), x=X,
                       weights=WEIGHTS, shared=shared, scale_covar=False)
    whole = [name for name in ("s", "t") if name in shared or (name == "s" and {"a", "b"} <= set(shared))]
    whole = whole or ["t"]
    right = fit_shared(WHOLE, data, parameters({"s": 2., "t": 1., "c": 0.}, expressions.values()), x=X, weights=WEIGHTS, shared=whole,
                       scale_covar=False)
    for k in range(2):
        assert np.isfinite(found.stderr[f"e{k}"]).all()
        np.testing.assert_allclose(np.broadcast_to(found.stderr[f"e{k}"], len(data)), np.broadcast_to(right.stderr[f"e{k}"], len(data)),
                                   rtol=1e-4)
    assert np.isnan(found.stderr["e2"]).all()


def test_robust_losses_say_none():
    """The sandwich of parameters that are open is not worked out: no error rather than another one."""
    text = "(a + b)*exp(-x/t) + c"
    params = parameters({"a": 1., "b": 1., "t": 1., "c": 0.}, ["a + b"])
    for result in (fit(text, Y, params, x=X, loss="huber"), fit_batch(text, Y[None], params, x=X, loss="huber")[0]):
        if result.params["a"].stderr is None:
            assert result.params["e0"].stderr is None
            assert math.isnan(result.derived("a + b")[1])


def test_curve_fit_has_no_expressions():
    """Its covariance is infinite as a whole, as SciPy's."""
    with pytest.warns(UserWarning, match="a and b only as a \\+ b"):
        _, pcov = curve_fit(lambda x, a, b, t: (a + b)*np.exp(-x/t), X, Y, p0=[1, 1, 1])
    assert np.isinf(pcov).all()


@pytest.mark.parametrize("seed", range(6))
def test_one_rule_in_c_and_python(seed):
    """A batch's errors of expressions are those of `propagated`, and of algebra: g's part in the rows of J, by the pseudo-inverse."""
    rng = np.random.default_rng(seed)
    p, rank, n = 5, 3 + seed % 2, 30
    columns = rng.normal(size=(n, rank)) @ rng.normal(size=(rank, p))*10.0**rng.integers(-3, 4, p)
    # rows of the columns' own space, and others
    gradients = np.concatenate([rng.normal(size=(4, n)) @ columns, rng.normal(size=(3, p))*np.linalg.norm(columns, axis=0)])
    names = [f"p{k}" for k in range(p)]
    text = " + ".join(f"p{k}*x{k}" for k in range(p))
    params = Parameters()
    for name in names:
        params.add(name, 1.0)
    for k, row in enumerate(gradients):
        params.add(f"g{k}", expr=" + ".join(f"({slope!r})*{name}" for slope, name in zip(row.tolist(), names, strict=True)))
    y = columns @ rng.normal(size=p)/np.linalg.norm(columns, axis=0).max() + rng.normal(size=n)
    many = fit_batch(text, y[None], params, **{f"x{k}": column for k, column in enumerate(columns.T)}, scale_covar=False)
    assert many.status[0] == FitStatus.RANK_DEFICIENT
    spread = determined(columns, np.zeros(p, bool))
    ours = propagated(gradients, spread)
    scale = np.linalg.norm(columns, axis=0)
    half = np.linalg.pinv(columns/scale, rcond=1e-9)
    wanted = np.linalg.norm(gradients/scale @ half, axis=1)
    theirs = np.array([many.stderr[f"g{k}"][0] for k in range(len(gradients))])
    np.testing.assert_allclose(ours[:4], wanted[:4], rtol=1e-9)
    np.testing.assert_allclose(theirs[:4], wanted[:4], rtol=1e-7)
    assert np.isnan(ours[4:]).all()
    assert np.isnan(theirs[4:]).all()


@pytest.mark.parametrize("unit", [1e-200, 1.0, 1e200])
def test_propagated(unit):
    """Squares that no number holds, parameters that are held, directions that are open, several gradients at once."""
    correlations = np.array([[1, -.5, 0], [-.5, 1, 0], [0, 0, np.nan]])
    spread = Spread(np.array([3.0, 4.0, np.nan])*unit, np.array([False, False, True]), correlations)
    slopes = np.array([[1., 0, 0], [1, 1, 0], [1, 1, 5], [0, 0, 2], [0, 0, 0], [0, -2, 1]])
    right = np.array([3, np.sqrt(13), np.sqrt(13), np.nan, 0, 8])*unit
    np.testing.assert_allclose(propagated(slopes, spread), right, rtol=1e-14)
    np.testing.assert_allclose([propagated(row, spread) for row in slopes], right, rtol=1e-14)
    many = Spread(*(np.broadcast_to(each, (6, *each.shape)) for each in spread[:3]))
    np.testing.assert_allclose(propagated(slopes, many), right, rtol=1e-14)
    open_ = spread._replace(held=np.zeros(3, bool), errors=np.ones(3), correlations=np.eye(3),
                            open=Directions(np.array([[.6, -.8, 0.]]), np.ones(3)))
    np.testing.assert_array_equal(np.isnan(propagated(np.array([[4., 3, 0], [4, 3, 9], [1, 0, 0]])*unit, open_)), [False, False, True])
