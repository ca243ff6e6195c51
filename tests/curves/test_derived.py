"""`derived` and `eval_uncertainty` of single results and batches, against an expression's own error, algebra and single fits."""
import io
import json

import mpmath
import numpy as np
import pytest

import gslfit
from gslfit import Parameters
from gslfit.minimizer.bands import student

X = np.linspace(0, 8, 50)
START = {"a": 2.0, "tau": 1.5, "c": .2}
TEXT = "a*exp(-x/tau) + c"
CURVE = gslfit.Formula(TEXT)
RNG = np.random.default_rng(8)
MANY = np.array([[CURVE(x=X, a=a, tau=tau, c=.5) for tau in (1.2, 2.5)] for a in (2, 3, 4)]) + RNG.normal(0, .05, (3, 2, X.size))
EXPRESSIONS = ["a*tau", "tau*log(2)", "a/(a + c)", "c", "exp(-1/tau)*a - c**2", "2.5", "-a if a > 0 else c"]


def parameters(**changed):
    """Return start values, some changed."""
    params = Parameters()
    for name, value in START.items():
        params.add(name, value)
    for name, how in changed.items():
        (params[name].set(**how) if name in params else params.add(name, **how))
    return params


def single(entry, y, params=None, **how):
    """Fit one curve by an entry."""
    params = parameters() if params is None else params
    if entry == "fit":
        return gslfit.fit(TEXT, y, params, x=X, **how)
    if entry == "Model.fit":
        return gslfit.Model(TEXT).fit(y, params, x=X, **how)
    if entry == "row":
        return gslfit.fit_batch(TEXT, y[None], params, x=X, **how)[0]
    factor = 1/how.pop("yerr", 1.0)
    return gslfit.minimize(lambda p: (CURVE(x=X, **{name: p[name].value for name in START}) - y)*factor, params, **how)


@pytest.mark.parametrize("entry", ["fit", "Model.fit", "row", "minimize"])
@pytest.mark.parametrize("how", [{}, {"yerr": .05, "scale_covar": False}], ids=["estimated", "known"])
def test_single_is_as_an_expression(entry, how):
    """The value and the error are those of a parameter with the expression."""
    expressions = {f"e{k}": {"expr": text} for k, text in enumerate(EXPRESSIONS)}
    found, right = single(entry, MANY[1, 1], **how), single("minimize", MANY[1, 1], parameters(**expressions), **how)
    for name, how_made in expressions.items():
        value, error = found.derived(how_made["expr"])
        assert isinstance(value, float) and isinstance(error, float)
        assert value == pytest.approx(right.params[name].value, rel=1e-6)
        assert error == pytest.approx(right.params[name].stderr, rel=1e-4, abs=1e-12)
    assert set(found.params) == set(START)


def test_gradient_by_algebra():
    """The variance is g C g^T."""
    found = single("fit", MANY[0, 0])
    a, tau, _ = found.values.values()
    gradient = np.array([tau, a, 0])
    assert found.derived("a*tau") == pytest.approx((a*tau, np.sqrt(gradient @ found.covar @ gradient)), rel=1e-9)


def test_expressions_of_expressions():
    """Parameters with an expression, fixed ones and functions of the user's own are as any others."""
    params = parameters(half={"expr": "tau*log(2)"}, c={"value": .5, "vary": False})
    found, batch = single("fit", MANY[0, 0], params), gslfit.fit_batch(TEXT, MANY, params, x=X)
    assert found.derived("half + c") == pytest.approx((found.params["half"].value + .5, found.params["half"].stderr), rel=1e-9)
    value, error = batch.derived("half + c")
    assert value == pytest.approx(batch.values["half"] + .5) and error == pytest.approx(batch.stderr["half"], rel=1e-6)
    assert found.derived("c") == (.5, 0.0) and (batch.derived("c")[1] == 0).all()


FAR = {"a/k": (1, -1), "a*k": (1, 1), "a/c": (0, 0), "k**-2": (0, -2), "(a/c)*k**2": (0, 2), "a/(k*2)": (1, -1), "1/k": (0, -1),
       "a**1.5": (1.5, 0)}


@pytest.mark.parametrize(("y_unit", "k_unit"), [(1e-160, 1e100), (1e160, 1e-100), (1e-160, 1e-100), (1e170, 1e100), (1e-200, 1e-50),
                                                (1e-170, 1)])
@pytest.mark.parametrize("entry", ["fit", "row", "batch", "minimize", "expression"])
def test_errors_in_any_unit(entry, y_unit, k_unit):
    """The relative error of what is derived is that in other units, where it is in range, though a derivative is not: of ``a/k`` that by k,
    ``-a/k**2``, was 0 where a/k is 1e-260, and so was its part of the error.
    """
    text, y, start = "a*exp(-k*x) + c", MANY[1, 1], {"a": 2., "k": .7, "c": .2}
    plain = gslfit.fit(text, y, x=X, **start)
    expressions = [text for text, (m, n) in FAR.items() if 1e-290 < (y_unit**m)*(k_unit**n) < 1e290]
    params, x, y = Parameters(), X/k_unit, y*y_unit
    for name, value in start.items():
        params.add(name, value*(k_unit if name == "k" else y_unit))
    for k, each in enumerate(expressions if entry == "expression" else ()):
        params.add(f"e{k}", expr=each)
    if entry in ("minimize", "expression"):
        found = gslfit.minimize(lambda p: p["a"].value*np.exp(-p["k"].value*x) + p["c"].value - y, params)
    elif entry == "fit":
        found = gslfit.fit(text, y, params, x=x)
    else:
        found = gslfit.fit_batch(text, np.stack([y, y]), params, x=x)
    assert np.all(found.success) and len(expressions) > 4
    for k, each in enumerate(expressions):
        right = plain.derived(each)
        if entry == "expression":
            value, error = found.params[f"e{k}"].value, found.params[f"e{k}"].stderr
        else:
            value, error = (found[1] if entry == "row" else found).derived(each)
        np.testing.assert_allclose(np.asarray(error)/np.abs(value), right[1]/abs(right[0]), rtol=1e-4, err_msg=each)


@pytest.mark.parametrize("covar", [False, True])
@pytest.mark.parametrize("how", [{}, {"yerr": np.linspace(.04, .08, X.size), "scale_covar": False}, {"mask": X > 7},
                                 {"weights": np.where(X > 6, 0., 2.)}], ids=["plain", "yerr", "mask", "weights"])
def test_batch_is_as_its_fits(how, covar):
    """Values and errors of a batch are those of its fits, each fitted alone."""
    batch = gslfit.fit_batch(TEXT, MANY, x=X, **START, covar=covar, **how)
    for text in EXPRESSIONS:
        value, error = batch.derived(text)
        assert value.shape == error.shape == (3, 2)
        for place in np.ndindex(3, 2):
            right = gslfit.fit(TEXT, MANY[place], x=X, **START, **how).derived(text)
            assert (value[place], error[place]) == pytest.approx(right, rel=1e-4, abs=1e-12)


@pytest.mark.parametrize("kind", ["confidence", "prediction"])
@pytest.mark.parametrize("how", [{}, {"yerr": .06, "scale_covar": False}, {"mask": X > 7}], ids=["plain", "known", "mask"])
def test_bands_of_a_batch(kind, how):
    """Bands are those of the single fits, at the data's points and at others."""
    batch = gslfit.fit_batch(TEXT, MANY, x=X, **START, **how)
    own, elsewhere = batch.eval_uncertainty(sigma=2, kind=kind), batch.eval_uncertainty(kind=kind, x=[0., 9.])
    assert own.shape == MANY.shape and elsewhere.shape == (3, 2, 2)
    for place in np.ndindex(3, 2):
        right = gslfit.fit(TEXT, MANY[place], x=X, **START, **how)
        np.testing.assert_allclose(own[place], right.eval_uncertainty(sigma=2, kind=kind), rtol=1e-4)
        np.testing.assert_allclose(elsewhere[place], right.eval_uncertainty(kind=kind, x=np.array([0., 9.])), rtol=1e-4)


@pytest.mark.parametrize("entry", ["fit", "Model.fit", "row"])
def test_prediction(entry):
    """A further measurement scatters by the curve's error and by the data's own, which their weights tell."""
    yerr = np.linspace(.5, 2, X.size)
    for how, unit in (({}, None), ({"scale_covar": False}, 1.0)):
        found = single(entry, MANY[1, 0], yerr=yerr, **how)
        unit = np.sqrt(found.redchi) if unit is None else unit
        factor = student(2, X.size - 3)
        right = np.hypot(found.eval_uncertainty(sigma=2), factor*unit*yerr)
        np.testing.assert_allclose(found.eval_uncertainty(sigma=2, kind="prediction"), right, rtol=1e-9)
        with pytest.raises(gslfit.errors.InputError, match="differ from point to point"):
            found.eval_uncertainty(kind="prediction", x=np.array([1., 2.]))
    plain = single(entry, MANY[1, 0])
    right = np.hypot(plain.eval_uncertainty(x=np.array([1., 2.])), student(1, X.size - 3)*np.sqrt(plain.redchi))
    np.testing.assert_allclose(plain.eval_uncertainty(kind="prediction", x=np.array([1., 2.])), right, rtol=1e-9)
    with pytest.raises(gslfit.errors.InputError, match="kind"):
        plain.eval_uncertainty(kind="tolerance")


@pytest.mark.parametrize(("sigma", "freedom"), [(.95, 7), (1, 5), (3, 32), (10, 32), (20, 1000), (37, 1)])
def test_factor_of_wide_bands(sigma, freedom):
    """A band is so wide that beyond it lies what lies beyond `sigma` of a normal distribution, also where that is far below rounding."""
    beyond = mpmath.mpf(1) - sigma if sigma < 1 else mpmath.erfc(sigma/mpmath.sqrt(2))
    factor = mpmath.mpf(student(sigma, freedom))
    left = mpmath.betainc(mpmath.mpf(freedom)/2, mpmath.mpf(1)/2, 0, freedom/(freedom + factor**2), regularized=True)
    assert float(left/beyond) == pytest.approx(1, rel=1e-9)


@pytest.mark.parametrize("sigma", [38, -1, float("nan"), "2"])
def test_no_factor(sigma):
    """What no normal distribution has is refused."""
    with pytest.raises(gslfit.FitError, match="sigma"):
        student(sigma, 5)


def test_predictions_hold_what_they_say():
    """Of further measurements about 68 % lie within one sigma of the prediction band."""
    rng = np.random.default_rng(3)
    truth = CURVE(x=X, a=2, tau=1.2, c=.5)
    batch = gslfit.fit_batch(TEXT, truth + rng.normal(0, .05, (400, X.size)), x=X, **START)
    further = truth + rng.normal(0, .05, (400, X.size))
    inside = np.abs(further - batch.best_fit()) < batch.eval_uncertainty(kind="prediction")
    assert abs(inside.mean() - .6827) < .015         # 20,000 draws, 400 fits: standard deviation below .005


def test_bound_undetermined_failed():
    """What a bound holds adds nothing; what isn't determined has no error; a fit without a result has NaN; the others keep theirs."""
    held = parameters(c={"value": 1.0, "min": .8})
    batch = gslfit.fit_batch(TEXT, MANY, held, x=X)
    value, error = batch.derived("a*tau + c")
    right = gslfit.fit_batch(TEXT, MANY, parameters(c={"value": .8, "vary": False}), x=X).derived("a*tau + c")
    assert value == pytest.approx(right[0], rel=1e-6) and error == pytest.approx(right[1]*np.sqrt(48/47), rel=1e-5)
    data = np.stack([MANY[0, 0], np.full(X.size, np.nan)])
    short = gslfit.fit_batch("(a + b)*exp(-x/tau)", data, x=X, a=1, b=1, tau=1, nan_policy="omit")
    total, alone = short.derived("a + b"), short.derived("a")
    assert np.isfinite(total[1][0]) and np.isnan(alone[1][0]) and np.isnan(total[1][1])
    pooled = gslfit.fit("s*exp(-x/tau)", MANY[0, 0], x=X, s=1, tau=1)
    assert total[1][0] == pytest.approx(pooled.params["s"].stderr*np.sqrt(48/47), rel=1e-5)


def test_one_fit_and_files(tmp_path):
    """A batch of no shape, one whose model is called, and one from a file."""
    one = gslfit.fit_batch(TEXT, MANY[0, 0], x=X, **START)
    right = gslfit.fit(TEXT, MANY[0, 0], x=X, **START)
    assert tuple(map(float, one.derived("a*tau"))) == pytest.approx(right.derived("a*tau"), rel=1e-5)
    np.testing.assert_allclose(one.eval_uncertainty(), right.eval_uncertainty(), rtol=1e-4)

    def called(x, a, tau, c):
        return np.array([a*np.exp(-float(each)/tau) + c for each in x])
    with pytest.warns(gslfit.FitWarning, match="call Python"):
        slow = gslfit.fit_batch(called, MANY[:1], x=X, **START)
    assert slow.reason
    assert slow.derived("a*tau")[1][0, 0] == pytest.approx(right.derived("a*tau")[1], rel=1e-4)
    np.testing.assert_allclose(slow.eval_uncertainty()[0, 0], right.eval_uncertainty(), rtol=1e-3)
    for covar in (True, False):
        saved = gslfit.fit_batch(TEXT, MANY, x=X, **START, covar=covar)
        saved.save(tmp_path/"fits.npz")
        stored = gslfit.BatchResult.load(tmp_path/"fits.npz")
        if covar:
            np.testing.assert_allclose(stored.derived("a*tau")[1], saved.derived("a*tau")[1])
        else:
            with pytest.raises(gslfit.errors.InputError, match="covar=True"):
                stored.derived("a*tau")


def test_bad_expressions():
    """What is no expression of the parameters is said."""
    batch, one = gslfit.fit_batch(TEXT, MANY, x=X, **START), single("fit", MANY[0, 0])
    for found in (batch, one):
        for text, kind in (("a*taw", gslfit.errors.InputError), ("a +", gslfit.errors.ExpressionError), ("", gslfit.errors.InputError),
                           (3, gslfit.errors.InputTypeError)):
            with pytest.raises(kind):
                found.derived(text)
    with pytest.raises(gslfit.errors.InputError, match="no independent variable"):
        batch.eval_uncertainty(t=[1.])


ERRORS = np.linspace(.03, .09, X.size)
OF_ROWS = np.linspace(.02, .07, 6).reshape(3, 2, 1)
KNOWN = {"one": {"yerr": .05}, "points": {"yerr": ERRORS}, "point left out": {"yerr": np.where(X[5] == X, np.inf, .05)},
         "weights": {"weights": -1/ERRORS},
         "rows": {"yerr": OF_ROWS}, "rows in full": {"weights": np.broadcast_to(1/OF_ROWS, MANY.shape).copy()},
         "all alike": {"yerr": np.broadcast_to(ERRORS, MANY.shape).copy()}, "ycov": {"ycov": np.diag(ERRORS**2)}, "none": {}}


@pytest.mark.parametrize("how", [{}, {"scale_covar": False}, {"loss": "huber", "f_scale": 2.0}], ids=["estimated", "known", "huber"])
@pytest.mark.parametrize("errors", KNOWN.values(), ids=KNOWN)
def test_predictions_of_what_was_saved(tmp_path, errors, how):
    """A batch that is saved and loaded, or kept without its data, has the prediction bands that it had, or the same refusal."""
    if how.get("loss") and "ycov" in errors:
        pytest.skip("a loss of correlated errors is refused")
    unit = 1e-9
    scaled = {name: array*unit**{"weights": -1, "yerr": 1, "ycov": 2}[name] for name, array in errors.items()}
    start = {name: value*(unit if name != "tau" else 1) for name, value in START.items()}
    whole, bare = (gslfit.fit_batch(TEXT, MANY*unit, x=X, start=start, covar=True, keep_data=kept, **scaled, **how)
                   for kept in (True, False))
    known = [bare]
    for each in (whole, bare, None):        # and what was loaded, saved again
        (known[-1] if each is None else each).save(tmp_path/"fits.npz")
        known.append(gslfit.BatchResult.load(tmp_path/"fits.npz"))
    bands = whole.eval_uncertainty(kind="prediction")
    took = np.isfinite(bands)
    for found in known:
        for place in ((0, 0), (2, 1)):
            right, own = whole[place].eval_uncertainty(kind="prediction"), found[place].eval_uncertainty(kind="prediction")
            np.testing.assert_allclose(own[took[place]], right[took[place]], rtol=1e-12)
            assert np.isnan(own[~took[place]]).all()
        np.testing.assert_allclose(found.eval_uncertainty(kind="prediction")[took], bands[took], rtol=1e-12)
        try:
            right = whole.eval_uncertainty(kind="prediction", x=X[:3])
        except gslfit.FitError as error:
            with pytest.raises(type(error), match="differ from point to point"):
                found.eval_uncertainty(kind="prediction", x=X[:3])
        else:
            np.testing.assert_allclose(found.eval_uncertainty(kind="prediction", x=X[:3]), right, rtol=1e-12)


def test_predictions_whose_errors_are_not_saved(tmp_path):
    """Where a file lacks the errors of the data, each point's own or all in that of an earlier version, a prediction says what helps."""
    batch = gslfit.fit_batch(TEXT, MANY, x=X, start=START, covar=True, yerr=np.random.default_rng(1).uniform(.03, .07, MANY.shape))
    batch.save(tmp_path/"own.npz")
    plain = gslfit.fit_batch(TEXT, MANY, x=X, start=START, covar=True)
    plain.save(tmp_path/"new.npz")
    arrays = dict(np.load(tmp_path/"new.npz"))
    head = json.loads(str(arrays.pop("head")))
    for name in ("errors", "scale_covar"):
        del head[name]
    np.savez(tmp_path/"earlier.npz", head=np.array(json.dumps(head)), **arrays)
    for name, says in (("own", "pickle it"), ("earlier", "earlier version")):
        found = gslfit.BatchResult.load(tmp_path/f"{name}.npz")
        right = batch if name == "own" else plain
        found.save(tmp_path/"again.npz")
        for each in (found, gslfit.BatchResult.load(tmp_path/"again.npz")):
            np.testing.assert_allclose(each.eval_uncertainty(), right.eval_uncertainty(), rtol=1e-9)
            for asked in ({}, {"x": X}):
                with pytest.raises(gslfit.FitError, match=says):
                    each.eval_uncertainty(kind="prediction", **asked)
                with pytest.raises(gslfit.FitError, match=says):
                    each[1, 1].eval_uncertainty(kind="prediction", **asked)
    for errors, more in (("yerr", {}), ("yerr", {"yerr": np.ones(3)}), ("weights", {"weights": np.ones((2, 2, 1))}), (["yerr"], {})):
        np.savez(tmp_path/"bad.npz", head=np.array(json.dumps({**head, "errors": errors})), **arrays, **more)
        with pytest.raises(gslfit.FitError, match="no file that"):
            gslfit.BatchResult.load(tmp_path/"bad.npz")


@pytest.mark.parametrize("keep_data", [True, False])
def test_x_of_each_fit_is_saved_twice(keep_data):
    """Without the data, and without what it has of x: that was a ValueError from inside."""
    x = np.linspace(.1, 5, 30)*np.array([[1.], [1.01]])
    y = 2*np.exp(-.7*x) + .05*np.random.default_rng(0).normal(size=x.shape)
    rows = gslfit.fit_batch("A*exp(-k*x)", y, x=x, A=1., k=.5, keep_data=keep_data)
    for _ in range(2):
        rows.save(file := io.BytesIO())
        file.seek(0)
        rows = gslfit.BatchResult.load(file)
        assert rows.success.all() and abs(rows.values["k"] - .7).max() < .1


@pytest.mark.parametrize("kind", ["confidence", "prediction"])
@pytest.mark.parametrize("covar", [False, True])
@pytest.mark.parametrize("own", [False, True])
def test_what_a_saved_batch_lacks_is_said(tmp_path, own, covar, kind):
    """Points of each fit and correlations that were not kept: of all fits and of one the band is that of the batch, or is refused with what
    is missing. It was NaN, or refused as that of a residual function; points that are handed in serve.
    """
    x = np.linspace(.1, 5, 30)*(np.array([[1.], [1.01]]) if own else 1.)
    y = 2*np.exp(-.7*x) + .05*np.random.default_rng(0).normal(size=(2, 30))
    fitted = gslfit.fit_batch("A*exp(-k*x)", y, x=x, A=1., k=.5, covar=covar)
    fitted.save(tmp_path / "batch.npz")
    loaded = gslfit.BatchResult.load(tmp_path / "batch.npz")
    for places in ({"x": np.array([.5, 7.])}, {}):
        for part in (lambda batch: batch, lambda batch: batch[1]):
            lacks = "the independent variables are not there" if own and not places else "the correlations" if not covar else ""
            if lacks and own and not places and not covar:
                lacks = "are not there"
            if lacks:
                with pytest.raises(gslfit.errors.InputError, match=lacks):
                    part(loaded).eval_uncertainty(kind=kind, **places)
            else:
                expected = part(fitted).eval_uncertainty(kind=kind, **places)
                np.testing.assert_allclose(part(loaded).eval_uncertainty(kind=kind, **places), expected, rtol=1e-6)
    if own:
        with pytest.raises(gslfit.errors.InputError, match="the independent variables are not there"):
            loaded[0].eval()
        np.testing.assert_allclose(loaded[0].eval(x=x[0]), fitted[0].best_fit)
