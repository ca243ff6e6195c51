"""Draw the pictures of how-to pages (outliers, counts, correlated errors, priors, starts, bootstraps, shared parameters, responses)."""
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


def finish(ax, name, x="x", y="y"):
    """Label axes and write the file."""
    ax.set_xlabel(x)
    ax.set_ylabel(y)
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

    page = run("counts.md")
    _, axes = plt.subplots(1, 2, sharey=True)
    for ax, name, true in zip(axes, "Ab", (15, 2), strict=True):
        either = [page[which].values[name] for which in ("naive", "result")]
        edges = np.histogram_bin_edges(np.concatenate(either), 50)
        for values, color, label in zip(either, (ORANGE, BLUE), ("least squares", 'loss="poisson"'), strict=True):
            ax.hist(values, edges, color=color, alpha=.5, label=label)
        ax.axvline(true, color="k", ls="--", lw=1, label="the truth")
        ax.set_xlabel(name)
    axes[0].set_ylabel("fits")
    axes[0].legend(frameon=False, loc="upper left")
    ax.figure.savefig(HERE/"_static"/"counts.svg", metadata={"Date": None})

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

    page = run("starts.md")
    t, wave, minima = page["t"], page["wave"], page["result"].minima
    f = np.linspace(.1, 3, 1500)
    waves = np.stack([np.sin(2*np.pi*f[:, None]*t), np.cos(2*np.pi*f[:, None]*t)], axis=-1)
    rest = [wave - each @ np.linalg.lstsq(each, wave, rcond=None)[0] for each in waves]
    _, ax = plt.subplots()
    ax.plot(f, [each @ each for each in rest], color=GREY, lw=1, label="least chi-square at each f")
    ax.plot([each.values["f"] for each in minima[1:]], [each.chisqr for each in minima[1:]], "o", ms=4, color=ORANGE, label="minima found")
    ax.plot(minima[0].values["f"], minima[0].chisqr, "o", color=BLUE, label="the lowest, the result")
    ax.set_xlim(0, 3.1)
    finish(ax, "starts", "f", "chi-square")

    _, axes = plt.subplots(1, 2, figsize=(6, 2.5), sharey=True)
    for ax, batch, title in ((axes[0], page["plain"], "each from its own start"), (axes[1], page["maps"], 'starts="neighbours"')):
        image = ax.imshow(batch.values["f"], vmin=.6, vmax=1.6, cmap="cividis", aspect="auto")
        ax.set_title(title, fontsize=10)
    ax.figure.colorbar(image, ax=axes, label="f")
    ax.figure.savefig(HERE/"_static"/"starts-neighbours.svg", metadata={"Date": None})
    run("intervals.md")["fig"].savefig(HERE/"_static"/"intervals.svg", metadata={"Date": None})

    mpl.rcParams["axes.spines.top"] = mpl.rcParams["axes.spines.right"] = False
    page = run("bootstrap.md")
    for name, axes in (("bootstrap", page["boot"].plot(pairs=True)), ("influence", page["fit"].plot_influence())):
        axes.ravel()[0].figure.savefig(HERE/"_static"/f"{name}.svg", metadata={"Date": None})

    page = run("shared-parameters.md")
    _, axes = plt.subplots(1, 2, figsize=(9, 3.6))
    page["result"].plot_shared(names="a", axes=axes)
    axes[0].figure.savefig(HERE/"_static"/"shared-parameters.svg", metadata={"Date": None})

    page = run("response.md")
    fig, (above, below) = plt.subplots(2, 1, figsize=(6, 4.4), sharex=True, height_ratios=(3, 1), layout="constrained")
    t, counts, result = page["t"], page["counts"], page["result"]
    best = {name: par.value for name, par in result.params.items()}
    bare = best["a"]*np.exp(-t/best["short"]) + best["b"]*np.exp(-t/best["long"])
    above.semilogy(t, np.where(counts > 0, counts, np.nan), ".", color=GREY, ms=3, label="counts")
    above.plot(t, np.where(page["response"] > 0, 1000*page["response"], np.nan), color=ORANGE, lw=1, label="response, times 1000")
    above.plot(t, bare, "--", color=GREY, lw=1, label="the decay itself")
    above.plot(t, result.best_fit, color=BLUE, label="fit")
    above.set_ylim(1, 8000)
    above.set_ylabel("counts")
    above.legend(frameon=False)
    below.axhline(0, color=GREY, lw=0.8)
    below.plot(t, (counts - result.best_fit)/np.sqrt(np.maximum(result.best_fit, 1)), ".", color=BLUE, ms=3)
    below.set_xlabel("t (ns)")
    below.set_ylabel("residual")
    fig.savefig(HERE/"_static"/"response.svg", metadata={"Date": None})


if __name__ == "__main__":
    main()
