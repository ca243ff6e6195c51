"""Texts of formulas: names changed, two texts joined to one, and the pieces that several formulas of the library share."""
from __future__ import annotations

import ast
import re
from collections.abc import Mapping


class _Renamer(ast.NodeTransformer):
    """Changes names, but not those of functions."""

    def __init__(self, names: Mapping[str, str]):
        self.names = names

    def visit_Name(self, node: ast.Name) -> ast.Name:
        return ast.copy_location(ast.Name(self.names.get(node.id, node.id), node.ctx), node)

    def visit_Call(self, node: ast.Call) -> ast.Call:
        node.args = [self.visit(argument) for argument in node.args]
        return node


def _parsed(text: str) -> ast.Module:
    """Return the tree of a text that the grammar has accepted, its lines wherever they begin."""
    return ast.parse("\n".join(line.strip() for line in re.split(r"[;\n]", text)))


def renamed(text: str, names: Mapping[str, str]) -> str:
    """Return a text with names changed; those of functions stay.

    Examples
    --------
    >>> print(renamed("t = x/w; exp(-t*k)", {"w": "a_w", "exp": "a_exp"}))
    t = x / a_w
    exp(-t * k)
    """
    return ast.unparse(_Renamer(names).visit(_parsed(text)))


def lines(text: str) -> tuple[list[str], str, list[str]]:
    """Return the assignments of a text, its last expression, and the names that are assigned."""
    *before, last = _parsed(text).body
    targets = [target.id for line in before if isinstance(line, ast.Assign) for target in line.targets if isinstance(target, ast.Name)]
    return [ast.unparse(line) for line in before], ast.unparse(last), targets


def prefixed(text: str, names: tuple[str, ...], prefix: str) -> str:
    """Return a text with a prefix before its parameters and the names that it assigns."""
    if not prefix:
        return text
    return renamed(text, {name: prefix + name for name in (*names, *lines(text)[2])})


def joined(left: str, symbol: str, right: str, taken: tuple[str, ...]) -> str:
    """Return the text of two formulas' sum, difference, product or quotient.

    Parameters
    ----------
    left, right : str
    symbol : str
        "+", "-", "*" or "/".
    taken : tuple of str
        Parameters and independent variables: what assigned names must not be called.
    """
    first, value, used = lines(left)
    _, _, targets = lines(right)
    clashing, change = {*used, *taken}, {}
    for target in targets:
        if target in clashing:
            fresh = next(f"{target}_{k}" for k in range(2, 10_000) if f"{target}_{k}" not in clashing | set(targets))
            change[target] = fresh
        clashing.add(change.get(target, target))
    second, other, _ = lines(renamed(right, change))
    return "\n".join([*first, *second, f"({value}) {symbol} ({other})"])


SHIFT = 10
_SERIES = (1/12, -1/360, 1/1260, -1/1680)  # Stirling's, of 1/z, 1/z^3, ... (Abramowitz and Stegun 6.1.41)


def log_gamma_ratio(x: str, y: str) -> str:
    """Return the text of ``log(abs(gamma(x + i*y)/gamma(x)))`` for x above 0, real arithmetic only.

    The argument is moved up by ten steps of the recurrence, where four terms of Stirling's series hold to 1e-14. Both gamma functions
    are taken the same way, so that what they have in common cancels exactly at y = 0.
    """
    product = "*".join(f"(1 + {y}**2/({x} + {k})**2)" for k in range(SHIFT))
    X, r2 = f"({x} + {SHIFT})", f"(({x} + {SHIFT})**2 + {y}**2)"
    main = f"({X} - 0.5)*0.5*log1p({y}**2/{X}**2) - {y}*atan2({y}, {X})"
    tails = (f"{X}", f"({X}**3 - 3*{X}*{y}**2)", f"({X}**5 - 10*{X}**3*{y}**2 + 5*{X}*{y}**4)",
             f"({X}**7 - 21*{X}**5*{y}**2 + 35*{X}**3*{y}**4 - 7*{X}*{y}**6)")
    terms = [(c, tail, 2*k + 1) for k, (c, tail) in enumerate(zip(_SERIES, tails, strict=True))]
    series = " + ".join(f"({c!r})*({tail}/{r2}**{m} - 1/{X}**{m})" for c, tail, m in terms)
    return f"({main} + {series} - 0.5*log({product}))"


def log_gamma_half(x: str) -> str:
    """Return the text of ``log(gamma(x + 1/2)/gamma(x))``, for large x too, where the two logarithms have no digits of their difference.

    Above 100 it is 0.5 log(x) - 1/(8 x) + 1/(192 x^3) - 1/(640 x^5), as Stirling's series gives it, to 1e-17.

    Examples
    --------
    >>> import numpy as np
    >>> import gslfit
    >>> half = gslfit.Formula(f"x + {log_gamma_half('a')}")
    >>> print(round(np.exp(half(x=0.0, a=1e20))/1e10, 12))
    1.0
    """
    series = f"0.5*log({x}) - 0.125/{x} + 1/(192*{x}**3) - 1/(640*{x}**5)"
    return f"where({x} > 100, {series}, lgamma({x} + 0.5) - lgamma({x}))"


def is_text(formula: object) -> bool:
    """Return whether a formula is its text, and no graph that was traced or put together."""
    text = getattr(formula, "text", "")
    return getattr(formula, "func", None) is None and bool(text) and not text.startswith("graph of ")
