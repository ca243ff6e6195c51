"""
Enzyme kinetics, a dose and its response
========================================

The initial velocity of an enzyme by the concentration of its substrate, for enzyme treated with the antibiotic puromycin and for
untreated one (M. A. Treloar 1974; in D. M. Bates, D. G. Watts, Nonlinear Regression Analysis and Its Applications, 1988, appendix
A1.3). Concentrations in parts per million, velocities in counts a minute, squared.
"""
import matplotlib.pyplot as plt
import numpy as np

import gslfit
from gslfit.models import MichaelisMentenModel

dose = np.array([0.02, 0.02, 0.06, 0.06, 0.11, 0.11, 0.22, 0.22, 0.56, 0.56, 1.10, 1.10])
treated = np.array([76, 47, 97, 107, 123, 139, 159, 152, 191, 201, 207, 200.0])
untreated = np.array([67, 51, 84, 86, 98, 115, 131, 124, 144, 158, 160, np.nan])         # one value is missing

# %%
# Each by itself. The missing value is left out by ``nan_policy="omit"``.

model = MichaelisMentenModel(nan_policy="omit")
for name, velocity in (("treated", treated), ("untreated", untreated)):
    result = model.fit(velocity, x=dose)
    print(name, *(f"{key} = {par.value:.4g} +/- {par.stderr:.2g}" for key, par in result.params.items()))

# %%
# Does the antibiotic change both parameters? One fit of both curves, with ``km`` in common, against two fits:

both = np.concatenate([treated, untreated[:-1]])
doses = np.concatenate([dose, dose[:-1]])
is_treated = np.repeat([1.0, 0.0], [12, 11])


def residual(params, shared):
    """Return the residuals of both curves."""
    km = params["km"].value if shared else np.where(is_treated, params["km"].value, params["km2"].value)
    vmax = np.where(is_treated, params["vmax"].value, params["vmax2"].value)
    return vmax*doses/(km + doses) - both


fits = {}
for shared in (True, False):
    params = gslfit.Parameters()
    params.add_many(("vmax", 200), ("vmax2", 150), ("km", 0.05))
    if not shared:
        params.add("km2", 0.05)
    fits[shared] = gslfit.minimize(residual, params, args=(shared,))
    print("one km" if shared else "two km", f"chi-square {fits[shared].chisqr:.1f}", f"{fits[shared].nfree} degrees of freedom")

# %%
# An F test: the share by which chi-square rises for the parameter that is saved.

one, two = fits[True], fits[False]
ratio = (one.chisqr - two.chisqr)/(two.chisqr/two.nfree)
sure = gslfit.f_compare(two.ndata, two.nvarys, one.chisqr, two.chisqr)
print(f"F(1, {two.nfree}) = {ratio:.2f}; probability of the extra parameter {sure:.3f}")

# %%
# One ``km`` will do: the antibiotic changes the greatest velocity alone.

fine = np.geomspace(0.01, 1.5, 300)
figure, axes = plt.subplots(layout="constrained")
for velocity, name, key, colour in ((treated, "treated", "vmax", "#0072B2"), (untreated, "untreated", "vmax2", "#D55E00")):
    axes.plot(dose, velocity, "o", color=colour, ms=5, label=name)
    axes.plot(fine, one.params[key].value*fine/(one.params["km"].value + fine), color=colour)
axes.set(xscale="log", xlabel="concentration (ppm)", ylabel="velocity (counts/min$^2$)")
axes.legend()
plt.show()
