"""Models and results as files of JSON."""
from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from gslfit.models.model import Model
from gslfit.models.result import ModelResult
from gslfit.models.serialization import model_from_text, result_from_text


def save_model(model: Model, fname: str | Path) -> None:
    """Write a model to a JSON file."""
    Path(fname).write_text(model.dumps(), encoding="utf-8")


def load_model(fname: str | Path, funcdefs: Mapping[str, Callable[..., Any]] | None = None) -> Model:
    """Read a model from a JSON file; functions are looked up in `funcdefs`, and nothing in the file is run."""
    return model_from_text(Path(fname).read_text(encoding="utf-8"), funcdefs)


def save_modelresult(modelresult: ModelResult, fname: str | Path) -> None:
    """Write a result to a JSON file, its data included."""
    Path(fname).write_text(modelresult.dumps(), encoding="utf-8")


def load_modelresult(fname: str | Path, funcdefs: Mapping[str, Callable[..., Any]] | None = None) -> ModelResult:
    """Read a result from a JSON file; functions are looked up in `funcdefs`, and nothing in the file is run."""
    return result_from_text(ModelResult, Path(fname).read_text(encoding="utf-8"), funcdefs)
