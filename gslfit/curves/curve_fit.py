"""SciPy's `curve_fit`, its call and what it returns, on gslfit's solvers.

Where the function is a formula, or traces to one, its program runs; else the function is called, and GSL's solver does the rest.
"""
from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Sequence
from functools import lru_cache, partial
from types import FunctionType
from typing import TYPE_CHECKING, Any, Literal, cast, overload

import numpy as np

from gslfit.checks import truth
from gslfit.curves.fit import fit_read
from gslfit.curves.scipy_answers import by_scipy, infodict, none_of, pcov_of
from gslfit.curves.scipy_options import (
    UNBOUNDED,
    check_number_of_points,
    check_policy,
    check_sizes,
    check_words,
    fit_options,
    limits,
    start_values,
)
from gslfit.data.covariance import Covariance, whitened
from gslfit.data.labels import labels_of, paired
from gslfit.data.numbers import Reading, read
from gslfit.data.points import as_mask, check_factors, finite_points, union
from gslfit.errors import ExpressionError, InputError, InputTypeError, NonFiniteError
from gslfit.formula.formula import Formula
from gslfit.formula.parametrize import fold
from gslfit.minimizer.options import FIT
from gslfit.objective.residual import residual
from gslfit.parameters.collection import Parameters

if TYPE_CHECKING:
    from numpy.typing import NDArray

Function = Formula | str | Callable[..., Any]


@overload
def curve_fit(f: Function, xdata: Any, ydata: Any, p0: Any = ..., sigma: Any = ..., absolute_sigma: bool = ...,
              check_finite: bool | None = ..., bounds: Any = ..., method: str | None = ..., jac: Any = ..., *,
              full_output: Literal[False] = ..., nan_policy: str | None = ..., mask: Any = ...,
              **kwargs: Any) -> tuple[NDArray[np.float64], NDArray[np.float64]]: ...
@overload
def curve_fit(f: Function, xdata: Any, ydata: Any, p0: Any = ..., sigma: Any = ..., absolute_sigma: bool = ...,
              check_finite: bool | None = ..., bounds: Any = ..., method: str | None = ..., jac: Any = ..., *,
              full_output: Literal[True], nan_policy: str | None = ..., mask: Any = ...,
              **kwargs: Any) -> tuple[NDArray[np.float64], NDArray[np.float64], dict[str, Any], str, int]: ...


def curve_fit(f: Function, xdata: Any, ydata: Any, p0: Any = None, sigma: Any = None,
              absolute_sigma: bool = False, check_finite: bool | None = None, bounds: Any = UNBOUNDED,
              method: str | None = None, jac: Any = None, *, full_output: bool = False, nan_policy: str | None = None, mask: Any = None,
              **kwargs: Any) -> tuple:
    """Fit a function to data: the call and the return values of `scipy.optimize.curve_fit`.

    Parameters
    ----------
    f : callable, Formula or str
        ``f(x, a, b, ...)``.
    xdata : array_like, shape (n,) or (k, n), or any object
        The independent variable, or k of them, which `f` then takes as one array. Anything else (shape (n, k), grids, a dict, a DataFrame,
        None) is handed to `f` as it is, a list or tuple of numbers as an array; `f` is called then, and not compiled.
    ydata : array_like, shape (n,)
        The data, as many as `f` returns. A single number stands for every point.
    p0 : array_like, shape (p,), optional
        Start values; if not given, 1 for each, or the middle of its bounds, and the best ones beside these for what f is linear in.
    sigma : float or array_like, shape (n,) or (n, n), optional
        Standard deviations of the data, or their covariance. A point of infinite sigma counts in the degrees of freedom, as in SciPy.
    absolute_sigma : bool
        Whether `sigma` holds standard deviations as they are; else the covariance of the parameters is scaled by the reduced chi-square.
    check_finite : bool, optional
        Raise for a NaN or an infinity in the data; True unless `nan_policy` is given.
    bounds : tuple of array_like, or scipy.optimize.Bounds
        Lowest and highest values.
    method : {"lm", "trf", "dogbox"}, optional
        Accepted and ignored: the solver is gslfit's.
    jac : callable or str, optional
        ``jac(x, a, b, ...)``, shape (n, p): called where `f` has no program. Where it has one, that one's own derivatives are exact, and
        `jac` is not called. A name of SciPy's differences is accepted.
    full_output : bool
        Return ``infodict``, ``mesg`` and ``ier`` too.
    nan_policy : {"raise", "omit"}, optional
    mask : array_like of bool, shape (n,), optional
        True where a point takes no part. What numpy.ma masks takes none either. A Series or DataArray has the labels of `ydata`, or is an
        error; `xdata` and `sigma` are paired by position, as SciPy does it.
    **kwargs
        ``maxfev`` or ``max_nfev``, ``ftol``, ``xtol``, ``gtol``; ``loss`` and ``f_scale``, as `gslfit.fit` has them: the covariance of a
        robust loss is SciPy's here, that of counts Fisher's. What else SciPy takes is checked and left aside.

    Returns
    -------
    popt : ndarray, shape (p,)
    pcov : ndarray, shape (p, p)
        Infinite, with a warning that is a `FitWarning` and SciPy's `OptimizeWarning`: the whole of it where the data don't determine a
        parameter, or aren't more than there are parameters; the row and the column of a parameter that ended at its bound, and the
        others have theirs as with that one held; those of a parameter whose variance is below 2e-308 or above 2e308, which is no number
        of double precision (of data near 1e-200): `fit` has its standard error.
    infodict : dict
        If `full_output`: ``nfev`` and ``fvec``; by "lm", and without bounds, ``fjac``, ``ipvt`` (from 0) and ``qtf`` too.
    mesg : str
        If `full_output`.
    ier : int
        If `full_output`: 1 to 4 for success.

    Raises
    ------
    ConvergenceError
        If there is no minimum; a RuntimeError, as SciPy's.
    InputError
        If arguments don't fit; a ValueError, as SciPy's.

    Examples
    --------
    >>> t = np.linspace(0, 5, 40)
    >>> popt, pcov = curve_fit(lambda t, a, tau: a*np.exp(-t/tau), t, 2*np.exp(-t/1.5))
    >>> popt.round(6)
    array([2. , 1.5])
    """
    options = fit_options(kwargs)
    loss = options.get("loss", "linear")
    check_words(method, jac, bounds, loss)
    check_policy(nan_policy)
    data = read("ydata", ydata)
    whole = None
    if not isinstance(f, (str, Formula)) and callable(f):
        from gslfit.curves.whole_x import OfWhole, finite_rows, rows_of, whole_x
        whole = whole_x(xdata, data.array.size)
    if whole is not None:
        starred, called = _arguments(cast("Callable[..., Any]", f), p0)
        f = called = OfWhole(called, whole, starred)
        xdata, each = called.points(data.array, start_values(p0, *limits(bounds, len(called.names)), called.names))
        data = data._replace(array=each)
    y, x, keep = _points(data, xdata, mask, check_finite, nan_policy)
    if whole is not None and _looks(check_finite, nan_policy):
        keep &= finite_rows(whole, y.size, nan_policy == "omit")
    formula, variables = _formula(f, x, p0)
    names = formula.names
    without = _without_effect(formula)
    check_number_of_points(names, y.size)
    check_sizes(kwargs, len(names))
    low, high = limits(bounds, len(names))
    start = start_values(p0, low, high, names)
    if nan_policy == "omit" and np.ndim(sigma) > 1:     # a covariance is decomposed without the rows of points that are left out
        keep = _without_poles(formula, variables, start, keep)
    if loss == "poisson" and sigma is not None:
        raise InputError('loss="poisson" takes no sigma: the errors of counts follow from the model')
    deviations, whiten = _sigma(sigma, y.size, keep)
    if not keep.all():
        y, x, variables = y[keep], x[..., keep], [part[keep] for part in variables]
        check_number_of_points(names, y.size)
    given = _real(jac) if callable(jac) and not formula.native else None
    direct = whiten is None and given is None and (loss == "linear" or formula.native)
    solved = tuple(name for name in _linear(formula) if name not in without) if p0 is None and formula.native and direct else ()
    free = bounds is UNBOUNDED or not (np.isfinite(low).any() or np.isfinite(high).any())
    params = None if direct and free and not without and formula.defaults.keys().isdisjoint(solved) else _parameters(
        names, start, low, high, solved)
    for name in without:
        assert params is not None
        params[name].set(value=float(start[names.index(name)]), vary=False)     # as SciPy leaves it
    own_slopes = None
    if direct:
        told = FIT.defaults._replace(scale_covar=False, nan_policy="omit" if nan_policy == "omit" else "raise", **options)
        points = dict(zip(formula.independent, variables, strict=True))
        values = zip(names, start.tolist(), strict=True)
        own = {name: value for name, value in values if name not in solved} if params is None else None
        # SciPy's curve_fit calls the function always, and nobody is told
        result, popt = fit_read(told, formula, y, params, points, deviations, None, None, own, {}, tell=False)
        popt = np.array([result.params[name].value for name in names]) if without else popt
    else:
        if nan_policy == "omit" and whiten is None:
            options["nan_policy"] = "omit"
        assert params is not None
        own_slopes = None if given is None else partial(given, x) if whole is None else rows_of(partial(given, whole.x), keep)
        result = _by_calls(formula, variables, y, params, _weigh(deviations, whiten), own_slopes, options)
        popt = np.array([result.params[name].value for name in names])
    idle = None if deviations is None or given is not None else np.isinf(deviations)
    at_bound = (popt <= low) | (popt >= high)
    spread = None
    if result.loss is not None and result.loss.robust and result.success and not without:
        rows = _weigh(deviations, whiten)(_slopes(formula, variables, popt.tolist(), own_slopes))
        spread = by_scipy(result, rows, at_bound)
    pcov = pcov_of(result, names, at_bound, idle, absolute_sigma, spread) if not without else none_of(result, without, formula)
    if solved and np.isinf(pcov).all():
        popt = _as_started(formula, variables, popt, start, solved)
    if not truth("full_output", full_output):
        return popt, pcov
    slopes = None
    if method == "lm" or (method is None and free):           # what MINPACK says beyond the others
        slopes = _weigh(deviations, whiten)(_slopes(formula, variables, popt.tolist(), own_slopes))
        if not direct and nan_policy == "omit":               # that fit is without the points where the model isn't finite
            slopes = slopes[_without_poles(formula, variables, popt, np.ones(y.size, bool))]
    return popt, pcov, infodict(result, idle, slopes), result.message, result.ier


def _without_effect(formula: Formula) -> tuple[str, ...]:
    """Return the parameters that a formula does not depend on; none where it doesn't compile."""
    try:
        return fold(formula, None, idle=True).idle if formula.native else ()
    except ExpressionError:
        return ()


def _as_started(formula: Formula, variables: list[np.ndarray], popt: np.ndarray, start: np.ndarray, solved: Collection[str]) -> np.ndarray:
    """Return values with SciPy's start in place of those that a linear fit gave parameters without effect."""
    slopes = formula.jacobian(*variables, **dict(zip(formula.names, popt.tolist(), strict=True)))
    idle = ~np.any(slopes, axis=0) & np.array([name in solved for name in formula.names])
    return np.where(idle, start, popt)


def _linear(formula: Formula) -> tuple[str, ...]:
    """Return the parameters that a formula is linear in, all together; none where it doesn't compile."""
    try:
        return fold(formula, None).linearity.together()
    except ExpressionError:
        return ()


def _parameters(names: Sequence[str], start: np.ndarray, low: np.ndarray, high: np.ndarray, solved: Collection[str]) -> Parameters:
    """Return Parameters with starts and bounds; those in `solved` get their start from the data."""
    params = Parameters()
    for name, value, least, most in zip(names, start, low, high, strict=True):
        params.add(name, None if name in solved else value, min=None if np.isinf(least) else least, max=None if np.isinf(most) else most)
    return params


def _points(data: Reading, xdata: Any, mask: Any, check_finite: bool | None,
            nan_policy: str | None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return data, independent variables and which points take part; raise NonFiniteError for one that isn't finite, if asked to."""
    variables = read("xdata", xdata)
    y, x = np.ravel(data.array).astype(float), variables.array.astype(float)
    if y.size == 0:
        raise InputError("ydata is empty")
    if x.shape[-1:] != y.shape:
        raise InputError(f"xdata has the shape {x.shape} and ydata {y.shape}: the last axis of both must hold the points")
    masks = [None if data.mask is None else data.mask.ravel(), None if mask is None else _mask(mask, data).ravel()]
    masks += [] if variables.mask is None else list(variables.mask.reshape(-1, y.size))
    out = union(y.shape, masks)
    named = [("ydata", y), *(("xdata", row) for row in x.reshape(-1, y.size))]
    try:
        keep = finite_points(named, nan_policy or "raise", out) if _looks(check_finite, nan_policy) else None if out is None else ~out
    except NonFiniteError as error:        # in SciPy's words first
        refused = "The input contains nan values" if nan_policy else "array must not contain infs or NaNs"
        raise NonFiniteError(f"{refused}: {error}") from None
    return y, x, np.ones(y.shape, bool) if keep is None else keep


def _mask(mask: Any, data: Reading) -> np.ndarray:
    """Return the caller's mask in the shape of the data; its labels, if it has any, must be those of the data."""
    own = None if type(mask) is np.ndarray or data.labels is None else labels_of(mask)
    array = np.asarray(mask)
    if own is not None:     # SciPy pairs xdata, ydata and sigma by position, and has no mask
        array = paired("mask", array, own, "ydata", data.labels, by_label=False, points=tuple(range(data.array.ndim)))
    return as_mask(array, data.array.shape)


def _looks(check_finite: bool | None, nan_policy: str | None) -> bool:
    """Return whether data that aren't finite are looked for."""
    return check_finite is None or truth("check_finite", check_finite) or nan_policy is not None


def _formula(f: Formula | str | Callable[..., Any], x: np.ndarray, p0: Any) -> tuple[Formula, list[np.ndarray]]:
    """Return the formula of a function, and the independent variables that it takes."""
    if isinstance(f, str):
        f = Formula(f)
    if isinstance(f, Formula):
        rows = list(x) if x.ndim == 2 else [x]
        if len(rows) != len(f.independent):
            raise InputError(f"{f!r} has {len(f.independent)} independent variables, and xdata {len(rows)} rows")
        return f, rows
    if not callable(f):
        raise InputTypeError(f"f is {type(f).__name__}, not a function, Formula or text")
    names, f = _arguments(f, p0)
    if x.ndim == 1:
        return Formula(f, names=names), [x]
    return _of_rows(f, len(x), names), list(x)


def _arguments(f: Callable[..., Any], p0: Any) -> tuple[tuple[str, ...] | None, Callable[..., Any]]:
    """Return names for the parameters of a function of ``*args``, and the function with its keyword-only arguments as they are.

    As SciPy has it, parameters are what can be given by position, as many as p0 has; ``*args`` take what p0 has beyond the others.
    """
    if (type(f) is FunctionType and not f.__dict__ and not f.__kwdefaults__ and not f.__code__.co_flags & inspect.CO_VARARGS
            and (p0 is None or not f.__defaults__)):
        return None, f           # the signature of all others takes longer to read than the rest of the call
    try:
        arguments = list(inspect.signature(f).parameters.values())
    except (TypeError, ValueError):
        if p0 is None:
            return None, f       # the formula says what is wrong
        arguments = [inspect.Parameter("args", inspect.Parameter.VAR_POSITIONAL)]
    arguments = arguments[:getattr(f, "nin", None)]           # a ufunc's further arguments say how it is to be called
    by_position = [argument for argument in arguments if argument.kind in (argument.POSITIONAL_ONLY, argument.POSITIONAL_OR_KEYWORD)]
    fixed = {argument.name: argument.default for argument in arguments
             if argument.kind is argument.KEYWORD_ONLY and argument.default is not argument.empty}
    starred = any(argument.kind is argument.VAR_POSITIONAL for argument in arguments)
    beyond = by_position[1 + np.size(p0):] if p0 is not None and not starred else []
    if all(argument.kind is argument.POSITIONAL_OR_KEYWORD and argument.default is not argument.empty for argument in beyond):
        fixed |= {argument.name: argument.default for argument in beyond}
    f = partial(f, **fixed) if fixed else f
    if not starred:
        return None, f
    if p0 is None:
        raise InputError("the number of parameters of a function of *args is not known: give p0")
    named = len(by_position) - 1
    if named < 0:                # the first of *args is the independent variable
        f = _first_apart(f)
    return tuple(f"p{k}" for k in range(max(0, np.size(p0) - max(named, 0)))), f


def _first_apart(f: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function of *args as one of x and *args."""
    def of_x(x: Any, *args: Any) -> Any:
        return f(x, *args)

    of_x.__name__ = getattr(f, "__name__", type(f).__name__)
    return of_x


def _of_rows(f: Callable[..., Any], count: int, names: tuple[str, ...] | None) -> Formula:
    """Return the formula of a function that takes all independent variables as one array, a row each."""
    from gslfit.formula.trace import signature
    form = signature(f, None, names)
    rows = tuple(f"x{k}" for k in range(count)) if not {f"x{k}" for k in range(count)} & set(form.names) else \
        tuple(f"row_{k}" for k in range(count))

    def of_rows(*args: Any) -> Any:
        given = args[:count]
        whole = np.array(given) if all(isinstance(row, np.ndarray) for row in given) else given
        return f(whole, *args[count:], **form.options)

    of_rows.__name__ = getattr(f, "__name__", "f")
    of_rows.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [inspect.Parameter(name, inspect.Parameter.POSITIONAL_ONLY) for name in (*rows, *form.names)])
    return Formula(of_rows, rows)


def _sigma(sigma: Any, n: int, keep: np.ndarray) -> tuple[np.ndarray | None, np.ndarray | None]:
    """Return standard deviations, or the Cholesky factor of a covariance, of the points that take part."""
    if sigma is None:
        return None, None
    array = read("sigma", sigma).array.astype(float)
    if array.shape in ((), (1,), (n,)):
        wide = np.broadcast_to(array, (n,))[keep]
        check_factors("sigma", array if array.size == 1 else np.where(keep, array, 1.0))
        return wide, None
    if array.shape != (n, n):
        raise InputError(f"sigma has incorrect shape: it is {array.shape}, and a number, ({n},) or ({n}, {n}) is needed")
    return None, Covariance("sigma", array).factor(keep)


def _without_poles(formula: Formula, variables: list[np.ndarray], start: np.ndarray, keep: np.ndarray) -> np.ndarray:
    """Return which of the points that take part do so still without those where the model isn't finite at the start values."""
    with np.errstate(all="ignore"):
        values = formula(*(part[keep] for part in variables), **dict(zip(formula.names, start.tolist(), strict=True)))
    left = keep.copy()
    left[keep] = np.isfinite(values)
    return left


def _weigh(deviations: np.ndarray | None, factor: np.ndarray | None) -> Callable[[np.ndarray], np.ndarray]:
    """Return what makes residuals (n) and Jacobians (n, p) those of errors of size 1: division, or a covariance's Cholesky factor."""
    if factor is not None:
        return lambda array: whitened(factor, array)
    return lambda array: array if deviations is None else (array.T / deviations).T


def _by_calls(formula: Formula, variables: list[np.ndarray], y: np.ndarray, params: Parameters, weigh: Callable[[np.ndarray], np.ndarray],
              jac: Callable[..., Any] | None, options: dict[str, Any]) -> Any:
    """Return the fit of a function that is called, with the caller's derivatives, or of one with correlated errors."""
    from gslfit.minimizer.minimizer import Minimizer

    points = dict(zip(formula.independent, variables, strict=True))

    def values(p: Parameters) -> dict[str, Any]:
        return {**points, **{name: p[name].value for name in formula.names}}

    def weighed(p: Parameters) -> np.ndarray:
        return weigh(residual(formula(**values(p)), y))

    asked = lru_cache(maxsize=1)(lambda *at: np.asarray(jac(*at), float)) if jac else None    # not twice in a row for the same values

    def slopes(p: Parameters) -> np.ndarray:
        if asked is None:
            return weigh(formula.jacobian(**values(p)))
        found = asked(*(p[name].value for name in formula.names)).copy()
        if found.shape != (y.size, len(formula.names)):
            raise InputError(f"jac returned the shape {found.shape}, and {(y.size, len(formula.names))} is needed: a row for each point")
        return weigh(found)

    minimizer = Minimizer(weighed, params)
    exact = {"jac": slopes} if formula.native or jac is not None else {}
    minimizer.leastsq(scale_covar=False, **options, **exact)
    return minimizer.result


def _real(jac: Callable[..., Any]) -> Callable[..., Any]:
    """Return the caller's derivatives as a function that refuses complex ones."""
    from gslfit.minimizer.jacobian import real_slopes
    complaint = f"{getattr(jac, '__name__', 'jac')} returned complex derivatives, and f is real: return real ones"
    return lambda *values: real_slopes(jac(*values), complaint)


def _slopes(formula: Formula, variables: list[np.ndarray], popt: list[float], jac: Callable[..., Any] | None) -> np.ndarray:
    """Return the derivatives of a function at the end of its fit: the caller's, exact ones, or by differences."""
    if jac is not None:
        return np.asarray(jac(*popt), float)
    if formula.native:
        return formula.jacobian(*variables, **dict(zip(formula.names, popt, strict=True)))
    from scipy.optimize import approx_fprime

    def curve(p: Any, /) -> Any:
        return np.ravel(formula(*variables, **dict(zip(formula.names, p.tolist(), strict=True))))
    return np.reshape(approx_fprime(np.array(popt), curve), (variables[0].size, len(popt)))
