"""Parameters folded into a formula: expressions and fixed values become part of the program, bounds stand before it.

An `expr` is read into the formula's graph, so that its derivatives are exact and what it costs is a few scalar operations once a step. A
fixed parameter is a constant, or an input of the program where each fit has its own value. Bounds are no part of the program: the lanes
stop at them, and GSL's solvers step in internal values (`gslfit.parameters.bounds` has the transforms). So the same program serves whatever
the bounds are, and those of each fit may be transformed as its own start wants it.
"""
from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from math import inf
from typing import Any

import numpy as np

from gslfit.constraints.topological import order
from gslfit.errors import ExpressionError, InputError, ParameterError
from gslfit.formula._program import FREE_LIMIT, OPCODES, VARIABLE_LIMIT, Program
from gslfit.formula.derivative import derivatives, differentiate
from gslfit.formula.formula import Formula
from gslfit.formula.function_names import FUNCTIONS
from gslfit.formula.graph import Graph, Node, Pool, transplant
from gslfit.formula.linear import Linearity, linearity
from gslfit.formula.lower import Lowered, lower
from gslfit.formula.parse import read_constraint
from gslfit.formula.passes import PASSES
from gslfit.formula.second_derivatives import second_derivatives
from gslfit.parameters.bounds import FREE, ONE, TWO
from gslfit.parameters.collection import Parameters
from gslfit.parameters.parameter import Parameter
from gslfit.records import Record


class Role(Record):
    """What a parameter is in a fit: `kind` is "free", "fixed", "input" or "expr".

    `low` and `high` are its bounds (None for none), `value` its value where it is fixed, `expr` its expression.
    """

    kind: str
    low: float | None = None
    high: float | None = None
    value: float = 0.0
    expr: str = ""

    @property
    def bounds(self) -> int:
        """How many bounds a free parameter has: `FREE`, `ONE` or `TWO`; so wide that no value reaches them is none."""
        if self.kind != "free" or (self.low is None and self.high is None):
            return FREE
        if self.low is None or self.high is None:
            return ONE
        return FREE if np.isinf(self.high - self.low) else TWO

    @property
    def near(self) -> tuple[float, float]:
        """The bound of smaller magnitude, and the way from it to the other one; of one bound, it and the sign of the way inside."""
        if self.bounds == ONE:
            return (self.high, -1.0) if self.low is None else (self.low, 1.0)  # type: ignore[return-value]
        assert self.low is not None
        assert self.high is not None
        if abs(self.low) <= abs(self.high):
            return self.low, self.high - self.low
        return self.high, self.low - self.high


Roles = tuple[tuple[str, Role], ...]
UNBOUND = Role("free")
NOWHERE = np.empty((0, 1))      # points of a program without independent variables


@dataclass(eq=False, repr=False, match_args=False)
class Folded:
    """A formula with the Parameters of a fit folded in.

    Attributes
    ----------
    graph : Graph
        The formula's value and its derivatives by `names`, as they are evaluated.
    linearity : Linearity
        What of `names` the value is linear in.
    lowered : Lowered
        The program; its free variables are `names`, its inputs `inputs`. It knows nothing of bounds.
    names : tuple of str
        The varying parameters.
    inputs : tuple of str
        The parameters with a value per fit.
    roles : dict of str to Role
        Every parameter's part, in the order of the Parameters.
    dependents : tuple of Node
        For each `expr` parameter (`dependent_names`) its value by the varying ones' own values, then its derivatives by them.
    idle : tuple of str
        The varying parameters on which the formula doesn't depend.
    transform : FitTransform, optional
        Its bounds and expressions as the lanes take them: `gslfit.curves.job.transform_of` keeps them here, as long as the
        program lives.
    exchanges : ndarray, optional
        The exchanges of parameters that leave the program's values as they are: `gslfit.confidence.engine` keeps them here.
    response : Response, optional
        What the program's values and derivatives are folded with, `gslfit.formula.response`.
    """

    graph: Graph
    linearity: Linearity
    lowered: Lowered
    names: tuple[str, ...]
    inputs: tuple[str, ...]
    roles: dict[str, Role]
    dependents: tuple[Node, ...]
    dependent_names: tuple[str, ...]
    idle: tuple[str, ...] = ()
    transform: Any = None
    exchanges: Any = None
    response: Any = None

    def with_response(self, response: Any) -> Folded:
        """Return the same, folded with a response."""
        role = self.roles.get(response.shift)
        if role is not None and role.kind == "expr":
            raise InputError(f"response_shift is {response.shift!r}, which has the expression {role.expr!r}: the parameter that moves the "
                             "response varies by itself, or is held")
        return replace(self, response=response, exchanges=None, linearity=self.linearity.without(response.shift))

    def of_row(self, numbers: np.ndarray | None) -> Folded:
        """Return the same for one fit, which has a response of its own, (k,), if one is given."""
        return self if numbers is None else replace(self, response=self.response._replace(numbers=numbers))

    @cached_property
    def program(self) -> Program:
        """The program, ready to run."""
        own = None
        if self.response is not None:
            moved = self.roles[self.response.shift].value if self.response.shift in self.roles else 0.0
            own = self.response.of_program(self.names, self.inputs, moved)
        linear, scales = self._linear()
        return Program(**self.lowered.encoded(OPCODES), linear=linear, amplitudes=scales, response=own)

    @cached_property
    def bent(self) -> Program:
        """The program with second derivatives, for the steps of batches; `program` itself where they aren't worth it."""
        graph = self.graph if self.response is not None else second_derivatives(self.graph)
        if not graph.bends:
            return self.program
        linear = self._linear()
        return Program(**lower(graph, self.inputs).encoded(OPCODES), linear=linear[0], amplitudes=linear[1])

    def _linear(self) -> tuple[list[int], list[int]]:
        """Return the numbers of the parameters that the value is linear in together, and of those among them that are amplitudes."""
        linear = self.linearity.together()
        return ([self.names.index(name) for name in linear],
                [self.names.index(name) for name in linear if name in self.linearity.amplitudes])

    @cached_property
    def expressions(self) -> tuple[Program, ...]:
        """For each `expr` parameter a program of the varying ones and the inputs: its value and its derivatives."""
        found = []
        p = len(self.names) + 1
        for first in range(0, len(self.dependents), p):
            pool = Pool()
            value, *columns = transplant(pool, self.dependents[first:first + p])
            graph = Graph(pool, value, tuple(columns), self.names, ())
            for step in PASSES:
                if step is not differentiate:       # one that its own bound holds has the derivatives of the expression itself
                    graph = step(graph)
            found.append(Program(**lower(graph, self.inputs).encoded(OPCODES)))
        return tuple(found)

    @cached_property
    def boxes(self) -> tuple[tuple[float, float], ...]:
        """The bounds of each varying parameter, infinite for none."""
        found = []
        for name in self.names:
            role = self.roles[name]
            found.append((-np.inf if role.low is None else role.low, np.inf if role.high is None else role.high))
        return tuple(found)

    @cached_property
    def bounded(self) -> bool:
        """Whether any parameter has bounds."""
        return any(self.roles[name].bounds != FREE for name in self.names)

    def check(self, name: str, values: np.ndarray | float) -> None:
        """Raise ParameterError if a start of a varying parameter lies outside its bounds.

        Parameters
        ----------
        name : str
        values : float or ndarray
            Its starts, one for each fit; NaN is not checked here.
        """
        role = self.roles[name]
        if role.bounds != FREE:
            refuse_outside(name, values, -inf if role.low is None else role.low, inf if role.high is None else role.high)

    def holds(self, values: np.ndarray) -> bool:
        """Return whether one fit's values lie within the bounds, ndarray (p)."""
        if not self.bounded:
            return True
        return all(low <= value <= high for (low, high), value in zip(self.boxes, values.tolist(), strict=True))

    def inputs_of(self, values: Mapping[str, Any]) -> np.ndarray | None:
        """Return the values per fit of one fit, None where there are none."""
        return np.array([values[name] for name in self.inputs], float) if self.inputs else None

    def dependent(self, v: np.ndarray, inputs: np.ndarray | None) -> dict[str, tuple[float, np.ndarray]]:
        """Return the values of the `expr` parameters of one fit, each with its derivatives by the varying ones, ndarray (p).

        Parameters
        ----------
        v : ndarray, shape (p,)
            Values of the varying parameters.
        inputs : ndarray, or None
            Those of the parameters with a value per fit.
        """
        found = {}
        for name, program in zip(self.dependent_names, self.expressions, strict=True):
            value, slopes = program.evaluate(v, NOWHERE, inputs)
            found[name] = value.item(), slopes[0]
        return found


def roles(parameters: Parameters, names: Iterable[str], per_fit: Iterable[str] = ()) -> Roles:
    """Return what each parameter is in a fit of a formula with these names.

    Parameters
    ----------
    parameters : Parameters
    names : iterable of str
        The formula's parameters.
    per_fit : iterable of str
        The fixed parameters that have a value of their own in each fit.

    Raises
    ------
    InputError
        If one of the formula's parameters is missing.
    ParameterError
        If a parameter has no value.
    """
    missing = [name for name in names if name not in parameters]
    if missing:
        raise InputError(f"the parameters lack {', '.join(missing)} of the formula; there are {', '.join(parameters) or 'none'}")
    own = set(per_fit)
    found = []
    for name, parameter in parameters.items():
        found.append((name, _role(parameter, name in own)))
    return tuple(found)


def _role(parameter: Parameter, per_fit: bool) -> Role:
    """Return one parameter's role."""
    low, high = parameter.min, parameter.max
    low, high = None if low == -inf else low, None if high == inf else high      # lmfit's way to say that there is none
    expr = parameter.expr
    if expr is not None:
        return Role("expr", low, high, 0.0, expr)
    if parameter.vary:
        return UNBOUND if low is None and high is None else Role("free", low, high)
    if per_fit:
        return Role("input")
    value = parameter.value
    if value is None:
        raise ParameterError(f"parameter {parameter.name!r} has no value; give it one: params[{parameter.name!r}].value = ...")
    return Role("fixed", None, None, float(value))


def constraint_nodes(pool: Pool, parts: dict[str, Role], own: dict[str, Node], parameters: Parameters) -> dict[str, Node]:
    """Return the nodes of the `expr` parameters, from those of the others.

    Raises
    ------
    ExpressionError
        If an expression can't be part of a program; names the parameter.
    """
    nodes = dict(own)
    texts = {name: role.expr for name, role in parts.items() if role.kind == "expr"}
    symbols = parameters._symbols
    used = {}
    for name, text in texts.items():
        compiled = symbols.compile(text)
        foreign = [function for function in compiled.calls if symbols.function(function) is not None or function not in FUNCTIONS]
        if foreign or not hasattr(compiled, "code"):
            raise ExpressionError(f"parameter {name!r}: its expression {text!r} calls {', '.join(foreign) or 'the interpreter'}, "
                                  "which can't be differentiated exactly", text)
        used[name] = compiled.names
    for name in order(texts, lambda name: [other for other in used[name] if other in texts]):
        constants = {other: pool.const(number) for other in used[name] if other not in nodes
                     and (number := symbols.number(other)) is not None}
        try:
            node = read_constraint(pool, texts[name], {**constants, **nodes})
        except ExpressionError as error:
            raise ExpressionError(f"parameter {name!r}: {error}", error.text, error.column) from None
        if parts[name].low is not None:
            node = pool.make("max", node, parts[name].low)  # type: ignore[arg-type]
        if parts[name].high is not None:
            node = pool.make("min", node, parts[name].high)  # type: ignore[arg-type]
        nodes[name] = node
    return nodes


def refuse_outside(name: str, values: np.ndarray | float, low: np.ndarray | float, high: np.ndarray | float) -> None:
    """Raise ParameterError if a start of a varying parameter lies outside its bounds.

    Parameters
    ----------
    name : str
    values : float or ndarray, shape (...)
        Its starts, one for each fit; NaN is not checked here.
    low, high : float or ndarray, shape (...)
        Its bounds, infinite for none.
    """
    for bound, which in ((low, "min"), (high, "max")):
        outside = np.asarray(values < bound if which == "min" else values > bound)
        if outside.any():
            first = int(np.argmax(outside))
            value, limit = (float(np.broadcast_to(each, outside.shape).flat[first]) for each in (values, bound))
            which_fit = f" (fit {first})" if outside.ndim else ""
            raise ParameterError(f"parameter {name!r} starts at {value!r}{which_fit}, outside its bound {which} = {limit!r}; "
                                 "start inside the bounds, or move the bound")


def refuse_idle(idle: Sequence[str], whose: Any) -> None:
    """Raise InputError if there are parameters that vary, and on which nothing depends."""
    if idle:
        raise InputError(f"parameter {idle[0]!r} varies, but {whose} doesn't depend on it: set vary=False, or leave it out")


def fold(formula: Formula, parameters: Parameters | None, per_fit: Iterable[str] = (), idle: bool = False) -> Folded:
    """Fold the parameters of a fit into a formula.

    Parameters
    ----------
    formula : Formula
        A native one.
    parameters : Parameters or None
        Which vary, their bounds and expressions, and the values of those that don't vary; None where all vary freely.
    per_fit : iterable of str
        The fixed parameters that have a value of their own in each fit.
    idle : bool
        Whether a parameter may vary on which the formula doesn't depend; its derivatives are zero.

    Returns
    -------
    Folded

    Raises
    ------
    ExpressionError
        If an expression can't be part of a program.
    InputError
        If a parameter is missing, or a varying one is not in the formula.
    """
    if parameters is None:
        found = formula._folded.get(None)
        if found is None:
            found = formula._folded[None] = _fold(formula, {name: Role("free") for name in formula.names}, Parameters())
        return formula.convolved(found)
    key = roles(parameters, formula.names, per_fit)
    plain = not parameters._symbols
    found = formula._folded.get(key) if plain else None
    if found is None:
        found = _fold(formula, dict(key), parameters)
    if not idle:
        refuse_idle(found.idle, formula)
    if plain and key not in formula._folded:
        formula._folded[key] = found
    return formula.convolved(found)


def _fold(formula: Formula, parts: dict[str, Role], parameters: Parameters) -> Folded:
    """Fold as `fold` does, without its cache."""
    pool = Pool()
    free = tuple(name for name, role in parts.items() if role.kind == "free")
    inputs = tuple(name for name, role in parts.items() if role.kind == "input")
    for count, limit, what in ((len(free), FREE_LIMIT, "varying parameters"), (len(formula.independent), VARIABLE_LIMIT,
                                                                            "independent variables")):
        if count > limit:
            raise ExpressionError(f"a program has up to {limit} {what}, and there are {count}")
    own = {name: pool.leaf("par", name) for name in (*free, *inputs)}
    own |= {name: pool.const(role.value) for name, role in parts.items() if role.kind == "fixed"}
    nodes = constraint_nodes(pool, parts, own, parameters)
    source = formula.graph
    change = {source.pool.leaf("par", name): nodes[name] for name in formula.names}
    value, = transplant(pool, [source.value], change)
    idle = tuple(name for name in free if not pool.leaf("par", name).mask & value.mask and name not in formula.others)
    graph, known = Graph(pool, value, (), free, source.independent), linearity(value, free)
    for step in PASSES:
        graph = step(graph)
    # the expr parameters by the varying ones' own values: for results and their errors
    outer = Pool()
    own = {name: outer.leaf("par", name) for name in (*free, *inputs)}
    own |= {name: outer.const(role.value) for name, role in parts.items() if role.kind == "fixed"}
    derived = constraint_nodes(outer, parts, own, parameters)
    # one that its own bound holds is as uncertain as the expression itself
    loose = {name: role._replace(low=None, high=None) if role.kind == "expr" else role for name, role in parts.items()}
    unheld = constraint_nodes(outer, loose, own, parameters) if loose != parts else derived
    names = tuple(name for name, role in parts.items() if role.kind == "expr")
    leaves = [own[name] for name in free]
    dependents = tuple(node for name in names for node in (derived[name], *derivatives(unheld[name], leaves)))
    return Folded(graph, known, lower(graph, inputs), free, inputs, parts, dependents, names, idle)
