"""A cube of spectra, (256, 256, 100): two overlapping Voigt peaks on a line in each pixel, fitted without start values.

Prints how long guesses and fits took and a summary; saves maps of every parameter and its error to output/cube_of_voigts.png. A smaller
cube for a quick look: python 21_cube_of_voigts.py 64
"""
import sys
import time
from pathlib import Path

import numpy as np

from gslfit.models import LinearModel, VoigtModel

OUTPUT = Path(__file__).parent / "output"
SHOWN = ("a_center", "a_amplitude", "a_sigma", "b_center", "b_amplitude", "b_sigma", "l_slope", "l_intercept")


def make_cube(side, seed=0):
    """Energies (100), and spectra (side, side, 100) whose peaks move, grow and widen over the map."""
    rng = np.random.default_rng(seed)
    energy = np.linspace(0, 100, 100)
    down, across = np.mgrid[0:side, 0:side] / side
    first = 40 + 6*np.sin(3*across)
    peaks = [(60 + 40*np.cos(4*down)**2, first, 2 + 1.5*across), (40 + 50*across, first + 9 + 6*down, 3 - down)]
    cube = .02*energy + 1 + rng.normal(0, .15, (side, side, energy.size))
    for amplitude, center, sigma in peaks:
        for row in range(side):          # a row at a time, to keep memory small
            values = {"amplitude": amplitude[row, :, None], "center": center[row, :, None], "sigma": sigma[row, :, None]}
            cube[row] += VoigtModel().eval(x=energy[None], gamma=values["sigma"], **values)
    return energy, cube


def picture(result, path):
    """Save maps of the parameters and, below each, of its error."""
    import matplotlib
    matplotlib.use("Agg")
    from matplotlib import pyplot as plt
    figure, axes = plt.subplots(4, 4, figsize=(13, 12), layout="constrained")
    for k, name in enumerate(SHOWN):
        row, column = 2*(k // 4), k % 4
        for ax, image, title in ((axes[row, column], result.values[name], name), (axes[row + 1, column], result.stderr[name], f"± {name}")):
            low, high = np.nanquantile(image, [.01, .99])
            figure.colorbar(ax.imshow(image, vmin=low, vmax=high), ax=ax, shrink=.8)
            ax.set_title(title, fontsize=9)
            ax.set_xticks([])
            ax.set_yticks([])
    path.parent.mkdir(exist_ok=True)
    figure.savefig(path, dpi=90)
    plt.close(figure)


def main(side=256):
    """Make, fit, print and draw."""
    energy, cube = make_cube(side)
    model = VoigtModel(prefix="a_") + VoigtModel(prefix="b_") + LinearModel(prefix="l_")
    begun = time.perf_counter()
    result = model.fit_batch(cube, x=energy)
    seconds = time.perf_counter() - begun
    print(f"{side}x{side} spectra of {energy.size} points, guessed and fitted in {seconds:.1f} s ({side*side/seconds:.0f} a second)")
    print(result.summary())
    picture(result, OUTPUT / "cube_of_voigts.png")
    return result


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 256)
