"""Models beyond lmfit's: the eleven fit types of GSL's Ruby binding under their own names, and what laboratories ask for.

A peak of these tables has a baseline of its own where its fit type has one (`y0`).
"""
from __future__ import annotations

from gslfit.models.library.entry import Entry

ABOVE0 = {"min": 0.0}
TYPES = "fit type of Ruby/GSL, `GSL::MultiFit::FdfSolver.fit`"


def gaussians(count: int) -> str:
    """Return the text of a sum of Gaussians on a baseline."""
    return "y0 + " + " + ".join(f"amplitude{k}*exp(-((x - center{k})/sigma{k})**2/2)" for k in range(1, count + 1))


def peak_defaults(count: int) -> dict[str, float | str | None]:
    """Return start values for `gaussians`."""
    found: dict[str, float | str | None] = {"y0": 0.0}
    for k in range(1, count + 1):
        found |= {f"amplitude{k}": 1.0, f"center{k}": float(k - 1), f"sigma{k}": 1.0}
    return found


def numbers(count: int) -> tuple[str, ...]:
    """Return the suffixes of a sum's terms: nothing for one, else 1, 2, ..."""
    return ("",) if count == 1 else tuple(str(k) for k in range(1, count + 1))


def responses(count: int) -> str:
    """Return the text of decays folded with a Gaussian, exp times erfc; by erfcx, as one may overflow where the other vanishes."""
    lines, terms = ["u = x - t0; fast = exp(-(u/irf)**2/2)"], []
    for k in numbers(count):
        lines.append(f"z{k} = (irf/tau{k} - u/irf)/1.4142135623730951")
        lines.append(f"tail{k} = fast/2*erfcx(abs(z{k}))")
        terms.append(f"amplitude{k}*where(z{k} > 0, tail{k}, exp((irf/tau{k})**2/2 - u/tau{k}) - tail{k})")
    return "\n".join([*lines, "offset + " + " + ".join(terms)])


def titles_of_decays() -> tuple[tuple[int, str, str], ...]:
    """Return how many decays there are, what their class's name begins with, and their title."""
    return (1, "Exponential", "A decay"), (2, "Biexponential", "Two decays"), (3, "Triexponential", "Three decays")


def decay_defaults(count: int) -> dict[str, float | str | None]:
    """Return start values for `responses`."""
    found: dict[str, float | str | None] = {}
    for place, k in enumerate(numbers(count)):
        found |= {f"amplitude{k}": 1.0, f"tau{k}": 5.0**place}
    return found | {"t0": 0.0, "irf": 0.1, "offset": 0.0}


def ellipse() -> str:
    """Return the text of a turned elliptical Gaussian."""
    return ("c = cos(theta); s = sin(theta); u = (x - x0)*c + (y - y0)*s; v = (y - y0)*c - (x - x0)*s\n"
            "offset + height*exp(-((u/sigma_u)**2 + (v/sigma_v)**2)/2)")


GSL_TYPES = (
    Entry("GslGaussianModel", "gaussian", "y0 + A*exp(-(x - x0)**2/2/var)", {"y0": 0.0, "A": 1.0, "x0": 0.0, "var": 1.0},
          {"var": ABOVE0}, {"sigma": "sqrt(var)", "fwhm": "2.3548200450309493*sqrt(var)"}, "gsl_gaussian", "peak",
          "A Gaussian of height `A` and variance `var` on a baseline.", TYPES),
    Entry("GslGaussian2PeaksModel", "gaussian_2peaks", "y0 + A1*exp(-(x - x1)**2/2/var1) + A2*exp(-(x - x2)**2/2/var2)",
          {"y0": 0.0, "A1": 1.0, "x1": 0.0, "var1": 1.0, "A2": 1.0, "x2": 1.0, "var2": 1.0}, {"var1": ABOVE0, "var2": ABOVE0}, {},
          "gsl_gaussian_2peaks", "peak", "Two Gaussians on a baseline.", TYPES),
    Entry("GslExpModel", "exp", "y0 + A*exp(-b*x)", {"y0": 0.0, "A": 1.0, "b": 1.0}, {}, {}, "gsl_exp", "decay",
          "An exponential decay to a baseline, of rate `b`.", TYPES),
    Entry("GslDblexpModel", "dblexp", "y0 + A1*exp(-b1*x) + A2*exp(-b2*x)", {"y0": 0.0, "A1": 1.0, "b1": 1.0, "A2": 1.0, "b2": 1.0},
          {}, {}, "gsl_dblexp", "decay", "Two exponential decays to a baseline.", TYPES),
    Entry("GslSinModel", "sin", "y0 + A*sin(f*x + phi)", {"y0": 0.0, "A": 1.0, "f": 1.0, "phi": 0.0}, {}, {}, "gsl_sin", "oscillation",
          "A sine about a baseline, of angular frequency `f`.", TYPES),
    Entry("GslLorModel", "lor", "y0 + A/((x - x0)**2 + B)", {"y0": 0.0, "A": 1.0, "x0": 0.0, "B": 1.0}, {"B": ABOVE0},
          {"height": "A/max(1e-300, B)", "fwhm": "2*sqrt(B)"}, "gsl_lor", "peak", "A Lorentzian on a baseline.", TYPES),
    Entry("GslHillModel", "hill", "y0 + (m - y0)/(1 + (xhalf/x)**r)", {"y0": 0.0, "m": 1.0, "xhalf": 1.0, "r": 1.0}, {"xhalf": ABOVE0}, {},
          "gsl_hill", "step", "Hill's equation from `y0` to `m`.", TYPES),
    Entry("GslSigmoidModel", "sigmoid", "y0 + m*expit((x - x0)/r)", {"y0": 0.0, "m": 1.0, "x0": 0.0, "r": 1.0}, {}, {}, "gsl_sigmoid",
          "step", "A logistic step of height `m` from a baseline.", TYPES),
    Entry("GslPowerModel", "power", "y0 + A*x**r", {"y0": 0.0, "A": 1.0, "r": -1.0}, {}, {}, "gsl_power", "decay",
          "A power law on a baseline.", TYPES),
    Entry("GslLognormalModel", "lognormal", "y0 + A*exp(-(log(x/x0)/width)**2)", {"y0": 0.0, "A": 1.0, "x0": 1.0, "width": 1.0},
          {"x0": ABOVE0}, {}, "gsl_lognormal", "peak", "A Gaussian of log(x) on a baseline.", TYPES),
    Entry("GslRayleighModel", "rayleigh", "A*x*exp(-x**2/2/var)", {"A": 1.0, "var": 1.0}, {"var": ABOVE0}, {}, "gsl_rayleigh", "peak",
          "Rayleigh's distribution.", TYPES),
)

GROWTH = (
    Entry("HillModel", "hill", "bottom + (top - bottom)/(1 + (half/x)**slope)", {"bottom": 0.0, "top": 1.0, "half": 1.0, "slope": 1.0},
          {"half": ABOVE0}, {}, "hill", "step", "A dose-response curve, `half` being the dose of half its effect.",
          "Hill, J. Physiol. 40 (1910) iv"),
    Entry("FourParameterLogisticModel", "logistic4", "d + (a - d)/(1 + (x/c)**b)", {"a": 0.0, "b": 1.0, "c": 1.0, "d": 1.0},
          {"c": ABOVE0}, {}, "logistic4", "step", "The four-parameter logistic of immunoassays: `a` at 0, `d` at infinity.",
          "Rodbard, Clin. Chem. 20 (1974) 1255"),
    Entry("FiveParameterLogisticModel", "logistic5",    # d + (a - d)/(1 + (x/c)**b)**g, without overflow for any b and g
          "z = b*log(max(x, 1e-300)/c); d + (a - d)*exp(-g*(0.5*(z + abs(z)) + log1p(exp(-abs(z)))))",
          {"a": 0.0, "b": 1.0, "c": 1.0, "d": 1.0, "g": 1.0}, {"c": ABOVE0, "g": ABOVE0}, {}, "logistic5", "step",
          "The four-parameter logistic with an asymmetry `g`: d + (a - d)/(1 + (x/c)**b)**g.",
          "Gottschalk and Dunn, Anal. Biochem. 343 (2005) 54"),
    Entry("MichaelisMentenModel", "michaelis_menten", "vmax*x/(km + x)", {"vmax": 1.0, "km": 1.0}, {"km": ABOVE0}, {},
          "michaelis_menten", "growth", "The rate of an enzyme by the concentration of its substrate.",
          "Michaelis and Menten, Biochem. Z. 49 (1913) 333"),
    Entry("LangmuirModel", "langmuir", "qmax*K*x/(1 + K*x)", {"qmax": 1.0, "K": 1.0}, {"K": ABOVE0}, {}, "langmuir", "growth",
          "An adsorption isotherm.", "Langmuir, J. Am. Chem. Soc. 40 (1918) 1361"),
    Entry("ArrheniusModel", "arrhenius", "A*exp(-Ea/(8.31446261815324*x))", {"A": 1.0, "Ea": 1e4}, {}, {}, "arrhenius", "growth",
          "A rate constant by temperature in kelvin; `Ea` in J/mol.", "Arrhenius, Z. Phys. Chem. 4 (1889) 226; R: CODATA 2018"),
    Entry("WeibullModel", "weibull", "t = max(x, 0)/scale; amplitude*shape/scale*t**(shape - 1)*exp(-t**shape)",
          {"amplitude": 1.0, "scale": 1.0, "shape": 1.5}, {"scale": ABOVE0, "shape": ABOVE0}, {}, "weibull", "peak",
          "Weibull's distribution, of area `amplitude`.", "Weibull, J. Appl. Mech. 18 (1951) 293"),
    Entry("GompertzModel", "gompertz", "a*exp(-b*exp(-c*x))", {"a": 1.0, "b": 1.0, "c": 1.0}, {"b": ABOVE0}, {}, "gompertz", "growth",
          "Growth to `a` with a rate that falls exponentially.", "Winsor, Proc. Natl. Acad. Sci. 18 (1932) 1"),
    Entry("LogisticGrowthModel", "logistic_growth", "K*expit(r*(x - x0))", {"K": 1.0, "r": 1.0, "x0": 0.0}, {}, {}, "logistic_growth",
          "growth", "Growth to a capacity `K`.", "Verhulst, Corresp. Math. Phys. 10 (1838) 113"),
)

DECAYS = (
    Entry("StretchedExponentialModel", "stretched_exponential", "offset + amplitude*exp(-(max(x, 0)/tau)**beta)",
          {"amplitude": 1.0, "tau": 1.0, "beta": 1.0, "offset": 0.0}, {"tau": ABOVE0, "beta": {"min": 0.0, "max": 3.0}}, {}, "stretched",
          "decay", "Kohlrausch's relaxation.", "Kohlrausch, Ann. Phys. 167 (1854) 179"),
    Entry("BiexponentialModel", "biexponential", "offset + amplitude1*exp(-x/tau1) + amplitude2*exp(-x/tau2)",
          {"amplitude1": 1.0, "tau1": 1.0, "amplitude2": 1.0, "tau2": 5.0, "offset": 0.0}, {"tau1": ABOVE0, "tau2": ABOVE0}, {},
          "biexponential", "decay", "Two exponential decays."),
    Entry("TriexponentialModel", "triexponential",
          "offset + amplitude1*exp(-x/tau1) + amplitude2*exp(-x/tau2) + amplitude3*exp(-x/tau3)",
          {"amplitude1": 1.0, "tau1": 1.0, "amplitude2": 1.0, "tau2": 5.0, "amplitude3": 1.0, "tau3": 25.0, "offset": 0.0},
          {"tau1": ABOVE0, "tau2": ABOVE0, "tau3": ABOVE0}, {}, "triexponential", "decay", "Three exponential decays."),
    *(Entry(f"{title}ResponseModel", f"{title.lower()}_response", responses(count), decay_defaults(count),
            {f"tau{k}": ABOVE0 for k in numbers(count)} | {"irf": ABOVE0}, {}, f"{title.lower()}_response", "decay",
            f"{about} that begin{'s' if count == 1 else ''} at `t0`, folded with a Gaussian instrument response of width `irf`.",
            "van Stokkum et al., Biochim. Biophys. Acta 1657 (2004) 82")
      for count, title, about in titles_of_decays()),
    Entry("DampedSineModel", "damped_sine", "offset + amplitude*exp(-x/tau)*sin(frequency*x + phase)",
          {"amplitude": 1.0, "tau": 10.0, "frequency": 1.0, "phase": 0.0, "offset": 0.0}, {"tau": ABOVE0}, {}, "damped_sine",
          "oscillation", "A decaying oscillation."),
    Entry("DampedChirpModel", "damped_chirp", "offset + amplitude*exp(-x/tau)*sin((frequency + 0.5*chirp*x)*x + phase)",
          {"amplitude": 1.0, "tau": 10.0, "frequency": 1.0, "chirp": 0.0, "phase": 0.0, "offset": 0.0}, {"tau": ABOVE0}, {},
          "damped_chirp", "oscillation", "A decaying oscillation whose frequency changes evenly."),
)

PHYSICS = (
    Entry("DebyeModel", "debye", "t = (x*tau)**2; eps_inf + delta/(1 + t)", {"eps_inf": 1.0, "delta": 1.0, "tau": 1.0}, {"tau": ABOVE0}, {},
          "debye", "step", "The real permittivity of Debye's relaxation by angular frequency.", "Debye, Polar Molecules (1929), ch. 5"),
    Entry("DebyeLossModel", "debye_loss", "t = x*tau; delta*t/(1 + t*t)", {"delta": 1.0, "tau": 1.0}, {"tau": ABOVE0}, {}, "debye_loss",
          "peak", "The imaginary permittivity of Debye's relaxation by angular frequency.", "Debye, Polar Molecules (1929), ch. 5"),
    Entry("PlanckModel", "planck", "amplitude/(x**5*expm1(14387.768775039337/(x*T)))", {"amplitude": 1.0, "T": 5000.0}, {"T": ABOVE0},
          {"peak": "2897.771955185172/max(1e-300, T)"}, "planck", "peak",
          "The spectrum of a black body of temperature `T` (K) by wavelength (micrometres), times a factor.",
          "Planck, Ann. Phys. 309 (1901) 553; h c/k: CODATA 2018"),
    Entry("GaussianBeamModel", "gaussian_beam", "w0*sqrt(1 + ((x - z0)/zR)**2)", {"w0": 1.0, "z0": 0.0, "zR": 1.0},
          {"w0": ABOVE0, "zR": ABOVE0}, {"divergence": "w0/max(1e-300, zR)"}, "gaussian_beam", "line",
          "The radius of a laser beam along its axis.", "Kogelnik and Li, Appl. Opt. 5 (1966) 1550, eq. 20"),
    Entry("AiryModel", "airy", "t = max(3.8317059702075125*abs(x - center)/radius, 1e-8); offset + height*(2*j1(t)/t)**2",
          {"height": 1.0, "center": 0.0, "radius": 1.0, "offset": 0.0}, {"radius": ABOVE0}, {}, "airy", "peak",
          "A cut through the image of a point; `radius` is that of the first dark ring.",
          "Born and Wolf, Principles of Optics, sec. 8.5.2"),
)

IMAGES = (
    Entry("EllipticalGaussian2dModel", "gaussian2d_rotated", ellipse(),
          {"height": 1.0, "x0": 0.0, "y0": 0.0, "sigma_u": 1.0, "sigma_v": 1.0, "theta": 0.0, "offset": 0.0},
          {"sigma_u": ABOVE0, "sigma_v": ABOVE0}, {"fwhm_u": "2.3548200450309493*sigma_u", "fwhm_v": "2.3548200450309493*sigma_v"},
          "image", "image", "A Gaussian spot, elliptical and turned by `theta`.", independent=("x", "y")),
    Entry("Airy2dModel", "airy2d", "t = max(3.8317059702075125*hypot(x - x0, y - y0)/radius, 1e-8); offset + height*(2*j1(t)/t)**2",
          {"height": 1.0, "x0": 0.0, "y0": 0.0, "radius": 1.0, "offset": 0.0}, {"radius": ABOVE0}, {}, "image", "image",
          "The image of a point through a round aperture.", "Born and Wolf, Principles of Optics, sec. 8.5.2", ("x", "y")),
)

SUMS = tuple(
    Entry(f"Gaussian{count}Model", f"gaussians{count}", gaussians(count), peak_defaults(count),
          {f"sigma{k}": ABOVE0 for k in range(1, count + 1)},
          {f"fwhm{k}": f"2.3548200450309493*sigma{k}" for k in range(1, count + 1)}, f"gaussians{count}", "peak",
          f"A sum of {count} Gaussians on a baseline.") for count in (2, 3))

LAB: tuple[Entry, ...] = (*GSL_TYPES, *GROWTH, *DECAYS, *PHYSICS, *IMAGES, *SUMS)
