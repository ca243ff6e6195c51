"""Peaks that stick out of the noise are found however strong another one is; what is guessed of no use is said."""
import numpy as np
import pytest

from gslfit.errors import InputError
from gslfit.models import GaussianModel, LinearModel, StepModel, sum_of_peaks
from gslfit.models.guess.significance import SIGNIFICANT, everywhere, maxima, noise

X = np.linspace(20, 52, 830)


def pattern(places, heights, seed, background=30.0):
    """Reflections as doublets of two wavelengths, with tails, in counts."""
    def line(center, height):
        return height*(0.6*np.exp(-(X - center)**2/2/0.12**2) + 0.4/(1 + ((X - center)/0.12)**2))
    clean = background + sum(line(center, height) + line(1.0025*center, height/2) for center, height in zip(places, heights, strict=True))
    return np.random.default_rng(seed).poisson(clean).astype(float)


@pytest.mark.parametrize("shape", ["PseudoVoigt", "Gaussian", "Lorentzian"])
@pytest.mark.parametrize("background", ["constant", "line"])
def test_isolated_peaks_beside_strong_ones(shape, background):
    """Ten patterns of reflections 1 to 300 as strong as each other: each is guessed, and the strongest no more than once."""
    rng = np.random.default_rng(3)
    for seed in range(10):
        count = int(rng.integers(3, 7))
        places = 22 + 29*(np.arange(count) + rng.uniform(0.2, 0.8, count))/count
        y = pattern(places, 10**rng.uniform(2.5, 5, count), seed)
        guess = sum_of_peaks(shape, count, background=background).guess(y, x=X)
        found = [guess[f"p{k + 1}_center"].value for k in range(count)]
        assert found == pytest.approx(places.tolist(), abs=0.4)


def test_one_curve_as_many():
    """A batch finds what one curve alone does."""
    y = np.stack([pattern((21.4, 24.7, 34.9, 42.8, 49.4), (560, 66000, 6000, 2000, 4300), seed) for seed in range(4)])
    model = sum_of_peaks("PseudoVoigt", 5, background="line")
    many = model.guess(y, x=X)
    for k in range(4):
        one = model.guess(y[k], x=X)
        assert all(one[name].value == pytest.approx(value[k], rel=1e-9) for name, value in many.items())


def test_noise_alone_has_no_maxima():
    """Of 200 curves of noise none has a significant maximum; the noise is measured to a tenth, and where it changes, near by."""
    y = np.random.default_rng(5).standard_normal((200, 300))
    assert sum(len(at) for at, _ in maxima(np.arange(300.0), y, 5)) == 0
    assert everywhere(y).mean() == pytest.approx(1, rel=0.1)
    loud = np.where(np.arange(300) < 150, 1.0, 10.0)*y
    assert noise(loud)[:, 220:280].mean() == pytest.approx(10, rel=0.15)
    spike = y.copy()
    spike[:, 100] += 4*SIGNIFICANT
    assert all(len(at) == 1 and abs(at[0] - 100) <= 1 for at, _ in maxima(np.arange(300.0), spike, 5))


def test_points_that_are_all_the_same():
    """Nothing can be guessed where x never changes, and that is said."""
    for model in (GaussianModel(), StepModel(), GaussianModel(prefix="p_") + LinearModel()):
        with pytest.raises(InputError, match="x is 3 at every point"):
            model.guess(np.arange(5.0), x=np.full(5, 3.0))
