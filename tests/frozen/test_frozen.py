"""The comparison of two builds: the same build gives the same bits again, and whatever differs is told by name."""
import numpy as np
import pytest
from frozen import make, records


def test_same_bits(tmp_path):
    """One fit of forty, of every entry, written and fitted again: not a bit differs."""
    make.write(tmp_path, one_of=40)
    found, count = make.compare(tmp_path, one_of=40)
    assert count > 80
    assert not found, "\n".join(found)


@pytest.mark.slow
def test_same_bits_of_all(tmp_path):
    """All of them."""
    make.write(tmp_path)
    found, count = make.compare(tmp_path)
    assert count > 3500
    assert not found, "\n".join(found)


RECORD = {"values": np.array([1.0, 2.0]), "stderr": np.array([.1, np.nan]), "chisqr": np.array([3.0]), "ended": [1, 1, 0, 1], "nfev": 9,
          "counts": [40, 2], "arrays": "#abcd", "words": "#efgh"}


@pytest.mark.parametrize(("change", "said", "loose"), [
    ({"values": np.array([1.0, 2.0 + 4e-16])}, "values[1]: 2 -> 2.0000000000000004", ""),
    ({"values": np.array([1.0 + 1e-5, 2.0])}, "standard errors", "values[0]: 1 -> 1.00001"),
    ({"values": np.array([1.0, 2.0, 3.0])}, "shape (2,) -> (3,)", "shape (2,) -> (3,)"),
    ({"stderr": np.array([.1, .2])}, "stderr[1]: nan -> 0.2", "stderr[1]: nan -> 0.2"),
    ({"stderr": np.array([.1*(1 + 1e-15), np.nan])}, "other stderr mark", ""),
    ({"ended": [0, 1, 0, 1]}, "ended[0]: 1 -> 0", "ended[0]: 1 -> 0"), ({"nfev": 10}, "nfev: 9 -> 10", ""),
    ({"arrays": "#xxxx"}, "other arrays", ""),
    ({"error": "InputError"}, "error: nothing -> 'InputError'", "error: nothing -> 'InputError'")])
def test_differences(change, said, loose):
    """Each kind of difference is told; to rounding, what may differ between machines is not."""
    _, kept = records.parsed(records.line("a fit", RECORD))
    assert records.differences(kept, RECORD) == []
    assert said in "; ".join(records.differences(kept, {**RECORD, **change}))
    found = "; ".join(records.differences(kept, {**RECORD, **change}, exact=False))
    assert loose in found if loose else not found
