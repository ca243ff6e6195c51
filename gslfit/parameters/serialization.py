"""Parameters as JSON text, and back. Reading runs nothing: every name, number and expression is held to what a Parameter may have."""
from collections.abc import Mapping
from typing import Any

from gslfit.checks import as_float, json_tree
from gslfit.errors import InputError
from gslfit.parameters.namespace import Symbols
from gslfit.parameters.parameter import Parameter

FORMAT = 1

# what may stand in the file for each attribute of a parameter
_KINDS = {"name": str, "value": float, "vary": bool, "expr": str, "min": float, "max": float, "brute_step": float, "stderr": float,
          "correl": dict, "init_value": float}


def write(params: Mapping[str, Parameter], symbols: Symbols, **kws: Any) -> str:
    """Return parameters as JSON; of the user's functions only the names go in.

    Parameters
    ----------
    params : Parameters
        What to write.
    symbols : Symbols
        Its functions and constants.
    **kws
        For `json.dumps`.
    """
    import json
    return json.dumps({"gslfit": "Parameters", "version": FORMAT, "constants": symbols.constants, "functions": sorted(symbols.functions),
                       "params": [parameter.__getstate__() for parameter in params.values()]}, **kws)


def read(text: str, **kws: Any) -> tuple[list[Parameter], dict[str, float]]:
    """Return the parameters and constants of a JSON text.

    Parameters
    ----------
    text : str
        What `write` gave.
    **kws
        For `json.loads`.

    Raises
    ------
    InputError
        If the text isn't what `write` gives.
    """
    try:
        content = json_tree(text, **kws)
        parameters = [_parameter(state) for state in content["params"]]
        return parameters, Symbols({name: as_float(name, value) for name, value in content.get("constants", {}).items()}).constants
    except InputError:
        raise
    except (KeyError, TypeError, AttributeError, ValueError, RecursionError) as error:
        raise InputError(f"this isn't what Parameters.dumps writes ({type(error).__name__}: {error})") from None


def _parameter(state: dict[str, Any]) -> Parameter:
    """Return a parameter made of untrusted JSON."""
    for key, kind in _KINDS.items():
        value = state[key] if key == "name" else state.get(key)
        if value is not None and not isinstance(value, (int, float) if kind is float else kind):
            raise TypeError(f"{key} is {value!r:.60}")
    for name, value in (state.get("correl") or {}).items():
        if not isinstance(value, (int, float)):
            raise TypeError(f"the correlation with {name!r:.60} is {value!r:.60}")
    parameter = Parameter(state.get("value"), state.get("vary", True), state.get("min"), state.get("max"), state["name"],
                          state.get("expr") or None, state.get("brute_step"), state.get("user_data"))
    parameter.stderr, parameter.correl, parameter.init_value = state.get("stderr"), state.get("correl"), state.get("init_value")
    return parameter
