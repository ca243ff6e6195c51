"""A user's script, as ``mypy --strict`` is to read it: what is assigned to a name of a type has that type, and nothing is Any.

It is checked by tests/project/test_typing.py and run as it is.
"""
from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

import gslfit
from gslfit import BatchResult, FitResult, FitStatus, Minimizer, ModelResult, Parameter, Parameters
from gslfit.models import ExponentialModel, GaussianModel, LinearModel, Model

x: NDArray[np.float64] = np.linspace(0, 10, 50)
y: NDArray[np.float64] = 3*np.exp(-x/2) + 0.5 + 0.01*np.sin(40*x)

# parameters
params = Parameters()
params.add("a", value=1.0, min=0)
params.add("tau", value=1.0)
params.add("c", value=0.0)
one: Parameter = params["a"]
value: float = params["a"].value
error: float | None = params["a"].stderr
correlations: dict[str, float] | None = params["a"].correl
total: float = value + params["tau"].value
params["a"].value = 2
values: dict[str, float] = params.valuesdict()


# a residual, minimised
def residual(p: Parameters, x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the difference of a decay and data."""
    return p["a"]*np.exp(-x/p["tau"]) + p["c"] - y


fitted: Minimizer = gslfit.minimize(residual, params, args=(x, y))
chisqr: float = fitted.chisqr
good: bool = fitted.success
report: str = fitted.fit_report() + gslfit.fit_report(fitted)

# a formula, fitted
result: FitResult = gslfit.fit("a*exp(-x/tau) + c", y, x=x, a=1.0, tau=1.0, c=0.0)
status: FitStatus = result.status
message: str = result.message
tau: float = result.params["tau"].value
spread: float | None = result.stderr["tau"]
evaluations: int = result.nfev
covariance: NDArray[np.float64] | None = result.covar
line: NDArray[np.float64] = result.best_fit
elsewhere: NDArray[np.float64] = result.eval(x=np.linspace(0, 20, 5))
band: NDArray[np.float64] = result.eval_uncertainty()
again: Minimizer = result.minimizer
curve: NDArray[np.float64] = gslfit.Formula("a*x + b")(x, a=1.0, b=2.0)

# intervals
intervals: gslfit.ConfidenceIntervals = gslfit.conf_interval(result, sigmas=[0.95])
lowest: tuple[float, float] = result.conf_interval(["tau"])["tau"][0]
both, trace = fitted.conf_interval(["tau"], trace=True)
limit: float = both["tau"][0][1]
points: NDArray[np.float64] = trace["tau"]["prob"]

of_rows: gslfit.BatchIntervals = gslfit.fit_batch("a*exp(-x/tau)", y[None], x=x, a=1.0, tau=1.0).conf_interval(sigmas=[0.95])
contours: dict[float, list[NDArray[np.float64]]] = gslfit.confidence_contours(result, "a", "tau", levels=[0.95])

# resampling
scattered: gslfit.BootstrapResult = result.bootstrap(100, "pairs", seed=1)
share: NDArray[np.float64] = scattered.values["tau"]
low, high = scattered.percentile(0.9)["tau"]
left_out: gslfit.JackknifeResult = gslfit.jackknife(result)

# models
model = GaussianModel(prefix="g_") + LinearModel(prefix="l_")
start: Parameters = model.make_params(g_amplitude=5.0, g_center=4.0, g_sigma=1.0, l_slope=0.0, l_intercept=1.0)
fit: ModelResult = Model("a*exp(-x/tau) + c").fit(y, x=x, a=1.0, tau=1.0, c=0.0)
best: float = fit.params["a"].value
reduced: float = fit.redchi
names: list[str] = fit.var_names
bound: float = fit.conf_interval()["a"][0][1]
drawn: NDArray[np.float64] = fit.best_fit
begun: NDArray[np.float64] = fit.init_fit
further: NDArray[np.float64] = fit.eval(x=np.array([0.5, 1.5]))
width: NDArray[np.float64] = fit.eval_uncertainty()
parts: dict[str, NDArray[np.float64]] = fit.eval_components()
own: Model = fit.model
firsts: list[Model] = model.components
seconds: list[Model] = fit.components
copied: Model = own.copy()
peak: GaussianModel = GaussianModel().copy(prefix="p_")
guess: Parameters = GaussianModel().guess(y, x=x)
shape: NDArray[np.float64] = GaussianModel().eval(guess, x=x)
decay = ExponentialModel().fit(y - 0.5, x=x, amplitude=3.0, decay=2.0)
criterion: float = decay.aic

# a batch
batch: BatchResult = gslfit.fit_batch("a*exp(-x/tau) + c", np.stack([y, y]), x=x, a=1.0, tau=1.0, c=0.0)
many: BatchResult = Model("a*exp(-x/tau) + c").fit_batch(np.stack([y, y]), x=x, a=1.0, tau=1.0, c=0.0)
taus: NDArray[np.float64] = batch.values["tau"]
row: FitResult = batch[1]
first: float = row.params["tau"].value
lines: NDArray[np.float64] = batch.best_fit()
one_line: NDArray[np.float64] = row.best_fit

# SciPy's call
popt, pcov = gslfit.curve_fit(lambda t, a, tau, c: a*np.exp(-t/tau) + c, x, y, p0=[1.0, 1.0, 0.0])
best_values: NDArray[np.float64] = popt
variances: NDArray[np.float64] = pcov
ending: int = gslfit.curve_fit("a*exp(-x/tau) + c", x, y, p0=[1.0, 1.0, 0.0], full_output=True)[4]
