"""`starts=` of batches: many starts for each row, rows in doubt, and the neighbours of a map."""

import numpy as np
import pytest

import gslfit
from gslfit import nist
from gslfit.errors import InputError

T = np.linspace(0, 10, 80)
SINE = "A*sin(2*pi*f*t + p)"
ROWS, COLUMNS = 16, 20
I, J = np.mgrid[:ROWS, :COLUMNS]
TRUE = {"A": 1.5 + np.cos(I/5), "f": 0.8 + 0.6*I/ROWS + 0.1*np.sin(J/5), "p": np.full(I.shape, 0.3)}
RNG = np.random.default_rng(0)
MAP = TRUE["A"][..., None]*np.sin(2*np.pi*TRUE["f"][..., None]*T + TRUE["p"][..., None]) + RNG.normal(0, 0.1, (*I.shape, T.size))
WRONG = RNG.random(I.shape) < 0.05
START = {**TRUE, "f": np.where(WRONG, RNG.uniform(0.1, 3, I.shape), TRUE["f"])}
START["f"][3:10, 4:11] = 2.9            # many together


def lost(result, right):
    return ~result.success | (result.chisqr > right.chisqr*(1 + 1e-6))


@pytest.fixture(scope="module")
def right():
    found = gslfit.fit_batch(SINE, MAP, t=T, start=TRUE)
    assert found.success.all()
    return found


def test_neighbours_end_at_the_minimum(right):
    plain = gslfit.fit_batch(SINE, MAP, t=T, start=START)
    assert lost(plain, right).sum() > 40 and lost(plain, right)[4:9, 5:10].all()
    found = gslfit.fit_batch(SINE, MAP, t=T, start=START, starts="neighbours")
    assert not lost(found, right).any()
    for name in found.names:            # the phase may be another by a half turn, and A have the other sign: that is as low
        assert name == "p" or np.allclose(np.abs(found.values[name]), right.values[name], rtol=1e-6)
        assert np.allclose(found.stderr[name], right.stderr[name], rtol=1e-4)
    assert (found.nfev >= plain.nfev).all() and (found.nfev[lost(plain, right)] > plain.nfev[lost(plain, right)]).all()
    k = 6, 7
    single = found[k]
    assert single.success and np.isclose(single.chisqr, right[k].chisqr) and single.init_values["f"] != START["f"][k]


@pytest.mark.parametrize("turned", [lambda a: a[::-1], lambda a: a[:, ::-1], lambda a: a.swapaxes(0, 1), lambda a: a[::-1, ::-1]])
def test_the_order_of_rows_is_of_no_matter(turned):
    one = gslfit.fit_batch(SINE, MAP, t=T, start=START, starts="neighbours")
    other = gslfit.fit_batch(SINE, turned(MAP), t=T, start={name: turned(value) for name, value in START.items()}, starts="neighbours")
    for name in one.names:
        assert np.array_equal(turned(one.values[name]), other.values[name]) and np.array_equal(turned(one.stderr[name]), other.stderr[name])
    assert np.array_equal(turned(one.status), other.status)


def test_neighbours_along_one_axis_with_weights_masks_and_bad_pixels(right):
    weights, mask = np.random.default_rng(1).uniform(0.5, 2, MAP[3].shape), np.zeros(MAP[3].shape, bool)
    mask[:, 10] = True
    y = MAP[3].copy()
    y[7] = np.nan                       # nothing to be done here, and no way through
    start = {name: value[3] for name, value in START.items()}
    start["f"] = start["f"].copy()
    start["f"][[2, 3, 12]] = 2.6
    found = gslfit.fit_batch(SINE, y, t=T, start=start, weights=weights, mask=mask, starts="neighbours")
    best = gslfit.fit_batch(SINE, y, t=T, start={name: value[3] for name, value in TRUE.items()}, weights=weights, mask=mask)
    assert not lost(found, best)[np.arange(COLUMNS) != 7].any()
    assert found.status[7] == gslfit.FitStatus.BAD_DATA


def test_neighbours_of_bounded_fits_with_covariances_and_expressions():
    params = gslfit.Parameters()
    params.add("A", 1.0, min=0)
    params.add("f", 1.0, min=0.05, max=3)
    params.add("p", 0.3, min=-np.pi, max=np.pi)
    params.add("period", expr="1/f")
    how = {"t": T, "covar": True}
    found = gslfit.fit_batch(SINE, MAP, params, start={"f": START["f"]}, starts="neighbours", **how)
    best = gslfit.fit_batch(SINE, MAP, params, start={"f": TRUE["f"]}, **how)
    assert not lost(found, best).any() and np.allclose(found.values["period"], 1/found.values["f"], rtol=1e-12)
    assert np.allclose(found.covar, best.covar, rtol=1e-4, atol=1e-12)
    assert np.allclose(found.stderr["period"], best.stderr["period"], rtol=1e-4)


def test_neighbours_where_python_is_called():
    table = np.linspace(-20, 220, 5001)
    sines = np.sin(table)

    def model(t, A, f, p):
        return A*np.interp(2*np.pi*f*t + p, table, sines)
    start = {name: value[2, :3].copy() for name, value in TRUE.items()}
    start["f"][2] = 2.0
    with pytest.warns(gslfit.FitWarning):
        found = gslfit.fit_batch(model, MAP[2, :3], t=T, start=start, starts="neighbours")
    assert np.allclose(found.values["f"], TRUE["f"][2, :3], atol=0.01)


def test_many_starts_for_each_row(right):
    found = gslfit.fit_batch(SINE, MAP[::5, ::5], t=T, ranges={"f": (0.1, 3), "p": (0, 2*np.pi)})
    assert np.allclose(found.chisqr, right.chisqr[::5, ::5], rtol=1e-6) and np.allclose(found.values["f"], TRUE["f"][::5, ::5], atol=0.02)
    single = gslfit.fit(SINE, MAP[0, 0], t=T, ranges={"f": (0.1, 3), "p": (0, 2*np.pi)})
    assert np.isclose(single.chisqr, found.chisqr[0, 0])
    assert 0.1 < found[0, 0].init_values["f"] < 3


def test_certified_minima_of_several_rows():
    sets = [nist.read(name) for name in ("Gauss1", "Gauss2", "Gauss3")]
    ends = np.stack([data.certified for data in sets])
    ranges = {name: (low/3, 3*high) for name, low, high in zip(sets[0].names, ends.min(axis=0), ends.max(axis=0), strict=True)}
    found = gslfit.fit_batch(sets[0].formula, np.stack([data.y for data in sets]), x=sets[0].columns(), ranges=ranges, starts=200)
    assert found.success.all() and np.allclose(found.chisqr, [data.rss for data in sets], rtol=1e-8)


def test_a_single_curve_and_models():
    one = gslfit.fit_batch(SINE, MAP[0, 0], t=T, ranges={"f": (0.1, 3), "p": (0, 6)}, covar=True)
    assert one.shape == () and abs(one.values["f"] - TRUE["f"][0, 0]) < 0.02 and one.covar.shape == (3, 3)
    model = gslfit.Model(SINE, independent_vars=["t"])
    found = model.fit_batch(MAP[:2, :3], x={"t": T}, ranges={"f": (0.1, 3), "p": (0, 6)}, starts=50)
    assert np.allclose(found.values["f"], TRUE["f"][:2, :3], atol=0.02)
    x = np.linspace(0, 10, 50)
    peaks = 3*np.exp(-(x - np.array([[2.], [5.]]))**2/2) + np.random.default_rng(1).normal(0, 0.05, (2, 50))
    for starts in (20, "auto", "neighbours"):
        assert np.allclose(gslfit.models.GaussianModel().fit_batch(peaks, x=x, starts=starts).values["center"], [2, 5], atol=0.05)


def test_rows_in_doubt(right):
    plain = gslfit.fit_batch(SINE, MAP, t=T, start=TRUE, starts="auto")
    assert np.array_equal(plain.chisqr, right.chisqr)
    before = lost(gslfit.fit_batch(SINE, MAP, t=T, start=START), right)
    after = lost(gslfit.fit_batch(SINE, MAP, t=T, start=START, starts="auto", ranges={"f": (0.1, 3)}), right)
    assert after.sum() == 0 < before.sum()
    known = gslfit.fit_batch(SINE, MAP, t=T, start=START, starts="auto", ranges={"f": (0.1, 3)}, yerr=0.1, scale_covar=False)
    assert not lost(known, gslfit.fit_batch(SINE, MAP, t=T, start=TRUE, yerr=0.1)).any()


@pytest.mark.parametrize("starts", [30, "auto", "neighbours"])
def test_bounds_and_vary_of_each_fit(starts):
    """What a fit holds stays where it is, and each fit stays inside its own bounds."""
    held = np.zeros((4, 5), bool)
    held[1, 2] = held[3, :2] = True
    y, true = MAP[:4, :5], {name: value[:4, :5] for name, value in TRUE.items()}
    start = {**true, "f": true["f"].copy()}
    start["f"][0, 3] = start["f"][2, 1] = 1.35
    low, high = true["f"] - 0.1, true["f"] + 1
    how = {"t": T, "vary": {"p": ~held}, "bounds": {"f": (low, high)}, "covar": True}
    more = {"ranges": {"f": (0.7, 2.0)}} if starts == 30 else {}
    found = gslfit.fit_batch(SINE, y, start=start, starts=starts, **more, **how)
    best = gslfit.fit_batch(SINE, y, start=true, **how)
    assert (found.values["p"][held] == true["p"][held]).all() and (found.stderr["p"][held] == 0).all()
    assert ((low <= found.values["f"]) & (found.values["f"] <= high)).all()
    assert not lost(found, best).any() and (found.covar[held][:, 2] == 0).all()
    assert all(np.allclose(found.stderr[name], best.stderr[name], rtol=1e-4) for name in found.names)       # A may have the other sign


def test_out_of_core_and_resumed(tmp_path):
    how = {"t": T, "ranges": {"f": (0.1, 3), "p": (0, 6)}, "starts": 30}
    written = gslfit.fit_batch(SINE, MAP[:3, :4], out=tmp_path/"results", **how)
    memory = gslfit.fit_batch(SINE, MAP[:3, :4], **how)
    assert np.array_equal(written.values["f"], memory.values["f"])
    again = gslfit.fit_batch(SINE, MAP[:3, :4], out=tmp_path/"results", resume=True, **how)
    assert np.array_equal(again.values["f"], memory.values["f"])
    with pytest.raises(InputError):
        gslfit.fit_batch(SINE, MAP[:3, :4], out=tmp_path/"results", resume=True, **{**how, "starts": 40})


@pytest.mark.parametrize(("more", "words"), [
    ({"start": TRUE, "starts": "neighbours", "out": "somewhere"}, "needs all fits"),
    ({"start": TRUE, "starts": "neighbours", "on_interrupt": "partial"}, "needs all fits"),
    ({"p": 0, "starts": 10}, r"ranges=\{'f': \(LOW, HIGH\)\}"),
    ({"start": TRUE, "starts": "neighbors"}, "'auto' or 'neighbours'"),
    ({"p": 0, "f": 0, "starts": 10}, "nowhere to place"),
])
def test_errors(more, words, tmp_path):
    more = {**more, "out": tmp_path/"x"} if "out" in more else more
    with pytest.raises(InputError, match=words):
        gslfit.fit_batch(SINE, MAP, t=T, **more)
    with pytest.raises(InputError, match="single fit"):
        gslfit.fit_batch(SINE, MAP[0, 0], t=T, f=1, p=0, starts="neighbours")


@pytest.mark.parametrize("unit", [1.0, 10.0, 1e-3, 1e-6, 1e-9])
def test_bounds_without_a_value(unit):
    """A time and a width that begin on their bound 0, where the model divides by them, are fitted: a guess inside shows neither of them."""
    model = gslfit.models.ExponentialResponseModel()
    x = unit*np.linspace(0, 80, 41)
    y = model.eval(x=x, amplitude=2., tau=20*unit, t0=15*unit, irf=4*unit, offset=.5) + .01*np.cos(9*np.arange(41))
    params = model.make_params(amplitude=1.5, tau=0., t0=18*unit, irf=0., offset=.4)
    params["tau"].min = params["irf"].min = 0.
    result = model.fit_batch(y[None], params, x=x)
    assert result.success.all()
    assert result.values["tau"][0] == pytest.approx(20*unit, rel=.05)
    assert result.values["irf"][0] == pytest.approx(4*unit, rel=.1)
