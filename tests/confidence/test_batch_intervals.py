"""Intervals of all fits of a batch: those of single fits, brute force and algebra; what each is worth; rows that failed or are in doubt."""
import pickle
import warnings

import numpy as np
import pytest
from scipy.optimize import brentq, least_squares
from scipy.stats import chi2, t

import gslfit
from gslfit import LimitStatus, Parameters
from gslfit.confidence.careful import careful_intervals
from gslfit.errors import FitError, FitStatus, InputError, InputTypeError, ParameterNameError

X = np.linspace(-5, 5, 50)
PEAK = "c + A*exp(-(x - m)**2/(2*s**2))"
START = {"c": 1., "A": 3., "m": .3, "s": 1.}
SIGMAS = [.95, .68]         # in this order


def peaks(shape, noise=.1, seed=0):
    """Return data of peaks, (*shape, 50), that differ from fit to fit."""
    rng = np.random.default_rng(seed)
    m, s, A = rng.uniform(-1, 1, (*shape, 1)), rng.uniform(.8, 1.6, (*shape, 1)), rng.uniform(2, 5, (*shape, 1))
    return 1 + A*np.exp(-(X - m)**2/(2*s**2)) + noise*rng.normal(size=(*shape, 50))


def counts(shape):
    """Return counts of peaks."""
    return np.random.default_rng(1).poisson(4 + 40*np.exp(-X**2/2), (*shape, 50))


def with_nan():
    """Return peaks with some NaN."""
    y = peaks((6,))
    y[1, 4], y[3, 40:] = np.nan, np.nan
    return y


def fixed():
    """Return Parameters with one fixed, one bounded, and an expression."""
    params = Parameters()
    for name, value in START.items():
        params.add(name, value)
    params["c"].vary = False
    params["A"].max = 4.
    params.add("fwhm", expr="2.3548*s")
    return params


WEIGHTS = np.random.default_rng(2).uniform(5, 15, (6, 50))
BATCHES = {
    "plain": lambda: gslfit.fit_batch(PEAK, peaks((6,)), x=X, **START),
    "a cube": lambda: gslfit.fit_batch(PEAK, peaks((2, 3)), x=X, **START),
    "one fit": lambda: gslfit.fit_batch(PEAK, peaks(()), x=X, **START),
    "points first": lambda: gslfit.fit_batch(PEAK, np.moveaxis(peaks((2, 3)), -1, 0), x=X, axis=0, **START),
    "single precision": lambda: gslfit.fit_batch(PEAK, peaks((6,)).astype("f4"), x=X, **START),
    "an x of each": lambda: gslfit.fit_batch(PEAK, peaks((6,)), x=np.broadcast_to(X, (6, 50)).copy(), **START),
    "weights": lambda: gslfit.fit_batch(PEAK, peaks((6,)), x=X, weights=WEIGHTS, **START),
    "known errors": lambda: gslfit.fit_batch(PEAK, peaks((6,)), x=X, yerr=1/WEIGHTS, scale_covar=False, **START),
    "masks": lambda: gslfit.fit_batch(PEAK, peaks((6,)), x=X, mask=WEIGHTS > 12, **START),
    "NaN left out": lambda: gslfit.fit_batch(PEAK, with_nan(), x=X, nan_policy="omit", **START),
    "counts": lambda: gslfit.fit_batch(PEAK, counts((6,)), x=X, loss="poisson", c=4., A=40., m=0., s=1.),
    "priors": lambda: gslfit.fit_batch(PEAK, peaks((6,)), x=X, yerr=.1, prior={"s": (1.2, np.linspace(.05, .1, 6)), "A*s": (4., .5)},
                                       **START),
    "counts with a prior": lambda: gslfit.fit_batch(PEAK, counts((6,)), x=X, loss="poisson", prior={"s": (1., .02)}, c=4., A=40., m=0.,
                                                    s=1.),
    "fixed, bounded, an expression": lambda: gslfit.fit_batch(PEAK, peaks((6,)), fixed(), x=X),
    "held at a value of each": lambda: gslfit.fit_batch(PEAK, peaks((6,)), fixed(), x=X, start={"c": np.linspace(.9, 1.1, 6)}),
    "bounds and vary of each": lambda: gslfit.fit_batch(PEAK, peaks((6,)), x=X, start=START, vary={"c": np.arange(6) % 2 == 0},
                                                        bounds={"A": (0, np.array([9., 3., 9., 9., 3.5, 9.]))}),
    "a model": lambda: (gslfit.models.GaussianModel() + gslfit.models.ConstantModel()).fit_batch(
        peaks((6,)), x=X, amplitude=6., center=0., sigma=1., c=1.),
}


@pytest.mark.parametrize("name", BATCHES)
def test_as_single_ones(name):
    """Each row has the limits that `batch[k].conf_interval` finds; in the shape of the batch, levels as they were asked for."""
    batch = BATCHES[name]()
    found = batch.conf_interval(sigmas=SIGMAS)
    assert tuple(found) == batch.names
    assert found.levels == (.95, .68)
    for place in np.ndindex(batch.shape):
        row = batch[place]
        single = row.conf_interval(sigmas=SIGMAS)
        for each in batch.names:
            limits, status = found[each][(..., *place)], found.status[each][(..., *place)]
            assert found[each].shape == (2, 2, *batch.shape)
            if each not in row.var_names:
                assert np.isnan(limits).all()
                assert (status == LimitStatus.NONE).all()
                continue
            expected = np.array([[single[each][0][1], single[each][4][1]], [single[each][1][1], single[each][3][1]]])
            sure = np.isfinite(expected)
            half = np.max(np.abs(expected - row.params[each].value)[sure], initial=0.)
            assert np.array_equal(limits[~sure], expected[~sure])
            assert np.all(np.abs(limits[sure] - expected[sure]) <= 1e-4*half), (place, each, limits, expected)
            assert (np.isinf(limits) == np.isin(status, (LimitStatus.BEYOND_BOUND, LimitStatus.UNBOUNDED))).all()


def test_a_line():
    """A line's limits are its estimates and Student's t times their errors, to rounding."""
    rng = np.random.default_rng(4)
    y = 1 + 2*X + rng.normal(size=(30, 50))
    batch = gslfit.fit_batch("a + b*x", y, x=X, a=0., b=0.)
    found = batch.conf_interval(sigmas=[1, 2, 3], threads=2)
    for k, level in enumerate(found.levels):
        for name in "ab":
            half = t.ppf(.5 + .5*level, 48)*batch.stderr[name]
            assert np.allclose(found[name][k], batch.values[name] + half*np.array([[-1], [1]]), rtol=1e-8)
            assert (found.status[name] == LimitStatus.FOUND).all()


def test_rows_that_failed():
    """They have NaN and no status, and the others don't mind."""
    y = peaks((5,))
    y[1] = np.nan
    y[2, 3:] = np.nan
    batch = gslfit.fit_batch(PEAK, y, x=X, nan_policy="omit", **START)
    found = batch.conf_interval(["A"], [.9])
    assert np.isnan(found["A"][0, :, [1, 2]]).all()
    none, sure = LimitStatus.NONE, LimitStatus.FOUND
    assert found.status["A"][0, 0].tolist() == [sure, none, none, sure, sure]
    assert np.isfinite(found["A"][0, :, [0, 3, 4]]).all()


def test_too_few_degrees_of_freedom():
    """A row with as many points as parameters has limits where the errors of the data are known, and none where they aren't."""
    y = np.array([[1., 3.], [2., 2.5]])
    x = np.array([0., 1.])
    known = gslfit.fit_batch("a + b*x", y, x=x, yerr=.1, scale_covar=False, a=0., b=0.).conf_interval(["a"], [.95])
    assert np.allclose(known["a"][0], y[:, 0] + .1*np.sqrt(chi2.ppf(.95, 1))*np.array([[-1], [1]]), rtol=1e-6)
    unknown = gslfit.fit_batch("a + b*x", y, x=x, a=0., b=0.).conf_interval(["a"], [.95])
    assert np.isnan(unknown["a"]).all()
    assert not unknown.status["a"].any()


def test_rows_in_doubt():
    """They are looked at as single ones are, and say what came of it; or stay in doubt, where that is wanted."""
    x = np.linspace(0, 1, 25)
    y = (1 - 2)*x + .3 + .5*np.random.default_rng(8).normal(size=(3, 25))
    batch = gslfit.fit_batch("(c**3 - 2*c)*x + b", y, x=x, c=1., b=.3)        # three values of c make one curve
    found, left = batch.conf_interval(sigmas=[.95]), batch.conf_interval(sigmas=[.95], thorough=False)
    seen = set()
    for k in range(3):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            single = batch[k].conf_interval(sigmas=[.95])
        for name in "bc":
            assert found[name][0, :, k].tolist() == [single[name][0][1], single[name][2][1]]
            assert found.status[name][0, :, k].tolist() == [single.status[name][0], single.status[name][2]]
            seen |= set(found.status[name][0, :, k].tolist())
    assert seen & {LimitStatus.OTHER_BRANCH, LimitStatus.SEVERAL_RANGES, LimitStatus.LOWER_MINIMUM}
    assert (left.status["c"] == LimitStatus.IN_DOUBT).any()
    assert LimitStatus.IN_DOUBT.prose in left.summary()


def test_a_row_whose_second_look_fails_has_no_limits(monkeypatch):
    """None of the first look's numbers are left, and the other rows have theirs."""
    x = np.linspace(0, 6, 50)
    noise = np.where(np.arange(12) < 6, .2, .8)[:, None]
    y = .5 + 3*np.exp(-x/1.5) + noise*np.random.default_rng(6).normal(size=(12, 50))
    batch = gslfit.fit_batch("c + A*exp(-x/u)", y, x=x, c=.5, A=3., u=1.5)
    first = batch.conf_interval(thorough=False)
    doubtful = np.any([(first.status[name] == LimitStatus.IN_DOUBT).any(axis=(0, 1)) for name in batch.names], axis=0)
    assert 1 < doubtful.sum() < 12

    def fails(*args):
        raise FitError("no")
    monkeypatch.setattr("gslfit.confidence.batch_intervals.careful_intervals", fails)
    found = batch.conf_interval()
    for name in batch.names:
        assert np.isnan(found[name][..., doubtful]).all() and not found.status[name][..., doubtful].any()
        assert np.array_equal(found[name][..., ~doubtful], first[name][..., ~doubtful])


def test_bent_rows():
    """Profiles far from straight lines, but of one branch, are looked over in the lanes; their limits are those of the careful code."""
    x = np.linspace(0, 6, 50)
    y = .5 + 3*np.exp(-x/1.5) + .3*np.random.default_rng(6).normal(size=(40, 50))
    batch = gslfit.fit_batch("c + A*exp(-x/u)", y, x=x, c=.5, A=3., u=1.5)
    found = batch.conf_interval(sigmas=[.95, .997], thorough=False)
    half = found["u"][1, 1] - batch.values["u"], batch.values["u"] - found["u"][1, 0]
    sure = (found.status["u"] == LimitStatus.FOUND).all(axis=(0, 1))
    bent = np.flatnonzero(sure & (half[0] > 1.8*half[1]))
    assert sure.mean() > .8
    assert bent.size
    for k in bent[:3].tolist():
        careful = careful_intervals(batch[k], list(batch.names), [.95, .997])
        for name in batch.names:
            for level, places in enumerate(((1, 3), (0, 4))):
                for side, place in enumerate(places):
                    expected, best = careful[name][place][1], careful[name][2][1]
                    assert abs(found[name][level, side, k] - expected) <= 2e-4*abs(expected - best)


def test_where_no_program_is():
    """Functions that are called and correlated errors go the same way, row by row."""
    y = peaks((2,))
    correlated = gslfit.fit_batch(PEAK, y, x=X, ycov=.01*np.eye(50) + .002, **START)
    found = correlated.conf_interval(["m"], [.95])
    single = correlated[1].conf_interval(["m"], [.95])["m"]
    assert found["m"][0, :, 1].tolist() == [single[0][1], single[2][1]]
    with pytest.warns(gslfit.FitWarning, match="Python"):
        called = gslfit.fit_batch(lambda x, a, b: np.array([a + b*each for each in x]), y, x=X, a=0., b=0.)
    assert (called.conf_interval(["a"], [.95]).status["a"] == LimitStatus.REFITTED).all()


def test_levels():
    """A probability of 0 is the best value; levels may be given twice and in any order; no names, no arrays."""
    batch = BATCHES["plain"]()
    found = batch.conf_interval(["m"], [.5, 0, 2, .5])
    assert found.levels == (.5, 0, pytest.approx(.9545, abs=1e-4), .5)
    assert np.array_equal(found["m"][1], np.stack([batch.values["m"]]*2))
    assert np.array_equal(found["m"][0], found["m"][3])
    assert (found["m"][2, 1] > found["m"][0, 1]).all()
    rising, falling = batch.conf_interval(["m", "s"], [1, 2, 3]), batch.conf_interval(["m", "s"], [3, 2, 1])
    assert all(np.array_equal(falling[name], rising[name][::-1]) for name in ("m", "s"))
    assert np.array_equal(batch.conf_interval(["m"], [0])["m"][0, 0], batch.values["m"])
    assert dict(batch.conf_interval([])) == {}
    assert batch.conf_interval().levels == (.674, .95, .997)


def test_asked_for_wrongly():
    """Each mistake is one clear error."""
    batch = gslfit.fit_batch(PEAK, peaks((2,)), fixed(), x=X)
    with pytest.raises(InputError, match="'c' does not vary"):
        batch.conf_interval(["c"])
    with pytest.raises(ParameterNameError, match="no parameter 'n'"):
        batch.conf_interval(["n"])
    for wrong in (0, [1j], 1.5):
        with pytest.raises((InputError, InputTypeError), match="threads"):
            batch.conf_interval(threads=wrong)
    with pytest.raises(InputError, match="sigmas"):
        batch.conf_interval(sigmas=[-1])
    with pytest.raises(InputError, match="keep_data"):
        gslfit.fit_batch(PEAK, peaks((2,)), x=X, keep_data=False, **START).conf_interval()
    with pytest.raises(FitError, match="bootstrap"):
        gslfit.fit_batch(PEAK, peaks((2,)), x=X, loss="huber", **START).conf_interval()


def test_labelled():
    """Of a DataArray the limits are DataArrays, with levels and sides before its dimensions."""
    xarray = pytest.importorskip("xarray")
    data = xarray.DataArray(peaks((2, 3)), dims=("row", "column", "x"), coords={"x": X, "row": [10, 20]})
    found = gslfit.fit_batch(PEAK, data, x=data.x, **START).conf_interval(sigmas=[.95])
    assert found["A"].dims == ("level", "side", "row", "column")
    assert found["A"].sel(side="upper", row=20).shape == (1, 3)
    assert (found["A"].sel(side="upper") > found["A"].sel(side="lower")).all()
    assert found.status["A"].dtype == np.int8


def test_in_files(tmp_path):
    """Data that lie in a file are read by parts."""
    h5py = pytest.importorskip("h5py")
    y = peaks((4, 3))
    with h5py.File(tmp_path/"y.h5", "w") as file:
        file["y"] = y
        batch = gslfit.fit_batch(PEAK, file["y"], x=X, **START)
        found = batch.conf_interval(["A"], [.95])
    expected = gslfit.fit_batch(PEAK, y, x=X, **START).conf_interval(["A"], [.95])
    assert np.allclose(found["A"], expected["A"], rtol=1e-9)


def test_told(capsys):
    """Progress is told to the end, an exception of the caller's ends it; pickles and representations."""
    batch = gslfit.fit_batch(PEAK, peaks((9000,)), x=X, **START)
    told = []
    found = batch.conf_interval(["A"], [.95], progress=told.append, thorough=False)
    assert told[-1] == 9000
    assert told == sorted(told)

    def stop(count):
        raise KeyboardInterrupt
    with pytest.raises(KeyboardInterrupt):
        batch.conf_interval(["A"], [.95], progress=stop, thorough=False, threads=2)
    again = pickle.loads(pickle.dumps(found))
    assert np.array_equal(again["A"], found["A"], equal_nan=True)
    assert repr(again) == "<BatchIntervals of A, 1 levels, shape (9000,)>"
    assert "found" in again._repr_html_()
    assert sum(found.counts().values()) == 18000
    assert "A" in found
    assert len(found) == 1


def refitted(model, y, x, k, value, near):
    """Return chi-square with parameter k held, by SciPy."""
    def residual(u):
        return model(x, *np.insert(u, k, value)) - y
    return 2*least_squares(residual, near, method="lm", xtol=1e-15, ftol=1e-15, gtol=1e-15).cost


@pytest.mark.slow
@pytest.mark.parametrize(("text", "truth", "x"), [
    (PEAK, (1., 3., .4, 1.1), X), ("c + A*exp(-x/u)", (.5, 3., 1.5), np.linspace(0, 6, 50))], ids=["peaks", "decays"])
def test_ten_thousand_against_brute_force(text, truth, x):
    """Of 10,000 rows 20 are looked at by SciPy: to 1e-4 of their half width."""
    formula = gslfit.Formula(text)
    names = ("c", "A", "m", "s") if len(truth) == 4 else ("c", "A", "u")
    y = formula(x, **dict(zip(names, truth, strict=True))) + .15*np.random.default_rng(8).normal(size=(10_000, 50))
    batch = gslfit.fit_batch(text, y, x=x, start=dict(zip(names, truth, strict=True)))
    found = batch.conf_interval(names, [.683, .954])
    assert (batch.status == FitStatus.CONVERGED).all()
    assert not np.isnan([found[name] for name in names]).any()

    def model(x, *values):
        return formula(x, **dict(zip(names, values, strict=True)))
    for row in range(0, 10_000, 500):
        best = least_squares(lambda v, row=row: model(x, *v) - y[row], [batch.values[name][row] for name in names], method="lm",
                             xtol=1e-15, ftol=1e-15).x
        chi = np.sum((model(x, *best) - y[row])**2)
        for k, name in enumerate(names):
            half = .5*(found[name][1, 1, row] - found[name][1, 0, row])
            for level in range(2):
                rise = chi*t.ppf(.5 + .5*found.levels[level], 50 - len(names))**2/(50 - len(names))
                for side in range(2):
                    limit, near = found[name][level, side, row], np.delete(best, k)
                    expected = brentq(lambda v, k=k, row=row, near=near, level=chi + rise: refitted(model, y[row], x, k, v, near) - level,
                                      best[k] + .9*(limit - best[k]), best[k] + 1.1*(limit - best[k]), rtol=1e-12)
                    assert abs(limit - expected) <= 1e-4*half, (row, name, level, side)


@pytest.mark.slow
def test_coverage():
    """In 2,000 simulations the limits hold the truth as often as they say, within four binomial standard deviations."""
    truth = {"c": .5, "A": 3., "u": 1.5}
    x = np.linspace(0, 6, 50)
    y = truth["c"] + truth["A"]*np.exp(-x/truth["u"]) + .1*np.random.default_rng(9).normal(size=(2000, 50))
    found = gslfit.fit_batch("c + A*exp(-x/u)", y, x=x, start=truth).conf_interval(sigmas=[.68, .95])
    for name, value in truth.items():
        held = ((found[name][:, 0] <= value) & (value <= found[name][:, 1])).mean(axis=-1)
        for share, level in zip(held, found.levels, strict=True):
            assert abs(share - level) <= 4*np.sqrt(level*(1 - level)/2000), (name, level, share)
