"""The main job on real data: two of NIST's certified sets, read as they come and fitted from the far start.

    make demo

Thurber (semiconductor electron mobility, 7 parameters, "higher" difficulty) and Chwirut1 (ultrasonic calibration, 3 parameters).
Nothing is tuned: default settings, a NumPy residual, no derivatives given. Each fit prints its report with the correlations, the
confidence intervals, and NIST's certified values beside the fitted ones with the digits in which they agree.
"""
import sys
import time

import nist
import numpy as np

import gslfit

ENOUGH = 6  # digits in a parameter; the certified values have 11


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


def main():
    """Fit both sets; complain when one does not agree with what is certified."""
    worst = min(show(name) for name in ("Thurber", "Chwirut1"))
    good = worst >= ENOUGH
    print(f"Both fits agree with NIST in at least {worst:.1f} digits." if good else f"Only {worst:.1f} digits agree with NIST.")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
