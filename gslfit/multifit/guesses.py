"""First guesses from the data: a grid of shapes, the linear coefficients of each by least squares, the best few kept.

Variable projection on a grid (Golub and Pereyra, SIAM J. Numer. Anal. 10 (1973) 413), vectorised over the shapes.
"""
import numpy as np

from gslfit.multifit.types import FitType, Floats

MOST_POINTS = 300           # more say nothing more about where to start
BLOCK = 2_000_000           # elements of a block of columns


def _thin(x: Floats, y: Floats, w: Floats) -> tuple[Floats, Floats, Floats]:
    """Return at most MOST_POINTS of the data, spread evenly over the order of x."""
    if len(x) <= MOST_POINTS:
        return x, y, w
    pick = np.argsort(x, kind="stable")[np.linspace(0, len(x) - 1, MOST_POINTS).astype(int)]
    return x[pick], y[pick], w[pick]


def _project(kind: FitType, x: Floats, y: Floats, w: Floats, unit: float, shapes: Floats) -> tuple[Floats, Floats]:
    """Return the chi-square of each shape (m,), and its coefficients for y in that unit (m, p)."""
    q = shapes.T[:, :, None]
    columns = np.stack([w * column for column in kind.columns(x, q)], axis=1)           # (m, c, n)
    size = np.linalg.norm(columns, axis=2, keepdims=True)
    columns /= size
    gram = columns @ columns.transpose(0, 2, 1) + 1e-12 * np.eye(columns.shape[1])
    good = np.isfinite(gram).all(axis=(1, 2))
    gram[~good] = np.eye(columns.shape[1])
    linear = np.linalg.solve(gram, (columns @ (w * y))[:, :, None])[:, :, 0]
    chisq = ((np.einsum("mcn,mc->mn", columns, linear) - w * y) ** 2).sum(axis=1)
    values = np.stack(np.broadcast_arrays(*kind.assemble((unit * linear / size[:, :, 0]).T, shapes.T)), axis=1)
    return np.where(good & np.isfinite(values).all(axis=1), chisq, np.inf), values


def from_data(kind: FitType, x: Floats, y: Floats, w: Floats, count: int = 3) -> list[Floats]:
    """Return the best few guesses, best first.

    Parameters
    ----------
    kind : FitType
        The formula.
    x, y, w : ndarray, shape (n,)
        The data, and what multiplies each residual.
    count : int
        Most guesses.

    Returns
    -------
    list of ndarray, shape (p,)
        Guesses of all coefficients. Those beside a better one on the grid are left in: they start elsewhere.
    """
    x, y, w = _thin(x, y, w)
    unit = float(np.abs(y).max()) or 1.0        # so that nothing squared overflows
    shapes = kind.shapes(x)
    rows = max(1, BLOCK // (len(x) * len(kind.names)))
    with np.errstate(all="ignore"):
        parts = [_project(kind, x, y / unit, w, unit, shapes[i:i + rows]) for i in range(0, len(shapes), rows)]
    chisq = np.concatenate([part[0] for part in parts])
    values = np.concatenate([part[1] for part in parts])
    best = [i for i in np.argsort(chisq, kind="stable")[:count] if np.isfinite(chisq[i])]
    return [values[i] for i in best]
