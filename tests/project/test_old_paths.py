"""Modules are found by the paths that they had before, are the same modules by either, and hide no public name."""
import pickle
import pkgutil
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

import gslfit
from gslfit._old_paths import MOVED

ROOT = Path(__file__).parents[2]

# what pickles and files of gslfit 0.1.0 name: modules, and names in them
PICKLED = {
    "batchresult": ["BatchResult", "Columns", "Data", "FitStatus"],
    "compat.lmfit.interpreted": ["ExpressionModel", "_again"],
    "compat.lmfit.minimizer": ["Minimizer"],
    "compat.lmfit.model": ["CompositeModel", "Manners", "Model", "ModelResult", "_again"],
    "compat.lmfit.models": ["DimensionalError", "GaussianModel", "SplineModel"],
    "compat.lmfit.parameter": ["Parameters", "_restore"],
    "compat.lmfit.result": ["Candidate", "MinimizerResult"],
    "compat.lmfit.single": ["Parameter"],
    "confidence": ["ConfidenceIntervals"],
    "errors": ["InputError"],
    "formula": ["Formula"],
    "models": ["GaussianModel"],
    "models.composite": ["CompositeModel"],
    "models.definition": ["Called", "Definition"],
    "models.library": ["_rebuilt"],
    "models.model": ["Model"],
    "models.result": ["ModelResult"],
    "models.special": ["ComplexConstantModel", "ExpressionModel", "SplineModel", "_expression", "_spline", "complex_constant"],
    "multifit.fits": ["FitResult"],
    "outcome": ["Ending", "Outcome"],
    "parameter": ["Parameter", "_blank"],
    "parameters": ["Parameters", "_restore"],
    "result": ["FitResult"],
}

RENAMED = {"Data": "BatchInputs", "Manners": "LmfitConventions", "Outcome": "Termination"}     # kept under these names too


@pytest.mark.parametrize("old", sorted(MOVED))
def test_one_module_by_either_path(old):
    """The module of an old path is that of the new one, known by its new name."""
    module = import_module(f"gslfit.{old}")
    assert module is import_module(f"gslfit.{MOVED[old]}")
    assert module.__name__ == module.__spec__.name == f"gslfit.{MOVED[old]}"


@pytest.mark.parametrize("old", sorted(MOVED))
def test_nothing_is_left_at_an_old_path(old):
    """No module forwards to another from an old place."""
    place = ROOT / "gslfit" / Path(*old.split("."))
    assert not place.with_suffix(".py").exists()
    assert not place.is_dir()


@pytest.mark.parametrize("path", sorted(PICKLED))
def test_what_pickles_name(path):
    """Every name that a pickle of 0.1.0 has is found where it says, and is what it was."""
    for name in PICKLED[path]:
        found = pickle.loads(f"cgslfit.{path}\n{name}\n.".encode())
        assert found.__name__ == RENAMED.get(name, name)


@pytest.mark.parametrize("first", ["gslfit.batch", "gslfit.expression.graph", "gslfit._program", "gslfit.models.special"])
def test_an_old_path_may_come_first(first):
    """An old path works in a fresh Python, before anything of the package was used."""
    code = f"import {first} as module, sys; print(module.__name__, '{first}' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT / "tests")
    assert done.stdout.split() == [f"gslfit.{MOVED[first.removeprefix('gslfit.')]}", "True"], done.stderr


def test_unknown_paths_are_unknown():
    """A path that never was is a ModuleNotFoundError that names it."""
    with pytest.raises(ModuleNotFoundError, match=r"gslfit\.nothing"):
        import_module("gslfit.nothing")
    with pytest.raises(ModuleNotFoundError, match=r"gslfit\.expression\.nothing"):
        import_module("gslfit.expression.nothing")


def test_modules_hide_no_public_name():
    """After every module was imported, by its new path and its old one, each public name of the package is what it was."""
    code = """
import importlib, pkgutil, gslfit
from gslfit._old_paths import MOVED
before = {name: getattr(gslfit, name) for name in gslfit._HOME}
for found in pkgutil.walk_packages(gslfit.__path__, "gslfit."):
    importlib.import_module(found.name)
for old in MOVED:
    importlib.import_module(f"gslfit.{old}")
print([name for name in before if getattr(gslfit, name) is not before[name]])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT / "tests")
    assert done.stdout.strip() == "[]", done.stdout + done.stderr


def test_no_folder_has_the_name_of_a_function():
    """A folder called like a function of the package would take its place once a module of it is imported."""
    functions = {name for name in gslfit._HOME if callable(getattr(gslfit, name))}
    assert not functions & {module.name for module in pkgutil.iter_modules(gslfit.__path__)}
