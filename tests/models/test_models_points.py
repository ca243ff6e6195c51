"""Which points of a model's fit take part, how they are paired, and what shape results have: for every way into `Model.fit`."""
import pickle

import numpy as np
import pytest

import gslfit
from gslfit import models
from gslfit.compat import lmfit as compat
from gslfit.errors import InputError, InputTypeError, NonFiniteError

X = np.linspace(0, 5, 40)
OUT = np.isin(np.arange(X.size), (3, 11, 12, 30))
Y = 2*np.exp(-X) + 0.5 + np.random.default_rng(5).normal(0, 0.02, X.size)
WRONG = np.where(OUT, 99.0, Y)
START = {"a": 1.5, "b": 0.7, "c": 0.3}


def decay(x, a, b, c):
    return a*np.exp(-b*x) + c


def untraceable(x, a, b, c):
    return np.array([a*float(np.exp(-b*each)) + c for each in np.ravel(x)]).reshape(np.shape(x))


def spiral(x, a, b, c):
    return (a*np.exp(-b*x) + c)*np.exp(3j*x)


with np.errstate(divide="ignore"):
    LEFT_OUT = {        # how points are left out: data, and what is said besides
        "mask=": (WRONG, {"mask": OUT}),
        "numpy.ma": (np.ma.array(WRONG, mask=OUT), {}),
        "x masked": (WRONG, {"x": np.ma.array(X, mask=OUT)}),
        "weights masked": (WRONG, {"weights": np.ma.array(np.ones(X.size), mask=OUT)}),
        "weight 0": (WRONG, {"weights": 1.0*~OUT}),
        "infinite yerr": (WRONG, {"yerr": 1/(1.0*~OUT)}),
        "NaN, omit": (np.where(OUT, np.nan, Y), {"nan_policy": "omit"}),
        "NaN of x, omit": (WRONG, {"nan_policy": "omit", "x": np.where(OUT, np.nan, X)}),
        "NaN under a mask": (np.ma.array(np.where(OUT, np.nan, Y), mask=OUT), {})}
WAYS = {        # into the fit: a function, and options that choose the way
    "fast": (decay, {}), "lanes": (decay, {"max_nfev": 500}), "minimizer": (decay, {"iter_cb": lambda *args, **kws: None}),
    "lbfgsb": (decay, {"method": "lbfgsb"}), "called": (untraceable, {})}
pytestmark = pytest.mark.filterwarnings("ignore::gslfit.errors.FitWarning")


def fitted(module, function, data, **options):
    return module.Model(function).fit(data, **{"x": X, **START, **options})


def same(found, wanted, rtol=1e-6):
    """Assert that the numbers of two fits are the same; values within a share of their errors."""
    assert found.success
    assert found.ndata == wanted.ndata
    assert found.chisqr == pytest.approx(wanted.chisqr, rel=1e-8)
    assert found.redchi == pytest.approx(wanted.redchi, rel=1e-8)
    for name, par in wanted.params.items():
        assert found.params[name].value == pytest.approx(par.value, abs=1e-4*par.stderr)
        assert found.params[name].stderr == pytest.approx(par.stderr, rel=1e-4)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("how", LEFT_OUT)
def test_left_out(how, way):
    """Points left out are as if they had not been measured, by every way; results have the data's shape, NaN at these points."""
    function, options = WAYS[way]
    data, said = LEFT_OUT[how]
    result = fitted(gslfit, function, data, **said, **options)
    same(result, fitted(gslfit, decay, Y[~OUT], x=X[~OUT]))
    for curve in (result.best_fit, result.residual, result.init_fit, result.eval_uncertainty()):
        assert curve.shape == Y.shape
        assert np.array_equal(np.isnan(curve), OUT)
    np.testing.assert_allclose(result.residual[~OUT], (Y - result.best_fit)[~OUT], atol=1e-12)
    assert result.result.keep.tolist() == (~OUT).tolist()
    kept = Y[~OUT]
    assert result.rsquared == pytest.approx(1 - result.chisqr/np.sum((kept - kept.mean())**2))


@pytest.mark.parametrize("way", WAYS)
def test_compat_keeps_lengths(way):
    """In lmfit's manners what was masked, or omitted, is gone from results."""
    function, options = WAYS[way]
    options = {"method": "nelder"} if way == "lbfgsb" else options
    for how in ("numpy.ma", "NaN, omit"):
        data, said = LEFT_OUT[how]
        result = fitted(compat, function, data, **said, **options)
        assert result.ndata == np.sum(~OUT)
        for curve in (result.best_fit, result.residual, result.data, result.userkws["x"]):
            assert curve.shape == (np.sum(~OUT),)
            assert np.isfinite(curve).all()
        same(result, fitted(gslfit, decay, Y[~OUT], x=X[~OUT])) if way != "lbfgsb" else None


@pytest.mark.parametrize("way", ["fast", "lanes", "minimizer", "called"])
def test_compat_counts_weight_0(way):
    """Points of weight 0 count in lmfit, and so in the compat layer, whichever way its fit goes."""
    lmfit = pytest.importorskip("lmfit")
    function, options = WAYS[way]
    weights = 50.0*~OUT
    mine, theirs = (fitted(module, function, WRONG, weights=weights, **options) for module in (compat, lmfit))
    assert mine.ndata == theirs.ndata == X.size
    assert mine.redchi == pytest.approx(theirs.redchi, rel=1e-6)
    for name, par in theirs.params.items():
        assert mine.params[name].stderr == pytest.approx(par.stderr, rel=1e-3)
    np.testing.assert_allclose(mine.residual, theirs.residual, atol=1e-3)
    batch = compat.Model(decay).fit_batch(np.stack([WRONG, Y]), x=X, weights=weights, **START)
    assert batch.ndata.tolist() == [X.size]*2
    assert batch.stderr["b"][0] == pytest.approx(theirs.params["b"].stderr, rel=1e-3)
    with pytest.raises(NonFiniteError, match=r"data\[3\]"):
        fitted(compat, function, np.where(OUT, np.nan, Y), weights=weights, **options)


def test_complex_data():
    """Complex data: masked points are left out, weights multiply part by part; the residual is pairs."""
    rng = np.random.default_rng(8)
    y = spiral(X, 2.0, 1.0, 0.5) + rng.normal(0, 0.02, (2, X.size)).T @ [1, 1j]
    weights = 50.0 + 20j
    for way in ({}, {"weights": np.full(X.size, weights)}):
        reference = fitted(gslfit, spiral, y[~OUT], x=X[~OUT], **{key: each[~OUT] for key, each in way.items()})
        for data, said in ((np.ma.array(np.where(OUT, 99, y), mask=OUT), {}), (np.where(OUT, np.nan, y), {"nan_policy": "omit"})):
            result = fitted(gslfit, spiral, data, **said, **way)
            same(result, reference)
            assert result.residual.shape == (2*np.sum(~OUT),)
            assert np.array_equal(np.isnan(result.best_fit), OUT)


# -- labels


def test_series():
    """Series are paired by label where x holds every label of the data, and results are Series."""
    pd = pytest.importorskip("pandas")
    rng = np.random.default_rng(4)
    data = pd.Series(WRONG, [f"p{k}" for k in range(X.size)], name="counts")
    x = pd.Series(X, data.index)
    more = pd.concat([x, pd.Series([7.0, 8.0], ["q0", "q1"])])
    weights = pd.Series(1.0*~OUT, data.index)
    for points in (x, x[rng.permutation(data.index)], more[rng.permutation(more.index)]):
        result = fitted(gslfit, decay, data, x=points, weights=weights[rng.permutation(data.index)])
        same(result, fitted(gslfit, decay, Y[~OUT], x=X[~OUT]))
        for curve in (result.best_fit, result.residual, result.eval_uncertainty()):
            assert isinstance(curve, pd.Series)
            assert curve.index.equals(data.index)
    for other in (x.iloc[1:], pd.Series(X, np.arange(X.size) + 7)):
        for module in (gslfit, compat):
            with pytest.raises(InputError, match="x and data have different labels.*to_numpy"):
                fitted(module, decay, data, x=other)
            with pytest.raises(InputError, match="x and data have different labels.*to_numpy"):
                module.Model(decay).fit_batch(data, x=other, **START)
    with pytest.raises(InputError, match="weights and data have different labels"):
        fitted(gslfit, decay, data, weights=weights.reset_index(drop=True))
    counted = fitted(compat, decay, data, x=x, weights=weights.reset_index(drop=True))     # as lmfit: by position
    assert counted.ndata == X.size
    assert isinstance(counted.best_fit, np.ndarray)


def test_data_frame():
    """A DataFrame is one fit of all its numbers, and comes back as one."""
    pd = pytest.importorskip("pandas")
    x = pd.DataFrame(X.reshape(8, 5), columns=list("abcde"))
    data = pd.DataFrame(Y.reshape(8, 5), columns=list("abcde"))
    result = fitted(gslfit, decay, data, x=x[list("ecbad")])
    same(result, fitted(gslfit, decay, Y))
    assert isinstance(result.best_fit, pd.DataFrame)
    assert list(result.residual.columns) == list("abcde")


def test_data_arrays():
    """DataArrays are paired by the names of their dimensions; one that lacks some is the same along these."""
    xr = pytest.importorskip("xarray")
    u, v = np.arange(1.0, 6), np.linspace(0, 1, 8)
    u, v = xr.DataArray(u, dims="u", coords={"u": u}), xr.DataArray(v, dims="v", coords={"v": v})
    noise = xr.DataArray(np.random.default_rng(2).normal(0, 0.1, (5, 8)), dims=("u", "v"), coords={"u": u, "v": v})
    data = 2*u - 3*v + noise
    model = gslfit.Model("a*u + b*v + c", ["u", "v"])
    columns = np.stack([each.values.ravel() for each in xr.broadcast(u, v, u**0 + 0*v)], axis=1)
    reference = np.linalg.lstsq(columns, data.values.ravel(), rcond=None)[0]
    wide, _ = xr.broadcast(u, v)
    for first, second in ((u, v), (wide, v), (wide.T, v), (u, (v + 0*u))):
        result = model.fit(data, u=first, v=second, a=1, b=1, c=0)
        assert list(result.best_values.values()) == pytest.approx(reference)
        assert result.best_fit.dims == ("u", "v")
        assert result.residual.coords["v"].equals(v.coords["v"])
    with pytest.raises(InputError, match="dimensions"):
        model.fit(data, u=u.rename(u="w"), v=v, a=1, b=1, c=0)


# -- refits, files


def test_again():
    """A result that is fitted again knows which points were left out, and what the data are called."""
    result = fitted(gslfit, decay, WRONG, mask=OUT)
    result.fit(weights=np.full(X.size, 3.0))
    assert result.ndata == np.sum(~OUT)
    assert result.params["a"].value == pytest.approx(fitted(gslfit, decay, Y[~OUT], x=X[~OUT]).params["a"].value, rel=1e-6)
    result.fit(2*WRONG)
    assert result.ndata == np.sum(~OUT)
    assert result.params["a"].value == pytest.approx(2*fitted(gslfit, decay, Y[~OUT], x=X[~OUT]).params["a"].value, rel=1e-6)
    masked = fitted(gslfit, decay, np.ma.array(WRONG, mask=OUT))
    assert masked.fit(x=X + 1).ndata == np.sum(~OUT)
    assert masked.fit(Y).ndata == X.size            # other data, which hide nothing
    holes = fitted(gslfit, decay, np.where(OUT, np.nan, Y), nan_policy="omit")
    assert holes.fit(Y).ndata == X.size
    with pytest.raises(NonFiniteError):
        fitted(gslfit, decay, np.where(OUT, np.nan, Y), nan_policy="omit").fit(nan_policy="raise")


def test_kept_in_files():
    """Files and pickles keep which points took part."""
    result = fitted(gslfit, decay, WRONG, mask=OUT)
    read = models.ModelResult(result.model, gslfit.Parameters()).loads(result.dumps(), {"decay": decay})
    for again in (read, pickle.loads(pickle.dumps(result))):
        assert again.ndata == result.ndata
        assert again.chisqr == result.chisqr
        np.testing.assert_array_equal(again.residual, result.residual)
        np.testing.assert_array_equal(again.best_fit, result.best_fit)
        assert again.fit().ndata == result.ndata


def test_pictures():
    """What took no part isn't drawn."""
    pyplot = pytest.importorskip("matplotlib.pyplot")
    result = fitted(gslfit, decay, WRONG, mask=OUT)
    for draw in (result.plot_fit, result.plot_residuals):
        axes = draw(ax=pyplot.subplots()[1])
        points = next(line for line in axes.lines if line.get_marker() == "o")
        assert np.array_equal(np.isnan(points.get_ydata()), OUT)
    pyplot.close("all")


# -- shapes


def test_variables_of_other_shapes():
    """A function whose matrix has a row for each point is called at all of them; the points left out are left out of what it returns."""
    matrix = np.stack([np.exp(-X), np.ones(X.size)], axis=1)

    def combination(m, a, c):
        return m @ np.array([float(a), float(c)])
    result = gslfit.Model(combination).fit(WRONG, m=matrix, a=1, c=1, mask=OUT)
    right = np.linalg.lstsq(matrix[~OUT], Y[~OUT], rcond=None)[0]
    assert list(result.best_values.values()) == pytest.approx(right, rel=1e-6)
    assert np.array_equal(np.isnan(result.best_fit), OUT)
    masked = np.ma.array(matrix.T, mask=np.stack([OUT, OUT & False]))
    for function, m in ((combination, masked.T), (lambda m, a, c: combination(m.T, a, c), masked)):
        assert gslfit.Model(function).fit(WRONG, m=m, a=1, c=1).ndata == result.ndata
    with pytest.raises(InputError, match="m is masked and has the shape.*mask="):
        gslfit.Model(combination).fit(WRONG, m=masked.T[1:], a=1, c=1)


def test_as_they_are():
    """Without `coerce_farray` a function gets what was handed in, as long as all of it takes part."""
    seen = []

    def watched(x, a, b, c):
        seen.append(type(x))
        return decay(np.asarray(x), a, b, c)
    gslfit.Model(watched).fit(Y, x=range(X.size), coerce_farray=False, a=1, b=0.1, c=0)
    assert range in seen


@pytest.mark.parametrize(("shape", "of_x"), [
    ((8, 5), (8, 5)), ((8, 5), (1, 5)), ((8, 5), ()), ((40, 1), (40,)), ((1, 40), (40,)), ((40,), (40, 1))])
def test_shapes(shape, of_x):
    """Formulas take variables that broadcast to the data; results have the data's shape."""
    x = np.broadcast_to(X[:5], (8, 5)) if of_x == (1, 5) else np.full(40, 2.0) if of_x == () else X
    y = (3*x.reshape(-1) + 1 + np.random.default_rng(1).normal(0, 0.1, 40)).reshape(shape)
    given = x[:1] if of_x == (1, 5) else 2.0 if of_x == () else x.reshape(of_x)
    result = gslfit.Model("a*x + 1").fit(y, x=given, a=1.0)
    flat = x.reshape(-1)
    assert result.params["a"].value == pytest.approx(flat @ (y.reshape(-1) - 1)/(flat @ flat))
    assert result.best_fit.shape == result.residual.shape == shape


def unhelpful(returned):
    def function(x, a):
        return returned(a*np.asarray(x))
    return function


@pytest.mark.parametrize("module", [gslfit, compat], ids=["gslfit", "compat"])
@pytest.mark.parametrize(("returned", "error", "said"), [
    (lambda values: None, InputTypeError, "returned None"), (lambda values: values[:, None] - values, InputError, r"\(40, 40\)"),
    (lambda values: values[1:], InputError, r"\(39,\)"), (lambda values: "text", InputTypeError, "text")])
def test_results_of_functions(module, returned, error, said):
    """What a function returned is one value a point, or an error says what it is."""
    with pytest.raises(error, match=said):
        module.Model(unhelpful(returned)).fit(Y, x=X, a=1)


@pytest.mark.parametrize("module", [gslfit, compat], ids=["gslfit", "compat"])
def test_columns_and_numbers(module):
    """A column is one value a point, and a number is that of all points."""
    slope = X @ Y/(X @ X)
    assert module.Model(unhelpful(lambda values: values[:, None])).fit(Y, x=X, a=1).params["a"].value == pytest.approx(slope, rel=1e-6)
    mean = module.Model(lambda x, a: float(a)).fit(Y, x=X, a=1)
    assert mean.params["a"].value == pytest.approx(Y.mean(), rel=1e-6)
    assert mean.best_fit.shape == Y.shape


@pytest.mark.parametrize(("change", "said"), [
    ({"x": X[:-1]}, "x has 39 points, and the data 40"), ({"x": X[:-1], "nan_policy": "omit"}, "x has 39 points, and the data 40"),
    ({"mask": OUT[:-1]}, "mask has the shape"), ({"mask": 1*OUT}, "bool"), ({"weights": np.ones(39)}, "weights has the shape"),
    ({"yerr": np.zeros(40)}, "standard deviations"), ({"weights": np.full(40, np.nan)}, "weights must be finite"),
    ({"weights": np.full(40, np.nan), "nan_policy": "omit"}, "weights must be finite"), ({"weights": 1, "yerr": 1}, "both given")])
def test_wrong_points(change, said):
    """Lengths are compared before anything is left out, and counts are those of what was given."""
    with pytest.raises(InputError if "bool" not in said else InputTypeError, match=said):
        fitted(gslfit, decay, np.where(OUT, np.nan, Y) if "nan_policy" in change else Y, **change)


def test_names_of_arguments():
    """A parameter called as an argument of the call is started elsewhere, and an error says where; x may be a parameter."""
    y = 2*X + 1
    for fit in (lambda **start: gslfit.fit("x*t + b", y, t=X, **start).params["x"].value,
                lambda **start: float(gslfit.fit_batch("x*t + b", y[None], t=X, **start).values["x"][0]),
                lambda **start: gslfit.Model("x*t + b", "t").fit(y, t=X, **start).params["x"].value,
                lambda **start: float(gslfit.Model("x*t + b", "t").fit_batch(y[None], t=X, **start).values["x"][0])):
        assert fit(x=1.0, b=0.0) == pytest.approx(2)
    for text, name in (("mask*x", "mask"), ("axis*x", "axis")):
        with pytest.raises((InputError, InputTypeError), match=f"{name}.*start"):
            gslfit.fit_batch(text, y[None], x=X, **{name: 1.0})
        assert gslfit.fit_batch(text, 2*X[None], x=X, start={name: 1.0}).values[name][0] == pytest.approx(2)
    with pytest.raises(InputError, match="'mask' is a parameter.*start"):
        gslfit.Model("mask*x").fit(y, x=X, mask=1.0)
    assert gslfit.Model("mask*x").fit(2*X, x=X).params["mask"].value == pytest.approx(2)     # linear: needs no start
    with pytest.raises(InputError, match=r"make_params\(mask=...\)"):
        gslfit.Model("exp(mask*x)").fit(y, x=X)
    with pytest.raises(InputError, match="'params' is a parameter.*start"):
        gslfit.fit("params*x", y, x=X)
    with pytest.raises(InputError, match="'mask' has the name of an argument"):
        gslfit.Model(lambda mask, a: a*mask).fit(y, a=1.0)
    assert compat.Model(lambda x, mask: mask*x).fit(2*X, x=X, mask=1.0).params["mask"].value == pytest.approx(2)


# -- batches


def test_batch_points():
    """Masks, axes and labels of a batch of a model; each row is the fit of its points alone."""
    out = np.stack([OUT, np.roll(OUT, 1), np.zeros_like(OUT)])
    y = np.stack([Y, 2*Y, 3*Y])
    wrong = np.where(out, 99.0, y)
    model = gslfit.Model(decay)
    for batch in (model.fit_batch(wrong, x=X, mask=out, **START), model.fit_batch(np.ma.array(wrong, mask=out), x=X, **START),
                  model.fit_batch(wrong, x=X, weights=1.0*~out, **START), model.fit_batch(wrong.T, x=X, mask=out.T, axis=0, **START)):
        assert batch.success.all()
        assert batch.ndata.tolist() == (~out).sum(axis=1).tolist()
        for k in range(3):
            alone = fitted(gslfit, decay, y[k][~out[k]], x=X[~out[k]])
            assert batch.values["b"][k] == pytest.approx(alone.params["b"].value, abs=1e-4*alone.params["b"].stderr)
            assert batch.stderr["b"][k] == pytest.approx(alone.params["b"].stderr, rel=1e-5)
    assert model.fit_batch(wrong.T, x=X, mask=out.T, axis=0, **START).best_fit().shape == (X.size, 3)


def test_batch_of_data_arrays():
    """A DataArray's points lie along the dimension of x, and the model's curves come back as one."""
    xr = pytest.importorskip("xarray")
    cube = xr.DataArray(np.stack([Y, 2*Y], axis=1), dims=("t", "pixel"), coords={"t": X})
    batch = gslfit.Model(decay).fit_batch(cube, x=cube.t, **START)
    assert batch.shape == (2,)
    assert batch.best_fit().dims == ("t", "pixel")
    np.testing.assert_allclose(batch.values["a"][1], 2*batch.values["a"][0], rtol=1e-6)


# -- guesses


def gaussian(**values):
    return models.GaussianModel().eval(x=X, **values)


SPOT = {"height": 4.0, "x0": 1.0, "y0": -0.5, "sigma_u": 1.2, "sigma_v": 0.8, "theta": 0.3, "offset": 0.2}
U, V = (each.ravel() for each in np.meshgrid(np.linspace(-4, 4, 17), np.linspace(-4, 4, 15)))
GUESSED = {     # model, independent variables, a curve
    "peak": (models.GaussianModel(), {"x": X}, gaussian(amplitude=3, center=2, sigma=0.5)),
    "decay": (models.ExponentialModel(), {"x": X}, 3*np.exp(-X/1.3)),
    "line": (models.LinearModel(), {"x": X}, 2*X - 1),
    "sum": (models.GaussianModel() + models.LinearModel(), {"x": X}, gaussian(amplitude=5, center=2, sigma=0.4) + 0.1*X),
    "spline": (models.SplineModel(xknots=np.linspace(0, 5, 6)), {"x": X}, np.sin(X)),
    "complex": (models.ComplexConstantModel(), {"x": X}, np.full(X.size, 2 - 1j)),
    "spot": (models.EllipticalGaussian2dModel(), {"x": U, "y": V},
             models.EllipticalGaussian2dModel().eval(x=U, y=V, **SPOT))}


@pytest.mark.parametrize("name", GUESSED)
def test_guess_without_points(name):
    """A guess doesn't look at what is masked, and pairs by label; of many curves too, where NaN isn't looked at either."""
    pd = pytest.importorskip("pandas")
    model, variables, y = GUESSED[name]
    out = np.random.default_rng(3).random(y.size) < 0.1
    wrong = np.where(out, 1e3, y)
    plain = model.guess(y[~out], **{key: each[~out] for key, each in variables.items()}).valuesdict()
    masked = np.ma.array(wrong, mask=out)
    order = np.random.default_rng(1).permutation(y.size)
    label = pd.Index([f"p{k}" for k in range(y.size)])
    shuffled = {key: pd.Series(each, label)[label[order]] for key, each in variables.items()}
    for found in (model.guess(masked, **variables), model.guess(wrong, **variables, mask=out),
                  model.guess(pd.Series(wrong, label), **shuffled, mask=out), compat.models.__dict__[type(model).__name__](
                      **({"xknots": model.xknots} if name == "spline" else {})).guess(masked, **variables) if name != "sum" else
                  model.guess(masked, **variables)):
        assert {key: value for key, value in found.valuesdict().items() if key in plain} == pytest.approx(plain, nan_ok=True, rel=1e-9)
    if name in ("spline", "complex"):
        return
    rows = model.guess(np.ma.array(np.stack([wrong, y]), mask=np.stack([out, out & False])), **variables)
    best = model.guess(y, **variables).valuesdict()
    for key, value in rows.items():
        scale = max(abs(best[key]), 0.1)
        assert abs(value[0] - best[key]) < 0.5*scale, key
        assert value[1] == pytest.approx(best[key], rel=1e-6, abs=1e-9), key


def test_guess_of_wrong_things():
    """Units, dates and labels that differ are errors in a guess too."""
    pd = pytest.importorskip("pandas")
    model = models.GaussianModel()
    with pytest.raises(InputTypeError, match="dates"):
        model.guess(Y, x=np.datetime64("2026-01-01") + np.arange(X.size))
    with pytest.raises(InputError, match="different labels"):
        model.guess(pd.Series(Y), x=pd.Series(X, np.arange(X.size) + 3))
    with pytest.raises(InputError, match="x has the shape"):
        model.guess(Y, x=X[:-1])


def test_fit_without_starts():
    """A fit that guesses doesn't see what is masked."""
    y = gaussian(amplitude=3, center=2, sigma=0.5) + np.random.default_rng(6).normal(0, 0.02, X.size)
    wrong = np.where(OUT, -1e3, y)
    one = models.GaussianModel().fit(wrong, x=X, mask=OUT)
    assert one.best_values["center"] == pytest.approx(2, abs=0.05)
    many = models.GaussianModel().fit_batch(np.stack([wrong, y]), x=X, mask=np.stack([OUT, OUT & False]))
    assert many.values["center"] == pytest.approx([2, 2], abs=0.05)


@pytest.mark.parametrize("unit", [1e-300, 1e-200, 1e-20, 1.0, 1e20, 1e200, 1e300])
@pytest.mark.parametrize("kind", ["real", "complex", "masked", "called"])
@pytest.mark.filterwarnings("error::RuntimeWarning")
def test_rsquared_is_free_of_the_unit(unit, kind):
    """1 - the sum of squares of residuals by that of the data about their mean, whatever the data's size; no number overflows."""
    function = {"complex": lambda x, a, b, c: (a*np.exp(-b*x) + c)*np.exp(3j*x), "called": untraceable}.get(kind, decay)
    y = Y*np.exp(3j*X) + 0.01*np.cos(40*X) if kind == "complex" else WRONG if kind == "masked" else Y
    result = gslfit.Model(function).fit(unit*y, x=X, a=1.5*unit, b=0.7, c=0.3*unit, **({"mask": OUT} if kind == "masked" else {}))
    keep = ~OUT if kind == "masked" else np.full(X.size, True)
    best = function(X, result.params["a"].value/unit, result.params["b"].value, result.params["c"].value/unit)
    expected = 1 - np.sum(np.abs((y - best)[keep])**2)/np.sum(np.abs(y[keep] - y[keep].mean())**2)
    assert result.rsquared == pytest.approx(expected, rel=1e-12)
    assert isinstance(result.rsquared, float)


@pytest.mark.filterwarnings("error::RuntimeWarning")
def test_rsquared_at_its_ends():
    """Data that are all the same, and a model that is far off, have numbers too."""
    model = gslfit.Model("c + 0*x")
    for level in (0.0, 0.1, 1e250):
        assert model.fit(np.full(9, level), x=np.arange(9.0), c=level or 1.0).rsquared == pytest.approx(1, abs=1e-2)
    params = model.make_params(c=1e300)
    params["c"].vary = False
    assert model.fit(np.arange(9.0), params, x=np.arange(9.0)).rsquared == -np.inf


@pytest.mark.parametrize("model", [models.EllipticalGaussian2dModel(), gslfit.Model("a*x + b*y", independent_vars=["x", "y"])],
                         ids=["library", "text"])
def test_axes_of_an_image_are_no_points(model):
    """The axes of an image, (n,) each, would both lie along its last axis: they are refused; as grids, or turned, they are right."""
    columns = np.linspace(-3, 3, 9)
    grids = dict(zip("xy", np.meshgrid(columns, columns), strict=True))
    start = {"height": 3.0, "x0": 0.1, "y0": 0.3, "sigma_v": 1.5, "theta": 0.2}
    start = {name: start.get(name, 1.0) for name in model.param_names}
    image = model.eval(model.make_params(**start), **grids) + np.random.default_rng(1).normal(0, 0.01, (9, 9))
    with pytest.raises(InputError, match=r"x and y have one axis each, and data 2: .* numpy.meshgrid\(x, y\)"):
        model.fit(image, x=columns, y=columns, **start)
    wanted = model.fit(image, **grids, **start)
    found = model.fit(image, x=columns[None], y=columns[:, None], **start)
    assert found.best_values == pytest.approx(wanted.best_values, rel=1e-9)
