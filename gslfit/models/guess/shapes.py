"""Which shapes are worth trying when start values are looked for: one `GuessRecipe` for each estimator that the tables name.

A model is linear in some of its parameters once the others, its shape, are known. So a guess needs shapes only: centres as near to each
other as a width demands and widths from a point's distance to the whole range (each 1.5 times the last), rates by the octave,
frequencies closer than 1/T, and a few values of whatever bends a curve further.
"""
from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Any

import numpy as np

from gslfit.errors import InputError
from gslfit.models.guess.piecewise_linear import settle_rectangle, settle_step
from gslfit.models.guess.sharp_edges import ERROR_FUNCTION, LOGISTIC, Edge, SharpEdges
from gslfit.records import Record

Shapes = dict[str, np.ndarray]
NO_TAILS = 1e7      # an exponent at which Moffat's peak is a Gaussian, to seven digits
AS_GOOD = 1.3       # how many times more of the data's squares than another shape one may leave to be tried


class Axis(Record):
    """Where data lie: the points in order, their ends, and the typical distance between them."""

    x: np.ndarray
    low: float
    high: float
    step: float

    @classmethod
    def of(cls, x: np.ndarray) -> Axis:
        """Return the axis of sorted points."""
        span = float(x[-1] - x[0]) or max(1.0, 1e-6*abs(float(x[0])))
        if not (np.isfinite(span) and span/max(len(x) - 1, 1) > 0):
            raise InputError(f"the points from x = {x[0]:g} to {x[-1]:g} have no distances that a guess could go by: give start values")
        return cls(x, float(x[0]), float(x[0]) + span, span/max(len(x) - 1, 1))

    @property
    def span(self) -> float:
        """The range."""
        return self.high - self.low


class GuessRecipe(Record):
    """How a model's start is found.

    Attributes
    ----------
    shapes : callable
        ``shapes(axis)``: values of the parameters that are not linear, an array each.
    linear : tuple of str
        The parameters that the model is linear in.
    formula : str
        Another formula to match with, where the model's own is not linear enough.
    finish : callable, optional
        Turns what was found into the model's parameters.
    families : mapping of str to int
        Into how many parts the values of a shape parameter are divided; every combination of parts is a family, and the best shape of
        each is a start worth a fit of its own. For chi-squares with several minima, or with valleys that never end.
    most : int
        How many families are tried at most, the best first.
    settle : callable, optional
        ``settle(candidates, curves)``: the start of all families' that is best after a search of its own, for curves with kinks.
    beside : callable, optional
        ``beside(starts, curves)``: the starts, and after them others at limits that shapes of a grid don't have.
    patience : int
        How many times more evaluations a fit may take than from other guesses: where it follows a valley to a bound, or far out.
    search : callable, optional
        ``search(curves, bounds)``: starts, the best first, in place of all this; a single one is next to the minimum.
    """

    shapes: Callable[[Axis], Shapes] = lambda axis: {}
    linear: tuple[str, ...] = ("amplitude",)
    formula: str = ""
    finish: Callable[[Mapping[str, np.ndarray]], Shapes] | None = None
    families: Mapping[str, int] = MappingProxyType({})
    most: int = 8
    settle: Callable[[list[Shapes], Any], Shapes] | None = None
    beside: Callable[[list[Shapes], Any], list[Shapes]] | None = None
    patience: int = 1
    search: Callable[[Any, Mapping[str, tuple[float, float]]], list[Shapes]] | None = None


def product(**axes: Iterable[float]) -> Shapes:
    """Return every combination of values."""
    grid = np.meshgrid(*[np.asarray(list(axis), float) for axis in axes.values()], indexing="ij")
    return {name: values.reshape(-1) for name, values in zip(axes, grid, strict=True)}


def crossed(shapes: Shapes, **axes: Iterable[float]) -> Shapes:
    """Return every shape with every combination of further values."""
    more = product(**axes)
    first, count = len(next(iter(more.values()))), len(next(iter(shapes.values())))
    return {**{name: np.repeat(values, first) for name, values in shapes.items()},
            **{name: np.tile(values, count) for name, values in more.items()}}


@lru_cache(maxsize=64)
def _places(count: int, ratio: float, spacing: float, least: float, most: float) -> tuple[np.ndarray, np.ndarray]:
    """Return what `places` does for so many points from 0 to 1."""
    step = 1/max(count - 1, 1)
    widths = np.geomspace(least*step, most, max(2, int(np.ceil(np.log(most/(least*step))/np.log(ratio)))))
    centers = [np.linspace(0, 1, int(np.clip(1/(spacing*width), 8, count)) + 1) for width in widths]
    return np.concatenate(centers), np.repeat(widths, [len(each) for each in centers])


def places(axis: Axis, ratio: float = 1.5, spacing: float = 0.7, least: float = 0.6, most: float = 0.7) -> tuple[np.ndarray, np.ndarray]:
    """Return centres and half widths at half height of peaks: the wider, the fewer."""
    centers, widths = _places(len(axis.x), ratio, spacing, least, most)
    return axis.low + axis.span*centers, axis.span*widths


def peaks(scale: float, name: str = "sigma", center: str = "center") -> Callable[[Axis], Shapes]:
    """Return peaks whose width parameter is half the width at half height times a factor."""
    def shapes(axis: Axis) -> Shapes:
        c, w = places(axis)
        return {center: c, name: w*scale}
    return shapes


def positive(axis: Axis) -> np.ndarray:
    """Return the points above 0, or what stands for them."""
    found = axis.x[axis.x > 0]
    return found if found.size else np.array([axis.span*1e-3, axis.span])


def rates(axis: Axis, count: int = 24, signs: Iterable[float] = (1, -1)) -> np.ndarray:
    """Return rates from a twentieth of the range's inverse to the points' distance's."""
    found = np.geomspace(0.05/axis.span, 2/axis.step, count)
    return np.concatenate([sign*found for sign in signs])


def frequencies(axis: Axis) -> np.ndarray:
    """Return angular frequencies up to that of the points, each a sixth of a period of the range from the next."""
    top = min(len(axis.x)/2, 1024)
    return 2*np.pi/axis.span*np.concatenate([[0.05, 0.1, 0.2, 0.3], np.arange(0.4, top, 1/6)])


# -- peaks


def split(axis: Axis) -> Shapes:
    c, w = places(axis)
    base = crossed({"center": c, "w": w}, skew=(0.5, 1.0, 2.0))
    return {"center": base["center"], "sigma": base["w"]*base["skew"], "sigma_r": base["w"]/base["skew"]}


def voigt(axis: Axis) -> Shapes:
    c, w = places(axis)
    return {"center": c, "sigma": w/1.8006, "gamma": w/1.8006}


def pseudo_voigt(axis: Axis) -> Shapes:
    c, w = places(axis)
    return crossed({"center": c, "sigma": w}, fraction=(0.2, 0.8))


def moffat(axis: Axis) -> Shapes:
    c, w = places(axis)
    base = crossed({"center": c, "w": w}, beta=(1.0, 3.0))
    return {"center": base["center"], "sigma": base["w"]/np.sqrt(2**(1/base["beta"]) - 1), "beta": base["beta"]}


def as_gaussian(starts: list[Shapes], curves: Any) -> list[Shapes]:
    """Return starts, after them Gaussians where these are as good: Moffat's exponent has no end where the data have no tails."""
    first = starts[0]
    u = ((curves.x - first["center"][:, None])/first["sigma"][:, None])**2
    half = first["sigma"]*np.sqrt(np.expm1(np.log(2)/first["beta"]))
    tailed = (1 + u)**-first["beta"][:, None]
    bare = np.exp(-u/np.expm1(np.log(2)/first["beta"])[:, None]*np.log(2))
    good = _left(curves.y, bare) <= AS_GOOD*_left(curves.y, tailed)
    if not good.any():
        return starts
    sigma = half/np.sqrt(np.expm1(np.log(2)/NO_TAILS))
    return [*starts, {**first, "sigma": np.where(good, sigma, first["sigma"]), "beta": np.where(good, NO_TAILS, first["beta"])}]


def _left(y: np.ndarray, column: np.ndarray) -> np.ndarray:
    """Return what a column (fits, n), times the best factors, leaves of the squares of data (fits, n)."""
    along = np.sum(column*y, axis=1)
    return np.sum(y*y, axis=1) - along*along/np.sum(column*column, axis=1)


def pearson7(axis: Axis) -> Shapes:
    c, w = places(axis)
    base = crossed({"center": c, "w": w}, expon=(0.8, 1.5, 5.0))
    return {"center": base["center"], "sigma": base["w"]/np.sqrt(2**(1/base["expon"]) - 1), "expon": base["expon"]}


def pearson4(axis: Axis) -> Shapes:
    c, w = places(axis)
    base = crossed({"c": c, "w": w}, expon=(1.2, 3.0), skew=(-1.5, 0.0, 1.5))
    skew = base["skew"]*base["expon"]
    sigma = base["w"]/np.sqrt(2**(1/base["expon"]) - 1)/np.sqrt(1 + (base["skew"]/2)**2)
    return {"center": base["c"] + sigma*skew/(2*base["expon"]), "sigma": sigma, "expon": base["expon"], "skew": skew}


def students_t(axis: Axis) -> Shapes:
    return product(center=np.linspace(axis.low, axis.high, int(np.clip(axis.span/0.5, 8, 2*len(axis.x))) + 1), sigma=(0.4, 1.0, 3.0, 12.0))


def breit_wigner(axis: Axis) -> Shapes:
    c, w = places(axis)
    return crossed({"center": c, "sigma": 2*w}, q=(-6.0, -2.5, -1.0, -0.4, -0.1, 0.1, 0.4, 1.0, 2.5, 6.0))


def lognormal(axis: Axis) -> Shapes:
    x = positive(axis)
    return product(center=np.linspace(np.log(x[0]) - 0.5, np.log(x[-1]) + 1, 48), sigma=np.geomspace(0.02, 3, 16))


def damped(axis: Axis) -> Shapes:
    x = positive(axis)
    return product(center=np.linspace(x[0], x[-1], int(np.clip(2*len(x), 16, 200))), sigma=np.geomspace(0.003, 2, 12))


def dho(axis: Axis) -> Shapes:
    c, w = places(axis)
    keep = c >= 0
    return crossed({"center": c[keep], "sigma": w[keep]}, gamma=axis.span*np.array([2e-3, 5e-3, 0.02, 0.1, 0.5, 3.0, 100.0]))


def exp_gaussian(axis: Axis) -> Shapes:
    c, w = places(axis)
    base = crossed({"c": c, "w": w}, tail=(0.3, 1.0, 3.0))
    sigma = base["w"]/1.1774/np.sqrt(1 + 0.5*base["tail"]**2)
    gamma = 1/(sigma*base["tail"])
    return {"center": base["c"] - 0.5*sigma*np.minimum(base["tail"], 1.5), "sigma": sigma, "gamma": gamma}


def skewed(width: float, name: str, gamma: str = "") -> Callable[[Axis], Shapes]:
    """Return peaks skewed to either side."""
    def shapes(axis: Axis) -> Shapes:
        c, w = places(axis)
        base = crossed({"c": c, "w": w}, skew=(-5.0, -1.5, 0.0, 1.5, 5.0))
        lean = base["skew"]/np.sqrt(1 + base["skew"]**2)
        sigma = base["w"]*width/np.sqrt(1 - 0.5*lean**2)
        found = {"center": base["c"] - 0.7*sigma*lean, "sigma": sigma, name: base["skew"]}
        return found | ({gamma: sigma} if gamma else {})
    return shapes


def doniach(axis: Axis) -> Shapes:
    c, w = places(axis)
    return crossed({"center": c, "sigma": w}, gamma=(0.0, 0.15, 0.4))


# -- steps, decays, waves


def steps(names: tuple[str, str] = ("center", "sigma"), signs: Iterable[float] = (1.0, -1.0)) -> Callable[[Axis], Shapes]:
    """Return steps of every place and width, rising or falling."""
    def shapes(axis: Axis) -> Shapes:
        c, w = places(axis, 1.7, 0.8, 0.3, 0.5)
        base = crossed({names[0]: c, "w": w}, sign=signs)
        return {names[0]: base[names[0]], names[1]: base["w"]*base["sign"]}
    return shapes


def rectangle(axis: Axis) -> Shapes:
    at = np.linspace(axis.low, axis.high, 26)[1:-1]
    first, second = np.triu_indices(len(at), 1)
    base = crossed({"center1": at[first], "center2": at[second]}, w1=axis.span*np.geomspace(0.01, 0.2, 4), ratio=(0.3, 1.0, 3.0))
    return {"center1": base["center1"], "center2": base["center2"], "sigma1": base["w1"], "sigma2": base["w1"]*base["ratio"]}


def thermal(axis: Axis) -> Shapes:
    kt = axis.span*np.geomspace(0.02, 3, 14)
    base = product(kt=kt, ratio=np.geomspace(1e-4, 1e4, 33))
    return {"center": np.full(len(base["kt"]), 0.5*(axis.low + axis.high)), "kt": base["kt"], "amplitude": base["ratio"]}


def bose(axis: Axis) -> Shapes:
    """Return shapes whose pole, the centre, lies before the points, or halfway between two of them."""
    between = 0.5*(axis.x[1:] + axis.x[:-1])[np.diff(axis.x) > 0]
    between = between[np.unique(np.linspace(0, len(between) - 1, 48).astype(int))] if len(between) else between
    return product(center=[*(axis.low - axis.span*np.geomspace(0.003, 3, 18)), *between], kt=axis.span*np.geomspace(0.02, 5, 16))


STEP_EDGES = (Edge("center", "sigma"),)
RECTANGLE_EDGES = (Edge("center1", "sigma1"), Edge("center2", "sigma2", falls=True))
PLANS: dict[str, GuessRecipe] = {
    "constant": GuessRecipe(lambda axis: {}, ("c",)),
    "line": GuessRecipe(lambda axis: {}, ("slope", "intercept")),
    "parabola": GuessRecipe(lambda axis: {}, ("a", "b", "c")),
    "polynomial": GuessRecipe(lambda axis: {}, tuple(f"c{k}" for k in range(8))),
    "gaussian": GuessRecipe(peaks(1/1.1774)),
    "lorentzian": GuessRecipe(peaks(1.0)),
    "split": GuessRecipe(split),
    "voigt": GuessRecipe(voigt),
    "pseudo_voigt": GuessRecipe(pseudo_voigt),
    "moffat": GuessRecipe(moffat, beside=as_gaussian, patience=3),
    "pearson4": GuessRecipe(pearson4, patience=20),
    "pearson7": GuessRecipe(pearson7),
    "students_t": GuessRecipe(students_t),
    "breit_wigner": GuessRecipe(breit_wigner),
    "lognormal": GuessRecipe(lognormal, patience=5),
    "damped_oscillator": GuessRecipe(damped),
    "dho": GuessRecipe(dho, families={"gamma": 7}),
    "exp_gaussian": GuessRecipe(exp_gaussian),
    "skewed_gaussian": GuessRecipe(skewed(1/1.1774, "gamma")),
    "skewed_voigt": GuessRecipe(skewed(1/1.8006, "skew", "gamma")),
    "doniach": GuessRecipe(doniach),
    "power": GuessRecipe(lambda axis: {"exponent": np.linspace(-6, 6, 49)}),
    "exponential": GuessRecipe(lambda axis: {"decay": 1/rates(axis)}),
    "step": GuessRecipe(steps()),
    "step:linear": GuessRecipe(steps(), settle=settle_step),
    "step:erf": GuessRecipe(steps(), beside=SharpEdges(ERROR_FUNCTION, STEP_EDGES)),
    "step:logistic": GuessRecipe(steps(), beside=SharpEdges(LOGISTIC, STEP_EDGES)),
    "rectangle:linear": GuessRecipe(rectangle, settle=settle_rectangle),
    "fermi": GuessRecipe(steps(("center", "kt"))),
    "thermal": GuessRecipe(thermal, ()),
    "bose": GuessRecipe(bose),
    "rectangle": GuessRecipe(rectangle),
    "rectangle:erf": GuessRecipe(rectangle, beside=SharpEdges(ERROR_FUNCTION, RECTANGLE_EDGES)),
    "rectangle:logistic": GuessRecipe(rectangle, beside=SharpEdges(LOGISTIC, RECTANGLE_EDGES)),
    "sine": GuessRecipe(lambda axis: {"frequency": frequencies(axis)}, ("p", "q"), "p*sin(frequency*x) + q*cos(frequency*x)",
                 lambda found: {"amplitude": np.hypot(found["p"], found["q"]), "frequency": found["frequency"],
                                "shift": np.arctan2(found["q"], found["p"])}),
}
"""Every estimator by its name."""
