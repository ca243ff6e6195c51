"""A plugin of pytest that has the C core begin with its base instruction set, as on a processor without AVX2."""
from gslfit.formula._program import instruction_set


def pytest_configure():
    """Choose the instruction set before the first test."""
    instruction_set("base")
