"""Modules by the paths that they had before, for programs and pickles that name these: one table, looked into at import.

A module of an old path is the module of the new path itself, so that a class is one class by either. Where a folder has taken a module's
name, it offers that module's public names.
"""
from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:       # importlib.abc is as dear to import as the rest of a short script
    from importlib.abc import Loader
else:
    Loader = object

# old path below gslfit -> new one
MOVED = {
    "_batch": "curves._batch", "_descent": "minimizer._descent", "_function": "solvers._function", "_multifit": "solvers._multifit",
    "_nlinear": "solvers._nlinear", "_polish": "curves._polish", "_program": "formula._program", "_siman": "solvers._siman",
    "_uncertainty": "minimizer._uncertainty", "_values": "parameters._values", "batch": "curves.fit_batch",
    "batchresult": "curves.batch_result", "binding": "parameters.free_variables", "bounds": "parameters.bounds",
    "chain": "parameters.dependencies", "curvefit": "curves.curve_fit", "engines": "minimizer.global_methods", "expression": "formula",
    "expression.constraint": "constraints.compiler", "expression.derivative": "formula.derivative", "expression.dual": "constraints.dual",
    "expression.functions": "constraints.functions", "expression.grammar": "constraints.grammar", "expression.graph": "formula.graph",
    "expression.latex": "formula.latex", "expression.lower": "formula.lower", "expression.operations": "formula.operations",
    "expression.order": "constraints.topological", "expression.passes": "formula.passes",
    "expression.products": "formula.factor_products", "expression.residual": "formula.trace_residual",
    "expression.ridders": "constraints.ridders", "expression.symbol": "formula.tracer", "expression.text": "formula.parse",
    "expression.trace": "formula.trace", "expression.vocabulary": "formula.function_names", "fitting": "curves.fit",
    "folding": "formula.parametrize", "inside": "minimizer.start_interior", "jacobian": "minimizer.jacobian",
    "leastsq": "minimizer.least_squares", "markup": "report.html", "models.composite": "models.model",
    "models.decays": "models.guess.decays", "models.engine": "models.dispatch", "models.entry": "models.library.entry",
    "models.guessing": "models.guess.estimators", "models.images": "models.guess.images", "models.lab": "models.library.further_entries",
    "models.load": "models.files", "models.plotting": "report.plots", "models.projection": "models.guess.variable_projection",
    "models.pursuit": "models.guess.matching_pursuit", "models.quick": "curves.pipeline",
    "models.ramps": "models.guess.piecewise_linear", "models.shapes": "models.guess.shapes",
    "models.shapes_lab": "models.guess.shapes_further", "models.special": "models.library.special", "models.starts": "curves.multistart",
    "models.sums": "models.library.sum_of_peaks", "models.table": "models.library.lmfit_entries", "models.values": "models.arguments",
    "native": "formula.program_residual", "outcome": "solvers.termination", "parameter": "parameters.parameter",
    "paramfile": "parameters.serialization", "pointers": "solvers.pointers", "precision": "minimizer.precision",
    "profile": "confidence.profile", "profiler": "confidence.ftest", "region": "confidence.region", "residual": "minimizer.residual",
    "result": "minimizer.result", "slowbatch": "curves.python_fallback", "statistics": "minimizer.uncertainty",
    "symbols": "parameters.namespace", "valley": "confidence.constrained_refit",
}


class Forwarding(Loader):
    """Put the module of a new path in the place of one that is asked for by its old path.

    Parameters
    ----------
    path : str
        The new one.
    """

    def __init__(self, path: str):
        self.path = path

    def create_module(self, spec: ModuleSpec) -> None:
        """Leave it to Python to make an empty module, which `exec_module` replaces."""

    def exec_module(self, module: ModuleType) -> None:
        """Import the module of the new path, and let the old path lead to it."""
        sys.modules[module.__name__] = import_module(self.path)


class OldPaths:
    """Find modules by their old paths; asked before Python's own finders, which would load a second copy."""

    @staticmethod
    def find_spec(name: str, path: Sequence[str] | None = None, target: ModuleType | None = None) -> ModuleSpec | None:
        """Return how to load an old path's module, or None for any other."""
        if not name.startswith("gslfit."):
            return None
        moved = MOVED.get(name[len("gslfit."):])
        return None if moved is None else ModuleSpec(name, Forwarding(f"gslfit.{moved}"))


sys.meta_path.insert(0, OldPaths)
