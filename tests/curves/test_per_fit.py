"""Bounds of each fit of a batch, and parameters that vary in some fits only, against single fits and SciPy's."""
import pickle

import numpy as np
import pytest
from scipy.optimize import least_squares

from gslfit import BatchResult, Model, Parameters, fit, fit_batch
from gslfit.errors import FitStatus, FitWarning, InputError, InputTypeError, ParameterError
from gslfit.models import GaussianModel

N, COUNT = 40, 60
X = np.linspace(0, 10, N)
TEXT = "A*exp(-(x - c)**2/(2*s**2)) + b"
RNG = np.random.default_rng(7)
TRUE = {"A": RNG.uniform(2, 5, COUNT), "c": RNG.uniform(4, 6, COUNT), "s": RNG.uniform(.8, 1.5, COUNT), "b": RNG.uniform(-1, 1, COUNT)}


def peak(x, A, c, s, b):
    return A*np.exp(-(x - c)**2/(2*s**2)) + b


def called(x, A, c, s, b):
    return A*np.exp(-(np.sort(x) - c)**2/(2*s**2)) + b


Y = peak(X, *(each[:, None] for each in TRUE.values())) + RNG.normal(0, .1, (COUNT, N))
# about half of the boxes leave the minimum out
LOW, HIGH = TRUE["c"] - RNG.uniform(-.08, .5, COUNT), TRUE["c"] + RNG.uniform(.1, .5, COUNT)
FREE_S, FREE_B = RNG.random(COUNT) < .6, RNG.random(COUNT) < .5
START = {"A": 2.0, "c": (LOW + HIGH)/2, "s": np.where(FREE_S, 1.0, TRUE["s"]), "b": np.where(FREE_B, 0.0, TRUE["b"])}
HOW = {"bounds": {"c": (LOW, HIGH)}, "vary": {"s": FREE_S, "b": FREE_B}}


def parameters(k, **more):
    """Return the Parameters of one fit of its own."""
    params = Parameters()
    for name, value in START.items():
        params.add(name, value if np.ndim(value) == 0 else value[k])
    params["c"].set(min=LOW[k], max=HIGH[k])
    params["s"].vary, params["b"].vary = bool(FREE_S[k]), bool(FREE_B[k])
    for name, expr in more.items():
        params.add(name, expr=expr)
    return params


def compare(batch, one, k, tight=1e-6):
    """Compare a fit of a batch, in its arrays and as a result of its own, with a fit of its own."""
    row = batch[k]
    assert bool(batch.success[k]) and one.success and row.success
    assert row.var_names == one.var_names and row.ndata == one.ndata and row.nfree == one.nfree
    assert float(batch.redchi[k]) == pytest.approx(one.redchi, rel=1e-9) == pytest.approx(row.redchi, rel=1e-9)
    for name, par in one.params.items():
        error = par.stderr or 1.0
        assert abs(batch.values[name][k] - par.value) <= tight*error, name
        assert row.params[name].vary == par.vary
        if par.stderr is None:
            assert np.isnan(batch.stderr[name][k]), name
            assert row.params[name].stderr is None
        else:
            assert batch.stderr[name][k] == pytest.approx(par.stderr, rel=tight) == pytest.approx(row.params[name].stderr, rel=tight)
    assert (row.params["c"].min, row.params["c"].max) == (one.params["c"].min, one.params["c"].max)


@pytest.mark.parametrize("options", [{}, {"method": "lmsder"}, {"method": "lanes"}, {"nan_policy": "omit"}], ids=str)
def test_single_fits(options):
    """Each fit is the one that its own Parameters have: values, errors, degrees of freedom, at its bound or not."""
    batch = fit_batch(TEXT, Y, x=X, start=START, yerr=.1, **HOW, **options)
    assert {FitStatus.AT_BOUND} < {FitStatus(each) for each in batch.status.tolist()}
    held = batch.status == FitStatus.AT_BOUND
    assert 5 < held.sum() < COUNT - 5
    for k in range(COUNT):
        one = fit(TEXT, Y[k], parameters(k), x=X, yerr=.1)
        compare(batch, one, k)
        assert held[k] == bool(min(abs(one.values["c"] - LOW[k]), abs(HIGH[k] - one.values["c"])) < 1e-9)
    assert (batch.stderr["s"][~FREE_S] == 0).all() and (batch.values["s"][~FREE_S] == TRUE["s"][~FREE_S]).all()


def test_against_scipy():
    """The minima within the boxes are those of SciPy's trf, and the covariances those of its Jacobian."""
    batch = fit_batch(TEXT, Y, x=X, start=START, scale_covar=False, **HOW)
    for k in range(0, COUNT, 5):
        names = ["A", "c", *(["s"] if FREE_S[k] else []), *(["b"] if FREE_B[k] else [])]

        def residual(v, k=k, names=names):
            return peak(X, **{**{name: each[k] for name, each in TRUE.items()}, **dict(zip(names, v, strict=True))}) - Y[k]
        low, high = ([{"c": each[k]}.get(name, far) for name in names] for each, far in ((LOW, -np.inf), (HIGH, np.inf)))
        found = least_squares(residual, [START["A"], START["c"][k], *([1.0] if FREE_S[k] else []), *([0.0] if FREE_B[k] else [])],
                              bounds=(low, high), xtol=1e-15, ftol=1e-15, gtol=1e-15, jac="3-point")
        assert [batch.values[name][k] for name in names] == pytest.approx(found.x, rel=1e-5, abs=1e-6)
        assert batch.chisqr[k] == pytest.approx(2*found.cost, rel=1e-7)
        if batch.status[k] != FitStatus.AT_BOUND:
            where = [batch.names.index(name) for name in names]
            own = np.asarray(batch.covar)[k]
            np.testing.assert_allclose(own[np.ix_(where, where)], np.linalg.inv(found.jac.T @ found.jac), rtol=1e-3, atol=1e-7)
            assert not np.delete(own, where, axis=0).any()


def test_all_alike():
    """What all fits share is that of Parameters, with or without these."""
    plain = Parameters()
    for name, value in (("A", 2.0), ("c", 5.0), ("s", 1.0), ("b", 0.0)):
        plain.add(name, value)
    wanted = plain.copy()
    wanted["c"].set(min=4.9, max=5.1)
    wanted["s"].vary = False
    expected = fit_batch(TEXT, Y, wanted, x=X)
    for own in (fit_batch(TEXT, Y, plain, x=X, bounds={"c": (4.9, 5.1)}, vary={"s": False}),
                fit_batch(TEXT, Y, x=X, A=2, c=5, s=1, b=0, bounds={"c": [4.9, 5.1]}, vary={"s": np.zeros(COUNT, bool)}),
                fit_batch(TEXT, Y, x=X, A=2, c=5, s=1, b=0, bounds={"c": (np.full(COUNT, 4.9), 5.1)}, vary={"s": np.False_})):
        assert own.names == ("A", "c", "b")
        for name in TRUE:
            np.testing.assert_array_equal(own.values[name], expected.values[name])
            np.testing.assert_array_equal(own.stderr[name], expected.stderr[name])
    wanted["s"].vary = True
    unbound = fit_batch(TEXT, Y, wanted, x=X, bounds={"c": (None, np.inf)})
    np.testing.assert_array_equal(unbound.values["c"], fit_batch(TEXT, Y, plain, x=X).values["c"])
    assert plain["c"].min is None and plain["s"].vary


def test_shapes():
    """Bounds and vary are broadcast to the batch's shape; a cube has the fits of its rows."""
    cube = Y.reshape(6, 10, N)
    start = {name: value if np.ndim(value) == 0 else value.reshape(6, 10) for name, value in START.items()}
    flat = fit_batch(TEXT, Y, x=X, start=START, **HOW)
    deep = fit_batch(TEXT, cube, x=X, start=start, bounds={"c": (LOW.reshape(6, 10), HIGH.reshape(6, 10))},
                     vary={"s": FREE_S.reshape(6, 10), "b": FREE_B.reshape(6, 10)})
    for name in TRUE:
        np.testing.assert_array_equal(deep.values[name].reshape(-1), flat.values[name])
    assert deep[3, 2].var_names == flat[32].var_names
    row = fit_batch(TEXT, cube, x=X, start={**start, "s": 1.0}, vary={"s": FREE_S[:10]})
    assert ((row.stderr["s"] == 0) == ~FREE_S[:10]).all()
    first = fit_batch(TEXT, np.moveaxis(cube, -1, 0), x=X, start=start, axis=0, bounds={"c": (LOW.reshape(6, 10), HIGH.reshape(6, 10))},
                      vary={"s": FREE_S.reshape(6, 10), "b": FREE_B.reshape(6, 10)})
    np.testing.assert_array_equal(first.values["c"], deep.values["c"])


def test_lanes_are_used():
    """No row is left to GSL, and threads change no bit."""
    batch = fit_batch(TEXT, Y, x=X, start=START, threads=1, **HOW)
    assert not np.isin(batch.status, FitStatus.CONVERGED_BY_GSL).any()
    again = fit_batch(TEXT, Y, x=X, start=START, threads=3, **HOW)
    np.testing.assert_array_equal(again.values["c"], batch.values["c"])


@pytest.mark.parametrize("what", ["expression", "prior", "ycov", "huber", "mad", "poisson", "mask"])
def test_together_with(what):
    """Expressions, priors, covariances, losses and masks go with them."""
    y, batch_how, one_how = Y, {}, {}
    if what == "expression":
        batch_how = {"params": parameters(0, area="A*s")}
        one_how = {"area": "A*s"}
        batch_how["params"]["c"].set(min=None, max=None)
        options = {"yerr": .1}
    elif what == "prior":
        options, batch_how = {"yerr": .1}, {"prior": {"A": (TRUE["A"], .05), "c": (5.0, .5)}}
    elif what == "ycov":
        options = {"ycov": .01*np.exp(-abs(X[:, None] - X))}
    elif what == "huber":
        options = {"yerr": .1, "loss": "huber", "f_scale": 1.5}
    elif what == "mad":
        options = {"loss": "huber", "f_scale": "mad"}
    elif what == "poisson":
        y, options = RNG.poisson(np.maximum(20*(Y + 2), 1)).astype(float), {"loss": "poisson"}
    else:
        options = {"yerr": .1, "mask": RNG.random((COUNT, N)) < .1}
    start = dict(START) if what != "poisson" else {**START, "A": 40.0, "b": np.where(FREE_B, 30.0, 20*(TRUE["b"] + 2))}
    batch = fit_batch(TEXT, y, x=X, start=start, **batch_how, **options, **HOW)
    for k in range(0, COUNT, 6):
        params = parameters(k, **one_how)
        params["A"].value, params["b"].value = start["A"], start["b"][k]
        own = {**options, **({"prior": {"A": (TRUE["A"][k], .05), "c": (5.0, .5)}} if what == "prior" else {})}
        if what == "mask":
            own["mask"] = options["mask"][k]
        one = fit(TEXT, y[k], params, x=X, **own)
        compare(batch, one, k, {"mad": 1e-3, "huber": 1e-3, "ycov": 1e-5}.get(what, 1e-6))


@pytest.mark.parametrize("vectorized", [None, True, False])
def test_called_functions(vectorized):
    """A function that is called, together or row by row, has bounds of each fit, and what varies."""
    with pytest.warns(FitWarning, match="Python"):
        batch = fit_batch(called, Y[:20], x=X, start={name: value if np.ndim(value) == 0 else value[:20] for name, value in START.items()},
                          yerr=.1, vectorized=vectorized, bounds={"c": (LOW[:20], HIGH[:20])}, vary={"s": FREE_S[:20], "b": FREE_B[:20]})
    for k in range(0, 20, 3):
        with pytest.warns(FitWarning, match="Python"):
            one = fit(called, Y[k], parameters(k), x=X, yerr=.1)
        compare(batch, one, k, 1e-4)
    assert (batch.status == FitStatus.AT_BOUND).any()


def test_models():
    """Model.fit_batch guesses within each fit's bounds, and holds what it is told to hold."""
    model, names = GaussianModel(), {"A": "amplitude", "c": "center", "s": "sigma"}
    area = TRUE["A"]*TRUE["s"]*np.sqrt(2*np.pi)
    y = Y - TRUE["b"][:, None]
    batch = model.fit_batch(y, x=X, yerr=.1, bounds={"center": (LOW, HIGH)}, vary={"sigma": FREE_S}, start={"sigma": TRUE["s"]})
    for k in range(0, COUNT, 7):
        params = model.make_params(amplitude=area[k], center=(LOW + HIGH)[k]/2, sigma=TRUE["s"][k])
        params["center"].set(min=LOW[k], max=HIGH[k])
        params["sigma"].vary = bool(FREE_S[k])
        one = model.fit(y[k], params, x=X, yerr=.1)
        assert batch[k].var_names == one.var_names
        for name in names.values():
            assert batch.values[name][k] == pytest.approx(one.values[name], rel=1e-7)
            assert batch.stderr[name][k] == pytest.approx(one.params[name].stderr or (0 if not one.params[name].vary else np.nan),
                                                          rel=1e-5, nan_ok=True)
        assert batch.stderr["fwhm"][k] == pytest.approx(one.params["fwhm"].stderr or 0, rel=1e-5, abs=1e-12)
    with pytest.raises(ParameterError, match=r"holds 'sigma' in fit \d+, and there is no value to hold it at"):
        model.fit_batch(y, x=X, vary={"sigma": FREE_S})
    held = Model(TEXT, independent_vars=["x"]).fit_batch(Y, x=X, start=START, **HOW)
    np.testing.assert_array_equal(held.values["c"], fit_batch(TEXT, Y, x=X, start=START, **HOW).values["c"])


def test_without_starts():
    """Amplitudes need no start; they begin within each fit's bounds."""
    low, high = TRUE["A"]*RNG.uniform(.5, 1.02, COUNT), TRUE["A"]*1.5
    batch = fit_batch(TEXT, Y, x=X, c=TRUE["c"], s=1.0, b=TRUE["b"], bounds={"A": (low, high)}, vary={"b": FREE_B})
    told = fit_batch(TEXT, Y, x=X, A=(low + high)/2, c=TRUE["c"], s=1.0, b=TRUE["b"], bounds={"A": (low, high)}, vary={"b": FREE_B})
    assert batch.success.all() and (batch.values["A"] >= low).all() and (batch.values["A"] == low).any()
    np.testing.assert_allclose(batch.values["A"], told.values["A"], rtol=1e-7)
    assert np.isfinite(batch.data.start["A"]).all()


def test_all_held():
    """Fits in which nothing varies have the chi-square of their starts."""
    some = np.arange(COUNT) % 2 == 0
    batch = fit_batch(TEXT, Y, x=X, start=TRUE, vary=dict.fromkeys(TRUE, some))
    rest = Y[~some] - peak(X, *(each[~some][:, None] for each in TRUE.values()))
    np.testing.assert_allclose(batch.chisqr[~some], (rest**2).sum(axis=1), rtol=1e-12)
    assert batch[1].var_names == [] and batch[1].nfree == N and batch[0].nfree == N - 4


def test_uncertainties():
    """Bands, errors of expressions and correlations are those of fits of their own."""
    batch = fit_batch(TEXT, Y, x=X, start=START, vary=HOW["vary"])
    value, error = batch.derived("A*s")
    band = batch.eval_uncertainty(sigma=2)
    for k in range(0, COUNT, 9):
        params = parameters(k)
        params["c"].set(min=None, max=None)
        one = fit(TEXT, Y[k], params, x=X)
        assert (value[k], error[k]) == pytest.approx(one.derived("A*s"), rel=1e-6)
        np.testing.assert_allclose(band[k], one.eval_uncertainty(sigma=2), rtol=1e-6)
        np.testing.assert_allclose(batch[k].covar, one.covar, rtol=1e-5, atol=1e-9)
        assert batch[k].params["A"].correl.keys() == one.params["A"].correl.keys()
    interval = fit_batch(TEXT, Y, x=X, start=START, yerr=.1, **HOW)[4].conf_interval()
    assert set(interval) == set(batch[4].var_names)


def test_kept(tmp_path):
    """Pickles, files and stores have them; a batch by blocks is the one in memory, and goes on where it was."""
    batch = fit_batch(TEXT, Y, x=X, start=START, yerr=.1, **HOW)
    again = pickle.loads(pickle.dumps(batch))
    assert again[3].var_names == batch[3].var_names and again[3].params["c"].max == HIGH[3]
    batch.save(tmp_path/"batch.npz")
    loaded = BatchResult.load(tmp_path/"batch.npz")
    assert [loaded[k].var_names for k in range(COUNT)] == [batch[k].var_names for k in range(COUNT)]
    np.save(tmp_path/"y.npy", Y)
    stored = fit_batch(TEXT, np.load(tmp_path/"y.npy", mmap_mode="r"), x=X, start=START, yerr=.1, out=tmp_path/"out", **HOW)
    for name in TRUE:
        np.testing.assert_array_equal(stored.values[name], batch.values[name])
        np.testing.assert_array_equal(stored.stderr[name], batch.stderr[name])
    assert stored[5].var_names == batch[5].var_names
    same = fit_batch(TEXT, np.load(tmp_path/"y.npy", mmap_mode="r"), x=X, start=START, yerr=.1, out=tmp_path/"out", resume=True, **HOW)
    np.testing.assert_array_equal(same.status, batch.status)
    for other in ({**HOW, "bounds": {"c": (LOW - .1, HIGH)}}, {**HOW, "vary": {"s": FREE_S}}):
        with pytest.raises(InputError, match="bounds|vary"):
            fit_batch(TEXT, np.load(tmp_path/"y.npy", mmap_mode="r"), x=X, start=START, yerr=.1, out=tmp_path/"out", resume=True, **other)


def test_bad_rows():
    """A fit with bad data spoils itself alone, and is named by its own place."""
    y = Y.copy()
    y[41, 3] = np.nan
    batch = fit_batch(TEXT, y, x=X, start=START, **HOW)
    assert batch.status[41] == FitStatus.BAD_DATA and batch.success.sum() == COUNT - 1
    assert np.isnan(np.asarray(batch.covar)[41]).all()
    omitted = fit_batch(TEXT, y, x=X, start=START, nan_policy="omit", **HOW)
    assert omitted.success.all() and omitted.ndata[41] == N - 1
    with pytest.raises(InputError, match="y is nan at fit 41, point 3"):
        fit_batch(TEXT, y, x=X, start=START, nan_policy="raise", **HOW)
    with pytest.raises(InputError, match=r"y is -1.0 at \(41, 3\)"):
        fit_batch(TEXT, np.where(np.isnan(y), -1.0, np.abs(y)), x=X, start=START, loss="poisson", **HOW)
    errors = np.full(Y.shape, .1)
    errors[41, 3] = 0
    with pytest.raises(InputError, match=r"yerr\[41, 3\] is 0.0"):
        fit_batch(TEXT, Y, x=X, start=START, yerr=errors, **HOW)


def test_interrupted():
    """What was done until Ctrl-C is there, and the rest says that it has not run."""
    def stop(done):
        if done >= 20:
            raise KeyboardInterrupt
    batch = fit_batch(TEXT, np.tile(Y, (200, 1)), x=X, start={name: value if np.ndim(value) == 0 else np.tile(value, 200)
                      for name, value in START.items()}, on_interrupt="partial", progress=stop, threads=1,
                      bounds={"c": (np.tile(LOW, 200), np.tile(HIGH, 200))}, vary={"s": np.tile(FREE_S, 200)})
    idle = batch.status == FitStatus.NOT_RUN
    assert idle.any() and np.isnan(batch.values["c"][idle]).all() and np.isfinite(batch.values["c"][~idle]).all()


PARAMS = Parameters()
for _name in TRUE:
    PARAMS.add(_name, 1.0)
PARAMS["b"].expr = "A/10"


@pytest.mark.parametrize(("given", "kind", "message"), [
    ({"bounds": {"q": (0, 1)}}, InputError, r"bounds\['q'\]: there is no such parameter; there are A, c, s, b"),
    ({"vary": {"amp": True}}, InputError, r"vary\['amp'\]: there is no such parameter"),
    ({"bounds": {"c": (HIGH, LOW)}}, InputError, r"bounds\['c'\]: the bounds of fit 0 are .* must be less"),
    ({"bounds": {"c": (np.where(np.arange(COUNT) == 7, 9, 1.0), 9)}}, InputError, r"bounds of fit 7 are 9.0 and 9.0.*vary=\{'c'"),
    ({"bounds": {"c": (LOW, np.where(np.arange(COUNT) == 3, np.nan, HIGH))}}, InputError, "of fit 3 are .* NaN"),
    ({"bounds": {"c": (LOW[:9], HIGH)}}, InputError, r"the lower bound of 'c' has the shape \(9,\), and the batch \(60,\)"),
    ({"bounds": {"c": 3}}, InputError, r"bounds\['c'\] is 3, and \(low, high\) is needed"),
    ({"bounds": 3}, InputTypeError, "bounds"),
    ({"vary": {"s": np.arange(COUNT)}}, InputTypeError, r"vary\['s'\] is an array of int64, and bool is needed"),
    ({"vary": {"s": FREE_S[:5]}}, InputError, r"vary\['s'\] has the shape \(5,\)"),
    ({"vary": {"s": "yes"}}, InputTypeError, "vary"),
    ({"bounds": {"c": (LOW, HIGH)}, "start": {**START, "c": 9.0}}, ParameterError, r"'c' starts at 9.0 \(fit 0\), outside its bound max"),
    ({"params": PARAMS, "start": {}, "vary": {"b": FREE_B}}, InputError, r"vary\['b'\]: 'b' has the expression 'A/10'"),
    ({"params": PARAMS, "start": {}, "bounds": {"b": (LOW, HIGH)}}, InputError, r"bounds\['b'\]: 'b' has the expression"),
    ({"vary": {"A": FREE_B}, "start": {name: START[name] for name in "csb"}}, ParameterError, "holds 'A' in fit .* no value to hold it at"),
], ids=lambda value: "" if isinstance(value, type) else str(value)[:40])
def test_bad_input(given, kind, message):
    """What can't be is an error that names it."""
    with pytest.raises(kind, match=message):
        fit_batch(TEXT, Y, x=X, **{"start": START, **given})
