"""NIST's data sets by the name that the examples know them by; they are in the package, as `gslfit.nist`."""
from gslfit.nist import FOLDER, FORMULAS, DataSet, datasets, digits, model, parse, read, residual

__all__ = ["FOLDER", "FORMULAS", "DataSet", "datasets", "digits", "model", "parse", "read", "residual"]
