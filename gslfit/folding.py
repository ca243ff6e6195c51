"""Parameters folded into a formula: bounds, expressions and fixed values become part of the program.

What the program is differentiated by are the internal values v of the varying parameters (`gslfit.bounds`): with both bounds a parameter is
``near + width*sin(v/2)^2``, with one ``near + size*v^2/(sqrt(v^2 + 1) + 1)``. An `expr` is read into the same graph. So the Jacobian is
exact with respect to the free variables, and what a bound or an expression costs is a few scalar operations once a step.

`size`, the distance of the start from the bound, differs from fit to fit of a batch: it is an input of the program, named ``size of NAME``.
A fixed parameter is a constant, or an input where each fit has its own value.
"""
from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from gslfit._program import OPCODES, Program
from gslfit.bounds import FREE, INSIDE, NEAR, ONE, TWO
from gslfit.errors import ExpressionError, InputError, ParameterError
from gslfit.expression.derivative import derivatives
from gslfit.expression.graph import Graph, Node, Pool, transplant
from gslfit.expression.lower import Lowered, lower
from gslfit.expression.operations import evaluate
from gslfit.expression.order import order
from gslfit.expression.passes import PASSES
from gslfit.expression.text import read_constraint
from gslfit.expression.vocabulary import FUNCTIONS
from gslfit.formula import Formula
from gslfit.parameter import Parameter
from gslfit.parameters import Parameters


class Role(NamedTuple):
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


@dataclass(eq=False)
class Folded:
    """A formula with the Parameters of a fit folded in.

    Attributes
    ----------
    lowered : Lowered
        The program; its free variables are `names`, its inputs `inputs`.
    names : tuple of str
        The varying parameters.
    inputs : tuple of str
        The parameters with a value per fit, then ``size of NAME`` for each parameter with one bound.
    roles : dict of str to Role
        Every parameter's part, in the order of the Parameters.
    dependents : tuple of Node
        For each `expr` parameter (`dependent_names`) its value by the varying ones' own values, then its derivatives by them.
    idle : tuple of str
        The varying parameters on which the formula doesn't depend.
    """

    lowered: Lowered
    names: tuple[str, ...]
    inputs: tuple[str, ...]
    roles: dict[str, Role]
    dependents: tuple[Node, ...]
    dependent_names: tuple[str, ...]
    idle: tuple[str, ...] = ()

    @cached_property
    def program(self) -> Program:
        """The program, ready to run."""
        return Program(**self.lowered.encoded(OPCODES))

    @cached_property
    def own_inputs(self) -> tuple[str, ...]:
        """The inputs that are parameters with a value per fit."""
        return self.inputs[:len(self.inputs) - sum(self.roles[name].bounds == ONE for name in self.names)]

    @cached_property
    def expressions(self) -> tuple[Program, ...]:
        """For each `expr` parameter a program of the varying ones' own values and `own_inputs`: its value and its derivatives."""
        found = []
        for node in self.dependents[::len(self.names) + 1]:
            pool = Pool()
            value, = transplant(pool, [node])
            graph = Graph(pool, value, (), self.names, ())
            for step in PASSES:
                graph = step(graph)
            found.append(Program(**lower(graph, self.own_inputs).encoded(OPCODES)))
        return tuple(found)

    @cached_property
    def boxes(self) -> tuple[tuple[int, float, float, float, float], ...]:
        """For each varying parameter how many bounds the program has for it, both of them, and in which order they are counted from."""
        found = []
        for name in self.names:
            role = self.roles[name]
            low, high = -np.inf if role.low is None else role.low, np.inf if role.high is None else role.high
            near = role.near[0] if role.bounds != FREE else low
            found.append((role.bounds, low, high, near, low if near == high else high))
        return tuple(found)

    @cached_property
    def bounded(self) -> bool:
        """Whether any parameter has bounds."""
        return any(self.roles[name].bounds != FREE for name in self.names)

    def check(self, name: str, values: np.ndarray) -> None:
        """Raise ParameterError if a start of a varying parameter lies outside its bounds.

        Parameters
        ----------
        name : str
        values : ndarray
            Its starts, one for each fit; a NaN is none of this method's business.
        """
        role = self.roles[name]
        if role.bounds == FREE:
            return
        for bound, which in ((role.low, "min"), (role.high, "max")):
            if bound is None:
                continue
            outside = values < bound if which == "min" else values > bound
            if np.any(outside):
                first = int(np.argmax(outside))
                value = float(np.reshape(values, -1)[first])
                raise ParameterError(f"parameter {name!r} starts at {value!r} (fit {first}), outside its bound {which} = {bound!r}; "
                                     "start inside the bounds, or move the bound")

    def inside(self, values: np.ndarray) -> np.ndarray:
        """Step starts that lie on a bound inside, as `gslfit.bounds.stepped_inside` does.

        Parameters
        ----------
        values : ndarray, shape (..., p)

        Raises
        ------
        ParameterError
            If a start lies outside its bounds.
        """
        values = np.array(values, float)
        for k, name in enumerate(self.names):
            role, column = self.roles[name], values[..., k]
            if role.bounds == FREE:
                continue
            self.check(name, column)
            for low, other, sign in ((role.low, role.high, 1.0), (role.high, role.low, -1.0)):
                if low is None:
                    continue
                step = INSIDE * (abs(low) or 1.0)
                step = step if other is None else min(step, INSIDE * abs(other - low))
                column[np.abs(column - low) <= NEAR * abs(low)] = low + sign * step
        return values

    def sizes(self, start: np.ndarray) -> np.ndarray:
        """The signed distances of starts from their one bound, ndarray (..., k), in the order of the program's inputs."""
        found = [start[..., k] - self.roles[name].near[0] for k, name in enumerate(self.names) if self.roles[name].bounds == ONE]
        return np.stack(found, axis=-1) if found else np.zeros((*start.shape[:-1], 0))

    def internal(self, values: np.ndarray, sizes: np.ndarray) -> np.ndarray:
        """The internal values of parameters' own, ndarray (..., p)."""
        if not self.bounded:
            return np.asarray(values, float)
        result, one = np.array(values, float), 0
        for k, name in enumerate(self.names):
            role, column = self.roles[name], values[..., k]
            if role.bounds == ONE:
                distance = (column - role.near[0]) / sizes[..., one]
                result[..., k] = np.sqrt(distance) * np.sqrt(distance + 2)
                one += 1
            elif role.bounds == TWO:
                near, width = role.near
                low = 2 * np.arcsin(np.sqrt(np.abs(column - near)) / np.sqrt(abs(width)))
                high = np.pi - 2 * np.arcsin(np.sqrt(np.abs(near + width - column)) / np.sqrt(abs(width)))
                result[..., k] = np.where((column - near) / width <= .5, low, high)
        return result

    def external(self, v: np.ndarray, sizes: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
        """The parameters' own values for internal ones, and the slopes of the one by the other (None where there are no bounds)."""
        if not self.bounded:
            return v, None
        values, slopes, one = np.array(v, float), np.ones_like(v), 0
        for k, name in enumerate(self.names):
            role, column = self.roles[name], v[..., k]
            if role.bounds == ONE:
                near, size = role.near[0], sizes[..., one]
                root = np.hypot(column, 1)
                values[..., k] = near + size * column * (column / (root + 1))
                slopes[..., k] = size * (column / root)
                one += 1
            elif role.bounds == TWO:
                near, width = role.near
                far = float(role.high if near == role.low else role.low)  # type: ignore[arg-type]
                s, c = np.sin(.5 * column), np.cos(.5 * column)
                values[..., k] = np.where(np.cos(column) >= 0, near + s * (width * s), far - c * (width * c))
                slopes[..., k] = .5 * width * np.sin(column)
        return values, slopes

    def at_bound(self, values: np.ndarray) -> np.ndarray:
        """Whether a value lies on one of its bounds, to rounding of the bounds' scale: ndarray of bool (..., p)."""
        found = np.zeros(values.shape, bool)
        for k, name in enumerate(self.names):
            role = self.roles[name]
            width = abs(role.high - role.low) if role.bounds == TWO else 0.0  # type: ignore[operator]
            for limit in (role.low, role.high):
                if limit is not None:
                    found[..., k] |= np.abs(values[..., k] - limit) <= 1e-9 * max(abs(limit), width)
        return found

    def dependent(self, values: Mapping[str, np.ndarray]) -> tuple[list[np.ndarray], list[list[np.ndarray]]]:
        """The values of the `expr` parameters, and their derivatives by the varying ones.

        Parameters
        ----------
        values : mapping of str to ndarray
            Values of the varying and the input parameters.

        Returns
        -------
        values : list of ndarray
        slopes : list of list of ndarray
            For each of them, one array for each varying parameter.
        """
        p = len(self.names) + 1
        found = evaluate(self.dependents, dict(values))
        return found[::p], [found[k + 1:k + p] for k in range(0, len(found), p)]


def roles(parameters: Parameters, names: Iterable[str], per_fit: Iterable[str] = ()) -> Roles:
    """What each parameter is in a fit of a formula with these names.

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
    """One parameter's role."""
    low, high = parameter.min, parameter.max
    if parameter.expr is not None:
        return Role("expr", low, high, 0.0, parameter.expr)
    if parameter.vary:
        return Role("free", low, high)
    if per_fit:
        return Role("input")
    value = parameter.value
    if value is None:
        raise ParameterError(f"parameter {parameter.name!r} has no value; give it one: params[{parameter.name!r}].value = ...")
    return Role("fixed", None, None, float(value))


def constraint_nodes(pool: Pool, parts: dict[str, Role], own: dict[str, Node], parameters: Parameters) -> dict[str, Node]:
    """The nodes of the `expr` parameters, from those of the others.

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


def inside_node(pool: Pool, name: str, role: Role) -> Node:
    """The parameter as a function of its internal value."""
    v = pool.leaf("par", name)
    if role.bounds == FREE:
        return v
    near = role.near[0]
    if role.bounds == ONE:
        square = pool.make("square", v)
        return near + pool.leaf("par", size_name(name)) * (square / (pool.make("sqrt", square + 1.0) + 1.0))
    return near + role.near[1] * pool.make("square", pool.make("sin", 0.5 * v))


def size_name(name: str) -> str:
    """The input that is the distance of a start from its one bound."""
    return f"size of {name}"


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
        parameters = Parameters()
        key: Roles = tuple((name, Role("free")) for name in formula.names)
    else:
        key = roles(parameters, formula.names, per_fit)
    plain = not parameters._symbols
    found = formula._folded.get(key) if plain else None
    if found is None:
        found = _fold(formula, dict(key), parameters)
    if found.idle and not idle:
        raise InputError(f"parameter {found.idle[0]!r} varies, but {formula!r} doesn't depend on it: set vary=False, or leave it out")
    if plain and key not in formula._folded:
        if len(formula._folded) >= 64:
            formula._folded.clear()
        formula._folded[key] = found
    return found


def _fold(formula: Formula, parts: dict[str, Role], parameters: Parameters) -> Folded:
    """`fold`, without the memory of what was folded before."""
    pool = Pool()
    free = tuple(name for name, role in parts.items() if role.kind == "free")
    inputs = tuple(name for name, role in parts.items() if role.kind == "input")
    inside = {name: inside_node(pool, name, parts[name]) for name in free}
    rest = {name: pool.leaf("par", name) for name in inputs}
    rest |= {name: pool.const(role.value) for name, role in parts.items() if role.kind == "fixed"}
    nodes = constraint_nodes(pool, parts, {**inside, **rest}, parameters)
    source = formula.graph
    change = {source.pool.leaf("par", name): nodes[name] for name in formula.names}
    value, = transplant(pool, [source.value], change)
    idle = tuple(name for name in free if not pool.leaf("par", name).mask & value.mask)
    sizes = tuple(size_name(name) for name in free if parts[name].bounds == ONE)
    graph = Graph(pool, value, (), free, source.independent)
    for step in PASSES:
        graph = step(graph)
    # the expr parameters by the varying ones' own values: for results and their errors
    outer = Pool()
    own = {name: outer.leaf("par", name) for name in (*free, *inputs)}
    own |= {name: outer.const(role.value) for name, role in parts.items() if role.kind == "fixed"}
    tied = constraint_nodes(outer, parts, own, parameters)
    names = tuple(name for name, role in parts.items() if role.kind == "expr")
    leaves = [own[name] for name in free]
    dependents = tuple(node for name in names for node in (tied[name], *derivatives(tied[name], leaves)))
    return Folded(lower(graph, inputs + sizes), free, inputs + sizes, parts, dependents, names, idle)
