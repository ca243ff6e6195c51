"""Losses over many problems: counts against the zero of the score, robust losses against SciPy, biases, coverage and cold starts."""
import numpy as np
import pytest
from scipy.optimize import least_squares, root

from gslfit import Formula, fit_batch

PEAK, NAMES = "A*exp(-(x - c)**2/(2*s**2)) + b", ["A", "c", "s", "b"]


def peak(v, x):
    return v[0]*np.exp(-.5*((x - v[1])/v[2])**2) + v[3]


def peak_slopes(v, x):
    u = (x - v[1])/v[2]
    e = np.exp(-.5*u*u)
    return np.array([e, v[0]*e*u/v[2], v[0]*e*u*u/v[2], np.ones_like(x)]).T


def decay(v, x):
    return v[0]*np.exp(-x/v[1]) + v[2]


def decay_slopes(v, x):
    e = np.exp(-x/v[1])
    return np.array([e, v[0]*e*x/v[1]**2, np.ones_like(x)]).T


def line(v, x):
    return v[0] + v[1]*x


def line_slopes(v, x):
    return np.array([np.ones_like(x), x]).T


# formula, names, model, its derivatives, true values in units of the mean count
PROBLEMS = [(PEAK, NAMES, peak, peak_slopes, [3, 5, 1.2, .5]),
            ("A*exp(-x/t) + c", ["A", "t", "c"], decay, decay_slopes, [3, 2, .4]),
            ("a + b*x", ["a", "b"], line, line_slopes, [.5, .1])]


def columns(result, names, place):
    return np.array([np.asarray(result[name])[place] for name in names])


def test_zero_of_score():
    """In 200 problems of mean counts from 0.3 to a million fits end within 1e-7 of an error of the zero of the exact score."""
    rng, found = np.random.default_rng(18), 0
    for k, level in enumerate(np.geomspace(.3, 1e6, 200)):
        text, names, model, slopes, truth = PROBLEMS[k % 3]
        x = np.linspace(0, 10, 900 if level < 30 else 80)
        true = np.array([value*level if name in "Aab" or (name == "c" and model is decay) else value
                         for name, value in zip(names, truth, strict=True)])
        y = rng.poisson(model(true, x)).astype(float)
        result = fit_batch(text, y[None], x=x, start=dict(zip(names, true*rng.uniform(.85, 1.15, true.size), strict=True)), loss="poisson")
        assert result.success[0], (k, level)
        v, errors = columns(result.values, names, 0), columns(result.stderr, names, 0)
        J = slopes(v, x)
        np.testing.assert_allclose(errors, np.sqrt(np.linalg.inv(J.T @ (J/model(v, x)[:, None])).diagonal()), rtol=1e-5)

        def score(u, v=v, errors=errors, x=x, y=y, model=model, slopes=slopes):
            at = v + u*errors
            return slopes(at, x).T @ (y/model(at, x) - 1)*errors

        def fisher(u, v=v, errors=errors, x=x, model=model, slopes=slopes):
            at = v + u*errors
            J = slopes(at, x)*errors
            return -J.T @ (J/model(at, x)[:, None])
        exact = root(score, np.full(v.size, 1e-3), jac=fisher, tol=1e-13)
        assert np.abs(exact.fun).max() < 1e-9, (k, level, exact)
        assert np.abs(exact.x).max() < 1e-7, (k, level, exact.x)
        found += 1
    assert found == 200


@pytest.mark.parametrize("loss", ["soft_l1", "huber", "cauchy", "arctan"])
@pytest.mark.slow
def test_as_least_squares(loss):
    """In 100 problems with outliers every fit ends within 1e-6 of an error of least_squares' minimum."""
    rng, x, names = np.random.default_rng(181), np.linspace(0, 10, 80), ["A", "t", "c"]
    y = decay([3, 2, 1], x) + rng.normal(0, .05, (100, x.size))
    y += (rng.random(y.shape) < .1)*rng.uniform(1, 4, y.shape)
    many = fit_batch("A*exp(-x/t) + c", y, x=x, start={"A": 2.0, "t": 1.5, "c": .5}, loss=loss, f_scale=.15)
    assert many.success.all()
    for k in range(len(y)):
        v, errors = columns(many.values, names, k), columns(many.stderr, names, k)
        right = least_squares(lambda p, k=k: decay(p, x) - y[k], v, lambda p: decay_slopes(p, x), loss=loss, f_scale=.15, xtol=1e-14,
                              ftol=1e-14, gtol=1e-14, x_scale="jac")
        assert many.cost[k] == pytest.approx(right.cost, rel=1e-10) and (np.abs(v - right.x) < 1e-6*errors).all()


@pytest.mark.slow
def test_bias_of_counts():
    """Of 10,000 curves of few counts no parameter is off by more than a tenth of its spread, and the exact estimator is just as far off."""
    rng, x, true = np.random.default_rng(15), np.linspace(0, 10, 100), np.array([15, 5, 1.2, 2])
    y = rng.poisson(peak(true, x), (10_000, x.size)).astype(float)
    result = fit_batch(PEAK, y, x=x, start=dict(zip(NAMES, true*[.8, 1.02, 1.1, 1.2], strict=True)), loss="poisson")
    assert result.success.all()
    v, errors = (np.array([each[name] for name in NAMES]) for each in (result.values, result.stderr))
    bias = (v.mean(axis=1) - true)/v.std(axis=1)
    assert (np.abs(bias) < .1).all(), bias
    inside = (np.abs(v - true[:, None]) < errors).mean(axis=1)
    assert ((inside > .65) & (inside < .71)).all(), inside
    for k in range(200):
        def score(p, k=k):
            return peak_slopes(p, x).T @ (y[k]/peak(p, x) - 1)
        exact = root(score, true, tol=1e-13)
        assert exact.success and (np.abs(exact.x - v[:, k]) < 1e-6*errors[:, k]).all()


@pytest.mark.parametrize("true", [[400, 30, 6, 50], [30, 30, 6, 4]])
def test_cold_counts(true):
    """Amplitudes and backgrounds up to a million off, either or both: nearly all come to the minimum, none elsewhere in silence."""
    rng, x, size = np.random.default_rng(8), np.arange(60.0), 500
    y = rng.poisson(peak(np.array(true, float), x), (size, 60)).astype(float)
    right = fit_batch(PEAK, y, x=x, start=dict(zip(NAMES, true, strict=True)), loss="poisson")
    own = {"c": 30 + rng.uniform(-2, 2, size), "s": 6*rng.uniform(.7, 1.3, size)}
    for off in ("A", "b", "Ab"):
        start = {name: true[NAMES.index(name)]*(10**rng.uniform(-6, 6, size) if name in off else 1.0) for name in "Ab"}
        result = fit_batch(PEAK, y, x=x, start={**start, **own}, loss="poisson")
        there = np.abs(result.chisqr - right.chisqr) < 1e-6*right.chisqr
        assert there.mean() > .99 and not (result.success & ~there).any(), (off, there.mean())


PIXELS = [each.ravel() for each in np.meshgrid(np.arange(13.0), np.arange(13.0))]
SHAPES = {"peak": (PEAK, {"x": np.arange(60.0)}, {"c": (30, 2), "s": (6, None)}),
          "Lorentzian": ("A/(1 + ((x - c)/s)**2) + b", {"x": np.arange(60.0)}, {"c": (30, 2), "s": (5, None)}),
          "decay": ("A*exp(-x/t) + b", {"x": np.arange(60.0)}, {"t": (12, None)}),
          "spot": ("A*exp(-((x - c)**2 + (y - d)**2)/(2*s**2)) + b", dict(zip("xy", PIXELS, strict=True)),
                   {"c": (6, .7), "d": (6, .7), "s": (1.6, None)})}


@pytest.mark.slow
@pytest.mark.parametrize(("A", "b"), [(15, 2), (100, 10), (1000, 3), (5000, 500)])
@pytest.mark.parametrize("shape", SHAPES)
def test_many_cold_counts(shape, A, b):
    """Counts of 48,000 curves in all, from few to many, amplitudes and backgrounds up to a million off: none silently elsewhere."""
    text, points, others = SHAPES[shape]
    rng, size, formula = np.random.default_rng(5), 1000, Formula(text, independent=tuple(points))
    true = {"A": A, "b": b, **{name: value for name, (value, _) in others.items()}}
    y = rng.poisson(formula(**points, **true), (size, len(points["x"]))).astype(float)
    right = fit_batch(formula, y, x=points, start=true, loss="poisson")
    own = {name: value + rng.uniform(-off, off, size) if off else value*rng.uniform(.7, 1.3, size) for name, (value, off) in others.items()}
    for far in ("A", "b", "Ab"):
        start = {name: true[name]*(10**rng.uniform(-6, 6, size) if name in far else 1.0) for name in "Ab"}
        found = fit_batch(formula, y, x=points, start={**start, **own}, loss="poisson")
        there = found.chisqr < right.chisqr*(1 + 1e-6)
        assert there.mean() > .99 and not (found.success & ~there).any(), (far, there.mean())
