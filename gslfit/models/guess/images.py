"""Start values of spots in images, from moments of what lies above a threshold.

Of a Gaussian spot cut off at the share t of its height, the weights ``max(z - t h, 0)`` have along each axis the variance ``e(t)`` times
sigma^2, with R = log(1/t) and ``e = (1 - t (1 + R) - t R^2/2)/(1 - t - t R)``: noise below the threshold has no say, and e puts the
width right.
"""
from __future__ import annotations

from collections.abc import Mapping
from math import log
from typing import Any

import numpy as np

SHARE = 0.3
_R = log(1/SHARE)
NARROWED = (1 - SHARE*(1 + _R) - SHARE*_R**2/2)/(1 - SHARE - SHARE*_R)
AIRY_BY_SIGMA = 2.9      # the first dark ring by the sigma of the Gaussian most like it


def moments(z: np.ndarray, x: np.ndarray, y: np.ndarray, level: bool) -> dict[str, np.ndarray]:
    """Return offset, height, centre and central second moments of spots, an array (fits) each.

    Parameters
    ----------
    z : ndarray, shape (fits, n)
        NaN where nothing is known.
    x, y : ndarray, shape (n,) or (fits, n)
    level : bool
        Whether there is an offset; else it is 0.
    """
    known = np.isfinite(z)
    quantile = np.quantile if known.all() else np.nanquantile
    offset = quantile(z, 0.25, axis=1) if level else np.zeros(len(z))
    above = np.where(known, z - offset[:, None], 0.0)
    sign = np.where(above.max(axis=1) >= -above.min(axis=1), 1.0, -1.0)
    above = above*sign[:, None]
    height = quantile(np.where(known, above, np.nan), 1 - 2/z.shape[1], axis=1)
    weights = np.maximum(above - SHARE*height[:, None], 0)
    total = np.maximum(weights.sum(axis=1), 1e-300)
    x0, y0 = (weights*x).sum(axis=1)/total, (weights*y).sum(axis=1)/total
    dx, dy = x - x0[:, None], y - y0[:, None]
    xx, yy, xy = ((weights*each).sum(axis=1)/total/NARROWED for each in (dx*dx, dy*dy, dx*dy))
    least = (np.ptp(x)*np.ptp(y)/z.shape[1])/4
    return {"offset": offset, "height": height*sign, "x0": x0, "y0": y0, "xx": np.maximum(xx, least), "yy": np.maximum(yy, least), "xy": xy}


def guess_image(model: Any, data: np.ndarray, variables: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """Estimate a spot's parameters.

    Parameters
    ----------
    model : LibraryModel
        Of two variables.
    data : ndarray, shape (..., n), or of the variables' shape
    variables : mapping of str to ndarray
    """
    x, y = (np.asarray(variables[name], float) for name in model.entry.independent)
    data = np.asarray(data, float)
    one = x.shape == data.shape
    z = data.reshape(1, -1) if one else data.reshape(-1, data.shape[-1])
    x, y = (each.reshape(-1) if one else each if each.ndim == 1 else np.broadcast_to(each, data.shape).reshape(z.shape) for each in (x, y))
    found = moments(z, x, y, "offset" in model._definition.names)
    shape = () if one else data.shape[:-1]
    return {name: value.reshape(shape) for name, value in ESTIMATES[model.entry.cls](found).items()}


def _straight(found: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return a Gaussian along the axes, of a volume."""
    sx, sy = np.sqrt(found["xx"]), np.sqrt(found["yy"])
    return {"amplitude": 2*np.pi*found["height"]*sx*sy, "centerx": found["x0"], "centery": found["y0"], "sigmax": sx, "sigmay": sy}


def _turned(found: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return a Gaussian turned by the angle of its longer axis."""
    xx, yy, xy = found["xx"], found["yy"], found["xy"]
    half, root = 0.5*(xx + yy), np.hypot(0.5*(xx - yy), xy)
    return {"height": found["height"], "x0": found["x0"], "y0": found["y0"], "sigma_u": np.sqrt(half + root),
            "sigma_v": np.sqrt(np.maximum(half - root, 0.05*half)), "theta": 0.5*np.arctan2(2*xy, xx - yy), "offset": found["offset"]}


def _airy(found: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return an Airy spot."""
    radius = AIRY_BY_SIGMA*np.sqrt(0.5*(found["xx"] + found["yy"]))
    return {"height": found["height"], "x0": found["x0"], "y0": found["y0"], "radius": radius, "offset": found["offset"]}


ESTIMATES = {"Gaussian2dModel": _straight, "EllipticalGaussian2dModel": _turned, "Airy2dModel": _airy}
"""From moments to parameters, by class."""
