"""Robust losses in any units: the same fit of data times a power of two, by every entry, is that of the data."""
import numpy as np
import pytest

import gslfit

X = np.linspace(0, 5, 30)
Y = 2*np.exp(-X/1.5) + .5 + .02*np.random.default_rng(0).normal(size=30)
Y[4] += 1
FORMULA = "A*exp(-x/tau) + c"
LOSSES = ["soft_l1", "huber", "cauchy", "arctan", "tukey"]
SCALES = [2.**-664, 2.**-498, 2.**-266, 2.**266, 2.**332, 2.**664]       # 1e-200 to 1e200
UNITS = np.array([1., 0., 1.])      # powers of the data's unit in A, tau, c
FAR = .05


def one(scale, loss, f_scale=FAR, **known):
    f_scale = f_scale if isinstance(f_scale, str) else f_scale*(1 if "yerr" in known else scale)
    found = gslfit.fit(FORMULA, Y*scale, x=X, tau=1., loss=loss, f_scale=f_scale, **known)
    return found, *(np.array([number[name] for name in ("A", "tau", "c")], float)/scale**UNITS for number in (found.values, found.stderr))


def rows(scales, loss, f_scale, **known):
    y = np.array([Y*scale for scale in scales])
    found = gslfit.fit_batch(FORMULA, y, x=X, tau=1., loss=loss, f_scale=f_scale, **known)
    return found, *(np.array([number[name] for name in ("A", "tau", "c")]).T/np.array(scales)[:, None]**UNITS
                    for number in (found.values, found.stderr))


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.filterwarnings("error")
def test_fit(loss, scale):
    """Values, errors and the cost, with the scale given and measured."""
    for f_scale in (FAR, "mad"):
        wanted, found = one(1, loss, f_scale), one(scale, loss, f_scale)
        assert found[0].success
        assert found[1] == pytest.approx(wanted[1], rel=1e-8)
        assert found[2] == pytest.approx(wanted[2], rel=1e-6)
        assert found[0].loss.f_scale/scale == pytest.approx(wanted[0].loss.f_scale, rel=1e-6)


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.filterwarnings("error")
def test_known_errors(scale):
    """With yerr or weights residuals are of about 1, and the scale has no unit."""
    wanted, found = one(1, "huber", 2., yerr=np.full(30, .02)), one(scale, "huber", 2., yerr=np.full(30, .02*scale))
    assert found[1] == pytest.approx(wanted[1], rel=1e-8)
    assert found[2] == pytest.approx(wanted[2], rel=1e-6)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("f_scale", ["mad", "alike"])
@pytest.mark.filterwarnings("error")
def test_rows(loss, f_scale):
    """Each row of a batch goes by its own unit; what its neighbours are in changes no bit of it."""
    scales = [1., *SCALES, 1.]
    if f_scale == "mad":
        found, values, errors = rows(scales, loss, "mad")
        plain = rows([1., 1.], loss, "mad")
        assert (values[[0, -1]] == plain[1]).all() and (errors[[0, -1]] == plain[2]).all()
        assert found.chisqr[-1] == found.chisqr[0] == plain[0].chisqr[0]
    else:
        each = [rows([scale], loss, FAR*scale) for scale in scales]
        found, values, errors = each[0][0], np.array([row[1][0] for row in each]), np.array([row[2][0] for row in each])
    assert found.success.all()
    assert values == pytest.approx(np.broadcast_to(values[0], values.shape), rel=1e-6)
    assert errors == pytest.approx(np.broadcast_to(errors[0], errors.shape), rel=1e-5)


@pytest.mark.filterwarnings("error")
def test_chisqr_and_cost():
    """They are in the data's unit; points that are masked or missing have no say in which that is."""
    scale = 2.**266
    spoilt = np.array([Y*scale, Y*scale, Y])
    spoilt[1, 3], spoilt[2, 7] = np.nan, 1e250
    out = np.zeros(spoilt.shape, bool)
    out[2, 7] = True
    found = gslfit.fit_batch(FORMULA, spoilt, x=X, tau=1., loss="huber", f_scale="mad", mask=out, nan_policy="omit")
    assert found.success.all()
    assert found.chisqr[0]/scale/scale == pytest.approx(one(1, "huber", "mad")[0].chisqr, rel=1e-6)
    alone = gslfit.fit(FORMULA, Y, x=X, tau=1., loss="huber", f_scale="mad", mask=out[2])
    assert found.values["tau"][2] == pytest.approx(alone.values["tau"], rel=1e-6)
    assert found.stderr["tau"][2] == pytest.approx(alone.stderr["tau"], rel=1e-6)
    assert one(scale, "huber")[0].cost/scale/scale == pytest.approx(one(1, "huber")[0].cost, rel=1e-9)


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.filterwarnings("error")
def test_a_scale_far_off(scale):
    """Data far below the scale are fitted by least squares, without outliers."""
    wanted = gslfit.fit(FORMULA, Y, x=X, tau=1.)
    found = gslfit.fit(FORMULA, Y*min(scale, 1/scale), x=X, tau=1., loss="huber")
    assert found.success and found.values["tau"] == pytest.approx(wanted.values["tau"], rel=1e-7)
    assert found.stderr["tau"] is not None


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.filterwarnings("error")
def test_bootstrap(scale):
    """Replicates of residuals, too."""
    wanted, found = (one(each, "huber")[0].bootstrap(100, seed=1) for each in (1, scale))
    assert found.stderr["tau"] == pytest.approx(wanted.stderr["tau"], rel=1e-5)
    assert found.stderr["A"]/scale == pytest.approx(wanted.stderr["A"], rel=1e-5)


def curve(x, A, tau, c):
    return A*np.exp(-x/tau) + c


def by_every_entry(loss, f_scale, start, y=Y):
    """Return success, tau, its error and the cost by each entry; None for what an entry does not tell."""
    how = {"loss": loss, "f_scale": f_scale}
    for made in (lambda: gslfit.fit(FORMULA, y, x=X, **start, **how), lambda: gslfit.Model(curve).fit(y, x=X, **start, **how)):
        found = made()
        yield found.success, found.params["tau"].value, found.params["tau"].stderr, found.cost
    for options in ({}, {"method": "lmsder"}):
        found = gslfit.fit_batch(FORMULA, np.array([y, y]), x=X, **start, **how, **options)
        yield bool(found.success[1]), found.values["tau"][1], found.stderr["tau"][1], found.cost[1]
    params = gslfit.Parameters()
    params.add_many(*start.items())
    found = gslfit.minimize(lambda p: curve(X, p["A"].value, p["tau"].value, p["c"].value) - y, params, **how)
    yield found.success, params["tau"].value, params["tau"].stderr, found.cost
    shared = gslfit.fit_shared(FORMULA, y[None], x=X, shared="tau", **start, **how)
    yield shared.success, float(shared.values["tau"]), float(shared.stderr["tau"]), shared.cost


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("f_scale", [1e-300, 1e-100, 1e-40, 1e-17])
@pytest.mark.filterwarnings("ignore:(divide by zero|invalid value):RuntimeWarning")
def test_a_scale_that_leaves_no_slope_is_no_success_by_any_entry(loss, f_scale):
    """Below the data's rounding nobody can tell where a loss turns: it was a success at the start."""
    assert not any(success for success, *_ in by_every_entry(loss, f_scale, {"A": 1., "tau": 1., "c": 0.}))
    with pytest.raises(RuntimeError, match="Optimal parameters not found"):
        gslfit.curve_fit(curve, X, Y, p0=[1., 1., 0.], loss=loss, f_scale=f_scale)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("f_scale", [1e20, 1e100, 1e160, 1e300])
def test_a_wide_scale_is_least_squares_by_every_entry(loss, f_scale):
    start = {"A": 1., "tau": 1., "c": 0.}
    plain = gslfit.fit(FORMULA, Y, x=X, **start)
    errors = []
    for success, tau, error, cost in by_every_entry(loss, f_scale, start):
        assert success and tau == pytest.approx(plain.values["tau"], rel=1e-8)
        assert cost == pytest.approx(.5*plain.chisqr, rel=1e-12)
        errors.append(error)
    assert errors == pytest.approx([errors[0]]*len(errors), rel=1e-6)
    assert gslfit.fit(FORMULA, Y, x=X, **start, loss=loss, f_scale=f_scale).loss.f_scale == f_scale


def test_exact_data_are_exact_by_a_narrow_scale():
    """What is left is rounding, however many scales that is."""
    exact = curve(X, 2., 1.5, .5)
    found = gslfit.fit(FORMULA, exact, x=X, A=2., tau=1.5, c=.5, loss="huber", f_scale=1e-30)
    assert found.success and found.values["tau"] == pytest.approx(1.5, rel=1e-12)


@pytest.mark.parametrize("scale", [1e-130, 1e150, 1e154, 1e156, 1e200, 1e280])
def test_counts_of_any_size(scale):
    """The deviance goes with the unit of counts: those of 1e154 and more, whose square overflows, were a success away from the minimum."""
    y = 3*np.exp(-X/2) + .5 + .05*np.random.default_rng(0).normal(size=30)

    def ends(unit):
        known = {"x": X, "A": 2*unit, "tau": 1., "c": unit, "loss": "poisson"}
        single, many = gslfit.fit(FORMULA, y*unit, **known), gslfit.fit_batch(FORMULA, y[None]*unit, **known)
        assert single.success and many.success[0]
        values = [single.params[name].value/unit**power for name, power in zip(("A", "tau", "c"), UNITS, strict=True)]
        return [*values, many.values["tau"][0]], [single.params["tau"].stderr*unit**.5, many.stderr["tau"][0]*unit**.5]
    (values, errors), (wanted, known) = ends(scale), ends(1.)
    assert values == pytest.approx(wanted, rel=1e-8)
    assert errors == pytest.approx(known, rel=1e-6)
