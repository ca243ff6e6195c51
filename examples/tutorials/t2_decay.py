"""
A decay, and what its errors mean
=================================

NIST's data set Chwirut2 is the response of an ultrasonic reference block by the distance in metal. It decays as ``exp(-b1*x)/(b2
+ b3*x)``.
"""
import matplotlib.pyplot as plt
import nist
import numpy as np

import gslfit

data = nist.read("Chwirut2")
order = np.argsort(data.x)
x, y = data.x[order], data.y[order]
formula = "exp(-b1*x)/(b2 + b3*x)"

# %%
# A formula is a text. Start values are NIST's first, far ones.

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
# Suppose that the standard deviation is a share of the response. Only the ratios of ``yerr`` count as long as errors are scaled,
# and they are unless
# ``scale_covar=False``.

weighted = gslfit.fit(formula, y, x=x, start=result.values, yerr=0.05*result.eval(x=x))
for name in data.names:
    one, other = result.params[name], weighted.params[name]
    print(f"{name}: {one.value:.5f} +/- {one.stderr:.5f} with equal weights, {other.value:.5f} +/- {other.stderr:.5f} with relative ones")

# %%
# Standard errors describe a parabola. The limits of a profile are what chi-square really does:

intervals = weighted.conf_interval()
print(gslfit.ci_report(intervals))
