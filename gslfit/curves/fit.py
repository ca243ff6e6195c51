"""`fit`: one formula and one curve, to the last digit.

The lanes fit it in microseconds. Then Gauss-Newton steps by QR (`gslfit.curves._polish`) take it down to rounding, and say whether the
lanes' answer was one. Where it was not, `minimize` fits it again from the start, by GSL's solvers with the program's exact derivatives, and
has the last word: it looks for a parameter that lost its effect, tries other methods, and says in words what it found.
"""
from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from math import isfinite, nan, sqrt
from typing import Any

import numpy as np

from gslfit.curves._batch import run
from gslfit.curves._polish import polish
from gslfit.curves.curve import Curve
from gslfit.curves.fit_batch import DEFAULTS, Job, count_threads, default_nfev, job_of, prepare, template, transform_of
from gslfit.errors import FitStatus, FitWarning, InputError
from gslfit.formula.formula import Formula
from gslfit.formula.parametrize import Folded
from gslfit.minimizer._descent import length
from gslfit.minimizer.minimizer import Minimizer
from gslfit.minimizer.result import FitResult
from gslfit.objective.objective import Objective
from gslfit.objective.residual import MODEL_MINUS_DATA, degrees_of_freedom
from gslfit.parameters.collection import Parameters

LONG = 500_000  # elements of a Jacobian above which the sums of the lanes, over so many points, are as good as a decomposition
ROUGHLY = "Converged: chi-square is at its minimum."
CONVERGED = "Converged: chi-square is at its minimum, and rounding allows no further step."


def fit(formula: Formula | str | Callable[..., Any], y: Any, params: Parameters | None = None, *, x: Any = None, yerr: Any = None,
        weights: Any = None, mask: Any = None, start: Mapping[str, Any] | None = None, method: str = "auto", xtol: float = 1e-8,
        ftol: float = 1e-8, gtol: float = 1e-8, max_nfev: int | None = None, nan_policy: str = "raise", threads: int | None = None,
        scale_covar: bool = True, **start_or_independent: Any) -> FitResult:
    """Fit a formula to one curve.

    Parameters
    ----------
    formula : Formula, str or callable
        A formula's text, a function of NumPy operations, or a `Formula`.
    y : array_like
        The data, all of one fit: (n,), or an image with x of the same shape. What numpy.ma masks takes no part.
    params : Parameters, optional
        Start values, bounds, expressions, and what is fixed; it is left as it is. Without it every parameter varies freely.
    x : array_like, shape (n,), or mapping of str to such
        The independent variable, or several.
    yerr, weights : array_like, shape () or (n,), optional
        Standard deviations of the data, or what multiplies model - data. An infinite error or a weight of 0 leaves its point out.
    mask : array_like of bool, optional
        True where a point takes no part, as numpy.ma has it.
    start : mapping of str to float, optional
        Start values, over those of `params`.
    method : {"auto", "lanes", "lmsder", "lmder", "trust"}
        "auto" polishes what the lanes found, and fits again by GSL's solvers what they left in doubt; the others are used alone.
    xtol, ftol, gtol : float
        As `fit_batch` has them; `minimize`, which fits what the lanes leave in doubt, takes them as its own.
    max_nfev : int, optional
        Most evaluations of the model.
    nan_policy : {"raise", "omit"}
        What a NaN or an infinity among the points that take part does.
    threads : int, optional
        How many threads a long curve takes; all cores, if not given.
    scale_covar : bool
        Multiply the covariance by the reduced chi-square.
    **start_or_independent
        Start values by name, and independent variables by name.

    Returns
    -------
    FitResult

    Raises
    ------
    InputError
        If shapes or names don't fit; the message names them.
    NonFiniteError
        If a number is NaN or infinite, and `nan_policy` doesn't allow that.

    Examples
    --------
    >>> t = np.linspace(0, 5, 40)
    >>> result = fit("A*exp(-t/tau)", 2*np.exp(-t/1.5), t=t, A=1.0, tau=1.0)
    >>> round(result.params["tau"].value, 12)
    1.5
    """
    job, given, options = prepare(formula, y, params, x, yerr, weights, mask, start, None, method, xtol, ftol, gtol, max_nfev, nan_policy,
                                  start_or_independent, whole=True)
    curve = Curve(job.formula, Objective(given, "omit" if nan_policy == "omit" else "raise"))
    if job.folded is None:
        warnings.warn(f"the fit calls Python for each evaluation: {job.reason}", FitWarning, stacklevel=2)
    return curve.conclude(fit_curve(job, curve, options, threads, scale_covar))


def fit_curve(job: Job, curve: Curve, options: dict[str, Any], threads: int | None = None, scale_covar: bool = True) -> FitResult:
    """Fit what is prepared; the residual of the result is that of the points that take part, in the sign of the objective.

    Raises
    ------
    InputError
        If there are fewer points than parameters.
    """
    if job.folded is None:
        return _by_minimize(job, curve, options, scale_covar)
    objective = curve.objective
    assert objective is not None
    if options["method"] == "auto" and objective.ndata < len(job.names):
        left = "" if objective.keep is None else f" of {objective.keep.size} that take part"
        raise InputError(f"{objective.ndata} points{left} can't determine {len(job.names)} parameters ({', '.join(job.names)})")
    return _by_lanes(job, job.folded, curve, options, threads, scale_covar)


def fit_points(curve: Curve, params: Parameters, *, max_nfev: int | None = None, scale_covar: bool = True) -> FitResult:
    """Fit a curve from parameters; see `fit_curve`."""
    job = job_of(curve.formula, params, {}, ())
    if job.folded is None:
        warnings.warn(f"the fit calls Python for each evaluation: {job.reason}", FitWarning, stacklevel=5)
    most = max_nfev if max_nfev is not None else default_nfev(job)
    return fit_curve(job, curve, {**DEFAULTS, "max_nfev": most, "limited": max_nfev is not None}, scale_covar=scale_covar)


def _by_lanes(job: Job, folded: Folded, curve: Curve, options: dict[str, Any], threads: int | None, scale_covar: bool) -> FitResult:
    """Fit by the engine, polish, and ask `minimize` in doubt."""
    objective, x = curve.objective, curve.points
    assert objective is not None
    p, n, y, weights = len(folded.names), objective.ndata, objective.y, objective.weights
    start = [float(job.start[name]) for name in folded.names]
    inputs = np.array([job.start[name] for name in folded.inputs], float) if folded.inputs else None
    v, numbers, counts, status = np.array(start), np.empty((2, 1)), np.empty((2, 1), np.int32), np.empty(1, np.int8)
    program, method = folded.program, options["method"]
    alone = method != "auto" or n * p > LONG  # there is no polish, which would know the errors
    how = checked(folded, v, alone) | ({"covariance": np.empty((1, p, p))} if alone else {})
    run(program, y[None], x, v[None], chisqr=numbers[0], nfev=counts[0], count=counts[1], status=status, weights=weights,
        inputs=() if inputs is None else list(inputs), method=method, xtol=options["xtol"], ftol=options["ftol"],
        gtol=options["gtol"], max_nfev=options["max_nfev"], threads=threads or count_threads(None, n * p), gradient=numbers[1], **how)
    evaluations, ended = counts.item(0), FitStatus(status.item())
    good = ended.success
    if method != "auto":
        found = objective.residual(program.evaluate(v, np.array(x), inputs, jacobian=False)[0])
        return _result(job, folded, v, found, *spread_of(how), start, evaluations, ended, ended.prose, scale_covar)
    if good and n * p > LONG:
        found = objective.residual(program.evaluate(v, np.array(x), inputs, jacobian=False)[0])
        return _result(job, folded, v, found, *spread_of(how), start, evaluations, ended, ROUGHLY, scale_covar)
    if good and n > p:
        found = np.empty_like(y)
        good, deviations, correlations, _, more = polish(program, v, x, y, weights, inputs, found)
        found, evaluations = objective.signed(found), evaluations + more
    if not good or n <= p or not folded.holds(v):
        return _by_minimize(job, curve, options, scale_covar)
    return _result(job, folded, v, found, deviations, correlations, start, evaluations, ended, CONVERGED, scale_covar)


def checked(folded: Folded, start: np.ndarray, errors: bool) -> dict[str, Any]:
    """What `bounds_of` gives, for starts that may lie outside their bounds: then they are named."""
    if not folded.holds(start):
        for name, value in zip(folded.names, start, strict=True):
            folded.check(name, value)
    return bounds_of(folded, start, errors)


def bounds_of(folded: Folded, start: np.ndarray, errors: bool = False) -> dict[str, Any]:
    """What `run` is to know of the bounds of one fit; nothing where there are none and standard errors are not wanted."""
    if not (folded.bounded or errors):
        return {}
    derived = len(folded.dependent_names)
    return {"transform": transform_of(folded), "start": list(start), "scaled": False,
            "redchi": np.empty(1), "variance": np.empty((1, len(start))), "derived": np.empty((1, derived)),
            "derived_errors": np.empty((1, derived))}


def spread_of(found: dict[str, Any]) -> tuple[np.ndarray, np.ndarray]:
    """Standard deviations and correlations of what has a deviation, from what `run` wrote."""
    deviations = found["variance"][0]
    with np.errstate(all="ignore"):
        return deviations, found["covariance"][0] / deviations / deviations[:, None]


def _result(job: Job, folded: Folded, values: np.ndarray, residual: np.ndarray, deviations: np.ndarray, correlations: np.ndarray,
            start: list[float], evaluations: int, status: FitStatus, message: str, scale_covar: bool) -> FitResult:
    """The result of a fit by the engine, from roots of the diagonal of (J^T J)^-1 and its correlations."""
    names, p = folded.names, len(folded.names)
    scale, n = 1.0, len(residual)
    if scale_covar:
        freedom = degrees_of_freedom(n, p)
        scale = length(residual) / sqrt(freedom) if freedom > 0 else nan
    spread = deviations * scale
    covariance, errors = correlations * spread * spread[:, None], spread.tolist()
    params = _with_values(job, folded, values.tolist(), errors, correlations, start)
    return FitResult(params=params, method="fit", success=status.success, errorbars=all(map(isfinite, errors)), message=message,
                     status=status, nfev=evaluations, var_names=list(names), residual=residual,
                     covar=covariance, init_vals=start)


class _Spread:
    """Standard errors and correlations of a fit's parameters, by name; correlations are worked out when somebody asks."""

    def __init__(self, names: tuple[str, ...], errors: list[float], derived: dict[str, float], correlations: np.ndarray):
        self.errors, self.correlations = dict(zip(names, errors, strict=True)), correlations
        self.derived = derived

    def __call__(self, name: str) -> tuple[float | None, dict[str, float] | None]:
        """The standard error of a parameter (None where it has none) and its correlations (None where it doesn't vary)."""
        own = self.errors.get(name)
        if own is None:
            return self.derived.get(name, 0.0), None
        row = self.correlations[list(self.errors).index(name)].tolist()
        found = dict(zip(self.errors, row, strict=True))
        return (own if own == own else None), {other: r for other, r in found.items() if other != name and r == r}


def _with_values(job: Job, folded: Folded, values: list[float], errors: list[float], correlations: np.ndarray,
                 start: list[float]) -> Parameters:
    """Parameters with the fit's outcome."""
    names = folded.names
    params = template(job).copy()
    found = dict(zip(names, values, strict=True))
    everything: dict[str, Any] = found
    derived: dict[str, float] = {}
    if len(params) > len(names):
        known = {*names, *folded.dependent_names}
        everything = {name: float(job.start[name]) for name in params if name not in known} | found
    if folded.dependent_names:
        for name, value, row in zip(folded.dependent_names, *folded.dependent(everything), strict=True):
            slope = np.array(row, float)
            used = np.flatnonzero(slope)
            everything[name] = float(value)
            parts = slope[used] * np.array(errors)[used]
            most = float(np.max(np.abs(parts), initial=0.0))
            share = parts / most if most > 0 else parts
            derived[name] = most * float(np.sqrt(max(share @ correlations[np.ix_(used, used)] @ share, 0.0)))
    began = everything | dict(zip(names, start, strict=True))
    if folded.dependent_names:
        began |= zip(folded.dependent_names, map(float, folded.dependent(began)[0]), strict=True)
    params.conclude(everything, began, _Spread(names, errors, derived, correlations))
    return params


def _by_minimize(job: Job, curve: Curve, options: dict[str, Any], scale_covar: bool) -> FitResult:
    """Fit by `minimize` from the start: a compiled residual where there is a program, else the formula itself."""
    params = template(job).copy()
    for name, value in job.start.items():
        if params[name].expr is None:
            params[name].value = float(value)
    how: dict[str, Any] = {"xtol": options["xtol"], "ftol": options["ftol"], "gtol": options["gtol"], "scale_covar": scale_covar}
    if options["limited"]:
        how["maxfev"] = options["max_nfev"]
    if curve.objective is not None and curve.objective.policy == "omit":
        how["nan_policy"] = "omit"
    function, exact = curve.residual(params, MODEL_MINUS_DATA)
    minimizer = Minimizer(function, params)
    minimizer.minimize("lmder" if options["method"] == "lmder" else "leastsq", **how, **exact)
    result, objective = minimizer.result, curve.objective
    assert result is not None
    assert objective is not None
    objective.leave_out(minimizer.left_in)
    if objective.sign != MODEL_MINUS_DATA:
        result.residual = objective.signed(result.residual)
        result.call_kws |= curve.residual(params)[1]
    return result
