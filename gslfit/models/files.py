"""Models and results as files of JSON."""
from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from gslfit.checks import path
from gslfit.data.writing import write_text
from gslfit.errors import InputError, InputTypeError
from gslfit.models.model import Model
from gslfit.models.result import ModelResult
from gslfit.models.serialization import model_from_text, result_from_text

if TYPE_CHECKING:
    from pathlib import Path


def _text(fname: str | Path) -> str:
    """Return what a file holds."""
    try:
        return path("fname", fname).read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise InputError(f"{fname} can't be read: {error}") from None


def _dumped(name: str, subject: Any, kind: type[Model | ModelResult]) -> str:
    """Return a model or result as JSON."""
    if not isinstance(subject, kind):
        raise InputTypeError(f"{name} must be a {kind.__name__}, not {type(subject).__name__}")
    return str(subject.dumps())


def save_model(model: Model, fname: str | Path) -> None:
    """Write a model to a JSON file."""
    write_text(path("fname", fname), _dumped("model", model, Model))


def load_model(fname: str | Path, funcdefs: Mapping[str, Callable[..., Any]] | None = None) -> Model:
    """Read a model from a JSON file; functions are looked up in `funcdefs`, and nothing in the file is run."""
    return model_from_text(_text(fname), funcdefs)


def save_modelresult(modelresult: ModelResult, fname: str | Path) -> None:
    """Write a result to a JSON file, its data included."""
    write_text(path("fname", fname), _dumped("modelresult", modelresult, ModelResult))


def load_modelresult(fname: str | Path, funcdefs: Mapping[str, Callable[..., Any]] | None = None) -> ModelResult:
    """Read a result from a JSON file; functions are looked up in `funcdefs`, and nothing in the file is run."""
    return result_from_text(ModelResult, _text(fname), funcdefs)
