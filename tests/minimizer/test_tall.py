"""Residuals of many points or many parameters: Jacobians decomposed by rows or updated, first steps taken by what is left of them."""
import numpy as np
import pytest
from instruction_sets import each_set
from scipy.optimize import least_squares, leastsq

import gslfit
from gslfit.formula._program import instruction_set
from gslfit.minimizer import least_squares as descent
from gslfit.minimizer._descent import ScaledQR
from gslfit.minimizer.trust_region import TrustRegion

N = 30_001


@pytest.mark.parametrize("n", [N, 128*300, 128*300 + 1])
@pytest.mark.parametrize("p", [1, 2, 7, 24, 30])
def test_tall_decompositions(n, p):
    """Inverse, step and cosines are those of NumPy's QR, whatever the units of columns."""
    rng = np.random.default_rng(p)
    J = rng.normal(size=(n, p)) @ (np.eye(p) + 0.5*rng.normal(size=(p, p)))
    units = 10.0**rng.integers(-3, 4, p)
    r = rng.normal(size=n)
    qr = ScaledQR(J*units)
    norms = np.linalg.norm(J, axis=0)
    triangle = np.linalg.qr(J/norms, mode="r")
    inverse = np.linalg.inv(triangle)
    assert qr.rank == p and np.allclose(qr.norms, norms*units, rtol=1e-12)
    factors = qr.factors()
    assert np.allclose(factors @ factors.T, inverse @ inverse.T, rtol=1e-8, atol=1e-9*np.abs(inverse @ inverse.T).max())
    wanted = -np.linalg.lstsq(J/norms, r, rcond=None)[0]/norms/units
    assert np.allclose(qr.step(r), wanted, rtol=1e-8, atol=1e-10*np.abs(wanted*norms*units).max()/(norms*units))
    assert np.allclose(qr.cosines(r), np.abs(r @ J)/norms/np.linalg.norm(r), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("p", [3, 12])
def test_tall_columns_next_to_dependent(p):
    """The triangle keeps its digits where J^T J would not have them, by every instruction set."""
    rng = np.random.default_rng(p)
    J = rng.normal(size=(N, p))
    J[:, -1] = J[:, 0] + 1e-6*rng.normal(size=N)
    lengths = np.linalg.norm(J, axis=0)
    least = np.abs(np.linalg.qr(J/lengths, mode="r")[-1, -1])
    for _ in each_set(instruction_set):
        assert np.isclose(ScaledQR(J).least(), least, rtol=1e-8)


def test_tall_ranks():
    """Zeros, numbers that are not finite, dependent columns, lengths whose squares over- or underflow."""
    rng = np.random.default_rng(1)
    J = rng.normal(size=(N, 4))
    J[:, 2] = 0
    assert ScaledQR(J).rank == 3 and ScaledQR(J).undetermined() == [2]
    J[5, 2] = np.nan
    assert ScaledQR(J).rank == 3
    J[:, 2] = 2*J[:, 0] - J[:, 1]
    assert ScaledQR(J, 1e-10).rank == 3 and ScaledQR(J, 1e-10).undetermined() == [0, 1, 2]
    J = rng.normal(size=(N, 3))*[1e-250, 1, 1e250]
    assert ScaledQR(J).rank == 3 and np.allclose(ScaledQR(J).least(), 1, atol=0.1)
    J[:, 0] = 5e-320
    assert ScaledQR(J).rank == 3


def test_trust_region_steps():
    """A step is the damped one, about as long as the radius, the undamped one where that is shorter."""
    rng = np.random.default_rng(2)
    A = rng.normal(size=(40, 5))
    A /= np.linalg.norm(A, axis=0)
    r = rng.normal(size=40)
    inverse = np.linalg.inv(np.linalg.qr(A, mode="r"))
    region = TrustRegion(inverse, A.T @ r)
    free, damping = region.step(1e9)
    assert damping == 0 and np.allclose(free, -np.linalg.lstsq(A, r, rcond=None)[0])
    for radius in np.linalg.norm(free)*np.array([0.9, 0.3, 1e-3, 1e-8]):
        step, damping = region.step(radius)
        assert abs(np.linalg.norm(step) - radius) <= 0.11*radius
        assert np.allclose(step, -np.linalg.solve(A.T @ A + damping*np.eye(5), A.T @ r), rtol=1e-8)
    norm, new = np.linalg.norm(r), np.linalg.norm(r + A @ free)
    grown, taken = region.judge(free, 0.0, 1e9, norm, new)
    assert taken and np.isclose(grown, 2*np.linalg.norm(free))
    shrunk, taken = region.judge(free, 0.0, 1.0, norm, 1.5*norm)
    assert not taken and 0.1*min(1, 10*np.linalg.norm(free)) <= shrunk <= 0.5
    assert region.judge(free, 0.0, 1.0, norm, np.inf) == region.judge(free, 0.0, 1.0, norm, 1e9*norm)


X = np.linspace(0, 10, 120_000)
CASES = {
    "decay": (lambda v: v[0]*np.exp(-v[1]*X) + v[2], (2.5, 1.3, 0.5), (1.0, 1.0, 1.0)),
    "far start": (lambda v: v[0]*np.exp(-(X - v[1])**2/2/v[2]**2) + v[3], (5.0, 4.2, 0.8, 0.5), (1.0, 6.0, 2.5, 0.0)),
    "bent": (lambda v: v[0]*X/(v[1] + X), (2.0, 0.5), (20.0, 60.0)),
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("bounds", [False, True])
def test_tall_fits(case, bounds):
    """Values and errors are SciPy's from an independent start; with bounds that aren't met, the same."""
    model, truth, start = CASES[case]
    y = model(truth) + 0.1*np.random.default_rng(7).normal(size=X.size)
    params = gslfit.Parameters()
    for k, value in enumerate(start):
        params.add(f"v{k}", value, **({"min": -100, "max": 100} if bounds else {}))
    found = gslfit.minimize(lambda p: model([each.value for each in p.values()]) - y, params)
    wanted = least_squares(lambda v: model(v) - y, truth, xtol=1e-14, ftol=1e-14, gtol=1e-14)
    assert found.success and X.size*len(start) > descent.TALL
    covariance = np.linalg.inv(wanted.jac.T @ wanted.jac)*2*wanted.cost/(X.size - len(start))
    error = np.sqrt(np.diag(covariance))
    values = np.array([each.value for each in found.params.values()])
    assert np.all(np.abs(values - wanted.x) < 1e-3*error)
    assert np.allclose([each.stderr for each in found.params.values()], error, rtol=1e-4)


def test_tall_fits_without_a_way():
    """A residual that is not finite on the way, columns that depend, no effect at all: as with few points."""
    y = 2*np.sqrt(X + 0.5)
    params = gslfit.Parameters()
    params.add_many(("a", 1.0), ("b", 3.0))
    with np.errstate(invalid="ignore"):
        found = gslfit.minimize(lambda p: p["a"].value*np.sqrt(X + p["b"].value) - y, params)
    assert found.success and np.allclose([each.value for each in found.params.values()], [2, 0.5])
    params = gslfit.Parameters()
    params.add_many(("a", 1.0), ("b", 1.0), ("c", 1.0))
    found = gslfit.minimize(lambda p: (p["a"].value + p["b"].value)*X + p["c"].value - y, params)
    assert found.success and not found.errorbars
    band = gslfit.Model("(a + b)*x + c").fit(y, x=X, a=1, b=1, c=1).eval_uncertainty(x=X[::10_000])
    assert np.isfinite(band).all() and (band > 0).all()
    found = gslfit.minimize(lambda p: 0*p["a"].value - y, params)
    assert not found.success


# -- many parameters: Jacobians are updated


def voigts(x, v):
    """Return two pseudo-Voigts on a straight line, of twelve parameters."""
    def peak(a, c, s, f, skew):
        u = (x - c)/(s*(1 + skew*(x - c)/50))
        return a*(f/(1 + u*u) + (1 - f)*np.exp(-u*u*np.log(2)))
    return peak(*v[:5]) + peak(*v[5:10]) + v[10] + v[11]*x


def fitted(missed, start):
    """Fit by minimize."""
    params = gslfit.Parameters()
    for k, value in enumerate(start):
        params.add(f"v{k}", value)
    return gslfit.minimize(lambda p: missed(np.array([each.value for each in p.values()])), params)


@pytest.mark.parametrize("seed", range(6))
def test_many_parameters(seed):
    """The minimum and the errors of SciPy from an independent start, by no more evaluations than MINPACK's leastsq."""
    x, truth = np.linspace(0, 40, 500), np.array([8., 14., 2., .4, .1, 5., 25., 3., .6, -.1, 2., .05])
    y = voigts(x, truth) + .1*np.random.default_rng(1).normal(size=x.size)
    start = truth*(1 + .1*np.random.default_rng(seed).uniform(-1, 1, truth.size))
    found = fitted(lambda v: voigts(x, v) - y, start)
    wanted = least_squares(lambda v: voigts(x, v) - y, truth, xtol=1e-15, ftol=1e-15, gtol=1e-15, x_scale="jac", jac="3-point")
    error = np.sqrt(np.diag(np.linalg.inv(wanted.jac.T @ wanted.jac))*2*wanted.cost/(x.size - truth.size))
    assert found.success
    assert np.all(np.abs(np.array([each.value for each in found.params.values()]) - wanted.x) < 5e-6*error)
    assert np.allclose([each.stderr for each in found.params.values()], error, rtol=5e-6)
    calls = leastsq(lambda v: voigts(x, v) - y, start, full_output=True)[2]["nfev"]
    assert found.nfev <= calls


def test_many_parameters_without_a_way():
    """A residual that is not finite on the way, one that leaves parameters open, a linear one, one that fits exactly."""
    rng = np.random.default_rng(4)
    A, b = rng.normal(size=(60, 12)), rng.normal(size=60)
    found = fitted(lambda v: A @ v - b, np.ones(12))
    best = np.linalg.lstsq(A, b, rcond=None)[0]
    assert found.success and np.allclose([each.value for each in found.params.values()], best, rtol=1e-8)
    found = fitted(lambda v: A[:, :11] @ v[:11] + A[:, 10]*v[11] - b, np.ones(12))
    assert found.success and not found.errorbars
    with np.errstate(invalid="ignore"):
        found = fitted(lambda v: A @ np.log(v) - A @ np.arange(12)/6, np.full(12, 3.0))
    assert found.success and np.allclose([each.value for each in found.params.values()], np.exp(np.arange(12)/6), rtol=1e-7)


def test_updated_jacobians_follow_the_step():
    """Broyden's update changes the residual along the step as it has changed, and nothing at right angles to it in scaled parameters."""
    rng = np.random.default_rng(5)
    A = rng.normal(size=(40, 10))
    start, unbounded = np.ones(10), np.full(10, np.inf)

    class Free:
        """Residuals, counted."""

        limit, nfev = np.inf, 0

        def __call__(self, x):
            return np.sin(A @ x)
    fun = Free()
    state = descent.Descent(descent.Problem(fun, None, None, -unbounded, unbounded, start, fun(start)))
    state.begin()
    before, norms, r = state.J.copy(), state.norms.copy(), state.r
    x = start + 0.1*rng.normal(size=10)
    state.update(x, fun(x))
    step = x - start
    assert np.allclose(state.J @ step, fun(x) - r, rtol=1e-10, atol=1e-12)
    aside = rng.normal(size=10)
    scaled = step*norms
    aside = (aside - scaled*(aside @ scaled)/(scaled @ scaled))/norms
    assert np.allclose(state.J @ aside, before @ aside, rtol=1e-9, atol=1e-11)
    assert np.allclose(state.norms, np.linalg.norm(state.J, axis=0)) and state.x is x and state.finite
    known, anew = state.decompose(), ScaledQR(state.J)          # from the last triangle, and from the columns
    assert known.J is state.J and known.rank == anew.rank == 10
    assert np.allclose(known.factors() @ known.factors().T, anew.factors() @ anew.factors().T, rtol=1e-8, atol=1e-10)
    assert np.allclose(state.slopes(), state.J.T @ state.r/state.norms, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("central", [False, True])
def test_what_one_reading_of_the_columns_gives(central):
    """Lengths and slopes are those of the Jacobian, one column not finite on a side, one faint; Jacobians held stay as they are."""
    rng = np.random.default_rng(6)
    A, unbounded = rng.normal(size=(30_000, 4)), np.full(4, np.inf)

    class Fun:
        """Residuals, one of them next to where the model ends."""

        limit, nfev = np.inf, 0

        def __call__(self, x):
            with np.errstate(invalid="ignore"):
                return np.sin(A[:, :2] @ x[:2]) + 1e-9*A[:, 2]*x[2] + A[:, 3]*np.sqrt(1 + 1e-9 - x[3])
    fun, start = Fun(), np.ones(4)
    state = descent.Descent(descent.Problem(fun, None, None, -unbounded, unbounded, start, fun(start)))
    state.begin()
    held = []
    for _ in range(5):
        x = start - 1e-3*rng.uniform(size=4)
        state.go_to(x, fun(x), central)
        held.append((state.J, state.J.copy()))
        lengths = np.linalg.norm(state.J, axis=0)
        assert np.allclose(state.norms, lengths, rtol=1e-12) and np.allclose(state.differences.norms, lengths, rtol=1e-12)
        assert np.allclose(state.slopes(), state.r @ state.J/lengths, rtol=1e-9, atol=1e-11*state.norm())
        step = state.decompose().step(state.r)
        assert np.allclose(step, -np.linalg.lstsq(state.J/lengths, state.r, rcond=None)[0]/lengths, rtol=1e-6)
        held = held[-1:] if len(held) > 3 else held
    assert all(np.array_equal(J, copy) for J, copy in held)


@pytest.mark.parametrize("unit", [1, 1e-160, 1e-200, 1e-280, 1e200])
@pytest.mark.parametrize("dead", [False, True])
def test_many_parameters_in_any_unit(unit, dead):
    """Ten parameters go by updates of the Jacobian first; a dead trace shrinks to where squares are 0."""
    x, peaks = np.linspace(-5, 5, 133), ((-2, .5, 3), (1, .7, 2), (3, .4, 2.5))
    noise = .02*np.random.default_rng(0).standard_normal(133)
    y = 0*x if dead else unit*(1 + sum(a*np.exp(-((x - c)/w)**2/2) for c, w, a in peaks) + noise)
    params = gslfit.Parameters()
    params.add("base", .8*unit)
    for k, (center, width, _) in enumerate(peaks):
        params.add_many((f"a{k}", 2*unit), (f"c{k}", center - .1), (f"w{k}", width + .1))

    def residual(p):
        return p["base"] + sum(p[f"a{k}"]*np.exp(-((x - p[f"c{k}"])/p[f"w{k}"].value)**2/2) for k in range(3)) - y
    with np.errstate(under="ignore"):
        out = gslfit.minimize(residual, params)
    assert out.success and out.nfev < 500
    assert out.chisqr == 0 if dead else params["c0"].value == pytest.approx(-1.9973274488, rel=1e-8)
