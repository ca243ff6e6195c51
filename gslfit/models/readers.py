"""How models of a formula or a function, and composites, are read from what `gslfit.models.serialization` writes."""
from __future__ import annotations

from typing import Any

from gslfit.errors import InputError
from gslfit.models.formulas import OPERATORS
from gslfit.models.model import CompositeModel, Model
from gslfit.models.serialization import PLAIN, Reading, reads


@reads("Model")
def _read_model(reading: Reading) -> Model:
    """Return a model of a text, or of a function that the reader of the file has."""
    independent = reading.strings("independent_vars")
    options: dict[str, Any] = {name: value for name, value in reading.typed("options", dict, {}).items() if isinstance(value, PLAIN)}
    source = reading.typed("formula", str) if "formula" in reading.state else reading.function()
    model = Model(source, independent or None, reading.strings("param_names") or None, prefix=reading.prefix, **reading.common, **options)
    defaults = reading.typed("defaults", dict, {})
    model.def_vals.update({name: float(value) for name, value in defaults.items() if isinstance(value, (int, float))})
    return model


@reads("CompositeModel")
def _read_composite(reading: Reading) -> CompositeModel:
    symbol = reading.typed("op", str)
    if symbol not in OPERATORS:
        raise InputError(f"the operator {symbol!r:.20} is not one of {', '.join(OPERATORS)}")
    return CompositeModel(reading.part("left"), reading.part("right"), symbol, **reading.common)
