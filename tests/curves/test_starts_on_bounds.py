"""Starts on a bound of 0, which is no unit: the same data in units of nanometres, or of 1e-100, are fitted as in units of 1."""
import numpy as np
import pytest

import gslfit

X = np.linspace(0, 8, 60)
# text, truth, start, which are in units of the data, in units of x, and in units of 1/x
CASES = {
    "decay": ("A*exp(-k*x) + c", {"A": 3., "k": .7, "c": .5}, {"A": 1., "k": .8, "c": 0.}, "Ac", "", "k"),
    "peak": ("A*exp(-(x-m)**2/(2*s**2)) + c", {"A": 3., "m": 3., "s": .8, "c": .5}, {"A": 1., "m": 2.6, "s": 1., "c": 0.}, "Ac", "ms", ""),
    "step": ("A/(1 + exp(-(x-m)/s)) + c", {"A": 3., "m": 4., "s": .5, "c": .2}, {"A": 1., "m": 3., "s": 1., "c": 0.}, "Ac", "ms", ""),
    "saturation": ("V*x/(K + x) + c", {"V": 3., "K": 1.5, "c": .3}, {"V": 2., "K": 1., "c": 0.}, "Vc", "K", ""),
}
OFFSETS = [("decay", "c"), ("decay", "A"), ("decay", "Ac"), ("decay", "k"), ("decay", "kc"), ("peak", "c"), ("peak", "A"), ("step", "c"),
           ("step", "Ac"), ("saturation", "c"), ("saturation", "K")]
HOW = {"auto": {}, "lanes": {"method": "lanes"}, "trust": {"method": "trust"}, "lmsder": {"method": "lmsder"},
       "soft_l1": {"loss": "soft_l1", "f_scale": .05}}
NOISE = .05


def fitted(case, zeros, seed, unit, long, how):
    """Return success and values in units of 1 of a batch's only row, whose data are in one unit and x in another."""
    text, truth, start, of_y, of_x, of_rate = CASES[case]
    x = X + .1 if case == "saturation" else X
    y = gslfit.Formula(text)(x=x, **truth) + NOISE * np.random.default_rng(seed).standard_normal(60)
    units = {k: unit if k in of_y else long if k in of_x else 1 / long if k in of_rate else 1. for k in truth}
    params = gslfit.Parameters()
    for k, value in start.items():
        params.add(k, 0. if k in zeros else value * units[k], min=0)
    options = {**HOW[how], **({"f_scale": NOISE * unit} if "loss" in HOW[how] else {})}
    result = gslfit.fit_batch(text, (y * unit)[None], params, x=x * long, **options)
    return bool(result.success[0]), np.array([result.values[k][0] / units[k] for k in truth])


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize(("case", "zeros"), OFFSETS)
def test_data_in_any_unit(case, zeros, how):
    """Offsets, amplitudes and rates that begin on their bound: the end is that of units of 1 to 1e-5, of which soft_l1 is told less."""
    for seed in range(3):
        good, expected = fitted(case, zeros, seed, 1., 1., how)
        assert good
        for unit in (1e-6, 1e-9, 1e-12, 1e-30, 1e-100, 1e-200, 1e6, 1e100, 1e200):
            success, values = fitted(case, zeros, seed, unit, 1., how)
            assert success, unit
            np.testing.assert_allclose(values, expected, rtol=1e-5 if "loss" not in HOW[how] else 1e-4, err_msg=str(unit))


@pytest.mark.parametrize(("case", "zeros"), [("decay", "k"), ("decay", "kc"), ("decay", "c"), ("saturation", "K"), ("peak", "c")])
def test_x_in_any_unit(case, zeros):
    for seed in range(3):
        good, expected = fitted(case, zeros, seed, 1., 1., "auto")
        assert good
        for long in (1e-9, 1e-6, 1e-3, 1e3, 1e6, 1e9, 1e30):
            success, values = fitted(case, zeros, seed, 1., long, "auto")
            assert success, long
            np.testing.assert_allclose(values, expected, rtol=1e-5, err_msg=str(long))


def test_the_look_inside_counts():
    """A limit of evaluations is kept, and a start that is as good as a telling one stays where it is."""
    text, truth, start, *_ = CASES["decay"]
    y = gslfit.Formula(text)(x=X, **truth)[None] * 1e-9
    params = gslfit.Parameters()
    for k, value in start.items():
        params.add(k, value, min=0)
    for most in (1, 2, 3, 4, 5, 8):
        result = gslfit.fit_batch(text, y, params, x=X, max_nfev=most)
        assert result.nfev[0] <= most


@pytest.mark.parametrize(("case", "zeros", "long"), [*(("decay", "k", long) for long in (1e-30, 1e-9, 1e9, 1e30)), ("peak", "m", 1e9),
                                                     ("peak", "m", 1e30), ("step", "m", 1e9), ("step", "m", 1e30)])
def test_minimize_in_any_unit_of_x(case, zeros, long):
    """Where the guess changes nothing at all, a longer step does."""
    text, truth, start, _, of_x, of_rate = CASES[case]
    f, y = gslfit.Formula(text), gslfit.Formula(text)(x=X, **truth)
    params = gslfit.Parameters()
    for k, value in start.items():
        unit = long if k in of_x else 1 / long if k in of_rate else 1.
        params.add(k, 0. if k in zeros else value * unit, min=0)
    out = gslfit.minimize(lambda p: f(x=X * long, **p.valuesdict()) - y, params)
    assert out.success, out.message
    for k, value in truth.items():
        assert params[k].value / (long if k in of_x else 1 / long if k in of_rate else 1.) == pytest.approx(value, rel=1e-6)


@pytest.mark.parametrize("long", [1., 1e-9, 1e-6, 1e6, 1e9])
@pytest.mark.parametrize(("case", "zeros"), [("decay", "Akc"), ("decay", "Ak"), ("peak", "Am")])
@pytest.mark.parametrize("how", ["auto", "soft_l1"])
def test_what_an_amplitude_of_0_hides(case, zeros, how, long):
    """Where both begin on 0 nothing is seen of a rate or a centre; it is looked for beside an amplitude that tells."""
    for seed in range(3):
        success, values = fitted(case, zeros, seed, 1., long, how)
        good, expected = fitted(case, "c", seed, 1., 1., how)
        assert good and success
        np.testing.assert_allclose(values, expected, rtol=1e-4)


@pytest.mark.parametrize(("center", "width"), [(5000., .01), (5e-7, 1e-12), (1.7e9, 1.)])
@pytest.mark.parametrize("side", [-1, 1])
def test_a_center_on_a_bound_beside_its_line(center, width, side):
    """A bound's magnitude is no unit either, where a line is narrow: the start stays beside the bound."""
    x = center + width * np.linspace(-4, 4, 60)
    text = "A*exp(-(x-m)**2/(2*s**2)) + c"
    y = gslfit.Formula(text)(x=x, A=3, m=center + .3*width, s=width, c=.5) + NOISE * np.random.default_rng(0).standard_normal(60)
    params = gslfit.Parameters()
    params.add("A", 0., min=0)
    bound = center - side * width
    params.add("m", bound, **({"min": bound} if side > 0 else {"max": bound}))
    params.add("s", width, min=0)
    params.add("c", 0.)
    result = gslfit.fit_batch(text, y[None], params, x=x)
    assert result.success[0] and result.chisqr[0] < 2 * 60 * NOISE**2
    assert result.values["m"][0] == pytest.approx(center + .3*width, abs=.1*width)


def test_rows_are_fitted_as_alone():
    """Their starts on bounds differ: neither counts nor values hang on the first row's, with a limit of evaluations neither."""
    text, truth, *_ = CASES["decay"]
    rng = np.random.default_rng(3)
    y = gslfit.Formula(text)(x=X, **truth) + NOISE * rng.standard_normal((40, 60))
    starts = {"A": rng.uniform(1, 4, 40), "k": rng.uniform(.3, 1, 40), "c": np.where(np.arange(40) % 3 == 1, 0., .3)}
    bounds = dict.fromkeys(starts, (0.0, np.inf))
    for most in (3, 5, 8, 100):
        together = gslfit.fit_batch(text, y, x=X, bounds=bounds, max_nfev=most, **starts)
        for row in range(40):
            alone = gslfit.fit_batch(text, y[row:row + 1], x=X, bounds=bounds, max_nfev=most, **{k: v[row] for k, v in starts.items()})
            assert alone.nfev[0] == together.nfev[row] and alone.chisqr[0] == together.chisqr[row]


@pytest.mark.parametrize("centre", [1e8, 1e10, 1e12])
def test_bounds_far_from_0_that_are_close_together(centre):
    """A start in the middle between bounds 10 apart is none on a bound, though next to it by the bound's magnitude: it was moved to the
    lower one, where fits of batches ended beside the peak, as successes.
    """
    text = "A*exp(-(x-m)**2/(2*s**2)) + c"
    x = centre + np.linspace(-6, 8, 57)
    rng = np.random.default_rng(0)
    rows = np.array([gslfit.Formula(text)(x=x - centre, A=3., m=.3, s=1.2, c=.5) + NOISE*rng.standard_normal(57) for _ in range(4)])
    found = gslfit.fit_batch(text, rows, x=x, start={"A": 2., "m": centre + .9, "s": 1., "c": .2}, bounds={"m": (centre - 5, centre + 5)})
    assert found.success.all()
    assert (abs(found.values["m"] - centre - .3) < 5*found.stderr["m"] + np.spacing(centre)).all()


@pytest.mark.parametrize("how", ["fit", "fit_batch"])
@pytest.mark.parametrize("text", ["A*exp(-(x-m)**2/2/s**2)+c", "A/(1+((x-m)/s)**2)+c", "A/cosh((x-m)/s)+c"])
def test_a_width_of_zero_beside_a_centre_on_its_bound(text, how):
    """Where the width is 0 the model has no value, and nobody asked how far inside the centre begins: at time stamps it was moved by 1e7,
    onto a plain, which was a success.
    """
    u = np.linspace(0, 10, 80)
    y = gslfit.Formula(text)(x=u, A=1., m=4., s=.6, c=.1) + .02*np.random.default_rng(1).normal(size=80)
    least = gslfit.fit(text, y, start={"A": 1., "m": 4., "s": .6, "c": .1}, x=u).chisqr
    for base, long in ((0., 1e-9), (1e6, 1e-3), (1.7e9, .01), (-1.7e9, .01)):
        for unit in (1., 1e-9, 1e9):
            params = gslfit.Parameters()
            params.add("A", .8*unit, min=0)
            params.add("m", base + 3.2*long, min=base + 3.2*long)
            params.add("s", 0., min=0)
            params.add("c", 0.)
            if how == "fit":
                one = gslfit.fit(text, y*unit, params, x=base + u*long)
            else:
                one = gslfit.fit_batch(text, (y*unit)[None], params, x=base + u*long)
            assert np.all(one.success), (base, unit)
            assert float(np.squeeze(one.chisqr)) == pytest.approx(least*unit**2, rel=1e-4), (base, unit)
