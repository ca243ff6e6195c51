"""Paths that no file system has: one error for every entry that reads or writes a file."""
import numpy as np
import pytest

import gslfit
from gslfit.errors import InputError, InputTypeError

X = np.linspace(0, 5, 30)
MODEL = gslfit.Model("a*exp(-x/tau)")


def result():
    """Return a fit."""
    return MODEL.fit(2*np.exp(-X/1.5), x=X, a=1, tau=1)


def batch():
    """Return a batch."""
    return gslfit.fit_batch("a*x", np.ones((1, 30)), x=X, a=1.0)


ENTRIES = {
    "save_model": lambda path: gslfit.save_model(MODEL, path),
    "load_model": gslfit.load_model,
    "save_modelresult": lambda path: gslfit.save_modelresult(result(), path),
    "load_modelresult": gslfit.load_modelresult,
    "BatchResult.save": lambda path: batch().save(path),
    "BatchResult.load": gslfit.BatchResult.load,
}


@pytest.mark.parametrize("entry", ENTRIES)
@pytest.mark.parametrize("path", ["\0", "a\0b", "\ud800"], ids=ascii)
def test_a_path_that_no_file_can_have(entry, path):
    """A null character, or half of a pair of UTF-16."""
    with pytest.raises(InputError, match="no path can hold"):
        ENTRIES[entry](path)


@pytest.mark.parametrize("entry", ENTRIES)
@pytest.mark.parametrize("path", [3, None, [], b"model"], ids=ascii)
def test_what_is_no_path(entry, path):
    """The error says what was given."""
    with pytest.raises(InputTypeError, match="must be a path"):
        ENTRIES[entry](path)


@pytest.mark.parametrize("entry", [entry for entry in ENTRIES if "load" in entry])
def test_a_file_that_is_not_there(entry, tmp_path):
    """Python's own error: it names the file."""
    with pytest.raises(FileNotFoundError):
        ENTRIES[entry](tmp_path / "nothing")


@pytest.mark.parametrize("entry", [entry for entry in ENTRIES if "load_m" in entry])
def test_a_file_that_holds_no_text(entry, tmp_path):
    """Bytes that are no UTF-8 are an InputError that names the file."""
    (tmp_path / "file").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="file can't be read"):
        ENTRIES[entry](tmp_path / "file")
