"""`fit`: one formula and one curve, to the last digit; `gslfit.curves.pipeline` says how."""
from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from gslfit.checks import names_once
from gslfit.curves.curve import Curve
from gslfit.curves.job import NO_RESPONSE, FormulaLike, prepare, response_of, template
from gslfit.curves.pipeline import FitPlan, LazyResult, blaming_priors, fit_curve
from gslfit.errors import warn
from gslfit.formula.formula import Formula
from gslfit.minimizer.options import FIT, FitOptions
from gslfit.minimizer.result import FitResult
from gslfit.objective.loss import Loss, scaled
from gslfit.objective.objective import Objective
from gslfit.parameters.collection import Parameters


@names_once(FIT.starts)
@FIT.entered
def fit(formula: Formula | str | Callable[..., Any], y: Any, params: Parameters | None = None, *, x: Any = None, yerr: Any = None,
        weights: Any = None, mask: Any = None, start: Mapping[str, Any] | None = None, method: str = "auto", xtol: float = 1e-8,
        ftol: float = 1e-8, gtol: float = 1e-8, max_nfev: int | None = None, nan_policy: str = "raise", threads: int | None = None,
        scale_covar: bool | None = None, loss: str = "linear", f_scale: float | str = 1.0, ycov: Any = None,
        prior: Mapping[str, Any] | None = None, starts: int | str | None = None, ranges: Mapping[str, tuple[float, float]] | None = None,
        response: Any = None, response_centre: int = 0, response_shift: str | None = None,
        **start_or_independent: Any) -> FitResult:
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
        Start values, over those of `params`. A parameter that the formula is linear in needs none.
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
    scale_covar : bool, optional
        Multiply the covariance by the reduced chi-square; if not given, that is done unless `loss` is "poisson". The errors of robust
        losses need no scale.
    loss : {"linear", "soft_l1", "huber", "cauchy", "arctan", "tukey", "poisson"}
        What is minimised: least squares; a robust loss of the weighted residuals, by SciPy's names, and Tukey's biweight; or the
        deviance of counts.
    f_scale : float or "mad"
        About where a weighted residual begins to be an outlier; "mad" takes it from the residuals themselves.
    ycov : array_like, shape (n, n), optional
        The covariance of the data's errors, in place of `yerr`; the residual is that of independent errors of size 1 then.
    prior : mapping of str to (float, float), optional
        What is known beforehand: of a parameter, or an expression of parameters, the mean and the standard deviation. The errors of the
        data must be known: `yerr`, `ycov`, `weights` with ``scale_covar=False``, or counts.
    starts : int or "auto", optional
        How many starts are tried, side by side in the lanes: roughly, the best of them to the end, the lowest to the last digit. A start
        that is given is the first; the others are Sobol's points over `ranges`, or else between a parameter's bounds; where no parameter
        has either, from a tenth to ten times its start. The points are the same each time. What the formula is linear in begins where it
        fits best beside the others, unless it has a range. "auto": 100 of them where a first fit is in doubt: without success, without
        errors, at a bound, with a chi-square that known errors make improbable (below 1e-6), or residuals that are no white noise
        (Bartlett's test, 1e-4). `minima` of the result has all that was found; `nfev` counts all evaluations.
    ranges : mapping of str to (float, float), optional
        Where starts are placed, by parameter; they are no bounds. A parameter that has a range needs no start. In the logarithm where both
        ends have one sign and differ a hundredfold. Without `starts`: 100 of them.
    response : array_like, shape (k,), optional
        A measured response, that the model is folded with, on the even spacing of x and as it is: nothing is normalised. At point i
        the model is ``sum(response[j]*model[i + response_centre - j] for j in range(k))``, and nothing outside of the points of x, that
        is ``numpy.convolve(model, response)[response_centre:response_centre + n]``; it is folded before points are left out. The formula
        compiles, and has one independent variable.
    response_centre : int
        The place in `response` that stands for no delay; 0: the response comes after the light.
    response_shift : str, optional
        A parameter that moves the response along x, by so much, between its numbers on straight lines; it starts at 0, if no start is
        given.
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
    >>> import numpy as np
    >>> t = np.linspace(0, 5, 40)
    >>> result = fit("A*exp(-t/tau)", 2*np.exp(-t/1.5), t=t, A=1.0, tau=1.0)
    >>> round(result.params["tau"].value, 12)
    1.5
    >>> result = fit("A*sin(2*pi*f*t)", np.sin(2*np.pi*1.37*t), t=t, ranges={"f": (0.1, 3)})
    >>> round(result.params["f"].value, 12)
    1.37
    """
    options = FIT.read({"method": method, "xtol": xtol, "ftol": ftol, "gtol": gtol, "max_nfev": max_nfev, "nan_policy": nan_policy,
                        "threads": threads, "scale_covar": scaled(scale_covar, loss), "loss": loss,
                        "f_scale": f_scale, "starts": starts, "ranges": ranges})
    return fit_read(options, formula, y, params, x, yerr, weights, mask, start, start_or_independent, ycov=ycov, prior=prior,
                    scale_covar=scale_covar, response=response_of(response, response_centre, response_shift))[0]


def fit_read(options: FitOptions, formula: FormulaLike, y: Any, params: Parameters | None, x: Any, yerr: Any, weights: Any, mask: Any,
             start: Mapping[str, Any] | None, keywords: Mapping[str, Any], tell: bool = True,
             ycov: Any = None, prior: Any = None, scale_covar: Any = None,
             response: tuple[Any, Any, Any] = NO_RESPONSE) -> tuple[FitResult, np.ndarray]:
    """Fit as `fit` does, from options that were read; return the result, and the values of what varies in the order of the Parameters.

    `tell` is whether a formula that must be called is worth a warning.
    """
    job, given, options = prepare(FIT, options, formula, y, params, x, yerr, weights, mask, start, None, keywords, whole=True,
                                  ycov=ycov, prior=prior, scale_covar=scale_covar, response=response)
    loss = None if options.loss == "linear" else Loss(options.loss)
    in_lanes, counts = job.folded is not None and given.ycov is None, loss is not None and not loss.robust
    objective = Objective(given, "omit" if options.nan_policy == "omit" else "raise", loss=loss if in_lanes or counts else None)
    curve = Curve(job.formula, objective)
    whole = curve.extended()            # by the priors, where there are any
    if whole is not curve:
        from gslfit.curves.fit_priors import extended_job
        job = extended_job(job, whole.formula, ())
    if job.folded is None and tell:
        warn(f"the fit calls Python for each evaluation: {job.reason}")
    own = template(job) if params is None else template(job).copy()      # the result may ask for them after the caller changed his
    plan = FitPlan(job.formula, own, job.folded, {name: float(value) for name, value in job.start.items()})

    def fit_from(plan: FitPlan) -> LazyResult | FitResult:
        if loss is None or not in_lanes:
            return fit_curve(plan, whole, options)
        from gslfit.curves.fit_by_loss import fit_by_loss
        return fit_by_loss(plan, whole, options)
    blaming = blaming_priors(fit_from, given.prior, loss is not None)
    if options.several:
        from gslfit.curves.multistart import from_many
        found: LazyResult | FitResult = from_many(plan, whole, options, job.several(options), blaming)
    else:
        found = blaming(plan)
    if whole is not curve:
        assert whole.objective is not None
        objective.follow(whole.objective)
    if isinstance(found, FitResult):
        return curve.conclude(found), np.array([found.params[name].value for name in plan.names])
    return curve.conclude(found.result()), found.v
