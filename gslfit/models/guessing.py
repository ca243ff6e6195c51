"""Start values of a model from data."""
from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gslfit.models.model import Model


def guess_model(model: Model, data: Any, x: Any, values: Mapping[str, Any]) -> Any:
    """Estimate a model's parameters; see `Model.guess`."""
    raise NotImplementedError(f"guess() is not implemented for {type(model).__name__}")
