"""``gslfit batch``: many curves of a file, fitted block by block."""
from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from gslfit.checks import as_name, package
from gslfit.cli.arrays import open_array
from gslfit.cli.endings import GOOD, INTERRUPTED, FileRefused, Refused
from gslfit.cli.groups import is_table, read_groups, write_groups
from gslfit.cli.models import check_starts, model_of
from gslfit.cli.outputs import checked, draw, keep_inputs, picture
from gslfit.cli.printing import console, warn
from gslfit.cli.response import read_response
from gslfit.cli.settings import apply, read_errors, read_loss, read_settings, read_starts
from gslfit.data.writing import write_npz
from gslfit.errors import FitError

MAPS = 2                # axes of a batch that a picture shows


def fit_batch_file(file: str, x: Sequence[str], y: str | None, by: str | None, yerr: str | None, mask: str | None, axis: str,
                   model: str | None, start: Sequence[str], starts: str | None, ranges: Sequence[str], bound: Sequence[str],
                   fix: Sequence[str], expr: Sequence[str], known_errors: bool, loss: str | None, out: str | None, resume: bool,
                   maps: str | None, threads: int | None, response: str | None, response_centre: int, response_shift: str | None) -> int:
    """Fit the curves of a file, write what is asked for, print a summary; return the exit code.

    Raises
    ------
    FileRefused
        If a file can't be used, before anything else is looked at.
    Refused
        If the model or an option can't be used.
    """
    groups = None
    axes: tuple[int, ...] = (1,)
    if is_table(file):
        if mask is not None:
            raise Refused(f"--mask is for files of arrays, and {file} holds columns, whose rows may be left out of the file")
        groups = read_groups(file, x, y, by, yerr, loss == "poisson")
        data, columns, options = groups.data, groups.columns, groups.options
    else:
        data, columns, options, axes = _arrays(file, x, yerr, mask, axis)
        if by is not None or y is not None:
            raise Refused(f"--{'by' if by is not None else 'y'} is for files of columns, and {file} holds an array")
    shape = tuple(size for place, size in enumerate(data.shape) if place not in axes)
    if model is None:
        raise Refused("--model is missing: a formula of x, or names that `gslfit models` lists")
    settings, many = read_settings(start, bound, fix, expr), read_starts(starts, ranges, ("auto", "neighbours"))
    options |= read_errors(known_errors, yerr) | read_loss(loss)
    measured = read_response(response, response_centre, response_shift)
    made, variables = model_of(model, [(given, names) for given, names, _ in columns])
    values = {name: array for name, (_, _, array) in zip(variables, columns, strict=True)}
    if measured is not None:
        if any(array.ndim > 1 for array in values.values()):
            raise Refused(f"--response {response} needs an x that is the same for all curves, with one axis")
        made = measured.folded(made, values)
    apply(settings, made)
    check_starts(made, many)
    if not any(hasattr(part, "entry") for part in made.components):
        options["params"] = made.make_params()
    store = _store(out, resume, groups is not None)
    if many.get("starts") == "neighbours":
        if store is not None:
            raise Refused(f"--starts neighbours needs all fits at once, and --out {out} is written as they come: --out NAME.npz is not")
        data = np.asarray(data[...])
        options |= {name: np.asarray(options[name][...]) for name in ("yerr", "mask") if name in options}
    chart = None if maps is None else picture("--maps", maps)
    if chart is not None and not 1 <= len(shape) <= MAPS:
        raise Refused(f"--maps draws batches of one or two axes, and this one has the shape {shape}")
    beside = [] if groups is not None else [*(_named(each)[1] for each in x), yerr, mask]
    keep_inputs([("--out", out), ("--maps", maps)], [each for each in (file, *beside, response) if each is not None])
    if not prod(shape):
        raise FileRefused(f"{file} holds no curve: its shape is {tuple(data.shape)}")
    files = {"y": file} if groups is not None else {"y": file, "yerr": f"--yerr {yerr}", "mask": f"--mask {mask}"}
    result = _run(made, data, values, axes if len(axes) > 1 else axes[0], prod(shape), store, resume,
                  {**options, **many, "threads": threads}, files)
    if result is None:
        return INTERRUPTED
    target = console()
    target.print(result.summary())
    if out is not None and store is None:
        write_groups(out, groups, result) if groups is not None else _write_npz(out, result)
    if chart is not None:
        draw(result.plot_maps().flat[0], chart)
    return GOOD


def _arrays(file: str, x: Sequence[str], yerr: str | None, mask: str | None, axis: str) -> tuple[Any, list[Any], dict[str, Any],
                                                                                                 tuple[int, ...]]:
    """Open the arrays of a batch, and see that their shapes fit."""
    data = open_array(file)
    if data.ndim < 2:
        raise FileRefused(f"{file} has the shape {tuple(data.shape)}: one curve, which `gslfit fit` fits from columns")
    columns = []
    for each in x:
        given, where = _named(each)
        columns.append((given, (), np.asarray(open_array(where)[...])))
    if not columns:
        raise FileRefused("--x is missing: the file with the numbers of x, FILE or FILE:NAME")
    axes = _axes(axis, data.ndim)
    points = tuple(data.shape[place] for place in axes)
    for each, (_, _, array) in zip(x, columns, strict=True):
        if array.shape not in (points, (prod(points),)):
            raise FileRefused(f"--x {each} has the shape {array.shape}, and the points of {file} along --axis {axis} have {points}")
    options: dict[str, Any] = {}
    if yerr is not None:
        options["yerr"] = _beside("--yerr", yerr, data, axes, points)
    if mask is not None:
        options["mask"] = _beside("--mask", mask, data, axes, points)
    return data, columns, options, axes


def _named(text: str) -> tuple[str | None, str]:
    """Return the name of a variable, if one is said, and its file: NAME=FILE, or FILE."""
    name, sign, where = text.partition("=")
    return (as_name(name), where) if sign and name.isidentifier() else (None, text)


def _axes(axis: str, ndim: int) -> tuple[int, ...]:
    """Return the axes of the points, counted from 0."""
    try:
        found = tuple(int(part) for part in axis.split(","))
    except ValueError:
        raise Refused(f"--axis {axis}: a whole number is needed, or several joined by commas") from None
    if any(not -ndim <= part < ndim for part in found) or len({part % ndim for part in found}) != len(found):
        raise Refused(f"--axis {axis}: the data have the axes 0 to {ndim - 1}")
    return tuple(part % ndim for part in found)


def _beside(option: str, name: str, data: Any, axes: tuple[int, ...], points: tuple[int, ...]) -> Any:
    """Open an array beside the data: of their shape, of the shape of the batch, or with a number for each point of a fit."""
    array, whole = open_array(name), tuple(data.shape)
    if option == "--mask" and array.dtype.kind == "f":
        raise FileRefused(f"{option} {name} holds {array.dtype}, and True and False, or whole numbers, are needed")
    batch = tuple(size for place, size in enumerate(whole) if place not in axes)
    if tuple(array.shape) == whole:
        return array if option == "--yerr" or array.dtype == bool else np.asarray(array[...]) != 0
    numbers = np.asarray(array[...])
    numbers = numbers != 0 if option == "--mask" else numbers
    others = tuple(place for place in range(len(whole)) if place not in axes)
    for shape, lacking in ((batch, axes), (points, others)):
        if numbers.shape == shape:
            return np.broadcast_to(np.expand_dims(numbers, lacking), whole)
    raise FileRefused(f"{option} {name} has the shape {numbers.shape}: neither that of the data, {whole}, nor of the batch, {batch}, nor "
                      f"of the points of a fit, {points}")


def _store(out: str | None, resume: bool, grouped: bool) -> str | None:
    """Return where results are written as they come; None where they are written at the end."""
    if out is None:
        if resume:
            raise Refused("--resume goes on with what --out holds, and there is no --out")
        return None
    path = Path(out)
    if (grouped and path.suffix.lower() == ".csv") or path.suffix.lower() == ".npz":
        if resume:
            raise Refused(f"--out {out} is written at the end, so that --resume can't go on with it: a folder or NAME.zarr can")
        checked("--out", out)
        return None
    if path.suffix.lower() not in ("", ".zarr"):
        raise Refused(f"--out {out}: NAME.zarr, NAME.npz{', NAME.csv' if grouped else ''} or a folder (a name without an ending) is needed")
    if not path.parent.is_dir():
        raise FileRefused(f"--out {out}: there is no folder {str(path.parent)!r}")
    return out


def _write_npz(out: str, result: Any) -> None:
    """Write all arrays of a result to a ``.npz``, by the names of its `to_dict`."""
    try:
        write_npz(Path(out), result.to_dict())
    except OSError as error:
        raise FileRefused(f"{out} can't be written: {error.strerror}") from None


def _run(model: Any, data: Any, x: dict[str, Any], axis: Any, total: int, store: str | None, resume: bool, options: dict[str, Any],
         files: dict[str, str]) -> Any:
    """Fit, with a bar on a terminal; return the result, or None if it was interrupted. `files` says which file an argument is from."""
    if store is not None:
        options |= {"out": store, "resume": resume}
    done = 0

    def count(number: int) -> None:
        nonlocal done
        done = number
        show(number)
    try:
        with _bar(total) as show, warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            result = model.fit_batch(data, x=x, axis=axis, keep_data=False, progress=count, **options)
    except KeyboardInterrupt:
        further = f": the same command with --resume goes on with what is in {store}" if store else ""
        warn(f"interrupted after {done} of {total} fits{further}")
        return None
    except OSError as error:
        further = f"; when it can, the same command with --resume goes on with what is in {store}" if store else ""
        raise FileRefused(f"{store or 'a file'} can't be read or written: {error.strerror or error}{further}") from None
    except FitError as error:
        text = str(error)
        for said, option in (("resume=True", "--resume"), ("out= ", f"--out {store} "), ("out=", "--out ")):
            text = text.replace(said, option)
        said = text.partition(" ")[0].partition("[")[0]
        raise Refused(f"{files[said]}: {text}" if said in files else text) from None
    for each in {str(each.message) for each in caught}:
        warn(f"warning: {each}")
    return result


@contextmanager
def _bar(total: int) -> Iterator[Callable[[int], Any]]:
    """Show a bar with the time left, where standard error is a terminal; yield what takes the number of fits done."""
    if not sys.stderr.isatty():
        yield lambda number: None
        return
    progress = package("rich.progress", "cli", "the command")
    columns = [progress.TextColumn("{task.completed:.0f} of {task.total:.0f} fits"), progress.BarColumn(), progress.TaskProgressColumn(),
               progress.TimeRemainingColumn(), progress.TextColumn("left")]
    with progress.Progress(*columns, console=console(stderr=True)) as shown:
        task = shown.add_task("", total=total)
        yield lambda number: shown.update(task, completed=number)
