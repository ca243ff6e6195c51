"""Write docs/generated/api.md and a page for each public name: `python docs/make_api.py`, done by `make docs`."""
import inspect
from pathlib import Path

import gslfit
import gslfit.compat.lmfit
import gslfit.models
import gslfit.multifit
import gslfit.solvers

FOLDER = Path(__file__).parent / "generated"
GROUPS = {
    "Fitting one curve": ("gslfit", ["fit", "curve_fit", "minimize", "Minimizer", "FitResult"]),
    "Fitting many curves": ("gslfit", ["fit_batch", "fit_groups", "BatchResult"]),
    "Fitting data sets that share parameters": ("gslfit", ["fit_shared", "SharedResult"]),
    "Formulas": ("gslfit", ["Formula"]),
    "Models": ("gslfit", ["Model", "CompositeModel", "ModelResult", "save_model", "load_model", "save_modelresult", "load_modelresult"]),
    "Parameters": ("gslfit", ["Parameter", "Parameters"]),
    "Confidence intervals": ("gslfit", ["conf_interval", "conf_interval2d", "confidence_contours", "ConfidenceIntervals", "BatchIntervals",
                                        "LimitStatus", "f_compare", "compare", "Comparison"]),
    "Resampling": ("gslfit", ["bootstrap", "BootstrapResult", "jackknife", "JackknifeResult", "influence", "Influence"]),
    "Reports": ("gslfit", ["fit_report", "report_fit", "ci_report", "report_ci", "report_errors"]),
    "Errors": ("gslfit", ["FitError", "FitWarning", "FitStatus"]),
    "GSL": ("gslfit", ["get_include"]),
}
MODULES = {"Pictures": "gslfit.report.plots",
           "GSL's solvers": "gslfit.solvers", "Ruby/GSL's fits": "gslfit.multifit", "Errors by kind": "gslfit.errors"}


def of_module(module):
    """Return the public functions and classes of a module."""
    names = getattr(module, "__all__", None) or [name for name in dir(module) if not name.startswith("_")]
    return [name for name in names if inspect.isclass(getattr(module, name)) or inspect.isroutine(getattr(module, name))]


def groups():
    """Return the names by group: title, module, names. A public name of gslfit that no group has comes under "Further names"."""
    found = [(title, module, names) for title, (module, names) in GROUPS.items()]
    known = {name for _, (module, names) in GROUPS.items() for name in names}
    rest = [name for name in gslfit.__all__ if name not in known and not name.startswith("__")]
    rest = [name for name in rest if inspect.isclass(getattr(gslfit, name)) or inspect.isroutine(getattr(gslfit, name))]
    if rest:
        found.append(("Further names", "gslfit", rest))
    found += [(title, name, of_module(__import__(name, fromlist=["_"]))) for title, name in MODULES.items()]
    found.append(("The library of models", "gslfit.models", [*gslfit.models.CLASSES, "sum_of_peaks"]))
    return found


def page():
    """Return the page as a text."""
    lines = ["# API reference", "", "Every public name, by what it is for.", ""]
    for title, module, names in groups():
        lines += [f"## {title}", "", "```{eval-rst}", f".. currentmodule:: {module}", "", ".. autosummary::", "   :toctree: api",
                  "   :nosignatures:", "", *(f"   {name}" for name in names), "```", ""]
    return "\n".join(lines)


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    (FOLDER / "api.md").write_text(page(), encoding="utf-8")
