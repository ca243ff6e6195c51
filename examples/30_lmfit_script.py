"""A script for lmfit 1.3 with its import line changed: two overlapping peaks on a line, by a residual function and by models.

With real lmfit, ``import lmfit`` instead of the line below, it prints the same numbers.
"""
import numpy as np

from gslfit.compat import lmfit

x = np.linspace(0, 12, 241)
rng = np.random.default_rng(30)
y = (9*np.exp(-(x - 4.5)**2/(2*0.8**2)) + 5*np.exp(-(x - 7)**2/(2*1.1**2)) + 0.6 + 0.1*x + rng.normal(0, 0.15, x.size))

# -- a residual function of Parameters

params = lmfit.create_params(h1=dict(value=7, min=0), c1=4, w1=dict(value=1, min=0.1), h2=dict(value=4, min=0), gap=dict(value=3, min=0),
                             c2=dict(expr="c1 + gap"), w2=dict(value=1, min=0.1), base=0.5, slope=0)


def residual(params, x, data):
    """Model minus data."""
    p = params.valuesdict()
    peaks = p["h1"]*np.exp(-(x - p["c1"])**2/(2*p["w1"]**2)) + p["h2"]*np.exp(-(x - p["c2"])**2/(2*p["w2"]**2))
    return peaks + p["base"] + p["slope"]*x - data


fitter = lmfit.Minimizer(residual, params, fcn_args=(x, y))
result = fitter.minimize()
lmfit.report_fit(result, min_correl=0.5)
assert params["h1"].value == 7, "the start is left as it was"
assert abs(result.params["c2"].value - 7) < 5*result.params["c2"].stderr

print("\nConfidence, as differences from the best value:")
lmfit.report_ci(lmfit.conf_interval(fitter, result, p_names=["c1", "gap"]))

# -- the same by models

model = (lmfit.models.GaussianModel(prefix="a_") + lmfit.models.GaussianModel(prefix="b_") + lmfit.models.LinearModel(prefix="line_"))
start = model.make_params(a_amplitude=15, a_center=4, a_sigma=1, b_amplitude=10, b_center=7, b_sigma=1, line_slope=0, line_intercept=0.5)
fit = model.fit(y, start, x=x)
print(f"\nheights by models: {fit.params['a_height'].value:.4f} and {fit.params['b_height'].value:.4f}; R^2 = {fit.rsquared:.5f}")
assert abs(fit.params["a_height"].value - result.params["h1"].value) < 1e-5
assert abs(fit.chisqr/result.chisqr - 1) < 1e-9

# -- another method by its name

rough = lmfit.minimize(residual, params, method="nelder", args=(x, y), max_nfev=20_000)
print(f"Nelder-Mead: {rough.nfev} evaluations for chi-square {rough.chisqr:.5f}; least squares: {result.chisqr:.5f}")
