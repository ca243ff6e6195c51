"""A formula's text as a function of Jets and of mpmath's numbers: read by Python's own parser, apart from gslfit's reader."""
from __future__ import annotations

import ast
import re
from functools import cached_property

import mpmath as mp
import numpy as np
from random_formulas import ORACLE

from fuzz.jets import FUNCTIONS, Jet, parameter

DIGITS = 40


class _Conditional(ast.NodeTransformer):
    """Turns `a if c else b` into where(c, a, b): arrays have no one truth."""

    def visit_IfExp(self, node):
        self.generic_visit(node)
        return ast.copy_location(ast.Call(ast.Name("where", ast.Load()), [node.test, node.body, node.orelse], []), node)


class _AsDoubles(ast.NodeTransformer):
    """Divides by zero as doubles do, where mpmath raises, and turns where(c, a, b) into `a if c else b`: only one branch counts."""

    def visit_Call(self, node):
        self.generic_visit(node)
        return ast.copy_location(ast.IfExp(*node.args), node) if getattr(node.func, "id", "") == "where" else node

    def visit_BinOp(self, node):
        self.generic_visit(node)
        name = {ast.Div: "quotient_", ast.Pow: "power_"}.get(type(node.op))
        return ast.copy_location(ast.Call(ast.Name(name, ast.Load()), [node.left, node.right], []), node) if name else node


def _quotient(a, b):
    """a/b, infinite or NaN for b = 0."""
    return a/b if b != 0 else mp.nan if a == 0 or a != a else mp.inf*mp.sign(a)


def _power(a, b):
    """a**b, infinite for 0 to a negative power."""
    return a**b if a != 0 or not b < 0 else mp.inf


class Text:
    """A formula's text.

    Parameters
    ----------
    text : str
        Assignments and a last expression, separated by semicolons or line breaks.
    independent, names : tuple of str
        The independent variables and the parameters.
    """

    def __init__(self, text: str, independent: tuple[str, ...], names: tuple[str, ...]):
        self.text, self.independent, self.names = text, independent, names
        tree = ast.parse("\n".join(line.strip() for line in re.split(r"[;\n]", text)))
        tree.body[-1] = ast.Assign([ast.Name("value_", ast.Store())], tree.body[-1].value)
        self.exact_tree = ast.fix_missing_locations(tree)

    @cached_property
    def exact_code(self):
        """The text as Python has it."""
        tree = ast.parse(ast.unparse(self.exact_tree))
        return compile(ast.fix_missing_locations(_AsDoubles().visit(tree)), self.text, "exec")

    @cached_property
    def code(self):
        """The text over arrays."""
        tree = ast.parse(ast.unparse(self.exact_tree))
        return compile(ast.fix_missing_locations(_Conditional().visit(tree)), self.text, "exec")

    def jet(self, x, v: np.ndarray, order: int = 2) -> Jet:
        """Return the value with derivatives at parameters v (rows, p) and points x, a tuple of arrays (n,) or (rows, n)."""
        space = {**FUNCTIONS, **dict(zip(self.independent, x, strict=True))}
        for k, name in enumerate(self.names):
            space[name] = parameter(v[:, k:k + 1], k, order)
        with np.errstate(all="ignore"):
            exec(self.code, {"__builtins__": {}}, space)
        found = space["value_"]
        return found if isinstance(found, Jet) else Jet(np.asarray(found, float))

    def exact(self, x, v, y, weights) -> mp.mpf:
        """Chi-square in `DIGITS` digits, of one row: its points, its parameters, data and weights as they are in doubles."""
        with mp.workdps(DIGITS):
            return mp.fsum(r**2 for r in self.exact_residuals(x, v, y, weights))

    def exact_residuals(self, x, v, y, weights) -> list[mp.mpf]:
        """Return the weighted residuals of the same."""
        with mp.workdps(DIGITS):
            found, values = [], {name: mp.mpf(float(a)) for name, a in zip(self.names, v, strict=True)}
            for k, (data, weight) in enumerate(zip(y, weights, strict=True)):
                here = {name: mp.mpf(float(points[k])) for name, points in zip(self.independent, x, strict=True)}
                space = {**ORACLE, "quotient_": _quotient, "power_": _power, **values, **here}
                exec(self.exact_code, {"__builtins__": {}}, space)
                found.append(mp.mpf(float(weight))*(space["value_"] - mp.mpf(float(data))))
            return found
