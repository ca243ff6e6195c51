"""Draw the pictures of how-to pages (outliers, correlated errors, priors, bootstraps) from the pages' own code, into `_static/`."""
import re
from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")
import matplotlib.pyplot as plt
import numpy as np

HERE = Path(__file__).parent
BLUE, ORANGE, GREY = "#0072B2", "#D55E00", "0.55"


def run(page: str) -> dict:
    """Run the Python blocks of a page, and return what they defined."""
    space: dict = {}
    for block in re.findall(r"```python\n(.*?)```", (HERE/"howto"/page).read_text(encoding="utf-8"), re.DOTALL):
        exec(block, space)
    return space


def band(ax, x, result, color, label):
    """Draw a fit's curve and the band of one standard error."""
    curve, width = result.eval(x=x), result.eval_uncertainty(x=x)
    ax.fill_between(x, curve - width, curve + width, color=color, alpha=.2, lw=0)
    ax.plot(x, curve, color=color, label=label)


def finish(ax, name):
    """Label axes and write the file."""
    ax.set_xlabel("x")
    ax.set_ylabel("y")
    ax.legend(frameon=False)
    ax.figure.savefig(HERE/"_static"/f"{name}.svg", metadata={"Date": None})


def main() -> None:
    """Draw them all."""
    import gslfit
    mpl.rcParams.update({"figure.figsize": (6, 3.4), "figure.constrained_layout.use": True, "axes.spines.top": False,
                         "axes.spines.right": False, "svg.hashsalt": "gslfit", "figure.facecolor": "white"})
    page = run("outliers.md")
    x, y = page["x"], page["y"]
    _, ax = plt.subplots()
    ax.plot(x, y, ".", color=GREY)
    band(ax, x, gslfit.fit("A*exp(-x/tau) + c", y, x=x, tau=1), ORANGE, "least squares")
    band(ax, x, page["robust"], BLUE, 'loss="huber"')
    finish(ax, "outliers")

    page = run("correlated-errors.md")
    x, y = page["x"], page["y"]
    _, ax = plt.subplots()
    ax.errorbar(x, y, np.sqrt(np.diag(page["ycov"])), fmt=".", color=GREY, elinewidth=.7)
    band(ax, x, page["wrong"], ORANGE, "as if independent")
    band(ax, x, page["right"], BLUE, "with ycov")
    ax.plot(x, 3*np.exp(-x/2) + 1, "k--", lw=1, label="the truth")
    finish(ax, "correlated-errors")

    page = run("priors.md")
    x, y, wide = page["x"], page["y"], np.linspace(0, 8, 200)
    _, ax = plt.subplots()
    ax.errorbar(x, y, .1, fmt=".", color=GREY, elinewidth=.7)
    band(ax, wide, page["alone"], ORANGE, "the data alone")
    band(ax, wide, page["known"], BLUE, "with what is known of tau")
    finish(ax, "priors")

    mpl.rcParams["axes.spines.top"] = mpl.rcParams["axes.spines.right"] = False
    page = run("bootstrap.md")
    for name, axes in (("bootstrap", page["boot"].plot(pairs=True)), ("influence", page["fit"].plot_influence())):
        axes.ravel()[0].figure.savefig(HERE/"_static"/f"{name}.svg", metadata={"Date": None})


if __name__ == "__main__":
    main()
