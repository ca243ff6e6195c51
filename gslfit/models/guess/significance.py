"""Peaks that stick out of the noise: where a curve has maxima, however much larger others are.

What takes most off chi-square next to a strong peak is often more of the strong one: its tails, its doublet, its asymmetry. A maximum that
stands out of the noise between two lower places is a peak all the same. Noise is measured near by, by the differences of neighbours, since
counts are noisier where they are many; and maxima are looked for in the curve as it is, and in smoother ones, where broad peaks stick out
that have many maxima of noise.
"""
from __future__ import annotations

import numpy as np

SIGNIFICANT = 8.0       # standard deviations of the noise: among some hundred points a maximum of noise alone comes to 6
SCALES = (0.0, 1.5, 4.0, 10.0)      # widths of smoothing, in points
WINDOW = 21             # points that the noise is measured over, at least


def everywhere(y: np.ndarray) -> np.ndarray:
    """Return the standard deviation of the noise of curves (fits, n), from the second differences of all points, (fits, 1)."""
    if y.shape[1] < 3:
        return np.zeros((len(y), 1))
    return np.median(np.abs(y[:, :-2] - 2*y[:, 1:-1] + y[:, 2:]), axis=1, keepdims=True)/(0.6745*np.sqrt(6))


def noise(y: np.ndarray) -> np.ndarray:
    """Return the standard deviation of the noise at each point of curves (fits, n), from the second differences near by; at least that of
    all points.
    """
    from scipy.ndimage import median_filter
    size = max(WINDOW, y.shape[1]//20) | 1
    bends = np.abs(y[:, :-2] - 2*y[:, 1:-1] + y[:, 2:])/np.sqrt(6)
    near = median_filter(bends, (1, min(size, bends.shape[1])), mode="nearest")/0.6745
    return np.pad(np.maximum(near, everywhere(y)), ((0, 0), (1, 1)), mode="edge")


def maxima(x: np.ndarray, y: np.ndarray, most: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return the places and half widths of each curve's most significant maxima, at most so many.

    Parameters
    ----------
    x : ndarray, shape (n,)
        In order.
    y : ndarray, shape (fits, n)
    most : int
    """
    from scipy.ndimage import gaussian_filter1d
    n = len(x)
    if n < WINDOW:
        return [(np.zeros(0), np.zeros(0))]*len(y)
    own = noise(y)
    smooth = [(scale, y if scale == 0 else gaussian_filter1d(y, scale, axis=1, mode="nearest")) for scale in SCALES if 6*scale < n]
    return [_of_one(x, [(scale, rows[k]) for scale, rows in smooth], own[k], most) for k in range(len(y))]


def _of_one(x: np.ndarray, curves: list[tuple[float, np.ndarray]], own: np.ndarray, most: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the places and half widths of one curve's maxima; one that a less smooth curve has shown is not taken twice."""
    from scipy.signal import find_peaks, peak_widths
    at, width, size = np.zeros(0), np.zeros(0), np.zeros(0)
    for scale, curve in curves:
        level = own*(1.0 if scale == 0 else 1/np.sqrt(2*np.sqrt(np.pi)*scale))
        places, facts = find_peaks(curve, prominence=0.0)
        high = facts["prominences"] > np.maximum(SIGNIFICANT*level[places], 1e-9*np.max(np.abs(curve)))
        if not high.any():
            continue
        places, prominences = places[high], facts["prominences"][high]
        wide = peak_widths(curve, places, 0.5, (prominences, facts["left_bases"][high], facts["right_bases"][high]))[0]
        half = np.sqrt(np.maximum((wide/2)**2 - (1.1774*scale)**2, 0.25))
        with np.errstate(divide="ignore"):
            significance = prominences/level[places]*np.sqrt(half)
        near = np.abs(places[:, None] - at[None]) < np.maximum(half[:, None], width[None]) + scale
        new = ~near.any(axis=1)
        at, width, size = (np.concatenate(each) for each in ((at, places[new]), (width, half[new]), (size, significance[new])))
    best = np.argsort(-size, kind="stable")[:most]
    index = np.arange(len(x))
    left, right = (np.interp(at[best] + side*width[best], index, x) for side in (-1, 1))
    return np.interp(at[best], index, x), 0.5*(right - left)
