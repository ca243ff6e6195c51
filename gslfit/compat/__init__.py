"""The names and conventions of other packages on gslfit's solvers, one package each: ``from gslfit.compat import lmfit``."""
