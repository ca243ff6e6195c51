"""How many digits of NIST's certified values a fit reproduces, for the tests and for docs/nist.md."""
from functools import cache
from typing import NamedTuple

import nist
import numpy as np
from nist_jacobian import jacobian

import gslfit

MOST = 11.      # NIST certifies eleven digits


class Run(NamedTuple):
    """One data set fitted from one start."""

    name: str
    start: int
    values: float       # digits of the worst parameter
    errors: float       # digits of the worst standard error
    nfev: int
    plain: bool         # reported as success, with error bars
    message: str


def digits(found, certified):
    """Count the correct digits of the worst element: -log10 of the relative error, at most 11, none where a value is missing."""
    found = np.array([np.nan if value is None else value for value in found], dtype=float)
    with np.errstate(divide="ignore"):
        each = -np.log10(np.abs(found - certified) / np.abs(certified))
    return float(np.min(np.clip(np.nan_to_num(each, nan=0.), 0., MOST)))


def run(name, start, exact=False, scale=1.):
    """Fit one of NIST's sets from one of its starts, 1 or 2, with default settings.

    Parameters
    ----------
    name : str
    start : int
    exact : bool
        Hand over the exact Jacobian.
    scale : float
        What residuals (and the Jacobian) are multiplied with.
    """
    data, residual = nist.read(name), nist.residual(name)
    params = gslfit.Parameters()
    for key, value in zip(data.names, data.starts[start - 1], strict=True):
        params.add(key, value=value)

    def f(p):
        with np.errstate(all="ignore"):
            return scale * residual([par.value for par in p.values()])

    options = {}
    if exact:
        derivatives = jacobian(name)
        options["Dfun"] = lambda p: scale * derivatives([par.value for par in p.values()])
    out = gslfit.minimize(f, params, **options)
    return Run(name, start, digits([par.value for par in params.values()], data.certified),
               digits([par.stderr for par in params.values()], data.stderr), out.nfev, out.success and out.errorbars, out.message)


@cache
def runs(exact=False, scale=1.):
    """Fit all 27 sets from both starts."""
    return [run(name, start, exact, scale) for name in nist.FORMULAS for start in (1, 2)]
