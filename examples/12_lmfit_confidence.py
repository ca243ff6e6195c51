"""The examples of the lmfit 0.5 manual's chapter on confidence intervals (4.2 and 4.3), with fixed noise, and the region as a figure.

The first problem doesn't need its intervals: they are the standard errors'. The second one, a sum of two exponentials, does: its
intervals are lopsided and wider than the standard errors say.
"""
from pathlib import Path

import numpy as np

import gslfit

noise = np.random.default_rng(1)
x = np.linspace(0.3, 10, 100)
y = 1/(0.1*x) + 2 + 0.1*noise.normal(size=x.size)
p = gslfit.Parameters()
p.add_many(("a", 0.1), ("b", 1))


def residual(p):
    """Model minus data."""
    a = p["a"].value
    b = p["b"].value
    return 1/(a*x) + b - y


mi = gslfit.minimize(residual, p)
print(mi.leastsq())
gslfit.report_errors(mi.params)
ci = gslfit.conf_interval(mi)
gslfit.report_ci(ci)
print(f"  found in {ci.nfev} evaluations of the residual\n")

y = 3*np.exp(-x/2.) - 5*np.exp(-x/10.) + 0.2*noise.normal(size=x.size)
p = gslfit.Parameters()
p.add_many(("a1", 5), ("a2", -5), ("t1", 2), ("t2", 5))


def two_exponentials(p):
    """Model minus data."""
    a1, a2, t1, t2 = [i.value for i in p.values()]
    return a1*np.exp(-x/t1) + a2*np.exp(-x/t2) - y


mi = gslfit.minimize(two_exponentials, p)
print(mi.leastsq())
gslfit.report_errors(mi.params, show_correl=False)
ci, trace = gslfit.conf_interval(mi, sigmas=[0.68, 0.95], trace=True, verbose=0)
gslfit.report_ci(ci)
print(f"  found in {ci.nfev} evaluations of the residual")

a1, t2, grid = gslfit.conf_interval2d(mi, "a1", "t2", 30, 30)
print(f"the region's grid has shape {grid.shape}; {np.mean(grid < 0.95):.1%} of it lies within 95 %")

try:
    import matplotlib
except ImportError:
    print("matplotlib is not installed: no figure")
else:
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4.5), layout="constrained")
    region = left.contourf(a1, t2, grid, np.linspace(0, 1, 11))
    left.set(xlabel="a1", ylabel="t2", title="confidence region")
    figure.colorbar(region, ax=left)
    # the trace shows the dependence between two parameters: each held in turn, the other refitted
    right.scatter(trace["a1"]["a1"], trace["a1"]["t2"], c=trace["a1"]["prob"], s=30, label="a1 held")
    right.scatter(trace["t2"]["a1"], trace["t2"]["t2"], c=trace["t2"]["prob"], s=30, marker="s", label="t2 held")
    right.set(xlabel="a1", ylabel="t2", title="traces of the profiles")
    right.legend()
    output = Path(__file__).parent / "output"
    output.mkdir(exist_ok=True)
    figure.savefig(output / "12_lmfit_confidence.png", dpi=100)
    print("figure: examples/output/12_lmfit_confidence.png")
