"""Guesses within bounds on either side, of points in any order and with holes, of curves upside down, of spots at every angle."""
import numpy as np
import pytest
from guess_accuracy import CASES, draw

from gslfit import models
from gslfit.errors import InputError

LONG = ("TriexponentialModel", "TriexponentialResponseModel", "BiexponentialResponseModel", "BiexponentialModel", "DampedChirpModel",
        "DampedSineModel", "Gaussian3Model", "GslDblexpModel", "DampedHarmonicOscillatorModel", "ExponentialResponseModel")
QUICK = [case for case in CASES if case.cls not in LONG]
IDS = [f"{case.cls}-{case.form}" if case.form else case.cls for case in QUICK]
ANGLES = np.deg2rad([-85, -60, -45, -20, -5, 0, 5, 20, 45, 60, 85])


def values_of(params):
    """Return the values of free parameters by name."""
    return {name: par.value for name, par in params.items() if par.expr is None}


@pytest.mark.parametrize("case", QUICK, ids=IDS)
def test_bounds_on_either_side(case):
    """With a bound on either side of any parameter, between which its guess does not lie, guess and fit stay inside."""
    model, x, _, y = draw(case, 2)
    free = values_of(model.guess(y[1], x=x))
    for name, value in free.items():
        size = abs(value) or 1.0
        for bounds in ({"max": value - 0.1 * size}, {"min": value + 0.1 * size}):
            bound = models.CLASSES[case.cls](**({"form": case.form} if case.form else {}))
            own = bound.make_params()[name]
            low = max(bounds.get("min", -np.inf), -np.inf if own.min is None else own.min)
            high = min(bounds.get("max", np.inf), np.inf if own.max is None else own.max)
            if low >= high:
                continue
            bound.set_param_hint(name, **bounds)
            one = bound.guess(y[1], x=x)
            assert low <= one[name].value <= high, (name, bounds)
            assert np.isfinite(list(values_of(one).values())).all()
    many = bound.guess(y, x=x)
    assert ((many[name] >= low) & (many[name] <= high)).all(), (name, bounds)


@pytest.mark.parametrize("case", QUICK, ids=IDS)
def test_order_and_holes(case):
    """The points' order is of no matter, for shared points and each curve's own; holes of NaN or infinity move a guess little."""
    model, x, _, y = draw(case, 3)
    rng = np.random.default_rng(11)
    plain = model.guess(y, x=x)
    order = rng.permutation(len(x))
    shuffled = model.guess(y[:, order], x=x[order])
    for name, value in plain.items():
        np.testing.assert_allclose(shuffled[name], value, rtol=1e-9, atol=1e-12 * np.abs(value).max())
    own = model.guess(y, x=np.tile(x, (3, 1)))
    orders = np.argsort(rng.random(y.shape), axis=1)
    mixed = model.guess(np.take_along_axis(y, orders, 1), x=x[orders])
    for name, value in own.items():
        np.testing.assert_allclose(mixed[name], value, rtol=1e-9, atol=1e-12 * np.abs(value).max())


@pytest.mark.parametrize("case", QUICK[:6], ids=IDS[:6])
@pytest.mark.parametrize("hole", [np.nan, np.inf, -np.inf])
def test_holes(case, hole):
    """A point that is no number is worth what its neighbours are, on both sides."""
    model, x, _, y = draw(case, 3)
    holes = [0, 1, 30, 61, 62, len(x) - 1]
    gaps = y.copy()
    gaps[:, holes] = hole
    means = y.copy()
    means[:, 0] = means[:, 1] = y[:, 2]
    means[:, -1] = y[:, -2]
    means[:, 30] = 0.5 * (y[:, 29] + y[:, 31])
    means[:, [61, 62]] = 0.5 * (y[:, [60]] + y[:, [63]])
    found, wanted = model.guess(gaps, x=x), model.guess(means, x=x)
    for name, value in wanted.items():
        np.testing.assert_allclose(found[name], value, rtol=1e-9)


@pytest.mark.parametrize("case", [case for case in QUICK if "amplitude" in case.ranges and case.cls not in ("PowerLawModel",)],
                         ids=lambda case: f"{case.cls}-{case.form}")
def test_upside_down(case):
    """A curve turned over has the guess turned over where no bound is in the way."""
    model, x, _, y = draw(case, 6)
    amplitude = model.make_params()["amplitude"]
    if amplitude.min is not None or case.cls in ("DampedSineModel", "DampedChirpModel"):
        pytest.skip("of one sign")
    up, down = model.guess(y, x=x), model.guess(-y, x=x)
    np.testing.assert_allclose(down["amplitude"], -up["amplitude"], rtol=1e-6)
    for name, value in up.items():
        if name not in ("amplitude", "offset"):
            np.testing.assert_allclose(down[name], value, rtol=1e-6, atol=1e-9 * np.abs(value).max())


@pytest.mark.parametrize("case", [case for case in QUICK if "center" in case.ranges and case.cls not in (
    "DampedOscillatorModel", "DampedHarmonicOscillatorModel", "LognormalModel")], ids=lambda case: f"{case.cls}-{case.form}")
def test_mirrored(case):
    """A curve read backwards leads to a minimum no worse than the curve itself: skew, falling steps and late peaks are seen."""
    model, x, values, _ = draw(case, 5)
    clean = model.eval(x=x[None], **{name: np.reshape(value, (-1, 1)) for name, value in values.items()}, **(
        {"gamma": np.reshape(values["sigma"], (-1, 1))} if case.cls in ("VoigtModel",
                                                                        "SkewedVoigtModel") and "gamma" not in values else {}))
    y = clean + 0.02 * np.ptp(clean, axis=1, keepdims=True) * np.random.default_rng(2).standard_normal(clean.shape)
    there = model.fit_batch(y, x=x).chisqr
    back = model.fit_batch(y[:, ::-1], x=x).chisqr
    mirrored = {"SkewedGaussianModel", "SkewedVoigtModel", "SplitLorentzianModel", "Pearson4Model", "BreitWignerModel", "StepModel",
                "GaussianModel", "LorentzianModel", "VoigtModel", "PseudoVoigtModel", "MoffatModel", "Pearson7Model", "StudentsTModel"}
    if case.cls in mirrored:
        np.testing.assert_allclose(np.median(back / there), 1, rtol=1e-3)
    assert np.isfinite(back).all()


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("theta", ANGLES)
def test_turned_spots(sign, theta):
    """A bright or dark spot at any angle is guessed as what it is, in one image and in many, on a level of any size."""
    model = models.EllipticalGaussian2dModel()
    y, x = (grid.ravel().astype(float) for grid in np.mgrid[0:48, 0:64])
    values = {"height": 5.0 * sign, "x0": 35.0, "y0": 20.0, "sigma_u": 8.0, "sigma_v": 3.0, "theta": theta}
    images = np.stack([model.eval(x=x, y=y, **values, offset=offset) for offset in (0.0, 100.0, -7.0)])
    found = model.guess(images, x=x, y=y)
    turn = (found["theta"] - theta + np.pi / 2) % np.pi - np.pi / 2
    np.testing.assert_allclose(turn, 0, atol=0.05)
    for name, wanted in values.items():
        if name != "theta":
            np.testing.assert_allclose(found[name], wanted, rtol=0.2, err_msg=name)
    np.testing.assert_allclose(found["offset"], [0, 100, -7], atol=0.3)
    one = model.guess(images[1], x=x, y=y)
    assert {name: one[name].value for name in found} == pytest.approx({name: value[1] for name, value in found.items()}, rel=1e-9)
    fitted = model.fit(images[1], x=x, y=y)
    assert fitted.chisqr < 1e-9


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("shape", ["Gaussian2dModel", "Airy2dModel"])
def test_straight_spots(sign, shape):
    """Spots along the axes and Airy spots: bright and dark, as an image of two axes or a row of pixels."""
    model = models.CLASSES[shape]()
    y, x = (grid.astype(float) for grid in np.mgrid[0:40, 0:50])
    place = {"centerx": 30.0, "centery": 12.0, "sigmax": 4.0, "sigmay": 2.5, "amplitude": 200.0 * sign} if shape == "Gaussian2dModel" else \
        {"x0": 30.0, "y0": 12.0, "radius": 9.0, "height": 3.0 * sign, "offset": 2.0}
    image = model.eval(x=x, y=y, **place)
    for found in (model.guess(image, x=x, y=y), model.guess(image.ravel(), x=x.ravel(), y=y.ravel())):
        for name, wanted in place.items():
            assert found[name].value == pytest.approx(wanted, rel=0.25, abs=0.1), name
    assert model.fit(image.ravel(), x=x.ravel(), y=y.ravel()).chisqr < 1e-9 * np.sum(image ** 2)


@pytest.mark.parametrize("form", ["linear", "atan", "erf", "logistic"])
@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("width", [3.0, -3.0])
def test_steps_of_every_kind(form, sign, width):
    """Rising and falling steps of either sign are found, on even and uneven points in any order."""
    model = models.StepModel(form=form)
    rng = np.random.default_rng(6)
    for x in (np.linspace(0, 40, 80), np.sort(rng.uniform(0, 40, 80)), rng.uniform(0, 40, 80)):
        y = model.eval(x=x, amplitude=4.0 * sign, center=22.0, sigma=width)
        start = model.guess(y, x=x)
        found = model.fit(y + 0.01 * rng.standard_normal(80), start, x=x)
        assert found.redchi < 4e-4
        assert found.best_values["center"] == pytest.approx(22, abs=0.3)
        assert found.best_values["amplitude"] * np.sign(found.best_values["sigma"]) == pytest.approx(4 * sign * np.sign(width), rel=0.1) \
            or form != "linear"


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("shape", ["Gaussian", "Lorentzian"])
def test_sums_bound_to_a_sign(sign, shape):
    """Sums of peaks whose heights are bound to a sign have guesses of that sign, also where data have peaks of the other."""
    x = np.linspace(0, 60, 120)
    rng = np.random.default_rng(9)
    y = 3 * np.exp(-(x - 15) ** 2 / 18) - 3 * np.exp(-(x - 42) ** 2 / 18) + 0.1 * rng.standard_normal(120)
    bounds = {"amplitude": {"min": 0.0} if sign > 0 else {"max": 0.0}}
    model = models.sum_of_peaks(shape, 2, "constant", **bounds)
    start = model.guess(y, x=x)
    assert all(sign * start[f"p{k}_amplitude"].value >= 0 for k in (1, 2))
    nearest = min(abs(start[f"p{k}_center"].value - (15 if sign > 0 else 42)) for k in (1, 2))
    assert nearest < 2
    noise = 0.1 * rng.standard_normal((2, 120))
    many = model.guess(noise, x=x)
    assert all((sign * many[f"p{k}_amplitude"] >= 0).all() for k in (1, 2))


@pytest.mark.parametrize("name", ["ExponentialModel", "BiexponentialModel", "TriexponentialModel", "StretchedExponentialModel",
                                  "ExponentialResponseModel", "BiexponentialResponseModel", "GslDblexpModel", "GslExpModel"])
@pytest.mark.parametrize("side", ["min", "max"])
def test_decays_in_bounds(name, side):
    """Decays and their sums have guesses within bounds of either side, for every parameter at once."""
    x = np.linspace(0, 60, 120)
    y = 5 * np.exp(-x / 3) + 2 * np.exp(-x / 15) + 0.2 + 0.01 * np.sin(7 * x)
    free = models.CLASSES[name]().guess(y, x=x)
    for factor in (2.0,) if name.endswith(("ResponseModel", "TriexponentialModel")) else (0.5, 2.0):
        model = models.CLASSES[name]()
        for key, par in free.items():
            limit = par.value * factor if side == "max" else par.value / factor
            limit = par.value + abs(par.value) * (factor - 1 if side == "max" else 1 - factor) if par.value < 0 else limit
            own = model.make_params()[key]
            if par.expr is None and not (own.min is not None and side == "max" and limit <= own.min):
                model.set_param_hint(key, **{side: limit})
        found = model.guess(y, x=x)
        for key, par in found.items():
            assert (par.min is None or par.value >= par.min) and (par.max is None or par.value <= par.max), (key, par)
        batch = model.guess(np.stack([y, 2 * y, -y]), x=x)
        for key, value in batch.items():
            par = found[key]
            assert (par.min is None or (value >= par.min).all()) and (par.max is None or (value <= par.max).all()), (key, value)


def test_waves_longer_than_the_data_and_near_nyquist():
    """Sines of less than a period and of two and a half points a period are found at any phase."""
    model = models.SineModel()
    x = np.linspace(0, 10, 101)
    for frequency in (0.35, 1.0, 6.0, 25.0):
        for shift in (-3.0, -1.0, 0.5, 2.0):
            y = 2 * np.sin(frequency * x + shift)
            found = model.fit(y, x=x)
            assert found.chisqr < 1e-6, (frequency, shift, found.best_values)


@pytest.mark.parametrize("count", [5, 6, 7, 21, 40, 41])
@pytest.mark.parametrize("pole", ["before", "between"])
def test_a_pole_beside_the_points(count, pole):
    """A Bose distribution is guessed whatever point its pole would fall on: before the first point, or between two in the middle."""
    x = np.linspace(-2, 6, count)
    step = x[1] - x[0]
    center = -3.0 if pole == "before" else x[count//2] + 0.4*step
    model, truth = models.BoseModel(), {"amplitude": 2.0, "center": center, "kt": 1.5}
    y = model.eval(x=x, **truth)
    result = model.fit(y, x=x)
    assert result.success
    np.testing.assert_allclose([result.values[name] for name in truth], list(truth.values()), rtol=1e-6)


ALL_EQUAL = ["GaussianModel", "ExponentialModel", "LinearModel", "StepModel", "FourParameterLogisticModel", "Gaussian2Model", "SineModel"]


@pytest.mark.parametrize("cls", ALL_EQUAL)
@pytest.mark.parametrize("entry", ["guess", "fit", "fit_batch"])
def test_points_that_are_all_the_same(cls, entry):
    """Where x is one number there is nothing to guess from, and every entry that guesses says so; a sum too."""
    x, y = np.full(20, 3.0), np.random.default_rng(2).normal(5, 1, 20)
    for model in (models.CLASSES[cls](), models.CLASSES[cls](prefix="a_") + models.GaussianModel(prefix="b_")):
        with pytest.raises(InputError, match="x is 3 at every point"):
            getattr(model, entry)(y[None] if entry == "fit_batch" else y, x=x)


def test_a_constant_at_one_point():
    """The height of a constant needs no second place."""
    x, y = np.full(20, 3.0), np.random.default_rng(2).normal(5, 1, 20)
    model = models.ConstantModel()
    assert model.guess(y, x=x)["c"].value == pytest.approx(y.mean())
    result = model.fit(y, x=x)
    assert result.success
    assert result.values["c"] == pytest.approx(y.mean())
    assert result.params["c"].stderr == pytest.approx(y.std(ddof=1)/np.sqrt(y.size), rel=1e-6)


@pytest.mark.parametrize("side", [1, -1])
def test_peaks_of_one_sign_beside_one_of_the_other(side):
    """Amplitudes that are bound to one sign aren't guessed on the larger peak of the other sign, whichever it is."""
    x = np.linspace(0, 10, 200)
    y = sum(height*np.exp(-(x - centre)**2/(2*.3**2)) for height, centre in ((1, 2), (.8, 5), (-2, 8)))
    y = side*(y + .02*np.random.default_rng(4).normal(size=x.size))
    model = models.GaussianModel(prefix="a_") + models.GaussianModel(prefix="b_") + models.ConstantModel()
    for name in ("a_amplitude", "b_amplitude"):
        model.set_param_hint(name, **{"min" if side > 0 else "max": 0.0})
    found = model.guess(y, x=x)
    assert sorted(found[name].value for name in ("a_center", "b_center")) == pytest.approx([2, 5], abs=.1)
    assert all(side*found[name].value > .3 for name in ("a_amplitude", "b_amplitude"))
