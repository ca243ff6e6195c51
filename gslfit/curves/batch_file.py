"""The file of a batch, a ``.npz``: what is in it, and how it is told from any other."""
from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from gslfit.checks import json_tree, path
from gslfit.errors import FitStatus, InputError

STATISTICS = ("chisqr", "redchi", "nfev", "ndata", "status", "gradient")         # the arrays of a result beside values and errors

CORRELATIONS = "correl:"        # an array that is kept in memory beside those of a result: no parameter's name

OF_LOSSES = ("cost", "f_scale")         # those of robust losses besides

# what a file says of the errors of the data: there were none, the array of that name has them, or each fit's own are not in the file
NO_ERRORS, APART = "none", "apart"
FACTORS = ("weights", "yerr")


def read_arrays(file: Any) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Return the arrays of a file that `BatchResult.save` wrote, and what stands at its head."""
    from zipfile import BadZipFile
    from zlib import error as damaged
    arrays, head = {}, {}
    where = file if hasattr(file, "read") else path("file", file)
    try:
        with np.load(where, allow_pickle=False) as stored:
            arrays = dict(stored)
        head = json_tree(str(arrays["head"]))
        wanted = {"head", *STATISTICS, *(f"{part}:{name}" for part in ("value", "stderr") for name in head["parameters"]),
                  *(f"x:{name}" for name in head["independent"] if head["shared"])}
        wrong = _wrong_part(arrays, head) if wanted <= arrays.keys() and HEAD.keys() <= head.keys() else "a part of it is missing"
    except (*UNREADABLE, BadZipFile, damaged) as error:
        wrong = str(error) or type(error).__name__
    if wrong:
        raise InputError(f"{file!r:.80} is no file that BatchResult.save wrote: {wrong}")
    return arrays, head


def _wrong_part(arrays: Mapping[str, np.ndarray], head: Mapping[str, Any]) -> str:
    """Say which part of a file is of another kind or shape than `BatchResult.save` writes; "" where none is."""
    for name, kind in HEAD.items():
        if not isinstance(head[name], kind) or (kind is list and not all(isinstance(each, str) for each in head[name])):
            return f"{name} is {head[name]!r:.60}"
    shape, p = arrays["status"].shape, len(head["names"])
    for name, array in arrays.items():
        part = name.partition(":")[0]
        fits = (part == "head" or (_is_response(name, array, shape) if part == "response" else array.ndim == 1 if part == "x" else
                                   _are_factors(array, shape, arrays) if name in FACTORS else
                                   array.shape == ((*shape, p, p) if part in ("covar", "correl") else shape)))
        if not fits or array.dtype.kind not in ("U" if part == "head" else "iu" if part in COUNTS else "iuf"):
            return f"{name} is an array of {array.dtype} of the shape {array.shape}"
    errors = head.get("errors", NO_ERRORS)
    if errors not in (NO_ERRORS, APART) and not (errors in FACTORS and errors in arrays):
        return "its errors of the data are none"
    own = head.get("response")
    if own is not None and not (isinstance(own, dict) and {"response:numbers", "response:x"} <= arrays.keys()
                                and type(own.get("centre")) is int and 0 <= own["centre"] < arrays["response:numbers"].shape[-1]
                                and isinstance(own.get("shift"), (str, type(None)))):
        return "its response is none"
    if not (set(head["names"]) <= set(head["parameters"]) and np.isin(arrays["status"], [status.value for status in FitStatus]).all()):
        return "its names, or a status, are none"
    return ""


def _are_factors(array: np.ndarray, shape: tuple[int, ...], arrays: Mapping[str, np.ndarray]) -> bool:
    """Return whether an array has a number for each point, the same for all fits, or one for each fit."""
    if array.ndim == 1:
        return all(array.size == own.size for name, own in arrays.items() if name.startswith("x:"))
    return array.shape[-1:] == (1,) and array.ndim == len(shape) + 1 and all(n in (1, m) for n, m in zip(array.shape, shape, strict=False))


def _is_response(name: str, array: np.ndarray, shape: tuple[int, ...]) -> bool:
    """Return whether an array has the shape of a response's points, or of its numbers."""
    lead = array.shape[:-1] if name == "response:numbers" else ()
    return array.size > 0 and array.ndim == len(lead) + 1 and lead in ((), shape)


# the parts of a file's head, and what they are
HEAD: dict[str, type] = {"text": str, "method": str, "reason": str, "names": list, "parameters": list, "independent": list, "shared": bool}
COUNTS = ("nfev", "ndata", "status")
# what reading a file of another kind, or a damaged one, raises
UNREADABLE = (TypeError, ValueError, KeyError, AttributeError, EOFError, OverflowError, NotImplementedError, RuntimeError)
