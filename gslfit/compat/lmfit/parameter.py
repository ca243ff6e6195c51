"""`Parameter`, `Parameters` and `create_params` with lmfit 1.3's conventions: values are clipped, bounds read back as infinities."""
import json
import math
from collections.abc import Iterable, Mapping
from copy import deepcopy
from typing import Any

import numpy as np

from gslfit.compat.lmfit.single import FIELDS, Parameter, adopt
from gslfit.compat.lmfit.symbols import LmfitSymbols
from gslfit.constraints.compiler import constraint
from gslfit.errors import ExpressionError, InputError, ParameterError, ParameterNameError
from gslfit.parameters.collection import Parameters as _Parameters
from gslfit.parameters.parameter import Parameter as _Parameter
from gslfit.parameters.parameter import _blank, _copy, check_name

__all__ = ["Parameter", "Parameters", "adopt", "create_params"]

class Parameters(_Parameters):
    """An ordered dictionary of the parameters of a fit, as lmfit 1.3 has it.

    Parameters
    ----------
    usersyms : mapping of str to object, optional
        What expressions may use, beyond the grammar and asteval.
    """

    def __init__(self, usersyms: Mapping[str, Any] | None = None) -> None:
        super().__init__()
        self._symbols: LmfitSymbols = LmfitSymbols(usersyms)

    @property
    def _asteval(self) -> Any:
        """The interpreter; scripts for lmfit put functions into its `symtable`."""
        interpreter = self._symbols.interpret()
        self._note()
        return interpreter

    def __setitem__(self, name: str, parameter: Any) -> None:
        try:
            name = check_name(name)
        except ParameterNameError as error:
            raise ParameterNameError(f"{name!r} is not a valid Parameters name: {error}") from None
        if not isinstance(parameter, _Parameter):
            raise ParameterError(f"{str(parameter)!r:.60} is not a Parameter; for the value of {name!r} write params[{name!r}].value = ...")
        super().__setitem__(name, parameter if isinstance(parameter, Parameter) else adopt(parameter))

    def copy(self) -> "Parameters":                           # type: ignore[override]
        """Return the same parameters apart, what was kept as `user_data` too."""
        new: Parameters = super().copy()                      # type: ignore[assignment]
        for name, parameter in self.items():
            if parameter.user_data is not None:
                new[name].user_data = deepcopy(parameter.user_data)
        return new

    def add(self, name: str | _Parameter, value: Any = None, vary: bool | None = None, min: float = -math.inf,  # type: ignore[override]
            max: float = math.inf, expr: str | None = None, brute_step: float | None = None, user_data: Any = None) -> None:
        """Add a parameter.

        Parameters
        ----------
        name : str or Parameter
            Its name, or the whole parameter.
        value : float or Parameter, optional
            Its value; or a parameter to take everything but the name from.
        vary, min, max, expr, brute_step, user_data
            As for `Parameter`; over a whole parameter they fill in what it lacks.
        """
        if not isinstance(name, _Parameter) and not isinstance(value, _Parameter):
            self[name] = Parameter(name, value, vary is not False, min, max, expr, brute_step, user_data)
            return
        whole, key = (name, name.name) if isinstance(name, _Parameter) else (_copy(value), name)
        if key is None:
            raise ParameterNameError("a Parameter that is added must have a name")
        lacks = {"expr": (expr, None), "min": (min, -math.inf), "max": (max, math.inf), "brute_step": (brute_step, None),
                 "user_data": (user_data, None)}
        for field, (given, empty) in lacks.items():
            if given != empty and getattr(whole, field) in (None, empty):
                setattr(whole, field, given)
        if vary is not None:
            whole.vary = vary
        self[key] = whole

    def set(self, **values: Any) -> None:
        """Set values by name, or several inputs of a parameter by a dict; names that aren't there yet are added.

        Parameters
        ----------
        **values : float or dict
            A number, or the keywords of `Parameter.set`.
        """
        for name, value in values.items():
            if name not in self:
                self[name] = Parameter(name, -math.inf)
            self[name].set(**(value if isinstance(value, Mapping) else {"value": value}))

    def update(self, other: Any) -> "Parameters":             # type: ignore[override]
        """Take copies of the parameters of other Parameters, and return these.

        Raises
        ------
        ParameterError
            If `other` is no Parameters.
        """
        if not isinstance(other, _Parameters):
            raise ParameterError(f"{other!r} is not a Parameters object")
        super().update(other)
        return self

    def __add__(self, other: Any) -> "Parameters":
        new: Parameters = self.copy()                         # type: ignore[assignment]
        return new.update(other)

    def __iadd__(self, other: Any) -> "Parameters":           # type: ignore[override, misc]
        return self.update(other)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.array([float(parameter) for parameter in self.values()], dtype=dtype)

    __copy__ = copy

    def __reduce__(self) -> tuple:
        symbols = {name: symbol for name, symbol in self._symbols.own().items() if name not in self}
        return _restore, (type(self), symbols, [parameter.__getstate__() for parameter in self.values()])

    def within(self) -> "Parameters":
        """Put all bounds in order and all values between them; return these Parameters."""
        for parameter in self.values():
            parameter._within()  # type: ignore[attr-defined]
        self._note()
        return self

    def eval(self, text: str) -> Any:
        """Evaluate an expression of the parameters, by asteval where the grammar doesn't do."""
        try:
            return super().eval(text)
        except InputError:
            interpreter = self._symbols.interpret()
            interpreter.symtable.update(self._symbols.functions | self._symbols.constants | self.valuesdict())
            return interpreter.eval(text, show_errors=False, raise_errors=True)

    def create_uvars(self, covar: Any = None) -> dict[str, Any]:
        """Return the values with their uncertainties and correlations, as `uncertainties` has them.

        Parameters
        ----------
        covar : array_like, shape (nvarys, nvarys), optional
            Covariance of the varying parameters; without it the standard errors count as independent.

        Returns
        -------
        dict of str to uncertainties.UFloat
            By name; expressions by their derivatives, and their `stderr` is set.

        Raises
        ------
        ImportError
            If `uncertainties` isn't installed.
        """
        from uncertainties import correlated_values, nominal_value, ufloat
        varying = [name for name, parameter in self.items() if parameter.vary]
        out = {name: ufloat(parameter.value, parameter.stderr or 0.) if parameter.stderr else _certain(parameter.value)
               for name, parameter in self.items()}
        if covar is None or not varying:
            return out
        covar = np.asarray(covar, float)
        if not np.isfinite(covar).all():
            return out
        out.update(zip(varying, correlated_values([self[name].value for name in varying], covar), strict=True))
        free = self.bind()
        free.put_external([self[name].value for name in free.names])
        for name, slopes in zip(*free.dependents(), strict=True):
            shift = sum((slope*(out[used] - nominal_value(out[used])) for used, slope in zip(free.names, slopes.tolist(), strict=True)
                         if slope), start=_certain(0.))
            out[name] = self[name].value + shift
            self[name].stderr = float(out[name].std_dev)
        return out

    # -- text

    def pretty_repr(self, oneline: bool = False) -> str:
        """Return the parameters as text, a line each; as one line with `oneline`."""
        if oneline:
            return repr(self)
        return "".join(["Parameters({\n", *(f"    '{name}': {parameter}, \n" for name, parameter in self.items()), "    })\n"])

    def pretty_print(self, oneline: bool = False, colwidth: int = 8, precision: int = 4, fmt: str = "g",
                     columns: Iterable[str] = ("value", "min", "max", "stderr", "vary", "expr", "brute_step")) -> None:
        """Print the parameters as a table, in the order of their names.

        Parameters
        ----------
        oneline : bool
            Print the plain repr instead.
        colwidth, precision, fmt : int, int, str
            Width of a column, digits and format of a number.
        columns : iterable of str
            Attributes to show.
        """
        from gslfit.report.text import params_table
        ordered = {name: self[name] for name in sorted(self)}
        print(self.pretty_repr(oneline) if oneline else params_table(ordered, colwidth, precision, fmt, columns, gap=" "))

    def __repr__(self) -> str:
        return f"Parameters({[*self.items()]!r})" if self else "Parameters()"

    def _repr_html_(self) -> str:
        from gslfit.compat.lmfit.printfuncs import params_html_table
        return params_html_table(self)

    # -- JSON, in lmfit's own layout

    def dumps(self, **kws: Any) -> str:
        """Return the parameters as JSON text that lmfit can read; of the user's functions only the names go in.

        Parameters
        ----------
        **kws
            For `json.dumps`.
        """
        symbols = dict(self._symbols.constants) | dict.fromkeys(self._symbols.functions)
        return json.dumps({"unique_symbols": symbols, "params": [states(parameter) for parameter in self.values()]},  # type: ignore[arg-type]
                          **kws)

    def loads(self, text: str, **kws: Any) -> "Parameters":
        """Take the parameters out of JSON text that `dumps` or lmfit wrote, in place of those here.

        Nothing is run: expressions are held to gslfit's grammar, and functions in the file are left out.

        Raises
        ------
        InputError
            If the text isn't what `dumps` writes.
        """
        try:
            content = json.loads(text, **kws)
            if "gslfit" in content:
                super().loads(text, **kws)
                return self
            parameters = [unstate(state) for state in content["params"]]
            symbols = content.get("unique_symbols") or {}
            constants = {name: float(value) for name, value in symbols.items() if isinstance(value, (int, float))}
        except InputError:
            raise
        except (KeyError, TypeError, AttributeError, ValueError, RecursionError) as error:
            raise InputError(f"this isn't what Parameters.dumps writes ({type(error).__name__}: {error})") from None
        self.clear()
        self._symbols.constants |= constants
        for parameter in parameters:
            self[str(parameter.name)] = parameter
        return self


def _certain(value: float) -> Any:
    """Return a number without uncertainty as `uncertainties` has it."""
    import warnings

    from uncertainties import ufloat
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")                       # it warns of a standard deviation of 0
        return ufloat(value, 0.)


def states(parameter: Parameter) -> list[Any]:
    """Return what lmfit writes of a parameter."""
    return [getattr(parameter, field) for field in FIELDS]


def unstate(state: Any) -> Parameter:
    """Return the parameter that lmfit wrote, made of untrusted JSON."""
    given = dict(zip(FIELDS, state, strict=True))
    if not isinstance(given["name"], str):
        raise TypeError(f"a name is {given['name']!r:.60}")
    text = given["expr"]
    if text:
        if not isinstance(text, str):
            raise TypeError(f"an expression is {text!r:.60}")
        try:
            constraint(text)
        except ExpressionError as error:
            raise ExpressionError(f"parameter {given['name']!r}: an expression from a file is held to the grammar: {error}", text) from None
    value = given["value"]
    parameter = Parameter(given["name"], value, bool(given["vary"]), given["min"], given["max"], text,
                          parameter_number(given["brute_step"]), given["user_data"])
    parameter.stderr, parameter.init_value = parameter_number(given["stderr"]), parameter_number(given["init_value"])
    correl = given["correl"]
    parameter.correl = None if correl is None else {str(name): float(r) for name, r in correl.items()}
    return parameter


def parameter_number(value: Any) -> float | None:
    """Return a number out of JSON, or None."""
    return None if value is None else float(value)


def _restore(kind: type[Parameters], symbols: dict[str, Any], states: list[dict[str, Any]]) -> Parameters:
    """Return unpickled Parameters."""
    new = kind(usersyms=symbols)
    for state in states:
        parameter = _blank(Parameter)
        parameter.__setstate__(state)
        new[state["name"]] = parameter
    return new


def create_params(**kws: Any) -> Parameters:
    """Return Parameters made of keywords, each a value or a dict of what `Parameter.set` takes.

    Examples
    --------
    >>> params = create_params(amp=dict(value=5, min=0), cen=0.2, wid=dict(expr="cen/2"))
    >>> params["wid"].value
    0.1
    """
    params = Parameters()
    params.set(**kws)
    return params
