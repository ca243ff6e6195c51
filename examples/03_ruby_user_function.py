"""The Ruby/GSL manual's first example: a weighted exponential with background, by the caller's own function and Jacobian.

The program is the manual's, line by line, with the very noise of GSL's default generator; what the Ruby original prints stands beside.
"""
import numpy as np
from gsl_random import Rng

from gslfit.multifit import CONTINUE, FdfSolver, Function_fdf

ORIGINAL = {"A": (5.04536, 0.05395), "lambda": (0.10405, 0.00283), "b": (1.01925, 0.03385)}


def procf(x, t, y, sigma, f):
    """x: the parameters; t, y, sigma: the data; f: the function to minimize, filled here."""
    a, lambda_, b = x
    for i in range(len(t)):
        yi = a * np.exp(-lambda_ * t[i]) + b
        f[i] = (yi - y[i]) / sigma[i]


def procdf(x, t, y, sigma, jac):
    """jac: the Jacobian, filled here."""
    a, lambda_, _ = x
    for i in range(len(t)):
        ti = t[i]
        si = sigma[i]
        ei = np.exp(-lambda_ * ti)
        jac[i, 0] = ei / si
        jac[i, 1] = -ti * a * ei / si
        jac[i, 2] = 1.0 / si


n, p = 40, 3
f = Function_fdf.alloc(procf, procdf, p)

# Create data
r = Rng()
t = np.arange(n, dtype=float)
y = np.array([1.0 + 5 * np.exp(-0.1 * ti) + r.gaussian(0.1) for ti in t])
sigma = np.full(n, 0.1)

f.set_data(t, y, sigma)
x = [1.0, 0.0, 0.0]  # initial guess

solver = FdfSolver.alloc(FdfSolver.LMSDER, n, p)
solver.set(f, x)

iteration = 0
status = CONTINUE
while status == CONTINUE and iteration < 500:
    iteration += 1
    solver.iterate()
    status = solver.test_delta(1e-4, 1e-4)

covar = solver.covar(0.0)
position = solver.position()
chi2 = (solver.f**2).sum()
dof = n - p
print(f"{iteration} iterations of {solver.name}")
print(f"{'':8s} {'gslfit':>22s}   {'the Ruby original':>22s}")
for i, (name, (value, error)) in enumerate(ORIGINAL.items()):
    found, err = position[i], np.sqrt(chi2 / dof * covar[i, i])
    print(f"{name:6s} = {found:9.5f} +/- {err:8.5f}   {value:9.5f} +/- {error:8.5f}")
    assert (round(found, 5), round(err, 5)) == (value, error)
