"""The rough guesses that models of one's own are made with in lmfit: from extrema and the points beyond half of the way between them."""
from typing import Any

import numpy as np

from gslfit.data.numbers import read


def taking_part(**arrays: Any) -> list[np.ndarray]:
    """Return arrays of one shape without the points that one of them masks."""
    found = [read(name, value) for name, value in arrays.items()]
    masks = [each.mask for each in found if each.mask is not None]
    return [each.array[~np.logical_or.reduce(masks)] if masks else each.array for each in found]


def guess_from_peak(model: Any, y: Any, x: Any, negative: bool, ampscale: float = 1., sigscale: float = 1.) -> Any:
    """Return a peak's parameters, by lmfit's rule.

    The centre is the mean, and half the distance of the outermost the width, of the points beyond half height; the amplitude is three
    times the height times the width.

    Parameters
    ----------
    model : Model
        With the parameters `amplitude`, `center` and `sigma`.
    y, x : array_like, shape (n,)
    negative : bool
        Whether it is a dip.
    ampscale, sigscale : float
        Factors of amplitude and width.

    Returns
    -------
    Parameters
        With a width of at least 0.
    """
    x, y = taking_part(x=x, y=y)
    order = np.argsort(x)
    x, y = x[order], y[order]
    high, low = y.max(), y.min()
    beyond = x[y < (high + low)/2] if negative else x[y > (high + low)/2]
    center, sigma = x[np.argmax(y)], np.ptp(x)/6
    if len(beyond) > 2:
        center, sigma = beyond.mean(), (beyond[-1] - beyond[0])/2
    height = 3*(high - low)*(-1 if negative else 1)
    params = model.make_params(amplitude=height*sigma*ampscale, center=center, sigma=sigma*sigscale)
    params[f"{model.prefix}sigma"].set(min=0.)
    return params


def guess_from_peak2d(model: Any, z: Any, x: Any, y: Any, negative: bool) -> Any:
    """Return the parameters of a peak over a plane, by lmfit's rule: at the extremum, a sixth of the ranges wide.

    Parameters
    ----------
    model : Model
        With the parameters `amplitude`, `centerx`, `centery`, `sigmax` and `sigmay`.
    z, x, y : array_like, shape (n,)
    negative : bool
        Whether it is a dip.

    Returns
    -------
    Parameters
        With widths of at least 0.
    """
    x, y, z = taking_part(x=x, y=y, z=z)
    at = np.argmin(z) if negative else np.argmax(z)
    sigmax, sigmay = np.ptp(x)/6, np.ptp(y)/6
    height = np.ptp(z)*(-1 if negative else 1)
    params = model.make_params(amplitude=height*sigmax*sigmay, centerx=x[at], centery=y[at], sigmax=sigmax, sigmay=sigmay)
    for name in ("sigmax", "sigmay"):
        params[model.prefix + name].set(min=0.)
    return params


def guess_thermal(model: Any, y: Any, x: Any) -> Any:
    """Return the parameters of a thermal distribution, by lmfit's rule: centred in the middle, a tenth of the range hot.

    Parameters
    ----------
    model : Model
        With the parameters `amplitude`, `center` and `kt`.
    y, x : array_like, shape (n,)

    Returns
    -------
    Parameters
    """
    x, y = taking_part(x=x, y=y)
    center, kt = x.mean(), np.ptp(x)/10
    return model.make_params(amplitude=y.max()*np.exp((x.min() - center)/max(1e-15, kt)), center=center, kt=kt)
