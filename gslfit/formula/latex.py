"""A formula, typeset: the value's graph as LaTeX."""
from __future__ import annotations

import re

from gslfit.formula.graph import Node, below
from gslfit.formula.operations import OPERATIONS

LETTERS = {
    "α": "alpha", "β": "beta", "γ": "gamma", "δ": "delta", "ε": "epsilon", "ζ": "zeta", "η": "eta", "θ": "theta", "ι": "iota",
    "κ": "kappa", "λ": "lambda", "μ": "mu", "ν": "nu", "ξ": "xi", "π": "pi", "ρ": "rho", "ς": "varsigma", "σ": "sigma", "τ": "tau",
    "υ": "upsilon", "φ": "phi", "χ": "chi", "ψ": "psi", "ω": "omega", "Γ": "Gamma", "Δ": "Delta", "Θ": "Theta", "Λ": "Lambda",
    "Ξ": "Xi", "Π": "Pi", "Σ": "Sigma", "Υ": "Upsilon", "Φ": "Phi", "Ψ": "Psi", "Ω": "Omega",
}
"""Greek letters that LaTeX has, and how it calls them."""
GREEK = frozenset(LETTERS.values())
SUM, PRODUCT, UNARY, POWER, ATOM = range(5)  # how tightly an operation binds


def name_latex(name: str) -> str:
    """Typeset a name: Greek letters, digits at the end and what follows an underscore as a subscript, long names upright."""
    stem, _, rest = name.strip("_").partition("_")
    match = re.fullmatch(r"([^\W\d]+)(\d+)", stem)
    if match:
        stem, digits = match.groups()
        rest = f"{digits}{',' if rest else ''}{rest}"
    shown = f"\\{stem}" if stem in GREEK else _letters(stem) if len(stem) <= 1 else rf"\mathrm{{{_letters(stem)}}}"
    if not rest:
        return shown or r"\_"
    below_line = f"\\{rest}" if rest in GREEK else _letters(rest.replace("_", ","))
    return f"{shown}_{{{below_line}}}"


def _letters(word: str) -> str:
    """Return a word, its Greek letters as LaTeX calls them."""
    if word.isascii():
        return word
    return "".join(f"\\{LETTERS[letter]} " if letter in LETTERS else letter for letter in word).rstrip()


def number_latex(value: float) -> str:
    """Typeset a number, powers of ten as such."""
    if value != value or value in (float("inf"), float("-inf")):
        return {"inf": r"\infty", "-inf": r"-\infty"}.get(str(value), r"\mathrm{NaN}")
    text = f"{value:.12g}"
    if "e" in text:
        mantissa, exponent = text.split("e")
        return (rf"{mantissa} \cdot " if mantissa != "1" else "") + f"10^{{{int(exponent)}}}"
    return text


def latex(root: Node) -> str:
    """Typeset a graph.

    Parameters
    ----------
    root : Node

    Returns
    -------
    str
        LaTeX for mathematics mode.
    """
    done: dict[Node, tuple[str, int]] = {}

    def part(node: Node, tightness: int) -> str:
        text, own = done[node]
        return text if own >= tightness else rf"\left({text}\right)"

    for node in below([root]):
        done[node] = typeset(node, part)
    return done[root][0]


def typeset(node: Node, part) -> tuple[str, int]:  # type: ignore[no-untyped-def]
    """Return an operation's LaTeX and how tightly it binds."""
    if node.op == "const":
        assert isinstance(node.value, float)
        text = number_latex(node.value)
        return text, ATOM if node.value >= 0 and "cdot" not in text else SUM
    if not node.args:
        return name_latex(str(node.value)), ATOM
    a, *rest = node.args
    match node.op:
        case "add":
            right = part(rest[0], SUM)
            return f"{part(a, SUM)} {right if right.startswith('-') else '+ ' + right}", SUM
        case "sub":
            return f"{part(a, SUM)} - {part(rest[0], PRODUCT)}", SUM
        case "neg":
            return f"-{part(a, PRODUCT)}", SUM
        case "mul":
            right = part(rest[0], PRODUCT)
            left = part(a, SUM if a.op == "neg" else PRODUCT)
            return left + (r" \cdot " if right[:1].isdigit() else r" \, ") + right, SUM if left.startswith("-") else PRODUCT
        case "div":
            return rf"\frac{{{part(a, SUM)}}}{{{part(rest[0], SUM)}}}", UNARY
        case "pow" | "powi":
            return f"{part(a, ATOM)}^{{{part(rest[0], SUM)}}}", POWER
        case "square" | "cube":
            return f"{part(a, ATOM)}^{{{2 if node.op == 'square' else 3}}}", POWER
        case "recip":
            return rf"\frac{{1}}{{{part(a, SUM)}}}", UNARY
        case "mov":
            return part(a, SUM), SUM
    form = OPERATIONS[node.op].latex
    if form:
        tightness = {"exp": POWER, "exp2": POWER}.get(node.op, SUM if OPERATIONS[node.op].arity > 1 and "left" not in form else ATOM)
        return form.format(*[part(arg, SUM) for arg in node.args]), tightness
    upright = node.op.replace("_", r"\_")
    return rf"\operatorname{{{upright}}}\left({', '.join(part(arg, SUM) for arg in node.args)}\right)", ATOM
