"""The plans of the models beyond lmfit's; see `gslfit.models.guess.shapes`."""
from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from gslfit.models.guess.curves import Curves
from gslfit.models.guess.decays import Decays, Names
from gslfit.models.guess.shapes import PLANS, Axis, GuessRecipe, Shapes, crossed, frequencies, places, positive, product, rates, steps
from gslfit.models.guess.sharp_edges import SharpDoses

ENDLESS = 1e9       # an asymmetry or a steepness of the five-parameter logistic from which on rounding hides how chi-square falls
MOST_CORNERS = 150  # points between which corners are looked for,
BETWEEN = np.array([0.1, 0.5, 0.9])     # at these shares of their distance,
POWERS = 16         # of so many powers


def squared(center: str, name: str, scale: float) -> Callable[[Axis], Shapes]:
    """Return peaks whose parameter is the square of a width."""
    def shapes(axis: Axis) -> Shapes:
        c, w = places(axis)
        return {center: c, name: (w*scale)**2}
    return shapes


def doses(half: str, slope: str, signs: tuple[float, ...] = (1.0,), **more: tuple[float, ...]) -> Callable[[Axis], Shapes]:
    """Return places on a logarithmic axis, and steepnesses."""
    def shapes(axis: Axis) -> Shapes:
        x = positive(axis)
        steep = np.concatenate([sign*np.geomspace(0.3, 12, 12) for sign in signs])
        return crossed(product(**{half: np.geomspace(x[0]*0.7, x[-1]*1.5, 36), slope: steep}), **(more or {"_": (0.0,)}))
    return shapes


def lopsided(axis: Axis) -> Shapes:
    """Return places of half the height on a logarithmic axis, steepnesses and asymmetries, up to where one end of the curve is a corner."""
    x = positive(axis)
    g = (0.01, 0.1, 0.4, 1.0, 2.5, 10.0, 100.0, 1000.0)
    base = product(half=np.geomspace(x[0]*0.7, x[-1]*1.5, 30), steep=np.geomspace(0.3, 12, 10), g=g)
    b = base["steep"]/np.minimum(base["g"], 1)
    with np.errstate(over="ignore"):
        return {"c": base["half"]*(2**(1/base["g"]) - 1)**(-1/b), "b": b, "g": base["g"]}


def without_end(starts: list[Shapes], curves: Curves) -> list[Shapes]:
    """Return starts, and after them two so asymmetric that one end of the curve is a corner or an exponential, as far as data tell.

    Where `g` has no upper end, the curve is ``exp(-(x/c)**b)``; where it falls to 0 and `b` has no end, it is 1 up to `c` and then
    ``(x/c)**-(b*g)``. Chi-square falls along either valley by less and less.
    """
    most = np.argmax([each["g"] for each in starts], axis=0)[None]
    first = {name: np.take_along_axis(np.array([each[name] for each in starts]), most, 0)[0] for name in starts[0]}
    smooth = {**first, "c": first["c"]*(ENDLESS/first["g"])**(1/first["b"]), "g": np.full(np.shape(first["g"]), ENDLESS)}
    return [*starts, *_cornered(first, curves), smooth]


def _cornered(start: Shapes, curves: Curves) -> list[Shapes]:
    """Return the start whose curve is constant up to a corner between two points and a power from there; none where no point is above 0."""
    x = curves.x[curves.x > 0]
    x = x[np.linspace(0, len(x) - 1, min(len(x), MOST_CORNERS)).astype(int)]
    ends, near = x[:-1][np.diff(x) > 0], x[1:][np.diff(x) > 0]
    if len(ends) < 2:
        return []
    places = (ends[:, None] + (near - ends)[:, None]*BETWEEN).reshape(-1)
    base = product(c=places, power=np.geomspace(0.1, 12, POWERS))
    with np.errstate(divide="ignore"):
        ratio = np.log(np.maximum(curves.x[:, None], 0)/base["c"])
    shapes = np.exp(-base["power"]*np.maximum(ratio, 0))            # (n, g)
    centred = shapes - shapes.mean(axis=0)
    squares = np.maximum(np.einsum("ng,ng->g", centred, centred), 1e-12)
    best = np.array([np.argmax((row @ centred)**2/squares) for row in curves.y])
    y = curves.y - curves.y.mean(axis=1, keepdims=True)
    height = np.einsum("bn,nb->b", y, centred[:, best])/squares[best]
    low = curves.y.mean(axis=1) - height*shapes[:, best].mean(axis=0)
    return [{**start, "a": low + height, "d": low, "c": base["c"][best], "b": np.full(len(y), ENDLESS), "g": base["power"][best]/ENDLESS}]


def scales(name: str, power: int = 1) -> Callable[[Axis], Shapes]:
    """Return a scale of x, or its inverse for power -1."""
    def shapes(axis: Axis) -> Shapes:
        x = positive(axis)
        return {name: np.geomspace(x[0]*0.2, x[-1]*5, 48)**power}
    return shapes


def response(axis: Axis) -> Shapes:
    return product(t0=np.linspace(axis.low, axis.high, 30), tau=np.geomspace(axis.step*0.7, 3*axis.span, 12),
                   irf=axis.span*np.geomspace(0.004, 0.1, 5))


def numbered(count: int, edge: tuple[str, ...] = ()) -> Names:
    """Return the names of a sum of decays: amplitude1, tau1, and so on."""
    return Names(tuple(f"amplitude{k + 1}" for k in range(count)), tuple(f"tau{k + 1}" for k in range(count)), "offset", edge)


def waves(chirps: int = 1) -> Callable[[Axis], Shapes]:
    """Return decaying waves: frequencies, decay times, chirps."""
    def shapes(axis: Axis) -> Shapes:
        f = frequencies(axis)
        if chirps > 1:
            f = f[::2]
        bend = np.linspace(-1, 1, chirps)*2*np.pi*3/axis.span**2 if chirps > 1 else np.zeros(1)
        return product(frequency=f, tau=axis.span*np.array([0.1, 0.3, 1.0, 5.0]), chirp=bend*2)
    return shapes


def phased(found: Mapping[str, np.ndarray]) -> Shapes:
    """Return the amplitude and phase of a sine and a cosine."""
    rest = {name: value for name, value in found.items() if name not in ("p", "q")}
    return {**rest, "amplitude": np.hypot(found["p"], found["q"]), "phase": np.arctan2(found["q"], found["p"])}


def gsl_sine(found: Mapping[str, np.ndarray]) -> Shapes:
    return {"y0": found["y0"], "f": found["f"], "A": np.hypot(found["p"], found["q"]), "phi": np.arctan2(found["q"], found["p"])}


def gsl_lognormal(axis: Axis) -> Shapes:
    x = positive(axis)
    return product(x0=np.geomspace(x[0], x[-1], 48), width=np.geomspace(0.03, 4, 16))


def planck(axis: Axis) -> Shapes:
    x = positive(axis)
    return {"T": 2897.77/np.geomspace(x[0]*0.05, x[-1]*20, 120)}


def beam(axis: Axis) -> Shapes:
    return product(z0=np.linspace(axis.low - 0.3*axis.span, axis.high + 0.3*axis.span, 65), zR=axis.span*np.geomspace(0.01, 5, 24))


def airy(axis: Axis) -> Shapes:
    c, w = places(axis)
    return {"center": c, "radius": w*2.37}


def weibull(axis: Axis) -> Shapes:
    x = positive(axis)
    return product(scale=np.geomspace(x[0], x[-1]*2, 48), shape=np.geomspace(0.5, 12, 16))


PLANS.update({
    "gsl_gaussian": GuessRecipe(squared("x0", "var", 1/1.1774), ("y0", "A")),
    "gsl_exp": GuessRecipe(lambda axis: {"b": rates(axis)}, ("y0", "A")),
    "gsl_dblexp": GuessRecipe(search=Decays(Names(("A1", "A2"), ("b1", "b2"), "y0", rates=True))),
    "gsl_sin": GuessRecipe(lambda axis: {"f": frequencies(axis)}, ("y0", "p", "q"), "y0 + p*sin(f*x) + q*cos(f*x)", gsl_sine),
    "gsl_lor": GuessRecipe(squared("x0", "B", 1.0), ("y0", "A")),
    "gsl_hill": GuessRecipe(doses("xhalf", "r"), ("y0", "m")),
    "gsl_sigmoid": GuessRecipe(steps(("x0", "r"), (1.0,)), ("y0", "m")),
    "gsl_power": GuessRecipe(lambda axis: {"r": np.array([r for r in np.linspace(-6, 6, 49) if r])}, ("y0", "A")),
    "gsl_lognormal": GuessRecipe(gsl_lognormal, ("y0", "A")),
    "gsl_rayleigh": GuessRecipe(lambda axis: {"var": np.geomspace(positive(axis)[0], axis.high, 64)**2}, ("A",)),
    "hill": GuessRecipe(doses("half", "slope"), ("bottom", "top"), beside=SharpDoses("bottom", "top", "half", "slope")),
    "logistic4": GuessRecipe(doses("c", "b"), ("a", "d"), beside=SharpDoses("a", "d", "c", "b")),
    "logistic5": GuessRecipe(lopsided, ("a", "d"), families={"g": 8}, beside=without_end),
    "michaelis_menten": GuessRecipe(scales("km"), ("vmax",)),
    "langmuir": GuessRecipe(scales("K", -1), ("qmax",)),
    "arrhenius": GuessRecipe(
        lambda axis: {"Ea": 8.314*axis.high*np.concatenate([-np.geomspace(0.1, 60, 40), np.geomspace(0.1, 60, 80)])}, ("A",)),
    "weibull": GuessRecipe(weibull),
    "gompertz": GuessRecipe(lambda axis: product(b=np.geomspace(0.2, 2000, 40), c=rates(axis, 24, (1,))), ("a",)),
    "logistic_growth": GuessRecipe(lambda axis: product(r=rates(axis, 20), x0=axis.low + axis.span*np.linspace(-0.3, 1.3, 40)), ("K",)),
    "stretched": GuessRecipe(lambda axis: product(tau=np.geomspace(axis.step*0.3, 3*axis.span, 24), beta=(0.4, 0.7, 1.0, 1.6)),
                      ("amplitude", "offset"), patience=5),
    "biexponential": GuessRecipe(search=Decays(numbered(2))),
    "triexponential": GuessRecipe(search=Decays(numbered(3)), patience=5),
    "exponential_response": GuessRecipe(response, ("amplitude", "offset")),
    "biexponential_response": GuessRecipe(search=Decays(numbered(2, ("t0", "irf")))),
    "triexponential_response": GuessRecipe(search=Decays(numbered(3, ("t0", "irf"))), patience=5),
    "damped_sine": GuessRecipe(waves(), ("p", "q", "offset"), "offset + exp(-x/tau)*(p*sin(frequency*x) + q*cos(frequency*x))", phased),
    "damped_chirp": GuessRecipe(waves(9), ("p", "q", "offset"),
                                "t = (frequency + 0.5*chirp*x)*x; offset + exp(-x/tau)*(p*sin(t) + q*cos(t))", phased),
    "debye": GuessRecipe(scales("tau", -1), ("eps_inf", "delta")),
    "debye_loss": GuessRecipe(scales("tau", -1), ("delta",)),
    "planck": GuessRecipe(planck),
    "gaussian_beam": GuessRecipe(beam, ("w0",)),
    "airy": GuessRecipe(airy, ("height", "offset")),
})

