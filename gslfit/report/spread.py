"""How numbers of many fits are spread: the range that pictures cover, and the middle with what lies about it."""
import numpy as np

OFTEN = 99.             # per cent of the good values that colours, or a histogram, cover
ABOUT = (15.87, 50, 84.13)      # per cent: the median, and one standard deviation of a normal distribution to either side


def common_range(numbers: np.ndarray) -> tuple[float, float] | None:
    """Return a range that holds all but the outermost of the numbers; None where there are none."""
    good = numbers[np.isfinite(numbers)]
    if not good.size:
        return None
    low, high = np.percentile(good, [(100 - OFTEN)/2, (100 + OFTEN)/2])
    return (float(low), float(high)) if high > low else (float(low) - 0.5*(abs(low) or 1), float(high) + 0.5*(abs(high) or 1))


def middle(good: np.ndarray) -> tuple[float, float, float]:
    """Return the median of finite numbers between the ends of the 68 % about it."""
    low, median, high = np.percentile(good, ABOUT)
    return float(low), float(median), float(high)
