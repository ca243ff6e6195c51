"""``gslfit fit``: files, columns and options first, then the model, then fits."""
from __future__ import annotations

import json
import sys
import warnings
from collections.abc import Sequence
from typing import Any

from gslfit.cli.columns import Curve, check_counts, outside, read_curve, within
from gslfit.cli.endings import GOOD, NOT_CONVERGED, FileRefused, Refused
from gslfit.cli.models import check_starts, model_of
from gslfit.cli.outputs import Outputs, draw
from gslfit.cli.printing import console, warn
from gslfit.cli.report import as_json, print_report
from gslfit.cli.response import MeasuredResponse, read_response
from gslfit.cli.settings import Settings, apply, interval, read_errors, read_loss, read_settings, read_starts, replicates
from gslfit.data.writing import write_text
from gslfit.errors import FitError


def fit_files(files: Sequence[str], x: Sequence[str], y: str | None, yerr: str | None, model: str | None, start: Sequence[str],
              starts: str | None, ranges: Sequence[str], bound: Sequence[str], fix: Sequence[str], expr: Sequence[str],
              xlim: str | None, known_errors: bool, loss: str | None, plot: str | None, ci: bool, bootstrap: str | None, seed: int | None,
              json_file: str | None, save: str | None, shared: Sequence[str], response: str | None, response_centre: int,
              response_shift: str | None) -> int:
    """Fit each file, or all together where they share parameters, print the reports, write what is asked for; return the exit code.

    Raises
    ------
    FileRefused
        If a file or a column can't be used, before anything else is looked at.
    Refused
        If the model or an option can't be used.
    """
    curves = [read_curve(name, x, y, yerr) for name in files]
    if model is None:
        raise Refused("--model is missing: a formula of x, or names that `gslfit models` lists")
    settings, many = read_settings(start, bound, fix, expr), read_starts(starts, ranges, ("auto",))
    options = read_errors(known_errors, yerr) | read_loss(loss)
    resampling = replicates(bootstrap, seed)
    measured = read_response(response, response_centre, response_shift)
    limits = None if xlim is None else interval("--xlim", xlim, xlim)
    if limits is not None and measured is None:
        curves = [within(curve, limits) for curve in curves]
    masks = [None if limits is None or measured is None else outside(curve, limits) for curve in curves]
    if options.get("loss") == "poisson":
        for curve, mask in zip(curves, masks, strict=True):
            check_counts(curve.source, curve.y, curve.lines, mask)
    inputs = [*files, *([] if response is None else [response])]
    if shared:
        of_one = {"--save": save, "--bootstrap": resampling, **{f"--{name}": value for name, value in many.items()}}
        for option, given in of_one.items():
            if given is not None:
                raise Refused(f"{option} is of the fit of one file, and --shared fits all of them together")
        return _fit_together(curves, model, shared, settings, options, ci, Outputs(plot, None, json_file, ["all"], inputs), measured,
                             masks)
    outputs = Outputs(plot, save, json_file, [curve.source for curve in curves], inputs)
    target, told, code = console(stderr=json_file == "-"), [], GOOD
    for number, curve in enumerate(curves):
        result = _fit(curve, model, settings, options, many, measured, masks[number])
        intervals, failed = _intervals(result) if ci else (None, False)
        scatter, lost = (None, False) if resampling is None else _bootstrap(result, *resampling, seed)
        if number:
            target.print("")
        if json_file != "-":
            from gslfit.report.text import ci_report
            print_report(target, curve, model, result, None if intervals is None else ci_report(intervals))
            if scatter is not None:
                target.print(f"\n{scatter.report()}")
        told.append(as_json(curve, model, result, intervals, scatter))
        outputs.write(number, result, curve)
        if not result.success or failed or lost:
            code = NOT_CONVERGED
    if json_file is not None:
        _write_json(json_file, told)
    return code


def _fit(curve: Curve, text: str, settings: Settings, options: dict[str, Any], many: dict[str, Any],
         measured: MeasuredResponse | None, mask: Any) -> Any:
    """Fit one curve; warnings are lines on standard error."""
    model, variables = model_of(text, [(column.variable, column.names) for column in curve.x])
    values = {name: column.numbers for name, column in zip(variables, curve.x, strict=True)}
    if measured is not None:
        model = measured.folded(model, values)
    apply(settings, model)
    check_starts(model, many)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            result = model.fit(curve.y.numbers, yerr=None if curve.yerr is None else curve.yerr.numbers, mask=mask,
                               **options, **many, **values)
        except FitError as error:
            raise Refused(f"{curve.source}: {error}") from None
    for each in {str(each.message): each for each in caught}.values():
        warn(f"{curve.source}: warning: {each.message}")
    return result


def _fit_together(curves: Sequence[Curve], text: str, shared: Sequence[str], settings: Settings, options: dict[str, Any],
                  ci: bool, outputs: Outputs, measured: MeasuredResponse | None, masks: Sequence[Any]) -> int:
    """Fit all files together, print the report, write what is asked for; return the exit code."""
    from gslfit.cli.shared import fit_shared_files, print_shared, shared_as_json
    from gslfit.report.text import ci_report
    result = fit_shared_files(curves, text, shared, settings, options, measured, masks)
    intervals, failed = _intervals(result) if ci else (None, False)
    if outputs.json_file != "-":
        print_shared(console(stderr=False), curves, text, result, None if intervals is None else ci_report(intervals))
    if outputs.plot is not None:
        draw(result.plot_shared()[0], outputs.plot)
    if outputs.json_file is not None:
        _write_json(outputs.json_file, [shared_as_json(curves, text, result, intervals)])
    return GOOD if result.success and not failed and not result.left_out.size else NOT_CONVERGED


def _intervals(result: Any) -> tuple[Any, bool]:
    """Return the confidence intervals of a fit, and whether they were sought in vain."""
    if not result.success:
        warn("no confidence intervals: the fit did not converge")
        return None, True
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")     # what the notes below the intervals say too
            return result.conf_interval(sigmas=(1, 2, 3)), False
    except FitError as error:
        warn(f"no confidence intervals: {error}")
        return None, True


def _bootstrap(result: Any, n: int, kind: str | None, seed: int | None) -> tuple[Any, bool]:
    """Return the bootstrap of a fit, and whether there is none."""
    if not result.success:
        warn("no bootstrap: the fit did not converge")
        return None, True
    try:
        return result.bootstrap(n, kind, seed), False
    except FitError as error:
        warn(f"no bootstrap: {error}")
        return None, True


def _write_json(name: str, told: list[dict[str, Any]]) -> None:
    """Write results as JSON: one as it is, several as a list."""
    text = json.dumps(told[0] if len(told) == 1 else told, indent=2, allow_nan=False) + "\n"
    if name == "-":
        sys.stdout.write(text)
        return
    try:
        write_text(name, text)
    except OSError as error:
        raise FileRefused(f"{name} can't be written: {error.strerror}") from None
