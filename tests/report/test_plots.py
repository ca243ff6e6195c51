"""Pictures: what is drawn is what the fit found, for every kind of result and data."""
import inspect

import matplotlib

matplotlib.use("Agg")
import numpy as np
import pandas as pd
import pytest
import xarray as xr
from matplotlib import pyplot as plt
from matplotlib.collections import QuadMesh
from matplotlib.colors import to_rgb

import gslfit
from gslfit.errors import FitError, InputError, NoModelError
from gslfit.models import GaussianModel, LinearModel, Model
from gslfit.report import plots

X = np.linspace(0.1, 10, 61)
NOISE = np.random.default_rng(11).normal(0, 0.05, X.size)
DECAY = 2*np.exp(-X/3) + 0.3 + NOISE
START = {"A": 1.0, "tau": 1.0, "c": 0.0}
TEXT = "A*exp(-x/tau) + c"


@pytest.fixture(autouse=True)
def closed():
    """Close the figures of a test."""
    yield
    plt.close("all")


def single(y=DECAY, **kws):
    """Return one fit of a formula."""
    return gslfit.fit(TEXT, y, x=X, start=START, **kws)


def composite():
    """Return a fit of a peak on a line."""
    y = 3*np.exp(-(X - 4)**2/2) + 0.2*X + 1 + NOISE
    return (GaussianModel() + LinearModel()).fit(y, x=X)


def batch(shape=(4, 5), spoilt=True):
    """Return a batch of decays, one of them without numbers."""
    tau = np.linspace(1, 4, int(np.prod(shape))).reshape(shape)
    cube = 2*np.exp(-X/tau[..., None]) + 0.3 + np.random.default_rng(2).normal(0, 0.05, (*shape, X.size))
    if spoilt:
        cube[(1,)*len(shape)] = np.nan
    return gslfit.fit_batch(TEXT, cube, x=X, start=START)


def curve_of(ax):
    """Return points and values of the curve called the best fit."""
    line, = (line for line in ax.lines if line.get_label() == "best fit")
    return line.get_xdata(), line.get_ydata()


RESULTS = {"fit": single, "row": lambda: batch((3,))[0], "model": composite,
           "function": lambda: gslfit.fit(lambda x, A, tau, c: A*np.exp(-x/tau) + c, DECAY, x=X, start=START),
           "called": lambda: Model(lambda x, A, tau, c: A*np.exp(-np.asarray([float(v) for v in x])/tau) + c).fit(DECAY, x=X, **START)}


@pytest.mark.parametrize("kind", RESULTS)
def test_curve_and_residuals(kind):
    """The curve is the model on a fine grid, the points are the data, the band is that of eval_uncertainty, the residuals data - fit."""
    result = RESULTS[kind]()
    above, below = result.plot()
    at, values = curve_of(below)
    assert at.size == 500 and np.allclose(values, result.eval(x=at), rtol=1e-12)
    band = below.collections[0].get_paths()[0].vertices[:, 1]
    half = result.eval_uncertainty(x=at)
    assert band.max() == pytest.approx((values + half).max(), rel=1e-9)
    assert band.min() == pytest.approx((values - half).min(), rel=1e-9)
    drawn, = (line for line in above.lines if line.get_label() == "residuals")
    assert np.allclose(drawn.get_ydata(), np.asarray(result.data) - np.asarray(result.best_fit), rtol=1e-12, atol=1e-15)
    assert result.plot(ax=plt.subplots()[1]).lines                           # one axes: the fit alone
    pair = plt.subplots(2)[1]
    assert tuple(result.plot(ax=pair)) == tuple(pair)
    with pytest.raises(InputError, match="pair"):
        result.plot(ax=plt.subplots(3)[1])


def test_known_at_the_points_only():
    """A function that knows no points but the data's is drawn at these, in the order of x."""
    order = np.random.default_rng(1).permutation(X.size)
    x, y = X[order], DECAY[order]

    def decay(x, A, tau, c):
        if np.shape(x) != (X.size,):
            raise IndexError("other points")
        return A*np.exp(-np.array(x, dtype=object).astype(float)/tau) + c
    result = Model(decay).fit(y, x=x, **START)
    at, values = curve_of(result.plot_fit(sigma=0))
    assert np.array_equal(at, X) and np.allclose(values, result.best_fit[np.argsort(order)])


def test_points_left_out():
    """Where a point took no part there is a gap in data and residuals."""
    y = DECAY.copy()
    y[20:25] = np.nan
    above, below = single(y, nan_policy="omit", mask=X > 9).plot()
    for ax, label in ((above, "residuals"), (below, "data")):
        line, = (line for line in ax.lines if line.get_label() == label)
        gaps = np.isnan(np.asarray(line.get_ydata(), float))
        assert np.array_equal(gaps, np.isnan(y) | (X > 9))


def test_error_bars():
    """Weights are drawn as error bars, and those asked for instead; an infinite one is none."""
    errors = np.where(X > 9, np.inf, 0.05)
    ax = single(yerr=errors).plot_fit()
    segments = ax.containers[0].lines[2][0].get_segments()
    lengths = np.array([part[1, 1] - part[0, 1] for part in segments if len(part)])
    assert np.allclose(lengths[np.isfinite(lengths)], 0.1)
    assert single().plot_fit(yerr=0.2).containers[0].has_yerr


def test_names_and_units():
    """Axes are called what the containers call them."""
    at = ("t", X, {"units": "ns", "long_name": "delay"})
    data = xr.DataArray(DECAY, dims="t", coords={"t": at}, attrs={"units": "mV"}, name="signal")
    ax = gslfit.fit("A*exp(-t/tau) + c", data, x={"t": data.t}, start=START).plot_fit()
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("delay (ns)", "signal (mV)")
    series = pd.Series(DECAY, index=pd.Index(X, name="delay"), name="counts")
    ax = single(series).plot_fit()
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("delay", "counts")
    ax = single().plot_fit(xlabel="own", title="mine")
    assert (ax.get_xlabel(), ax.get_ylabel(), ax.get_title()) == ("own", "y", "mine")


def test_scales():
    """A logarithmic axis has the curve's points evenly on it."""
    at, _ = curve_of(single().plot_fit(xscale="log", yscale="log"))
    assert np.allclose(np.diff(np.log(at)), np.log(X[-1]/X[0])/499)
    above, below = single().plot(xscale="log")
    assert above.get_xscale() == below.get_xscale() == "log"


def test_components():
    """Components are those of a composite, or the terms of a formula's sum; their sum is the curve."""
    for result, names in ((composite(), ["gaussian", "linear"]), (single(), ["A * exp(-x / tau)", "c"])):
        ax = result.plot_components()
        _, values = curve_of(ax)
        lines = [line for line in ax.lines if line.get_label() in names]
        assert [line.get_label() for line in lines] == names
        assert np.allclose(sum(line.get_ydata() for line in lines), values, rtol=1e-12)
        assert result.eval_components().keys() == set(names)
    with pytest.raises(InputError, match="function"):
        RESULTS["function"]().plot_components()


def test_terms_of_a_formula():
    """The terms of a text sum to the formula, whatever the signs, the brackets and the lines before."""
    values = {"a": 1.5, "b": -2.0, "c": 0.25, "x": X}
    for text, count in (("a*x - (b + c*x) - -(x - a)", 5), ("u = a*x; u + b - u*c", 3), ("a*(x + b)", 1), ("-(a - x) + a - a", 4),
                        ("x - x", 2)):
        formula = gslfit.Formula(text)
        terms = formula.terms()
        assert len(terms) == count, text
        total = sum(term(**{name: values[name] for name in (*term.names, "x")}) for term in terms)
        assert np.allclose(total, formula(**{name: values[name] for name in (*formula.names, "x")}), rtol=1e-14, atol=1e-14), text
    assert list(gslfit.fit("a - a*x - a*x", 1 - X, x=X, a=1.0).eval_components()) == ["a", "-(a * x)", "-(a * x) (3)"]


def test_profiles():
    """A profile's limits are those of conf_interval, its heights standard deviations."""
    result = single()
    axes = result.plot_ci(sigmas=[1, 2])
    limits = result.conf_interval(sigmas=[1, 2])
    assert [ax.get_xlabel() for ax in axes] == ["A", "tau", "c"]
    for ax, name in zip(axes, result.var_names, strict=True):
        points = [line.get_xdata() for line in ax.lines]
        drawn = sorted(x[0] for x in points if len(x) == 2 and x[0] == x[1])
        wanted = [value for k, (_, value) in enumerate(limits[name]) if k != 2]
        half = abs(np.array(wanted) - result.params[name].value)
        assert (abs(np.array(drawn) - wanted) <= 1e-4*half).all()          # as near as both ways to them promise
        profile, = (line for line in ax.lines if line.get_label() == "profile")
        heights = np.interp(wanted, profile.get_xdata(), profile.get_ydata())
        assert np.allclose(heights, [2, 1, 1, 2], atol=0.02)
    axis, = result.plot_ci("tau")
    assert axis.get_xlabel() == "tau"
    with pytest.raises(InputError, match="no 'wrong'"):
        result.plot_ci(["wrong"])
    with pytest.raises(InputError, match="3 axes"):
        result.plot_ci(axes=plt.subplots(2)[1])
    with pytest.raises(InputError, match="sigmas"):
        result.plot_ci(sigmas=[-1])


def test_deviations():
    """Probabilities are turned into standard deviations and back."""
    for sigma in (0.5, 1.0, 2.0, 3.0, 6.0):
        from math import erf, sqrt
        assert plots.uncertainty.deviations(erf(sigma/sqrt(2))) == pytest.approx(sigma, rel=1e-6)
    assert np.isnan(plots.uncertainty.deviations(np.nan)) and np.isfinite(plots.uncertainty.deviations(1.0))


def test_region():
    """Of a linear fit the region is the ellipse of the covariance: its contour has the level's Mahalanobis distance."""
    result = gslfit.fit("a + b*x", 1 + 2*X + NOISE, x=X, a=1.0, b=1.0, yerr=0.05, scale_covar=False)
    ax = result.plot_ci2d("a", "b", sigmas=[1], nx=60, ny=60)
    path = ax.collections[-1].get_paths()[0].vertices
    away = path - [result.params["a"].value, result.params["b"].value]
    distance = np.einsum("ki,ij,kj->k", away, np.linalg.inv(result.covar), away)
    assert distance == pytest.approx(np.full(len(path), -2*np.log(1 - 0.6826894921)), rel=0.03)       # chi-square, 2 degrees of freedom


def test_correlations():
    """The table has every correlation, and a blank where there is none."""
    result = single()
    table = result.plot_correlation().images[0].get_array()
    assert table[0, 1] == pytest.approx(result.params["A"].correl["tau"]) and np.allclose(np.diag(table), 1)
    assert plots.plot_correlation(result, ["tau", "c"]).images[0].get_array().shape == (2, 2)
    flat = gslfit.fit("(a + b)*x + c", X, x=X, a=1.0, b=1.0, c=0.0, yerr=1.0)
    assert np.isnan(np.asarray(flat.plot_correlation().images[0].get_array().filled(np.nan))).any()


def test_without_a_model():
    """A residual function has profiles and correlations; of curves it is said that it has no model."""
    p = gslfit.Parameters()
    p.add_many(*START.items())
    fitted = gslfit.minimize(lambda p: p["A"]*np.exp(-X/p["tau"]) + p["c"] - DECAY, p)
    for thing in (fitted, fitted.result):
        assert len(thing.plot_ci(["A"])) == 1
        assert thing.plot_correlation() and thing.plot_ci2d("A", "tau", nx=3, ny=3)
        for name in ("plot", "plot_fit", "plot_residuals", "plot_components"):
            with pytest.raises(NoModelError, match="needs a model"):
                getattr(thing, name)()


def test_images():
    """A fit over two variables is an image with the model's contours, and its residuals beside it."""
    a, b = np.meshgrid(np.arange(20.0), np.arange(15.0))
    data = 5*np.exp(-((a - 9)**2 + (b - 7)**2)/8) + 1 + np.random.default_rng(5).normal(0, 0.2, a.shape)
    formula = gslfit.Formula("A*exp(-((x - p)**2 + (y - q)**2)/(2*s**2)) + c", ("x", "y"))
    result = gslfit.fit(formula, data, x={"x": a, "y": b}, start={"A": 3, "p": 8, "q": 8, "s": 3, "c": 0})
    above, below = result.plot()
    for ax, values in ((below, data), (above, data - result.best_fit)):
        mesh, = (each for each in ax.collections if isinstance(each, QuadMesh))
        assert np.allclose(np.asarray(mesh.get_array()).ravel(), values.ravel())
        assert (ax.get_xlabel(), ax.get_ylabel()) == ("x", "y")
    flat = gslfit.fit(formula, data.ravel(), x={"x": a.ravel(), "y": b.ravel()}, start={"A": 3, "p": 8, "q": 8, "s": 3, "c": 0})
    assert flat.plot_fit().collections
    three = gslfit.Formula("a*x + b*y + c*z", ("x", "y", "z"))
    with pytest.raises(InputError, match="x, y, z"):
        gslfit.fit(three, X, x={"x": X, "y": X**2, "z": X**3}, a=1, b=1, c=1).plot()


def test_maps():
    """A map holds the values, blank where a fit failed."""
    found = batch()
    axes = found.plot_maps()
    assert [ax.get_title() for ax in axes] == ["A", "tau", "c", "redchi"]
    image = axes[1].images[0].get_array()
    assert np.ma.getmaskarray(np.ma.masked_invalid(image))[1, 1] and np.array_equal(np.asarray(image)[0], found.values["tau"][0])
    assert [ax.get_title() for ax in found.plot_maps(["tau_stderr", "status"])] == ["tau_stderr", "status"]
    line, = batch((6,)).plot_maps("tau")
    assert line.get_xlabel() == "fit"
    deep = batch((2, 3, 4))
    with pytest.raises(InputError, match="index"):
        deep.plot_maps()
    assert np.array_equal(deep.plot_maps("tau", index=0)[0].images[0].get_array(), deep.values["tau"][0])
    with pytest.raises(InputError, match="no 'wrong'"):
        found.plot_maps("wrong")


def test_colours_of_maps_leave_outliers_out():
    """The colours cover 99 % of the good values."""
    numbers = np.r_[np.linspace(0, 1, 999), 1e9, np.nan]
    low, high = plots.batches.common_range(numbers)
    assert 0 <= low < 0.02 and 0.98 < high < 2
    assert plots.batches.common_range(np.array([np.nan])) is None
    assert plots.batches.common_range(np.array([3.0])) == (1.5, 4.5)


def test_histograms():
    """A histogram counts the good fits, and marks their median."""
    found = batch((40,), spoilt=False)
    for ax, name in zip(found.plot_hist(bins=7), ("A", "tau", "c"), strict=True):
        low, high = plots.batches.common_range(found.values[name])
        good = found.values[name][(found.values[name] >= low) & (found.values[name] <= high)]
        assert sum(patch.get_height() for patch in ax.patches) == good.size
        assert ax.lines[0].get_xdata()[0] == np.median(found.values[name])
    nothing = gslfit.fit_batch(TEXT, np.full((3, X.size), np.nan), x=X, start=START)
    assert nothing.plot_hist("tau")[0].texts[0].get_text() == "no good fit"
    for none in ([], np.empty((0, 40))):
        with pytest.raises(InputError, match="nothing to draw"):
            found.plot_hist(none)


def test_single_fits_of_a_batch():
    """The worst fits come first, those that failed not at all unless asked for."""
    found = batch((30,))
    order = np.argsort(-np.where(found.success, found.redchi, -np.inf))
    axes = found.plot_fits(worst=4)
    assert [int(ax.get_title().split(":")[0]) for ax in axes] == order[:4].tolist()
    axes = found.plot_fits(index=[1, 5])
    assert axes[0].get_title() == "1: BAD_DATA" and axes[1].get_title().startswith("5: ")
    assert len(batch((2,), spoilt=False).plot_fits()) == 2
    with pytest.raises(InputError, match="no fit"):
        gslfit.fit_batch(TEXT, np.full((3, X.size), np.nan), x=X, start=START).plot_fits()


def test_dark_ground():
    """Curves stand out from a dark ground as from a light one."""
    def contrast(ax):
        def luminance(colour):
            parts = [c/12.92 if c <= 0.03928 else ((c + 0.055)/1.055)**2.4 for c in to_rgb(colour)]
            return np.dot([0.2126, 0.7152, 0.0722], parts)
        ground, curve = luminance(ax.get_facecolor()), luminance(ax.lines[-1].get_color())
        return (max(ground, curve) + 0.05)/(min(ground, curve) + 0.05)
    assert contrast(single().plot_fit()) > 4.5                  # WCAG 2.1, 1.4.3
    with plt.style.context("dark_background"):
        assert contrast(single().plot_fit()) > 4.5


OWNERS = dict.fromkeys(["plot_maps", "plot_hist", "plot_fits"], gslfit.BatchResult) | {
    "plot_bootstrap": gslfit.BootstrapResult, "plot_shared": gslfit.SharedResult}


def test_every_picture_takes_axes():
    """Each function of the package has `ax=`, and all are methods of what they draw."""
    for name in plots.__all__:
        assert "ax" in inspect.signature(getattr(plots, name)).parameters, name
        owner = OWNERS.get(name, gslfit.FitResult)
        assert callable(getattr(owner, name))


def test_saved_without_data(tmp_path):
    """A batch read from a file has maps, and of its curves it is said that there are no data."""
    batch().save(tmp_path/"maps.npz")
    again = gslfit.BatchResult.load(tmp_path/"maps.npz")
    assert len(again.plot_maps()) == 4
    with pytest.raises(FitError, match="data"):
        again.plot_fits()


@pytest.mark.parametrize("name", ["datafmt", "fitfmt", "initfmt"])
def test_formats_are_texts(name):
    x = np.linspace(0, 1, 9)
    result = gslfit.fit("a*x + b", 2*x + 0.1*np.sin(9*x), x=x)
    for draw in (result.plot, result.plot_fit):
        with pytest.raises(FitError, match=f"{name} must be a text"):
            draw(**{name: np.inf})


@pytest.mark.parametrize("part", ["real", "imag", "abs", "angle"])
def test_error_bars_of_complex_data(part):
    """They are the errors of the part that is drawn: lmfit's where weights are real, and by parts where they are complex."""
    import lmfit

    from gslfit.compat import lmfit as compat
    rng = np.random.default_rng(4)
    x, w = np.linspace(0, 3, 20), rng.uniform(10, 30, 20)

    def wave(x, a, k, c):
        return a*np.exp((-k + 3j)*x) + c
    y = wave(x, 2.0, 0.4, 0.3) + rng.normal(0, 0.05, (2, 20)).T @ [1, 1j]

    def lengths(drawn):
        (ax,) = [each for each in (drawn if isinstance(drawn, tuple) else (drawn,)) if hasattr(each, "containers")]
        found = np.array(ax.containers[0].lines[2][0].get_segments())[:, :, 1]
        plt.close("all")
        return np.ptp(found, axis=1)/2
    start = {"x": x, "a": 2.0, "k": 0.4, "c": 0.3}
    theirs = lengths(lmfit.Model(wave).fit(y, weights=w, **start).plot_fit(parse_complex=part))
    for module in (gslfit, compat):
        result = module.Model(wave).fit(y, weights=w, **start)
        for draw in (result.plot_fit, result.plot_residuals):
            np.testing.assert_allclose(lengths(draw(parse_complex=part)), theirs, rtol=1e-9)
    v = rng.uniform(10, 30, 20)
    r = np.abs(y)
    expected = {"real": 1/w, "imag": 1/v, "abs": np.hypot(y.real/w, y.imag/v)/r, "angle": np.hypot(y.real/v, y.imag/w)/r**2}[part]
    both = gslfit.Model(wave).fit(y, weights=w + 1j*v, **start)
    np.testing.assert_allclose(lengths(both.plot_fit(parse_complex=part)), expected, rtol=1e-9)


@pytest.mark.parametrize("yerr", [0.1, [0.1], np.full(X.size, 0.1), np.full((2, 1), 0.1), np.full((2, X.size), 0.1), [[0.1]*X.size]])
def test_error_bars_of_every_shape(yerr):
    """Error bars are a number, one a point, or two a point."""
    fitted = gslfit.fit("a + b*x", X, x=X, a=1.0, b=1.0)
    bars = fitted.plot_fit(yerr=yerr).containers[0].lines[2][0].get_segments()
    np.testing.assert_allclose([np.diff(bar[:, 1])[0] for bar in bars], 0.2, rtol=1e-9)


def test_what_no_picture_is_drawn_into_is_told():
    """Error bars of another shape, and what is no axes and no figure, are told before anything is drawn."""
    fitted = gslfit.fit("a + b*x", X, x=X, a=1.0, b=1.0)
    for yerr in (np.ones(3), np.ones((3, X.size))):
        with pytest.raises(FitError, match=r"yerr has the shape .*, and there are"):
            fitted.plot(yerr=yerr)
    for draw in (fitted.plot, fitted.plot_fit, fitted.plot_residuals):
        with pytest.raises(FitError, match="ax must be axes of matplotlib, not 3"):
            draw(ax=3)
    with pytest.raises(FitError, match="fig must be a Figure of matplotlib, not 3"):
        fitted.plot(fig=3)
