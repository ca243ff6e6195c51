"""The three models that are no entry's formula: complex values, splines, and a text of the caller's."""
from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from gslfit.checks import filled, identifiers, text, text_or
from gslfit.errors import InputError, InputTypeError
from gslfit.models.guess.points import points_of
from gslfit.models.model import Model
from gslfit.models.serialization import Reading, common_state, reads
from gslfit.models.texts import is_text
from gslfit.parameters.collection import Parameters


def complex_constant(x: Any, re: float = 0.0, im: float = 0.0) -> np.ndarray:
    """Return ``re + 1j*im`` at each point."""
    return (re + 1j*im)*np.ones(np.shape(x))


class ComplexConstantModel(Model):
    """A complex constant, ``re + 1j*im``.

    Parameters
    ----------
    independent_vars, prefix, nan_policy, name, **options
        As `Model` takes them.
    """

    def __init__(self, independent_vars: Sequence[str] = ("x",), prefix: str = "", nan_policy: str = "raise", name: str | None = None,
                 **options: Any) -> None:
        super().__init__(complex_constant, list(independent_vars), None, nan_policy, prefix, text_or("name", name, "constant"), **options)

    def guess(self, data: Any, x: Any = None, *, mask: Any = None, **values: Any) -> Parameters:
        """Estimate both parts by the data's means."""
        y, _ = points_of(self, data, x, mask, values)
        mean = np.nanmean(y)
        return self.make_params(**{"re": float(np.real(mean)), "im": float(np.imag(mean)), **values})

    def _file_state(self) -> dict[str, Any]:
        return common_state(self)


class SplineModel(Model):
    """A cubic spline whose values at the basis functions are the parameters ``s0``, ``s1``, ...

    Parameters
    ----------
    xknots : array_like, shape (k,)
        At least 4 knots.
    independent_vars, prefix, nan_policy, name, **options
        As `Model` takes them.
    """

    MAX_KNOTS = 100

    def __init__(self, xknots: Any, independent_vars: Sequence[str] = ("x",), prefix: str = "", nan_policy: str = "raise",
                 name: str | None = None, **options: Any) -> None:
        from scipy.interpolate import splrep
        knots = np.asarray(xknots, float)
        if knots.ndim != 1:
            raise InputTypeError(f"xknots has the shape {knots.shape}, and a list of numbers is needed")
        if not 4 <= knots.size <= self.MAX_KNOTS:
            raise InputError(f"xknots has {knots.size} knots, and 4 to {self.MAX_KNOTS} are needed")
        self.xknots, self.nknots, self.order = np.sort(knots), knots.size, 3
        self.knots = splrep(self.xknots, np.ones(self.nknots), k=self.order)[0]
        names = [f"s{k}" for k in range(self.nknots)]
        super().__init__(_Spline(self.knots, self.order, self.nknots), list(independent_vars), names, nan_policy, prefix,
                         text_or("name", name, "spline_model"), **options)

    def guess(self, data: Any, x: Any = None, *, mask: Any = None, **values: Any) -> Parameters:
        """Estimate by a linear least-squares fit, which is the answer already."""
        y, variables = points_of(self, data, x, mask, values)
        name, = self.independent_vars
        if name not in variables:
            raise InputError(f"no values for the independent variable {name!r}: guess(data, {name}=...)")
        known = np.isfinite(y) & np.isfinite(variables[name])
        x, y = variables[name][known], y[known]
        basis = np.column_stack([self.func(x=x, **{f"s{k}": float(k == j) for k in range(self.nknots)}) for j in range(self.nknots)])
        found = np.linalg.lstsq(basis, y, rcond=None)[0]
        return self.make_params(**{f"s{k}": float(value) for k, value in enumerate(found)} | values)

    def _file_state(self) -> dict[str, Any]:
        return common_state(self) | {"xknots": self.xknots.tolist()}

    def __reduce__(self) -> tuple:
        return _spline, (self.xknots, tuple(self.independent_vars), self._prefix, self.nan_policy, self._name, self.param_hints)


class _Spline:
    """Values of a spline."""

    def __init__(self, knots: np.ndarray, order: int, count: int):
        self.knots, self.order, self.count = knots, order, count
        self.argnames = ["x", *(f"s{k}" for k in range(count))]
        self.kwargs: list[tuple[str, Any]] = []
        self.__name__ = "spline_model"

    def __call__(self, x: Any, **values: float) -> Any:
        from scipy.interpolate import splev
        coefficients = [float(values[f"s{k}"]) for k in range(self.count)]
        return splev(np.asarray(x, float), (self.knots, np.array(coefficients + [coefficients[-1]]*(self.order + 1)), self.order))


class ExpressionModel(Model):
    """A model made of a text.

    Parameters
    ----------
    expr : str
        One expression, or several lines of assignments that end in one.
    independent_vars : sequence of str, optional
        ``x``, if not given.
    init_script : str, optional
        lmfit runs it as Python; here only texts that compile are taken, so that it must be empty.
    nan_policy, name, **options
        As `Model` takes them.

    Raises
    ------
    InputError
        If an independent variable is not in the text, or a prefix or script was given.
    ExpressionError
        If the text is no formula.
    """

    def __init__(self, expr: str, independent_vars: Sequence[str] | None = None, init_script: str | None = None,
                 nan_policy: str = "raise", name: str | None = None, prefix: str = "", **options: Any) -> None:
        if init_script is not None and text("init_script", init_script).strip():
            raise InputError("init_script runs code, and a text here is arithmetic only: put its lines before the expression, or make a "
                             "Model of a Python function")
        if filled("prefix", prefix):
            raise InputError("an ExpressionModel has no prefix: name its parameters as they are to be called, or use "
                             "Model(text, prefix=...)")
        self.expr = text("expr", expr).strip()
        variables = ["x"] if independent_vars is None else identifiers("independent_vars", independent_vars)
        super().__init__(self.expr, variables, nan_policy=nan_policy, name=name, **options)
        leaves = {str(node.value) for node in self.formula.graph.nodes() if node.op == "x"}
        lost = [each for each in variables if each not in leaves]
        if lost:
            raise InputError(f"the independent variable {lost[0]!r} is not in {self.expr!r}")

    def _reprstring(self, long: bool = True) -> str:
        return f"Model({self._name})"

    def __repr__(self) -> str:
        return f"<ExpressionModel({self.expr!r})>"

    def _file_state(self) -> dict[str, Any]:
        if not is_text(self.formula):
            raise InputError(f"{self!r} is run by an interpreter, which a file can't hold")
        return common_state(self) | {"expr": self.expr}

    def __reduce__(self) -> tuple:
        return _expression, (self.expr, self.independent_vars, self.nan_policy, self._name, self.param_hints)


def _spline(knots: np.ndarray, independent: Sequence[str], prefix: str, policy: str, name: str, hints: dict[str, Any]) -> SplineModel:
    model = SplineModel(knots, independent, prefix, policy, name)
    model.param_hints = hints
    return model


def _expression(expr: str, independent: Sequence[str], policy: str, name: str, hints: dict[str, Any]) -> ExpressionModel:
    model = ExpressionModel(expr, independent, None, policy, name)
    model.param_hints = hints
    return model


@reads("ComplexConstantModel")
def _read_constant(reading: Reading) -> ComplexConstantModel:
    return ComplexConstantModel(prefix=reading.prefix, **reading.common)


@reads("SplineModel")
def _read_spline(reading: Reading) -> SplineModel:
    knots = [float(each) for each in reading.typed("xknots", list) if isinstance(each, (int, float))]
    return SplineModel(knots, prefix=reading.prefix, **reading.common)


@reads("ExpressionModel")
def _read_expression(reading: Reading) -> ExpressionModel:
    return ExpressionModel(reading.typed("expr", str), reading.strings("independent_vars") or None, **reading.common)
