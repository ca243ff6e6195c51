"""
A peak on a background
======================

NIST's data set Eckerle4 is a measurement of the transmittance of an interference filter by its wavelength. The certified model is
a Gaussian alone. We fit it with the library's Gaussian, look at the residuals, and ask whether a background helps.
"""
import matplotlib.pyplot as plt
import nist
import numpy as np

from gslfit.models import ConstantModel, GaussianModel, LinearModel

data = nist.read("Eckerle4")
x, y = data.x, data.y

# %%
# No start values: the model guesses them from the data.

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
# A lower AIC is a better model. The band is the curve's own standard error, here ten of them.

axes = result.plot_fit(sigma=10, xlabel="wavelength", ylabel="transmittance", title="certified data, 10 standard errors")
plt.show()

# %%
# How well are the three parameters told apart?

result.plot_correlation()
plt.show()
