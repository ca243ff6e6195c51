"""The manners of other packages on gslfit's engine, one package each: ``from gslfit.compat import lmfit``."""
