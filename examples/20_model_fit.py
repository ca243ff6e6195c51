"""A model of the library, fitted to one curve: a peak on a line, with start values guessed from the data.

Prints the report, the confidence intervals and the widest part of the band around the fit.
"""
import numpy as np

from gslfit.models import GaussianModel, LinearModel


def main():
    """Fit, and print what came out."""
    rng = np.random.default_rng(7)
    x = np.linspace(0, 10, 121)
    y = 4*np.exp(-(x - 4.2)**2/2/.8**2) + .3*x + 1 + rng.normal(0, .15, x.size)

    model = GaussianModel(prefix="peak_") + LinearModel(prefix="line_")
    print(model.latex())
    result = model.fit(y, x=x, yerr=.15)                 # no start values: the model looks for them
    print(result.fit_report())
    print(result.ci_report(p_names=["peak_center", "peak_sigma"]))

    band = result.eval_uncertainty(sigma=2)
    print(f"the band of two standard deviations is at most {band.max():.3f} wide, at x = {x[np.argmax(band)]:.1f}")
    halves = result.eval_components()
    print(f"at its centre the peak is {halves['peak_'].max():.2f} high, the line {halves['line_'][50]:.2f}")

    result.fit(method="lmder", weights=np.ones(x.size))  # again, from where it ended, with other weights
    print(f"unweighted, chi-square is {result.chisqr:.3f}")
    return result


if __name__ == "__main__":
    main()
