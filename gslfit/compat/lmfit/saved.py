"""Models and results that lmfit 1.0 to 1.3 wrote to JSON, as far as they hold no code: nothing in a file is run.

A function is in such a file as a pickle and by its name. The name is looked up in `funcdefs`, then among the functions of lmfit's library
of models and its line shapes; a function of any other name is refused.
"""
from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

import gslfit
from gslfit.checks import json_tree, mapping
from gslfit.compat.lmfit import lineshapes
from gslfit.compat.lmfit.parameter import Parameters, unstate
from gslfit.errors import InputError, ending
from gslfit.models import LMFIT_NAMES
from gslfit.models.arguments import HINTS
from gslfit.models.serialization import FORMAT
from gslfit.records import Record

OPERATORS: dict[str, Callable[[Any, Any], Any]] = {name: getattr(operator, name) for name in ("add", "sub", "mul", "truediv")}
TUPLE = ("funcname", "funcdef", "name", "prefix", "independent_vars", "param_root_names", "param_hints", "nan_policy", "opts")
"""What a model's state was a tuple of, up to lmfit 1.2.2."""


class NoResultError(InputError, AttributeError):
    """A file holds a model where a result was looked for."""


class Code(Record):
    """A function of a file: its name stands there, and code that is left alone."""

    name: str


def is_lmfits(text: str) -> bool:
    """Return whether a text is what lmfit wrote, and not gslfit."""
    tree = json_tree(text)
    return isinstance(tree, dict) and "format" not in tree and (tree.get("__class__") in ("Tuple", "Dict", "lmfit.ModelResult"))


def is_model(text: str) -> bool:
    """Return whether a text is a model that gslfit wrote."""
    tree = json_tree(text)
    return isinstance(tree, dict) and tree.get("format") == FORMAT


def decoded(tree: Any) -> Any:
    """Return what lmfit's tags stand for; functions as `Code`."""
    if isinstance(tree, list):
        return [decoded(each) for each in tree]
    if not isinstance(tree, dict):
        return tree
    kind = tree.get("__class__", "Dict")
    try:
        if kind in ("Tuple", "List"):
            return [decoded(each) for each in tree["value"]]
        if kind == "NDArray":
            return _array(tree["value"], tree["__shape__"], tree["__dtype__"])
        if kind == "Complex":
            return complex(*tree["value"])
        if kind == "Callable":
            return Code(str(tree["__name__"]))
        if kind in ("PSeries", "PDataFrame", "UFloat"):
            return None
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise InputError(f"the file's {kind} can't be read: {type(error).__name__}: {error}") from None
    return {name: decoded(value) for name, value in tree.items() if name != "__class__"}


def _array(value: Any, shape: Any, dtype: str) -> np.ndarray:
    """Return an array of numbers."""
    if dtype.startswith("complex"):
        real, imaginary = value
        return (np.array(real, float) + 1j*np.array(imaginary, float)).reshape(shape)
    return np.array(value, float).reshape(shape)


def library(classes: Mapping[str, Any]) -> dict[str, list[str]]:
    """Return the names of the classes of lmfit's models by those of their functions."""
    found: dict[str, list[str]] = {}
    for name in dict.fromkeys((*LMFIT_NAMES.values(), "SineModel")):
        if name not in ("PolynomialModel", "SplineModel", "ExpressionModel"):
            function = re.match(r"Model\((\w+)", classes[name]().name)
            assert function
            found.setdefault(function[1], []).append(name)
    return found


def model_of(state: Any, funcdefs: Mapping[str, Callable[..., Any]], classes: Mapping[str, Any]) -> Any:
    """Return the model of lmfit's state of one, of one of the classes that there are by name.

    Raises
    ------
    InputError
        If it is none, or calls a function whose code isn't given.
    """
    if not isinstance(state, list) or len(state) != 3:
        raise InputError("this isn't what lmfit's Model.dumps writes")
    left, right, op = state
    if right is not None:
        if op not in OPERATORS:
            raise InputError(f"the models are joined by {op!r:.60}, and only by {', '.join(OPERATORS)} can they be")
        return OPERATORS[op](model_of(left, funcdefs, classes), model_of(right, funcdefs, classes))
    leaf = dict(zip(TUPLE, left, strict=False)) if isinstance(left, list) else left
    if not isinstance(leaf, dict) or not isinstance(leaf.get("funcname"), str):
        raise InputError("this isn't what lmfit's Model.dumps writes")
    model = _leaf(leaf, funcdefs, classes)
    for name, hint in (leaf.get("param_hints") or {}).items():
        given = {key: value for key, value in hint.items() if key in HINTS and key != "expr"}
        if given and name in model.param_names + [each.removeprefix(model.prefix) for each in model.param_names]:
            model.set_param_hint(name, **given)
    return model


def _leaf(leaf: Mapping[str, Any], funcdefs: Mapping[str, Callable[..., Any]], classes: Mapping[str, Any]) -> Any:
    """Return the model of one function, by its name."""
    name, code, roots = leaf["funcname"], leaf.get("funcdef"), list(leaf.get("param_root_names") or [])
    known = {"prefix": leaf.get("prefix") or "", "nan_policy": leaf.get("nan_policy") or "raise"}
    options = {key: value for key, value in (leaf.get("opts") or {}).items() if isinstance(value, (str, int, float, bool))}
    variables = list(leaf.get("independent_vars") or ["x"])
    if name == "_eval" and isinstance(code, str):
        return classes["ExpressionModel"](code, [each for each in variables if each not in options], nan_policy=known["nan_policy"])
    if name in funcdefs:
        variables = [each for each in variables if each not in options]
        return classes["Model"](funcdefs[name], variables, roots or None, name=leaf.get("name"), **known, **options)
    for cls in library(classes).get(name, ()):
        model = classes[cls](**known, **{key: value for key, value in options.items() if key == "form"})
        if {*roots} <= {each.removeprefix(model.prefix) for each in model.param_names}:       # lmfit's may lack one with an expression
            return model
    if name == "polynomial":
        return classes["PolynomialModel"](degree=len(roots) - 1, **known)
    if name in lineshapes.functions:
        return classes["Model"](getattr(lineshapes, name), name=leaf.get("name"), **known, **options)
    raise InputError(f"the file holds the function {name!r:.60} as code, which is not run: give it, funcdefs={{{name!r:.60}: ...}}")


def _parameters(given: Any, funcdefs: Mapping[str, Callable[..., Any]]) -> Parameters:
    """Return the parameters of a result: a text since lmfit 1.1, before that a list."""
    params = Parameters(usersyms=dict(funcdefs))
    if isinstance(given, str):
        return params.loads(given)
    if not isinstance(given, list):
        raise InputError("this isn't what lmfit's ModelResult.dumps writes: it has no parameters")
    for state in given:
        values = list(state) + [None]*(11 - len(state))
        if len(state) == 10:                                  # without brute_step, before lmfit 0.9.8
            values = [*state[:6], None, *state[6:]]
        parameter = unstate(values)
        params[str(parameter.name)] = parameter
    return params


def model_from_lmfit(text: str, funcdefs: Mapping[str, Callable[..., Any]] | None, classes: Mapping[str, Any]) -> Any:
    """Return the model of a text that lmfit wrote; see `model_of`."""
    return model_of(decoded(json_tree(text)), mapping("funcdefs", funcdefs), classes)


def result_from_lmfit(text: str, funcdefs: Mapping[str, Callable[..., Any]] | None,
                      classes: Mapping[str, Any]) -> tuple[Any, Any, Any, dict[str, Any]]:
    """Return model, parameters, those at the start, and the rest as `gslfit.models.serialization` has it, of lmfit's text of a result.

    Raises
    ------
    InputError
        If it is none, or a model in it calls a function whose code isn't given.
    """
    tree, known = json_tree(text), mapping("funcdefs", funcdefs)
    if tree.get("__class__") != "lmfit.ModelResult":
        raise NoResultError("ModelResult.loads() needs saved ModelResult, and this is a saved model")
    state = decoded(tree)
    model = model_of(state.get("model"), known, classes)
    params, start = (_own(_parameters(state.get(name) or state.get("params"), known)) for name in ("params", "init_params"))
    starts = state.get("init_values") or {}
    for name, value in starts.items():
        if name in start and start[name].vary:
            start[name].value = value
    data, weights = (list(state.get("userargs") or []) + [None, None])[:2]
    if not isinstance(data, np.ndarray):
        raise InputError("this isn't what lmfit's ModelResult.dumps writes: it has no data")
    names = [name for name in state.get("var_names") or [] if name in params]
    said = str(state.get("lmdif_message") or ""), bool(state.get("success"))
    status = ending(int(state.get("ier") or 0), *said)
    variables = state.get("userkws") or {}
    outcome = {"method": str(state.get("method")), "success": said[1], "errorbars": bool(state.get("errorbars")),
               "message": str(state.get("message") or ""), "nfev": int(state.get("nfev") or 0), "var_names": names,
               "init_vals": [starts.get(name) for name in names], "aborted": bool(state.get("aborted")), "status": status.name}
    settings = {"method": outcome["method"], "scale_covar": bool(state.get("scale_covar", True)),
                "calc_covar": bool(state.get("calc_covar", True)), "nan_policy": state.get("nan_policy") or "raise"}
    residual = state.get("residual")
    if not isinstance(residual, np.ndarray):
        values = model.eval(params=params, **variables)
        residual = (np.asarray(data) - values)*(1. if weights is None else np.asarray(weights))
    return model, params, start, {"data": data, "weights": weights, "variables": variables, "outcome": outcome, "settings": settings,
                                  "residual": np.ravel(residual), "covar": state.get("covar")}


def _own(params: Parameters) -> gslfit.Parameters:
    """Return gslfit's own parameters, as results are made of them."""
    new = gslfit.Parameters()
    new.update(params)
    return new
