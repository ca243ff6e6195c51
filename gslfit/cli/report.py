"""A fit as the command shows it: for people, and as JSON."""
from __future__ import annotations

import math
from typing import Any

from gslfit.cli.columns import Curve
from gslfit.cli.printing import print_table
from gslfit.report.text import about_fit, at_bound, correlations, doubts, rounded

LEVEL = .95             # of the intervals of a bootstrap
SHOWN_FROM = 0.1        # correlations
STATISTICS = ("ndata", "nvarys", "nfree", "chisqr", "redchi", "rsquared", "aic", "bic", "nfev")
LABELS = {"chisqr": "chi-square", "redchi": "reduced chi-square", "rsquared": "R-squared", "aic": "AIC", "bic": "BIC",
          "nfev": "evaluations"}


def origin_of(par: Any) -> str:
    """Return what is to be known of a parameter beside its value."""
    if par.expr is not None:
        return f"= {par.expr}"
    if not par.vary:
        return "fixed"
    which = at_bound(par)
    return f"at its {'lower' if which == 'min' else 'upper'} bound" if which else ""


def print_report(target: Any, curve: Curve, text: str, result: Any, intervals: str | None) -> None:
    """Print the report of a fit."""
    columns = [f"{variable} = {column.title}" for variable, column in zip(result.model.independent_vars, curve.x, strict=True)]
    columns += [f"y = {curve.y.title}"] + ([] if curve.yerr is None else [f"yerr = {curve.yerr.title}"])
    target.print(f"{curve.source}: {curve.y.numbers.size} points; columns {', '.join(columns)}")
    for note in curve.notes:
        target.print(f"  {note}")
    target.print(f"model: {text}")
    target.print("")
    print_parameters(target, "parameter", result.params)
    target.print("")
    print_statistics(target, result, intervals)


def print_parameters(target: Any, head: str, params: Any) -> None:
    """Print a table of fitted parameters."""
    rows = []
    for name, par in params.items():
        value, error = rounded(par.value, par.stderr if par.vary or par.expr is not None else None)
        share = f"{abs(par.stderr/par.value):.1%}" if par.stderr and par.value and math.isfinite(par.stderr) else ""
        start = "" if par.expr is not None or par.init_value is None else f"{par.init_value:.6g}"
        rows.append([name, value, error, share, start, origin_of(par)])
    print_table(target, [head, "value", "error", "share", "start", ""], rows, left=(0, 5))


def print_statistics(target: Any, result: Any, intervals: str | None) -> None:
    """Print a fit's statistics, correlations, doubts, how it ended, and confidence intervals."""
    told = [(LABELS[name], getattr(result, name, None)) for name in LABELS]
    target.print("   ".join(f"{label} {value:.6g}" for label, value in told if value is not None))
    for label, said in about_fit(result):
        target.print(f"{label}: {said}")
    strong = correlations(result.params, SHOWN_FROM)
    if strong:
        target.print("correlations: " + "   ".join(f"{pair} {value:+.3f}" for pair, value in strong))
    doubtful = list(doubts(result))
    if doubtful:
        target.print("".join(f"\n{line.rstrip(':')}" for line in doubtful).strip())
        if result.success:
            target.print(f"  {result.message}")
    else:
        target.print(result.message)
    if intervals is not None:
        target.print(f"\nconfidence intervals\n{intervals}")


def plain(value: Any) -> Any:
    """Return a number as JSON has it: None for what is not finite."""
    if value is None or isinstance(value, (bool, str)):
        return value
    value = value.item() if hasattr(value, "item") else value
    return value if math.isfinite(value) else None


def parameters_as_json(params: Any) -> dict[str, Any]:
    """Return fitted parameters as plain things."""
    return {name: {"value": plain(par.value), "stderr": plain(par.stderr), "start": plain(par.init_value), "min": plain(par.min),
                   "max": plain(par.max), "vary": bool(par.vary), "expr": par.expr,
                   "correlations": {other: plain(value) for other, value in (par.correl or {}).items()}}
            for name, par in params.items()}


def intervals_as_json(intervals: Any) -> dict[str, Any]:
    """Return confidence intervals as plain things."""
    return {name: [[plain(p), plain(limit)] for p, limit in row] for name, row in intervals.items()}


def loss_as_json(loss: Any) -> dict[str, Any]:
    """Return what was minimised as plain things: a loss's name, and its scale where it has one."""
    return {"loss": "linear"} if loss is None else {"loss": loss.name, **({"f_scale": plain(loss.f_scale)} if loss.robust else {})}


def as_json(curve: Curve, text: str, result: Any, intervals: Any, scatter: Any = None) -> dict[str, Any]:
    """Return a fit as plain things.

    Parameters
    ----------
    curve : Curve
    text : str
        The model as the caller wrote it.
    result : ModelResult
    intervals : dict of str to list of (float, float), or None
    scatter : BootstrapResult, or None
    """
    found = {"file": curve.source, "model": text, "columns": {
        "x": {variable: column.title for variable, column in zip(result.model.independent_vars, curve.x, strict=True)},
        "y": curve.y.title, "yerr": None if curve.yerr is None else curve.yerr.title}, "left_out": curve.left_out,
        "success": bool(result.success), "message": result.message, "errorbars": bool(result.errorbars),
        "params": parameters_as_json(result.params)}
    found |= {name: plain(getattr(result, name, None)) for name in STATISTICS}
    if result.starts_tried > 1:
        found |= {"starts": result.starts_tried, "minima": [{"chisqr": plain(each.chisqr), "starts": each.starts, "values": {
            name: plain(value) for name, value in each.values.items()}} for each in result.minima]}
    found |= loss_as_json(result.loss)
    if intervals is not None:
        found["confidence_intervals"] = intervals_as_json(intervals)
    if scatter is not None:
        found["bootstrap"] = _bootstrap(scatter)
    return found


def _bootstrap(scatter: Any) -> dict[str, Any]:
    """Return a bootstrap as plain things."""
    limits = scatter.percentile(LEVEL)
    params = {name: {"stderr": plain(scatter.stderr[name]), "bias": plain(scatter.bias[name]), "interval": [*map(plain, limits[name])]}
              for name in scatter.names}
    return {"kind": scatter.kind, "n": scatter.n, "failed": scatter.failed, "seed": scatter.seed, "level": LEVEL, "params": params}
