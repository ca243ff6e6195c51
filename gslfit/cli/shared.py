"""``gslfit fit A.csv B.csv --shared tau``: all files in one fit, some of whose parameters are the same in all of them."""
from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from gslfit.checks import as_name
from gslfit.cli.columns import Curve
from gslfit.cli.endings import Refused, meant
from gslfit.cli.models import check_starts, model_of
from gslfit.cli.printing import print_table, warn
from gslfit.cli.report import STATISTICS, intervals_as_json, loss_as_json, parameters_as_json, plain, print_parameters, print_statistics
from gslfit.cli.response import MeasuredResponse
from gslfit.cli.settings import Settings, apply
from gslfit.errors import FitStatus
from gslfit.report.text import rounded


def shared_names(given: Sequence[str]) -> list[str]:
    """Return the names of ``--shared``, which may be joined by commas."""
    return [as_name(name.strip()) for each in given for name in each.split(",") if name.strip()]


def fit_shared_files(curves: Sequence[Curve], text: str, shared: Sequence[str], settings: Settings, options: dict[str, Any],
                     measured: MeasuredResponse | None = None, masks: Sequence[Any] = ()) -> Any:
    """Fit all files together; warnings are lines on standard error.

    Raises
    ------
    Refused
        If there is no such parameter, or the files have no variables in common; or a response is given, and they have not the same x.
    """
    model, variables = model_of(text, [(column.variable, column.names) for column in curves[0].x])
    x: dict[str, Any] = {name: [curve.x[k].numbers for curve in curves] for k, name in enumerate(variables)}
    more: dict[str, Any] = {}
    if measured is not None:
        for name, arrays in x.items():
            if not all(np.array_equal(each, arrays[0]) for each in arrays):
                raise Refused(f"--response needs files with the same {name}, and those of {curves[0].source} and another one differ")
        x = {name: arrays[0] for name, arrays in x.items()}
        model = measured.folded(model, x)
        more = {"mask": masks[0]}
    apply(settings, model)
    names = shared_names(shared)
    for name in names:
        if name not in model.param_names:
            raise Refused(f"--shared {name}: the model has no parameter {name!r}{meant(name, model.param_names)}; it has "
                          f"{', '.join(model.param_names)}")
    if not names:
        raise Refused("--shared names no parameter")
    check_starts(model, {})
    yerr = None if curves[0].yerr is None else [curve.yerr.numbers for curve in curves if curve.yerr is not None]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        result = model.fit_shared([curve.y.numbers for curve in curves], x=x, shared=names, yerr=yerr, **options, **more)
    for each in {str(each.message): each for each in caught}.values():
        warn(f"warning: {each.message}")
    return result


def print_shared(target: Any, curves: Sequence[Curve], text: str, result: Any, intervals: str | None) -> None:
    """Print the report of a fit of several files: what they share, and a line of the rest for each of them."""
    for curve in curves:
        columns = [f"x = {column.title}" for column in curve.x] + [f"y = {curve.y.title}"]
        columns += [] if curve.yerr is None else [f"yerr = {curve.yerr.title}"]
        target.print(f"{curve.source}: {curve.y.numbers.size} points; columns {', '.join(columns)}")
        for note in curve.notes:
            target.print(f"  {note}")
    target.print(f"model: {text}\n")
    print_parameters(target, "shared", result.params)
    own = [name for name in result.values if np.ndim(result.values[name])]
    if own:
        target.print("")
        heads = [part for name in own for part in (name, "error")]
        rows = [[curve.source, *(part for name in own for part in _pair(result, name, k))] for k, curve in enumerate(curves)]
        print_table(target, ["file", *heads], rows, left=(0,))
    target.print("")
    print_statistics(target, result, intervals)


def _pair(result: Any, name: str, k: int) -> tuple[str, str]:
    """Return a local parameter's value and error in one file, as text."""
    value, error = float(result.values[name][k]), float(result.stderr[name][k])
    return ("", "") if math.isnan(value) else rounded(value, None if math.isnan(error) else error)


def shared_as_json(curves: Sequence[Curve], text: str, result: Any, intervals: Any) -> dict[str, Any]:
    """Return a fit of several files as plain things."""
    own = [name for name in result.values if np.ndim(result.values[name])]
    files = [{"file": curve.source, "status": FitStatus(int(result.status[k])).name.lower(), "ndata": int(result.local_ndata[k]),
              "chisqr": plain(result.local_chisqr[k]), "left_out": curve.left_out,
              "params": {name: {"value": plain(result.values[name][k]), "stderr": plain(result.stderr[name][k])} for name in own}}
             for k, curve in enumerate(curves)]
    found = {"model": text, "success": bool(result.success), "message": result.message,
                             "shared": parameters_as_json(result.params), "files": files}
    found |= {name: plain(getattr(result, name)) for name in STATISTICS if hasattr(result, name)} | loss_as_json(result.loss)
    if intervals is not None:
        found["confidence_intervals"] = intervals_as_json(intervals)
    return found
