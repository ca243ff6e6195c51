"""NIST's Gauss1 with bounds and expressions: two peaks on a decay, the second placed by its distance from the first.

The bounds keep the widths positive, `distance` replaces the second position, `b7`, which becomes an expression, and the areas of
the peaks are expressions too. None of it moves the minimum, so NIST's certified values and standard deviations still hold: b7's
error is propagated from those of b4 and distance with their correlation.
"""
import nist
import numpy as np

import gslfit

data = nist.read("Gauss1")
model = nist.model("Gauss1")

params = gslfit.Parameters()
params.add("b1", value=97.0, min=0)
params.add("b2", value=0.009, min=0, max=1)
params.add("b3", value=100.0)
params.add("b4", value=65.0, min=50, max=80)
params.add("b5", value=20.0, min=0)
params.add("b6", value=70.0)
params.add("b7", expr="b4 + distance")
params.add("b8", value=16.5, min=0)
params.add("distance", value=113.0, min=60, max=200)
params.add("area1", expr="b3*b5*sqrt(pi)")
params.add("area2", expr="b6*b8*sqrt(pi)")


def residual(params, x, y):
    """Model minus data."""
    return model([params[name].value for name in data.names], x) - y


fitter = gslfit.minimize(residual, params, args=(data.x, data.y))
print(fitter.message)
print(f"{'':8s} {'value':>14s} {'std. error':>12s}   digits of both against NIST's")
for name, certified, stderr in zip(data.names, data.certified, data.stderr, strict=True):
    parameter = params[name]
    digits = nist.digits([parameter.value, parameter.stderr], [certified, stderr])
    print(f"{name:8s} {parameter.value:14.8f} {parameter.stderr:12.8f}   {digits[0]:.1f} {digits[1]:.1f}  {parameter.expr or ''}")
for name in ("distance", "area1", "area2"):
    print(f"{name:8s} {params[name].value:14.8f} {params[name].stderr:12.8f}            {params[name].expr or ''}")

covar = np.asarray(fitter.covar)
i, j = fitter.var_names.index("b4"), fitter.var_names.index("distance")
print(f"b7's error from the covariance by hand: {np.sqrt(covar[i, i] + covar[j, j] + 2 * covar[i, j]):.8f}")
