"""`Formula`: text or a traced function, by way of a graph and its derivatives, to a program that the C core runs."""
from gslfit.formula.formula import Formula

__all__ = ["Formula"]
