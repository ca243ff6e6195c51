"""The examples in docstrings run and print what they say."""
import doctest
import importlib
import pkgutil

import pytest

import gslfit

OPTIONS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


def modules():
    """Every module of the installed package, extensions included, and the reader of NIST's files."""
    found = pkgutil.walk_packages(gslfit.__path__, "gslfit.")
    return ["gslfit", *sorted(module.name for module in found if not module.name.endswith("__main__")), "nist"]


@pytest.mark.parametrize("name", modules())
def test_docstrings(name):
    """A module's docstring examples hold."""
    try:
        module = importlib.import_module(name)
    except ImportError as missing:
        if missing.name and missing.name.partition(".")[0] in ("gslfit", "numpy"):
            raise
        pytest.skip(f"needs {missing.name}")
    failed, _ = doctest.testmod(module, optionflags=OPTIONS, exclude_empty=True)     # one without examples costs too
    assert not failed
