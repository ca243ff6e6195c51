"""What an earlier version stored, today's reads: pickles and files, with every number that is in them, and a fit from each."""
import json
import math
import pickle
from pathlib import Path

import numpy as np
import pytest
from stored import make

FOLDERS = sorted(path for path in (Path(__file__).parents[1]/"data"/"stored").iterdir() if path.is_dir())
RECOMPUTED, FITTED = 1e-9, 1e-6         # relative differences of what is evaluated again, and of what is fitted again


def expected(folder):
    """Return what the things in a folder are to be."""
    return json.loads((folder/"expected.json").read_text())["things"]


def determined(values):
    """Return what a fit determines of its values: of a line times a factor the products, which of many it ends at is chance."""
    if not {"l_slope", "l_intercept", "t_s"} <= set(values):
        return values
    products = {name: values[name]*values["t_s"] for name in ("l_slope", "l_intercept")}
    return {name: value for name, value in values.items() if name != "t_s"} | products


def check(found, wanted, rtol, at=""):
    """Assert that plain things are the same: texts and whole numbers as they are, other numbers within a relative difference."""
    if isinstance(wanted, dict):
        assert set(wanted) <= set(found), f"{at} lacks {sorted(set(wanted) - set(found))}"
        for key, value in wanted.items():
            if key == "repr" and wanted.get("class") == "FitResult":       # a list of its fields, of which each is compared by itself
                continue
            if key == "repr" and at.startswith("compat-"):                 # lmfit's, since models of compat show themselves by it
                continue
            own = 0 if key in ("params", "data", "residual", "covar") else FITTED if key == "fit" else rtol
            if key == "values" and at.endswith(".fit"):
                check(determined(found[key]), determined(value), own, f"{at}.{key}")
            else:
                check(found[key], value, own, f"{at}.{key}")
    elif isinstance(wanted, list):
        assert len(found) == len(wanted), f"{at} has {len(found)} items"
        numbers = all(isinstance(value, float) for value in wanted)
        scale = max(map(abs, wanted), default=0) if numbers else 0
        for k, (one, other) in enumerate(zip(found, wanted, strict=True)):
            if not (numbers and isinstance(one, float) and abs(one - other) <= rtol*scale):
                check(one, other, rtol, f"{at}[{k}]")
    elif isinstance(wanted, float) and isinstance(found, (int, float)) and not isinstance(found, bool):
        same = found == wanted or (math.isnan(found) and math.isnan(wanted)) or abs(found - wanted) <= rtol*abs(wanted)
        assert same, f"{at} is {found!r}, and was {wanted!r}"
    else:
        assert found == wanted, f"{at} is {found!r}, and was {wanted!r}"


PICKLES = [(folder, path.name) for folder in FOLDERS for path in sorted(folder.glob("*.pickle"))]


@pytest.mark.parametrize(("folder", "name"), PICKLES, ids=[f"{folder.name}-{name}" for folder, name in PICKLES])
def test_pickles(folder, name):
    """A pickle is read, and what it holds has the numbers it had."""
    if int(np.__version__.split(".")[0]) < 2:
        pytest.skip("these pickles are of NumPy 2, whose arrays NumPy 1 does not read")
    thing = pickle.loads((folder/name).read_bytes())
    wanted = expected(folder)[name]
    check(make.describe(name.removesuffix(".pickle"), thing), wanted, RECOMPUTED, name)


@pytest.mark.parametrize("folder", FOLDERS, ids=[folder.name for folder in FOLDERS])
def test_files(folder):
    """JSON and npz files are read, each of them, and what they hold has the numbers it had."""
    wanted = expected(folder)
    found = {name: make.describe(name, thing) for name, thing in make.read_files(folder)}
    assert set(found) | {name for _, name in PICKLES} == set(wanted)
    for name, each in found.items():
        check(each, wanted[name], RECOMPUTED, name)


def test_nothing_is_forgotten(tmp_path):
    """Today's version stores all of it too, and a folder of its own reads like that of the version whose number it has."""
    make.write_files(tmp_path)
    for name, call in make.PICKLES.items():
        (tmp_path/f"{name}.pickle").write_bytes(pickle.dumps(call()))
    assert {path.name for path in tmp_path.iterdir()} == {path.name for path in FOLDERS[-1].iterdir()} - {"expected.json"}
    for name, thing in make.read_files(tmp_path):
        make.describe(name, thing)
    for path in tmp_path.glob("*.pickle"):
        make.describe(path.stem, pickle.loads(path.read_bytes()))
