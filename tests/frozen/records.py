"""What is kept of a fit: numbers to their last bit, counts and statuses as they are, arrays and texts as digests.

A record is a dict. Its values are float64 arrays, whole numbers (or nested lists of them) and texts; a text that begins with "#" is the
digest of something that only has to be the same, a text that begins with "=" an array.
"""
import base64
import hashlib
import json
import warnings
from collections.abc import Mapping

import numpy as np

NEAR = 1e-5         # standard errors by which values may differ on another machine
LOOSE = 1e-8        # relative difference of numbers that have no standard error
ENDED = ("success", "errorbars", "aborted", "ier")
HALF = ("stderr", "chisqr")
WORDS = ("message", "lmdif_message")


def digest(thing):
    """Return a few characters that stand for a text, an array, or a nest of them."""
    found = hashlib.sha1()
    _feed(found, thing)
    return "#" + base64.urlsafe_b64encode(found.digest()[:3]).decode()


def _feed(found, thing):
    if isinstance(thing, Mapping):
        for key, value in thing.items():
            found.update(repr(key).encode())
            _feed(found, value)
    elif isinstance(thing, (list, tuple)):
        for value in thing:
            _feed(found, value)
    elif isinstance(thing, (np.ndarray, np.generic, float)):
        array = np.asarray(thing)
        found.update(repr(array.shape).encode() + array.dtype.str.encode())
        found.update(np.where(np.isnan(array), np.nan, array + 0.0).tobytes() if array.dtype.kind == "f" else array.tobytes())
    else:
        found.update(repr(thing).encode())


def numbers(values):
    """Return a float64 array; None is NaN."""
    return np.array([np.nan if value is None else value for value in values], float)


def of_fit(fit):
    """Return a single fit with parameters: `FitResult`, a fitted `Minimizer`, `ModelResult`, `MinimizerResult`."""
    params = fit.params
    correlations = {name: dict(par.correl or {}) for name, par in params.items()}
    names = [(name, par.vary, par.expr) for name, par in params.items()]
    arrays = [getattr(fit, name, None) for name in ("covar", "residual", "init_vals")]
    return {"values": numbers(par.value for par in params.values()), "stderr": numbers(par.stderr for par in params.values()),
            "chisqr": numbers([fit.chisqr]), "ended": [whole(getattr(fit, name, None)) for name in ENDED],
            "nfev": whole(getattr(fit, "nfev", None)), "counts": [whole(getattr(fit, name, None)) for name in ("ndata", "nvarys")],
            "arrays": digest([correlations, names, arrays]), "words": digest([getattr(fit, name, None) for name in WORDS])}


def whole(value):
    """Return a whole number; -9 where there is none."""
    return -9 if value is None else int(value)


def of_batch(batch):
    """Return a `BatchResult`: arrays of every fit."""
    return {"values": np.array([batch.values[name] for name in batch.values]),
            "stderr": np.array([batch.stderr[name] for name in batch.stderr]), "chisqr": np.atleast_1d(np.array(batch.chisqr, float)),
            "ended": np.asarray(batch.status).tolist(), "nfev": np.asarray(batch.nfev).tolist(), "counts": np.asarray(batch.ndata).tolist(),
            "arrays": digest([batch.gradient, batch.redchi, batch.covar, batch.names]), "words": digest(batch.reason)}


def of_numbers(thing):
    """Anything made of numbers: values one after the other, and a digest of the keys and shapes around them."""
    values, shape = [], []

    def walk(part):
        if isinstance(part, Mapping):
            shape.append(list(map(str, part)))
            for value in part.values():
                walk(value)
        elif isinstance(part, np.ndarray):
            shape.append(part.shape)
            values.extend(np.asarray(part, float).ravel().tolist() if part.dtype.kind != "c" else part.view(float).ravel().tolist())
        elif isinstance(part, (list, tuple)):
            shape.append(len(part))
            for value in part:
                walk(value)
        elif isinstance(part, (int, float, np.number)) or part is None:
            values.append(np.nan if part is None else float(part))
        else:
            shape.append(str(part))
    walk(thing)
    return {"numbers": np.array(values, float), "shape": digest(shape)}


def describe(result):
    """Return the record of what a call returned."""
    if isinstance(result, dict) and result.get("record"):
        return {name: value for name, value in result.items() if name != "record"}
    if hasattr(result, "gradient") and hasattr(result, "status") and hasattr(result, "shape"):
        return of_batch(result)
    if hasattr(result, "params") and hasattr(result, "chisqr"):
        return of_fit(result)
    return of_numbers(result)


def run(call):
    """Return the record of a call: of its result or of its error, with the warnings of gslfit's own on the way."""
    from gslfit import FitWarning
    with warnings.catch_warnings(record=True) as heard, np.errstate(all="ignore"):
        warnings.simplefilter("always")
        try:
            found = describe(call())
        except Exception as error:
            found = {"error": type(error).__name__, "text": digest(str(error))}
    said = [str(each.message) for each in heard if issubclass(each.category, FitWarning)]
    return found | ({"warned": digest(said)} if said else {})


# -- lines of a file

def coded(key, array, mark):
    """Write an array as text: its shape, where that is no plain row, and its bytes; those of `HALF` at half length, with their digest."""
    shape = "x".join(map(str, array.shape)) if array.ndim != 1 else ""
    data = base64.urlsafe_b64encode((halved(array) if key in HALF else array.astype("<f8")).tobytes()).decode()
    return f"={shape}:{data.rstrip('=')}{(mark or digest(array)) if key in HALF else ''}"


def halved(array):
    """Return an array to half its digits."""
    with np.errstate(over="ignore"):
        return array.astype("<f4")


def line(name, record):
    """Return a record as a line of text."""
    plain = {key: coded(key, value, record.get(f"{key} mark")) if isinstance(value, np.ndarray) else value
             for key, value in record.items() if not key.endswith(" mark")}
    return f"{name}\t{json.dumps(plain, separators=(',', ':'))}\n"


def parsed(text):
    """Name and record of a line."""
    name, _, rest = text.rstrip("\n").partition("\t")
    record = json.loads(rest)
    for key, value in list(record.items()):
        if isinstance(value, str) and value.startswith("="):
            shape, _, data = value[1:].partition(":")
            data, _, mark = data.partition("#")
            array = np.frombuffer(base64.urlsafe_b64decode(data + "="*(-len(data) % 4)), "<f4" if mark else "<f8").astype(float)
            record[key] = array.reshape([int(part) for part in shape.split("x")]) if shape else array
            if mark:
                record[f"{key} mark"] = f"#{mark}"
    return name, record


# -- differences

def differences(old, new, exact=True):
    """In words, where two records differ.

    With `exact` every bit counts. Without, what may differ on another machine does not: the last digits, the number of evaluations, and
    what is only kept as a digest.
    """
    old, new = marked(old), marked(new)
    found = []
    for key in dict.fromkeys((*old, *new)):
        one, other = old.get(key), new.get(key)
        if not exact and key == "nfev":
            continue
        if isinstance(one, np.ndarray) and isinstance(other, np.ndarray):
            found += _unlike(key, one, other, old, exact)
        elif isinstance(one, list) and isinstance(other, list) and np.shape(one) == np.shape(other):
            one, other = np.array(one), np.array(other)
            found += [f"{key}{_at(place)}: {one[tuple(place)]} -> {other[tuple(place)]}" for place in np.argwhere(one != other)]
        elif isinstance(one, str) and isinstance(other, str) and one.startswith("#"):
            found += [f"other {key}"] if exact and one != other else []
        elif type(one) is not type(other) or one != other:
            found.append(f"{key}: {_shown(one)} -> {_shown(other)}")
    return found


def marked(record):
    """Return a record with the digests of what is kept to half its digits."""
    found = dict(record)
    for key in HALF:
        if key in record and f"{key} mark" not in record:
            found |= {key: halved(record[key]).astype(float), f"{key} mark": digest(record[key])}
    return found


def _shown(value):
    return "numbers" if isinstance(value, np.ndarray) else "nothing" if value is None else repr(value)


def _at(place):
    return f"[{', '.join(map(str, place))}]" if len(place) else ""


def _unlike(key, one, other, old, exact):
    """Where two arrays of numbers differ, in words."""
    if one.shape != other.shape:
        return [f"{key} has the shape {one.shape} -> {other.shape}"]
    with np.errstate(all="ignore"):
        same = (one == other) | (np.isnan(one) & np.isnan(other))
        scale = old["stderr"] if key == "values" and np.shape(old.get("stderr")) == one.shape else np.full(one.shape, np.nan)
        away = np.abs(other - one)
        if not exact:
            room = (NEAR if key in (*HALF, "numbers") else LOOSE)*np.abs(one)
            same |= away <= np.where(scale > 0, np.maximum(NEAR*scale, room), room)
    return [f"{key}{_at(place)}: {one[tuple(place)]:.17g} -> {other[tuple(place)]:.17g}"
            + (f" ({away[tuple(place)]/scale[tuple(place)]:.1e} standard errors)" if scale[tuple(place)] > 0 else "")
            for place in np.argwhere(~same)]
