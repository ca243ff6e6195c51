"""`minimize` and `Minimizer`: named parameters and a residual function, from start values to a result with its uncertainties."""
from gslfit.minimizer.minimizer import Minimizer, minimize

__all__ = ["Minimizer", "minimize"]
