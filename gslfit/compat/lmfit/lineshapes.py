"""The line shapes of lmfit 1.3 as functions of arrays. The library of models evaluates formulas; these are for scripts that call shapes.

Widths are kept from 0 by `tiny`, as lmfit keeps them.
"""
import math
from typing import Any

import numpy as np

from gslfit.errors import InputError

tiny = 1e-15
log2, s2, s2pi = math.log(2), math.sqrt(2), math.sqrt(2*math.pi)

functions = ("gaussian", "gaussian2d", "lorentzian", "voigt", "pvoigt", "moffat", "pearson4", "pearson7", "breit_wigner",
             "damped_oscillator", "dho", "logistic", "lognormal", "students_t", "expgaussian", "doniach", "skewed_gaussian", "skewed_voigt",
             "thermal_distribution", "bose", "fermi", "step", "rectangle", "exponential", "powerlaw", "linear", "parabolic", "sine",
             "expsine", "split_lorentzian")


def _wide(width: float) -> float:
    """Return a width, or the smallest there is."""
    return max(tiny, width)


def not_zero(value: float) -> float:
    """Return a number, moved to `tiny` from 0, its sign kept."""
    return math.copysign(max(tiny, abs(value)), value)


def gaussian(x: Any, amplitude: float = 1., center: float = 0., sigma: float = 1.) -> Any:
    """Return a Gaussian of area `amplitude`: amplitude/(sigma sqrt(2 pi)) exp(-(x - center)^2/(2 sigma^2))."""
    return amplitude/_wide(s2pi*sigma)*np.exp(-(1.*x - center)**2/_wide(2*sigma*sigma))


def gaussian2d(x: Any, y: Any = 0., amplitude: float = 1., centerx: float = 0., centery: float = 0., sigmax: float = 1.,
               sigmay: float = 1.) -> Any:
    """Return a two-dimensional Gaussian of volume `amplitude`, the product of one in x and one in y."""
    return amplitude*(gaussian(x, 1., centerx, sigmax)*gaussian(y, 1., centery, sigmay))


def lorentzian(x: Any, amplitude: float = 1., center: float = 0., sigma: float = 1.) -> Any:
    """Return a Lorentzian of area `amplitude`: amplitude/(pi sigma (1 + ((x - center)/sigma)^2))."""
    return amplitude/(1 + ((1.*x - center)/_wide(sigma))**2)/_wide(math.pi*sigma)


def split_lorentzian(x: Any, amplitude: float = 1., center: float = 0., sigma: float = 1., sigma_r: float = 1.) -> Any:
    """Return a Lorentzian with one width left of its centre and another right of it; area `amplitude`."""
    left, right = _wide(sigma), _wide(sigma_r)
    square = np.where(np.less(x, center), left, right)**2
    return 2*amplitude/(math.pi*(left + right))*square/(square + (x - center)**2)


def voigt(x: Any, amplitude: float = 1., center: float = 0., sigma: float = 1., gamma: float | None = None) -> Any:
    """Return a Voigt profile of area `amplitude`, Re w(z)/(sigma sqrt(2 pi)) with z = (x - center + i gamma)/(sigma sqrt(2))."""
    from scipy.special import wofz
    z = (x - center + 1j*(sigma if gamma is None else gamma))/_wide(sigma*s2)
    return amplitude*wofz(z).real/_wide(sigma*s2pi)


def pvoigt(x: Any, amplitude: float = 1., center: float = 0., sigma: float = 1., fraction: float = .5) -> Any:
    """Return a pseudo-Voigt profile: a Gaussian and a Lorentzian of the same full width, in parts 1 - fraction and fraction."""
    return ((1 - fraction)*gaussian(x, amplitude, center, sigma/math.sqrt(2*log2)) + fraction*lorentzian(x, amplitude, center, sigma))


def moffat(x: Any, amplitude: float = 1, center: float = 0., sigma: float = 1, beta: float = 1.) -> Any:
    """Return a Moffat profile: amplitude (1 + ((x - center)/sigma)^2)^-beta."""
    return amplitude/(((x - center)/_wide(sigma))**2 + 1)**beta


def pearson4(x: Any, amplitude: float = 1., center: float = 0., sigma: float = 1., expon: float = 1., skew: float = 0.) -> Any:
    """Return a Pearson IV profile of area `amplitude`."""
    from scipy.special import betaln, loggamma
    expon, sigma = _wide(expon), _wide(sigma)
    z = (x - center)/sigma
    norm = 2*(loggamma(expon + .5j*skew).real - loggamma(expon)) - betaln(expon - .5, .5)
    return amplitude/sigma*np.exp(norm - expon*np.log1p(z*z) - skew*np.arctan(z))


def pearson7(x: Any, amplitude: float = 1., center: float = 0., sigma: float = 1., expon: float = 1.) -> Any:
    """Return a Pearson VII profile of area `amplitude`."""
    from scipy.special import gamma
    expon, sigma = _wide(expon), _wide(sigma)
    norm = amplitude*gamma(expon)/(gamma(.5)*gamma(expon - .5))
    return norm*(1 + ((x - center)/sigma)**2)**-expon/sigma


def breit_wigner(x: Any, amplitude: float = 1., center: float = 0., sigma: float = 1., q: float = 1.) -> Any:
    """Return a Breit-Wigner-Fano profile: amplitude (q g + x - center)^2/(g^2 + (x - center)^2) with g = sigma/2."""
    half, off = sigma/2, x - center
    return amplitude*(q*half + off)**2/(half*half + off**2)


def damped_oscillator(x: Any, amplitude: float = 1., center: float = 1., sigma: float = .1) -> Any:
    """Return the amplitude of a driven damped oscillator: amplitude/sqrt((1 - (x/center)^2)^2 + (2 sigma x/center)^2)."""
    ratio = x/_wide(abs(center))
    return amplitude/np.sqrt((1. - ratio**2)**2 + (2*sigma*ratio)**2)


def dho(x: Any, amplitude: float = 1., center: float = 1., sigma: float = 1., gamma: float = 1.) -> Any:
    """Return a damped harmonic oscillator with the Bose factor of kT = gamma, as in inelastic scattering."""
    x = np.asarray(x, float)
    factor = 1. - np.exp(-x/_wide(gamma))
    factor = np.where(np.isnan(factor) | (np.abs(factor) <= tiny), tiny, factor)
    lines = 1/((x - center)**2 + sigma**2) - 1/((x + center)**2 + sigma**2)
    at_zero = 4*gamma*center/(center**2 + sigma**2)**2
    return amplitude*sigma/math.pi*np.where(np.isclose(x, 0.), at_zero, lines/factor)


def logistic(x: Any, amplitude: float = 1., center: float = 0., sigma: float = 1.) -> Any:
    """Return a logistic step: amplitude (1 - 1/(1 + exp((x - center)/sigma)))."""
    return amplitude*(1. - 1./(1. + np.exp((x - center)/_wide(sigma))))


def lognormal(x: Any, amplitude: float = 1., center: float = 0., sigma: float = 1) -> Any:
    """Return a log-normal profile of area `amplitude`; x below `tiny` counts as `tiny`."""
    x = np.maximum(tiny, x)
    return amplitude/(x*_wide(sigma*s2pi))*np.exp(-(np.log(x) - center)**2/_wide(2*sigma*sigma))


def students_t(x: Any, amplitude: float = 1., center: float = 0., sigma: float = 1.) -> Any:
    """Return Student's t distribution with `sigma` degrees of freedom, area `amplitude`."""
    from scipy.special import gamma
    half = (sigma + 1)/2
    return amplitude*(1 + (x - center)**2/_wide(sigma))**-half*gamma(half)/_wide(math.sqrt(sigma*math.pi)*gamma(_wide(sigma/2)))


def expgaussian(x: Any, amplitude: float = 1, center: float = 0, sigma: float = 1., gamma: float = 1.) -> Any:
    """Return a Gaussian folded with a one-sided exponential of rate `gamma`."""
    from scipy.special import erfc
    shift = gamma*sigma*sigma
    return amplitude*(gamma/2)*np.exp(gamma*(center + shift/2 - x))*erfc((center + shift - x)/_wide(s2*sigma))


def doniach(x: Any, amplitude: float = 1., center: float = 0, sigma: float = 1., gamma: float = 0.) -> Any:
    """Return a Doniach-Sunjic profile."""
    z, rest = (x - center)/_wide(sigma), 1. - gamma
    return amplitude/_wide(sigma**rest)*np.cos(math.pi*gamma/2 + rest*np.arctan(z))/(1 + z**2)**(rest/2)


def skewed_gaussian(x: Any, amplitude: float = 1., center: float = 0., sigma: float = 1., gamma: float = 0.) -> Any:
    """Return a Gaussian times 1 + erf(gamma (x - center)/(sigma sqrt(2)))."""
    from scipy.special import erf
    return (1 + erf(gamma*(x - center)/_wide(s2*sigma)))*gaussian(x, amplitude, center, sigma)


def skewed_voigt(x: Any, amplitude: float = 1., center: float = 0., sigma: float = 1., gamma: float | None = None,
                 skew: float = 0.) -> Any:
    """Return a Voigt profile times 1 + erf(skew (x - center)/(sigma sqrt(2)))."""
    from scipy.special import erf
    return (1 + erf(skew/_wide(s2*sigma)*(x - center)))*voigt(x, amplitude, center, sigma, gamma)


def sine(x: Any, amplitude: float = 1., frequency: float = 1., shift: float = 0.) -> Any:
    """Return amplitude sin(frequency x + shift)."""
    return amplitude*np.sin(x*frequency + shift)


def expsine(x: Any, amplitude: float = 1., frequency: float = 1., shift: float = 0., decay: float = 0.) -> Any:
    """Return a sine that decays as exp(-decay x)."""
    return sine(x, amplitude, frequency, shift)*np.exp(-x*decay)


OFFSETS = {"bose": -1, "maxwell": 0, "fermi": 1}


def thermal_distribution(x: Any, amplitude: float = 1., center: float = 0., kt: float = 1., form: str = "bose") -> Any:
    """Return 1/(amplitude exp((x - center)/kt) + k), with k = -1 ("bose"), 0 ("maxwell") or 1 ("fermi")."""
    offset = next((value for name, value in OFFSETS.items() if form.lower().startswith(name)), None)
    if offset is None:
        raise InputError(f"Invalid value {form!r} for argument 'form'; should be one of {', '.join(map(repr, OFFSETS))}")
    return np.real(1/(amplitude*np.exp((x - center)/not_zero(kt)) + offset + tiny*1j))


def bose(x: Any, amplitude: float = 1., center: float = 0., kt: float = 1.) -> Any:
    """Return amplitude/(exp((x - center)/kt) - 1)."""
    below = np.exp((x - center)/not_zero(kt)) - 1.
    return amplitude/np.where(np.abs(below) < tiny*tiny, tiny*tiny, below)


def fermi(x: Any, amplitude: float = 1., center: float = 0., kt: float = 1.) -> Any:
    """Return amplitude/(exp((x - center)/kt) + 1)."""
    return amplitude/(np.exp((x - center)/not_zero(kt)) + 1.)


def _erf(z: Any) -> Any:
    from scipy.special import erf
    return erf(z)


STEPS = {"erf": _erf, "logistic": lambda z: 1. - 2./(1. + np.exp(z)), "atan": lambda z: 2*np.arctan(z)/math.pi,
         "arctan": lambda z: 2*np.arctan(z)/math.pi}
"""Steps from -1 to 1 by name; the linear one has a width of its own in `step` and in `rectangle`."""


def _rise(z: Any, form: str, width: float) -> Any:
    """Return a step from -1 to 1."""
    if form == "linear":
        return np.clip(z/width, -1, 1)
    if form not in STEPS:
        raise InputError(f"Invalid value {form!r} for argument 'form'; should be one of {', '.join(map(repr, [*STEPS, 'linear']))}")
    return STEPS[form](z)


def step(x: Any, amplitude: float = 1., center: float = 0., sigma: float = 1., form: str = "linear") -> Any:
    """Return a step from 0 to `amplitude` at `center`; it falls where sigma is negative."""
    z = math.copysign(1., sigma)*(x - center)/max(tiny*tiny, abs(sigma)) if sigma else 0.*x
    return amplitude*(1 + _rise(z, form, .5))/2


def rectangle(x: Any, amplitude: float = 1., center1: float = 0., sigma1: float = 1., center2: float = 1., sigma2: float = 1.,
              form: str = "linear") -> Any:
    """Return a step up at `center1` and down at `center2`."""
    return amplitude*(_rise((x - center1)/_wide(sigma1), form, 1.) + _rise((center2 - x)/_wide(sigma2), form, 1.))/2


def exponential(x: Any, amplitude: float = 1, decay: float = 1) -> Any:
    """Return amplitude exp(-x/decay)."""
    return amplitude*np.exp(-x/not_zero(decay))


def powerlaw(x: Any, amplitude: float = 1, exponent: float = 1.) -> Any:
    """Return amplitude x^exponent."""
    return amplitude*x**exponent


def linear(x: Any, slope: float = 1., intercept: float = 0.) -> Any:
    """Return slope x + intercept."""
    return slope*x + intercept


def parabolic(x: Any, a: float = 0., b: float = 0., c: float = 0.) -> Any:
    """Return a x^2 + b x + c."""
    return a*x**2 + b*x + c
