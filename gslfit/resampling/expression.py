"""An expression of a fit's parameters, of many values of these at once."""
from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from gslfit.formula.formula import NO_VARIABLE, Formula
from gslfit.minimizer.derived import with_expression
from gslfit.minimizer.result import FitResult


def expression_values(fit: FitResult, values: Mapping[str, Any], expr: str) -> np.ndarray:
    """Return the values of an expression of a fit's parameters from theirs, numbers or arrays.

    Raises
    ------
    ExpressionError
        If the text is no expression of the parameters.
    """
    with_expression(fit.params, expr)           # refuses what is no expression
    formula = Formula(expr, (NO_VARIABLE,))
    given = {name: np.asarray(values[name]) for name in formula.names}
    shape = np.broadcast_shapes(*(array.shape for array in given.values())) if given else ()
    with np.errstate(all="ignore"):
        return np.broadcast_to(np.asarray(formula(**{NO_VARIABLE: 0.0}, **given), float), shape)
