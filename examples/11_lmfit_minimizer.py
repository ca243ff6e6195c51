"""The fitting function of the lmfit 0.5 manual (section 3.2) in a Minimizer (section 3.5), by each engine (section 3.3), with fixed noise.

Then a wave that doesn't decay, whose chi-square has a valley for every frequency: the local engines end in one that isn't the lowest, and
simulated annealing, which the manual says did not work in its day, finds the one that is.
"""
import numpy as np
from numpy import exp, pi, sign, sin

from gslfit import Minimizer, Parameter, Parameters


def residual(pars, x, data=None):
    """Model minus data; the model alone without data."""
    # unpack parameters:
    # extract .value attribute for each parameter
    amp = pars["amp"].value
    period = pars["period"].value
    shift = pars["shift"].value
    decay = pars["decay"].value

    if abs(shift) > pi/2:
        shift = shift - sign(shift)*pi

    if abs(period) < 1.e-10:
        period = sign(period)*1.e-10

    model = amp * sin(shift + x/period) * exp(-x*x*decay*decay)

    if data is None:
        return model
    return model - data


truth = Parameters()
truth.add_many(("amp", 14.0), ("period", 2.2), ("shift", 0.123), ("decay", 0.032))
x = np.linspace(0, 30, 301)
noise = np.random.default_rng(2)
data = residual(truth, x) + 0.3*noise.normal(size=x.size)


def compare(title, function, start, **arguments):
    """Fit by each engine from the same start."""
    print(title)
    for engine in ("leastsq", "lbfgsb", "anneal"):
        fitter = Minimizer(function, start(), **arguments)
        getattr(fitter, engine)()
        values = ", ".join(f"{name} {par.value:.4f}" for name, par in fitter.params.items())
        print(f"  {engine:8s} chi-square {fitter.chisqr:9.3f}  {fitter.nfev:6d} evaluations  {values}")


def start():
    """Start values, the period as a Parameter put in by key."""
    params = Parameters()
    params.add("amp", value=13.0)
    params["period"] = Parameter(value=2, min=1.e-10)
    params.add("shift", value=0.1)
    params.add("decay", value=0.03)
    return params


myfit = Minimizer(residual, start(), fcn_args=(x,), fcn_kws={"data": data})
myfit.prepare_fit()
init = residual(myfit.params, x)
print(f"chi-square at the start: {np.sum((init - data)**2):.1f}")
compare("the decaying wave", residual, start, fcn_args=(x,), fcn_kws={"data": data})

tone = np.sin(2*x + 0.5) + 0.2*noise.normal(size=x.size)


def wave(params):
    """Model minus data for a wave that doesn't decay."""
    return np.sin(params["omega"]*x + params["phase"]) - tone


def far_away():
    """Return a frequency far off, within generous bounds."""
    params = Parameters()
    params.add("omega", value=3.1, min=0.5, max=10)
    params.add("phase", value=0.0, min=-pi, max=pi)
    return params


compare("the wave that doesn't decay", wave, far_away)
