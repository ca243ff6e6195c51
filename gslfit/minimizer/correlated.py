"""Fitted parameters as numbers of the package `uncertainties`, with the correlations between them."""
from __future__ import annotations

from typing import Any

import numpy as np


def correlated(result: Any) -> dict[str, Any] | None:
    """Return parameters as numbers of the package `uncertainties`, or None."""
    covar = result.covar
    if covar is None or not np.isfinite(covar).all():
        return None
    try:
        from uncertainties import correlated_values, ufloat  # type: ignore[import-untyped]
    except ImportError:
        return None
    names, params = list(result.var_names), result.params
    found = dict(zip(names, correlated_values([params[name].value for name in names], covar), strict=True))
    free = params.bind()
    free.put_external(np.array([params[name].value for name in free.names]))
    derived, by = free.dependents()
    rows = {name: by[k] for k, name in enumerate(derived)}
    out = {}
    for name, par in params.items():
        if name in found:
            out[name] = found[name]
        elif name in rows:
            terms = [slope*(found[other] - params[other].value) for other, slope in zip(free.names, rows[name], strict=True) if slope]
            out[name] = sum(terms, start=ufloat(par.value, 0))
        else:
            out[name] = ufloat(par.value, 0)
    return out
