"""Models and results as JSON: formulas are texts, functions are names that the reader looks up, and nothing in a file is ever run.

A text of a formula goes through the closed grammar again when it is read, as do the expressions of parameters. A class is looked up in the
library's table, an operator in a table of four.
"""
from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from gslfit.errors import InputError
from gslfit.minimizer.result import FitResult
from gslfit.models.arguments import HINTS
from gslfit.models.composite import OPERATORS, CompositeModel
from gslfit.models.library.classes import CLASSES, LibraryModel
from gslfit.models.library.special import ComplexConstantModel, ExpressionModel, SplineModel
from gslfit.models.model import Model
from gslfit.models.texts import is_text
from gslfit.parameters.collection import Parameters

FORMAT = "gslfit model 1"
RESULT = "gslfit result 1"
MAX_DEPTH = 64         # of composites in composites
PLAIN = (str, int, float, bool, type(None))
STATISTICS = ("method", "success", "errorbars", "message", "ier", "lmdif_message", "nfev", "var_names", "init_vals", "aborted")


# -- writing


def model_state(model: Model) -> dict[str, Any]:
    """Return a model as a dict of plain things.

    Raises
    ------
    InputError
        If it holds what is no plain thing: an operator of the caller's, or an object as an option.
    """
    state: dict[str, Any] = {"class": type(model).__name__, "name": model._name, "prefix": model._prefix, "nan_policy": model.nan_policy,
                             "independent_vars": list(model.independent_vars), "param_hints": _hints(model.param_hints)}
    if isinstance(model, CompositeModel):
        if not model.symbol:
            raise InputError(f"{model!r} joins its parts by a function, which a file can't hold")
        return state | {"left": model_state(model.left), "op": model.symbol, "right": model_state(model.right)}
    if isinstance(model, SplineModel):
        return state | {"xknots": model.xknots.tolist()}
    if isinstance(model, ExpressionModel):
        if not is_text(model.formula):
            raise InputError(f"{model!r} is run by an interpreter, which a file can't hold")
        return state | {"expr": model.expr}
    if isinstance(model, LibraryModel):
        return state | {"form": model.form}
    if isinstance(model, ComplexConstantModel):
        return state
    definition = model._definition
    odd = [name for name, value in model.opts.items() if not isinstance(value, PLAIN)]
    if odd:
        raise InputError(f"the option {odd[0]}={model.opts[odd[0]]!r:.60} of {model._reprstring()} can't be written to JSON")
    state |= {"class": "Model", "param_names": list(definition.names), "options": dict(model.opts),
              "defaults": {name: float(value) for name, value in model.def_vals.items() if isinstance(value, (int, float))}}
    if definition.text:
        return state | {"formula": definition.text}
    return state | {"function": getattr(definition.source, "__name__", "")}


def _hints(hints: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Hints as plain things."""
    out: dict[str, dict[str, Any]] = {}
    for name, hint in hints.items():
        out[name] = {key: value.item() if isinstance(value, np.generic) else value for key, value in hint.items()}
    return out


def model_text(model: Model, **kws: Any) -> str:
    """Return a model as JSON text."""
    return json.dumps({"format": FORMAT, "model": model_state(model)}, **kws)


def _packed(value: Any) -> Any:
    """An array as a dict of plain things."""
    if not isinstance(value, np.ndarray):
        return value.item() if isinstance(value, np.generic) else value
    if value.dtype.kind == "c":
        return {"complex": [value.real.tolist(), value.imag.tolist()], "shape": value.shape}
    if value.dtype.kind not in "buif":
        raise InputError(f"an array of {value.dtype} can't be written to JSON")
    return {"array": value.tolist(), "shape": value.shape}


def result_text(result: Any, **kws: Any) -> str:
    """Return a result as JSON text, with its data."""
    outcome = result.result
    state = {"format": RESULT, "model": model_state(result.model), "params": json.loads(result.params.dumps()),
             "init_params": json.loads(result.init_params.dumps()), "data": _packed(np.asarray(result.data)),
             "weights": None if result.weights is None else _packed(np.asarray(result.weights)),
             "variables": {name: _packed(value) for name, value in result.userkws.items()},
             "residual": _packed(outcome.residual), "covar": None if outcome.covar is None else _packed(outcome.covar),
             "outcome": {name: getattr(outcome, name) for name in STATISTICS},
             "settings": {"method": result.method, "scale_covar": bool(result.scale_covar), "nan_policy": result.nan_policy,
                          "calc_covar": bool(result.calc_covar), "max_nfev": result.max_nfev}}
    return json.dumps(state, default=_plain, **kws)


def _plain(value: Any) -> Any:
    """NumPy's numbers as Python's."""
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        return value.tolist()
    raise InputError(f"{value!r:.60} can't be written to JSON")


# -- reading


def _read(text: str, wanted: str, **kws: Any) -> dict[str, Any]:
    """The dict that a text holds, or InputError."""
    try:
        state = json.loads(text, **kws)
    except (ValueError, RecursionError) as error:
        raise InputError(f"this is no JSON text: {error}") from None
    if not isinstance(state, dict) or state.get("format") != wanted:
        found = state.get("format") or state.get("__class__") if isinstance(state, dict) else type(state).__name__
        raise InputError(f"the text is no {wanted!r} (it says {found!r:.60}); lmfit's own files hold pickled code and are not read")
    return state


def _typed(state: Mapping[str, Any], name: str, kind: type | tuple[type, ...], default: Any = None) -> Any:
    """A member of the type that it is to have, or InputError."""
    value = state.get(name, default)
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise InputError(f"the model's {name!r} is {value!r:.60}, of the wrong type")
    return value


def _strings(state: Mapping[str, Any], name: str) -> list[str]:
    """A list of strings, or InputError."""
    value = _typed(state, name, list, [])
    if not all(isinstance(each, str) for each in value):
        raise InputError(f"the model's {name!r} is {value!r:.60}, and names are needed")
    return value


def build(state: Any, funcdefs: Mapping[str, Callable[..., Any]], depth: int = 0) -> Model:
    """Return the model that a dict describes.

    Raises
    ------
    InputError
        If it describes none.
    """
    if not isinstance(state, dict):
        raise InputError(f"a model is described by a dict, not by {type(state).__name__}")
    if depth > MAX_DEPTH:
        raise InputError(f"composites are nested deeper than {MAX_DEPTH}")
    cls = _typed(state, "class", str)
    common = {"nan_policy": _typed(state, "nan_policy", str, "raise"), "name": _typed(state, "name", str, "") or None}
    prefix = _typed(state, "prefix", str, "")
    model: Model
    if cls == "CompositeModel":
        symbol = _typed(state, "op", str)
        if symbol not in OPERATORS:
            raise InputError(f"the operator {symbol!r:.20} is not one of {', '.join(OPERATORS)}")
        left, right = (build(state.get(side), funcdefs, depth + 1) for side in ("left", "right"))
        model = CompositeModel(left, right, symbol, **common)
    elif cls == "ExpressionModel":
        model = ExpressionModel(_typed(state, "expr", str), _strings(state, "independent_vars") or None, **common)
    elif cls == "SplineModel":
        knots = [float(each) for each in _typed(state, "xknots", list) if isinstance(each, (int, float))]
        model = SplineModel(knots, prefix=prefix, **common)
    elif cls == "PolynomialModel":
        form = state.get("form")
        model = CLASSES[cls](int(form) if isinstance(form, str) and form.isdigit() else 7, prefix=prefix, **common)  # type: ignore[arg-type]
    elif cls in CLASSES:
        form = state.get("form")
        model = CLASSES[cls](prefix=prefix, **common, **({"form": form} if isinstance(form, str) else {}))  # type: ignore[arg-type]
    elif cls == "Model":
        model = _plain_model(state, funcdefs, prefix, common)
    else:
        raise InputError(f"there is no model class {cls!r:.60}")
    model.param_hints = _read_hints(state)
    return model


def _plain_model(state: Mapping[str, Any], funcdefs: Mapping[str, Callable[..., Any]], prefix: str, common: Mapping[str, Any]) -> Model:
    """A model of a text, or of a function that `funcdefs` has."""
    independent = _strings(state, "independent_vars")
    options: dict[str, Any] = {name: value for name, value in _typed(state, "options", dict, {}).items() if isinstance(value, PLAIN)}
    if "formula" in state:
        source: Any = _typed(state, "formula", str)
    else:
        name = _typed(state, "function", str)
        if name not in funcdefs:
            raise InputError(f"the model calls the function {name!r:.60}, which a file can't hold: give it, funcdefs={{{name!r:.60}: ...}}")
        source = funcdefs[name]
    model = Model(source, independent or None, _strings(state, "param_names") or None, prefix=prefix, **common, **options)
    defaults = _typed(state, "defaults", dict, {})
    model.def_vals.update({name: float(value) for name, value in defaults.items() if isinstance(value, (int, float))})
    return model


def _read_hints(state: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Hints, held to their names and to numbers, truth values and texts."""
    hints: dict[str, dict[str, Any]] = {}
    for name, hint in _typed(state, "param_hints", dict, {}).items():
        if not isinstance(hint, dict) or any(key not in HINTS or not isinstance(value, PLAIN) for key, value in hint.items()):
            raise InputError(f"the hints of {name!r:.60} are {hint!r:.60}; {', '.join(HINTS)} are known")
        hints[name] = dict(hint)
    return hints


def model_from_text(text: str, funcdefs: Mapping[str, Callable[..., Any]] | None = None, **kws: Any) -> Model:
    """Return the model of a JSON text; its functions are looked up in `funcdefs`."""
    return build(_read(text, FORMAT, **kws).get("model"), funcdefs or {})


def _unpacked(value: Any) -> Any:
    """An array of a dict, or a plain thing."""
    if isinstance(value, dict):
        shape = value.get("shape")
        try:
            if "complex" in value:
                real, imaginary = value["complex"]
                return (np.array(real, float) + 1j*np.array(imaginary, float)).reshape(shape)
            return np.array(value["array"], float).reshape(shape)
        except (KeyError, TypeError, ValueError):
            raise InputError(f"{value!r:.60} is no array") from None
    if not isinstance(value, PLAIN):
        raise InputError(f"{value!r:.60} is neither an array nor a plain thing")
    return value


def result_from_text(text: str, funcdefs: Mapping[str, Callable[..., Any]] | None = None, **kws: Any) -> Any:
    """Return the result of a JSON text."""
    from gslfit.models.result import ModelResult
    state = _read(text, RESULT, **kws)
    model = build(state.get("model"), funcdefs or {})
    params, start = (Parameters().loads(json.dumps(state.get(name))) for name in ("params", "init_params"))
    settings, outcome = _typed(state, "settings", dict), _typed(state, "outcome", dict)
    known = ("method", "scale_covar", "nan_policy", "calc_covar", "max_nfev")
    result = ModelResult(model, start, _unpacked(state.get("data")), _unpacked(state.get("weights")),
                         fcn_kws={name: _unpacked(value) for name, value in _typed(state, "variables", dict, {}).items()},
                         **{name: settings[name] for name in known if name in settings and isinstance(settings[name], PLAIN)})
    absent = [name for name in STATISTICS if name not in outcome]
    if absent:
        raise InputError(f"the result lacks {', '.join(absent)}")
    covar = _unpacked(state.get("covar"))
    result._found = FitResult(params=params, residual=_unpacked(state.get("residual")), covar=covar,
                              **{name: outcome[name] for name in STATISTICS})
    return result


# -- files


def save_model(model: Model, fname: str | Path) -> None:
    """Write a model to a JSON file."""
    Path(fname).write_text(model.dumps(), encoding="utf-8")


def load_model(fname: str | Path, funcdefs: Mapping[str, Callable[..., Any]] | None = None) -> Model:
    """Read a model from a JSON file; functions are looked up in `funcdefs`, and nothing in the file is run."""
    return model_from_text(Path(fname).read_text(encoding="utf-8"), funcdefs)


def save_modelresult(modelresult: Any, fname: str | Path) -> None:
    """Write a result to a JSON file, its data included."""
    Path(fname).write_text(modelresult.dumps(), encoding="utf-8")


def load_modelresult(fname: str | Path, funcdefs: Mapping[str, Callable[..., Any]] | None = None) -> Any:
    """Read a result from a JSON file; functions are looked up in `funcdefs`, and nothing in the file is run."""
    return result_from_text(Path(fname).read_text(encoding="utf-8"), funcdefs)


__all__ = ["load_model", "load_modelresult", "model_from_text", "model_text", "result_from_text", "result_text", "save_model",
           "save_modelresult"]
