"""`Parameters` and `Parameter`: named values with bounds, expressions and what a fit found."""
from gslfit.parameters.collection import Parameters, _restore  # noqa: F401  (pickles name it here)
from gslfit.parameters.parameter import Parameter

__all__ = ["Parameter", "Parameters"]
