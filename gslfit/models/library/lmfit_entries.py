"""The models that lmfit 1.3 has too, by its names: formulas, parameters with their start values and bounds, derived parameters.

`s` stands for a width that is above 0; nothing guards against one that is 0: a step there is refused by the fit, since the model is not
finite. Abbreviations in the references: A&S is Abramowitz and Stegun, Handbook of Mathematical Functions; JKB is Johnson, Kotz and
Balakrishnan, Continuous Univariate Distributions (2nd ed.).
"""
from __future__ import annotations

from gslfit.models.library.entry import Entry
from gslfit.models.texts import log_gamma_half, log_gamma_ratio

ABOVE0 = {"min": 0.0}
FWHM_GAUSS = "2.3548200450309493*sigma"          # 2 sqrt(2 log 2)
HEIGHT_GAUSS = "0.3989422804014327*amplitude/max(1e-300, sigma)"   # 1/sqrt(2 pi)
HEIGHT_LORENTZ = "0.3183098861837907*amplitude/max(1e-300, sigma)"
GAUSS = "amplitude/(sigma*2.5066282746310002)*exp(-((x - center)/sigma)**2/2)"
VOIGT = "amplitude/(sigma*2.5066282746310002)*voigt((x - center)/(sigma*1.4142135623730951), gamma/(sigma*1.4142135623730951))"
ACS = {"amplitude": 1.0, "center": 0.0, "sigma": 1.0}
SIGMA = {"sigma": ABOVE0}

STEP = "arg = sign(sigma)*(x - center)/abs(sigma); amplitude*"
STEPS = {
    "linear": STEP + "min(1, max(0, arg + 0.5))",
    "atan": STEP + "(0.5 + atan(arg)/pi)",
    "arctan": STEP + "(0.5 + atan(arg)/pi)",
    "erf": STEP + "0.5*erfc(-arg)",
    "logistic": STEP + "expit(arg)",
}
BOX = "up = (x - center1)/sigma1; down = (center2 - x)/sigma2; amplitude*"
BOXES = {
    "linear": BOX + "0.5*(min(1, max(-1, up)) + min(1, max(-1, down)))",
    "atan": BOX + "(atan(up) + atan(down))/pi",
    "arctan": BOX + "(atan(up) + atan(down))/pi",
    "erf": BOX + "0.5*(erf(up) + erf(down))",
    "logistic": BOX + "0.5*(tanh(0.5*up) + tanh(0.5*down))",
}
THERMAL = "d = amplitude*exp((x - center)/kt)"
THERMALS = {
    "bose": THERMAL + " - 1; d/(d*d + 1e-30)",
    "maxwell": THERMAL + "; d/(d*d + 1e-30)",
    "fermi": THERMAL + " + 1; d/(d*d + 1e-30)",
}
ACK = {"amplitude": 1.0, "center": 0.0, "kt": 1.0}

_RATIO, _HALF = log_gamma_ratio("expon", "(skew/2)"), log_gamma_half("h")
PEARSON4 = f"""arg = (x - center)/sigma
h = expon - 0.5
scale = 2*{_RATIO} + {_HALF} - 0.5723649429247001
amplitude/sigma*exp(scale - expon*log1p(arg**2) - skew*atan(arg))"""
PEARSON4_HEIGHT = (f"amplitude/sigma*exp(2*{_RATIO} + lgamma(expon) - lgamma(expon - 0.5) - 0.5723649429247001"
                   " - expon*log1p((skew/(2*expon))**2) + skew*atan(skew/(2*expon)))")


def polynomial(degree: int) -> str:
    """Return the text of a polynomial in Horner's order."""
    text = f"c{degree}"
    for k in reversed(range(degree)):
        text = f"c{k} + x*({text})"
    return text if degree else "c0 + 0*x"


TABLE = (
    Entry("ConstantModel", "constant", "c + 0*x", {"c": 0.0}, {}, {}, "constant", "line", "A constant."),
    Entry("ComplexConstantModel", "constant", "", {"re": 0.0, "im": 0.0}, {}, {}, "complex_constant", "line", "A complex constant.",
          slow="its values are complex numbers, and a program computes with real ones"),
    Entry("LinearModel", "linear", "slope*x + intercept", {"slope": 1.0, "intercept": 0.0}, {}, {}, "line", "line", "A straight line."),
    Entry("QuadraticModel", "parabolic", "(a*x + b)*x + c", {"a": 0.0, "b": 0.0, "c": 0.0}, {}, {}, "parabola", "line", "A parabola."),
    Entry("PolynomialModel", "polynomial", {str(k): polynomial(k) for k in (7, 6, 5, 4, 3, 2, 1, 0)},
          {f"c{k}": 0.0 for k in range(8)}, {}, {}, "polynomial", "line", "A polynomial of degree 0 to 7."),
    Entry("SplineModel", "spline_model", "", {}, {}, {}, "spline", "line", "A cubic spline through values at knots.",
          "de Boor, A Practical Guide to Splines (1978), ch. IX",
          slow="the basis depends on the knots, and SciPy evaluates it; the model is linear, so a fit needs few evaluations"),
    Entry("SineModel", "sine", "amplitude*sin(x*frequency + shift)", {"amplitude": 1.0, "frequency": 1.0, "shift": 0.0},
          {"amplitude": ABOVE0, "frequency": ABOVE0, "shift": {"min": -6.28319530717958, "max": 6.28319530717958}}, {}, "sine",
          "oscillation", "A sine."),
    Entry("GaussianModel", "gaussian", GAUSS, ACS, SIGMA, {"fwhm": FWHM_GAUSS, "height": HEIGHT_GAUSS}, "gaussian", "peak",
          "A Gaussian of area `amplitude`.", "JKB ch. 13"),
    Entry("Gaussian2dModel", "gaussian2d",
          "amplitude/(6.283185307179586*sigmax*sigmay)*exp(-(((x - centerx)/sigmax)**2 + ((y - centery)/sigmay)**2)/2)",
          {"amplitude": 1.0, "centerx": 0.0, "centery": 0.0, "sigmax": 1.0, "sigmay": 1.0}, {"sigmax": ABOVE0, "sigmay": ABOVE0},
          {"fwhmx": "2.3548200450309493*sigmax", "fwhmy": "2.3548200450309493*sigmay",
           "height": "0.15915494309189535*amplitude/(max(1e-300, sigmax)*max(1e-300, sigmay))"}, "gaussian2d", "image",
          "A Gaussian of two variables, of volume `amplitude`.", independent=("x", "y")),
    Entry("LorentzianModel", "lorentzian", "amplitude/(pi*sigma*(1 + ((x - center)/sigma)**2))", ACS, SIGMA,
          {"fwhm": "2.0*sigma", "height": HEIGHT_LORENTZ}, "lorentzian", "peak", "A Lorentzian of area `amplitude`.", "JKB ch. 16"),
    Entry("SplitLorentzianModel", "split_lorentzian", "w = sigma if x < center else sigma_r\n"
          "2*amplitude/(pi*(sigma + sigma_r))/(1 + ((x - center)/w)**2)", ACS | {"sigma_r": 1.0}, SIGMA | {"sigma_r": ABOVE0},
          {"fwhm": "sigma + sigma_r", "height": "0.6366197723675814*amplitude/max(1e-300, sigma + sigma_r)"}, "split", "peak",
          "A Lorentzian with another width on either side."),
    Entry("VoigtModel", "voigt", VOIGT, ACS | {"gamma": "sigma"}, SIGMA,
          {"fwhm": "1.0692*gamma + sqrt(0.8664*gamma**2 + 5.545083*sigma**2)",
           "height": "amplitude/max(1e-300, sigma*2.5066282746310002)*erfcx(gamma/max(1e-300, sigma*1.4142135623730951))"}, "voigt",
          "peak", "A Gaussian folded with a Lorentzian; `gamma` follows `sigma` unless it is freed.",
          "Faddeeva's function: A&S 7.1.3; width: Olivero and Longbothum, JQSRT 17 (1977) 233"),
    Entry("PseudoVoigtModel", "pvoigt",
          "t2 = ((x - center)/sigma)**2\namplitude/sigma*((1 - fraction)*0.46971863934982566*exp(-0.6931471805599453*t2)"
          " + fraction/(pi*(1 + t2)))", ACS | {"fraction": 0.5}, SIGMA | {"fraction": {"value": 0.5, "min": 0.0, "max": 1.0}},
          {"fwhm": "2.0*sigma",
           "height": "(1 - fraction)*amplitude/max(1e-300, sigma*2.1289340388624525) + fraction*amplitude/max(1e-300, pi*sigma)"},
          "pseudo_voigt", "peak", "A weighted sum of a Gaussian and a Lorentzian of one width."),
    Entry("MoffatModel", "moffat", "amplitude*(1 + ((x - center)/sigma)**2)**(-beta)", ACS | {"beta": 1.0}, SIGMA | {"beta": {}},
          {"fwhm": "2*sigma*sqrt(2**(1.0/max(1e-3, beta)) - 1)", "height": "amplitude"}, "moffat", "peak",
          "A star's image: a Lorentzian raised to a power, of height `amplitude`.", "Moffat, Astron. Astrophys. 3 (1969) 455"),
    Entry("Pearson4Model", "pearson4", PEARSON4, ACS | {"expon": 1.0, "skew": 0.0},
          {"expon": {"value": 1.5, "min": 0.5 + 1e-15, "max": 1000.0}, "skew": {"value": 0.0, "min": -1000.0, "max": 1000.0}},
          {"fwhm": "sigma*sqrt(2**(1/expon) - 1)*pi/atan2(e*expon, skew)", "height": PEARSON4_HEIGHT,
           "position": "center - sigma*skew/(2*expon)"}, "pearson4", "peak", "Pearson's distribution of type IV, of area `amplitude`.",
          "JKB ch. 12, sec. 4.1"),
    Entry("Pearson7Model", "pearson7",
          f"h = expon - 0.5; scale = {_HALF}; amplitude/(1.772453850905516*sigma)*exp(scale - expon*log1p(((x - center)/sigma)**2))",
          ACS | {"expon": 1.0}, {"expon": {"value": 1.5, "max": 100.0}},
          {"fwhm": "sqrt(2**(1/expon) - 1)*2*sigma",
           "height": "amplitude*exp(lgamma(expon) - lgamma(expon - 0.5))/max(1e-300, 1.772453850905516*sigma)"}, "pearson7", "peak",
          "Pearson's distribution of type VII, of area `amplitude`.", "JKB ch. 28"),
    Entry("StudentsTModel", "students_t",
          f"h = sigma/2; scale = {_HALF}; amplitude/sqrt(sigma*pi)*exp(scale - (h + 0.5)*log1p((x - center)**2/sigma))", ACS,
          {"sigma": {"min": 0.0, "max": 100.0}},
          {"height": "amplitude*exp(lgamma((sigma + 1)/2) - lgamma(sigma/2))/sqrt(sigma*pi)",
           "fwhm": "2*sqrt(2**(2/(sigma + 1))*sigma - sigma)"}, "students_t", "peak", "Student's t, of area `amplitude`.", "JKB ch. 28"),
    Entry("BreitWignerModel", "breit_wigner", "h = sigma/2; amplitude*(q*h + x - center)**2/(h*h + (x - center)**2)",
          ACS | {"q": 1.0}, SIGMA, {}, "breit_wigner", "line", "A resonance that interferes with a continuum.",
          "Fano, Phys. Rev. 124 (1961) 1866, eq. 21"),
    Entry("LognormalModel", "lognormal",
          "t = max(x, 1e-15); amplitude/(t*sigma*2.5066282746310002)*exp(-((log(t) - center)/sigma)**2/2)", ACS, SIGMA,
          {"height": "amplitude/max(1e-300, sigma*2.5066282746310002)*exp(sigma**2/2 - center)",
           "fwhm": "exp(center - sigma**2 + sigma*1.1774100225154747) - exp(center - sigma**2 - sigma*1.1774100225154747)"}, "lognormal",
          "peak", "A quantity whose logarithm is normal, of area `amplitude`.", "JKB ch. 14"),
    Entry("DampedOscillatorModel", "damped_oscillator",
          "t = x/abs(center); amplitude/sqrt((1 - t**2)**2 + (2*sigma*t)**2)", {"amplitude": 1.0, "center": 1.0, "sigma": 0.1}, SIGMA,
          {"height": "0.5*amplitude/max(1e-300, sigma)"}, "damped_oscillator", "peak",
          "The amplitude of a driven oscillator; `sigma` is its damping ratio.", "Landau and Lifshitz, Mechanics, sec. 26"),
    Entry("DampedHarmonicOscillatorModel", "dho",
          "low = 1/((x - center)**2 + sigma**2); high = 1/((x + center)**2 + sigma**2)\n"
          "amplitude*sigma/pi*where(abs(x) <= 1e-8, 4*gamma*center/(center**2 + sigma**2)**2, "
          "4*x*center*low*high/(-expm1(-x/gamma)))",
          {"amplitude": 1.0, "center": 1.0, "sigma": 1.0, "gamma": 1.0},
          {"center": ABOVE0, "sigma": ABOVE0, "gamma": {"min": 1e-19}},
          {"height": "amplitude*sigma/max(1e-300, pi*(1 - exp(-center/max(1e-300, gamma))))"
                     "*(1/max(1e-300, sigma**2) - 1/max(1e-300, 4*center**2 + sigma**2))", "fwhm": "2.0*sigma"}, "dho", "peak",
          "An excitation seen by scattering, its two lines weighed by temperature `gamma`.",
          "Fak and Dorner, Physica B 234 (1997) 1107"),
    Entry("ExponentialGaussianModel", "expgaussian",
          "u = x - center; z = (gamma*sigma**2 - u)/(sigma*1.4142135623730951)\n"
          "amplitude*gamma/2*where(z > 0, exp(-(u/sigma)**2/2)*erfcx(max(z, 0)), exp(gamma*(gamma*sigma**2/2 - u))*erfc(min(z, 0)))",
          ACS | {"gamma": 1.0}, {"sigma": ABOVE0, "gamma": {"min": 0.0, "max": 20.0}}, {}, "exp_gaussian", "peak",
          "A Gaussian folded with a one-sided exponential.", "Grushka, Anal. Chem. 44 (1972) 1733"),
    Entry("SkewedGaussianModel", "skewed_gaussian",
          GAUSS + "*erfc(-gamma*(x - center)/(sigma*1.4142135623730951))", ACS | {"gamma": 0.0}, SIGMA, {}, "skewed_gaussian", "peak",
          "A skew normal distribution.", "Azzalini, Scand. J. Statist. 12 (1985) 171"),
    Entry("SkewedVoigtModel", "skewed_voigt", VOIGT + "*erfc(-skew*(x - center)/(sigma*1.4142135623730951))",
          ACS | {"skew": 0.0, "gamma": "sigma"}, SIGMA, {}, "skewed_voigt", "peak", "A Voigt profile, skewed by an error function."),
    Entry("ThermalDistributionModel", "thermal_distribution", THERMALS, ACK, {}, {}, "thermal", "distribution",
          "An occupation number: Bose, Maxwell or Fermi.", "Landau and Lifshitz, Statistical Physics, secs. 37, 53, 54"),
    Entry("BoseModel", "bose", "amplitude/expm1((x - center)/kt)", ACK, {}, {}, "bose", "distribution",
          "The Bose-Einstein distribution.", "Landau and Lifshitz, Statistical Physics, sec. 54"),
    Entry("FermiModel", "fermi", "amplitude*expit(-(x - center)/kt)", ACK, {}, {}, "fermi", "step", "The Fermi-Dirac distribution.",
          "Landau and Lifshitz, Statistical Physics, sec. 53"),
    Entry("DoniachModel", "doniach", "t = (x - center)/sigma; m = 1 - gamma\n"
          "amplitude*sigma**(-m)*cos(pi*gamma/2 + m*atan(t))*(1 + t**2)**(-m/2)", ACS | {"gamma": 0.0}, {},
          {"height": "amplitude/max(1e-300, sigma**(1 - gamma))*cos(pi*gamma/2)"}, "doniach", "peak",
          "A photoelectron line of a metal.", "Doniach and Sunjic, J. Phys. C 3 (1970) 285"),
    Entry("PowerLawModel", "powerlaw", "amplitude*x**exponent", {"amplitude": 1.0, "exponent": 1.0}, {}, {}, "power", "decay",
          "A power law."),
    Entry("ExponentialModel", "exponential", "amplitude*exp(-x/decay)", {"amplitude": 1.0, "decay": 1.0}, {}, {}, "exponential",
          "decay", "An exponential decay."),
    Entry("StepModel", "step", STEPS, ACS, {}, {}, "step", "step", "A step from 0 to `amplitude`."),
    Entry("RectangleModel", "rectangle", BOXES,
          {"amplitude": 1.0, "center1": 0.0, "sigma1": 1.0, "center2": 1.0, "sigma2": 1.0}, {"center1": {}, "center2": {}},
          {"midpoint": "(center1 + center2)/2.0"}, "rectangle", "step", "A step up and a step down."),
)
