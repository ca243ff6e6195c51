"""One behaviour after another, run on lmfit and on gslfit.compat.lmfit by the same lines; what each returns is compared.

A behaviour is a function of the module, `M`. Where it `differs`, the difference is a row of docs/porting-lmfit.md, by that row's key.
"""
import contextlib
import io
import math
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, is_dataclass

import numpy as np

CASES = []


@dataclass
class Case:
    """A behaviour."""

    run: object
    rtol: float
    atol: float
    differs: str

    @property
    def name(self):
        """Its name."""
        return self.run.__name__


def behaviour(rtol=1e-5, atol=1e-12, differs=""):
    """Take down a function of the module as a behaviour."""
    def note(function):
        CASES.append(Case(function, rtol, atol, differs))
        return function
    return note


def outcome(case, module):
    """Return what a behaviour gives with a module: its value, or its error."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        try:
            return plain(case.run(module))
        except Exception as error:
            return Raised(error)


class Raised:
    """An error, by the classes that one can catch it by: the builtin ones, and MinimizerException by its name."""

    def __init__(self, error):
        self.names = [cls.__name__ for cls in type(error).__mro__ if cls.__module__ == "builtins" or cls.__name__ == "MinimizerException"]
        self.text = f"{type(error).__name__}: {error}"

    def __repr__(self):
        return f"raises {self.text:.300}"


def plain(value):
    """Dicts, lists, numbers, text."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set)):
        return [plain(item) for item in value]
    if isinstance(value, np.ndarray):
        return plain(value.tolist())
    if isinstance(value, (bool, np.bool_)):
        return bool(value)
    if value is None or isinstance(value, str):
        return value
    if hasattr(value, "valuesdict"):
        return plain(value.valuesdict())
    if hasattr(value, "nominal_value"):
        return [value.nominal_value, value.std_dev]
    if isinstance(value, complex):
        return [value.real, value.imag]
    if is_dataclass(value):
        return repr(value)
    return float(value)


def unlike(one, other, rtol, atol, at=""):
    """Return the first place where two outcomes differ, "" if they don't."""
    if isinstance(one, Raised) and isinstance(other, Raised):     # what catches the other's error catches this one
        return "" if other.names[0] in one.names else f"{at}: {one} and {other}"
    if isinstance(one, dict) and isinstance(other, dict):
        if list(one) != list(other):
            return f"{at}: keys {list(one)} and {list(other)}"
        return next(filter(None, (unlike(one[key], other[key], rtol, atol, f"{at}.{key}") for key in one)), "")
    if isinstance(one, (list, tuple)) and isinstance(other, (list, tuple)):
        if len(one) != len(other):
            return f"{at}: {len(one)} and {len(other)} items: {one!r:.300} and {other!r:.300}"
        return next(filter(None, (unlike(a, b, rtol, atol, f"{at}[{i}]") for i, (a, b) in enumerate(zip(one, other, strict=True)))), "")
    if isinstance(one, float) and isinstance(other, float):
        near = (math.isnan(one) and math.isnan(other)) or one == other or abs(one - other) <= atol + rtol*abs(other)
        return "" if near else f"{at}: {one!r} and {other!r}"
    return "" if one == other and type(one) is type(other) else f"{at}: {one!r:.400} and {other!r:.400}"


def printed(function, *args, **kws):
    """Return what a call prints."""
    with contextlib.redirect_stdout(io.StringIO()) as out:
        function(*args, **kws)
    return out.getvalue()


# -- problems

X = np.linspace(0, 15, 301)
WAVE = 5*np.sin(2*X - .1)*np.exp(-X*X*.025) + np.random.default_rng(0).normal(size=X.size, scale=.2)


def wave(params, x=X, data=WAVE):
    """Return a decaying sine wave less its data."""
    v = params.valuesdict()
    return v["amp"]*np.sin(x*v["omega"] + v["shift"])*np.exp(-x*x*v["decay"]) - data


def wave_params(M, **more):
    """Its parameters, two of them bounded."""
    return M.create_params(amp=dict(value=10, min=0), decay=.1, omega=3., shift=dict(value=0, min=-np.pi/2, max=np.pi/2), **more)


def summary(result, errors=True):
    """Return what there is to compare of a fit."""
    params = result.params
    out = {"values": params.valuesdict(), "vary": [par.vary for par in params.values()], "var_names": result.var_names,
           "init": result.init_values, "success": result.success, "aborted": result.aborted, "ndata": result.ndata,
           "nvarys": result.nvarys, "nfree": result.nfree, "chisqr": result.chisqr, "redchi": result.redchi, "aic": result.aic,
           "bic": result.bic, "method": result.method, "init_value": [par.init_value for par in params.values()]}
    if errors:
        out |= {"errorbars": result.errorbars}
    return out


def uncertainties(result):
    """Errors of a fit, and its variances."""
    return {"stderr": {name: par.stderr for name, par in result.params.items()},
            "variances": None if result.covar is None else np.diag(result.covar)}
