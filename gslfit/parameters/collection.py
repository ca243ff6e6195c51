"""`Parameters`: an ordered dictionary of `Parameter`, with the expressions that tie them together."""
from collections.abc import Iterable, Mapping
from typing import IO, Any
from weakref import ref

import numpy as np

from gslfit.checks import as_name, filled, is_sequence, truth
from gslfit.constraints.grammar import close
from gslfit.errors import InputError, ParameterError, ParameterNameError
from gslfit.parameters._values import twins
from gslfit.parameters.dependencies import derived_parameters
from gslfit.parameters.free_variables import Binding
from gslfit.parameters.namespace import Symbols
from gslfit.parameters.parameter import FIELDS_NAME_FIRST, Parameter, _blank, _copy, _peek, check_name
from gslfit.parameters.serialization import read, write


class Parameters(dict[str, Parameter]):
    """An ordered dictionary of the parameters of a fit.

    Keys are identifiers of Python, Greek letters too, and no reserved words; they are kept as Python reads them (NFKC), and found by any
    spelling that is the same there. Values are `Parameter`; one that already belongs to other Parameters is copied on the way in.

    Parameters
    ----------
    usersyms : mapping of str to callable or float, optional
        Functions and constants for expressions, beyond the grammar's own.
    asteval : asteval.Interpreter, optional
        An interpreter for expressions beyond the grammar; see `use_interpreter`.

    Examples
    --------
    >>> p = Parameters()
    >>> p.add("amp_1", value=0.5, min=0, max=1)
    >>> p.add("amp_2", expr="2.0 - amp_1**2")
    >>> p["amp_2"].value
    1.75
    """

    def __init__(self, usersyms: Mapping[str, Any] | None = None, *, asteval: Any = None) -> None:
        super().__init__()
        self._ref = ref(self)
        self._symbols = Symbols(usersyms)
        self._touched = True                                  # written to since a Binding last put its values
        self._has_derived = False                             # whether there may be expressions
        if asteval is not None:
            self._symbols.use(asteval)

    # -- expressions ---------------------------------------------------------------------------------------------------

    def _own(self, parameter: Parameter) -> None:
        """Become the owner of a parameter. One with an expression keeps these Parameters alive, since it reads from them."""
        parameter._owner = self._ref if parameter._expr is None else lambda: self

    def _note(self) -> None:
        """Take note of a change: the values of expressions wait to be evaluated anew."""
        self._touched = True
        if self._has_derived:
            for par in self.values():
                if par._expr is not None:
                    par._forget()

    def _check_expression(self, text: str) -> None:
        self._symbols.check(text)
        self._has_derived = True

    def _constraints(self, space: dict[str, Any]) -> list[Any]:
        """Return all derived parameters in the order of evaluation, to be evaluated over `space`."""
        return derived_parameters(self, self, self._symbols, space) if self._has_derived else []

    def _evaluate(self, name: str) -> None:
        """Evaluate the expression of one parameter, and those it needs, into their slots."""
        space: dict[str, Any] = {key: value for key, par in self.items()
                                 if (value := _peek(par)) is not None or par._expr is None}
        for derived in derived_parameters(self, [name], self._symbols, space):
            for used in derived.names:
                if space.get(used) is None:
                    raise ParameterError(f"parameter {used!r} has no value, and {derived.name!r} = {derived.text!r} needs it")
            derived.parameter._value = space[derived.name] = derived.value(space)

    def eval(self, text: str) -> float:
        """Evaluate an expression of the parameters.

        Parameters
        ----------
        text : str
            The expression.

        Raises
        ------
        ExpressionError, NonFiniteError
            If it can't be evaluated, or gives NaN.

        Examples
        --------
        >>> p = Parameters()
        >>> p.add("a", 3)
        >>> p.eval("2*a")
        6.0
        """
        scratch = self.copy()
        name = "value"
        while name in scratch:
            name += "_"
        scratch.add(name, expr=text)
        return scratch[name].value

    def use_interpreter(self, interpreter: Any) -> None:
        """Let expressions use what an `asteval.Interpreter` knows.

        Functions and numbers in its ``symtable`` become usable in expressions; an expression that the grammar
        doesn't have is given to the interpreter.

        Parameters
        ----------
        interpreter : asteval.Interpreter
            The interpreter; it is kept, and copies of these Parameters share it.
        """
        self._symbols.use(interpreter)
        self._note()

    def bind(self) -> Binding:
        """Return a fit's view of the free variables; changes here later don't reach it.

        Raises
        ------
        ParameterError
            If a value is missing, not finite or outside its bounds.
        ExpressionError
            If an expression names what isn't there, or they go round in a circle.
        """
        own = self._blank()
        dict.update(own, twins(self, own._ref, own._ref))       # the binding keeps them: no circle for the garbage collector to end
        return Binding(own)

    # -- the dictionary --------------------------------------------------------------------------------------------------

    def __setitem__(self, name: str, parameter: Parameter) -> None:
        name = check_name(name)
        if not isinstance(parameter, Parameter):
            raise ParameterError(f"params[{name!r}] must be a Parameter, not {type(parameter).__name__}; "
                                 f"for its value write params[{name!r}].value = ...")
        owner = parameter._owner()
        if owner is not None and not (owner is self and self.get(name) is parameter):
            parameter = _copy(parameter)
        self.adopt(name, parameter)

    def adopt(self, name: str, parameter: Parameter) -> None:
        """Take a parameter itself, not a copy, even from other Parameters; those no longer hear of its changes.

        Parameters
        ----------
        name : str
            Its name from now on.
        parameter : Parameter
            What to take.
        """
        if parameter._expr is not None:
            self._check_expression(parameter._expr)
        self._take(name, parameter)

    def _take(self, name: str, parameter: Parameter) -> None:
        """Take a parameter of which name and expression were checked."""
        parameter.name = name
        self._own(parameter)
        dict.__setitem__(self, name, parameter)
        self._note()

    def __contains__(self, name: object) -> bool:
        return super().__contains__(name) or (isinstance(name, str) and not name.isascii() and super().__contains__(as_name(name)))

    def get(self, name: str, default: Any = None) -> Any:
        """Return a parameter, or `default` where there is none of that name."""
        return super().get(as_name(name), default)

    def __missing__(self, name: str) -> Parameter:
        if as_name(name) != name and name in self:
            return self[as_name(name)]
        raise ParameterNameError(f"there is no parameter {name!r}{close(name, self) if isinstance(name, str) else ''}")

    def __delitem__(self, name: str) -> None:
        self[name]._owner = _nobody
        super().__delitem__(as_name(name))
        self._note()

    def pop(self, name: str, *default: Any) -> Any:
        """Remove a parameter and return it."""
        if name not in self and default:
            return default[0]
        parameter = self[name]
        del self[name]
        return parameter

    def popitem(self) -> tuple[str, Parameter]:
        """Remove the last parameter and return it with its name."""
        if not self:
            raise ParameterNameError("there are no parameters")
        name = next(reversed(self))
        return name, self.pop(name)

    def clear(self) -> None:
        """Remove all parameters."""
        for name in [*self]:
            del self[name]

    def setdefault(self, name: str, default: Any = None) -> Parameter:
        """Return a parameter; put `default` in if there is none of that name."""
        if name not in self:
            self[name] = default
        return self[name]

    def update(self, *others: Any, **named: Parameter) -> None:
        """Take copies of other parameters, over those of the same names.

        Parameters
        ----------
        *others : Parameters, mapping or iterable of pairs
            Where from.
        **named : Parameter
            Single ones.
        """
        for other in (*others, named):
            if isinstance(other, Parameters):
                self._symbols.functions |= other._symbols.functions
                self._symbols.constants |= other._symbols.constants
                if self._symbols.interpreter is None and other._symbols.interpreter is not None:
                    self._symbols.use(other._symbols.interpreter)
            for name, parameter in (other.items() if isinstance(other, Mapping) else other):
                self[name] = parameter

    def __or__(self, other: Any) -> "Parameters":                 # type: ignore[override]
        return self + other

    def __ior__(self, other: Any) -> "Parameters":                # type: ignore[override, misc]
        self.update(other)
        return self

    def __add__(self, other: Any) -> "Parameters":
        if not isinstance(other, Mapping):
            return NotImplemented
        new = self.copy()
        new.update(other)
        return new

    def __iadd__(self, other: Any) -> "Parameters":
        self.update(other)
        return self

    def copy(self) -> "Parameters":
        """Return Parameters of the same contents that share nothing but `user_data`, functions and the interpreter."""
        new = self._blank()
        dict.update(new, twins(self, new._ref, lambda: new))  # owners as `_own` has it
        return new

    __copy__ = copy

    def _blank(self) -> "Parameters":
        """Return Parameters that know the same functions and the same interpreter, with nothing in them yet."""
        new = type(self)()
        if self._symbols:
            new._symbols = self._symbols.copy()
        new._has_derived = self._has_derived
        return new

    def __deepcopy__(self, memo: dict[int, Any]) -> "Parameters":
        from copy import deepcopy
        new = self.copy()
        memo[id(self)] = new
        for parameter in new.values():
            parameter.user_data = deepcopy(parameter.user_data, memo)
        return new

    def __reduce__(self) -> tuple:
        symbols = self._symbols.functions | self._symbols.constants
        return _restore, (type(self), symbols, [parameter.__getstate__() for parameter in self.values()], self._symbols.put_in(self))

    # -- filling and reading ---------------------------------------------------------------------------------------------

    def add(self, name: str | Parameter, value: float | None = None, vary: bool = True, min: float | None = None, max: float | None = None,
            expr: str | None = None, brute_step: float | None = None, user_data: Any = None) -> None:
        """Add a parameter.

        Parameters
        ----------
        name : str or Parameter
            Its name, or the whole parameter, which then has one.
        value, vary, min, max, expr, brute_step, user_data
            As for `Parameter`.

        Raises
        ------
        ParameterNameError
            If it can't be a name.

        Examples
        --------
        >>> p = Parameters()
        >>> p.add("myvar", value=1, vary=True)
        """
        if isinstance(name, Parameter):
            if name.name is None:
                raise ParameterNameError("a Parameter that is added must have a name: Parameter(..., name='a')")
            self[name.name] = name
            return
        name = check_name(name)
        parameter = Parameter.__new__(Parameter)
        parameter._fill(value, vary, min, max, name, brute_step, user_data)
        if expr is not None and filled("expr", expr):
            self._check_expression(expr)
            parameter._take_expression(expr)
        self._take(name, parameter)

    def add_many(self, *parameters: Parameter | Iterable[Any]) -> None:
        """Add several parameters, each a tuple ``(name, value, vary, min, max, expr)``, cut short where defaults do, or a `Parameter`.

        Examples
        --------
        >>> p = Parameters()
        >>> p.add_many(("a", 0.1), ("b", 1, True, 0, None, None))
        """
        if len(parameters) == 1 and isinstance(parameters[0], list):    # a list of tuples, not a tuple each
            parameters = tuple(parameters[0])
        for item in parameters:
            if isinstance(item, (Parameter, str)):
                self.add(item)
                continue
            if not is_sequence(item):
                raise InputError(f"add_many takes Parameters, names and tuples ({', '.join(FIELDS_NAME_FIRST)}), not {item!r:.60}")
            fields = tuple(item)
            if len(fields) > len(FIELDS_NAME_FIRST):
                raise InputError(f"add_many takes tuples ({', '.join(FIELDS_NAME_FIRST)}), cut short at will; "
                                 f"this one has {len(fields)}: {fields!r}")
            self.add(*fields)

    def set(self, **values: Any) -> None:
        """Set values by name, or several inputs of a parameter by a dict.

        Parameters
        ----------
        **values : float, str or dict
            A number is a value, a string an expression, a dict the keywords of `Parameter.set`.

        Examples
        --------
        >>> p = Parameters()
        >>> p.add_many(("a", 1), ("b", 2))
        >>> p.set(a=3, b={"value": 5, "min": 0})
        """
        for name, value in values.items():
            if isinstance(value, Mapping):
                self[name].set(**value)
            elif isinstance(value, str):
                self[name].set(expr=value)
            else:
                self[name].set(value=value)

    def settle(self, values: Mapping[str, float], errors: Mapping[str, float | None], correlations: Mapping[str, dict[str, float]],
               starts: Mapping[str, float]) -> None:
        """Take a fit's outcome: values, standard errors, correlations and the values it began at, by name.

        Expressions stay what they are.
        """
        for name, parameter in self.items():
            parameter._value = values[name]
            parameter.stderr = errors[name]
            parameter.correl = correlations.get(name)
            parameter.init_value = starts[name]
        self._touched = True

    def conclude(self, values: Mapping[str, float], starts: Mapping[str, float | None], outcome: Any) -> None:
        """Take a fit's outcome as `settle` does, errors and correlations when they are first read.

        Parameters
        ----------
        values, starts : mapping of str to float
            Fitted values, and those the fit began at.
        outcome : callable
            ``outcome(name)`` gives the standard error and the correlations of a parameter.
        """
        for name, parameter in self.items():
            parameter._fitted(values[name], starts[name], outcome, name)
        self._touched = True

    def valuesdict(self) -> dict[str, float]:
        """Return the values by name."""
        return {name: parameter.value for name, parameter in self.items()}

    def pretty_print(self, oneline: bool = False, colwidth: int = 8, precision: int = 4, fmt: str = "g",
                     columns: Iterable[str] = ("value", "min", "max", "stderr", "vary", "expr", "brute_step")) -> None:
        """Print the parameters as a table.

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
        print(repr(self) if truth("oneline", oneline) else params_table(self, colwidth, precision, fmt, columns))

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        """Return the values."""
        return np.array([float(parameter) for parameter in self.values()], dtype=dtype or float)

    def __repr__(self) -> str:
        return f"Parameters([{', '.join(f'({name!r}, {parameter!r})' for name, parameter in self.items())}])"

    def __str__(self) -> str:
        return repr(self)

    def _repr_html_(self) -> str:
        from gslfit.report.html import params_html
        return params_html(self)

    # -- files -------------------------------------------------------------------------------------------------------------

    def update_constraints(self) -> None:
        """Evaluate all expressions: they are evaluated when they are read, so that this only says which of them can't be.

        Raises
        ------
        ExpressionError, NonFiniteError
            If one can't be.
        """
        for parameter in self.values():
            parameter.value                                   # noqa: B018 - reading evaluates

    def dumps(self, **kws: Any) -> str:
        """Return the parameters as JSON text; functions of the user's own aren't in it.

        Parameters
        ----------
        **kws
            For `json.dumps`.
        """
        return write(self, self._symbols, **kws)

    def loads(self, text: str, **kws: Any) -> "Parameters":
        """Take the parameters out of JSON text, in place of those here. Nothing is run: expressions are held to the grammar.

        Parameters
        ----------
        text : str
            What `dumps` gave.
        **kws
            For `json.loads`.

        Raises
        ------
        InputError
            If the text isn't what `dumps` writes.
        """
        parameters, constants = read(text, **kws)
        self.clear()
        self._symbols.constants |= constants
        for parameter in parameters:
            self.add(parameter)
        return self

    def dump(self, file: IO[str], **kws: Any) -> int:
        """Write the parameters as JSON to an open file."""
        return file.write(self.dumps(**kws))

    def load(self, file: IO[str], **kws: Any) -> "Parameters":
        """Take the parameters out of an open JSON file."""
        return self.loads(file.read(), **kws)


def _nobody() -> None:
    """Stand for the owner of a parameter that was removed."""


def _restore(kind: type[Parameters], symbols: dict[str, Any], states: list[dict[str, Any]],
             put_in: dict[str, Any] | None = None) -> Parameters:
    """Return unpickled Parameters; `put_in` is what an interpreter of expressions knows besides."""
    new = kind(usersyms=symbols)
    if put_in is not None:
        from asteval import Interpreter
        interpreter = Interpreter()
        new.use_interpreter(interpreter)
        interpreter.symtable.update(put_in)
    for state in states:
        parameter = _blank()
        parameter.__setstate__(state)
        new[state["name"]] = parameter
    return new


