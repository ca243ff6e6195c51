"""The exact Jacobians of NIST's 27 models, derived by sympy from their formulas."""
from functools import cache

import nist
import numpy as np
import sympy


@cache
def jacobian(name):
    """Build J(b), ndarray (n, p), the derivatives of the set's residual, model - data."""
    data = nist.read(name)
    symbols = sympy.symbols([*data.names, *data.predictors])
    formula = sympy.sympify(data.formula, {str(symbol): symbol for symbol in symbols})
    evaluate = sympy.lambdify(symbols, [formula.diff(b) for b in symbols[:len(data.names)]], "numpy", cse=True)
    columns = list(data.columns().values())

    def evaluate_all(b):
        return np.column_stack([np.broadcast_to(column, data.y.shape) for column in evaluate(*b, *columns)])
    return evaluate_all
