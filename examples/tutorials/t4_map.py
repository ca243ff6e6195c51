"""
A map of spectra
================

A cube of spectra, one for each pixel: where is the line, how strong is it, and how sure can one be? The cube is simulated, 96 by
96 pixels of 120 channels, with a line that shifts and fades over the map, and counts that scatter as counts do.
"""
import matplotlib.pyplot as plt
import numpy as np

from gslfit.models import GaussianModel, LinearModel

rng = np.random.default_rng(1)
v, u = np.mgrid[-1:1:96j, -1:1:96j]
energy = np.linspace(0, 12, 120)
place = 6 + 0.6*u - 0.4*v**2
strength = 220*np.exp(-2*(u**2 + v**2))
line = np.exp(-(energy - place[..., None])**2/(2*0.5**2))/np.sqrt(2*np.pi*0.5**2)
cube = rng.poisson(strength[..., None]*line + 20 + 2*energy).astype(float)

# %%
# One pixel first:

model = GaussianModel() + LinearModel()
one = model.fit(cube[30, 40], x=energy)
one.plot()
plt.show()

# %%
# Then all of them, each with its own guess, errors and status. A pixel where the line has faded may fail: its status says so.

maps = model.fit_batch(cube, x=energy)
print(maps.summary())

# %%
# A map of a value is worth little without the map of its error. Where the line has faded, its place is not known, and the error says so.

maps.plot_maps(["amplitude", "center", "center_stderr"])
plt.show()

# %%
# How the values are distributed, and the worst of the fits:

maps.plot_hist(["amplitude", "center", "sigma"])
maps.plot_fits(worst=6)
plt.show()

# %%
# Pixels whose fit is no success, or whose amplitude is less than five of its errors, are better left blank:

sure = maps.success & (maps.values["amplitude"] > 5*maps.stderr["amplitude"])
figure, axes = plt.subplots(figsize=(4, 3), layout="constrained")
image = axes.imshow(np.where(sure, maps.values["center"], np.nan), vmin=5, vmax=7, cmap="cividis")
axes.set(title="centre, where it is known", xticks=[], yticks=[])
figure.colorbar(image, ax=axes)
plt.show()
off = (maps.values["center"] - place)/maps.stderr["center"]
print(f"distance from the truth in standard errors: {np.std(off[sure]):.2f} (standard deviation), where it should be 1")

# %%
# The errors are too small. Least squares with equal weights takes all channels to scatter alike, but these are counts: they scatter more
# under the line. Fitted as counts, by their likelihood, they have the errors of counts:

counted = model.fit_batch(cube, x=energy, loss="poisson")
sure = counted.success & (counted.values["amplitude"] > 5*counted.stderr["amplitude"])
off = (counted.values["center"] - place)/counted.stderr["center"]
print(counted.summary())
print(f"distance from the truth in standard errors: {np.std(off[sure]):.2f}")
