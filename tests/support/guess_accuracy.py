"""How often a guess leads to the minimum that the true values lead to: random curves of each model with noise, signal to noise 10."""
from functools import reduce
from operator import add
from time import process_time
from typing import NamedTuple

import numpy as np

from gslfit import models

POINTS = 100
NOISE = 0.1          # of the greatest absolute value of the curve


COUNT = 10_000
SEARCHED = ("TriexponentialModel", "TriexponentialResponseModel", "FiveParameterLogisticModel")


class Case(NamedTuple):
    """A model with the ranges of its parameters: a pair is a decade (drawn by its logarithm), a triple with "u" is drawn evenly."""

    cls: str
    ranges: dict
    x: tuple = (0.0, 100.0)
    form: str | None = None
    parts: tuple = ()       # of a sum: classes with forms, their parameters prefixed by a_, b_, c_, ...
    sign: float = 1.0       # of all amplitudes
    points: int = POINTS
    uneven: bool = False    # points at random places

    @property
    def count(self):
        """Of how many curves the accuracy is told: a tenth for a sum, and where the search for a guess is long."""
        return COUNT//10 if self.parts or self.cls in SEARCHED else COUNT

    @property
    def title(self):
        """What a table calls it."""
        if self.parts:
            return " + ".join(cls + (f" ({form})" if form else "") for cls, form in self.parts)
        more = f", {self.points} points" if self.points != POINTS else ""
        dark = ", dark" if self.sign < 0 else ""
        return self.cls + (f" ({self.form})" if self.form else "") + more + dark + (", uneven" if self.uneven else "")


PLACE = (30.0, 70.0, "u")
PEAK = {"amplitude": (1.0, 10.0), "center": PLACE}
CASES = [
    Case("GaussianModel", PEAK | {"sigma": (1.5, 15.0)}),
    Case("LorentzianModel", PEAK | {"sigma": (1.5, 15.0)}),
    Case("SplitLorentzianModel", PEAK | {"sigma": (1.5, 15.0), "sigma_r": (1.5, 15.0)}),
    Case("VoigtModel", PEAK | {"sigma": (1.0, 10.0)}),
    Case("PseudoVoigtModel", PEAK | {"sigma": (1.5, 15.0), "fraction": (0.1, 0.9, "u")}),
    Case("MoffatModel", PEAK | {"sigma": (2.0, 20.0), "beta": (0.8, 4.0)}),
    Case("Pearson7Model", PEAK | {"sigma": (2.0, 15.0), "expon": (0.8, 8.0)}),
    Case("Pearson4Model", PEAK | {"sigma": (3.0, 15.0), "expon": (1.0, 5.0), "skew": (-2.0, 2.0, "u")}),
    Case("StudentsTModel", {"amplitude": (1.0, 10.0), "center": (-4.0, 4.0, "u"), "sigma": (0.8, 8.0)}, (-15.0, 15.0)),
    Case("LognormalModel", {"amplitude": (1.0, 10.0), "center": (1.0, 3.5, "u"), "sigma": (0.1, 1.0)}, (0.5, 100.0)),
    Case("DampedOscillatorModel", {"amplitude": (1.0, 10.0), "center": (20.0, 70.0, "u"), "sigma": (0.02, 0.2)}),
    Case("DampedHarmonicOscillatorModel", {"amplitude": (1.0, 10.0), "center": (20.0, 70.0, "u"), "sigma": (1.5, 15.0),
                                           "gamma": (5.0, 50.0)}, (-100.0, 100.0)),
    Case("ExponentialGaussianModel", PEAK | {"sigma": (1.5, 8.0), "gamma": (0.05, 0.5)}),
    Case("SkewedGaussianModel", PEAK | {"sigma": (3.0, 20.0), "gamma": (-3.0, 3.0, "u")}),
    Case("SkewedVoigtModel", PEAK | {"sigma": (2.0, 10.0), "skew": (-2.0, 2.0, "u")}),
    Case("DoniachModel", PEAK | {"sigma": (1.5, 10.0), "gamma": (0.0, 0.4, "u")}),
    Case("BreitWignerModel", PEAK | {"sigma": (3.0, 30.0), "q": (-3.0, 3.0, "u")}),
    Case("ExponentialModel", {"amplitude": (1.0, 10.0), "decay": (5.0, 50.0)}),
    Case("PowerLawModel", {"amplitude": (1.0, 10.0), "exponent": (-2.0, -0.3, "u")}, (1.0, 100.0)),
    *(Case("StepModel", PEAK | {"sigma": (2.0, 20.0)}, form=form) for form in ("linear", "atan", "erf", "logistic")),
    *(Case("RectangleModel", {"amplitude": (1.0, 10.0), "center1": (20.0, 40.0, "u"), "center2": (60.0, 80.0, "u"),
                              "sigma1": (1.0, 10.0), "sigma2": (1.0, 10.0)}, form=form) for form in ("linear", "atan", "erf", "logistic")),
    Case("FermiModel", PEAK | {"kt": (1.5, 15.0)}),
    Case("GslGaussianModel", {"y0": (-5.0, 5.0, "u"), "A": (1.0, 10.0), "x0": PLACE, "var": (4.0, 150.0)}),
    Case("GslExpModel", {"y0": (-1.0, 1.0, "u"), "A": (1.0, 10.0), "b": (0.02, 0.2)}),
    Case("GslDblexpModel", {"y0": (-0.1, 0.1, "u"), "A1": (1.0, 10.0), "b1": (0.2, 1.0), "A2": (1.0, 10.0), "b2": (0.01, 0.1)}),
    Case("GslSinModel", {"y0": (-5.0, 5.0, "u"), "A": (1.0, 10.0), "f": (0.1, 1.0), "phi": (-3.0, 3.0, "u")}),
    Case("GslLorModel", {"y0": (-0.1, 0.1, "u"), "A": (10.0, 100.0), "x0": PLACE, "B": (4.0, 100.0)}),
    Case("GslHillModel", {"y0": (-1.0, 1.0, "u"), "m": (2.0, 20.0), "xhalf": (8.0, 50.0), "r": (1.0, 8.0)}, (0.5, 100.0)),
    Case("GslSigmoidModel", {"y0": (-1.0, 1.0, "u"), "m": (2.0, 20.0), "x0": PLACE, "r": (1.0, 10.0)}),
    Case("GslPowerModel", {"y0": (-0.1, 0.1, "u"), "A": (1.0, 10.0), "r": (-2.0, -0.3, "u")}, (1.0, 100.0)),
    Case("GslLognormalModel", {"y0": (-0.1, 0.1, "u"), "A": (1.0, 10.0), "x0": (8.0, 50.0), "width": (0.2, 1.5)}, (0.5, 100.0)),
    Case("GslRayleighModel", {"A": (1.0, 10.0), "var": (25.0, 1000.0)}, (0.5, 100.0)),
    Case("HillModel", {"bottom": (-1.0, 1.0, "u"), "top": (2.0, 20.0), "half": (8.0, 50.0), "slope": (1.0, 8.0)}, (0.5, 100.0)),
    Case("FourParameterLogisticModel", {"a": (-1.0, 1.0, "u"), "d": (2.0, 20.0), "c": (8.0, 50.0), "b": (1.0, 8.0)}, (0.5, 100.0)),
    Case("MichaelisMentenModel", {"vmax": (1.0, 10.0), "km": (5.0, 50.0)}, (0.5, 100.0)),
    Case("LangmuirModel", {"qmax": (1.0, 10.0), "K": (0.02, 0.2)}, (0.5, 100.0)),
    Case("WeibullModel", {"amplitude": (1.0, 10.0), "scale": (10.0, 70.0), "shape": (1.0, 8.0)}, (0.5, 100.0)),
    Case("GompertzModel", {"a": (1.0, 10.0), "b": (2.0, 20.0), "c": (0.04, 0.3)}),
    Case("LogisticGrowthModel", {"K": (1.0, 10.0), "r": (0.08, 0.8), "x0": PLACE}),
    Case("StretchedExponentialModel", {"amplitude": (1.0, 10.0), "tau": (3.0, 30.0), "beta": (0.5, 1.5, "u"), "offset": (-1.0, 1.0, "u")}),
    Case("BiexponentialModel", {"amplitude1": (1.0, 10.0), "tau1": (1.0, 5.0), "amplitude2": (1.0, 10.0), "tau2": (10.0, 50.0),
                                "offset": (-0.1, 0.1, "u")}),
    Case("ExponentialResponseModel", {"amplitude": (1.0, 10.0), "tau": (4.0, 40.0), "t0": (10.0, 40.0, "u"), "irf": (1.0, 5.0),
                                      "offset": (-0.2, 0.2, "u")}),
    Case("BiexponentialResponseModel", {"amplitude1": (1.0, 10.0), "tau1": (2.0, 6.0), "amplitude2": (1.0, 10.0), "tau2": (15.0, 60.0),
                                        "t0": (10.0, 40.0, "u"), "irf": (1.0, 5.0), "offset": (-0.2, 0.2, "u")}),
    Case("TriexponentialResponseModel", {"amplitude1": (1.0, 10.0), "tau1": (1.0, 3.0), "amplitude2": (1.0, 10.0), "tau2": (6.0, 15.0),
                                         "amplitude3": (1.0, 10.0), "tau3": (40.0, 100.0), "t0": (10.0, 40.0, "u"), "irf": (1.0, 5.0),
                                         "offset": (-0.2, 0.2, "u")}),
    Case("DampedSineModel", {"amplitude": (1.0, 10.0), "tau": (15.0, 150.0), "frequency": (0.15, 1.5), "phase": (-3.0, 3.0, "u"),
                             "offset": (-0.5, 0.5, "u")}),
    Case("DampedChirpModel", {"amplitude": (1.0, 10.0), "tau": (20.0, 200.0), "frequency": (0.3, 1.0), "chirp": (-0.002, 0.004, "u"),
                              "phase": (-3.0, 3.0, "u"), "offset": (-0.5, 0.5, "u")}),
    Case("DebyeLossModel", {"delta": (1.0, 10.0), "tau": (0.02, 0.2)}, (0.5, 100.0)),
    Case("PlanckModel", {"amplitude": (1.0, 10.0), "T": (1500.0, 15000.0)}, (0.2, 4.0)),
    Case("AiryModel", {"height": (1.0, 10.0), "center": PLACE, "radius": (4.0, 40.0), "offset": (-0.1, 0.1, "u")}),
    Case("TriexponentialModel", {"amplitude1": (1.0, 10.0), "tau1": (0.5, 1.5), "amplitude2": (1.0, 10.0), "tau2": (4.0, 10.0),
                                 "amplitude3": (1.0, 10.0), "tau3": (25.0, 60.0), "offset": (-0.1, 0.1, "u")}),
    Case("GslGaussian2PeaksModel", {"y0": (-1.0, 1.0, "u"), "A1": (5.0, 10.0), "x1": (20.0, 40.0, "u"), "var1": (9.0, 90.0),
                                    "A2": (5.0, 10.0), "x2": (60.0, 80.0, "u"), "var2": (9.0, 90.0)}),
    Case("Gaussian2Model", {"y0": (-1.0, 1.0, "u"), "amplitude1": (5.0, 10.0), "center1": (20.0, 40.0, "u"), "sigma1": (3.0, 9.0),
                            "amplitude2": (5.0, 10.0), "center2": (60.0, 80.0, "u"), "sigma2": (3.0, 9.0)}),
    Case("Gaussian3Model", {"y0": (-1.0, 1.0, "u"), "amplitude1": (5.0, 10.0), "center1": (15.0, 25.0, "u"), "sigma1": (3.0, 6.0),
                            "amplitude2": (5.0, 10.0), "center2": (45.0, 55.0, "u"), "sigma2": (3.0, 6.0),
                            "amplitude3": (5.0, 10.0), "center3": (75.0, 85.0, "u"), "sigma3": (3.0, 6.0)}),
    Case("FiveParameterLogisticModel", {"a": (-1.0, 1.0, "u"), "d": (2.0, 20.0), "c": (8.0, 30.0), "b": (2.0, 8.0), "g": (0.5, 2.0)},
         (0.5, 100.0)),
    Case("DebyeModel", {"eps_inf": (1.0, 10.0), "delta": (1.0, 10.0), "tau": (0.02, 0.2)}, (0.5, 100.0)),
    Case("SineModel", {"amplitude": (1.0, 10.0), "frequency": (0.1, 1.0), "shift": (-3.0, 3.0, "u")}),
]

def _peak(prefix, low, high):
    """Return the ranges of a peak of area 60 to 200, between two places."""
    return {f"{prefix}_amplitude": (60.0, 200.0), f"{prefix}_center": (low, high, "u"), f"{prefix}_sigma": (1.5, 5.0)}


def _step(prefix, low, high, width="sigma"):
    """Return the ranges of a step of height 10 to 30, between two places."""
    return {f"{prefix}_amplitude": (10.0, 30.0), f"{prefix}_center": (low, high, "u"), f"{prefix}_{width}": (1.5, 8.0)}


LINE = {"slope": (-0.05, 0.05, "u"), "intercept": (-5.0, 5.0, "u")}
CONSTANT = {"c": (-5.0, 5.0, "u")}
G, L = ("GaussianModel", None), ("LorentzianModel", None)
SUMS = [
    Case("", _peak("a", 15, 40) | _peak("b", 60, 85) | _step("c", 40, 60) | LINE,
         parts=(G, G, ("StepModel", "logistic"), ("LinearModel", None))),
    Case("", _peak("a", 30, 70) | _step("b", 30, 70) | CONSTANT, parts=(G, ("StepModel", "erf"), ("ConstantModel", None))),
    Case("", _step("a", 20, 40) | _peak("b", 45, 60) | _peak("c", 70, 90), parts=(("StepModel", "atan"), L, L)),
    Case("", _step("a", 30, 70, "kt") | CONSTANT, parts=(("FermiModel", None), ("ConstantModel", None))),
    Case("", _step("a", 30, 70) | LINE, parts=(("StepModel", "linear"), ("LinearModel", None))),
    Case("", {"a_amplitude": (10.0, 30.0), "a_center1": (20.0, 40.0, "u"), "a_center2": (60.0, 80.0, "u"), "a_sigma1": (1.0, 10.0),
              "a_sigma2": (1.0, 10.0)} | LINE, parts=(("RectangleModel", "linear"), ("LinearModel", None))),
    Case("", _peak("a", 30, 70) | _step("b", 30, 70) | CONSTANT, parts=(G, ("StepModel", "linear"), ("ConstantModel", None))),
    Case("", _peak("a", 20, 80) | {"b_amplitude": (10.0, 30.0), "b_decay": (5.0, 50.0)} | CONSTANT,
         parts=(G, ("ExponentialModel", None), ("ConstantModel", None))),
    Case("", _peak("a", 10, 35) | _peak("b", 60, 90) | LINE, parts=(G, L, ("LinearModel", None))),
]
DARK = [case._replace(sign=-1.0) for case in CASES if case.cls in ("GaussianModel", "LorentzianModel", "VoigtModel", "GslGaussianModel")]
FEW = [case._replace(points=points, ranges=case.ranges | ({"sigma": (8.0, 20.0)} if "sigma" in case.ranges else {}))
       for points in (8, 15) for case in CASES if case.cls in ("GaussianModel", "LorentzianModel", "ExponentialModel", "PowerLawModel",
                                                               "GslExpModel", "FourParameterLogisticModel")]
UNEVEN = [case._replace(uneven=True) for case in CASES
          if case.cls in ("GaussianModel", "LorentzianModel", "ExponentialModel", "FourParameterLogisticModel", "GslSinModel",
                          "BiexponentialModel") or case.form == "erf"]
FURTHER = [*SUMS, *DARK, *FEW, *UNEVEN]


def draw(case, count, seed=1):
    """Random parameters, points, and noisy curves of a case."""
    rng = np.random.default_rng(seed)
    values = {}
    for name, (low, high, *even) in case.ranges.items():
        values[name] = rng.uniform(low, high, count) if even else np.exp(rng.uniform(np.log(low), np.log(high), count))
    values = {name: case.sign*value if name in ("amplitude", "A") else value for name, value in values.items()}
    model = made(case)
    x = np.sort(rng.uniform(*case.x, case.points)) if case.uneven else np.linspace(*case.x, case.points)
    given = {name: value[:, None] for name, value in values.items()}
    defaults = {} if case.parts else model.entry.defaults
    clean = model.eval(x=x[None], **given, **{name: given[other] for name, other in defaults.items()
                                              if isinstance(other, str) and name not in given})
    noise = NOISE*np.max(np.abs(clean), axis=1, keepdims=True)
    return model, x, values, clean + noise*rng.standard_normal(clean.shape)


def made(case):
    """Return the model of a case."""
    if case.parts:
        grounds = ("ConstantModel", "LinearModel")
        return reduce(add, (models.CLASSES[cls](**({"form": form} if form else {}), prefix="" if cls in grounds else f"{letter}_")
                            for letter, (cls, form) in zip("abcd", case.parts, strict=False)))
    return models.CLASSES[case.cls](**({"form": case.form} if case.form else {}))


def reached(case, count=None, seed=1):
    """Return the share of curves whose guess leads as low as the true values do, what share converged, both results, and both times."""
    model, x, values, y = draw(case, count or case.count, seed)
    begin = process_time()
    own = model.fit_batch(y, x=x)
    between = process_time()
    true = model.fit_batch(y, x=x, start=values)
    times = between - begin, process_time() - between
    # where the true values lead to no value of the model, they are nothing to reach
    good = np.isfinite(own.chisqr) & ~(own.chisqr > true.chisqr*(1 + 1e-6))
    return float(np.mean(good)), float(np.mean(own.success)), own, true, times
