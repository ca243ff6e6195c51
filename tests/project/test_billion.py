"""The page about 10^9 fits is what its script makes of its figures, and the schedule that it simulates has the limits it must have."""
import importlib.util
import json
import math
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SPEC = importlib.util.spec_from_file_location("billion", ROOT / "benchmarks" / "billion.py")
billion = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(billion)
FREE = {"overhead": 0.0, "start": 0.0, "bandwidth": math.inf, "own": math.inf, "arrival": 0.0, "spread": 0.0}


@pytest.mark.parametrize(("more", "wanted"), [
    ({}, 1000*2.0/50), ({"start": 7.0}, 1000*2.0/50 + 7), ({"overhead": 1.0}, 1000*1.0 + 2), ({"bandwidth": 10*320/1.0}, 1000*1.0 + 2),
    ({"own": 10*320/3.0}, 1000*(2.0 + 3)/50), ({"arrival": 1e9}, 1000*2.0)])
def test_limits_of_a_schedule(more, wanted):
    """Work shared among the cores; or what is done one after the other, and one task more; or a single core's work."""
    assert billion.simulate(10_000, 10, 50, 0.2, **{**FREE, **more}) == pytest.approx(wanted, rel=1e-9)


def test_a_schedule_is_no_shorter_than_any_of_its_parts():
    """Nor longer than all of them, one after the other."""
    given = {"overhead": .3, "start": 2.0, "bandwidth": 3e3, "own": 1e4, "arrival": 20.0, "spread": .1}
    found = billion.simulate(10_000, 10, 50, 0.2, **given)
    parts = [billion.simulate(10_000, 10, 50, 0.2, **{**FREE, name: value}) for name, value in given.items()]
    assert max(parts) <= found*1.1
    assert found <= sum(parts)


@pytest.mark.slow
def test_the_page_is_the_script_s():
    """Figures of the page are those of benchmarks/billion.json, worked out again."""
    figures = json.loads(billion.FIGURES.read_text(encoding="utf-8"))
    assert billion.page(figures) == billion.PAGE.read_text(encoding="utf-8")
    assert all(each["success"] > .999 for each in figures["chunks"].values())
