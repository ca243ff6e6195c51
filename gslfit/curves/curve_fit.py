"""SciPy's `curve_fit`, its call and what it returns, on gslfit's solvers.

Where the function is a formula, or traces to one, its program runs; else the function is called, and GSL's solver does the rest.
"""
from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Sequence
from functools import partial
from types import FunctionType
from typing import TYPE_CHECKING, Any, Literal, cast, overload

import numpy as np

from gslfit.checks import choice, shown, truth
from gslfit.curves.fit import fit_read
from gslfit.curves.whole_x import OfWhole, finite_rows, rows_of, whole_x
from gslfit.data.numbers import Reading, floats, read
from gslfit.data.points import as_mask, check_factors, finite_points, union
from gslfit.errors import ConvergenceError, ExpressionError, InputError, InputTypeError, warn
from gslfit.formula.formula import Formula
from gslfit.formula.parametrize import fold
from gslfit.formula.trace import signature
from gslfit.minimizer.options import CURVE_FIT, FIT, SYNONYMS
from gslfit.objective.residual import degrees_of_freedom, residual
from gslfit.parameters.collection import Parameters

if TYPE_CHECKING:
    from numpy.typing import NDArray

IGNORED = frozenset(("epsfcn", "factor", "diag", "x_scale", "tr_solver", "tr_options", "diff_step", "verbose", "col_deriv", "jac_sparsity"))


UNBOUNDED = -np.inf, np.inf
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
        True where a point takes no part. What numpy.ma masks takes none either.
    **kwargs
        ``maxfev``, ``ftol``, ``xtol``, ``gtol``.

    Returns
    -------
    popt : ndarray, shape (p,)
    pcov : ndarray, shape (p, p)
        Infinite, with a warning, in the row and the column of a parameter that has no error, since it ended at its bound or the data don't
        determine it; the others have theirs as with that one held.
    infodict : dict
        ``nfev`` and ``fvec``, if `full_output`.
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
    options = _options(kwargs)
    _check_words(method, jac, bounds)
    data = read("ydata", ydata)
    whole = None if isinstance(f, (str, Formula)) or not callable(f) else whole_x(xdata, data.array.size)
    if whole is not None:
        starred, called = _arguments(cast("Callable[..., Any]", f), p0)
        f = called = OfWhole(called, whole, starred)
        xdata, each = called.points(data.array, _start(p0, *_bounds(bounds, len(called.names)), called.names))
        data = data._replace(array=each)
    y, x, keep = _points(data, xdata, mask, check_finite, nan_policy)
    if whole is not None and _looks(check_finite, nan_policy):
        keep &= finite_rows(whole, y.size, nan_policy == "omit")
    formula, variables = _formula(f, x, p0)
    names = formula.names
    low, high = _bounds(bounds, len(names))
    start = _start(p0, low, high, names)
    if nan_policy == "omit" and np.ndim(sigma) > 1:     # a covariance is decomposed without the rows of points that are left out
        keep = _without_poles(formula, variables, start, keep)
    deviations, whiten = _sigma(sigma, y.size, keep)
    if not keep.all():
        y, x, variables = y[keep], x[..., keep], [part[keep] for part in variables]
    if len(names) > y.size:
        raise InputTypeError(f"{y.size} points can't determine {len(names)} parameters: the number of points must be at least that")
    given = jac if callable(jac) and not formula.native else None
    direct = whiten is None and given is None
    solved = _linear(formula) if p0 is None and formula.native and direct else ()
    free = bounds is UNBOUNDED or not (np.isfinite(low).any() or np.isfinite(high).any())
    params = None if direct and free and formula.defaults.keys().isdisjoint(solved) else _parameters(names, start, low, high, solved)
    if direct:
        told = FIT.defaults._replace(scale_covar=False, nan_policy="omit" if nan_policy == "omit" else "raise", **FIT.checked(options))
        points = dict(zip(formula.independent, variables, strict=True))
        values = zip(names, start.tolist(), strict=True)
        own = {name: value for name, value in values if name not in solved} if params is None else None
        # SciPy's curve_fit calls the function always, and nobody is told
        result, popt = fit_read(told, formula, y, params, points, deviations, None, None, own, {}, tell=False)
    else:
        if nan_policy == "omit" and whiten is None:
            options["nan_policy"] = "omit"
        assert params is not None
        weigh = _weigh(deviations, whiten)
        slopes = None if given is None else partial(given, x) if whole is None else rows_of(partial(given, whole.x), keep)
        result = _by_calls(formula, variables, y, params, weigh, slopes, options)
        popt = np.array([result.params[name].value for name in names])
    idle = None if deviations is None or given is not None else np.isinf(deviations)
    return _returned(result, popt, names, idle, absolute_sigma, full_output)


def _check_words(method: Any, jac: Any, bounds: Any) -> None:
    """Raise InputError for a method or a name of differences that SciPy doesn't have, or a method that knows no bounds."""
    if method is not None:
        choice("method", method, ("lm", "trf", "dogbox"))
    if method == "lm" and bounds is not UNBOUNDED and any(np.isfinite(limit).any() for limit in _pair(bounds)):
        raise InputError("method='lm' is for fits without bounds; leave it out, or say 'trf' or 'dogbox'")
    if isinstance(jac, str):
        choice("jac", jac, ("2-point", "3-point", "cs"))


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
    if nan_policy is not None and (not isinstance(nan_policy, str) or nan_policy not in ("raise", "omit")):
        raise InputError(f"nan_policy={shown(nan_policy)} is neither 'raise' nor 'omit'")
    variables = read("xdata", xdata)
    y, x = np.ravel(data.array).astype(float), variables.array.astype(float)
    if y.size == 0:
        raise InputError("ydata is empty")
    if x.shape[-1:] != y.shape:
        raise InputError(f"xdata has the shape {x.shape} and ydata {y.shape}: the last axis of both must hold the points")
    masks = [None if data.mask is None else data.mask.ravel(), None if mask is None else as_mask(mask, data.array.shape).ravel()]
    masks += [] if variables.mask is None else list(variables.mask.reshape(-1, y.size))
    out = union(y.shape, masks)
    named = [("ydata", y), *(("xdata", row) for row in x.reshape(-1, y.size))]
    keep = finite_points(named, nan_policy or "raise", out) if _looks(check_finite, nan_policy) else None if out is None else ~out
    return y, x, np.ones(y.shape, bool) if keep is None else keep


def _looks(check_finite: bool | None, nan_policy: str | None) -> bool:
    """Return whether data that aren't finite are looked for."""
    return check_finite is None or truth("check_finite", check_finite) or nan_policy is not None


def _options(kwargs: dict[str, Any]) -> dict[str, Any]:
    """Return SciPy's options by gslfit's names."""
    found = {}
    for name, value in kwargs.items():
        own = SYNONYMS.get(name, name)
        if own in CURVE_FIT.takes:
            if value is not None and (own != "max_nfev" or truth(name, value)):      # SciPy's 0 evaluations are as many as it likes
                found[own] = value
        elif name == "loss" and not (isinstance(value, str) and value == "linear"):
            raise InputError(f"loss={shown(value)}: only least squares are here, loss='linear'")
        elif name not in IGNORED and name not in ("loss", "args"):
            raise InputTypeError(f"curve_fit has no option {name!r}")
    return found


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

    As SciPy has it, parameters are what can be given by position, and ``*args`` take what p0 has beyond them.
    """
    if type(f) is FunctionType and not f.__dict__ and not f.__kwdefaults__ and not f.__code__.co_flags & inspect.CO_VARARGS:
        return None, f           # the signature of all others takes longer to read than the rest of the call
    try:
        arguments = list(inspect.signature(f).parameters.values())
    except (TypeError, ValueError):
        if p0 is None:
            return None, f       # the formula says what is wrong
        arguments = [inspect.Parameter("args", inspect.Parameter.VAR_POSITIONAL)]
    fixed = {argument.name: argument.default for argument in arguments
             if argument.kind is argument.KEYWORD_ONLY and argument.default is not argument.empty}
    f = partial(f, **fixed) if fixed else f
    if not any(argument.kind is argument.VAR_POSITIONAL for argument in arguments):
        return None, f
    if p0 is None:
        raise InputError("the number of parameters of a function of *args is not known: give p0")
    named = sum(argument.kind in (argument.POSITIONAL_ONLY, argument.POSITIONAL_OR_KEYWORD) for argument in arguments) - 1
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


def _pair(bounds: Any) -> Any:
    """Return lowest and highest values, of SciPy's Bounds too."""
    return (bounds.lb, bounds.ub) if hasattr(bounds, "lb") else bounds


def _bounds(bounds: Any, p: int) -> tuple[np.ndarray, np.ndarray]:
    """Return lowest and highest values, each (p)."""
    if bounds is UNBOUNDED:
        return np.full(p, -np.inf), np.full(p, np.inf)
    try:
        low, high = (np.broadcast_to(floats("bounds", limit), (p,)) for limit in _pair(bounds))
    except (TypeError, ValueError):
        raise InputError(f"bounds must be two of {p} numbers each: (lowest, highest)") from None
    if np.any(low >= high):
        raise InputError(f"each lower bound must be below the upper one: {low.tolist()} and {high.tolist()}")
    return low, high


def _start(p0: Any, low: np.ndarray, high: np.ndarray, names: tuple[str, ...]) -> np.ndarray:
    """Return the start values: those given, or SciPy's."""
    if p0 is not None:
        start = np.atleast_1d(floats("p0", p0))
        if start.shape != (len(names),):
            raise InputError(f"p0 has the shape {start.shape}, and the function {len(names)} parameters: {', '.join(names)}")
        outside = np.flatnonzero((start < low) | (start > high))
        if outside.size:
            raise InputError(f"p0 is outside the bounds: {names[outside[0]]} = {float(start[outside[0]])!r}")
        return start
    with np.errstate(invalid="ignore"):
        return np.where(np.isfinite(low) & np.isfinite(high), .5 * (low + high),
                        np.where(np.isfinite(low), low + 1, np.where(np.isfinite(high), high - 1, 1.0)))


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
        raise InputError(f"sigma has the shape {array.shape}: a number, ({n},) or ({n}, {n}) is needed")
    try:
        return None, np.linalg.cholesky(array[np.ix_(keep, keep)])
    except np.linalg.LinAlgError:
        raise InputError("sigma must be a covariance, positive definite") from None


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
        from scipy.linalg import solve_triangular
        return lambda array: solve_triangular(factor, array, lower=True, check_finite=False)
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

    def slopes(p: Parameters) -> np.ndarray:
        if jac is None:
            return weigh(formula.jacobian(**values(p)))
        found = np.asarray(jac(*(p[name].value for name in formula.names)), float)
        if found.shape != (y.size, len(formula.names)):
            raise InputError(f"jac returned the shape {found.shape}, and {(y.size, len(formula.names))} is needed: a row for each point")
        return weigh(found)

    minimizer = Minimizer(weighed, params)
    exact = {"jac": slopes} if formula.native or jac is not None else {}
    minimizer.leastsq(scale_covar=False, **options, **exact)
    return minimizer.result


def _returned(result: Any, popt: np.ndarray, names: tuple[str, ...], idle: np.ndarray | None, absolute: bool, full_output: bool) -> tuple:
    """Return what SciPy's curve_fit returns; points of infinite sigma, which the fit left out (`idle`), count as data there."""
    if not result.success:
        raise ConvergenceError(f"Optimal parameters not found: {result.message}")
    pcov = result.covar
    if pcov is not None and not truth("absolute_sigma", absolute):
        freedom = degrees_of_freedom(result.ndata + (0 if idle is None else int(np.count_nonzero(idle))), len(names))
        pcov = pcov*(result.chisqr/freedom) if freedom > 0 else None
    pcov = np.full((len(names), len(names)), np.inf) if pcov is None else np.where(np.isfinite(pcov), pcov, np.inf)
    without = [name for name, variance in zip(names, pcov.diagonal().tolist(), strict=True) if variance == np.inf]
    if without:
        which = "the parameters" if len(without) == len(names) else ", ".join(without)
        warn(f"Covariance of {which} could not be estimated: {result.message}")
    if not truth("full_output", full_output):
        return popt, pcov
    return popt, pcov, {"nfev": result.nfev, "fvec": _whole(result, idle)}, result.message, result.ier


def _whole(result: Any, idle: np.ndarray | None) -> np.ndarray:
    """Return the weighted residuals of all points that take part, 0 where sigma is infinite."""
    keep = getattr(result, "keep", None)
    if keep is None or idle is None:
        return result.residual if keep is None else result.residual[keep]
    return np.where(keep, result.residual, 0.0)[keep | idle]
