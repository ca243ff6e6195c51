"""Every test runs against the installed package."""
import gc

import pytest

import gslfit

gc.disable()  # nothing that is collected goes away before the tests have run


def pytest_collection_finish():
    """Leave what was collected out of each later look for garbage: it is most of what there is."""
    gc.freeze()
    gc.enable()


def pytest_report_header():
    """Say which gslfit is under test."""
    return f"gslfit {gslfit.__version__} from {gslfit.__path__[0]}"


def pytest_collection_modifyitems(items):
    """Refuse names of tests that differ from run to run: two workers would not find the same tests."""
    for item in items:
        if " at 0x" in item.nodeid:
            raise pytest.UsageError(f"{item.nodeid} has an address in its name: give its parameters other ids")
