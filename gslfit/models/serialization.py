"""Models and results as JSON: formulas are texts, functions are names that the reader looks up, and nothing in a file is ever run.

A text of a formula goes through the closed grammar again when it is read, as do the expressions of parameters. Each class of models says
how it is written (`_file_state`) and read (`reads`); a class is looked up in the table of these readers, an operator in a table of four.
"""
from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

import numpy as np

from gslfit.checks import choice, json_tree, mapping, positive
from gslfit.data.covariance import Covariance
from gslfit.data.fits import Fits
from gslfit.errors import FitStatus, InputError, ending
from gslfit.minimizer.result import FitResult, Minimum
from gslfit.models.arguments import HINTS
from gslfit.models.model_function import ModelFunction
from gslfit.objective.loss import LOSSES
from gslfit.parameters.collection import Parameters

FORMAT = "gslfit model 1"
RESULT = "gslfit result 1"
MAX_DEPTH = 64         # of composites in composites
PLAIN = (str, int, float, bool, type(None))
STATISTICS: dict[str, type] = {"method": str, "success": bool, "errorbars": bool, "message": str, "nfev": int, "var_names": list,
                               "init_vals": list, "aborted": bool}


# -- writing


def common_state(model: ModelFunction) -> dict[str, Any]:
    """Return what every model has as a dict of plain things."""
    return {"class": type(model).__name__, "name": model._name, "prefix": model._prefix, "nan_policy": model.nan_policy,
            "independent_vars": list(model.independent_vars), "param_hints": _hints(model.param_hints)}


def _hints(hints: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return hints as plain things."""
    out: dict[str, dict[str, Any]] = {}
    for name, hint in hints.items():
        out[name] = {key: value.item() if isinstance(value, np.generic) else value for key, value in hint.items()}
    return out


def model_text(model: Any, **kws: Any) -> str:
    """Return a model as JSON text."""
    import json
    return json.dumps({"format": FORMAT, "model": model._file_state()}, **kws)


def _packed(value: Any) -> Any:
    """Return an array as a dict of plain things."""
    if not isinstance(value, np.ndarray):
        return value.item() if isinstance(value, np.generic) else value
    if value.dtype.kind == "c":
        return {"complex": [value.real.tolist(), value.imag.tolist()], "shape": value.shape}
    if value.dtype.kind not in "buif":
        raise InputError(f"an array of {value.dtype} can't be written to JSON")
    return {"array": value.tolist(), "shape": value.shape}


def result_text(result: Any, **kws: Any) -> str:
    """Return a result as JSON text, with its data."""
    import json
    outcome = result.result
    state = {"format": RESULT, "model": result.model._file_state(), "params": json.loads(result.params.dumps()),
             "init_params": json.loads(result.init_params.dumps()), "data": _packed(np.asarray(result.data)),
             "weights": None if result.weights is None else _packed(np.asarray(result.weights)),
             "variables": {name: _packed(value) for name, value in result.userkws.items()},
             "residual": _packed(np.asarray(outcome.residual)), "covar": None if outcome.covar is None else _packed(outcome.covar),
             "keep": _packed(outcome.keep), "mask": _packed(result._mask),
             "outcome": {name: getattr(outcome, name) for name in STATISTICS} | {"status": outcome.status.name},
             "settings": {"method": result.method, "scale_covar": bool(result.scale_covar), "nan_policy": result.nan_policy,
                          "calc_covar": bool(result.calc_covar), "max_nfev": result.max_nfev,
                          **{name: value for name, value in result.fit_kws.items() if name in ("loss", "f_scale")}},
             **({} if result._ycov is None else {"ycov": _packed(result._ycov.array)}),
             **({} if result._prior is None else {"prior": {text: [float(mean), float(deviation)]
                                                            for text, mean, deviation in zip(*result._prior, strict=True)}}),
             **({} if outcome.starts_tried == 1 else {"starts": outcome.starts_tried, "minima": outcome.minima}),
             "call": {name: outcome.call_kws[name] for name in ("scale_covar", "loss", "f_scale") if name in outcome.call_kws}}
    return json.dumps(state, default=_plain, **kws)


def _plain(value: Any) -> Any:
    """Return NumPy's numbers as Python's."""
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        return value.tolist()
    raise InputError(f"{value!r:.60} can't be written to JSON")


# -- reading


def _read(text: str, wanted: str, **kws: Any) -> dict[str, Any]:
    """Return the dict that a text holds, or raise InputError."""
    state = json_tree(text, **kws)
    if not isinstance(state, dict) or state.get("format") != wanted:
        found = state.get("format") or state.get("__class__") if isinstance(state, dict) else type(state).__name__
        raise InputError(f"the text is no {wanted!r} (it says {found!r:.60}); lmfit's own files hold pickled code and are not read")
    return state


class Reading:
    """A model's dict while it is read, its members held to their types.

    Parameters
    ----------
    state : dict
    funcdefs : mapping of str to callable
        Functions by the names that a file has for them.
    depth : int
        Of composites around it.

    Raises
    ------
    InputError
        If it is no dict, or composites are nested too deep.
    """

    def __init__(self, state: Any, funcdefs: Mapping[str, Callable[..., Any]], depth: int = 0):
        if not isinstance(state, dict):
            raise InputError(f"a model is described by a dict, not by {type(state).__name__}")
        if depth > MAX_DEPTH:
            raise InputError(f"composites are nested deeper than {MAX_DEPTH}")
        self.state: dict[str, Any] = state
        self.funcdefs, self.depth = funcdefs, depth

    def typed(self, name: str, kind: type | tuple[type, ...], default: Any = None) -> Any:
        """Return a member of the type that it must have, or raise InputError."""
        return _typed(self.state, name, kind, default)

    def strings(self, name: str) -> list[str]:
        """Return a list of strings, or raise InputError."""
        value = self.typed(name, list, [])
        if not all(isinstance(each, str) for each in value):
            raise InputError(f"the model's {name!r} is {value!r:.60}, and names are needed")
        return value

    @property
    def common(self) -> dict[str, Any]:
        """Arguments that all models take."""
        return {"nan_policy": self.typed("nan_policy", str, "raise"), "name": self.typed("name", str, "") or None}

    @property
    def prefix(self) -> str:
        """The prefix."""
        return self.typed("prefix", str, "")

    def part(self, name: str) -> Any:
        """Return a member that is a model itself."""
        return build(Reading(self.state.get(name), self.funcdefs, self.depth + 1))

    def function(self) -> Callable[..., Any]:
        """Return the function that the model calls, or raise InputError."""
        name = self.typed("function", str)
        if name not in self.funcdefs:
            raise InputError(f"the model calls the function {name!r:.60}, which a file can't hold: give it, funcdefs={{{name!r:.60}: ...}}")
        return self.funcdefs[name]


READERS: dict[str, Callable[[Reading], Any]] = {}
"""What makes a model of its dict, by the name of its class; filled by `reads`."""


def reads(*names: str) -> Callable[[Callable[[Reading], Any]], Callable[[Reading], Any]]:
    """Declare a function as the reader of classes of these names."""
    def declared(reader: Callable[[Reading], Any]) -> Callable[[Reading], Any]:
        READERS.update(dict.fromkeys(names, reader))
        return reader
    return declared


def build(reading: Reading) -> Any:
    """Return the model that a dict describes.

    Raises
    ------
    InputError
        If it describes none.
    """
    cls = reading.typed("class", str)
    if cls not in READERS:
        for module in ("readers", "library.classes", "convolved"):
            import_module(f"gslfit.models.{module}")
    if cls not in READERS:
        raise InputError(f"there is no model class {cls!r:.60}")
    model = READERS[cls](reading)
    model.param_hints = _read_hints(reading.state)
    return model


def _typed(state: Mapping[str, Any], name: str, kind: type | tuple[type, ...], default: Any = None) -> Any:
    """Return a member, or raise InputError if it has not the type that it must have."""
    value = state.get(name, default)
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise InputError(f"the model's {name!r} is {value!r:.60}, of the wrong type")
    return value


def _read_hints(state: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return hints, held to their names and to numbers, truth values and texts."""
    hints: dict[str, dict[str, Any]] = {}
    for name, hint in _typed(state, "param_hints", dict, {}).items():
        if not isinstance(hint, dict) or any(key not in HINTS or not isinstance(value, PLAIN) for key, value in hint.items()):
            raise InputError(f"the hints of {name!r:.60} are {hint!r:.60}; {', '.join(HINTS)} are known")
        hints[name] = dict(hint)
    return hints


def model_from_text(text: str, funcdefs: Mapping[str, Callable[..., Any]] | None = None, **kws: Any) -> Any:
    """Return the model of a JSON text; its functions are looked up in `funcdefs`."""
    return build(Reading(_read(text, FORMAT, **kws).get("model"), mapping("funcdefs", funcdefs)))


def _unpacked(value: Any) -> Any:
    """Return an array of a dict, or a plain thing."""
    if isinstance(value, np.ndarray):
        return value
    if isinstance(value, dict):
        shape = value.get("shape")
        try:
            if "complex" in value:
                real, imaginary = value["complex"]
                return (np.array(real, float) + 1j*np.array(imaginary, float)).reshape(shape)
            return np.array(value["array"], float).reshape(shape)
        except (KeyError, TypeError, ValueError, OverflowError):
            raise InputError(f"{value!r:.60} is no array") from None
    if not isinstance(value, PLAIN):
        raise InputError(f"{value!r:.60} is neither an array nor a plain thing")
    return value


def result_from_text(kind: Callable[..., Any], text: str, funcdefs: Mapping[str, Callable[..., Any]] | None = None, **kws: Any) -> Any:
    """Return the result of a JSON text, made by its class, `gslfit.models.ModelResult`."""
    import json
    state = _read(text, RESULT, **kws)
    model = build(Reading(state.get("model"), mapping("funcdefs", funcdefs)))
    params, start = (Parameters().loads(json.dumps(state.get(name))) for name in ("params", "init_params"))
    return restored(kind, model, params, start, state)


def restored(kind: Callable[..., Any], model: Any, params: Parameters, start: Parameters, state: Mapping[str, Any]) -> Any:
    """Return the result of a model, its parameters after and before the fit, and the rest of what `result_text` writes."""
    settings, outcome = _typed(state, "settings", dict), _typed(state, "outcome", dict)
    known = ("method", "scale_covar", "nan_policy", "calc_covar", "max_nfev", "loss", "f_scale")
    result = kind(model, start, _unpacked(state.get("data")), _unpacked(state.get("weights")),
                  fcn_kws={name: _unpacked(value) for name, value in _typed(state, "variables", dict, {}).items()},
                  **{name: settings[name] for name in known if name in settings and isinstance(settings[name], PLAIN)})
    statistics = {name: _typed(outcome, name, form) for name, form in STATISTICS.items()}
    if not all(isinstance(name, str) and name in params for name in statistics["var_names"]):
        raise InputError(f"the result's 'var_names' are {statistics['var_names']!r:.60}, and its parameters {', '.join(params)}")
    if not all(isinstance(value, (int, float, type(None))) for value in statistics["init_vals"]):
        raise InputError(f"the result's 'init_vals' are {statistics['init_vals']!r:.60}, and numbers are needed")
    residual, covar = _unpacked(state.get("residual")), _unpacked(state.get("covar"))
    if not isinstance(residual, np.ndarray):
        raise InputError(f"the result's residual is {residual!r:.60}, and an array is needed")
    if covar is not None and np.shape(covar) != (len(statistics["var_names"]),)*2:
        raise InputError(f"the result's covariance has the shape {np.shape(covar)} for {len(statistics['var_names'])} varying parameters")
    masks = map(_unpacked, (state.get("keep"), state.get("mask")))
    keep, result._mask = (None if each is None else np.asarray(each, bool) for each in masks)
    if "prior" in state:
        from gslfit.curves.priors import read_priors
        result._prior = read_priors(_typed(state, "prior", dict), Fits(()), tuple(params))
    if "ycov" in state:
        result._ycov = Covariance.of("ycov", _unpacked(state["ycov"]), np.size(result.data))
    if keep is not None and keep.shape != (np.size(result.data),):
        raise InputError(f"the result's 'keep' has the shape {keep.shape} for {np.size(result.data)} points")
    result._found = FitResult(params=params, residual=residual, covar=covar, keep=keep, status=_status(outcome), call_kws=_call(state),
                              **statistics)
    if "starts" in state:
        result._found._starts = _typed(state, "starts", int)
        result._found._minima = [_minimum(each) for each in _typed(state, "minima", list)]
    if result._prior is not None:
        result._found._prior_residual = result._prior.residual(params.valuesdict())
    return result


def _minimum(given: Any) -> Minimum:
    """Return a minimum of a file."""
    try:
        chisqr, values, starts = given
        return Minimum(float(chisqr), {str(name): float(value) for name, value in values.items()}, int(starts))
    except (TypeError, ValueError, AttributeError, OverflowError):
        raise InputError(f"{given!r:.60} is no minimum: chi-square, values by name, and a number of starts are needed") from None


def _call(state: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options of the call that a result's numbers depend on."""
    given = _typed(state, "call", dict, {})
    found: dict[str, Any] = {"scale_covar": given["scale_covar"]} if isinstance(given.get("scale_covar"), bool) else {}
    if "loss" in given:
        found |= {"loss": choice("loss", given["loss"], LOSSES), "f_scale": positive("f_scale", given.get("f_scale"))}
    return found


def _status(outcome: Mapping[str, Any]) -> FitStatus:
    """Return how the fit of a file ended; files of gslfit 0.1 have MINPACK's number and words in its place."""
    if "status" not in outcome:
        return ending(outcome.get("ier", 0), str(outcome.get("lmdif_message", "")), bool(outcome["success"]))
    try:
        return FitStatus[outcome["status"]]
    except (KeyError, TypeError):
        raise InputError(f"the result's status is {outcome['status']!r:.60}; there are {', '.join(FitStatus.__members__)}") from None
