"""Profiles of chi-square by brute force: at each held value the lowest of many SciPy fits from starts all over the place."""
import numpy as np
from scipy.optimize import brentq, leastsq

STARTS, SEED = 8, 7


class BruteForce:
    """A problem's profiles.

    Parameters
    ----------
    residual : callable
        ``residual(v) -> ndarray``.
    best : ndarray, shape (p,)
    low, high : ndarray, shape (p,)
        The box that starts are drawn from; uniformly, or by logarithms where both ends have one sign.
    """

    def __init__(self, residual, best, low, high):
        self.residual, self.best = residual, np.asarray(best, float)
        random = np.random.default_rng(SEED)
        share = random.random((STARTS, self.best.size))
        logarithmic = (low > 0) & (high > 0)
        with np.errstate(invalid="ignore", divide="ignore"):
            by_logarithm = low*(high/low)**share
        self.starts = [self.best, *np.where(logarithmic, by_logarithm, low + share*(high - low))]
        self.chi = float(np.sum(residual(self.best)**2))

    def at(self, k, value, near=()):
        """Return the lowest chi-square with parameter k held, and where."""
        free = [i for i in range(self.best.size) if i != k]
        lowest = (np.inf, self.best)

        def held(u):
            x = np.empty(self.best.size)
            x[k], x[free] = value, u
            r = self.residual(x)
            return np.where(np.isfinite(r), r, 1e150)
        for start in [*near, *self.starts]:
            if not free:
                chi = float(np.sum(held(np.empty(0))**2))
                return chi, np.array([value])
            with np.errstate(all="ignore"):
                u, _, info, *_ = leastsq(held, np.array(start)[free], full_output=True, xtol=1e-9, ftol=1e-10, maxfev=400)
            chi = float(info["fvec"] @ info["fvec"])
            if chi < lowest[0]:
                x = np.empty(self.best.size)
                x[k], x[free] = value, u
                lowest = chi, x
        return lowest

    def first_crossing(self, k, level, ends, points=12):
        """Where the profile first reaches a level between the best value and `ends`; infinite where it doesn't."""
        inner, near = self.best[k], self.best
        for value in np.linspace(self.best[k], ends, points + 1)[1:]:
            chi, near = self.at(k, value, [near])
            if chi >= level:
                return brentq(lambda v, near=near: self.at(k, v, [near])[0] - level, inner, value, rtol=1e-6, xtol=1e-12)
            inner = value
        return np.inf

    def below(self, k, level, values):
        """Whether the profile lies below a level at each of some values."""
        near, found = self.best, []
        for value in values:
            chi, near = self.at(k, value, [near, self.best])
            found.append(chi < level)
        return np.array(found)
