"""
A decay, and what its errors mean
=================================

NIST's data set Chwirut2 is the response of an ultrasonic reference block as a function of the distance in metal. It decays as
``exp(-b1*x)/(b2 + b3*x)``.
"""
import matplotlib.pyplot as plt
import numpy as np

import gslfit
from gslfit import nist

data = nist.read("Chwirut2")
order = np.argsort(data.x)
x, y = data.x[order], data.y[order]
formula = "exp(-b1*x)/(b2 + b3*x)"

# %%
# NIST's data sets come with gslfit, as ``gslfit.nist``. A formula is a string. Of the two starts that NIST gives for each set we take the
# first, which is the farther one.

result = gslfit.fit(formula, y, x=x, start=dict(zip(data.names, data.starts[0], strict=True)))
print(result.fit_report())

# %%
# The scatter is larger where the response is larger: equal weights are wrong here.

figure, axes = plt.subplots(layout="constrained")
axes.plot(x, y - result.eval(x=x), "o", ms=4, color="0.4")
axes.axhline(0, color="0.2", lw=1)
axes.set(xlabel="distance", ylabel="residual")
plt.show()

# %%
# Suppose that the standard deviation is proportional to the root of the response. By default only the ratios of ``yerr`` matter, so that
# any factor will do; with ``scale_covar=False`` their size matters too.

yerr = np.sqrt(result.eval(x=x))
weighted = gslfit.fit(formula, y, x=x, start=result.values, yerr=yerr)
for name in data.names:
    one, other = result.params[name], weighted.params[name]
    print(f"{name}: {one.value:.5f} +/- {one.stderr:.5f}, weighted {other.value:.5f} +/- {other.stderr:.5f}")

# %%
# Divided by ``yerr``, the residuals scatter alike over the whole range: the supposition was a good one.

figure, axes = plt.subplots(layout="constrained")
axes.plot(x, (y - weighted.eval(x=x))/yerr, "o", ms=4, color="0.4")
axes.axhline(0, color="0.2", lw=1)
axes.set(xlabel="distance", ylabel="residual/yerr")
plt.show()

# %%
# A standard error takes chi-square for a parabola around its minimum. ``conf_interval`` follows chi-square itself, so that its limits may
# be asymmetric. The column of 0.00% is the best value, the others are the limits of so much probability on either side:

intervals = weighted.conf_interval(sigmas=[1, 2, 3])
print(gslfit.ci_report(intervals))
