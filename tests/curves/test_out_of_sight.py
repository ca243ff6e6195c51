"""Robust losses beside fill values: what rounding is, and how near a minimum is, is measured without what no model comes near."""
import numpy as np
import pytest

import gslfit
from gslfit.objective._loss import explains_nothing
from gslfit.objective.loss import counted_cost, in_sight, out_of_sight

U = np.linspace(.05, 6, 30)
FORMULA, NAMES, START = "A*exp(-k*x)+c", "Akc", {"A": 1.7, "k": 1., "c": .4}
LOSSES = ["soft_l1", "huber", "cauchy", "arctan", "tukey"]
FILLS = [1e9, 1e12, 1e20, 9.97e36, -1e100, 1e200]


def data(fill, noise=.05, seed=1):
    """Return a decay with a fill value in its midst."""
    y = 2*np.exp(-.8*U) + .3 + noise*np.random.default_rng(seed).normal(size=U.size)
    y[11] = fill
    return y


def values(params):
    """Return the parameters' values."""
    return np.array([params[name].value for name in NAMES])


def right(loss, fill, noise=.05):
    """Return the minimum: a point that is far off pulls as one does that is further off, or not at all."""
    y = data(1e5*np.sign(fill), noise)
    if loss in ("huber", "soft_l1"):
        return values(gslfit.fit(FORMULA, y, x=U, loss=loss, f_scale=.3, **START).params)
    return values(gslfit.fit(FORMULA, np.delete(y, 11), x=np.delete(U, 11), loss=loss, f_scale=.3, **START).params)


@pytest.mark.parametrize("fill", FILLS)
@pytest.mark.parametrize("loss", LOSSES)
def test_fill_values_count_for_nothing(loss, fill):
    """Fits beside a fill value end at the minimum, one curve, batches, models and data sets that share parameters alike."""
    for noise in (0., .05):
        y, want, how = data(fill, noise), right(loss, fill, noise), {"loss": loss, "f_scale": .3}
        one = gslfit.fit(FORMULA, y, x=U, **START, **how)
        many = gslfit.fit_batch(FORMULA, np.array([y, data(.5, noise)]), x=U, start=START, **how)
        model = gslfit.Model(FORMULA, independent_vars=["x"]).fit(y, x=U, **START, **how)
        shared = gslfit.fit_shared(FORMULA, np.array([y, y]), x=U, start=START, shared=["k"], **how)
        assert one.success and many.success.all() and model.success and shared.success
        assert not len(shared.left_out)
        for got in (values(one.params), np.array([many.values[name][0] for name in NAMES]), values(model.params),
                    np.array([np.ravel(shared.values[name])[0] for name in NAMES])):
            assert got == pytest.approx(want, rel=1e-6)
        assert np.array([one.params[name].stderr for name in NAMES]) == pytest.approx([many.stderr[name][0] for name in NAMES], rel=1e-4)


@pytest.mark.parametrize("loss", LOSSES)
def test_many_points(loss):
    """A fit whose points are shared out ends there too, with weights, and with points that are left out."""
    x = np.linspace(.05, 6, 40_000)
    y = 2*np.exp(-.8*x) + .3 + .05*np.random.default_rng(2).normal(size=x.size)
    y[7::100] = 1e20
    y[3] = np.nan
    off = y.copy()
    off[7::100] = 1e5
    how = {"x": x, "loss": loss, "f_scale": .6, "weights": np.full(x.size, 2.), "nan_policy": "omit", **START}
    got, want = gslfit.fit(FORMULA, y, **how), gslfit.fit(FORMULA, off, **how)
    assert got.success and want.success
    assert values(got.params) == pytest.approx(values(want.params), rel=1e-5)


@pytest.mark.parametrize("loss", LOSSES)
def test_minimize_is_never_wrong(loss):
    """A residual of 1e20 has lost the model: `minimize` finds the minimum, or says that it is none."""
    for fill in FILLS:
        y = data(fill)
        params = gslfit.Parameters()
        params.add_many(*START.items())

        def residual(params, y=y):
            A, k, c = values(params)
            with np.errstate(over="ignore"):
                return A*np.exp(-k*U) + c - y
        fitted = gslfit.minimize(residual, params, loss=loss, f_scale=.3)
        assert not fitted.success or values(fitted.params) == pytest.approx(right(loss, fill), rel=1e-3)
        assert fitted.success or loss in ("huber", "soft_l1")


@pytest.mark.parametrize("loss", ["tukey", "arctan"])
@pytest.mark.parametrize("fills", [(1e4, 1e4), (1e4, 1e12), (1e20, 1e20)], ids=str)
def test_bounded_losses_are_led_to_the_minimum(loss, fills):
    """Huber's loss leads on while its steps are long beside what residuals count for: a peak stayed where it began, in the sight of
    four points of 25, as a success with errors of 1e-16."""
    x, start = np.linspace(0, 10, 25), {"A": 2.5, "m": 6., "s": 1.3, "c": .2}
    rows = []
    for seed in range(20):
        rng = np.random.default_rng(seed)
        y = 3*np.exp(-(x - 5)**2/2) + .3 + rng.normal(0, .01, 25)
        y[rng.choice(25, 2, replace=False)] = fills
        rows.append(y)
    found = gslfit.fit_batch("A*exp(-(x-m)**2/(2*s**2)) + c", np.array(rows), x=x, start=start, loss=loss, f_scale=.047)
    assert found.success.all()
    assert np.abs(found.values["m"] - 5).max() < .03
    assert found.stderr["m"].min() > 5e-4


@pytest.mark.parametrize("loss", ["huber", "soft_l1"])
def test_narrow_scales(loss):
    """A constant by a loss that is next to least absolute deviations, beside 1e20: no success on the wrong side of a datum."""
    ended = 0
    for seed in range(40):
        rng = np.random.default_rng(seed)
        noise = 10**rng.uniform(-2, -1)
        y = -2.3 + rng.normal(0, noise, int(rng.integers(12, 60)))
        y[:2], f_scale = 1e20, noise*10**rng.uniform(-3, -1.5)
        found = gslfit.fit("c + 0*x", y, x=np.arange(y.size), c=-2., loss=loss, f_scale=f_scale)
        ended += found.success
        u = (found.params["c"].value - y)/f_scale
        assert not found.success or abs(np.sum(np.clip(u, -1, 1) if loss == "huber" else u/np.hypot(1, u))) < 1e-2
        assert found.cost > 1e20*f_scale
    assert ended > 35


def test_the_model_may_come_near_what_is_out_of_sight():
    """A decay through the fill value it begins at is a minimum of the loss: it ends there, not at the place of what stood for it."""
    y = data(.5)
    y[0], x = 1e12, U - U[0]
    for start in ({"A": 1e12, "k": 60., "c": .4}, {"A": 1e9, "k": 60., "c": .4}):
        found = gslfit.fit(FORMULA, y, x=x, **start, loss="huber", f_scale=.3)
        assert found.success
        assert found.params["A"].value == pytest.approx(1e12)


def test_large_data_are_in_sight():
    """Data that are as large beside the scale as a fill value count, where most are, or where a part of them are no larger than that."""
    y = np.linspace(1, 3, 9)
    assert in_sight("linear", y*1e30, 1.) == np.inf
    assert in_sight("poisson", y*1e30, 1.) == np.inf
    assert in_sight("huber", y*1e200, 1.) == np.inf
    for size in (1., 1e6, 1e12, 1e30):
        assert in_sight("huber", y*size, 1.) == np.inf, size
        far = np.r_[y*size, 1e9*max(size, 1e7), 0, np.nan]
        assert in_sight("huber", far, 1.) < far[-3]
        assert in_sight("huber", far, 1.) >= 3*size
    assert in_sight("huber", np.array([[1., 2, 3, 1e20], [1e20, 1e20, 1, 1e20]]), [1., 1.]) == pytest.approx([1e7, np.inf])
    assert in_sight("huber", np.zeros(3), 1.) == np.inf
    assert counted_cost("linear", 1., 5) == counted_cost("poisson", 1., 5) == np.inf
    assert counted_cost("tukey", [1., 2.], [5, 7]) == pytest.approx([5e4, 28e4])


def test_scales_far_below_the_data():
    """A frequency of 1.4 GHz that is known to a hertz is no fill value, and its fits end as those of what is left of it."""
    rng = np.random.default_rng(5)
    y = 1.4e9 + 30*np.exp(-.8*U) + rng.normal(size=U.size)
    y[4] += 200
    got = gslfit.fit(FORMULA, y, x=U, A=20., k=1., c=1.4e9, loss="tukey", f_scale=4.)
    want = gslfit.fit(FORMULA, y - 1.4e9, x=U, A=20., k=1., c=0., loss="tukey", f_scale=4.)
    assert got.success and want.success
    assert values(got.params) - [0, 0, 1.4e9] == pytest.approx(values(want.params), rel=1e-4, abs=1e-4)


@pytest.mark.parametrize("fill", [1e6, 1e12, 1e20])
@pytest.mark.parametrize("how", ["fit", "fit_batch"])
def test_a_scale_that_has_far_to_go(how, fill):
    """Beside four fill values a scale from the residuals comes down by halves, until it is that of the others; it ended on its way."""
    x = np.linspace(0, 5, 30)
    y = 3*np.exp(-x/2.5) + .5 + .03*np.random.default_rng(2).normal(size=x.size)
    start = {"A": 2., "tau": 2., "c": .3}

    def fitted(value):
        data = y.copy()
        data[[3, 11, 17, 26]] = value
        if how == "fit":
            return gslfit.fit("A*exp(-x/tau) + c", data, x=x, start=start, loss="huber", f_scale="mad")
        return gslfit.fit_batch("A*exp(-x/tau) + c", data[None], x=x, start=start, loss="huber", f_scale="mad")[0]
    near, far = fitted(1e4), fitted(fill)
    assert near.success and far.success
    for name in start:
        assert far.params[name].value == pytest.approx(near.params[name].value, abs=1e-4*near.params[name].stderr)


@pytest.mark.parametrize("how", ["fit", "fit_batch", "minimize", "fit_shared"])
@pytest.mark.parametrize("rounds", [3, 100])
def test_a_scale_that_has_not_settled(how, rounds, monkeypatch):
    """When its rounds have ended the scale is none, and no entry calls that a success; with all of them each does."""
    for place in ("curves.losses.ROUNDS", "minimizer.robust.ROUNDS", "shared.fitting.MAD_ROUNDS"):
        monkeypatch.setattr(f"gslfit.{place}", rounds)
    y, loss = data(.3), {"loss": "huber", "f_scale": "mad"}
    y[[3, 8, 17, 26]] = 30.
    many = np.array([y, data(.3, seed=2)])
    if how == "minimize":
        params = gslfit.Parameters()
        params.add_many(*START.items())
        found = gslfit.minimize(lambda p: p["A"]*np.exp(-p["k"]*U) + p["c"] - y, params, **loss)
    else:
        found = {"fit": lambda: gslfit.fit(FORMULA, y, x=U, **START, **loss),
                 "fit_batch": lambda: gslfit.fit_batch(FORMULA, many, x=U, start=START, **loss)[0],
                 "fit_shared": lambda: gslfit.fit_shared(FORMULA, many, x=U, start=START, shared=["k"], **loss)}[how]()
    assert found.success == (rounds > 3)
    if not found.success:
        assert "max_nfev" in found.message


ENTRIES = {
    "fit": lambda y, given: gslfit.fit(FORMULA, y, x=U, k=1., **given).params,
    "fit_batch": lambda y, given: gslfit.fit_batch(FORMULA, np.array([y, data(.5)]), x=U, start={"k": 1.}, **given)[0].params,
    "weighted": lambda y, given: gslfit.fit_batch(FORMULA, np.array([y, data(.5)]), x=U, start={"k": 1.}, weights=np.ones(U.size),
                                                  **given)[0].params,
    "Model.fit": lambda y, given: gslfit.Model(FORMULA, independent_vars=["x"]).fit(y, x=U, k=1., **given).params,
    "fit_shared": lambda y, given: gslfit.fit_shared(FORMULA, np.array([y, y]), x=U, start={"k": 1.}, shared=["k"], **given)[0].params,
}


@pytest.mark.parametrize("fill", [1e9, 1e20, 9.97e36, -1e100])
@pytest.mark.parametrize("how", ENTRIES)
@pytest.mark.parametrize("f_scale", [.3, "mad"])
@pytest.mark.parametrize("loss", LOSSES)
def test_starts_that_are_not_given(loss, f_scale, how, fill):
    """What the formula is linear in begins where least squares of what the loss sees have it: a fill value doesn't say where."""
    given = {"loss": loss, "f_scale": f_scale}
    found = ENTRIES[how](data(fill), given)
    near = gslfit.fit(FORMULA, data(np.copysign(1e5, fill)), x=U, loss=loss, f_scale=f_scale, **START).params
    for name in NAMES:
        assert found[name].stderr is not None
        assert found[name].value == pytest.approx(near[name].value, abs=1e-3*near[name].stderr)


@pytest.mark.parametrize("fill", [1e20, -9.97e36])
@pytest.mark.parametrize("f_scale", [.1, "mad"])
@pytest.mark.parametrize("how", ["fit", "fit_batch", "fit_shared", "ragged"])
def test_guesses(how, f_scale, fill):
    """Nor does it say where a peak is."""
    x = np.linspace(0, 10, 101)
    model = gslfit.models.GaussianModel() + gslfit.models.ConstantModel()
    true = {"amplitude": 5., "center": 4.2, "sigma": .8, "c": 1.}
    many = model.eval(x=x, **true) + .05*np.random.default_rng(3).normal(size=(2, x.size))
    many[0, 33] = fill
    given = {"loss": "huber", "f_scale": f_scale}
    if how == "fit":
        found = model.fit(many[0], x=x, **given)
    elif how == "fit_batch":
        found = model.fit_batch(many, x=x, **given)[0]
    elif how == "fit_shared":
        found = model.fit_shared(many, x=x, shared=["center"], **given)
    else:
        found = model.fit_shared([many[0], many[1, :90]], x=[x, x[:90]], shared=["center"], **given)
    assert found.success
    params = found.params if how in ("fit", "fit_batch") else found[0].params
    for name, value in true.items():
        assert params[name].value == pytest.approx(value, rel=.05)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("seed", [0, 1, 7, 8, 10, 14])
def test_data_sets_from_far_starts(seed, loss):
    """Data sets that share a parameter come to their minimum from anywhere, beside a fill value in one of them."""
    rng = np.random.default_rng(seed)
    x, m = np.linspace(0, 5, 40), 4
    A, c, tau = rng.uniform(1, 5, m), rng.uniform(0, 2, m), rng.uniform(.7, 2.5)
    y = A[:, None]*np.exp(-x/tau) + c[:, None] + .05*rng.normal(size=(m, x.size))
    place = int(rng.integers(m)), int(rng.integers(x.size))
    far = {"A": A*rng.uniform(.4, 2.5, m), "tau": tau*rng.uniform(.4, 2.5), "c": c*rng.uniform(.3, 3, m)}

    def fitted(fill, start):
        y[place] = fill
        return gslfit.fit_shared("A*exp(-x/tau) + c", y, x=x, start=start, shared=["tau"], loss=loss, f_scale=.1)
    near = fitted(1e4, {"A": A, "tau": tau, "c": c})
    for fill in (1e9, 1e20):
        for start in (far, {"tau": far["tau"]}):
            found = fitted(fill, start)
            assert found.success and not len(found.left_out)
            assert float(found.params["tau"].value) == pytest.approx(float(near.params["tau"].value), abs=1e-3*near.params["tau"].stderr)


@pytest.mark.parametrize("f_scale", [.1, "mad"])
def test_what_no_fit_begins_by(f_scale):
    """That are numbers out of sight that are unlike most others, in each row by itself; never large data."""
    rows = np.ones((3, 20))
    rows[1, 7], rows[2, 3], rows[2, 4] = -1e9, np.nan, np.inf
    found = out_of_sight("huber", f_scale, rows)
    assert np.argwhere(found).tolist() == [[1, 7]]
    assert out_of_sight("huber", 1e9, rows) is None
    assert out_of_sight("linear", f_scale, rows) is out_of_sight("huber", f_scale, rows + 0j) is None
    rows[1, 7] = 1e3
    assert out_of_sight("huber", f_scale if f_scale == "mad" else 1e-6, rows) is None
    assert out_of_sight("huber", f_scale, np.zeros((2, 5))) is None


@pytest.mark.parametrize("loss", ["tukey", "arctan"])
def test_what_explains_nothing_is_no_success(loss):
    """A minimum of a bounded loss through as many points as there are parameters, all others out of its sight, is none of the data."""
    x = np.linspace(0, 10, 25)
    for seed in range(6):
        y = np.random.default_rng(seed).uniform(-1, 1, 25)
        line = np.polyfit(x[3:5], y[3:5], 1)
        params = gslfit.Parameters()
        params.add_many(("a", line[1]), ("b", line[0]))
        start = {"a": line[1], "b": line[0]}
        one = gslfit.fit("a + b*x", y, x=x, start=start, loss=loss, f_scale=1e-7)
        many = gslfit.fit_batch("a + b*x", y[None], x=x, start=start, loss=loss, f_scale=1e-7)
        called = gslfit.minimize(lambda params, y=y: params["a"].value + params["b"].value*x - y, params, loss=loss, f_scale=1e-7)
        other = np.random.default_rng(seed + 100).uniform(-1, 1, 25)
        shared = gslfit.fit_shared("a + b*x", np.array([y, other]), x=x, start={"a": np.array([line[1], other[7] - line[0]*x[7]]),
                                                                                 "b": line[0]}, shared=["b"], loss=loss, f_scale=1e-7)
        assert not one.success and not many.success.any() and not called.success and not shared.success
        for found in (one, called):
            if found.status == gslfit.FitStatus.OUT_OF_SIGHT:
                assert "explains none of the others" in found.message
    assert explains_nothing(loss, 1., 0., 2, 2) is False        # all are met
    assert explains_nothing(loss, 2., 4*23*(1/3 if loss == "tukey" else np.pi/2), 25, 2)
    assert not explains_nothing(loss, 2., 4*22*(1/3 if loss == "tukey" else np.pi/2), 25, 2)
    assert not explains_nothing("cauchy", 1., 1e9, 25, 2)
