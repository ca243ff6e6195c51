"""How precise a residual's numbers are."""
import numpy as np

EPS = float(np.finfo(float).eps)
LEVEL = 1e-2    # of the curvature that J says chi-square has: less is level
SMALLEST = float(np.finfo(float).tiny)      # normal number: what is smaller has lost digits, or all


def precision_of(residual: np.ndarray) -> float:
    """Return the relative precision of a residual array: that of float32 where every value is one, else that of float64.

    A residual computed in single precision and returned in double shows by its values.

    Examples
    --------
    >>> import numpy as np
    >>> precision_of(np.array([1/3, 0.1])) < 1e-15
    True
    >>> precision_of(np.float32([1/3, 0.1])) > 1e-8
    True
    """
    if residual.dtype == np.float64 or residual.dtype == np.complex128:
        flat = residual.ravel().view(np.float64)
        with np.errstate(over="ignore", under="ignore"):
            single = flat.astype(np.float32)
        # whole numbers and zeros say nothing; three values with a fraction that float32 holds exactly do
        telling = flat[flat != np.rint(flat)]
        if telling.size < 3 or not np.array_equal(single, flat) or np.array_equal(telling * 1024, np.rint(telling * 1024)):
            return EPS
        return float(np.finfo(np.float32).eps)
    if residual.dtype.kind in "fc":
        return max(EPS, float(np.finfo(residual.dtype).eps))
    return EPS
