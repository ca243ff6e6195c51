"""`fit_shared`: many data sets, some of whose parameters are the same in all of them."""
from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from gslfit.checks import choice, names_once
from gslfit.curves.job import response_of
from gslfit.formula.formula import Formula
from gslfit.minimizer.options import SHARED
from gslfit.objective.loss import scaled
from gslfit.parameters.collection import Parameters
from gslfit.shared.conclusion import concluded
from gslfit.shared.fitting import Fitting
from gslfit.shared.reading import read_sets
from gslfit.shared.result import SharedResult

BAD = ("omit", "raise")


@names_once(SHARED.starts)
@SHARED.entered
def fit_shared(model: Formula | str | Callable[..., Any] | Sequence[Any], y: Any, params: Parameters | None = None, *, x: Any = None,
               shared: str | Sequence[str] = (), yerr: Any = None, weights: Any = None, mask: Any = None,
               start: Mapping[str, Any] | None = None, bounds: Mapping[str, Any] | None = None, bad: str = "omit",
               max_nfev: int | None = None, nan_policy: str = "mark", threads: int | None = None, scale_covar: bool | None = None,
               loss: str = "linear", f_scale: float | str = 1.0, response: Any = None, response_centre: int = 0,
               response_shift: str | None = None, **start_or_independent: Any) -> SharedResult:
    """Fit data sets together, some of whose parameters are the same in all of them (global analysis).

    Time and memory are proportional to the number of data sets: the parameters that each has for itself are eliminated from the normal
    equations, and a small system is left for the shared ones. Values and errors are those of one fit of all parameters to all data.

    Parameters
    ----------
    model : Formula, str or callable, or list of such
        A formula's text, a function of NumPy operations, or a `Formula`; a list where data sets have formulas of their own.
    y : array_like, shape (m, n), or list of m arrays
        The data sets. A list may hold arrays of several lengths.
    params : Parameters, optional
        Start values, bounds, expressions of shared and local parameters, and what is fixed; left as it is. Without it every parameter
        varies freely.
    x : array_like, shape (n,) or (m, n), list of m arrays, or mapping of str to such, optional
        The independent variable, or several.
    shared : str or sequence of str
        The parameters that all data sets share; the others that vary belong to each data set.
    yerr, weights : array_like, shape (), (n,), (m, n), or list, optional
        Standard deviations of the data, or what multiplies model - data. An infinite error or a weight of 0 leaves its point out.
    mask : array_like of bool, or list of such, optional
        True where a point takes no part, as numpy.ma has it.
    start : mapping of str to float, or ndarray of shape (m,), optional
        Start values: one for all data sets, or one for each. A parameter that the formula is linear in needs none.
    bounds : mapping of str to (low, high), optional
        Bounds, over those of `params`: numbers, or arrays of shape (m,); None where there is none.
    bad : {"omit", "raise"}
        What a data set does that can't be fitted: it is left out, with its status and NaN, and the message says so; or InputError.
    max_nfev : int, optional
        Most evaluations of all data sets.
    nan_policy : {"mark", "omit", "raise"}
        What a NaN or an infinity among the points does: make its data set one that can't be fitted, leave its point out, or raise.
    threads : int, optional
        How many threads to use; all cores for many data, if not given.
    scale_covar : bool, optional
        Multiply the covariance by the reduced chi-square; if not given, that is done unless `loss` is "poisson". The errors of robust
        losses need no scale.
    loss : {"linear", "soft_l1", "huber", "cauchy", "arctan", "tukey", "poisson"}
        What is minimised: least squares; a robust loss of the weighted residuals, by SciPy's names, and Tukey's biweight; or the
        deviance of counts.
    f_scale : float
        About where a weighted residual begins to be an outlier.
    response : array_like, shape (k,) or (m, k), optional
        A measured response, that of all data sets or of each, which the model is folded with, on the even spacing of x, as it is:
        nothing is normalised. At point i the model is ``sum(response[j]*model[i + response_centre - j] for j in range(k))``, and
        nothing outside of the points of x, that is ``numpy.convolve(model, response)[response_centre:response_centre + n]``; it is folded
        before points are left out. The formula compiles, and has one independent variable, the same for all data sets.
    response_centre : int
        The place in `response` that stands for no delay; 0: the response comes after the light.
    response_shift : str, optional
        A parameter that moves the response along x, by so much, between its numbers on straight lines; it starts at 0, if no start is
        given.
    **start_or_independent
        Start values by name, and independent variables by name.

    Returns
    -------
    SharedResult

    Raises
    ------
    InputError
        If shapes or names don't fit; the message names them.

    Examples
    --------
    >>> import numpy as np
    >>> t = np.linspace(0, 5, 40)
    >>> traces = np.array([[2.0], [3.0], [1.0]])*np.exp(-t/1.5) + np.array([[0.1], [0.2], [0.3]])
    >>> result = fit_shared("A*exp(-t/tau) + c", traces, t=t, shared="tau", tau=1.0)
    >>> result.values["tau"].round(6), result.values["A"].round(6)
    (np.float64(1.5), array([2., 3., 1.]))
    """
    options = SHARED.read({"max_nfev": max_nfev, "nan_policy": nan_policy, "threads": threads, "scale_covar": scaled(scale_covar, loss),
                           "loss": loss, "f_scale": f_scale})
    sets, options = read_sets(options, model, y, params, shared, {"x": x, "yerr": yerr, "weights": weights, "mask": mask}, start, bounds,
                              start_or_independent, response_of(response, response_centre, response_shift))
    fitting = Fitting(sets, options, choice("bad", bad, BAD))
    fitting.run()
    return concluded(fitting)
