"""
A peak on a background
======================

NIST's data set Eckerle4 is a measurement of the transmittance of an interference filter by its wavelength. The certified model is
a Gaussian alone. We fit it with the library's Gaussian, look at the residuals, and ask whether a background helps.
"""
import matplotlib.pyplot as plt
import numpy as np

from gslfit import nist
from gslfit.models import ConstantModel, GaussianModel, LinearModel

data = nist.read("Eckerle4")
x, y = data.x, data.y

# %%
# NIST's data sets come with gslfit, as ``gslfit.nist``. No start values: the model guesses them from the data.

peak = GaussianModel()
result = peak.fit(y, x=x)
print(result.fit_report())

# %%
# NIST's ``b1/b2`` is the height, ``b2`` the width and ``b3`` the centre. The library's amplitude is the area, ``sqrt(2 pi) b1``.

b1, b2, b3 = data.certified
print(f"centre {result.params['center'].value:.6f}, certified {b3:.6f}")
print(f"sigma  {result.params['sigma'].value:.6f}, certified {b2:.6f}")
print(f"b1     {result.params['amplitude'].value/np.sqrt(2*np.pi):.6f}, certified {b1:.6f}")

# %%
# Data, curve and residuals in one picture:

result.plot()
plt.show()

# %%
# Does a background lower chi-square by more than its parameters cost? Akaike's criterion says.

for name, background in (("none", None), ("constant", ConstantModel()), ("line", LinearModel())):
    model = peak if background is None else peak + background
    tried = model.fit(y, x=x)
    print(f"{name:8s} chi-square {tried.chisqr:.6f}, AIC {tried.aic:.1f}")

# %%
# The lower AIC is the better model, and a difference of less than two says little: a constant is no more than hinted at, a line isn't
# needed. We stay with the peak alone, as NIST did. The residuals aren't scatter, though: to both sides of the peak, near 440 and 463,
# the data lie above the curve. The filter's line is no exact Gaussian, and no background mends that.
#
# Data and curve, with the band that holds the curve with the probability of three standard deviations:

axes = result.plot_fit(sigma=3, xlabel="wavelength", ylabel="transmittance", title="certified data, band of 3 standard errors")
plt.show()

# %%
# How well are the three parameters told apart?

result.plot_correlation()
plt.show()
