"""Points at which the model isn't finite: left out by "omit", refused by "raise", and a row marked; by every way into a fit."""
import numpy as np
import pytest

import gslfit
from gslfit.compat import lmfit as compat
from gslfit.errors import NonFiniteError

TEXT = "a*exp(-b*x) + c + k/x"
START = {"a": 1.5, "b": 0.7, "c": 0.3}
N = 30
X = np.stack([np.linspace(0, 5, N), np.linspace(0.1, 5.1, N), np.roll(np.linspace(0, 5, N), 7)])      # 0 at no point, the first, the eighth
FIRST = np.argwhere(X == 0)
RNG = np.random.default_rng(12)
ERRORS = 0.02*(1 + RNG.random(X.shape))


def curve(x, a, b, c, k=0.1):
    with np.errstate(divide="ignore"):
        return a*np.exp(-b*x) + c + k/x


CLEAN = curve(X, 2.0, 1.0, 0.5)
Y = np.where(np.isfinite(CLEAN), CLEAN, 7.0) + ERRORS*RNG.normal(size=X.shape)
FINITE = np.isfinite(CLEAN)


def called(x, a, b, c, k=0.1):
    return curve(x, float(a), float(b), float(c), float(k))


def fixed():
    """Parameters with one that doesn't vary."""
    params = gslfit.Parameters()
    for name, value in START.items():
        params.add(name, value)
    params.add("k", 0.1, vary=False)
    return params


def alone(k, keep):
    """Return the fit of the points kept of a row."""
    return gslfit.fit(TEXT, Y[k][keep], fixed(), x=X[k][keep], yerr=ERRORS[k][keep])


@pytest.mark.filterwarnings("ignore::gslfit.errors.FitWarning")
@pytest.mark.parametrize("formula", [TEXT, called], ids=["compiled", "called"])
@pytest.mark.parametrize("method", ["auto", "lanes", "lmsder"])
def test_rows(formula, method):
    """Rows are fitted without the points where the model isn't finite; their results say which."""
    mask = np.zeros(X.shape, bool)
    mask[:, 20] = True
    batch = gslfit.fit_batch(formula, Y, fixed(), x=X, yerr=ERRORS, mask=mask, nan_policy="omit", method=method, covar=True)
    assert batch.success.all()
    keep = FINITE & ~mask
    assert batch.ndata.tolist() == keep.sum(axis=1).tolist()
    for k in range(len(X)):
        right = alone(k, keep[k])
        assert batch.chisqr[k] == pytest.approx(right.chisqr, rel=1e-6)
        for name in START:
            assert batch.values[name][k] == pytest.approx(right.params[name].value, abs=1e-3*right.params[name].stderr)
            assert batch.stderr[name][k] == pytest.approx(right.params[name].stderr, rel=1e-4)
        row = batch[k]
        assert row.ndata == keep[k].sum()
        assert np.array_equal(np.isfinite(row.residual), keep[k])
        assert row.chisqr == pytest.approx(right.chisqr, rel=1e-6)


def test_a_value_in_each_fit():
    """A fixed parameter with a value in each fit counts at its value: where it is 0 the pole is NaN, all the same."""
    shifts = np.array([0.1, 0.2, 0.0])
    y = Y + (shifts[:, None] - 0.1)/np.where(FINITE, X, np.inf)
    batch = gslfit.fit_batch(TEXT, y, fixed(), x=X, start={"k": shifts}, nan_policy="omit")
    assert batch.success.all()
    assert batch.ndata.tolist() == FINITE.sum(axis=1).tolist()


def test_cube_by_axis():
    """Masks of rows come back in the shape of the data."""
    cube = np.stack([Y, Y], axis=2)             # (3, n, 2)
    batch = gslfit.fit_batch(TEXT, cube, fixed(), x=np.stack([X, X], axis=2), axis=1, nan_policy="omit")
    assert batch.shape == (3, 2)
    assert batch.success.all()
    assert batch.ndata.tolist() == np.stack([FINITE.sum(axis=1)]*2, axis=1).tolist()
    assert batch.best_fit().shape == cube.shape
    assert batch[2, 1].ndata == FINITE[2].sum()


def test_one_curve():
    """`fit`, `Model.fit` and its like in the compat layer, and `curve_fit`, which keeps SciPy's count of points of infinite sigma."""
    for k, at in FIRST:
        right = alone(k, FINITE[k])
        whole = gslfit.fit(TEXT, Y[k], fixed(), x=X[k], yerr=ERRORS[k], nan_policy="omit")
        of_model = gslfit.Model(TEXT, nan_policy="omit").fit(Y[k], fixed(), x=X[k], yerr=ERRORS[k])
        lmfits = compat.Model(curve, nan_policy="omit").fit(Y[k], fixed(), x=X[k], weights=1/ERRORS[k])
        for result in (whole, of_model, lmfits):
            assert result.success
            assert result.ndata == N - 1
            assert result.params["b"].value == pytest.approx(right.params["b"].value, abs=1e-3*right.params["b"].stderr)
            assert result.params["b"].stderr == pytest.approx(right.params["b"].stderr, rel=1e-4)
        assert np.isnan(whole.residual[at])
        assert np.isnan(of_model.best_fit[at])
        assert lmfits.residual.shape == (N - 1,)
        sigma = np.where(np.arange(N) == 25, np.inf, ERRORS[k])
        popt, pcov, info, _, _ = gslfit.curve_fit(curve, X[k], Y[k], [1.5, 0.7, 0.3, 0.2], sigma=sigma, nan_policy="omit", full_output=True)
        keep = FINITE[k]
        again, covariance = gslfit.curve_fit(curve, X[k][keep], Y[k][keep], [1.5, 0.7, 0.3, 0.2], sigma=sigma[keep])
        assert popt == pytest.approx(again, rel=1e-6)
        assert pcov == pytest.approx(covariance, rel=1e-4)
        assert info["fvec"].shape == (N - 1,)


def test_correlated_errors():
    """`curve_fit` decomposes a covariance without the rows of points where the model isn't finite."""
    spread = np.exp(-np.abs(np.subtract.outer(np.arange(N), np.arange(N)))/3)
    for k, at in FIRST:
        sigma = spread*ERRORS[k]*ERRORS[k][:, None]
        keep = FINITE[k].copy()
        popt, pcov = gslfit.curve_fit(curve, X[k], Y[k], [1.5, 0.7, 0.3, 0.2], sigma=sigma, nan_policy="omit")
        again, covariance = gslfit.curve_fit(curve, X[k][keep], Y[k][keep], [1.5, 0.7, 0.3, 0.2], sigma=sigma[np.ix_(keep, keep)])
        assert popt == pytest.approx(again, rel=1e-8)
        assert pcov == pytest.approx(covariance, rel=1e-6)
        with pytest.raises(NonFiniteError, match="not finite"):
            gslfit.curve_fit(curve, X[k], Y[k], [1.5, 0.7, 0.3, 0.2], sigma=sigma)
        hole = np.where(np.arange(N) == (at + 3) % N, np.nan, Y[k])         # both kinds of points
        both = keep & np.isfinite(hole)
        again, _ = gslfit.curve_fit(curve, X[k][both], Y[k][both], [1.5, 0.7, 0.3, 0.2], sigma=sigma[np.ix_(both, both)])
        popt, _ = gslfit.curve_fit(curve, X[k], hole, [1.5, 0.7, 0.3, 0.2], sigma=sigma, nan_policy="omit")
        assert popt == pytest.approx(again, rel=1e-8)


def test_refused():
    """By "raise" the row and the point are named, and by "mark" the row has bad data."""
    with pytest.raises(NonFiniteError, match="not finite at 1 of 30 points of fit 0 at its start values, the first at point 0"):
        gslfit.fit_batch(TEXT, Y, fixed(), x=X, nan_policy="raise")
    with pytest.raises(NonFiniteError, match="of fit 1, 0 at its start"):
        gslfit.fit_batch(TEXT, Y[[1, 2]][:, None], fixed(), x=X[[1, 2]][:, None], nan_policy="raise")
    marked = gslfit.fit_batch(TEXT, Y, fixed(), x=X)
    assert marked.status.tolist() == [gslfit.FitStatus.BAD_DATA, gslfit.FitStatus.CONVERGED, gslfit.FitStatus.BAD_DATA]
    assert gslfit.fit_batch(TEXT, Y[1], fixed(), x=X[1], nan_policy="raise").success


def test_nothing_left():
    """A model that is finite nowhere leaves no points, under "omit"; other rows are fitted."""
    params = fixed()
    params.add("d", 1.0, vary=False)
    batch = gslfit.fit_batch(f"{TEXT} + sqrt(d)", Y[[1, 1]], params, x=X[1], start={"d": np.array([-1.0, 0.0])}, nan_policy="omit")
    assert batch.status[0] == gslfit.FitStatus.BAD_DATA
    assert batch.ndata[0] == 0
    assert np.isnan(batch.values["a"][0])
    assert batch.success[1]


@pytest.mark.filterwarnings("ignore:the fits? calls? Python")
@pytest.mark.parametrize("entry", ["fit", "called", "Model.fit", "curve_fit", "fit_batch", "fit_batch, called"])
@pytest.mark.parametrize("hole", ["x", "y"])
def test_a_mask_beside_what_is_omitted(entry, hole):
    """A point that is masked stays out where another one is left out for its NaN."""
    x = np.linspace(0, 5, N)
    y, mask = 3*x + 1, np.arange(N) == 11
    y[11] = 1e3
    (x if hole == "x" else y)[4] = np.nan
    how = {"mask": mask, "nan_policy": "omit"}

    def line(x, a, b):
        return a*x + b

    def slow(x, a, b):
        return np.array([float(a)*each + float(b) for each in x])
    found = {
        "fit": lambda: gslfit.fit("a*x + b", y, x=x, a=1.0, b=0.0, **how).values,
        "called": lambda: gslfit.fit(slow, y, x=x, a=1.0, b=0.0, **how).values,
        "Model.fit": lambda: gslfit.Model(line).fit(y, x=x, a=1.0, b=0.0, **how).best_values,
        "curve_fit": lambda: dict(zip("ab", gslfit.curve_fit(line, x, y, **how)[0], strict=True)),
        "fit_batch": lambda: gslfit.fit_batch("a*x + b", y[None], x=x, a=1.0, b=0.0, **how)[0].values,
        "fit_batch, called": lambda: gslfit.fit_batch(slow, y[None], x=x, a=1.0, b=0.0, **how)[0].values,
    }[entry]()
    assert [found["a"], found["b"]] == pytest.approx([3, 1], rel=1e-6)
