"""Write docs/generated/gallery.md, a picture and a formula of each model: `python docs/make_gallery.py`, done by `make docs`."""
import sys
from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")
import matplotlib.pyplot as plt
import numpy as np

from gslfit.models import CLASSES, ExpressionModel, SplineModel

HERE = Path(__file__).parent
FOLDER = HERE / "generated"
sys.path[:0] = [str(HERE.parent / "tests" / "support")]

from guess_accuracy import CASES, FURTHER  # noqa: E402

COLOURS = ("#0072B2", "#D55E00", "#009E73")
KINDS = {"peak": "Peaks", "decay": "Decays and responses", "step": "Steps", "oscillation": "Oscillations",
         "growth": "Growth and dose-response", "line": "Lines", "distribution": "Distributions", "image": "Images"}
SIDE = np.linspace(-3, 3, 61)
VALUES = {          # of models whose parameters the table of guesses does not draw: points, and values of up to three curves
    "ConstantModel": ((0, 10), {"c": (1, 2, 3)}), "LinearModel": ((0, 10), {"slope": (1, -.5, .2), "intercept": (0, 8, 3)}),
    "QuadraticModel": ((-3, 3), {"a": (1, -.5, .3), "b": (0, 1, -1), "c": (0, 5, 2)}),
    "PolynomialModel": ((-1.2, 1.2), {"c0": (0, 1, 0), "c1": (-1, 0, .5), "c2": (0, -2, 1), "c3": (2, 0, -1), "c4": (0, 1, 0),
                                      **dict.fromkeys(("c5", "c6", "c7"), 0)}),
    "ThermalDistributionModel": ((.2, 4), {"amplitude": 1, "center": 0, "kt": (.3, .6, 1)}),
    "BoseModel": ((.3, 4), {"amplitude": 1, "center": 0, "kt": (.3, .6, 1)}),
    "ArrheniusModel": ((250, 400), {"A": 1e6, "Ea": (4e4, 4.2e4, 4.4e4)}),
    "GaussianBeamModel": ((-5, 5), {"w0": (1, 2, 3), "z0": 0, "zr": (1, 2, 3)}),
    "Gaussian2dModel": (None, {"amplitude": 1, "centerx": .5, "centery": 0, "sigmax": 1.2, "sigmay": .7}),
    "EllipticalGaussian2dModel": (None, {"amplitude": 1, "x0": .5, "y0": 0, "sigma_x": 1.4, "sigma_y": .6, "theta": .6}),
    "Airy2dModel": (None, {"amplitude": 1, "x0": 0, "y0": 0, "radius": 1.5}),
}


def curves(name):
    """Return points and up to three curves of a model, of the middle and both ends of what its parameters may be."""
    if name == "SplineModel":
        model = SplineModel(xknots=np.linspace(0, 10, 6))
        return np.linspace(0, 10, 201), [model.eval(x=np.linspace(0, 10, 201), s0=1, s1=3, s2=2, s3=5, s4=4, s5=6)]
    if name == "ExpressionModel":
        x = np.linspace(0, 10, 201)
        return x, [ExpressionModel("a*exp(-x/b)*cos(x)").eval(x=x, a=1, b=b) for b in (2, 4, 8)]
    case = next((case for case in [*CASES, *FURTHER] if case.cls == name and not case.parts), None)
    if case is None:
        between, values = VALUES[name]
        between = np.linspace(*between, 401)
        many = [{key: value[k] if isinstance(value, tuple) else value for key, value in values.items()} for k in range(3)]
    else:
        between, many = np.linspace(*case.x, 401), []
        for share in (.5, .15, .85):
            many.append({key: low + share*(high - low) if even else low*(high/low)**share
                         for key, (low, high, *even) in case.ranges.items()})
    model = CLASSES[name]()
    own = {key: value for key, value in model.entry.defaults.items() if isinstance(value, str)}
    many = [given | {key: given[other] for key, other in own.items() if key not in given} for given in many]
    return between, [model.eval(x=between, **given) for given in many]


def draw(name):
    """Save a picture of a model and return whether there is one."""
    model = CLASSES[name]
    figure, axes = plt.subplots(figsize=(3.2, 2), layout="constrained")
    if name in VALUES and VALUES[name][0] is None:
        entry = model.entry
        u, v = np.meshgrid(SIDE, SIDE)
        known = {key: value for key, value in VALUES[name][1].items() if key in entry.defaults}
        points = dict(zip(entry.independent, (u, v), strict=True))
        axes.imshow(model().eval(**points, **numbers(entry.defaults) | known), cmap="cividis", origin="lower", extent=(-3, 3, -3, 3))
    else:
        x, found = curves(name)
        for values, colour in zip(found, COLOURS, strict=False):
            axes.plot(x, np.real(values), color=colour, lw=1.6)
        axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=7)
    figure.savefig(FOLDER / "models" / f"{name}.png", dpi=110)
    plt.close(figure)


def numbers(defaults):
    """Return the defaults that are numbers."""
    return {name: float(value) for name, value in defaults.items() if isinstance(value, (int, float))}


def formula(name):
    """Return a model's formula as a text; "" where it is called or long."""
    entry = getattr(CLASSES[name], "entry", None)
    return "" if entry is None or entry.slow or len(entry.text()) > 160 else entry.text().strip()


def card(name):
    """Return the lines of a model's card."""
    entry = getattr(CLASSES[name], "entry", None)
    about = entry.about if entry is not None else (CLASSES[name].__doc__ or "").strip().splitlines()[0]
    lines = [f"::::{{grid-item-card}} {name}", ":link: api/gslfit.models." + name, ":link-type: doc", ""]
    if name != "ComplexConstantModel":
        draw(name)
        lines += [f"```{{image}} models/{name}.png", f":alt: {name}", "```", ""]
    lines += [about, ""]
    if text := formula(name):
        lines += [f"`{line}`" for line in text.splitlines()] + [""]
    return [*lines, "::::", ""]


def page():
    """Return the page as a text; the pictures are saved beside it."""
    (FOLDER / "models").mkdir(parents=True, exist_ok=True)
    lines = ["# Gallery of models", "",
             "Every model of the library with curves of it. [The library](../models.md) has their parameters, start values and bounds,",
             "[the accuracy of guesses](../guesses.md) how well they are guessed.", ""]
    left = dict(CLASSES)
    for kind, title in KINDS.items():
        names = [name for name, cls in left.items() if getattr(getattr(cls, "entry", None), "kind", "line") == kind]
        lines += [f"## {title}", "", ":::::{grid} 1 2 2 3", ":gutter: 3", ""]
        for name in names:
            lines += card(name)
            del left[name]
        lines += [":::::", ""]
    assert not left, f"kinds without a title: {sorted(left)}"
    return "\n".join(lines)


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    (FOLDER / "gallery.md").write_text(page(), encoding="utf-8")
