"""Minima at kinks: chi-square is least where derivatives jump. Oracles: algebra, and SciPy within each smooth piece beside the kink."""
import numpy as np
import pytest
from guess_accuracy import CASES, draw
from scipy.optimize import least_squares, minimize_scalar

import gslfit
from gslfit.models import StepModel

X = np.linspace(0.1, 3, 40)
EDGES = {"one": ("abs(a)*x", -X, {"a": 1.0}),
         "crossing": ("abs(a)*x + abs(b)*x**2", -X - X**2, {"a": 1.0, "b": 0.5}),
         "with a smooth one": ("abs(a)*x + c", 3 - X, {"a": 1.0, "c": 0.0})}


def ramp(q, x):
    """Return a straight ramp between two places."""
    return q[0]*np.clip((x - q[1])/(q[2] - q[1]), 0, 1)


def lowest_beside(y, x, q):
    """Return the least chi-square where the ramp's ends stay between their points; one that rests on a point, on either side of it."""
    best = np.inf
    pieces = [[i for i in range(1, len(x)) if x[i - 1] - 1e-4 <= end <= x[i] + 1e-4] for end in q[1:]]
    for i in pieces[0]:
        for j in pieces[1]:
            low, high = np.array([-np.inf, x[i - 1], x[j - 1]]), np.array([np.inf, x[i], x[j]])
            start = np.clip(q, low + 1e-9, high - 1e-9)
            if j < i or start[2] - start[1] < 1e-6:
                continue
            found = least_squares(lambda p: ramp(p, x) - y, start, bounds=(low, high), xtol=1e-15, ftol=1e-15, gtol=1e-15)
            best = min(best, 2*found.cost)
    return best


def test_ends_of_ramps_rest_on_points():
    case = next(case for case in CASES if (case.cls, case.form) == ("StepModel", "linear"))
    model, x, _, y = draw(case, 64, seed=3)
    found = model.fit_batch(y, x=x)
    assert found.success.all()
    center, sigma = np.asarray(found.values["center"]), np.asarray(found.values["sigma"])
    ends = np.stack([center - sigma/2, center + sigma/2], axis=1)
    resting = np.min(np.abs(ends[:, :, None] - x), axis=2).min(axis=1) < 1e-6
    assert 8 <= resting.sum() <= 32
    for k in np.flatnonzero(resting)[:6]:
        best = lowest_beside(y[k], x, np.array([found.values["amplitude"][k], *ends[k]]))
        assert found.chisqr[k] <= best*(1 + 1e-9)
        assert np.isfinite(found.stderr["center"][k])


@pytest.mark.parametrize(("text", "y", "start"), EDGES.values(), ids=EDGES)
def test_formulas_stop_at_a_kink(text, y, start):
    least = np.sum((y - y.mean())**2) if "c" in start else np.sum(y**2)
    one = gslfit.fit(text, y, x=X, start=start)
    rows = gslfit.fit_batch(text, [y, y], x=X, start=start, max_nfev=500)      # 356 beside a smooth one, where 300 are the default
    assert one.success and rows.success.all()
    assert "flat" not in one.message
    assert np.array([one.chisqr, *rows.chisqr]) == pytest.approx(least, rel=1e-6)
    assert abs(one.params["a"].value) < 1e-6


@pytest.mark.parametrize("jacobian", [False, True])
def test_a_called_residual_stops_at_a_kink(jacobian):
    rng = np.random.default_rng(16)
    x = np.arange(30.0)
    y = ramp((5, 9.2, 20.1), x) + 0.4*rng.standard_normal(30)

    def residual(params):
        return ramp([float(par.value) for par in params.values()], x) - y

    def slopes(params):
        height, left, right = (float(par.value) for par in params.values())
        inside = np.where((x > left) & (x < right), 1.0, 0.0)
        steep = inside*height/(right - left)**2
        return np.stack([ramp((1, left, right), x), steep*(x - right), steep*(left - x)], axis=1)

    good = 0
    for left in (7.3, 9.6):
        params = gslfit.Parameters()
        for name, value in {"height": 4, "left": left, "right": 21.3}.items():
            params.add(name, value=value)
        found = gslfit.minimize(residual, params, jac=slopes if jacobian else None)
        q = np.array([par.value for par in found.params.values()])
        resting = np.abs(q[1:] - np.round(q[1:])).min() < 1e-5
        assert found.success
        assert found.chisqr <= lowest_beside(y, x, q)*(1 + 1e-7)
        good += resting
    assert good


def fitted_ramp(seed, **options):
    """Fit a noisy ramp by `minimize` and differences; return x, y and the result."""
    rng = np.random.default_rng(seed)
    x = np.arange(30.0)
    y = ramp((5, 9.2, 20.1), x) + 0.4*rng.standard_normal(30)
    params = gslfit.Parameters()
    for name, value in {"height": 4, "left": 9.6, "right": 21.3}.items():
        params.add(name, value=value)
    found = gslfit.minimize(lambda p: ramp([p["height"].value, p["left"].value, p["right"].value], x) - y, params, **options)
    return x, y, found


@pytest.mark.parametrize("seed", range(12))
def test_differences_end_on_the_very_kink(seed):
    """Of what a called residual's differences reach across no more than rounding is left: where it ends, no smooth piece is lower."""
    x, y, found = fitted_ramp(seed)
    assert found.success
    assert found.chisqr <= lowest_beside(y, x, np.array([par.value for par in found.params.values()]))*(1 + 1e-10)


def refitted(y, q, a):
    """Return chi-square of ``A max(q, a) + B`` with A and B fitted to a."""
    M = np.stack([np.maximum(q, a), np.ones(q.size)], axis=1)
    return float(np.sum((M @ np.linalg.lstsq(M, y, rcond=None)[0] - y)**2))


@pytest.mark.parametrize("jacobian", [False, True], ids=("differences", "jacobian"))
@pytest.mark.parametrize("seed", [3, 4, 13, 28, 37])
def test_each_datum_has_a_kink_of_its_own(seed, jacobian):
    """They lie closer together than differences step: of no kink beside the end, and of no piece between two, is the minimum lower.

    A fall of chi-square by 1e-6 of the reduced one counts.
    """
    rng = np.random.default_rng(seed)
    q = np.sort(0.94 + 0.001*rng.standard_normal(120))
    y = 8*np.maximum(q, 0.9401) - 0.1 + 0.004*rng.standard_normal(120)

    def slopes(p):
        a = p["a"].value
        return np.stack([np.maximum(q, a), np.ones(q.size), p["A"].value*(q < a)], axis=1)

    params = gslfit.Parameters()
    for name, value in {"A": 5.0, "B": 0.0, "a": 0.9403}.items():
        params.add(name, value=value)
    found = gslfit.minimize(lambda p: p["A"].value*np.maximum(q, p["a"].value) + p["B"].value - y, params, jac=slopes if jacobian else None)
    i = np.searchsorted(q, found.params["a"].value)
    between = minimize_scalar(lambda a: refitted(y, q, a), bounds=(q[i - 1], q[i]), method="bounded", options={"xatol": 1e-12}).fun
    assert found.success
    assert found.chisqr <= min(refitted(y, q, q[i - 1]), refitted(y, q, q[i]), between)*(1 + 1e-6/117)


@pytest.mark.parametrize("limit", range(280, 660, 20))
def test_the_limit_is_met_next_to_a_kink(limit):
    """A fit of 657 evaluations that has settled next to a kink is no failure where none are left to look for the kink itself."""
    found = fitted_ramp(2, max_nfev=limit)[-1]
    assert found.nfev <= limit
    assert found.success or limit < 450
    assert not found.success or found.chisqr < 4.7817378


def test_a_kink_that_bends_down_is_left():
    y = np.zeros(40)
    found = gslfit.fit_batch("3 - abs(a)*x", [y, y, y], x=X, start={"a": np.array([1e-12, -1e-12, 1e-6])})
    best = 3*X.sum()/(X @ X)
    assert found.success.all()
    assert np.abs(found.values["a"]) == pytest.approx(best, rel=1e-9)


def test_a_jump_is_no_kink():
    """Chi-square falls to the jump, and on beyond it."""
    found = gslfit.fit_batch("a*x - where(a > 1, 40, 0)", [2*X], x=X, start={"a": 0.2})
    assert not found.success.any()


def test_a_ramp_that_a_model_fits_alone():
    rng = np.random.default_rng(4)
    x = np.linspace(0, 100, 60)
    y = ramp((5, 31.2, 58.9), x) + 0.4*rng.standard_normal(60)
    found = StepModel(form="linear").fit(y, x=x)
    assert found.success
    center, sigma = found.params["center"].value, found.params["sigma"].value
    assert found.chisqr <= lowest_beside(y, x, np.array([found.params["amplitude"].value, center - sigma/2, center + sigma/2]))*(1 + 1e-9)


# the same with the kink away from 0, where a step of a share of a parameter's size is not next to nothing
AWAY = {"one": ("abs(a - 2)*x", -X, {"a": 1.0}, {"a": 2}),
        "crossing": ("abs(a - 2)*x + abs(b + 3)*x**2", -X - X**2, {"a": 1.0, "b": -2.0}, {"a": 2, "b": -3}),
        "with a smooth one": ("abs(a - 2)*x + c", 3 - X, {"a": 1.0, "c": 0.0}, {"a": 2}),
        "together": ("abs(a - b)*x + b*x**2", X**2 - X, {"a": 2.5, "b": 1.5}, {})}


@pytest.mark.parametrize(("text", "y", "start", "at"), AWAY.values(), ids=AWAY)
def test_rows_end_at_the_very_kink(text, y, start, at):
    """They ended 1e-8 of chi-square above: the pieces that meet there are straight so near by, and say where that is."""
    for seed in range(4):
        noisy = y + .1*np.random.default_rng(seed).standard_normal((8, 40))
        rows = gslfit.fit_batch(text, noisy, x=X, start=start, max_nfev=1000)
        basis = [np.ones_like(X)] if "c" in start else [X**2] if not at else []
        A = np.array(basis).T if basis else np.zeros((X.size, 1))
        least = np.sum((noisy.T - A @ np.linalg.lstsq(A, noisy.T, rcond=None)[0])**2, axis=0)
        good = np.asarray(rows.success)
        assert good.all() or (not at and good.sum() >= 6)       # some find no way along both at once
        np.testing.assert_allclose(rows.chisqr[good], least[good], rtol=1e-12)
        for name, place in at.items():
            np.testing.assert_allclose(rows.values[name], place, rtol=1e-12)
        if not at:
            np.testing.assert_allclose(rows.values["a"][good], rows.values["b"][good], rtol=1e-12)


@pytest.mark.parametrize("unit", [1., 1e-9, 1e9])
def test_slopes_that_fold_at_zero(unit):
    """Solvers crept onto the kink for as long as there were evaluations; `minimize` was on it, and called its parameter lost."""
    x = np.linspace(0, 10, 41)
    for seed in (3, 5):
        rng = np.random.default_rng(seed)
        y = .5 - .03*x + .1*rng.normal(size=41)
        params = gslfit.Parameters()
        params.add("c", .45*unit)
        params.add("b", .02*rng.normal()*unit)
        many = gslfit.fit_batch("c+abs(b)*x", (y*unit)[None], params, x=x)
        one = gslfit.minimize(lambda p, y=y*unit: p["c"].value + abs(p["b"].value)*x - y, params)
        least = float(np.sum((y - y.mean())**2))*unit**2
        assert many.success.all() and many.chisqr[0] == pytest.approx(least, rel=1e-9)
        assert one.success and one.chisqr == pytest.approx(least, rel=1e-9)
