"""The main job on real data: two of NIST's certified sets, read as they come and fitted from the far start; then a million fits.

    make demo

Thurber (semiconductor electron mobility, 7 parameters, "higher" difficulty) and Chwirut1 (ultrasonic calibration, 3 parameters).
Nothing is tuned: default settings, a NumPy residual, no derivatives given. Each fit prints its report with the correlations, the
confidence intervals, and NIST's certified values beside the fitted ones with the digits in which they agree. Then the maps of a
simulated image, a decay in each of its 1000 x 1000 pixels. The pictures of both are in build/demo.
"""
import os
import sys
import time
from pathlib import Path

import nist
import numpy as np

import gslfit

os.environ.setdefault("MPLBACKEND", "Agg")          # pictures go to files
ENOUGH = 6  # digits in a parameter; the certified values have 11
SIDE = 1000  # pixels of the image
PICTURES = Path(__file__).parents[1] / "build" / "demo"


def fit(data):
    """Fit a data set's model from its first start."""
    model = nist.model(data.name)
    params = gslfit.Parameters()
    for name, start in zip(data.names, data.starts[0], strict=True):
        params.add(name, value=start)

    def residual(params, x, y):
        return model([params[name].value for name in data.names], x) - y

    return gslfit.minimize(residual, params, args=(data.x, data.y))


def comparison(data, params):
    """Give the fitted values and errors beside the certified ones as text, and the digits of the worst value and error."""
    fitted = np.array([params[name].value for name in data.names])
    errors = np.array([params[name].stderr for name in data.names])
    value_digits, error_digits = nist.digits(fitted, data.certified), nist.digits(errors, data.stderr)
    lines = [f"  {'':4s} {'fitted':>18s} {'certified':>18s} {'digits':>7s} {'std. error':>18s} {'certified':>18s} {'digits':>7s}"]
    lines += [f"  {name:4s} {value:18.10e} {sure:18.10e} {digits:7.1f} {error:18.10e} {sure_error:18.10e} {error_digit:7.1f}"
              for name, value, sure, digits, error, sure_error, error_digit
              in zip(data.names, fitted, data.certified, value_digits, errors, data.stderr, error_digits, strict=True)]
    return "\n".join(lines), value_digits.min(), error_digits.min()


def show(name):
    """Fit and print one data set; give the digits of the worst parameter."""
    data = nist.read(name)
    began = time.perf_counter()
    fitter = fit(data)
    took = time.perf_counter() - began
    intervals = gslfit.conf_interval(fitter)
    print(f"=== {name}: {data.y.size} points, {len(data.names)} parameters, level of difficulty: {data.level.lower()}")
    print(f"    y = {data.formula}\n")
    print(gslfit.fit_report(fitter))
    print("\n[[Confidence intervals]]")
    print(gslfit.ci_report(intervals))
    text, values, errors = comparison(data, fitter.params)
    print(f"\n[[Beside NIST's certified values]]\n{text}")
    print(f"  chi-square {fitter.chisqr:.10e}, certified {data.rss:.10e}")
    print(f"  worst parameter {values:.1f} digits, worst standard error {errors:.1f} digits; {fitter.nfev} calls, {1000 * took:.0f} ms\n")
    return values


def image():
    """Simulate an image of decays: times, the curve of each pixel (float32), and the decay time it was made with."""
    across = np.linspace(-1, 1, SIDE, dtype=np.float32)
    x, y = across[None], across[:, None]
    far = np.hypot(x, y)
    tau = 1.2 + 0.6*np.cos(9*far)*np.exp(-far**2) + 0.3*np.sin(5*np.arctan2(y, x))*far
    height = 2 + np.cos(3*x)*np.sin(2*y)
    t = np.linspace(0, 8, 32, dtype=np.float32)
    curves = height[..., None]*np.exp(-t/tau[..., None])
    curves += np.random.default_rng(1).standard_normal(curves.shape, dtype=np.float32)/20
    return t, curves, tau


def millions():
    """Fit the image, and save its maps."""
    t, curves, tau = image()
    began = time.perf_counter()
    maps = gslfit.fit_batch("A*exp(-x/tau)", curves, x=t, start={"A": 1, "tau": 1})
    took = time.perf_counter() - began
    pull = (maps.values["tau"] - tau)/maps.stderr["tau"]
    print(f"=== {curves[..., 0].size:,} decays of {t.size} points: {maps.success.sum():,} fitted in {took:.2f} s, with standard errors")
    print(f"    {np.mean(np.abs(pull) < 1):.1%} of the true decay times lie within one standard error (67.5% should: t for 30 degrees)\n")
    figure = maps.plot_maps(["A", "tau", "tau_stderr"])[0].figure
    figure.savefig(PICTURES / "maps.png", dpi=100)
    return bool(maps.success.all())


def picture(name):
    """Fit a data set by its formula, and save data, curve and residuals."""
    data = nist.read(name)
    result = gslfit.fit(nist.FORMULAS[name], data.y, x=data.x, start=dict(zip(data.names, data.starts[1], strict=True)))
    _, axes = result.plot(title=f"{name}, NIST", xlabel="x", ylabel="y")
    axes.figure.savefig(PICTURES / "fit.png", dpi=100)


def main():
    """Fit both sets and the image; complain when one does not agree with what is certified."""
    PICTURES.mkdir(parents=True, exist_ok=True)
    worst = min(show(name) for name in ("Thurber", "Chwirut1"))
    good = worst >= ENOUGH
    all_fitted = millions()
    picture("Thurber")
    agree = f"The parameters of both fits agree with NIST in at least {worst:.1f} digits."
    print(agree if good else f"Only {worst:.1f} digits agree with NIST.")
    print(f"Pictures: {PICTURES / 'fit.png'}, {PICTURES / 'maps.png'}")
    return 0 if good and all_fitted else 1


if __name__ == "__main__":
    sys.exit(main())
