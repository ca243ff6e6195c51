"""The 35 problems of Moré, Garbow and Hillstrom (ACM Trans. Math. Softw. 7 (1981) 17) with their starts and known minima.

Four of them are listed in more than one size, which makes 41 cases. Residuals that GSL's own tests have too are those of `classic`.
"""
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import classic
import numpy as np

KOWALIK_Y = [0.1957, 0.1947, 0.1735, 0.16, 0.0844, 0.0627, 0.0456, 0.0342, 0.0323, 0.0235, 0.0246]
KOWALIK_U = [4, 2, 1, 0.5, 0.25, 0.167, 0.125, 0.1, 0.0833, 0.0714, 0.0625]
OSBORNE_1 = [0.844, 0.908, 0.932, 0.936, 0.925, 0.908, 0.881, 0.85, 0.818, 0.784, 0.751, 0.718, 0.685, 0.658, 0.628, 0.603, 0.58, 0.558,
             0.538, 0.522, 0.506, 0.49, 0.478, 0.467, 0.457, 0.448, 0.438, 0.431, 0.424, 0.42, 0.414, 0.411, 0.406]
OSBORNE_2 = [1.366, 1.191, 1.112, 1.013, 0.991, 0.885, 0.831, 0.847, 0.786, 0.725, 0.746, 0.679, 0.608, 0.655, 0.616, 0.606, 0.602, 0.626,
             0.651, 0.724, 0.649, 0.649, 0.694, 0.644, 0.624, 0.661, 0.612, 0.558, 0.533, 0.495, 0.5, 0.423, 0.395, 0.375, 0.372, 0.391,
             0.396, 0.405, 0.428, 0.429, 0.523, 0.562, 0.607, 0.653, 0.672, 0.708, 0.633, 0.668, 0.645, 0.632, 0.591, 0.559, 0.597, 0.625,
             0.739, 0.71, 0.729, 0.72, 0.636, 0.581, 0.428, 0.292, 0.162, 0.098, 0.054]


def known(residuals, x):
    """Return a residual of `classic`, with numpy's functions."""
    return np.array(residuals(x, np), dtype=float)


def freudenstein_roth(x):
    return np.array([-13 + x[0] + ((5 - x[1])*x[1] - 2)*x[1], -29 + x[0] + ((x[1] + 1)*x[1] - 14)*x[1]])


def jennrich_sampson(x):
    i = np.arange(1, 11)
    return 2 + 2*i - (np.exp(i*x[0]) + np.exp(i*x[1]))


def helical_valley(x):
    theta = np.arctan(x[1]/x[0])/(2*np.pi) + (0.5 if x[0] < 0 else 0) if x[0] != 0 else np.copysign(0.25, x[1])
    return np.array([10*(x[2] - 10*theta), 10*(np.hypot(x[0], x[1]) - 1), x[2]])


def kowalik_osborne(x):
    u = np.array(KOWALIK_U)
    return np.array(KOWALIK_Y) - x[0]*(u**2 + u*x[1])/(u**2 + u*x[2] + x[3])


def gulf(x):
    t = np.arange(1, 100)/100
    y = 25 + (-50*np.log(t))**(2/3)
    return np.exp(-np.abs(y - x[1])**x[2]/x[0]) - t


def osborne_1(x):
    t = 10*np.arange(33)
    return np.array(OSBORNE_1) - (x[0] + x[1]*np.exp(-t*x[3]) + x[2]*np.exp(-t*x[4]))


def osborne_2(x):
    t = np.arange(65)/10
    return np.array(OSBORNE_2) - (x[0]*np.exp(-t*x[4]) + x[1]*np.exp(-(t - x[8])**2*x[5]) + x[2]*np.exp(-(t - x[9])**2*x[6])
                                  + x[3]*np.exp(-(t - x[10])**2*x[7]))


def biggs(x):
    t = np.arange(1, 14)/10
    y = np.exp(-t) - 5*np.exp(-10*t) + 3*np.exp(-4*t)
    return x[2]*np.exp(-t*x[0]) - x[3]*np.exp(-t*x[1]) + x[5]*np.exp(-t*x[4]) - y


def watson(x):
    t = np.arange(1, 30)[:, None]/29
    j = np.arange(len(x))
    slope = t**np.maximum(j - 1, 0) @ (j*x)
    return np.concatenate([slope - (t**j @ x)**2 - 1, [x[0], x[1] - x[0]**2 - 1]])


def extended_powell(x):
    return np.concatenate([known(classic.powell1, x[k:k + 4]) for k in range(0, len(x), 4)])


def penalty_2(x):
    n, i = len(x), np.arange(2, len(x) + 1)
    y = np.exp(i/10) + np.exp((i - 1)/10)
    e = np.exp(x/10)
    return np.concatenate([[x[0] - 0.2], np.sqrt(1e-5)*(e[1:] + e[:-1] - y), np.sqrt(1e-5)*(e[1:] - np.exp(-0.1)),
                           [np.arange(n, 0, -1) @ x**2 - 1]])


def trigonometric(x):
    n = len(x)
    return n - np.cos(x).sum() + np.arange(1, n + 1)*(1 - np.cos(x)) - np.sin(x)


def brown_almost_linear(x):
    return np.append(x[:-1] + x.sum() - (len(x) + 1), np.prod(x) - 1)


def boundary_value(x):
    h = 1/(len(x) + 1)
    t = h*np.arange(1, len(x) + 1)
    around = np.pad(x, 1)
    return 2*x - around[:-2] - around[2:] + h**2*(x + t + 1)**3/2


def integral_equation(x):
    h = 1/(len(x) + 1)
    t = h*np.arange(1, len(x) + 1)
    cube = (x + t + 1)**3
    before, all_after = np.cumsum(t*cube), np.sum((1 - t)*cube) - np.cumsum((1 - t)*cube)
    return x + h*((1 - t)*before + t*all_after)/2


def broyden_tridiagonal(x):
    around = np.pad(x, 1)
    return (3 - 2*x)*x - around[:-2] - 2*around[2:] + 1


def broyden_banded(x):
    n = len(x)
    near = [[j for j in range(max(0, i - 5), min(n, i + 2)) if j != i] for i in range(n)]
    return np.array([x[i]*(2 + 5*x[i]**2) + 1 - (x[j]*(1 + x[j])).sum() for i, j in enumerate(near)])


def linear_full_rank(x, m):
    return np.concatenate([x, np.zeros(m - len(x))]) - 2/m*x.sum() - 1


def linear_rank_1(x, m):
    return np.arange(1, m + 1)*(np.arange(1, len(x) + 1) @ x) - 1


def linear_rank_1_zeros(x, m):
    inner = np.arange(2, len(x)) @ x[1:-1]
    return np.concatenate([[-1], np.arange(1, m - 1)*inner - 1, [-1]])


def chebyquad(x):
    n, z = len(x), 2*x - 1
    i = np.arange(1, n + 1)
    polynomials = [np.ones(n), z]
    for _ in range(2, n + 1):
        polynomials.append(2*z*polynomials[-1] - polynomials[-2])
    integral = np.where(i % 2 == 0, -1/np.maximum(i.astype(float)**2 - 1, 1), 0)
    return np.array([p.mean() for p in polynomials[1:]]) - integral


class Case(NamedTuple):
    """One problem in one size.

    `minima` are the values of chi-square at the finite minima that the paper lists, or that its formulas give, the lowest first;
    `infinite` those that are approached only as parameters go to infinity.
    """

    name: str
    residuals: Callable
    start: list[float]
    minima: tuple[float, ...]
    infinite: tuple[float, ...] = ()

    def start_at(self, factor):
        """Return the start times a factor; where the start is zero, all components are the factor (as in the paper's own program)."""
        start = np.array(self.start, dtype=float)
        return start*factor if factor == 1 or start.any() else np.full(start.size, float(factor))


def _of_classic(name):
    return partial(known, getattr(classic, name))


CASES = [
    Case("rosenbrock", _of_classic("rosenbrock"), [-1.2, 1], (0.,)),
    Case("freudenstein_roth", freudenstein_roth, [0.5, -2], (0., 48.98425367924)),
    Case("powell_badly_scaled", _of_classic("powell3"), [0, 1], (0.,)),
    Case("brown_badly_scaled", _of_classic("brown3"), [1, 1], (0.,)),
    Case("beale", _of_classic("beale"), [1, 1], (0.,)),
    Case("jennrich_sampson", jennrich_sampson, [0.3, 0.4], (124.362182355615,)),
    Case("helical_valley", helical_valley, [-1, 0, 0], (0.,)),
    Case("bard", _of_classic("bard"), [1, 1, 1], (8.214877306578963e-3,), (17.42869333333333,)),
    Case("gaussian", _of_classic("gaussian"), [0.4, 1, 0], (1.1279327696187199e-8,)),
    Case("meyer", _of_classic("meyer"), [0.02, 4000, 250], (87.94585517053883,)),
    Case("gulf", gulf, [5, 2.5, 0.15], (0.,)),
    Case("box", _of_classic("box3d"), [0, 10, 20], (0.,)),
    Case("powell_singular", _of_classic("powell1"), [3, -1, 0, 1], (0.,)),
    Case("wood", _of_classic("wood"), [-3, -1, -3, -1], (0.,)),
    Case("kowalik_osborne", kowalik_osborne, [0.25, 0.39, 0.415, 0.39], (3.0750560384924e-4,), (1.0273e-3,)),
    Case("brown_dennis", _of_classic("brown1"), [25, 5, -5, -1], (85822.20162635628,)),
    Case("osborne_1", osborne_1, [0.5, 1.5, -1, 0.01, 0.02], (5.46489469748e-5,)),
    Case("biggs", biggs, [1, 2, 1, 1, 1, 1], (0., 5.655649925e-3)),
    Case("osborne_2", osborne_2, [1.3, 0.65, 0.65, 0.7, 0.6, 3, 5, 7, 2, 4.5, 5.5], (4.01377362935e-2,)),
    Case("watson_6", watson, [0]*6, (2.28767005355e-3,)),
    Case("watson_9", watson, [0]*9, (1.399760138e-6,)),
    Case("watson_12", watson, [0]*12, (4.7223811e-10,)),
    Case("extended_rosenbrock", _of_classic("rosenbrock"), [-1.2, 1]*5, (0.,)),
    Case("extended_powell", extended_powell, [3, -1, 0, 1]*3, (0.,)),
    Case("penalty_1_4", _of_classic("penalty1"), [1, 2, 3, 4], (2.24997750084e-5,)),
    Case("penalty_1_10", _of_classic("penalty1"), list(range(1, 11)), (7.08765146709e-5,)),
    Case("penalty_2_4", penalty_2, [0.5]*4, (9.37629305e-6,)),
    Case("penalty_2_10", penalty_2, [0.5]*10, (2.93660374e-4,)),
    Case("variably_dimensioned", _of_classic("vardim"), [1 - k/10 for k in range(1, 11)], (0.,)),
    Case("trigonometric", trigonometric, [0.1]*10, (0., 2.795056122e-5)),
    Case("brown_almost_linear", brown_almost_linear, [0.5]*10, (0., 1.)),
    Case("boundary_value", boundary_value, [k/11*(k/11 - 1) for k in range(1, 11)], (0.,)),
    Case("integral_equation", integral_equation, [k/11*(k/11 - 1) for k in range(1, 11)], (0.,)),
    Case("broyden_tridiagonal", broyden_tridiagonal, [-1]*10, (0.,)),
    Case("broyden_banded", broyden_banded, [-1]*10, (0.,)),
    Case("linear_full_rank", partial(linear_full_rank, m=20), [1]*10, (10.,)),
    Case("linear_rank_1", partial(linear_rank_1, m=20), [1]*10, (20*19/(2*41),)),
    Case("linear_rank_1_zeros", partial(linear_rank_1_zeros, m=20), [1]*10, ((20**2 + 3*20 - 6)/(2*37),)),
    Case("chebyquad_8", chebyquad, [k/9 for k in range(1, 9)], (3.516873725677e-3,)),
    Case("chebyquad_9", chebyquad, [k/10 for k in range(1, 10)], (0.,)),
    Case("chebyquad_10", chebyquad, [k/11 for k in range(1, 11)], (6.5039548e-3, 4.7727137e-3)),
]
