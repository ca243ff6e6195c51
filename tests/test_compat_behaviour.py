"""A broad sample of lmfit's public behaviour, run on both packages by the same lines; each difference is a row of the porting page."""
import lmfit
import lmfit_fits
import lmfit_parameters
import pytest
from lmfit_cases import CASES, outcome, unlike

from gslfit.compat import lmfit as ours

assert lmfit_parameters and lmfit_fits                        # they fill CASES


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_same(case):
    """A behaviour is the same, or differs as the porting page says."""
    here, there = outcome(case, ours), outcome(case, lmfit)
    difference = unlike(here, there, case.rtol, case.atol)
    if case.differs:
        assert difference, f"nothing differs any more: drop {case.differs!r} here and in the table"
    else:
        assert not difference, difference
