"""
A certified data set, with intervals
====================================

MGH09 is one of NIST's hardest sets: four parameters, eleven points, a start that is far off. The certified values are reached
from there, and profiles say how far the standard errors can be trusted.
"""
import matplotlib.pyplot as plt

import gslfit
from gslfit import nist

data = nist.read("MGH09")
result = gslfit.fit(nist.FORMULAS["MGH09"], data.y, x=data.x, start=dict(zip(data.names, data.starts[0], strict=True)))
print(result.message)
for name, certified, error in zip(data.names, data.certified, data.stderr, strict=True):
    parameter = result.params[name]
    print(f"{name}: {parameter.value:.9f} (certified {certified:.9f}) +/- {parameter.stderr:.9f} ({error:.9f})")

# %%
# Limits of 67.4, 95 and 99.7 per cent, by profiles of chi-square:

intervals = result.conf_interval()
print(gslfit.ci_report(intervals))
result.plot_ci()
plt.show()

# %%
# The region of two parameters is no ellipse: their standard errors alone say too little.

result.plot_ci2d("b2", "b3", nx=40, ny=40)
plt.show()
