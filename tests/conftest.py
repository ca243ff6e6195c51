"""Every test runs against the installed package."""
import faulthandler
import gc
import os
import sys
import time

import pytest

import gslfit

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")      # of workers that are started from here, each one core's work
gc.disable()  # nothing that is collected goes away before the tests have run


class Watch:
    """Has what every thread is doing written when a test hangs for 300 s, or up to 360 s.

    The alarm is set anew once a minute. pytest's own `faulthandler_timeout` does it for each test, and to stop an alarm is to wait for its
    thread: milliseconds where all cores are busy.
    """

    def __init__(self):
        """Take the error stream that there is before pytest captures it."""
        self.stream, self.anew = os.dup(sys.__stderr__.fileno()), 0.0

    def pytest_runtest_protocol(self):
        """Set the alarm, if it was set more than a minute ago."""
        if time.monotonic() > self.anew:
            faulthandler.dump_traceback_later(360, file=self.stream)
            self.anew = time.monotonic() + 60

    def pytest_exception_interact(self):
        """Set it before the next test: pytest takes off all alarms when a test fails."""
        self.anew = 0.0

    def pytest_unconfigure(self):
        """Take it off."""
        faulthandler.cancel_dump_traceback_later()
        os.close(self.stream)


def pytest_configure(config):
    """Watch the tests."""
    config.pluginmanager.register(Watch())


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
