"""`Parameter`, `Parameters` and `create_params` in lmfit 1.3's manners: values are clipped, bounds read back as infinities."""
import json
import math
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from gslfit.compat.lmfit.symbols import LmfitSymbols
from gslfit.errors import ExpressionError, InputError, ParameterError, ParameterNameError
from gslfit.expression.constraint import constraint
from gslfit.parameter import Parameter as _Parameter
from gslfit.parameter import _blank, _copy
from gslfit.parameters import Parameters as _Parameters

TINY = 1e-15
SAME = 1e-13              # bounds nearer to each other than this are equal


class Parameter(_Parameter):
    """A parameter of a fit, as lmfit 1.3 has it.

    Parameters
    ----------
    name : str
        Name.
    value : float, optional
        Start value, clipped to the bounds; without one it is -inf, or the lower bound.
    vary : bool
        Whether the fit varies it.
    min, max : float
        Bounds; they are swapped if `min` is the larger.
    expr : str, optional
        Expression of other parameters that gives the value.
    brute_step : float, optional
        Step of the grid for `brute`.
    user_data : object, optional
        Anything.

    Raises
    ------
    ParameterError
        If the bounds are equal.
    """

    def __init__(self, name: str, value: float | None = None, vary: bool = True, min: float | None = -math.inf,
                 max: float | None = math.inf, expr: str | None = None, brute_step: float | None = None, user_data: Any = None) -> None:
        super().__init__(vary=vary, brute_step=brute_step, user_data=user_data)
        self.name = name
        self.init_value = value
        self._set_bounds(self._bound(min, "min"), self._bound(max, "max"))
        self._value = -math.inf if value is None else self._number(value)
        self._within()
        if expr:
            self.expr = expr

    def _set_bounds(self, low: float | None, high: float | None) -> None:
        """Take bounds as they are; `_within` puts them in order before they are used."""
        self._min, self._max = low, high
        self._changed()

    def _within(self) -> None:
        """Put the bounds in order, and the value between them."""
        low, high = self._min, self._max
        if low is not None and high is not None:
            if low > high:
                low, high = self._min, self._max = high, low
            if math.isclose(low, high, rel_tol=SAME, abs_tol=SAME):
                self._fail(f"min == max ({low!r}); to hold it at a value, give that value and vary=False")
        if self._expr is None:
            self._value = self._clipped(self._value)

    def _clipped(self, value: float | None) -> float | None:
        """Return a value, or the bound that it is beyond."""
        if value is None:
            return value
        if self._max is not None and value > self._max:
            return self._max
        return self._min if self._min is not None and value < self._min else value

    def _set_value(self, value: Any) -> None:
        if self._expr is None:                                # else the expression has the last word, at the next read
            self._value = self._clipped(self._number(value))
            self._changed()

    @property                                                 # type: ignore[override]
    def min(self) -> float:
        """Lower bound, -inf for none."""
        return -math.inf if self._min is None else self._min

    @min.setter
    def min(self, low: float | None) -> None:
        self._set_bounds(self._bound(low, "min"), self._max)

    @property                                                 # type: ignore[override]
    def max(self) -> float:
        """Upper bound, inf for none."""
        return math.inf if self._max is None else self._max

    @max.setter
    def max(self, high: float | None) -> None:
        self._set_bounds(self._min, self._bound(high, "max"))

    @property                                                 # type: ignore[override]
    def expr(self) -> str | None:
        """Expression of other parameters that gives the value, or None; setting one makes `vary` False."""
        return self._expr

    @expr.setter
    def expr(self, text: str | None) -> None:
        if text and text.strip() and self._owner() is None:
            self._tie(text)                                   # checked when the parameter joins others
        else:
            _Parameter.expr.fset(self, text)                  # type: ignore[attr-defined]

    def set(self, value: float | None = None, vary: bool | None = None, min: float | None = None,  # type: ignore[override]
            max: float | None = None, expr: str | None = None, brute_step: float | None = None, is_init_value: bool = True) -> None:
        """Set several inputs at once; those that are None stay.

        Parameters
        ----------
        value : float, optional
            New value; clears the expression.
        vary : bool, optional
            Whether the fit varies it; True clears the expression.
        min, max : float, optional
            Bounds; an infinity for none.
        expr : str, optional
            Expression; "" clears it.
        brute_step : float, optional
            Step of the grid for `brute`; 0 clears it.
        is_init_value : bool
            Whether `value` becomes `init_value` too.
        """
        if vary is not None:
            self.vary = vary
        if min is not None:
            self.min = min
        if max is not None:
            self.max = max
        if value is not None:
            if is_init_value or self._known_value() in (None, -math.inf, math.inf):
                self.init_value = value
            self.expr = None
            self.value = value
        if expr is not None:
            self.expr = expr
        if brute_step is not None:
            self.brute_step = brute_step or None

    # -- the bounds transform of MINUIT, which the scalar methods work in

    def setup_bounds(self) -> float:
        """Return the unbounded variable that stands for the value, by MINUIT's transforms."""
        self._within()
        value, low, high = self.value, self._min, self._max
        if low is None and high is None:
            inner = value
        elif high is None:
            inner = math.sqrt(max(0., (value - low + 1)**2 - 1))
        elif low is None:
            inner = math.sqrt(max(0., (high - value + 1)**2 - 1))
        else:
            inner = math.asin(2*(value - low)/(high - low) - 1)
        return 0. if abs(inner) < TINY else float(inner)

    def from_internal(self, inner: float) -> float:
        """Return the value that an unbounded variable stands for."""
        low, high, inner = self._min, self._max, float(inner)
        if low is None and high is None:
            return inner
        if high is None:
            return low - 1 + math.sqrt(inner*inner + 1)       # type: ignore[operator]
        if low is None:
            return high + 1 - math.sqrt(inner*inner + 1)
        return low + (math.sin(inner) + 1)*(high - low)/2

    def scale_gradient(self, inner: float) -> float:
        """Return the derivative of the value by the unbounded variable."""
        low, high = self._min, self._max
        if low is None and high is None:
            return 1.
        if low is not None and high is not None:
            return math.cos(inner)*(high - low)/2
        return math.copysign(1, -1 if low is None else 1)*inner/math.sqrt(inner*inner + 1)

    def __repr__(self) -> str:
        try:
            value = f"value={self.value!r}"
        except ValueError as error:
            value = f"value=? ({str(error).splitlines()[0]})"
        if self._expr is None and not self._vary:
            value += " (fixed)"
        elif self.stderr is not None:
            value += f" +/- {self.stderr:.3g}"
        parts = [f"<Parameter {self.name!r}", value, f"bounds=[{self.min!r}:{self.max!r}]"]
        if self._expr is not None:
            parts.append(f"expr={self._expr!r}")
        if self.brute_step is not None:
            parts.append(f"brute_step={self.brute_step}")
        return ", ".join(parts) + ">"


FIELDS = ("name", "value", "vary", "expr", "min", "max", "brute_step", "stderr", "correl", "init_value", "user_data")
"""What lmfit writes of a parameter into JSON, in this order."""


def adopt(parameter: _Parameter) -> Parameter:
    """Return a parameter of gslfit's own as one of lmfit's manners."""
    new = _blank(Parameter)
    state = parameter.__getstate__()
    new.__setstate__(state)
    if new._value is None:
        new._value = -math.inf
    return new                                                # type: ignore[return-value]


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
        if isinstance(parameter, _Parameter) and not isinstance(parameter, Parameter):
            parameter = adopt(parameter)
        super().__setitem__(name, parameter)

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
            raise ParameterNameError("a Parameter that is added is to have a name")
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

    def __reduce__(self) -> tuple:
        symbols = self._symbols.functions | self._symbols.constants
        return _restore, (type(self), symbols, [parameter.__getstate__() for parameter in self.values()])

    def within(self) -> "Parameters":
        """Put all bounds in order and all values between them; return these Parameters."""
        for parameter in self.values():
            parameter._within()
        self._note()
        return self

    def update_constraints(self) -> None:
        """Evaluate all expressions.

        Raises
        ------
        ExpressionError, NonFiniteError
            If one can't be.
        """
        for parameter in self.values():
            parameter.value                                   # noqa: B018 - reading evaluates

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
        if oneline:
            print(self.pretty_repr(oneline))
            return
        columns = [*columns]
        width = max(len(name) for name in self)
        print(" ".join([f"{'Name':{width}} ", *(f"{column.title():>{colwidth}}" for column in columns)]))
        for name in sorted(self):
            cells = [getattr(self[name], column) for column in columns]
            print(" ".join([f"{name:{width}} ", *(f"{cell:>{colwidth}.{precision}{fmt}}" if isinstance(cell, float) else
                                                 f"{cell!s:>{colwidth}}" for cell in cells)]))

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
        return json.dumps({"unique_symbols": symbols, "params": [states(parameter) for parameter in self.values()]}, **kws)

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
