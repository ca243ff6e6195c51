"""NIST's StRD nonlinear regression sets: a reader for the .dat files as they come, and the 27 models as formulas.

Source: NIST Statistical Reference Datasets, https://www.itl.nist.gov/div898/strd/nls/nls_main.shtml. A file holds a prose head,
a table of both starts beside the certified values and their standard deviations, the certified sums, and the data, response
first.

    >>> from gslfit import nist
    >>> thurber = nist.read("Thurber")
    >>> thurber.starts.shape, thurber.level
    ((2, 7), 'Higher')
"""
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

FOLDER = Path(__file__).parent
SETS = 32                # kept; there are 27
_PEAKS = "b1*exp(-b2*x) + b3*exp(-(x - b4)**2/b5**2) + b6*exp(-(x - b7)**2/b8**2)"
_DECAYS = "b1*exp(-b2*x) + b3*exp(-b4*x) + b5*exp(-b6*x)"
_CUBICS = "(b1 + b2*x + b3*x**2 + b4*x**3)/(1 + b5*x + b6*x**2 + b7*x**3)"
_QUADRATICS = "(b1 + b2*x + b3*x**2)/(1 + b4*x + b5*x**2)"
_CHWIRUT = "exp(-b1*x)/(b2 + b3*x)"
_SATURATION = "b1*(1 - exp(-b2*x))"

FORMULAS = {
    "Bennett5": "b1*(b2 + x)**(-1/b3)",
    "BoxBOD": _SATURATION,
    "Chwirut1": _CHWIRUT,
    "Chwirut2": _CHWIRUT,
    "DanWood": "b1*x**b2",
    "ENSO": "b1 + b2*cos(2*pi*x/12) + b3*sin(2*pi*x/12) + b5*cos(2*pi*x/b4) + b6*sin(2*pi*x/b4)"
            " + b8*cos(2*pi*x/b7) + b9*sin(2*pi*x/b7)",
    "Eckerle4": "b1/b2*exp(-0.5*((x - b3)/b2)**2)",
    "Gauss1": _PEAKS,
    "Gauss2": _PEAKS,
    "Gauss3": _PEAKS,
    "Hahn1": _CUBICS,
    "Kirby2": _QUADRATICS,
    "Lanczos1": _DECAYS,
    "Lanczos2": _DECAYS,
    "Lanczos3": _DECAYS,
    "MGH09": "b1*(x**2 + x*b2)/(x**2 + x*b3 + b4)",
    "MGH10": "b1*exp(b2/(x + b3))",
    "MGH17": "b1 + b2*exp(-x*b4) + b3*exp(-x*b5)",
    "Misra1a": _SATURATION,
    "Misra1b": "b1*(1 - (1 + b2*x/2)**(-2))",
    "Misra1c": "b1*(1 - (1 + 2*b2*x)**(-0.5))",
    "Misra1d": "b1*b2*x/(1 + b2*x)",
    "Nelson": "b1 - b2*x1*exp(-b3*x2)",  # of log(y)
    "Rat42": "b1/(1 + exp(b2 - b3*x))",
    "Rat43": "b1/(1 + exp(b2 - b3*x))**(1/b4)",
    "Roszman1": "b1 - b2*x - atan(b3/(x - b4))/pi",
    "Thurber": _CUBICS,
}
_FUNCTIONS = {"exp": np.exp, "cos": np.cos, "sin": np.sin, "atan": np.arctan, "pi": np.pi, "__builtins__": {}}

_ROW = re.compile(r"^\s*b\d+\s*=\s*(\S+)\s+(\S+)\s+(\S+)\s+(\S+)\s*$", re.MULTILINE)
_LEVEL = re.compile(r"^\s*(Lower|Average|Higher) Level of Difficulty", re.MULTILINE)
DATA = re.compile(r"^Data:\s+y((?:\s+x\d?)+)\s*$", re.MULTILINE)


def is_of_log(text: str) -> bool:
    """Return whether the model of a file is one of log(y)."""
    return re.search(r"^\s*log\[y\]\s*=", text, re.MULTILINE) is not None


@dataclass(frozen=True)
class DataSet:
    """One certified data set.

    Attributes
    ----------
    name, level : str
        NIST's name; its level of difficulty, "Lower", "Average" or "Higher".
    formula : str
        The model in Python syntax, of b1, b2, ... and `predictors`.
    names, predictors : tuple of str
        ("b1", ..., "bp"); ("x",), or ("x1", "x2") for Nelson.
    x : ndarray, shape (n,), or (2, n) with two predictors
    y : ndarray, shape (n,)
        The response that the model describes: log(y) for Nelson, as NIST fits it.
    starts : ndarray, shape (2, p)
        Start 1 (far) and start 2 (near).
    certified, stderr : ndarray, shape (p,)
        The certified values and standard deviations, to 11 digits.
    rss, rsd : float
        The certified residual sum of squares and residual standard deviation.
    dof : int
        Degrees of freedom, n - p. (Rat43's file misprints 9 for 11; its other certified numbers are of 11.)
    """

    name: str
    level: str
    formula: str
    names: tuple[str, ...]
    predictors: tuple[str, ...]
    x: np.ndarray
    y: np.ndarray
    starts: np.ndarray
    certified: np.ndarray
    stderr: np.ndarray
    rss: float
    rsd: float
    dof: int

    def columns(self) -> dict[str, np.ndarray]:
        """Give the independent variables by name."""
        return dict(zip(self.predictors, np.atleast_2d(self.x), strict=True))


def parse(name: str, text: str) -> DataSet:
    """Read the text of one of NIST's files.

    Raises
    ------
    ValueError
        The text lacks a part, or its parts contradict each other; the message says which.
    """
    def number(label: str) -> float:
        found = re.search(rf"^{label}:\s*(\S+)\s*$", text, re.MULTILINE)
        if not found:
            raise ValueError(f"{name}: there is no line '{label}:'")
        return float(found[1])

    table = np.array([[float(field) for field in row] for row in _ROW.findall(text)])
    head = list(DATA.finditer(text))
    level = _LEVEL.search(text)
    if not table.size or not head or not level:
        raise ValueError(f"{name}: this is not one of NIST's nonlinear regression files")
    predictors = tuple(head[-1][1].split())
    data = np.array([[float(field) for field in line.split()] for line in text[head[-1].end():].splitlines() if line.strip()]).T
    if data.shape != (1 + len(predictors), number("Number of Observations")):
        raise ValueError(f"{name}: {data.shape[1]} rows of {data.shape[0]} numbers do not fit the head of the file")
    y, x = data[0], data[1:] if len(predictors) > 1 else data[1]
    return DataSet(
        name=name, level=level[1], formula=FORMULAS[name], names=tuple(f"b{k + 1}" for k in range(len(table))), predictors=predictors,
        x=x, y=np.log(y) if is_of_log(text) else y,
        starts=table[:, :2].T.copy(), certified=table[:, 2].copy(), stderr=table[:, 3].copy(),
        rss=number("Residual Sum of Squares"), rsd=number("Residual Standard Deviation"), dof=y.size - len(table))


@lru_cache(maxsize=SETS)
def read(name: str) -> DataSet:
    """Read a data set by NIST's name for it."""
    if name not in FORMULAS:
        raise ValueError(f"{name!r} is not one of {', '.join(FORMULAS)}")
    data = parse(name, (FOLDER / f"{name}.dat").read_text(encoding="ascii"))
    for array in (data.x, data.y, data.starts, data.certified, data.stderr):
        array.flags.writeable = False  # they are shared by everyone who reads the set
    return data


def datasets() -> list[DataSet]:
    """Read all 27 sets, in the order of their names."""
    return [read(name) for name in FORMULAS]


@lru_cache(maxsize=SETS)
def model(name: str) -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
    """Build the set's model as a NumPy function f(b, x) from its formula; b is a sequence of p numbers."""
    data = read(name)
    single = ", ".join(data.predictors)
    source = f"lambda b, x: (lambda {', '.join(data.names)}, {single}: {data.formula})(*b, {'*x' if data.x.ndim > 1 else 'x'})"
    return eval(source, dict(_FUNCTIONS))


def residual(name: str) -> Callable[[np.ndarray], np.ndarray]:
    """Build r(b) = model - data of the set, ndarray (n,)."""
    data, f = read(name), model(name)
    return lambda b: f(b, data.x) - data.y


def digits(value: float | np.ndarray, certified: float | np.ndarray, most: float = 11) -> np.ndarray:
    """Count the digits in which `value` agrees with `certified`: -log10 of the relative error, cut at `most`.

    A certified zero is compared absolutely; what is not finite has 0 digits.
    """
    value, certified = np.asarray(value, dtype=float), np.asarray(certified, dtype=float)
    with np.errstate(divide="ignore", invalid="ignore"):
        error = np.abs(value - certified) / np.where(certified == 0, 1, np.abs(certified))
        found = -np.log10(error)
    return np.where(np.isfinite(value), np.clip(found, 0, most), 0.0)
