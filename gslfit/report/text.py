"""Text of parameters, fits and confidence intervals, by their attributes.

`error_report` and `ci_report` have the layout of the lmfit 0.5 manual, `fit_report` that of lmfit 1.3. All say what is doubtful: a fit
that did not succeed, errors that could not be had, a value at its bound, a limit that was not reached.
"""
import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

from gslfit.checks import choice, real, text, truth, width, words
from gslfit.errors import InputTypeError

COLUMNS = ("value", "min", "max", "stderr", "vary", "expr", "brute_step")
WIDEST = 20               # characters more than its decimals that a limit takes before it is written with an exponent
AT_BOUND = 1e-7           # of the value or the width: nearer than this is at the bound


def attribute(par: Any, name: str) -> Any:
    """Return an attribute of a parameter, None where an expression can't be evaluated."""
    try:
        return getattr(par, name, None)
    except ValueError:
        return None


def fitted(name: str, params: Any) -> Mapping[str, Any]:
    """Return parameters by name, or raise InputTypeError for what holds none."""
    if not isinstance(params, Mapping) or not all(isinstance(key, str) and hasattr(par, "vary") for key, par in params.items()):
        raise InputTypeError(f"{name} must be what a fit returned, or Parameters, not {type(params).__name__}")
    return params


def known_values(modelpars: Any) -> dict[str, Any] | None:
    """Return those of the known parameters that have a value."""
    if modelpars is None:
        return None
    return {name: par for name, par in fitted("modelpars", modelpars).items() if attribute(par, "value") is not None}


def pairs_of(ci: Any) -> dict[str, list[tuple[float, float]]]:
    """Return the pairs of a probability and a limit by name, as floats."""
    try:
        return {text("a name in ci", name): [(real("a probability", p, -math.inf), float(limit)) for p, limit in row]
                for name, row in ci.items()}
    except (TypeError, ValueError, AttributeError):
        raise InputTypeError("ci must be what conf_interval returns: pairs of a probability and a limit by parameter") from None


def fixed_width(value: Any, width: int = 11) -> str:
    """Return a number in `width` characters, with as many digits as fit; wider than 99 orders of magnitude it takes the exponent's room.

    Examples
    --------
    >>> fixed_width(1234.56789), fixed_width(1.5e-12)
    (' 1234.56789', ' 1.5000e-12')
    """
    if value is None or isinstance(value, bool):
        return f"{value!r:>{width}}"
    try:
        order = int(math.log10(abs(value)))
    except (ValueError, OverflowError):
        order = 0                                             # 0, NaN or an infinity
    except TypeError:
        return f"{value!r:>{width}}"
    width = max(width, 7)
    digits = width - 7                                        # sign, point, digit in front of it, and "e+00"
    if abs(order) > 99:
        return f"{value:{width}.{digits - 1}e}"
    plain = 0 < order < digits + 4 or (order <= 0 and -order < digits - 1)
    return f"{value:{width}.{digits + 4 - max(order, 0)}f}" if plain else f"{value:{width}.{digits}e}"


def rounded(value: float, error: float | None) -> tuple[str, str]:
    """Return a value and its error as text, rounded to two digits of the error; six digits of a value that has none.

    Examples
    --------
    >>> rounded(3.14159, 0.0265), rounded(123456.7, 1234.5), rounded(6.02214e23, 1.5e18), rounded(0.5, None)
    (('3.142', '0.026'), ('123500', '1200'), ('6.022140e+23', '1.5e+18'), ('0.5', ''))
    """
    if error is None or not math.isfinite(error) or not error or not math.isfinite(value):
        return f"{value:.6g}", "" if error is None else f"{error:.2g}"
    about = f"{abs(error):.1e}"
    last = int(about.partition("e")[2]) - 1                   # the power of ten of the error's second digit
    size = max(int(f"{value:.0e}".partition("e")[2]) if value else last, last)
    if -5 <= size <= 7 and -12 <= last <= 6:
        if last >= 0:
            return f"{round(value, -last):.0f}", f"{round(abs(error), -last):.0f}"
        return f"{value:.{-last}f}", f"{abs(error):.{-last}f}"
    return f"{value:.{min(size - last, 17)}e}", about


def at_bound(par: Any) -> str:
    """Return "min" or "max" if a parameter's value lies there, else nothing."""
    value, low, high = attribute(par, "value"), attribute(par, "min"), attribute(par, "max")
    if value is None:
        return ""
    bounds = [(which, limit) for which, limit in (("min", low), ("max", high)) if limit is not None and math.isfinite(limit)]
    width = abs(bounds[1][1] - bounds[0][1]) if len(bounds) == 2 else math.inf
    for which, limit in bounds:
        if abs(value - limit) <= AT_BOUND*min(width, max(abs(value), abs(limit), 1e-300)):
            return which
    return ""


def params_table(params: Mapping[str, Any], colwidth: int = 8, precision: int = 4, fmt: str = "g",
                 columns: Iterable[str] = COLUMNS, gap: str = "") -> str:
    """Return a table of parameters, a line each.

    Parameters
    ----------
    params : Parameters
        The parameters.
    colwidth, precision, fmt : int, int, str
        Width of a column, digits and format of a number.
    columns : iterable of str
        Attributes to show.
    gap : str
        What stands behind names, which then are as wide as the longest of them, as lmfit has it.
    """
    columns, colwidth, precision = words("columns", columns), width("colwidth", colwidth), width("precision", precision)
    fmt = choice("fmt", fmt, "efgEFGn%")
    names = max(len(name) for name in (params if gap else [*params, "Name"]))
    open_ended = {"min": -math.inf, "max": math.inf}

    def cell(par: Any, column: str) -> str:
        value = attribute(par, column)
        if value is None:
            value = open_ended.get(column)
        return f"{value:>{colwidth}.{precision}{fmt}}" if isinstance(value, float) else f"{value!s:>{colwidth}}"

    head = " ".join([f"{'Name':{names}}{gap}", *(f"{column.title():>{colwidth}}" for column in columns)])
    lines = (" ".join([f"{name:{names}}{gap}", *(cell(par, column) for column in columns)]) for name, par in params.items())
    return "\n".join([head, *lines])


# -- the manual's report ---------------------------------------------------------------------------------------------------------


def error_report(params: Mapping[str, Any], modelpars: Mapping[str, Any] | None = None, show_correl: bool = True) -> str:
    """Return values, standard errors and correlations in the layout of the lmfit 0.5 manual.

    Parameters
    ----------
    params : Parameters
        Fitted parameters.
    modelpars : Parameters, optional
        Known values, to be shown beside.
    show_correl : bool
        Whether correlations are listed, the strongest first.

    Returns
    -------
    str
        A line for each parameter, then for each correlation.
    """
    params, modelpars = fitted("params", params), known_values(modelpars)
    width = max((len(name) for name in params), default=0)
    lines = [f"  {name + ':':{width + 1}}     {_value_and_error(par)} {_origin(name, par, modelpars)}" for name, par in params.items()]
    if truth("show_correl", show_correl):
        lines.append("Correlations:")
        lines += [f"  {f'C({pair})':39}= {value:.3f}" for pair, value in correlations(params)]
    return "\n".join(lines)


def _value_and_error(par: Any) -> str:
    """Return a value with its error: five decimals as in the manual, or as many digits as the two need."""
    value, error = attribute(par, "value"), attribute(par, "stderr")
    if value is None:
        return " (no value)"
    small = 0 < abs(value) < 1e-3 or (error is not None and 0 < error < 1e-4)
    large = abs(value) >= 1e9 or (error is not None and error >= 1e9)
    shown = f"{value: .8e}" if small or large else f"{value: .5f}"
    if error is None or not math.isfinite(error):
        return f"{shown}+/- (unknown)"
    return f"{shown}+/- {error:.3e}" if small or large else f"{shown}+/- {error:.5f}"


def _origin(name: str, par: Any, modelpars: Mapping[str, Any] | None) -> str:
    """Return where a value came from: its start, its expression, or that it was held."""
    known = f", model_value= {attribute(modelpars[name], 'value'):.6f}" if modelpars is not None and name in modelpars else ""
    if attribute(par, "expr"):
        return f"== '{par.expr}'{known}"
    if not par.vary:
        return f"(fixed{known})"
    start = attribute(par, "init_value")
    shown = "?" if start is None else f"{start:.6f}" if start == 0 or 1e-3 <= abs(start) < 1e9 else f"{start:.6e}"
    bound = at_bound(par)
    return f"(initial= {shown}{known}){f' at its bound {bound}' if bound else ''}"


def correlations(params: Mapping[str, Any], least: float = 0.) -> list[tuple[str, float]]:
    """Return the correlations of varied parameters as ``("a, b", r)``, the strongest first, those above `least` in size."""
    found = []
    names = [*params]
    for i, name in enumerate(names):
        by_name = attribute(params[name], "correl")
        if params[name].vary and by_name:
            found += [(f"{name}, {other}", by_name[other]) for other in names[i + 1:] if other in by_name and abs(by_name[other]) > least]
    # those of one size stand in reverse order, as lmfit has them
    found.reverse()
    return sorted(found, key=lambda item: -abs(item[1]))


def report_errors(params: Mapping[str, Any], modelpars: Mapping[str, Any] | None = None, show_correl: bool = True) -> None:
    """Print values, standard errors and correlations in the layout of the lmfit 0.5 manual; see `error_report`.

    Parameters
    ----------
    params : Parameters
        Fitted parameters.
    modelpars : Parameters, optional
        Known values, to be shown beside.
    show_correl : bool
        Whether correlations are listed, the strongest first.
    """
    print(error_report(params, modelpars, show_correl))


# -- the report of a fit ---------------------------------------------------------------------------------------------------------


STATISTICS = (("fitting method  ", "method", "# "), ("function evals  ", "nfev", "# "), ("data points     ", "ndata", "# "),
              ("variables       ", "nvarys", "# "), ("chi-square        ", "chisqr", ""), ("reduced chi-square", "redchi", ""),
              ("Akaike info crit  ", "aic", ""), ("Bayesian info crit", "bic", ""), ("R-squared         ", "rsquared", ""))
"""Label, attribute and mark of each line of a fit's statistics; those that a result lacks are left out."""


def _ordered(params: Iterable[str], key: Callable[[str], Any]) -> list[str]:
    """Return names in the order of their keys."""
    keys = {name: key(name) for name in params}
    try:
        return sorted(keys, key=keys.__getitem__)
    except (TypeError, ValueError):
        raise InputTypeError("sort_pars gives keys that have no order") from None


def fit_report(inpars: Any, modelpars: Mapping[str, Any] | None = None, show_correl: bool = True, min_correl: float = .1,
               sort_pars: bool | Callable[[str], Any] = False, correl_mode: str = "list") -> str:
    """Return the report of a fit in the layout of lmfit 1.3.

    Parameters
    ----------
    inpars : Minimizer, result or Parameters
        What a fit returned, or fitted parameters alone.
    modelpars : Parameters, optional
        Known values, to be shown beside.
    show_correl : bool
        Whether correlations are shown.
    min_correl : float
        Those of smaller size are left out of the list.
    sort_pars : bool or callable
        Whether to sort the parameters by name, numbers in names by their size; or a key function.
    correl_mode : {"list", "table"}
        How correlations are shown.

    Returns
    -------
    str
        Statistics, doubts, parameters, correlations.
    """
    result = inpars if hasattr(inpars, "params") else None
    params, modelpars = fitted("inpars", inpars.params if result is not None else inpars), known_values(modelpars)
    min_correl, correl_mode = real("min_correl", min_correl), text("correl_mode", correl_mode)
    names = _ordered(params, sort_pars if callable(sort_pars) else natural) if truth("sort_pars", sort_pars) else [*params]
    width = max((len(name) for name in names), default=0)
    lines = [*_statistics(result, width)] if result is not None else []
    lines.append("[[Variables]]")
    lines += [f"    {name + ':':{width + 1}} {_variable(name, params[name], modelpars)}" for name in names]
    known = getattr(result, "prior", None)
    if known:
        lines.append("[[Priors]]")
        room = max(map(len, known)) + 1
        off = getattr(result, "prior_residual", None)
        lines += [f"    {name + ':':{room}} {mean:.8g} +/- {deviation:.8g}" + ("" if off is None else f" ({off[k]:+.2f} sd)")
                  for k, (name, (mean, deviation)) in enumerate(known.items())]
    show_correl = truth("show_correl", show_correl)
    if show_correl and correl_mode.startswith("tab"):
        lines += ["[[Correlations]] ", *("  " + line for line in correlation_table(params).split("\n"))]
    elif show_correl:
        found = correlations({name: params[name] for name in names}, min_correl)
        if found:
            lines.append(f"[[Correlations]] (unreported correlations are < {min_correl:.3f})")
            room = max(len(pair) for pair, _ in found)
            lines += [f"    C({pair}){' '*(room - len(pair))} = {value:+.4f}" for pair, value in found]
    return "\n".join(lines)


def natural(name: str) -> list[Any]:
    """Return a sorting key by which p2 comes before p10."""
    return [int(part) if part.isdigit() else part.lower() for part in re.split(r"(\d+)", name)]


def statistic(result: Any, name: str) -> str:
    """Return an attribute of a result as text."""
    value = getattr(result, name, None)
    if value is None:
        return "unknown"
    return fixed_width(value).strip() if isinstance(value, float) else str(value)


def doubts(result: Any) -> Iterator[str]:
    """Yield what is doubtful about a fit, a line each."""
    if getattr(result, "success", True) is False:
        yield f"the fit did not succeed: {getattr(result, 'message', '')}".rstrip(": ")
    if getattr(result, "errorbars", True) is False:
        yield "uncertainties could not be estimated:"


def starts_told(result: Any) -> str:
    """Return how many starts a fit was tried from, and what they led to; nothing where that was one.

    Parameters
    ----------
    result : result, or Minimizer
    """
    tried, minima = getattr(result, "starts_tried", 1), getattr(result, "minima", None)
    return f"{tried}, of which {minima[0].starts} led to this minimum, the lowest of {len(minima)}" if tried > 1 and minima else ""


def loss_told(name: str, scales: Any = None) -> str:
    """Return what was minimised instead of the sum of squares, and what chi-square is then; nothing for least squares.

    Parameters
    ----------
    name : str
        A loss.
    scales : float or sequence of float, optional
        Of a robust loss: that of all fits, or those of each; NaN where there is no fit.
    """
    if name == "linear":
        return ""
    if name == "poisson":
        return "poisson; chi-square is the deviance"
    given = [] if scales is None else scales if hasattr(scales, "__iter__") else [scales]
    known = sorted(scale for scale in given if not math.isnan(scale))
    told = " to ".join(dict.fromkeys(f"{scale:.6g}" for scale in (known[0], known[-1]))) if known else ""
    return f"{name}, f_scale = {told}; chi-square is of all residuals" if told else f"{name}; chi-square is of all residuals"


def about_fit(result: Any) -> list[tuple[str, str]]:
    """Return what was minimised, where that isn't the sum of squares, and from how many starts, where there were several: labels, texts."""
    loss, scales = getattr(result, "loss", None), getattr(result, "scales", None)
    minimised = "" if loss is None else loss_told(loss.name, loss.f_scale if scales is None else scales)
    return [(label, said) for label, said in (("loss", minimised), ("starts", starts_told(result))) if said]


def _statistics(result: Any, width: int) -> Iterator[str]:
    """Yield the lines of a fit's statistics, and of its doubts."""
    yield "[[Fit Statistics]]"
    for label, name, mark in STATISTICS:
        if name != "rsquared" or getattr(result, name, None) is not None:
            yield f"    {mark}{label} = {statistic(result, name)}"
    yield from (f"    # {label:16} = {said}" for label, said in about_fit(result))
    for doubt in doubts(result):
        yield f"##  Warning: {doubt}"
    if getattr(result, "errorbars", True):
        return
    message = getattr(result, "message", None)
    if message and getattr(result, "success", True):
        yield f"    {message}"
    for name, par in result.params.items():
        start, value = attribute(par, "init_value"), attribute(par, "value")
        if not par.vary or value is None:
            continue
        if start and math.isclose(value, start, rel_tol=1e-5, abs_tol=1e-8):
            yield f"    {name + ':':{width + 1}}  at initial value"
        if at_bound(par):
            yield f"    {name + ':':{width + 1}}  at boundary"


def _variable(name: str, par: Any, modelpars: Mapping[str, Any] | None) -> str:
    """Return one parameter's part of a line."""
    value, error, start = attribute(par, "value"), attribute(par, "stderr"), attribute(par, "init_value")
    origin = "(init = ?)" if start is None else f"(init = {start:.7g})"
    if modelpars is not None and name in modelpars:
        origin += f", model_value = {modelpars[name].value:.7g}"
    shown = fixed_width(value)
    if error is not None:
        percent = f"({abs(error/value):.2%})" if value else ""
        shown = f"{shown} +/-{fixed_width(error)} {percent}"
    if par.vary:
        bound = at_bound(par)
        return f"{shown} {origin}" + (f" at its bound {bound}" if bound else "")
    return f"{shown} == '{par.expr}'" if attribute(par, "expr") else f"{fixed_width(value) if value is None else f'{value: .7g}'} (fixed)"


def correlation_table(params: Mapping[str, Any]) -> str:
    """Return the correlations of all varied parameters as a table."""
    names = [name for name, par in params.items() if par.vary]
    width = max([8, *(len(name) for name in names)]) + 1

    def cell(name: str, other: str) -> str:
        r = 1. if name == other else (attribute(params[name], "correl") or {}).get(other)
        return "unknown" if r is None else f"{r:+.4f}"

    rule = "+".join(["", *["-"*(width + 1)]*(len(names) + 1), ""])
    rows = [["Variable", *names], *([name, *(cell(name, other) for other in names)] for name in names)]
    lines = ["|".join(["", *(f" {item:{width}}" for item in row), ""]) for row in rows]
    return "\n".join([rule, lines[0], rule, *lines[1:], rule])


# -- confidence intervals --------------------------------------------------------------------------------------------------------


def intervals_of(ci: Any) -> Mapping[str, Any]:
    """Return confidence intervals: those handed in, or those of a fit's result."""
    return ci.conf_interval() if hasattr(ci, "conf_interval") else ci


def ci_report(ci: Any, with_offset: bool = False, ndigits: int = 5) -> str:
    """Return confidence intervals in the layout of the lmfit 0.5 manual.

    Parameters
    ----------
    ci : dict of str to list of (float, float), or result of a fit
        What `conf_interval` returns: for each parameter pairs of a probability and a limit; of a result they are found first.
    with_offset : bool
        Whether limits are shown as differences from the best value, in lmfit 1.3's layout.
    ndigits : int
        Decimals; more digits are shown where these would not tell the limits apart.

    Returns
    -------
    str
        A line of probabilities, a line for each parameter, and a note for each limit that wasn't reached.
    """
    given = intervals_of(ci)
    ci, ndigits, with_offset = pairs_of(given), width("ndigits", ndigits), truth("with_offset", with_offset)
    names = max((len(name) for name in ci), default=0)
    lines, titled = [], None
    for name, row in ci.items():
        shape = _limit_format([limit for _, limit in row], ndigits)
        space = 1 if shape == f".{ndigits}f" else 2
        cell = max([ndigits + 5, *(len(format(limit, shape)) + space for _, limit in row)])
        chances = [probability for probability, _ in row]
        if titled != (chances, cell):                         # once, while the probabilities stay the same
            titled = (chances, cell)
            lines.append(" "*(names + with_offset) + "".join(_chance(p, with_offset).rjust(cell) for p in chances))
        best = next((limit for p, limit in row if abs(p) < .01), 0.)
        texts = [format(limit - best, f"+{shape}") if with_offset and abs(p) >= .01 else format(limit, shape) for p, limit in row]
        lines.append((f" {name:{names}}:" if with_offset else f"{name:{names}}") + "".join(text.rjust(cell) for text in texts))
    return "\n".join([*lines, *ci_notes(given, ci)])


def _chance(probability: float, with_offset: bool) -> str:
    """Return the head of a column of confidence intervals."""
    return "_BEST_" if with_offset and abs(probability) < .01 else f"{100*probability:.2f}%"


def _limit_format(limits: Sequence[float], ndigits: int) -> str:
    """Return the format of a parameter's limits: with so many decimals as tell them apart; with an exponent what would be too wide so."""
    decimals = _decimals(limits, ndigits)
    largest = max((abs(limit) for limit in limits if math.isfinite(limit)), default=0.)
    if len(f"{largest:.{decimals}f}") <= ndigits + WIDEST:
        return f".{decimals}f"
    gap = _gap(limits)
    digits = math.floor(math.log10(largest)) - math.floor(math.log10(gap)) + 2 if gap else 0
    return f".{min(max(ndigits, digits), 17)}e"


def _gap(limits: Iterable[float]) -> float:
    """Return the narrowest distance of limits, 0 where there is none."""
    finite = sorted(limit for limit in limits if math.isfinite(limit))
    return min((above - below for below, above in pairwise(finite) if above > below), default=0.)


def _decimals(limits: Iterable[float], ndigits: int) -> int:
    """Return the decimals that tell limits apart: `ndigits`, or three digits of the narrowest distance where those hide it."""
    gap = _gap(limits) or 1.
    return ndigits if gap >= 2*10.**-ndigits else min(3 - math.floor(math.log10(gap)), 300)


def ci_notes(given: Any, ci: Mapping[str, Any]) -> list[str]:
    """Return the notes of confidence intervals: those that came with them, or one for each limit that is infinite."""
    notes = getattr(given, "notes", None)
    if notes is not None:
        return [f"  {note}" for note in notes]
    return [f"  {name}: the {'lower' if limit < 0 else 'upper'} limit of {100*p:.2f}% was not reached"
            for name, row in ci.items() for p, limit in row if math.isinf(limit)]


def report_ci(ci: Any) -> None:
    """Print confidence intervals in the layout of the lmfit 0.5 manual; see `ci_report`.

    Parameters
    ----------
    ci : dict of str to list of (float, float), or result of a fit
        What `conf_interval` returns.
    """
    print(ci_report(ci))


def report_fit(inpars: Any, **kws: Any) -> None:
    """Print the report of a fit; see `fit_report`.

    Parameters
    ----------
    inpars : Minimizer, result or Parameters
        What a fit returned, or fitted parameters alone.
    **kws
        For `fit_report`.
    """
    print(fit_report(inpars, **kws))
