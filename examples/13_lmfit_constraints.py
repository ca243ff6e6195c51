"""The constraints of the lmfit 0.5 manual's chapter 5 in fits: fractions that add to one, tied peaks, an `if`, a function of one's own.

Standard errors propagate into every expression, with the correlations of what it is made of.
"""
import numpy as np

from gslfit import Minimizer, Parameters, minimize


def show(params):
    """Print values, errors and where they came from."""
    for name, par in params.items():
        print(f"  {name:12s} {par.value:9.5f} +/- {par.stderr:.5f}   {par.expr or ('' if par.vary else 'fixed')}")


print("5.1: two fractions")
noise = np.random.default_rng(5)
x = np.linspace(0, 10, 101)
curve1, curve2 = np.exp(-x), np.exp(-x/4)
data = 0.3*curve1 + 0.7*curve2 + 0.01*noise.normal(size=x.size)
pars = Parameters()
pars.add("frac_curve1", value=0.5, min=0, max=1)
pars.add("frac_curve2", expr="1-frac_curve1")
minimize(lambda p: p["frac_curve1"]*curve1 + p["frac_curve2"]*curve2 - data, pars)
show(pars)

print("5.2: the second peak is made of the first, by expressions of which one names a parameter added later")


def peaks(p):
    """Two Gaussian peaks."""
    return sum(p[f"amp_{i}"]*np.exp(-((x - p[f"cen_{i}"])/p[f"wid_{i}"])**2) for i in (1, 2))


x = np.linspace(0, 6, 200)
pars = Parameters()
pars.add("amp_1", value=0.5, min=0, max=1)
pars.add("cen_1", value=2.2)
pars.add("wid_1", value=0.2)
pars.add("amp_2", expr="(2.0 - amp_1**2)")
pars.add("cen_2", expr="cen_1 * wid_2 / max(wid_1, 0.001)")
pars.add("wid_2", expr="sqrt(pi)*wid_1")
truth = pars.copy()
truth.set(amp_1=0.7, cen_1=2.3, wid_1=0.25)
data = peaks(truth) + 0.01*noise.normal(size=x.size)
minimize(lambda p: peaks(p) - data, pars)
show(pars)

print("5.2: a one-line if")
pars = Parameters()
pars.add("param_a", value=1.0)
pars.add("param_b", value=2.0)
pars.add("test_val", value=150.0)
pars.add("bounded", expr="param_a if test_val/2. > 100 else param_b")
print("  bounded =", pars["bounded"].value, "while test_val is", pars["test_val"].value)
pars["test_val"].value = 300
print("  bounded =", pars["bounded"].value, "once test_val is", pars["test_val"].value)

print("5.3: a function of one's own")


def lorentzian(x, amp, cen, wid):
    """Lorentzian function: wid = half-width at half-max."""
    return amp / (1 + ((x-cen)/wid)**2)


x = np.linspace(-4, 6, 101)
data = lorentzian(x, 2.5, 1.2, 0.8) + 0.02*noise.normal(size=x.size)
pars = Parameters()
pars.add_many(("amp", 3.0), ("cen", 1.0), ("wid", 0.5, True, 0))
pars.add("at_origin", expr="lorentzian(0, amp, cen, wid)")
fitter = Minimizer(lambda p: lorentzian(x, p["amp"].value, p["cen"].value, p["wid"].value) - data, pars)
fitter.asteval.symtable["lorentzian"] = lorentzian
fitter.leastsq()
show(pars)
