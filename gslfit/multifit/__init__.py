"""The GSL vocabulary, for people who port a C or Ruby program: the names of `gsl_multifit` and Ruby/GSL's `GSL::MultiFit`.

The numbers are GSL's own, step by step: `FdfSolver` drives `gsl_multifit_fdfsolver`, `NonlinearSolver` `gsl_multifit_nlinear`, and
`LargeSolver` `gsl_multilarge_nlinear`. Source of the method: Moré, The Levenberg-Marquardt
algorithm, Lecture Notes in Mathematics 630 (1978).

Examples
--------
>>> import numpy as np
>>> from gslfit.multifit import CONTINUE, LMSDER, FdfSolver, Function_fdf
>>> t = np.arange(40.0)
>>> y = 1 + 5 * np.exp(-0.1 * t)
>>> def f(x, t, y, sigma, f):
...     f[:] = (x[0] * np.exp(-x[1] * t) + x[2] - y) / sigma
>>> def df(x, t, y, sigma, jac):
...     e = np.exp(-x[1] * t)
...     jac[:] = np.column_stack([e, -t * x[0] * e, np.ones_like(t)]) / sigma[:, None]
>>> function = Function_fdf.alloc(f, df, 3)
>>> function.set_data(t, y, np.full(40, 0.1))
>>> solver = FdfSolver.alloc(LMSDER, 40, 3)
>>> solver.set(function, [1.0, 0.0, 0.0])
>>> status = CONTINUE
>>> while status == CONTINUE:
...     if solver.iterate():
...         break
...     status = solver.test_delta(1e-4, 1e-4)
>>> solver.position().round(6).tolist()
[5.0, 0.1, 1.0]
"""
from gslfit.errors import FitStatus
from gslfit.multifit.fits import FitResult, fit
from gslfit.multifit.types import TYPES
from gslfit.solvers._function import Function_fdf
from gslfit.solvers._multifit import FdfSolver as _FdfSolver
from gslfit.solvers._multifit import covar, gradient, test_delta, test_gradient
from gslfit.solvers._nlinear import LargeSolver, NonlinearSolver
from gslfit.solvers.termination import Outcome, Termination

__all__ = ["CONTINUE", "LMDER", "LMNIEL", "LMSDER", "SUCCESS", "TYPES", "Ending", "FdfSolver", "FitResult", "FitStatus", "Function_fdf",
           "LargeSolver", "NonlinearSolver", "Outcome", "Termination", "covar", "gradient", "test_delta", "test_gradient"]

Ending = FitStatus      # how an iteration ended, by the name that it had before
SUCCESS = 0
CONTINUE = -2
LMSDER, LMDER, LMNIEL = "lmsder", "lmder", "lmniel"


class FdfSolver(_FdfSolver):
    __doc__ = _FdfSolver.__doc__

    LMSDER, LMDER, LMNIEL = LMSDER, LMDER, LMNIEL

    fit = staticmethod(fit)
