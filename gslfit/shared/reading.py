"""What a call of `fit_shared` means: data sets of one formula side by side, their start values and bounds by name.

Data sets of the same length and formula come as one array, and are read as a batch is. Others are read one by one; those of one formula are
then filled up to about the same length, with points that take no part.
"""
from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from gslfit.checks import by_name, identifiers
from gslfit.constraints.grammar import close
from gslfit.curves.job import NO_RESPONSE, FormulaLike, Job, prepare, with_shift
from gslfit.curves.per_fit import read_per_fit
from gslfit.data.fits import Fits
from gslfit.data.inputs import Factors, Inputs
from gslfit.data.labels import Labels, labels_of
from gslfit.data.layout import Layout
from gslfit.data.numbers import read
from gslfit.data.points import union
from gslfit.errors import InputError, InputTypeError, NonFiniteError, ParameterError
from gslfit.formula.formula import Formula
from gslfit.minimizer.options import SHARED, FitOptions
from gslfit.parameters.collection import Parameters
from gslfit.parameters.dependencies import needed, unused
from gslfit.parameters.given import parameters_of
from gslfit.records import Record

RENAMED = (InputError, InputTypeError, NonFiniteError, ParameterError)


class Part(Record):
    """Data sets of one formula.

    Attributes
    ----------
    places : ndarray of int, shape (k,)
        Which of the data sets.
    job : Job
        Their formula, in which all that varies is free, and their start values, (k,) or ().
    given : Inputs
        Of all of them: y is (k, n).
    own : list of Inputs, or None
        Of each of them, where they were read one by one.
    """

    places: np.ndarray
    job: Job
    given: Inputs
    own: list[Inputs] | None


class Sets(Record):
    """The data sets of a call.

    Attributes
    ----------
    parts : list of Part
    total : int
        How many data sets there are.
    names : tuple of str
        Every parameter.
    shared, local : tuple of str
        Those that vary.
    bounds : dict of str to tuple (low, high)
        Arrays, shape () or (m,), of those that vary and have any; infinite for none.
    parameters : Parameters or None
        As they were given.
    """

    parts: list[Part]
    total: int
    names: tuple[str, ...]
    shared: tuple[str, ...]
    local: tuple[str, ...]
    bounds: dict[str, tuple[np.ndarray, np.ndarray]]
    parameters: Parameters | None


def read_sets(options: FitOptions, model: Any, y: Any, params: Parameters | None, shared: Any, beside: Mapping[str, Any],
              start: Mapping[str, Any] | None, bounds: Mapping[str, Any] | None, keywords: Mapping[str, Any],
              response: tuple[Any, Any, Any] = NO_RESPONSE) -> tuple[Sets, FitOptions]:
    """Read a call; `beside` has x, yerr, weights and mask as they were given.

    Raises
    ------
    InputError
        If shapes or names don't fit; the message names them.
    """
    if params is not None:
        params = with_shift(parameters_of(params, "plain start values go into start={...}"), response[2])
    wanted, y = tuple(identifiers("shared", shared)), _listed(y)
    beside = {name: _listed(value) for name, value in beside.items()}
    variables = beside["x"].values() if isinstance(beside["x"], Mapping) else ()
    given = (y, *beside.values(), *variables)
    one_by_one = (isinstance(model, (list, tuple)) or any(map(_apart, given)) or any(_of_each(y, value) for value in given)
                  or _labels_differ(y, (*given, *keywords.values())))
    if one_by_one and response is not NO_RESPONSE:
        raise InputError("response= and data sets one by one can't be given together: y as an array (m, n), one x and one formula are "
                         "needed")
    parts, count, options = (_read_apart(options, model, y, params, beside, start, keywords) if one_by_one else
                             _read_together(options, model, y, params, beside, start, keywords, response))
    for part in parts:
        if part.job.folded is None:
            raise InputError(f"fit_shared needs formulas that compile, and {part.job.formula!r} does not: {part.job.reason}")
    names = tuple(params) if params is not None else tuple(dict.fromkeys(name for part in parts for name in part.job.formula.names))
    free = {name for part in parts for name in _free(part.job)}
    _check_shared(wanted, names, free, params, parts)
    found = Sets(parts, count, names, tuple(name for name in names if name in free and name in wanted),
                 tuple(name for name in names if name in free and name not in wanted), {}, params)
    if params is not None and one_by_one:
        idle = unused(params, {name for part in parts for name in part.job.formula.names})
        if idle:
            raise InputError(f"parameter {idle[0]!r} varies, but none of the formulas depends on it: set vary=False, or leave it out")
    return found._replace(bounds=_bounds(found, bounds)), options


def _free(job: Job) -> tuple[str, ...]:
    """Return the parameters of a formula that vary."""
    if job.folded is not None:
        return job.folded.names
    if job.parameters is None:
        return job.formula.names
    return tuple(name for name, par in job.parameters.items() if par.vary and par.expr is None)


def _check_shared(wanted: Sequence[str], names: Sequence[str], free: set[str], params: Parameters | None, parts: list[Part]) -> None:
    """Raise InputError for a shared parameter that there isn't, that has an expression, or that has many start values."""
    if not wanted:
        raise InputError("shared names no parameter: fit_batch fits data sets each for itself")
    for name in wanted:
        if name not in names:
            raise InputError(f"{name!r} in shared is no parameter; there are {', '.join(names)}{close(name, list(names))}")
        if params is not None and params[name].expr is not None:
            raise InputError(f"{name!r} in shared has the expression {params[name].expr!r}: it is shared as far as what that is made of is")
        if any(np.ndim(part.job.start.get(name, 0.0)) for part in parts):
            raise InputError(f"the start of {name!r} is an array, and {name!r} is shared: give one number")
    if free.isdisjoint(wanted):
        raise InputError(f"no parameter of shared=({', '.join(map(repr, wanted))}) varies: fit_batch fits data sets each for itself")


def _bounds(sets: Sets, given: Mapping[str, Any] | None) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Return the bounds of what varies: those of the Parameters, and over them those of the call."""
    found: dict[str, tuple[np.ndarray, np.ndarray]] = {}
    varying = (*sets.shared, *sets.local)
    for name in varying if sets.parameters is not None else ():
        low, high = sets.parameters[name].min, sets.parameters[name].max  # type: ignore[index]
        if low is not None or high is not None:
            found[name] = (np.array(-np.inf if low is None else low), np.array(np.inf if high is None else high))
    data = sets.parts[0].given      # data sets one by one have no labels
    own = read_per_fit(given, None, Fits.along(data.layout, data.labels) if data.labels is not None else Fits((sets.total,)), varying)
    for name, pair in {} if own is None else own.bounds.items():
        if name in sets.shared and any(side.ndim for side in pair):
            raise InputError(f"bounds[{name!r}] holds arrays, and {name!r} is shared: one number is needed for each bound")
        found[name] = pair
    return found


# -- arrays

def _read_together(options: FitOptions, model: FormulaLike, y: Any, params: Parameters | None, beside: Mapping[str, Any],
                   start: Mapping[str, Any] | None, keywords: Mapping[str, Any],
                   response: tuple[Any, Any, Any]) -> tuple[list[Part], int, FitOptions]:
    """Read data sets that come as one array."""
    job, given, options = prepare(SHARED, options, model, y, params, beside["x"], beside["yerr"], beside["weights"], beside["mask"], start,
                                  None, keywords, response=response)
    if len(given.layout.shape) != 1:
        remedy = "; one data set is fitted by fit" if not given.layout.shape else ""
        raise InputError(f"y has the shape {given.layout.whole}, and (m, n) is needed, m data sets of n points, or a list{remedy}")
    given = given._replace(y=np.asarray(given.y), x={name: np.asarray(array) for name, array in given.x.items()})
    return [Part(np.arange(len(given.y)), job, given, None)], len(given.y), options


# -- data sets one by one

def _apart(value: Any) -> bool:
    """Return whether it is a list that is no array: of mappings, of arrays of several lengths, with None among them."""
    if not isinstance(value, (list, tuple)) or not value:
        return False
    if any(each is None or isinstance(each, Mapping) for each in value):
        return True
    shapes = {_shape(each) for each in value}
    return len(shapes) > 1 or None in shapes


def _listed(value: Any) -> Any:
    """Return an array of arrays as a list of them; anything else as it is."""
    if isinstance(value, np.ndarray) and value.dtype == object and value.ndim == 1 and any(map(np.ndim, value)):
        return list(value)
    return value


def _of_each(y: Any, value: Any) -> bool:
    """Return whether it is a list with a number for each of a list of data sets, and not for each of their points."""
    lists = isinstance(y, (list, tuple)) and isinstance(value, (list, tuple)) and len(value) == len(y) > 0
    return lists and _shape(y[0]) not in ((), (len(y),)) and all(_shape(each) == () for each in value)


def _labels_differ(y: Any, values: Iterable[Any]) -> bool:
    """Return whether data sets in a list, and what comes beside them, have several sets of labels: each is paired with its own then."""
    def labels(value: Any) -> list[Labels]:
        each = [labels_of(item) for item in (value if isinstance(value, (list, tuple)) else [value]) if type(item) is not np.ndarray]
        return [own for own in each if own is not None and len(own.dims) == 1]
    known = labels(y) if isinstance(y, (list, tuple)) else []
    if not known:
        return False
    first = next(iter(known[0].indexes.values()), None)
    others = [index for value in values for own in labels(value) for index in own.indexes.values()]
    return any(first is None or not index.equals(first) for index in others)


def _shape(value: Any) -> tuple[int, ...] | None:
    """Return the shape of an array or a list; None for a list of rows of different lengths, which is told where it is read."""
    try:
        return np.shape(value)
    except ValueError:
        return None


def _each(name: str, value: Any, count: int) -> list[Any]:
    """Return what each data set has of an argument: an element of a list, a row of an array of several axes, or the same."""
    if not isinstance(value, (list, tuple)):
        return _rows(value) if np.ndim(value) > 1 and len(value) == count else [value]*count
    if len(value) != count and not _apart(value) and not any(map(np.ndim, value)):
        return [value]*count
    if len(value) != count:
        raise InputError(f"{name} is a list of {len(value)}, and y one of {count} data sets")
    return list(value)


def _rows(value: Any) -> list[Any]:
    """Return the rows of an array, those of a table Series."""
    rows = getattr(value, "iloc", value)
    return [rows[k] for k in range(len(value))]


def _by_set(named: Mapping[str, Any], count: int) -> list[dict[str, Any]]:
    """Return what each data set has of several arguments, by their names."""
    columns = {name: _each(name, value, count) for name, value in named.items()}
    return [{name: column[k] for name, column in columns.items()} for k in range(count)]


def _read_apart(options: FitOptions, model: Any, y: Any, params: Parameters | None, beside: Mapping[str, Any],
                start: Mapping[str, Any] | None, keywords: Mapping[str, Any]) -> tuple[list[Part], int, FitOptions]:
    """Read data sets that differ in length, in formula, or in what comes beside them."""
    if not isinstance(y, (list, tuple)) and np.ndim(y) == 0:
        raise InputError("y must be an array (m, n), or a list with the points of each data set")
    y = y if isinstance(y, (list, tuple)) else _rows(y)
    count = len(y)
    models = list(model) if isinstance(model, (list, tuple)) else [model]*count
    if len(models) != count:
        raise InputError(f"there are {len(models)} models and {count} data sets")
    columns = _by_set(beside, count)
    if isinstance(beside["x"], Mapping):
        columns = [{**each, "x": own} for each, own in zip(columns, _by_set(beside["x"], count), strict=True)]
    lists = {name for name, value in keywords.items() if isinstance(value, (list, tuple)) and any(map(np.ndim, value))}
    variables = _by_set({name: keywords[name] for name in keywords if name in lists}, count)
    starts = {**by_name("start", start), **{name: value for name, value in keywords.items() if name not in lists}}
    own_params: dict[Any, Parameters | None] = {}
    found: list[tuple[Job, Inputs]] = []
    for k, each in enumerate(models):
        formula = _formula(each, columns[k]["x"], variables[k])
        key = each if isinstance(each, str) else id(each)
        if key not in own_params:
            own_params[key] = _own_params(params, formula)
        try:
            job, given, options = _read_one(options, formula, y[k], own_params[key], columns[k], variables[k], starts, (k, count))
        except RENAMED as error:
            if type(error) not in RENAMED:
                raise
            raise type(error)(f"data set {k}: {error}") from None
        found.append((job, given))
    used = {name for job, _ in found for name in _known(job.formula, job.parameters)}
    strange = [name for name in starts if name not in used]
    if strange:
        raise InputError(f"{strange[0]!r} is no parameter of any formula; there are {', '.join(sorted(used))}"
                         f"{SHARED.hint(strange[0], sorted(used))}")
    groups: dict[Any, list[int]] = {}
    for k, (job, given) in enumerate(found):
        alike = job.formula, tuple(job.start), given.factors and given.factors.name, (given.layout.n or 1).bit_length()
        groups.setdefault(alike, []).append(k)
    return [_joined(found, places) for places in groups.values()], count, options


def _read_one(options: FitOptions, formula: Formula, y: Any, params: Parameters | None, beside: Mapping[str, Any],
              variables: Mapping[str, Any], starts: Mapping[str, Any], place: tuple[int, int]) -> tuple[Job, Inputs, FitOptions]:
    """Read one data set; `place` is its number, and how many there are."""
    known = _known(formula, params)
    own = {name: _of_set(name, value, *place) for name, value in starts.items() if name in known}
    job, given, options = prepare(SHARED, options, formula, y, params, beside["x"], beside["yerr"], beside["weights"], beside["mask"], own,
                                  None, variables)
    if given.layout.shape:
        raise InputError(f"it has the shape {given.layout.whole}, and one axis is needed, that of its points")
    return job, given, options


def _known(formula: Formula, params: Parameters | None) -> set[str]:
    """Return the parameters of a data set."""
    return set(formula.names if params is None else params)


def _formula(model: FormulaLike, x: Any, variables: Mapping[str, Any]) -> Formula:
    """Return the formula of one data set, its independent variables known."""
    if isinstance(model, Formula):
        return model
    named = tuple(x) if isinstance(x, Mapping) else ()
    return Formula(model, (*named, *variables) or None) if isinstance(model, str) else Formula(model, named or None)


def _own_params(params: Parameters | None, formula: Formula) -> Parameters | None:
    """Return the Parameters that a formula needs, of those of all."""
    if params is None:
        return None
    own = params.copy()
    keep = needed(params, formula.names)
    for name in [name for name, par in params.items() if par.expr is not None] + list(params):
        if name in own and name not in keep:
            del own[name]
    return own


def _of_set(name: str, value: Any, k: int, count: int) -> Any:
    """Return one data set's start value."""
    array = np.asarray(read(name, value).array)
    if array.ndim == 0:
        return float(array)
    if array.shape != (count,):
        raise InputError(f"the start of {name!r} has the shape {array.shape}, and there are {count} data sets")
    return float(array[k])


def _joined(sets: list[tuple[Job, Inputs]], places: list[int]) -> Part:
    """Return data sets of one formula side by side, filled up to the longest by points that take no part."""
    job, first = sets[places[0]]
    own = [sets[k][1] for k in places]
    n = max(each.layout.n for each in own)
    y, short = np.zeros((len(places), n)), any(each.layout.n < n for each in own)
    x = {name: np.empty((len(places), n)) for name in first.x}
    masked = short or any(each.mask is not None for each in own)
    mask = np.zeros((len(places), n), bool) if masked else None
    factors = None if first.factors is None else Factors(first.factors.name, np.ones((len(places), n)))
    for row, each in enumerate(own):
        count = each.layout.n
        y[row, :count] = each.y
        for name, array in each.x.items():
            x[name][row, :count], x[name][row, count:] = array, array[:1] if count else 0.0
        if mask is not None:
            mask[row, :count], mask[row, count:] = False if each.mask is None else union((count,), [each.mask]), True
        if factors is not None and each.factors is not None:
            factors.array[row, :count] = each.factors.array
    starts: dict[str, Any] = {}
    for name in job.start:
        values = [float(sets[k][0].start[name]) for k in places]
        same = all(value == values[0] or (value != value and values[0] != values[0]) for value in values)
        starts[name] = values[0] if same else np.array(values)
    given = Inputs(Layout((len(places), n), (1,)), None, y, x, factors, mask)
    return Part(np.array(places), job._replace(start=starts), given, own)
