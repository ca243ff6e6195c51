"""The examples of lmfit's documentation, run on lmfit and here side by side: values to 1e-5, errors to 1e-3."""
import warnings

import lmfit
import numpy as np
import pytest
from lmfit_documentation import EXAMPLES

from gslfit.compat import lmfit as ours

VALUE, ERROR = 1e-5, 1e-3


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.__name__)
def test_example(example):
    """Values and errors are lmfit's; a value far below its error is held to the error."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        there = example(lmfit)
        here = example(ours)
    assert len(here) == len(there)
    for mine, theirs in zip(here, there, strict=True):
        if isinstance(theirs, dict):
            compare_arrays(mine, theirs)
        else:
            compare_fits(mine, theirs)


def compare_fits(mine, theirs):
    """Hold one fit to another."""
    assert mine.success and theirs.success
    assert list(mine.params) == list(theirs.params)
    assert (mine.ndata, mine.nvarys, mine.nfree) == (theirs.ndata, theirs.nvarys, theirs.nfree)
    np.testing.assert_allclose([mine.chisqr, mine.redchi], [theirs.chisqr, theirs.redchi], rtol=VALUE)
    for name, par in theirs.params.items():
        own, error = mine.params[name], par.stderr or 0.
        # in units of the error where the value is small beside it
        assert abs(own.value - par.value) <= VALUE*max(abs(par.value), error), (name, own.value, par.value, error)
        assert (own.stderr is None) == (par.stderr is None), name
        if par.stderr:
            assert own.stderr == pytest.approx(par.stderr, rel=ERROR), name


def compare_arrays(mine, theirs):
    """Hold arrays by name to others, those of errors to their own tolerance."""
    assert list(mine) == list(theirs)
    for name, want in theirs.items():
        want = np.asarray(want, float)
        rtol = ERROR if "error" in name else VALUE
        np.testing.assert_allclose(mine[name], want, rtol=rtol, atol=rtol*np.max(np.abs(want)), err_msg=name)


def test_chi_square_is_never_higher():
    """Where digits differ, the fit here is the better one."""
    for example in EXAMPLES[:4]:
        for mine, theirs in zip(example(ours), example(lmfit), strict=True):
            if not isinstance(theirs, dict):
                assert mine.chisqr <= theirs.chisqr*(1 + 1e-12)
