"""What is fitted: random formulas, data, scales, weights, starts and bounds, a block of rows at a time, the same from the same seed."""
from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from random_formulas import formulas

from fuzz.texts import Text
from gslfit.models import ENTRIES

DATA = {"noisy": .40, "misfit": .20, "counts": .13, "exact": .12, "noise": .05, "outliers": .04, "zeros": .03, "constant": .03}
STARTS = {"near": .35, "middle": .20, "far": .15, "cold": .15, "dead": .05, "default": .05, "bound": .05}
BOUNDS = {"none": .45, "hints": .15, "one-sided": .12, "wide": .10, "narrow": .08, "beyond": .10}
WEIGHTS = {"none": .6, "weights": .15, "rows": .15, "yerr": .1}

WORK = 400_000  # of a block: rows times points times parameters squared

PLACES = re.compile(r"center\w*|x0|t0|x1|x2|z0")
WIDTHS = re.compile(r"sigma\w*|tau\d?|width|irf|decay|radius|w0|zR|half|xhalf|scale|kt")
OWN_X = {"ArrheniusModel": (250.0, 400.0), "PlanckModel": (0.3, 20.0)}
OWN_VALUES = {"T": (3e3, 8e3), "Ea": (1e4, 8e4), "phase": (-3.0, 3.0), "shift": (-3.0, 3.0), "theta": (-1.5, 1.5)}


class Block(NamedTuple):
    """Rows to fit: one formula, shared points and bounds; data, weights and starts of each row.

    `weights` is None, (n,) or (rows, n); `inverted` says that it is to be handed over as standard deviations. `low` and `high` are (p,).
    """

    text: Text
    label: str
    x: tuple[np.ndarray, ...]
    y: np.ndarray
    weights: np.ndarray | None
    inverted: bool
    start: np.ndarray
    low: np.ndarray
    high: np.ndarray
    data: np.ndarray
    begins: np.ndarray
    bounds: str
    scale: float


class Subject(NamedTuple):
    """A formula with what is usual for its parameters: drawn values of one truth, their sizes, library bounds, defaults."""

    text: Text
    label: str
    x: tuple[np.ndarray, ...]
    base: np.ndarray
    size: np.ndarray
    places: np.ndarray
    hints: tuple[np.ndarray, np.ndarray]
    defaults: np.ndarray


def pick(rng: np.random.Generator, table: dict[str, float], size=None):
    """One of a table's names, or an array of them, by their shares."""
    return rng.choice(list(table), size, p=np.array(list(table.values()))/sum(table.values()))


def count_points(rng: np.random.Generator, p: int) -> int:
    """From p points to 200, few more often."""
    chance = rng.random()
    return p if chance < .04 else p + 1 if chance < .09 else int(np.exp(rng.uniform(np.log(p + 2), np.log(200))))


@lru_cache
def library() -> tuple[tuple[str, str | None], ...]:
    """Every compiled entry of the library, form by form."""
    return tuple((name, form) for name, entry in ENTRIES.items() if not entry.slow for form in entry.forms or (None,))


def from_library(rng: np.random.Generator) -> Subject:
    """Return a model of the library, its points and one truth."""
    cls, form = library()[rng.integers(len(library()))]
    entry = ENTRIES[cls]
    text = entry.text(form)
    used = re.findall(r"\b[A-Za-z_]\w*\b", text)
    names = tuple(name for name in entry.defaults if name in used)
    n = count_points(rng, len(names))
    positive = bool(re.search(r"x\*\*|log\(|/x\b|\bx/|max\(x, 0\)", text)) or entry.kind == "growth"
    low, high = OWN_X.get(cls) or ((rng.uniform(.05, .5), 10.0) if positive else ((-5.0, 5.0), (0.0, 10.0), (0.0, 100.0))[rng.integers(3)])
    x = grid(rng, low, high, n, len(entry.independent), positive)
    span = high - low
    base, size, places = np.empty(len(names)), np.empty(len(names)), np.zeros(len(names), bool)
    sides = ("min", -np.inf), ("max", np.inf)
    hints = np.array([[entry.hints.get(name, {}).get(side, limit) for name in names] for side, limit in sides])
    for k, name in enumerate(names):
        base[k], size[k], places[k] = draw_value(rng, name, entry, low, span, *hints[:, k])
    defaults = np.array([value if isinstance(value := entry.defaults[name], float) else 1.0 for name in names])
    return Subject(Text(text, entry.independent, names), f"{cls}{f'({form})' if form else ''}", x, base, size, places, (hints[0], hints[1]),
                   defaults)


def draw_value(rng, name, entry, low, span, least, most) -> tuple[float, float, bool]:
    """Return a parameter's value, its size, and whether it is a place on the axis."""
    if name in OWN_VALUES:
        value = rng.uniform(*OWN_VALUES[name])
        return value, max(abs(value), .1), False
    if PLACES.fullmatch(name) or (name == "y0" and entry.kind == "image"):
        return low + span*rng.uniform(.15, .85), span*.1, True
    if name == "var" or re.fullmatch(r"var\d", name):
        value = (span*np.exp(rng.uniform(np.log(.02), np.log(.3))))**2
    elif WIDTHS.fullmatch(name):
        value = span*np.exp(rng.uniform(np.log(.02), np.log(.3)))
    elif name in ("frequency", "b", "c", "b1", "b2", "r") and entry.kind in ("oscillation", "decay", "growth"):
        value = rng.uniform(.5, 20.0)/span
    elif np.isfinite(least) and np.isfinite(most) and most - least < 10:
        value = rng.uniform(least, most)
    elif np.isfinite(least):
        value = max(least, 0.0) + np.exp(rng.normal(0, .7))
    elif rng.random() < .08:
        value = 0.0
    else:
        value = (1 if rng.random() < .75 else -1)*np.exp(rng.normal(.5, 1.0))
    return float(value), abs(value) or 1.0, False


def grid(rng, low, high, n, axes, positive) -> tuple[np.ndarray, ...]:
    """Points: even, spaced by powers, or at random; of images at random in a square."""
    if axes > 1:
        return tuple(rng.uniform(low, high, n) for _ in range(axes))
    if positive and rng.random() < .5:
        return (np.geomspace(low, high, n),)
    return (np.linspace(low, high, n) if rng.random() < .7 else np.sort(rng.uniform(low, high, n)),)


def from_grammar(rng: np.random.Generator) -> Subject:
    """Return a random formula of the grammar, often with an amplitude and a baseline."""
    one, two = formulas(2, int(rng.integers(2**40)))
    if len(one) > 120:
        one = formulas(1, int(rng.integers(2**40)))[0]
    chance = rng.random()
    text = one if chance < .3 else f"A*({one}) + B" if chance < .8 or len(two) > 60 else f"A*({one}) + ({two})"
    independent = ("x", "y") if re.search(r"\by\b", text) else ("x",)
    names = tuple(name for name in ("A", "B", "a", "b", "c", "d") if re.search(rf"\b{name}\b", text))
    n, p = count_points(rng, len(names)), len(names)
    x = grid(rng, -2.0, 3.0, n, len(independent), False)
    base = rng.normal(.8, .8, p)
    free = np.full(p, np.inf)
    size = np.maximum(np.abs(base), .3)
    return Subject(Text(text, independent, names), "grammar", x, base, size, np.zeros(p, bool), (-free, free), np.ones(p))


def draw_subject(rng: np.random.Generator) -> Subject:
    """Return a formula; one whose parameters can't all be told from data comes but rarely, as all its fits are long and fail."""
    for _ in range(20):
        subject = from_library(rng) if rng.random() < .7 else from_grammar(rng)
        if told_apart(subject) or rng.random() < .05:
            break
    return subject


def told_apart(subject: Subject) -> bool:
    """Whether the derivatives by the parameters at the truth are finite and independent."""
    jet, n = subject.text.jet(subject.x, subject.base[None], 1), subject.x[0].size
    slopes = np.array([np.broadcast_to(jet.d.get(k, 0.0), (1, n))[0] for k in range(len(subject.base))]).T
    top = np.abs(slopes).max(axis=0)
    if not np.all(np.isfinite(slopes)) or not np.all(top > 0):
        return False
    sizes = np.linalg.svd(slopes/top, compute_uv=False)
    return bool(sizes[-1] > 1e-7*sizes[0])


def linear_of(subject: Subject) -> np.ndarray:
    """Which parameters multiply the whole formula together, as amplitudes and baselines do; none, where no set does."""
    p = len(subject.base)
    jet = subject.text.jet(subject.x, subject.base[None], 2)
    chosen = np.array([k in jet.d and (k, k) not in jet.h for k in range(p)])
    moved = np.where(chosen, 3.0*subject.base, subject.base)
    with np.errstate(all="ignore"):
        same = np.allclose(subject.text.jet(subject.x, moved[None], 0).value, 3.0*jet.value, rtol=1e-9, atol=0)
    return chosen if same and np.all(np.isfinite(jet.value)) else np.zeros(p, bool)


def stretch_of(subject: Subject) -> np.ndarray | None:
    """Return the powers of a factor of x that the parameters take with them so that the values keep but for a factor; None if none do."""
    p, x = len(subject.base), subject.x
    if len(x) > 1 or np.any(subject.base == 0):
        return None
    with np.errstate(all="ignore"):
        jet = subject.text.jet(x, subject.base[None], 1)
        up, down = (subject.text.jet((x[0]*(1 + h),), subject.base[None], 0).value for h in (1e-6, -1e-6))
        slope = np.broadcast_to((up - down)/2e-6, (1, x[0].size))[0]
        columns = [np.broadcast_to(jet.d.get(k, 0.0), (1, x[0].size))[0]*subject.base[k] for k in range(p)]
    matrix = np.array([*columns, -np.broadcast_to(jet.value, (1, x[0].size))[0]]).T
    if x[0].size < p + 3 or not np.all(np.isfinite(matrix)) or not np.all(np.isfinite(slope)) or not slope.any():
        return None
    powers = np.round(np.linalg.lstsq(matrix, -slope, rcond=1e-9)[0])
    if np.abs(powers).max() > 2:
        return None
    with np.errstate(all="ignore"):
        moved = subject.text.jet((x[0]*7.0,), (subject.base*7.0**powers[:p])[None], 0).value
        same = np.allclose(moved, jet.value*7.0**powers[p], rtol=1e-9, atol=0)
    return powers[:p] if same else None


def truths(rng, subject: Subject, rows: int) -> np.ndarray:
    """Return the rows' true parameters (rows, p), spread about the subject's."""
    spread = 10**rng.uniform(-2, -.3)
    noise = rng.normal(0, spread, (rows, len(subject.base)))
    return np.where(subject.places, subject.base + subject.size*noise, subject.base*np.exp(noise))


def curves(rng, subject: Subject, truth: np.ndarray, kinds: np.ndarray) -> np.ndarray:
    """Return the rows' data (rows, n), of their kinds."""
    rows, n = len(truth), subject.x[0].size
    f = np.array(np.broadcast_to(subject.text.jet(subject.x, truth, 0).value, (rows, n)))
    lost = ~np.isfinite(f).all(axis=1) | (np.abs(f).max(axis=1) > 1e30)
    f[lost] = 1.0
    amp = np.abs(f - f.mean(axis=1, keepdims=True)).max(axis=1, keepdims=True)
    amp = np.where(amp > 0, amp, np.maximum(np.abs(f).max(axis=1, keepdims=True), 1e-3))
    noise = rng.normal(0, 1, (rows, n))
    level = amp*10**rng.uniform(-7, .2, (rows, 1))
    t = (subject.x[0] - subject.x[0].min())/max(np.ptp(subject.x[0]), 1e-9)
    turn, shift, size = rng.uniform(1, 25, (rows, 1)), rng.uniform(0, 6, (rows, 1)), amp*10**rng.uniform(-3, .5, (rows, 1))
    wave = np.where(rng.random((rows, 1)) < .5, np.sin(turn*t + shift), np.exp(-((t - shift/6)*turn)**2))
    rate = 10**rng.uniform(-.5, 4, (rows, 1))/amp
    with np.errstate(invalid="ignore"):     # a model of 0 everywhere but for subnormal numbers has an infinite rate
        counted = rng.poisson(np.nan_to_num(np.clip(f*rate, 0, 1e15), nan=0.0))/rate
    outliers = np.where(rng.random((rows, n)) < .05, 10*amp*noise[:, ::-1], level*noise)
    made = {"noisy": f + level*noise, "misfit": f + size*wave + 1e-3*level*noise, "counts": counted, "exact": f, "noise": amp*noise,
            "outliers": f + outliers, "zeros": np.zeros((rows, n)), "constant": np.broadcast_to(f.mean(axis=1, keepdims=True), (rows, n))}
    y = np.empty((rows, n))
    for kind, array in made.items():
        y[kinds == kind] = array[kinds == kind]
    return y


def limits(rng, subject: Subject, kind: str) -> tuple[np.ndarray, np.ndarray]:
    """Bounds of a kind about the subject's truth."""
    p, base, size = len(subject.base), subject.base, subject.size
    low, high = np.full(p, -np.inf), np.full(p, np.inf)
    if kind == "none":
        return low, high
    if kind == "hints":
        return subject.hints[0].copy(), subject.hints[1].copy()
    for k in np.flatnonzero(rng.random(p) < .6):
        near, up = size[k]*rng.uniform(.01, 1), rng.random() < .5
        if kind == "one-sided":
            low[k], high[k] = (low[k], base[k] + near) if up else (0.0 if base[k] > 0 and rng.random() < .5 else base[k] - near, high[k])
        elif kind == "wide":
            wide = size[k]*10**rng.uniform(0, 4)
            low[k], high[k] = base[k] - wide*rng.uniform(.1, 1), base[k] + wide*rng.uniform(.1, 1)
        elif kind == "narrow":
            room = size[k]*10**rng.uniform(-9, -.5)
            low[k], high[k] = base[k] - room*rng.uniform(.1, 1), base[k] + room*rng.uniform(.1, 1)
        else:
            other = size[k]*rng.uniform(1, 10) if rng.random() < .5 else np.inf
            low[k], high[k] = (base[k] + near, base[k] + near + other) if up else (base[k] - near - other, base[k] - near)
    return low, high


def starts(rng, subject: Subject, truth: np.ndarray, *, kinds: np.ndarray, linear: np.ndarray, low: np.ndarray,
           high: np.ndarray) -> np.ndarray:
    """Return the rows' starts (rows, p), of their kinds, within the bounds."""
    rows, p = truth.shape
    noise, size, places = rng.normal(0, 1, (rows, p)), subject.size, subject.places
    moved = {kind: np.where(places, truth + size*factor*noise, truth*np.exp(factor*noise) + np.where(truth == 0, size*factor*noise, 0))
             for kind, factor in (("near", .1), ("middle", .5), ("far", 2.0))}
    cold = np.where(linear, np.array([0.0, 1e-6, 1.0])[rng.integers(3, size=(rows, 1))]*np.sign(truth + 1e-300), moved["near"])
    dead = np.where(places, truth + 300*size*np.sign(noise), truth*np.where(linear, 0.0 if rng.random() < .5 else 1.0, 1e-3))
    edge = np.where(rng.random((rows, p)) < .5, low, high)
    edge = np.where(np.isfinite(edge), edge, np.where(np.isfinite(low), low, np.where(np.isfinite(high), high, moved["near"])))
    made = {**moved, "cold": cold, "dead": dead, "default": np.broadcast_to(subject.defaults, (rows, p)), "bound": edge}
    found = np.empty((rows, p))
    for kind, array in made.items():
        found[kinds == kind] = array[kinds == kind]
    return np.clip(found, low, high)


def factors(rng, y: np.ndarray) -> tuple[np.ndarray | None, bool]:
    """Return what multiplies the residuals, and whether it goes as standard deviations."""
    kind = pick(rng, WEIGHTS)
    shape = y.shape if kind == "rows" or (kind == "yerr" and rng.random() < .5) else y.shape[1:]
    return (None, False) if kind == "none" else (np.exp(rng.normal(0, .5, shape)), kind == "yerr")


def draw(seed: int, number: int, most: int, entry: str) -> Block:
    """Block `number` of a seed and an entry: `most` rows, fewer where each fit takes long, so that many formulas have their turn."""
    rng = np.random.default_rng([seed, number, *map(ord, entry)])
    subject = draw_subject(rng)
    linear, stretch = linear_of(subject), stretch_of(subject)
    rows = min(most, max(most//10, WORK//(subject.x[0].size*len(subject.base)**2)))
    kinds, begins, bounds = pick(rng, DATA, rows), pick(rng, STARTS, rows), str(pick(rng, BOUNDS))
    truth = truths(rng, subject, rows)
    low, high = limits(rng, subject, bounds)
    y = curves(rng, subject, truth, kinds)
    start = starts(rng, subject, truth, kinds=begins, linear=linear, low=low, high=high)
    weights, inverted = factors(rng, y)
    scale, units = 1.0, np.ones(len(subject.base))
    if linear.any() and rng.random() < .35:
        scale = 10**rng.uniform(-200, 200) if rng.random() < .4 else 10**rng.uniform(-20, 20)
        units = np.where(linear, scale, units)
        if weights is not None and rng.random() < .7:
            weights = weights/scale
    x = subject.x
    if stretch is not None and rng.random() < .3:
        factor = 10**rng.uniform(-12, 12)
        x, units = tuple(array*factor for array in x), units*factor**stretch
    return Block(subject.text, subject.label, x, y*scale, weights, inverted, start*units, low*units, high*units, kinds, begins, bounds,
                 scale)
