"""`starts=` and `ranges=` of `fit` and `Model.fit`: NIST's certified values without a start, SciPy, and what users may get wrong."""

import pickle
from contextlib import nullcontext
from itertools import pairwise

import numpy as np
import pytest
from scipy.optimize import least_squares

import gslfit
from gslfit import nist
from gslfit.errors import InputError, InputTypeError, ParameterError
from gslfit.models import GaussianModel

T = np.linspace(0, 10, 200)
SINE = "A*sin(2*pi*f*t + p)"
WAVE = 2*np.sin(2*np.pi*1.37*T + 0.4) + np.random.default_rng(2).normal(0, 0.2, T.size)
QUICK = ("Bennett5", "BoxBOD", "Chwirut2", "Eckerle4", "Gauss3", "MGH10", "MGH17", "Nelson", "Rat43", "Thurber")


def ranges_around(data, factor):
    return {name: tuple(sorted((value/factor, value*factor))) for name, value in zip(data.names, data.certified, strict=True)}


def check_certified(name, factor):
    data = nist.read(name)
    result = gslfit.fit(data.formula, data.y, x=data.columns(), starts=200, ranges=ranges_around(data, factor), threads=1)
    assert result.success, result.message
    tiny = 1e-10*float(data.y @ data.y)*1e-10       # the residual of Lanczos1 is rounding
    assert abs(result.chisqr - data.rss) <= 1e-8*data.rss + tiny
    costs = [each.chisqr for each in result.minima]
    assert all(a <= b*(1 + 1e-9) + tiny for a, b in pairwise(costs))
    return result


@pytest.mark.parametrize("name", QUICK)
def test_certified_minima_without_a_start(name):
    check_certified(name, 10)


@pytest.mark.slow
@pytest.mark.parametrize("factor", [10, 100])
@pytest.mark.parametrize("name", nist.FORMULAS)
def test_all_certified_minima_without_a_start(name, factor):
    check_certified(name, factor)


def sine_residual(v):
    return v[0]*np.sin(2*np.pi*v[1]*T + v[2]) - WAVE


def test_each_minimum_is_one():
    result = gslfit.fit(SINE, WAVE, t=T, ranges={"f": (0.1, 3), "p": (0, 2*np.pi)})
    assert abs(result.values["f"] - 1.37) < 4*result.stderr["f"]
    assert len(result.minima) > 5 and result.minima[0].values == result.values and result.minima[0].chisqr == result.chisqr
    assert sum(each.starts for each in result.minima) <= result.starts_tried == 100
    for chisqr, values, starts in result.minima:
        v = np.array([values[name] for name in ("A", "f", "p")])
        found = least_squares(sine_residual, v, xtol=1e-12, ftol=1e-12, gtol=1e-12)
        assert starts >= 1
        assert np.isclose(chisqr, 2*found.cost, rtol=1e-6)
        assert np.allclose(v, found.x, rtol=1e-3, atol=1e-3)


def test_the_same_each_time_and_fewer_are_among_more():
    one, two = (gslfit.fit(SINE, WAVE, t=T, p=0.0, starts=64, ranges={"f": (0.1, 3)}) for _ in range(2))
    assert one.values == two.values and one.minima == two.minima and one.nfev == two.nfev
    few = gslfit.fit(SINE, WAVE, t=T, p=0.0, starts=8, ranges={"f": (0.1, 3)})
    assert one.chisqr <= few.chisqr*(1 + 1e-9)


def test_ranges_never_bind():
    y = 3*np.exp(-T/2.5)
    result = gslfit.fit("A*exp(-t/tau)", y, t=T, ranges={"tau": (5, 50)})
    assert result.success and abs(result.values["tau"] - 2.5) < 1e-9
    assert result.params["tau"].max in (None, np.inf)


def test_the_start_that_is_given_is_one_of_them():
    alone = gslfit.fit(SINE, WAVE, t=T, A=2, f=1.36, p=0.3)
    one = gslfit.fit(SINE, WAVE, t=T, A=2, f=1.36, p=0.3, starts=1)
    assert one.init_values == alone.init_values and np.allclose([*one.values.values()], [*alone.values.values()], rtol=1e-10)
    misled = gslfit.fit(SINE, WAVE, t=T, A=2, f=1.36, p=0.3, starts=10, ranges={"f": (5, 9)})     # none of the others is any good
    assert np.isclose(misled.chisqr, alone.chisqr) and misled.init_values["f"] == 1.36


def test_bounds_place_starts_and_hold():
    params = gslfit.Parameters()
    params.add("A")
    params.add("f", min=0.1, max=3)
    params.add("p", min=0, max=np.pi)
    params.add("half", expr="f/2")
    result = gslfit.fit(SINE, WAVE, params, t=T, starts=100)
    assert abs(result.values["f"] - 1.37) < 4*result.stderr["f"] and result.values["half"] == result.values["f"]/2
    assert all(0 <= each.values["p"] <= np.pi and each.values["half"] == each.values["f"]/2 for each in result.minima)
    assert params["f"].value is None        # left as they are


def test_without_ranges_and_bounds_starts_lie_around_the_start():
    result = gslfit.fit(SINE, WAVE, t=T, A=1, f=0.9, p=0.3, starts=100)
    assert abs(result.values["f"] - 1.37) < 4*result.stderr["f"]
    lone = gslfit.fit("A*t + b", WAVE, t=T, starts=20)        # linear in both: there is one minimum
    assert lone.success and len(lone.minima) == 1


def test_peaks_that_change_places_are_two_minima():
    x = np.linspace(0, 10, 120)
    y = 3*np.exp(-(x - 3)**2) + 2*np.exp(-(x - 7)**2) + np.random.default_rng(1).normal(0, 0.02, x.size)
    result = gslfit.fit("a*exp(-(x - c)**2) + b*exp(-(x - d)**2)", y, x=x, ranges={"c": (0, 10), "d": (0, 10)})
    first, second = result.minima[:2]
    assert np.isclose(first.chisqr, second.chisqr, rtol=1e-9)
    assert np.allclose([first.values[name] for name in "abcd"], [second.values[name] for name in "badc"], rtol=1e-6)


def test_amplitudes_are_the_best_ones_beside_the_other_parameters():
    """What a formula is linear in is solved for at each start: an amplitude that is far off leads to the same minima."""
    found = [gslfit.fit(SINE, WAVE, t=T, A=A, f=1.0, p=0.1, starts=12, ranges={"f": (0.1, 3), "p": (0, 2*np.pi)}) for A in (2.0, 1e3)]
    costs = [[each.chisqr for each in one.minima] for one in found]
    assert len(costs[0]) > 5
    np.testing.assert_allclose(costs[0], costs[1], rtol=1e-9)
    assert all(one.nfev > 12*4 for one in found)        # of all starts


def test_starts_without_a_value_are_of_no_matter():
    x = np.linspace(1, 5, 60)
    y = 2*np.log(x - 0.5)
    result = gslfit.fit("A*log(x - c)", y, x=x, ranges={"c": (-1, 4)})      # most of them have no logarithm
    assert result.success and abs(result.values["c"] - 0.5) < 1e-9


@pytest.mark.parametrize("how", ["huber", "poisson", "prior", "ycov", "mask", "weights", "lmsder", "function"])
def test_the_same_minimum_as_from_the_right_start(how):
    rng = np.random.default_rng(5)
    formula, y, kws = SINE, WAVE.copy(), {"t": T}
    ranges, start = {"f": (0.1, 3), "p": (0, 2*np.pi)}, {"A": 2.0, "f": 1.37, "p": 0.4}
    if how == "huber":
        y[::17] += 5
        kws |= {"loss": "huber", "f_scale": 0.3}
    elif how == "poisson":
        formula = "b + A*(1 + sin(2*pi*f*t + p))"
        y = rng.poisson(1 + 20*(1 + np.sin(2*np.pi*1.37*T + 0.4)))
        kws |= {"loss": "poisson"}
        start |= {"b": 1.0, "A": 20.0}
        ranges |= {"b": (0.1, 10), "A": (1, 100)}
    elif how == "prior":
        kws |= {"yerr": 0.2, "prior": {"f": (1.3, 0.05)}}
    elif how == "ycov":
        kws["ycov"] = 0.04*(0.5**np.abs(np.subtract.outer(np.arange(T.size), np.arange(T.size))))
        ranges["A"] = (0.5, 5)
    elif how == "mask":
        kws["mask"] = np.arange(T.size) % 3 == 0
        y[::3] = np.nan
    elif how == "weights":
        kws["weights"] = 1 + T
    elif how == "lmsder":
        kws["method"] = "lmsder"
    elif how == "function":
        def formula(t, A, f, p):
            return A*np.interp(2*np.pi*f*t + p, TABLE, SINES)
        ranges["A"] = (0.5, 5)
        kws["starts"] = 12
        ranges["f"] = (1.2, 1.5)
    with np.errstate(all="ignore"), pytest.warns() if how == "function" else nullcontext():
        found = gslfit.fit(formula, y, ranges=ranges, **kws)
        kws.pop("starts", None)
        right = gslfit.fit(formula, y, start=start, **kws)
    assert found.success, found.message
    assert np.isclose(found.cost, right.cost, rtol=1e-4 if how == "function" else 1e-7)
    assert np.isclose(found.values["f"], right.values["f"], rtol=1e-4)
    assert np.isclose(found.minima[0].chisqr, 2*found.cost)


TABLE = np.linspace(-30, 250, 40_001)
SINES = np.sin(TABLE)




# -- "auto"


def test_auto_leaves_a_fit_alone_that_is_in_no_doubt():
    plain = gslfit.fit(SINE, WAVE, t=T, A=2, f=1.36, p=0.3)
    auto = gslfit.fit(SINE, WAVE, t=T, A=2, f=1.36, p=0.3, starts="auto")
    assert auto.starts_tried == 1 and auto.values == plain.values and auto.nfev == plain.nfev and len(auto.minima) == 1


@pytest.mark.parametrize("true", [0.37, 1.37, 4.37])
def test_auto_looks_again_where_residuals_are_no_noise(true):
    wave = 2*np.sin(2*np.pi*true*T + 0.4) + np.random.default_rng(2).normal(0, 0.2, T.size)
    start = {"f": 0.7*true, "p": 0.3}
    wrong = gslfit.fit(SINE, wave, t=T, start=start)
    auto = gslfit.fit(SINE, wave, t=T, start=start, starts="auto")
    assert auto.success and abs(auto.values["f"] - true) < 4*auto.stderr["f"] and auto.chisqr < wrong.chisqr/10


def test_auto_looks_again_at_known_errors_that_are_too_small_for_the_residual():
    fast = 2*np.sin(2*np.pi*4.37*T + 0.4) + np.random.default_rng(2).normal(0, 0.2, T.size)
    how = {"t": T, "yerr": np.full(T.size, 0.2), "scale_covar": False, "start": {"f": 3.0, "p": 0.3}}
    assert gslfit.fit(SINE, fast, **how).redchi > 10
    assert abs(gslfit.fit(SINE, fast, starts="auto", **how).redchi - 1) < 0.4


def test_auto_looks_again_where_there_is_nothing_to_be_found():
    noisy = WAVE + np.random.default_rng(9).normal(0, 0.5, T.size)         # white, but more of it than the errors say
    how = {"t": T, "yerr": 0.2, "start": {"f": 1.37, "p": 0.3}, "starts": "auto"}
    plain, auto = gslfit.fit(SINE, noisy, **how), gslfit.fit(SINE, noisy, scale_covar=False, **how)
    assert plain.starts_tried == 1 and auto.starts_tried == 100
    assert np.isclose(plain.chisqr, auto.chisqr, rtol=1e-9) and np.isclose(plain.values["f"], auto.values["f"], rtol=1e-9)
    rows = gslfit.fit_batch(SINE, np.array([WAVE, noisy]), scale_covar=False, **how)
    alone = gslfit.fit_batch(SINE, np.array([WAVE, noisy]), **{**how, "starts": None})
    assert rows.nfev[0] == alone.nfev[0] and rows.nfev[1] > 10*alone.nfev[1]


def test_auto_looks_again_at_a_bound_and_after_a_failure():
    params = gslfit.Parameters()
    params.add("f", 0.5, min=0.4, max=3)
    params.add("p", 0.0, min=-np.pi, max=np.pi)
    params.add("A", 1.0, min=0)
    auto = gslfit.fit(SINE, WAVE, params, t=T, starts="auto")
    assert auto.success and abs(auto.values["f"] - 1.37) < 4*auto.stderr["f"]


def test_auto_looks_again_where_the_data_do_not_tell_parameters_apart():
    """A success without standard errors is in doubt, too; by `fit`, by `minimize` and of a batch."""
    t = np.linspace(0, 5, 30)
    y = 2*np.exp(-t/1.3) + 0.02*np.random.default_rng(1).normal(size=30)
    start, text = {"a": 1.0, "b": 1.5, "tau": 1.0}, "a*b*exp(-t/tau)"
    params = gslfit.Parameters()
    for name, value in start.items():
        params.add(name, value)
    least = gslfit.fit("a*exp(-t/tau)", y, t=t, a=1.0, tau=1.0).chisqr
    found = [gslfit.fit(text, y, t=t, start=start, starts="auto"),
             gslfit.minimize(lambda p: p["a"]*p["b"]*np.exp(-t/p["tau"].value) - y, params, starts="auto")]
    for one in found:
        assert one.success and not one.errorbars and one.starts_tried == 100 and np.isclose(one.chisqr, least, rtol=1e-9)
    plain, auto = (gslfit.fit_batch(text, y[None], t=t, start=start, starts=starts) for starts in (None, "auto"))
    assert auto.success[0] and np.isclose(auto.chisqr[0], least, rtol=1e-9) and auto.nfev[0] > plain.nfev[0] + 98


def test_white_noise():
    from gslfit.minimizer.multistart import not_white
    rng = np.random.default_rng(0)
    assert not any(not_white(rng.normal(size=(200, n))).any() for n in (1, 2, 5, 20, 50, 200, 1000))
    outlier = rng.normal(size=200)
    outlier[77] += 50
    assert not not_white(outlier)
    t = np.arange(100)
    assert all(not_white(np.sin(2*np.pi*f*t + 0.3) + rng.normal(0, 0.2, t.size)) for f in (0.01, 0.1, 0.25, 0.37, 0.48))
    assert not not_white(np.zeros(100)) and not_white(np.exp(-t/20.) - 0.2)


# -- models, results


def test_models():
    model = gslfit.Model(SINE, independent_vars=["t"])
    result = model.fit(WAVE, t=T, ranges={"f": (0.1, 3), "p": (0, 2*np.pi)})
    assert abs(result.params["f"].value - 1.37) < 4*result.params["f"].stderr
    assert result.minima[0].values == result.values and result.starts_tried == 100
    assert 0.1 < result.init_values["f"] < 3 and result.init_params["f"].value == result.params["f"].init_value
    assert f"= 100, of which {result.minima[0].starts} led to this minimum, the lowest of {len(result.minima)}" in result.fit_report()
    again = pickle.loads(pickle.dumps(result))
    assert again.minima == result.minima and again.starts_tried == 100
    read = result.loads(result.dumps())
    assert read.minima == result.minima and read.starts_tried == 100
    with pytest.raises(InputError, match="is no minimum"):
        result.loads(result.dumps().replace('"minima": [[', '"minima": [[[],'))
    alone = model.fit(WAVE, t=T, A=2, f=1.37, p=0.4)
    assert len(alone.minima) == 1 and alone.minima[0].chisqr == alone.chisqr and "starts" not in alone.fit_report()
    assert np.isclose(alone.chisqr, result.chisqr)


def test_a_guess_is_a_start():
    x = np.linspace(0, 10, 60)
    y = 3*np.exp(-(x - 4)**2/2) + np.random.default_rng(3).normal(0, 0.05, x.size)
    plain, many = (GaussianModel().fit(y, x=x, **how) for how in ({}, {"starts": 30}))
    assert np.isclose(many.chisqr, plain.chisqr) and many.starts_tried == 30
    assert np.isclose(GaussianModel().fit(y, x=x, starts="auto").chisqr, plain.chisqr)


@pytest.mark.parametrize("options", [{"method": "lmder"}, {"fit_kws": {"epsfcn": 1e-12}}, {"iter_cb": lambda *_: None}])
def test_models_by_minimize(options):
    result = gslfit.Model(SINE, independent_vars=["t"]).fit(WAVE, t=T, A=1, p=0.5, starts=40, ranges={"f": (1, 2)}, **options)
    assert result.success and abs(result.params["f"].value - 1.37) < 4*result.params["f"].stderr and result.starts_tried == 40


# -- errors


@pytest.mark.parametrize(("call", "words"), [
    (lambda: gslfit.fit(SINE, WAVE, t=T, p=0), ["'f'", "ranges={'f': (LOW, HIGH)}", "A needs none"]),
    (lambda: gslfit.fit(SINE, WAVE, t=T, p=0, starts=9), ["'f'", "ranges={'f': (LOW, HIGH)}"]),
    (lambda: gslfit.fit(SINE, WAVE, PARAMS, t=T), ["'f'", "ranges={'f'"]),
    (lambda: gslfit.Model(SINE, independent_vars=["t"]).fit(WAVE, t=T, p=0), ["f of", "ranges={'f'"]),
    (lambda: gslfit.fit(SINE, WAVE, t=T, p=0, ranges={"f": (1, 2), "q": (0, 1)}), ["'q'", "A, f, p"]),
    (lambda: gslfit.fit(SINE, WAVE, t=T, p=0, ranges={"f": (2, 1)}), ["ranges['f']", "lower end comes first"]),
    (lambda: gslfit.fit(SINE, WAVE, t=T, p=0, ranges={"f": (0, np.inf)}), ["ranges['f']"]),
    (lambda: gslfit.fit(SINE, WAVE, t=T, p=0, ranges={"f": 1.5}), ["ranges['f']", "pair"]),
    (lambda: gslfit.fit(SINE, WAVE, t=T, p=0, ranges=[("f", 1, 2)]), ["ranges must be a dict"]),
    (lambda: gslfit.fit(SINE, WAVE, t=T, p=0, f=1, starts=0), ["starts is 0"]),
    (lambda: gslfit.fit(SINE, WAVE, t=T, p=0, f=1, starts="many"), ["'many'", "'auto'"]),
    (lambda: gslfit.fit(SINE, WAVE, t=T, p=0, f=1, starts="neighbours"), ["only the fits of a batch"]),
    (lambda: gslfit.fit(SINE, WAVE, t=T, p=0, f=0, starts=5), ["nowhere to place"]),
])
def test_errors_name_the_culprit(call, words):
    with pytest.raises((InputError, InputTypeError, ParameterError)) as caught:
        call()
    assert all(word in str(caught.value) for word in words), caught.value


PARAMS = gslfit.Parameters()
PARAMS.add("A", 1.0)
PARAMS.add("f")
PARAMS.add("p", 0.0)


def test_a_range_of_what_does_not_vary_or_lies_outside_bounds():
    params = gslfit.Parameters()
    params.add("A", 1.0)
    params.add("f", 1.0, min=0, max=2)
    params.add("p", 0.0, vary=False)
    with pytest.raises(InputError, match="'p'.*does not vary"):
        gslfit.fit(SINE, WAVE, params, t=T, ranges={"p": (0, 1)})
    with pytest.raises(InputError, match=r"ranges\['f'\].*outside the bounds"):
        gslfit.fit(SINE, WAVE, params, t=T, ranges={"f": (3, 4)})
    params["f"].value = 0.5
    params["f"].set(max=0.9)
    with pytest.raises(InputError, match="outside"):
        gslfit.fit(SINE, WAVE, params, t=T, starts=10, f=1.0)
