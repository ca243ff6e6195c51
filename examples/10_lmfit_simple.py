"""The simple example of the lmfit 0.5 manual (section 2.4): a decaying wave, one parameter held, with fixed noise.

Fitted twice: as printed there, and with the held parameter set free and bounded, as section 2.1 does it.
"""
import numpy as np
from numpy import exp, sin

from gslfit import Parameters, minimize, report_fit

x = np.linspace(0, 20, 201)
data = 7*sin(2.9*x + 0.4)*exp(-0.007*x*x) + 0.2*np.random.default_rng(7).normal(size=x.size)


def residual(params, x, data=None):
    """Return data minus model."""
    amp = params["amp"].value
    shift = params["phase_shift"].value
    omega = params["omega"].value
    decay = params["decay"].value

    model = amp * sin(x * omega + shift) * exp(-x*x*decay)

    return data - model


params = Parameters()
params.add("amp", value=10)
params.add("decay", value=0.007, vary=False)
params.add("phase_shift", value=0.2)
params.add("omega", value=3.0)

result = minimize(residual, params, args=(x, data))

print(result.chisqr)
print("Best-Fit Values:")
for name, par in params.items():
    print(f" {name} = {par.value:.4f} +/- {par.stderr:.4f} ")

params["decay"].vary = True
params["decay"].set(min=0, max=0.10)
result = minimize(residual, params, args=(x, data))
print()
report_fit(result)
