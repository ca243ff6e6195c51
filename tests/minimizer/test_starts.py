"""Where starts are placed, and `minimize` from many of them."""

import numpy as np
import pytest

import gslfit
from gslfit import nist
from gslfit.errors import InputError, ParameterError
from gslfit.minimizer import multistart
from gslfit.minimizer.sobol import sobol

T = np.linspace(0, 10, 120)
WAVE = 2*np.sin(2*np.pi*1.37*T + 0.4) + np.random.default_rng(2).normal(0, 0.2, T.size)


@pytest.mark.parametrize("dimensions", [1, 2, 9, 32, 33])
def test_points_are_sobols_as_scipy_has_them(dimensions):
    from scipy.stats import qmc
    points = sobol(300, dimensions)
    assert np.array_equal(points, qmc.Sobol(dimensions, scramble=False, bits=30).fast_forward(1).random(300))
    assert np.array_equal(points[:40], sobol(40, dimensions)) and points.min() > 0 and points.max() < 1


def test_points_of_ranges():
    places = {"even": (-1.0, 1.0), "decades": (1e-3, 10.0), "below": (-100.0, -1.0), "few": (1.0, 50.0)}
    found = multistart.points(places, 255)
    assert all(low < values.min() and values.max() < high for (low, high), values in zip(places.values(), found.values(), strict=True))
    # the medians of Sobol's first 2^k - 1 points are the middles: arithmetic, or geometric where the ends differ a hundredfold
    assert [float(np.median(values)) for values in found.values()] == pytest.approx([0, 0.1, -10, 25.5])
    assert multistart.centre((1e-3, 10.0)) == pytest.approx(0.1)
    huge = multistart.points({"a": (-1.7e308, 1.7e308)}, 7)["a"]
    assert np.isfinite(huge).all()


def residual(params):
    return params["A"]*np.sin(2*np.pi*params["f"]*T + params["p"]) - WAVE


def parameters(**f):
    params = gslfit.Parameters()
    params.add("A", 1.0, min=0)
    params.add("f", **f)
    params.add("p", min=0, max=2*np.pi)
    params.add("twice", expr="2*f")
    return params


@pytest.mark.parametrize("compiled", [False, True])
def test_minimize_without_a_start(compiled):
    params = parameters()
    out = gslfit.minimize(residual, params, ranges={"f": (0.1, 3)}, compiled=compiled)
    assert out.success and out.starts_tried == 100
    assert abs(params["f"].value - 1.37) < 4*params["f"].stderr and params["twice"].value == 2*params["f"].value
    assert out.minima[0].values == out.values and [each.chisqr for each in out.minima] == sorted(each.chisqr for each in out.minima)
    assert len(out.minima) > 2 and 0.1 < params["f"].init_value < 3
    right = parameters(value=1.37)
    right["p"].value = 0.4
    assert np.isclose(gslfit.minimize(residual, right).chisqr, out.chisqr, rtol=1e-9)


def test_the_same_each_time():
    one, two = (gslfit.minimize(residual, parameters(), starts=20, ranges={"f": (1, 2)}) for _ in range(2))
    assert one.values == two.values and one.minima == two.minima and one.nfev == two.nfev


def test_auto_and_the_start_that_is_given():
    params = parameters(value=1.36)
    params["p"].value = 0.3
    calm = gslfit.minimize(residual, params, starts="auto")
    assert calm.starts_tried == 1 and abs(params["f"].value - 1.37) < 4*params["f"].stderr
    params["f"].value = 0.2
    lost = gslfit.minimize(residual, params.copy())
    found = gslfit.minimize(residual, params, starts="auto", ranges={"f": (0.1, 3)})
    assert found.starts_tried == 100 and found.chisqr < lost.chisqr/5


@pytest.mark.parametrize("starts", [8, "auto"])
def test_evaluations_of_all_starts_count(starts):
    """nfev is how often the residual was called."""
    calls = []

    def counted(params):
        calls.append(1)
        return residual(params)
    out = gslfit.minimize(counted, parameters(value=0.9), starts=starts, ranges={"f": (0.1, 3)}, compiled=False)
    assert out.nfev == len(calls) > 10*out.starts_tried


def test_a_residual_that_fails_at_some_starts():
    def picky(params):
        if params["f"].value > 2:
            raise ValueError("too fast")
        return residual(params)
    assert gslfit.minimize(picky, parameters(), ranges={"f": (0.1, 3)}).success

    def never(params):
        raise ValueError("never")
    with pytest.raises(ValueError, match="never"):
        gslfit.minimize(never, parameters(), ranges={"f": (0.1, 3)})

    def broken(params):
        raise KeyError("a slip of the caller's")
    with pytest.raises(KeyError):
        gslfit.minimize(broken, parameters(), ranges={"f": (0.1, 3)})


def test_ends_of_rough_descents_are_gone_on_from():
    data, residual = nist.read("MGH10"), nist.residual("MGH10")      # no descent is at its end after 20 evaluations by parameter
    params = gslfit.Parameters()
    for name in data.names:
        params.add(name)
    ranges = {name: (value/3, value*3) for name, value in zip(data.names, data.certified, strict=True)}
    with np.errstate(over="ignore"):
        out = gslfit.minimize(lambda p: residual([p[name].value for name in data.names]), params, ranges=ranges, starts=12)
    assert out.success and np.isclose(out.chisqr, data.rss, rtol=1e-8)


def test_robust_loss():
    def spoilt(params):
        found = residual(params)
        found[::15] += 6
        return found
    out = gslfit.minimize(spoilt, parameters(), ranges={"f": (1, 2)}, starts=30, loss="soft_l1", f_scale=0.3)
    assert out.success and abs(out.values["f"] - 1.37) < 5*out.stderr["f"] and np.isclose(out.minima[0].chisqr, 2*out.cost)


def test_errors():
    with pytest.raises(ParameterError, match=r"'f'.*ranges=\{'f': \(LOW, HIGH\)\}"):
        gslfit.minimize(residual, parameters(), starts=5)
    params = parameters(value=1.0)
    params["p"].value = 0.1
    for method in ("anneal", "lbfgsb"):
        with pytest.raises(InputError, match="starts and ranges are for"):
            gslfit.minimize(residual, params, starts=5, method=method)
    with pytest.raises(InputError, match="'g'.*is no parameter"):
        gslfit.minimize(residual, params, ranges={"g": (0, 1)})
    free = gslfit.Parameters()
    free.add("a", 0.0)
    with pytest.raises(InputError, match="nowhere to place"):
        gslfit.minimize(lambda p: p["a"] - np.arange(3.), free, starts=5)


def test_starts_that_end_lower_without_a_minimum_are_told():
    """Chi-square falls for ever towards a valley's end, below the only minimum there is: the message says so."""
    def valley(p):
        a = p["a"].value
        return np.array([1, a - 1, .1] if a > 0 else [1/(1 - a), -1/(1 - a), .1])
    params = gslfit.Parameters()
    params.add("a", 2.)
    out = gslfit.minimize(valley, params, starts=10, ranges={"a": (-30, 30)})
    assert out.success and out.params["a"].value == pytest.approx(1) and out.chisqr == pytest.approx(1.01)
    low = [start for start in multistart.points({"a": (-30, 30)}, 10)["a"] if start < 0]
    assert f"{len(low)} of 10 starts ended lower, at no minimum" in out.message
