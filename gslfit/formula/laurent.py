"""Laurent series of a formula's nodes about a place where something in it vanishes, coefficient by coefficient, in exact arithmetic.

A coefficient is a sum of products of nodes that stay fixed there (`Sum`), with rational factors, so that what cancels is seen to: about
x = 0 the series of ``1 - exp(-k*x)`` begins with ``k*x``, its constant term being 1 - 1. The series of a function follows from that of its
derivative, which the table of operations has: with f' = p(v)*v', the coefficient f[k] is the sum of j*v[j]*p[k - j] over j = 1, ..., k, by
k. A function that is not analytic there (``sqrt(x)``, ``log(x)`` at 0), and one whose derivatives aren't in the table, has no series.
"""
from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from functools import reduce
from operator import mul

import numpy as np

from gslfit.formula.graph import Node, Pool, is_const
from gslfit.formula.guards import LOGIC
from gslfit.formula.operations import OPERATIONS, TWO_OVER_ROOT_PI
from gslfit.records import Record

MOST_TERMS = 24     # of a coefficient
DEEPEST = 9         # how many coefficients are looked at for the first that is not zero
BESSEL = {"j0": (0, -1), "j1": (1, -1), "j2": (2, -1), "i0": (0, 1), "i1": (1, 1), "i2": (2, 1)}
"""Bessel functions: their order, and the sign of the second term of their power series by that of the first."""
PIECEWISE = LOGIC | {"select", "min", "max", "abs", "iffinite"}
"""Operations that are not analytic."""
FIELD = frozenset(["add", "sub", "neg", "mov", "mul", "mulz", "div", "recip"])


class NoSeries(Exception):
    """A node has no series here, or none that is known."""


Product = tuple[tuple[Node, int], ...]      # nodes and their powers, in the order of the nodes' numbers


class Sum:
    """A sum of products of nodes with rational factors.

    Parameters
    ----------
    terms : dict of Product to Fraction
    """

    __slots__ = ("terms",)

    def __init__(self, terms: dict[Product, Fraction]):
        if len(terms) > MOST_TERMS:
            raise NoSeries
        self.terms = terms

    @classmethod
    def number(cls, value: float | Fraction) -> Sum:
        """Return a number as a sum."""
        if not math.isfinite(value):
            raise NoSeries
        return cls({(): Fraction(value)} if value else {})

    @classmethod
    def node(cls, node: Node) -> Sum:
        """Return a node as a sum."""
        return cls.number(node.value) if is_const(node) else cls({((node, 1),): Fraction(1)})  # type: ignore[arg-type]

    def __bool__(self) -> bool:
        return bool(self.terms)

    def __add__(self, other: Sum) -> Sum:
        terms = dict(self.terms)
        for product, factor in other.terms.items():
            terms[product] = terms.get(product, Fraction(0)) + factor
        return Sum({product: factor for product, factor in terms.items() if factor})

    def __mul__(self, other: Sum) -> Sum:
        a, b = self.factor(other), other.factor(self)
        return Sum({_together(p, q): x*y for p, x in a.terms.items() for q, y in b.terms.items()})

    def factor(self, other: Sum) -> Sum:
        """Return the sum as a factor of another: not multiplied out, unless by a number."""
        return Sum.node(self.made()) if len(self.terms) > 1 and set(other.terms) - {()} else self

    def __neg__(self) -> Sum:
        return self.times(Fraction(-1))

    def times(self, factor: Fraction) -> Sum:
        """Return the sum, times a number."""
        return Sum({product: factor*each for product, each in self.terms.items()} if factor else {})

    def inverse(self) -> Sum:
        """Return one over the sum."""
        if not self.terms:
            raise NoSeries
        if len(self.terms) > 1:
            return Sum({((self.made(), -1),): Fraction(1)})
        (product, factor), = self.terms.items()
        return Sum({tuple((node, -power) for node, power in product): 1/factor})

    def made(self) -> Node:
        """Return a sum that is no number as a node."""
        return made(next(node for product in self.terms for node, _ in product).pool, self)


def _together(p: Product, q: Product) -> Product:
    """Return the product of two products."""
    powers = dict(p)
    for node, power in q:
        powers[node] = powers.get(node, 0) + power
    return tuple(sorted(((node, power) for node, power in powers.items() if power), key=lambda pair: pair[0].number))


def made(pool: Pool, total: Sum) -> Node:
    """Return a sum of products as a node of a pool."""
    result: Node | None = None
    for product, factor in sorted(total.terms.items(), key=lambda item: [(node.number, power) for node, power in item[0]]):
        if result is None:
            result = _product(pool, product, float(factor))
        else:
            term = _product(pool, product, float(abs(factor)))
            result = result - term if factor < 0 else result + term
    return pool.const(0.0) if result is None else result


def _product(pool: Pool, product: Product, factor: float) -> Node:
    """Return a product of nodes."""
    over, under = ([power_of(node, abs(power)) for node, power in product if power*sign > 0] for sign in (1, -1))
    over = over if factor == 1 and over else [pool.const(factor), *over]
    result = reduce(mul, over)
    return result/reduce(mul, under) if under else result


def power_of(node: Node, power: int) -> Node:
    """Return a whole power above zero."""
    return node if power == 1 else node.pool.make("square", node) if power == 2 else node.pool.make("powi", node, float(power))


class Place(Record):
    """Where something vanishes.

    Attributes
    ----------
    small : Node
        What vanishes there.
    node : Node
        What is written by it: this node is ``base + sign*small``.
    base : Node or None
        None for zero.
    sign : int
    """

    small: Node
    node: Node
    base: Node | None = None
    sign: int = 1


class Laurent:
    """Series of a graph's nodes about a place.

    Parameters
    ----------
    place : Place
    order : list of Node
        The graph's nodes, arguments first.
    """

    def __init__(self, place: Place, order: list[Node]):
        self.place, self.pool = place, place.node.pool
        self.moving = {place.node}
        for node in order:
            if any(arg in self.moving for arg in node.args):
                self.moving.add(node)
        self.lowest: dict[Node, int] = {}
        self.known: dict[tuple[Node, int], Sum] = {}
        self.begun: set[tuple[Node, int]] = set()
        self.zero = Sum({})

    def first(self, node: Node) -> int:
        """Return the power of a node's first term."""
        if not self.moves(node):
            if is_const(node, 0.0):
                raise NoSeries
            return 0
        low = self.low(node)
        for k in range(low, low + DEEPEST):
            if self.term(node, k):
                return k
        raise NoSeries

    def moves(self, node: Node) -> bool:
        """Return whether a node changes with what vanishes at the place."""
        if node not in self.moving and node.number > self.place.node.number and any(map(self.moves, node.args)):
            self.moving.add(node)           # a derivative, made since
        return node in self.moving

    def low(self, node: Node) -> int:
        """Return a power below which a node has no terms."""
        if node not in self.lowest:
            self.lowest[node] = self._low(node) if node is not self.place.node and self.moves(node) else 0
        return self.lowest[node]

    def _low(self, node: Node) -> int:
        args = node.args
        match node.op:
            case "add" | "sub":
                return min(map(self.low, args))
            case "neg" | "mov":
                return self.low(args[0])
            case "mul" | "mulz":
                return sum(map(self.low, args))
            case "div":
                return self.low(args[0]) - self.first(args[1])
            case "recip":
                return -self.first(args[0])
        power = whole_power(node)
        if power is not None:
            return power*(self.low(args[0]) if power >= 0 else self.first(args[0]))
        return 0

    def term(self, node: Node, k: int) -> Sum:
        """Return the coefficient of a node's k-th power."""
        if k < self.low(node):
            return self.zero
        key = node, k
        if key not in self.known:
            if key in self.begun:
                raise NoSeries          # it needs itself: no analytic function
            self.begun.add(key)
            self.known[key] = self._term(node, k)
        return self.known[key]

    def _term(self, node: Node, k: int) -> Sum:
        if node is self.place.node:
            base = self.place.base
            return Sum.number(Fraction(self.place.sign)) if k == 1 else self.term(base, 0) if k == 0 and base else self.zero
        if not node.args:
            return Sum.node(node) if k == 0 else self.zero
        if node.op in FIELD or whole_power(node) is not None:
            return self._field(node, k)
        if not self.moves(node):
            return self._value(node) if k == 0 else self.zero
        if node.op == "pow" and self.moves(node.args[1]):
            a, b = node.args
            return self.term(node.pool.make("exp", b*node.pool.make("log", a)), k)
        for arg in node.args:
            self._regular(arg)
        if node.op in PIECEWISE:
            return self._branch(node, k)
        if node.op in BESSEL and not self.term(node.args[0], 0):
            return self.term(bessel_series(node), k)
        if node.op == "sinc":
            t = math.pi*node.args[0]
            return self._value(node) if k == 0 and self.term(node.args[0], 0) else self.term(node.pool.make("sin", t)/t, k)
        return self._function(node, k)

    def _regular(self, node: Node) -> None:
        """Raise NoSeries where a node has a pole."""
        if any(self.term(node, k) for k in range(self.low(node), 0)):
            raise NoSeries

    def _value(self, node: Node) -> Sum:
        """Return the value of an operation at the place."""
        args = [made(self.pool, self.term(arg, 0)) for arg in node.args]
        if node.op == "pow" and is_const(args[0], 1.0):
            return Sum.number(1.0)
        if all(map(is_const, args)):
            with np.errstate(all="ignore"):
                return Sum.number(float(OPERATIONS[node.op].value(*[arg.value for arg in args])))
        return Sum.node(self.pool.make(node.op, *args))

    def _branch(self, node: Node, k: int) -> Sum:
        """Return a coefficient of a branch that is the same on either side of the place."""
        if node.op != "select" or self.moves(node.args[0]):
            raise NoSeries
        condition, yes, no = node.args
        a, b = self.term(yes, k), self.term(no, k)
        if a.terms == b.terms:
            return a
        return Sum.node(self.pool.make("select", made(self.pool, self.term(condition, 0)), made(self.pool, a), made(self.pool, b)))

    def _field(self, node: Node, k: int) -> Sum:
        """Return a coefficient of a sum, a product, a quotient or a whole power."""
        args = node.args
        match node.op:
            case "add":
                return self.term(args[0], k) + self.term(args[1], k)
            case "sub":
                return self.term(args[0], k) + -self.term(args[1], k)
            case "neg":
                return -self.term(args[0], k)
            case "mov":
                return self.term(args[0], k)
            case "mul" | "mulz":
                return self._product(args[0], args[1], k)
            case "div":
                return self._quotient(node, args[0], args[1], k)
            case "recip":
                return self._quotient(node, self.pool.const(1.0), args[0], k)
        power = whole_power(node)
        assert power is not None
        if power < 0:
            return self.term(self.pool.make("recip", self.pool.make("powi", args[0], float(-power))), k)
        if power < 2:
            return self.term(args[0], k) if power else Sum.number(Fraction(int(k == 0)))
        return self._product(args[0], self.pool.make("powi", args[0], power - 1.0), k)

    def _product(self, a: Node, b: Node, k: int) -> Sum:
        """Return a coefficient of a product."""
        total = self.zero
        for j in range(self.low(a), k - self.low(b) + 1):
            left = self.term(a, j)
            if left:
                total = total + left*self.term(b, k - j)
        return total

    def _quotient(self, node: Node, a: Node, b: Node, k: int) -> Sum:
        """Return a coefficient of a quotient, from those below it."""
        least = self.first(b)
        total = self.term(a, k + least)
        for j in range(self.low(node), k):
            total = total + -(self.term(node, j)*self.term(b, k + least - j))
        return total*self.term(b, least).inverse() if total else total

    def _function(self, node: Node, k: int) -> Sum:
        """Return a coefficient of a function, by its derivatives."""
        if k == 0:
            return self._value(node)
        total = self.zero
        for arg, partial in zip(node.args, slopes(node), strict=True):
            if partial is None or not self.moves(arg):
                continue
            slope = self.pool.const(partial) if isinstance(partial, float) else partial
            self._regular(slope)
            for j in range(1, k + 1):
                inner = self.term(arg, j)
                if inner:
                    total = total + (inner*self.term(slope, k - j)).times(Fraction(j, k))
        return total


def whole_power(node: Node) -> int | None:
    """Return the whole number that a node is a power by, or None."""
    if node.op in ("square", "cube"):
        return 2 if node.op == "square" else 3
    if node.op in ("pow", "powi") and is_const(node.args[1]):
        power = float(node.args[1].value)  # type: ignore[arg-type]
        return int(power) if power == math.floor(power) and abs(power) < DEEPEST else None
    return None


def slopes(node: Node) -> tuple:
    """Return the partial derivatives of an operation.

    Raises
    ------
    NoSeries
        If they aren't known.
    """
    if node.op in _SLOPES:
        return _SLOPES[node.op](node, *node.args)
    partials = OPERATIONS[node.op].partials
    if partials is None:
        raise NoSeries
    return partials(node, *node.args)


_SLOPES: dict[str, Callable[..., tuple]] = {
    "pow": lambda f, a, b: (b*f.pool.make("pow", a, f.pool.const(float(b.value) - 1) if is_const(b) else b - 1.0), None),
    "erfcx": lambda f, a: (2.0*a*f - TWO_OVER_ROOT_PI,),
    "dawson": lambda f, a: (1.0 - 2.0*a*f,),
}
"""Partial derivatives that the table of operations has by operations without a derivative."""


def bessel_series(node: Node) -> Node:
    """Return the first terms of a Bessel function's power series (DLMF 10.2.2, 10.25.2)."""
    n, sign = BESSEL[node.op]
    half = 0.5*node.args[0]
    square = half*half
    total = node.pool.const(0.0)
    for m in reversed(range(DEEPEST)):
        total = total*square + sign**m/(math.factorial(m)*math.factorial(m + n))
    for _ in range(n):
        total = total*half
    return total
