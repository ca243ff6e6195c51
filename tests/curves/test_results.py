"""One kind of result: what `fit`, `Model.fit`, a row of a batch and a fitted `Minimizer` are asked, they answer alike."""
import copy
import pickle
import warnings

import matplotlib as mpl
import numpy as np
import pytest
from scipy.stats import t as student

import gslfit
from gslfit import FitResult, Minimizer, ModelResult, Parameters, fit, fit_batch, minimize
from gslfit.errors import FitError, InputError, InputTypeError, NoModelError
from gslfit.models import ExpressionModel, Model

mpl.use("agg")
pd, xr = pytest.importorskip("pandas"), pytest.importorskip("xarray")

X = np.linspace(0, 10, 40)
TEXT = "a*exp(-x/tau) + c"
START = {"a": 1.0, "tau": 1.0, "c": 0.0}
NUMBERS = ("success", "chisqr", "redchi", "aic", "bic", "ndata", "nvarys", "nfree", "errorbars", "values", "stderr")
METHODS = ("conf_interval", "conf_interval2d", "fit_report", "ci_report", "eval", "eval_uncertainty", "plot")
ATTRIBUTES = ("params", "values", "stderr", "covar", "residual", "success", "status", "message", "nfev", "chisqr", "redchi", "aic", "bic")


def curve(x, a, tau, c):
    """Return a decay."""
    return a*np.exp(-x/tau) + c


Y = curve(X, 3, 2, .5) + np.random.default_rng(1).normal(0, .05, X.size)


def parameters(**inputs):
    """Parameters of the decay."""
    params = Parameters()
    for name, value in START.items():
        params.add(name, value)
    for name, given in inputs.items():
        if name in params:
            params[name].set(**given)
        else:
            params.add(name, **given)
    return params


def results(params=None, y=Y, **how):
    """Results of the same fit: of `fit`, of a batch, of a model."""
    params = parameters() if params is None else params
    return {"fit": fit(TEXT, y, params, x=X, **how), "batch": fit_batch(TEXT, np.stack([y[::-1], y]), params, x=X, **how)[1],
            "Model.fit": Model(TEXT).fit(y, params, x=X, **how)}


def by_minimize(params, keep=slice(None), y=Y, weights=1.0, **how):
    """Return the fit of the same residual by `minimize`."""
    weights = np.broadcast_to(weights, y.shape)

    def residual(p):
        return ((curve(X, *(p[name].value for name in START)) - y)*weights)[keep]
    return minimize(residual, params.copy(), **how)


@pytest.mark.parametrize("kind", ["fit", "batch", "Model.fit"])
def test_answers_alike(kind):
    """Every name is there, and the numbers are those of `minimize`."""
    found, truth = results()[kind], by_minimize(parameters())
    assert isinstance(found, ModelResult if kind == "Model.fit" else FitResult)
    for name in (*ATTRIBUTES, "best_fit"):
        assert getattr(found, name) is not None, name
    for name in METHODS:
        assert callable(getattr(found, name)), name
    for name in NUMBERS:
        own, right = getattr(found, name), getattr(truth, name)
        assert own == (pytest.approx(right, rel=1e-6) if not isinstance(right, bool) else right), name
    assert found.covar == pytest.approx(truth.covar, rel=1e-5)
    for one, other in ("a", "tau"), ("tau", "c"):
        assert found.params[one].correl[other] == pytest.approx(truth.params[one].correl[other], rel=1e-5)
    assert found.best_fit == pytest.approx(curve(X, *found.values.values()))
    assert found.eval(x=np.array([0., 1.])) == pytest.approx(curve(np.array([0., 1.]), *found.values.values()))
    assert found.eval(a=2.) == pytest.approx(curve(X, 2., found.values["tau"], found.values["c"]))
    assert found.residual*(-1 if kind == "Model.fit" else 1) == pytest.approx(found.best_fit - Y)
    assert found.init_params.valuesdict() == START
    assert "[[Variables]]" in found.fit_report() and gslfit.fit_report(found) in found.fit_report()
    assert found.ci_report() == gslfit.ci_report(found.conf_interval(), with_offset=True)
    assert gslfit.ci_report(found) == gslfit.ci_report(found.conf_interval())


CASES = {
    "plain": {}, "weights": {"weights": 1 + X/5}, "known errors": {"weights": 20.0, "scale_covar": False},
    "a bound": {"params": parameters(c={"value": .1, "min": 0})}, "at a bound": {"params": parameters(c={"value": 1, "min": .6})},
    "fixed": {"params": parameters(c={"value": .5, "vary": False})},
    "an expression": {"params": parameters(c={"expr": "a/6"}, half={"expr": "tau*log(2)"})},
    "omit": {"y": np.where(X[7] == X, np.nan, Y), "nan_policy": "omit"},
}


@pytest.mark.parametrize("kind", ["fit", "batch", "Model.fit"])
@pytest.mark.parametrize("case", CASES)
def test_intervals_are_those_of_minimize(case, kind):
    """Limits and regions of a formula's fit are those of `minimize` with the same residual."""
    given = CASES[case]
    found = results(**given)[kind]
    how = {name: value for name, value in given.items() if name in ("params", "y", "weights")}
    how |= {"scale_covar": given["scale_covar"]} if "scale_covar" in given else {}
    keep = np.isfinite(given.get("y", Y))
    truth = by_minimize(how.pop("params", parameters()), keep, **how)
    right, own = gslfit.conf_interval(truth), gslfit.conf_interval(found)
    assert list(own) == list(right)
    for name, rows in right.items():
        assert [p for p, _ in own[name]] == [p for p, _ in rows]
        assert [v for _, v in own[name]] == pytest.approx([v for _, v in rows], rel=1e-5, abs=1e-7)
    if "tau" in right and "a" in right and truth.errorbars:
        assert gslfit.conf_interval2d(found, "a", "tau", 3, 3)[2] == pytest.approx(gslfit.conf_interval2d(truth, "a", "tau", 3, 3)[2],
                                                                                  abs=1e-5)


@pytest.mark.parametrize("kind", ["fit", "batch"])
def test_masked_points(kind):
    """What takes no part is NaN in curve, residual and band, and no part of an interval."""
    mask = X > 8
    found = {"fit": lambda: fit(TEXT, Y, x=X, mask=mask, **START),
             "batch": lambda: fit_batch(TEXT, np.stack([Y, Y]), x=X, mask=mask, **START)[1]}[kind]()
    truth = by_minimize(parameters(), ~mask)
    for array in (found.best_fit, found.residual, found.eval_uncertainty()):
        assert np.array_equal(np.isnan(array), mask)
    assert np.isfinite(found.eval()).all()
    assert (found.ndata, found.chisqr) == (truth.ndata, pytest.approx(truth.chisqr))
    assert [v for _, v in found.conf_interval()["tau"]] == pytest.approx([v for _, v in truth.conf_interval()["tau"]], rel=1e-5)


def test_labels_of_a_row():
    """A row of a labelled batch has the labels of its points, wherever they lie."""
    cube = xr.DataArray(np.stack([np.stack([Y, Y + 1])]*3), dims=("row", "column", "x"), coords={"x": X, "row": [5, 6, 7]})
    one = fit_batch(TEXT, cube, x=cube.x, **START)[2, 1]
    assert one.best_fit.dims == ("x",) and one.best_fit.row.item() == 7
    assert one.residual.values == pytest.approx(one.best_fit.values - Y - 1)
    assert one.data.equals(cube[2, 1])
    turned = fit_batch(TEXT, cube.transpose("x", "row", "column"), x=X, axis="x", **START)[2, 1]
    assert turned.best_fit.values == pytest.approx(one.best_fit.values, rel=1e-6)
    frame = pd.DataFrame(np.stack([Y, Y + 1]), index=["first", "second"], columns=X)
    row = fit_batch(TEXT, frame, x=X, **START)[1]
    assert row.best_fit.name == "second" and row.best_fit.index.equals(frame.columns)
    column = fit_batch(TEXT, frame.T, x=X, axis=0, **START)[1]
    assert column.residual.to_numpy() == pytest.approx(row.residual.to_numpy(), abs=1e-9)
    series = fit(TEXT, pd.Series(Y, index=X, name="decay"), x=X, **START)
    assert series.eval_uncertainty().name == "decay" and series.best_fit.index.equals(pd.Index(X))


def test_image_stack():
    """A row of images has the shape of one."""
    a, b = np.mgrid[:5, :6].astype(float)
    y = 2*a - b + 1
    one = fit_batch("p*a + q*b + r", np.stack([y, y]), x={"a": a, "b": b}, axis=(-2, -1), p=1., q=1., r=0.)[1]
    assert one.best_fit == pytest.approx(y) and one.residual.shape == one.eval().shape == one.eval_uncertainty().shape == (5, 6)


def test_band_by_algebra():
    """The band is Student's factor times sqrt(J C J^T), that of a measurement has reduced chi-square besides."""
    params = parameters(c={"value": 1, "min": .6})
    for inputs in ({}, {"params": params}):
        for found in results(**inputs).values():
            a, tau, _ = found.values.values()
            rows = np.stack([np.exp(-X/tau), a*X/tau**2*np.exp(-X/tau), np.ones(X.size)])
            covar = np.nan_to_num(found.covar)          # what is held at its bound adds nothing
            factor = student.ppf((1 + .95)/2, found.nfree)
            right = factor*np.sqrt(np.einsum("in,ij,jn->n", rows, covar, rows))
            assert found.eval_uncertainty(sigma=.95) == pytest.approx(right, rel=1e-4)
            assert found.dely_predicted == pytest.approx(np.sqrt(right**2 + factor**2*found.redchi), rel=1e-4)
            fine = found.eval_uncertainty(sigma=.95, x=X[::3])
            assert fine == pytest.approx(right[::3], rel=1e-4)


def opaque(x, a, tau, c):
    """Return the decay as a function that can't be traced."""
    return np.array([a*np.exp(-each/tau) + c for each in np.asarray(x).tolist()])


def test_called_functions_answer_too():
    """What is not compiled is evaluated, drawn and profiled by calling it."""
    truth = by_minimize(parameters())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = [fit(opaque, Y, x=X, **START), fit_batch(opaque, np.stack([Y, Y]), x=X, **START)[1], Model(opaque).fit(Y, x=X, **START)]
    for one in found:
        assert one.eval_uncertainty() == pytest.approx(results()["fit"].eval_uncertainty(), rel=1e-4)
        assert [v for _, v in one.conf_interval()["tau"]] == pytest.approx([v for _, v in truth.conf_interval()["tau"]], rel=1e-4)
        again = pickle.loads(pickle.dumps(one))
        assert again.best_fit == pytest.approx(one.best_fit)


def residual_of_module(params, x, y):
    """Return a residual that pickle finds."""
    return curve(x, *(params[name].value for name in START)) - y


def test_pickles_and_copies():
    """Results come out of a pickle and a copy as they were, with all that they can be asked; a deep copy has its own parameters."""
    params = parameters(c={"value": 1, "min": .6})       # at its bound: fitted again by minimize, whose options have functions in them
    kinds = [*results().values(), *results(params).values(), fit(lambda x, a, tau, c: a*np.exp(-x/tau) + c, Y, x=X, **START),
             Model(curve).fit(Y, x=X, **START, method="lmder"), minimize(residual_of_module, parameters(), args=(X, Y))]
    for found in kinds:
        for again in (pickle.loads(pickle.dumps(found)), copy.deepcopy(found), copy.copy(found)):
            assert type(again) is type(found)
            assert again.values == found.values and again.stderr == pytest.approx(found.stderr, nan_ok=True)
            assert [v for _, v in again.conf_interval(["tau"])["tau"]] == pytest.approx([v for _, v in found.conf_interval(["tau"])["tau"]])
            if not isinstance(found, Minimizer):
                assert np.array_equal(again.best_fit, found.best_fit) and again.fit_report() == found.fit_report()
        before, own = found.values, copy.deepcopy(found)
        own.params["a"].value = 99.
        assert found.values == before


def test_function_that_no_pickle_holds():
    """A result of a local function that isn't compiled is pickled without it, and says so when it is asked."""
    with pytest.warns(gslfit.FitWarning):
        found = fit(lambda x, a, tau, c: opaque(x, a, tau, c), Y, x=X, **START)
    again = pickle.loads(pickle.dumps(found))
    assert again.chisqr == found.chisqr
    with pytest.raises(FitError, match="fit again"):
        again.conf_interval()
    assert copy.deepcopy(found).conf_interval(["a"])


def test_residuals_have_no_model():
    """A fitted Minimizer has intervals and reports; of what needs a model it says who has it."""
    fitted = by_minimize(parameters())
    assert fitted.conf_interval(["a"])["a"] == gslfit.conf_interval(fitted, ["a"])["a"]
    assert "[[Variables]]" in fitted.fit_report() and "BEST" in fitted.ci_report()
    for thing in (fitted, fitted.result):
        assert not hasattr(thing, "best_fit") and isinstance(thing.conf_interval2d("a", "c", 2, 2), tuple)
        for ask in (lambda thing: thing.best_fit, lambda thing: thing.eval(), lambda thing: thing.eval_uncertainty(),
                    lambda thing: thing.plot(), lambda thing: thing.data):
            with pytest.raises(NoModelError, match="fit"):
                ask(thing)
    with pytest.raises(FitError, match="fitted first"):
        Minimizer(lambda p: np.zeros(3), parameters()).conf_interval()


def test_intervals_of_a_whole_batch():
    """Those of each of its fits; of a number there are none."""
    batch = fit_batch(TEXT, np.stack([Y, Y]), x=X, **START)
    found = gslfit.conf_interval(batch, sigmas=[.95])
    assert np.array_equal(found["a"], batch.conf_interval(sigmas=[.95])["a"])
    (_, low), _, (_, high) = batch[0].conf_interval(["a"], sigmas=[.95])["a"]
    assert found["a"][0, :, 0] == pytest.approx([low, high], rel=1e-6)
    with pytest.raises(InputTypeError, match="float"):
        gslfit.conf_interval(1.0)


def test_pictures():
    """Every result with a model is drawn by the same code: data and curve, residuals above."""
    from matplotlib import pyplot as plt
    for found in results().values():
        residuals, fit = found.plot(numpoints=200)
        assert fit.lines[-1].get_xdata().size == 200
        assert residuals.lines[-1].get_ydata() == pytest.approx(Y - found.best_fit)
        plt.close(fit.figure)


def test_row_without_covariances():
    """A row's covariance and correlations are there whether the batch kept them or not."""
    stack = np.stack([Y, Y + X/50])
    for params in (parameters(), parameters(c={"value": 1, "min": .6}), parameters(c={"expr": "a/6"})):
        short, long = (fit_batch(TEXT, stack, params, x=X, covar=kept) for kept in (False, True))
        for k in range(2):
            assert short[k].covar == pytest.approx(long[k].covar, rel=1e-6, abs=0, nan_ok=True)
            for name in short.names:
                assert short[k].params[name].correl == (pytest.approx(long[k].params[name].correl) if long[k].params[name].correl else None)


def test_initial_values_of_expressions():
    """An expression began at what it was worth at the start."""
    params = parameters(half={"expr": "2*tau"}, c={"expr": "a/6"})
    for found in [*results(params).values(), by_minimize(params)]:
        assert found.params["half"].init_value == 2.0
        assert found.params["c"].init_value == pytest.approx(1/6)
    starts = fit_batch(TEXT, np.stack([Y, Y]), params, x=X, start={"tau": np.array([1., 3.])})
    assert starts[1].params["half"].init_value == 6.0


def test_texts_are_called_by_their_text():
    """A model of a text is known by it, in reports and in components."""
    model = Model(TEXT)
    assert model.name == f"Model({TEXT})" and TEXT in model.fit(Y, x=X, **START).fit_report()
    assert list(model.eval_components(x=X, **START)) == [TEXT]
    assert TEXT in repr(ExpressionModel(TEXT)) and ExpressionModel(TEXT).name == f"Model({TEXT})"


def test_messages_of_good_fits():
    """A good fit says so in words of the field."""
    for found in results().values():
        assert "onverged" in found.message
        for word in ("lanes", "QR", "Gauss-Newton"):
            assert word not in found.message


def test_fast_path_by_comparing_options():
    """Options that are spelt out don't change who fits: one spelt as it is by default, and one that the lanes have, go the fast way."""
    model = Model(TEXT)
    plain = model.fit(Y, x=X, **START)
    for how in ({}, {"max_nfev": 500}, {"fit_kws": {"xtol": 1e-8}}, {"fit_kws": {"maxfev": 500, "ftol": 1e-10}}, {"scale_covar": False},
                {"calc_covar": True, "iter_cb": None}):
        found = model.fit(Y, x=X, **START, **how)
        assert type(found._found).__name__ == "LazyResult", how
        assert found.values == pytest.approx(plain.values, rel=1e-9) and found.message == plain.message
    params = parameters()
    for how in ({}, {"fit_kws": {"gtol": 1e-9}}, {"max_nfev": 500}):
        assert type(model.fit(Y, params, x=X, **how)._found).__name__ == "LazyResult"
    without = model.fit(Y, params, x=X, calc_covar=False)
    assert without.covar is None and without.params["a"].stderr is None and without.values == pytest.approx(plain.values, rel=1e-9)
    seen = []
    called = model.fit(Y, x=X, **START, iter_cb=lambda *args, **kws: seen.append(1))
    assert seen and called.values == pytest.approx(plain.values, rel=1e-6)
    with pytest.raises(InputTypeError, match="no option 'nonsense'"):
        model.fit(Y, x=X, **START, fit_kws={"nonsense": 1})
    with pytest.raises(InputError, match="at least 1"):
        model.fit(Y, x=X, **START, max_nfev=0)


def test_synonyms_by_every_entry():
    """The names that options have elsewhere are understood by every entry, if no parameter has them."""
    few = {"fit": lambda **how: fit(TEXT, Y, x=X, **START, **how), "Model.fit": lambda **how: Model(TEXT).fit(Y, x=X, **START, **how),
           "batch": lambda **how: fit_batch(TEXT, Y[None], x=X, **START, **how)[0],
           "minimize": lambda **how: by_minimize(parameters(), **how)}
    for name, call in few.items():
        for limit in ("max_nfev", "maxfev"):
            how = {limit: 2} if name != "Model.fit" or limit == "max_nfev" else {"fit_kws": {limit: 2}}
            assert not call(**how).success, name
    with pytest.raises(InputTypeError, match="twice"):
        by_minimize(parameters(), max_nfev=3, maxfev=4)
    assert fit("maxfev*x", 2*X, x=X, maxfev=1.0).values == pytest.approx({"maxfev": 2.0})


@pytest.mark.parametrize("name", ["mask", "yerr", "weights", "method", "xtol", "threads", "nan_policy"])
def test_parameters_named_as_arguments(name):
    """A parameter that has an argument's name starts from start= or Parameters; given as a keyword, the error says so."""
    text, y = f"{name}*x + b", 2*X + 1
    params = Parameters()
    params.add_many((name, 1.0), ("b", 0.0))
    for call in (lambda **how: fit(text, y, x=X, b=0.0, **how), lambda **how: fit_batch(text, y[None], x=X, b=0.0, **how)[0]):
        with pytest.raises(InputError, match=rf"'{name}'.*start=\{{'{name}': ...\}} or Parameters"):
            call(**{name: 3.0})
        assert call(start={name: 1.0}).values == pytest.approx({name: 2.0, "b": 1.0}, abs=1e-9)
    if name != "weights":       # no model's parameter can have that one
        model = Model(text)
        assert model.fit(y, model.make_params(**{name: 1.0, "b": 0.0}), x=X).values == pytest.approx({name: 2.0, "b": 1.0}, abs=1e-9)
        if name in ("mask", "yerr", "method"):
            with pytest.raises(InputError, match=rf"'{name}'.*make_params\({name}=...\)"):
                model.fit(y, x=X, b=0.0, **{name: 3.0})
    assert fit(text, y, params, x=X).values == pytest.approx({name: 2.0, "b": 1.0}, abs=1e-9)
