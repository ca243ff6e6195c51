"""A compiled formula: from text or a function to value, exact Jacobian and the program that fits run.

The steps, each in its own file of `gslfit.formula`: a graph is read from the text or traced from the function, differentiated, put
through the passes, and lowered to the program that `gslfit.formula._program` evaluates without the GIL.
"""
from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping
from functools import cached_property, lru_cache
from types import FunctionType
from typing import TYPE_CHECKING, Any

import numpy as np

from gslfit.checks import as_keywords, identifiers, words
from gslfit.data.model_values import model_values, real_values
from gslfit.data.numbers import floats
from gslfit.errors import InputError, InputTypeError
from gslfit.formula._program import FREE_LIMIT, OPCODES, VARIABLE_LIMIT, Program
from gslfit.formula.graph import Graph, Node, Pool, Rows, from_rows, rows_of, transplant
from gslfit.formula.limits import limits
from gslfit.formula.lower import Lowered, lower
from gslfit.formula.memory import Made, Memory
from gslfit.formula.operations import evaluate
from gslfit.formula.parse import read_formula, split_sum
from gslfit.formula.passes import PASSES
from gslfit.formula.second_derivatives import second_derivatives
from gslfit.parameters.parameter import check_name

if TYPE_CHECKING:
    from gslfit.formula.trace import Signature

NO_VARIABLE = "gslfit_nowhere"      # an independent variable that no formula has: that of an expression of parameters alone


def fresh(graph: Graph, free: tuple[str, ...]) -> Graph:
    """Return a graph in a pool of its own, to be differentiated by the free names: what comes out depends on nothing done before."""
    pool = Pool()
    value, = transplant(pool, [graph.value])
    return Graph(pool, value, (), free, graph.independent)


class Passes(tuple):
    """The passes that a formula goes through; printing it shows the graph after each.

    Parameters
    ----------
    passes : iterable of callable
    graph : Graph
        What the first pass is given.
    """

    graph: Graph

    def __new__(cls, passes: Iterable[Callable[[Graph], Graph]], graph: Graph) -> Passes:
        self = super().__new__(cls, passes)
        self.graph = graph
        return self

    def __repr__(self) -> str:
        return f"Passes({', '.join(step.__name__ for step in self)})"

    def __str__(self) -> str:
        graph = fresh(self.graph, self.graph.free)
        parts = [f"as read:\n{graph}"]
        for step in self:
            graph = step(graph)
            parts.append(f"after {step.__name__}:\n{graph}")
        return "\n\n".join(parts)


def compiled(graph: Graph, free: tuple[str, ...], inputs: tuple[str, ...] = ()) -> tuple[Graph, Lowered]:
    """Differentiate a graph by the free names, put it through the passes and lower it."""
    graph = fresh(graph, free)
    for step in PASSES:
        graph = step(graph)
    return graph, lower(graph, inputs)


class Formula:
    """A formula that compiles: its value, its exact derivatives, its program.

    Parameters
    ----------
    source : str or callable
        Text in Python's syntax: one expression, or several lines (or parts between semicolons) of assignments that end in one. Or a
        function of NumPy operations, which is traced once with symbolic arguments.
    independent : str or sequence of str, optional
        Names of the independent variables; the other names are parameters, in order of appearance. Without it: of a text ``x``, of a
        function its first argument.
    names : sequence of str, optional
        Names for the parameters of a function that takes ``*args`` or ``**kws``.

    Attributes
    ----------
    independent : tuple of str
    names : tuple of str
        The parameters; `params` is the same.
    native : bool
        Whether fits run the compiled program. A function that can't be traced is called instead.
    reason : str
        Why it is not native; empty if it is.
    defaults : dict
        Start values from the function's default arguments.

    Raises
    ------
    ExpressionError
        If the text is not a formula; `column` says where.

    Examples
    --------
    >>> line = Formula("a + b*x")
    >>> line(x=[0, 1, 2], a=1, b=2)
    array([1., 3., 5.])
    >>> line.jacobian(x=[0, 1, 2], a=1, b=2)
    array([[1., 0.],
           [1., 1.],
           [1., 2.]])
    """

    def __init__(self, source: str | Callable[..., Any], independent: str | Iterable[str] | None = None,
                 names: Iterable[str] | None = None):
        wanted = None if independent is None else tuple(identifiers("independent", independent))
        self.func: Callable[..., Any] | None = None
        self._signature: Signature | None = None
        memory: Made = (Memory(), Memory(), Memory())
        self.text = ""
        self._rows: Rows = ()  # of a graph that came from elsewhere
        self.reason = ""
        self.defaults: dict[str, float] = {}
        self._was_real = False      # whether a function that is called has returned real numbers
        if isinstance(source, str):
            self.text = source
            self.independent = wanted or ("x",)
            self._graph, self.names, memory = _read(source, self.independent)
        elif callable(source):
            self.func = source
            from gslfit.formula.trace import known_trace
            own_names = None if names is None else tuple(map(check_name, words("names", names)))
            (graph, self.reason, self._signature), _, memory = known_trace(source, wanted, own_names)
            self.independent, self.names, self.defaults = self._signature.independent, self._signature.names, self._signature.defaults
            self._graph = graph or Graph(Pool(), Pool().const(0.0), (), (), self.independent)
        else:
            raise InputTypeError(f"a formula is a text or a function, not {type(source).__name__}")
        self._folded, self._made, self._programs = memory
        self._convolved: dict[str | None, Made] = {}     # what is compiled of it where it is folded with a response

    response: Any = None        # what it is folded with, `gslfit.formula.response`

    @classmethod
    def from_graph(cls, graph: Graph, names: tuple[str, ...], label: str = "a graph") -> Formula:
        """Make a formula of a graph that was read or traced elsewhere, as by `gslfit.formula.trace_residual`.

        Parameters
        ----------
        graph : Graph
        names : tuple of str
            The parameters.
        label : str
            What it is called where it is shown.
        """
        self = cls("0*x")
        self.text, self.independent, self.names, self._graph = label, graph.independent, names, graph
        self._rows = rows_of(graph)
        self._folded, self._made, self._programs, self._convolved = Memory(), Memory(), Memory(), {}
        return self

    @property
    def native(self) -> bool:
        """Whether fits run the compiled program."""
        return not self.reason

    @property
    def params(self) -> tuple[str, ...]:
        """The names of the parameters."""
        return self.names

    @property
    def graph(self) -> Graph:
        """The graph as it was read, without derivatives."""
        return self._graph

    @cached_property
    def _with_limits(self) -> Graph:
        """The graph that values are worked out by."""
        return limits(self._graph)

    @property
    def passes(self) -> Passes:
        """The passes from the graph to the program; ``print(formula.passes)`` shows what each does."""
        return Passes((*PASSES, second_derivatives), self._graph._replace(free=self.names))

    def compiled(self, free: Iterable[str] | None = None, inputs: Iterable[str] = ()) -> tuple[Graph, Lowered]:
        """Return the graph with derivatives by the free names after all passes, and its program.

        Parameters
        ----------
        free : iterable of str, optional
            The names that are varied; all but the inputs, if not given.
        inputs : iterable of str
            The names that have a value per fit and are not varied.
        """
        self._check_native()
        given = tuple(inputs)
        chosen = tuple(name for name in self.names if name not in given) if free is None else tuple(free)
        self._check_names((*chosen, *given), complete=True)
        key = chosen, given
        found = self._programs.get(key)
        if found is None:
            found = self._programs[key] = compiled(self._graph, chosen, given)
        return found

    def lowered(self, free: Iterable[str] | None = None, inputs: Iterable[str] = ()) -> Lowered:
        """Return the program with derivatives by the free names, as `compiled` has it."""
        return self.compiled(free, inputs)[1]

    def program(self, free: Iterable[str] | None = None, inputs: Iterable[str] = ()) -> Program:
        """Return the program that fits run, with derivatives by the free names, as `compiled` has it."""
        key = None if free is None else tuple(free), tuple(inputs)
        found = self._made.get(key)
        if found is None:
            found = self._made[key] = Program(**self.lowered(free, inputs).encoded(OPCODES))
        return found

    def convolved(self, found: Any) -> Any:
        """Return it, with parameters folded in, as it is evaluated: itself, where there is no response."""
        return found

    def at(self, places: Any) -> Formula:
        """Return the formula of one fit of a batch, or of some: it is the same for all, where they have no responses of their own."""
        return self

    def of_rows(self, numbers: np.ndarray) -> Formula:
        """Return the formula of fits with responses of their own, (..., k), of one that is folded with a response."""
        raise InputError(f"{self!r} is not folded with a response")

    @property
    def others(self) -> tuple[str, ...]:
        """Parameters that are none of the graph's: that of a response's shift."""
        return ()

    def disassemble(self) -> str:
        """Return the program: what runs once a step, what at each point, what for the derivatives.

        Examples
        --------
        >>> print(Formula("A*exp(-b*x)").disassemble())
        once a step:
            s3     = mul        b, -1
            s4     = mul        A, -1
        at each point:
            r1     = mulexp     x, s3
            r2     = mul        r1, A
            value  = r2
        derivatives:
            r3     = mulmul     x, r1, s4
            d/dA = r1
            d/db = r3
        """
        return self.lowered().listing()

    def latex(self) -> str:
        r"""Return the formula in LaTeX.

        Examples
        --------
        >>> print(Formula("A*exp(-x/tau)").latex())
        A \, e^{\frac{-x}{\tau}}
        """
        self._check_native()
        from gslfit.formula.latex import latex
        return latex(self._graph.value)

    def _repr_latex_(self) -> str | None:
        return f"$\\displaystyle {self.latex()}$" if self.native else None

    def terms(self) -> list[Formula]:
        """Return the terms of a formula whose text is a sum, each a formula; of any other text the formula itself.

        Raises
        ------
        InputError
            If it was made from a function.

        Examples
        --------
        >>> Formula("A*exp(-x/tau) + c").terms()
        [Formula('A * exp(-x / tau)'), Formula('c')]
        """
        if not self.text or self.func is not None or self._rows:
            raise InputError(f"{self!r} was made from a function: the terms of a sum are known of a text")
        return [Formula(each, self.independent) for each in split_sum(self.text)]

    def __call__(self, /, *args: Any, **values: Any) -> np.ndarray:
        """Evaluate at points.

        Parameters
        ----------
        *args
            The independent variables, in order; or by name.
        **values
            Every parameter (and independent variable), numbers or arrays that broadcast.

        Returns
        -------
        ndarray
            Of the shape that all of them broadcast to; a NumPy number where that is (). NaN where a function that is called has become
            complex, as Python's powers of negative numbers do.

        Raises
        ------
        InputTypeError
            A function that is called is complex everywhere.
        """
        given = self._values(args, values)
        if self.native:
            return self._value(given)
        assert self.func
        assert self._signature
        name = getattr(self.func, "__name__", type(self.func).__name__)
        returned = self._signature.call(self.func, given)
        found = real_values(name, model_values(name, returned, _shape(given), imaginary=True), self._was_real)
        self._was_real = True
        return found[()]

    def jacobian(self, /, *args: Any, **values: Any) -> np.ndarray:
        """Evaluate the exact derivatives by the parameters, in the order of `names`.

        Returns
        -------
        ndarray, shape (..., p)
        """
        given = self._values(args, values)
        if not self.names:
            return np.zeros((*_shape(given), 0))
        graph, _ = self.compiled()
        many = len(self.names) > FREE_LIMIT or len(self.independent) > VARIABLE_LIMIT
        if many or any(given[name].ndim for name in self.names):
            return np.stack(self._evaluate(graph.roots[1:], given), axis=-1)
        shape = _shape(given)
        x = np.array([np.broadcast_to(given[name], shape).reshape(-1) for name in self.independent])
        return self.program().evaluate([given[name] for name in self.names], x)[1].reshape(*shape, len(self.names))

    def _value(self, given: dict[str, Any]) -> Any:
        """Return the values; where there is none as it is written, as of infinity over infinity, that of the graph that fits run."""
        found = self._evaluate(self._with_limits.roots, given)[0]
        lost = np.isnan(found)
        for value in given.values() if lost.any() else ():
            lost = lost & ~np.isnan(value)
        return np.where(lost, self._evaluate(self.compiled()[0].roots[:1], given)[0], found)[()] if lost.any() else found

    def _evaluate(self, roots: tuple[Node, ...], given: dict[str, Any]) -> list[Any]:
        """Return roots of a graph, each broadcast to the shape of all values."""
        shape = _shape(given)
        found = evaluate(roots, given)
        return [np.array(np.broadcast_to(np.asarray(value, float), shape))[()] for value in found]

    def _values(self, args: tuple, values: Mapping[str, Any]) -> dict[str, Any]:
        """Return values by name, from positional and keyword arguments and the defaults."""
        if len(args) > len(self.independent):
            raise InputTypeError(f"{self!r} has {len(self.independent)} independent variables ({', '.join(self.independent)}), "
                                 f"not {len(args)}; give the parameters by name")
        given = {**self.defaults, **dict(zip(self.independent, args, strict=False))}
        twice = sorted(set(values) & set(self.independent[:len(args)]))
        if twice:
            raise InputTypeError(f"{twice[0]!r} is given twice, by position and by name")
        given.update(as_keywords(values))
        self._check_names(given)
        missing = [name for name in (*self.independent, *self.names) if name not in given]
        if missing:
            raise InputError(f"no value for {', '.join(missing)} of {self!r}")
        return {name: floats(name, value) for name, value in given.items()}

    def _check_native(self) -> None:
        """Raise InputError where there is no graph."""
        if self.reason:
            raise InputError(f"{self!r} has no program: {self.reason}")

    def _check_names(self, names: Iterable[str], complete: bool = False) -> None:
        """Raise InputError for a name that the formula doesn't have, or (with `complete`) a parameter missing or named twice."""
        known = self.names if complete else (*self.independent, *self.names)
        unknown = [name for name in names if name not in known]
        if unknown:
            raise InputError(f"{unknown[0]!r} is no parameter of {self!r}; it has {', '.join(known)}")
        if complete:
            listed = list(names)
            odd = [name for name in known if listed.count(name) != 1]
            if odd:
                raise InputError(f"{odd[0]!r} must be either free or an input, and named once")

    @property
    def called(self) -> str:
        """What messages call its source: the text, or the function's name."""
        if self.func is None:
            return repr(self.text)
        return next((name for name in (getattr(self.func, kind, None) for kind in ("__qualname__", "__name__")) if name), repr(self.func))

    def __repr__(self) -> str:
        shown = self.independent[0] if len(self.independent) == 1 else self.independent
        which = f", independent={shown!r}" if shown != "x" else ""
        return f"Formula({self.called}{which})"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Formula):
            return NotImplemented
        return (self.text, self.func, self.independent, self._rows) == (other.text, other.func, other.independent, other._rows)

    def __hash__(self) -> int:
        return hash((self.text, self.func, self.independent))

    def __copy__(self) -> Formula:
        return self         # nothing of it changes but what it remembers

    def __deepcopy__(self, memo: dict[int, Any]) -> Formula:
        return self

    def __reduce__(self) -> tuple:
        if self._rows:
            return _from_rows, (self._rows, self.independent, self.names, self.text)
        if self.native and isinstance(self.func, FunctionType) and not _is_found(self.func):
            label = getattr(self.func, "__qualname__", "a function")
            return _from_rows, (rows_of(self._graph), self.independent, self.names, label)
        starred = self._signature is not None and self._signature.starred
        return Formula, (self.func or self.text, self.independent, self.names if starred else None)


def _is_found(func: FunctionType) -> bool:
    """Return whether pickle finds a function by its name: it doesn't find a lambda, nor what is defined in a function."""
    found: Any = sys.modules.get(func.__module__)
    for name in func.__qualname__.split("."):
        found = getattr(found, name, None)
    return found is func


def _from_rows(rows: Rows, independent: tuple[str, ...], names: tuple[str, ...], label: str) -> Formula:
    """Return the formula of a pickled graph."""
    return Formula.from_graph(from_rows(rows, independent), names, label)


def _shape(given: Mapping[str, Any]) -> tuple[int, ...]:
    """Return the shape that all values broadcast to."""
    try:
        return np.broadcast_shapes(*[np.shape(value) for value in given.values()])
    except ValueError:
        shapes = ", ".join(f"{name} {np.shape(value)}" for name, value in given.items() if np.ndim(value))
        raise InputError(f"shapes don't broadcast: {shapes}") from None


@lru_cache(maxsize=256)
def _read(text: str, independent: tuple[str, ...]) -> tuple[Graph, tuple[str, ...], Made]:
    """Return the graph of a text, its parameters, and the memory of its programs; the same text is read and compiled once."""
    pool = Pool()
    value, names = read_formula(pool, text, independent)
    return Graph(pool, value, (), (), independent), names, (Memory(), Memory(), Memory())
