"""`Model`, and the library of models: one class for each entry of its tables.

    >>> import numpy as np
    >>> from gslfit.models import GaussianModel
    >>> import numpy as np
    >>> x = np.linspace(-3, 3, 40)
    >>> result = GaussianModel().fit(np.exp(-x**2/2), x=x)
    >>> round(result.best_values["sigma"], 6)
    1.0
"""
from typing import Any

from gslfit.models.library.classes import CLASSES, ENTRIES
from gslfit.models.model import CompositeModel, Model

LMFIT_NAMES = {
    "Constant": "ConstantModel", "Complex Constant": "ComplexConstantModel", "Linear": "LinearModel", "Quadratic": "QuadraticModel",
    "Polynomial": "PolynomialModel", "Spline": "SplineModel", "Gaussian": "GaussianModel", "Gaussian-2D": "Gaussian2dModel",
    "Lorentzian": "LorentzianModel", "Split-Lorentzian": "SplitLorentzianModel", "Voigt": "VoigtModel",
    "PseudoVoigt": "PseudoVoigtModel", "Moffat": "MoffatModel", "Pearson4": "Pearson4Model", "Pearson7": "Pearson7Model",
    "StudentsT": "StudentsTModel", "Breit-Wigner": "BreitWignerModel", "Log-Normal": "LognormalModel",
    "Damped Oscillator": "DampedOscillatorModel", "Damped Harmonic Oscillator": "DampedHarmonicOscillatorModel",
    "Exponential Gaussian": "ExponentialGaussianModel", "Skewed Gaussian": "SkewedGaussianModel", "Skewed Voigt": "SkewedVoigtModel",
    "Thermal Distribution": "ThermalDistributionModel", "Bose-Einstein Distribution": "BoseModel",
    "Fermi-Dirac Distribution": "FermiModel", "Doniach": "DoniachModel", "Power Law": "PowerLawModel", "Exponential": "ExponentialModel",
    "Step": "StepModel", "Rectangle": "RectangleModel", "Expression": "ExpressionModel",
}
lmfit_models = {title: CLASSES[name] for title, name in LMFIT_NAMES.items()}
"""lmfit's models by its titles."""

globals().update(CLASSES)
ParabolicModel = CLASSES["QuadraticModel"]


def __getattr__(name: str) -> Any:
    if name in ("save_model", "load_model", "save_modelresult", "load_modelresult"):
        from gslfit.models import files
        return getattr(files, name)
    if name == "sum_of_peaks":
        from gslfit.models.library.sum_of_peaks import sum_of_peaks
        return sum_of_peaks
    if name == "ModelResult":
        from gslfit.models.result import ModelResult
        return ModelResult
    raise AttributeError(f"module 'gslfit.models' has no attribute {name!r}")


__all__ = ["ENTRIES", "CompositeModel", "Model", "sum_of_peaks", *CLASSES]
