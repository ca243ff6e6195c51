"""GSL's solvers used again and again: nothing of the fit before is left, limits hold to the number, what is read back is true."""
import numpy as np
import pytest

import gslfit.solvers._nlinear as nlinear
from gslfit import FitStatus, multifit
from gslfit.errors import BadToleranceError, InputError, NonFiniteError
from gslfit.multifit import FdfSolver, Function_fdf, LargeSolver, NonlinearSolver, covar

T = np.linspace(0.2, 6, 40)
START = np.array([2.0, -0.5, 0.3])
SOLVERS = {
    **{f"fdf {method}": lambda method=method: FdfSolver(method, 40, 3) for method in ("lmsder", "lmder", "lmniel")},
    **{f"nonlinear {trs}": lambda trs=trs: NonlinearSolver(40, 3, trs=trs) for trs in nlinear.TRS},
    **{f"large {trs}": lambda trs=trs: LargeSolver(40, 3, trs=trs) for trs in nlinear.LARGE_TRS}}


def decay(x):
    """Return a growing exponential with background."""
    return x[0] * np.exp(x[1] * T) + x[2] - (1.5 * np.exp(-0.7 * T) + 0.5 + 0.01 * np.sin(9 * T))


def decay_slopes(x):
    """Its derivatives."""
    e = np.exp(x[1] * T)
    return np.column_stack([e, x[0] * T * e, np.ones_like(T)])


def wave(x):
    """Another function of three parameters, of another size."""
    return 1e3 * (x[0] * np.sin(T) + x[1] * T + x[2] ** 3 - (0.7 * np.sin(T) - 0.4 * T + 0.5 + 0.02 * np.cos(7 * T)))


def wave_slopes(x):
    """Its derivatives."""
    return 1e3 * np.column_stack([np.sin(T), T, np.full_like(T, 3 * x[2] ** 2)])


def products_of(slopes):
    """Return the products of a Jacobian that is not kept."""
    def product(x, u, transpose):
        J = slopes(x)
        return J.T @ J if u is None else J.T @ u if transpose else J @ u
    return product


def forms(name):
    """How a function may be handed to a solver: with a Jacobian, with differences, with products."""
    made = {"jacobian": lambda f, df: Function_fdf.from_callables(f, df, 40, 3),
            "differences": lambda f, df: Function_fdf.from_callables(f, None, 40, 3)}
    if name.startswith("large"):
        made["products"] = lambda f, df: Function_fdf.from_callables(f, None, 40, 3, product=products_of(df))
    return made


CASES = [(name, form) for name in SOLVERS for form in forms(name)]


def ended(solver, outcome):
    """All that a fit has left."""
    return (*outcome[:1], *outcome[2:6], solver.niter, solver.nfev, solver.njev, *solver.x, *solver.f)


@pytest.mark.parametrize(("name", "form"), CASES)
def test_nothing_of_the_fit_before(name, form):
    """After another function, limits, weights, a callback and an end in the middle a solver does what a fresh one does, bit by bit."""
    make = forms(name)[form]
    fresh, used = SOLVERS[name](), SOLVERS[name]()
    fresh.set(make(wave, wave_slopes), START)
    assert (fresh.niter, fresh.nfev) == (0, 1 if form != "differences" else fresh.nfev)
    wanted = ended(fresh, fresh.solve())
    used.set(make(decay, decay_slopes), START)
    used.solve(max_nfev=6)
    if form != "products":
        used.set(make(decay, decay_slopes), START, weights=np.linspace(0, 2, 40))
        used.solve(callback=lambda solver: solver.niter == 2)
    used.set(make(decay, decay_slopes), START)
    used.set(make(wave, wave_slopes), START)
    assert used.niter == 0
    assert ended(used, used.solve()) == wanted
    used.set(make(decay, decay_slopes), START)
    used.solve(max_nfev=4)
    used.set(make(wave, wave_slopes), START)
    for _ in range(12):                 # by hand too the old limit is gone
        used.iterate()
    assert used.nfev > 4


@pytest.mark.parametrize(("name", "form"), CASES)
def test_limits_to_the_number(name, form):
    """max_nfev and max_iter are reached and not passed, by the caller's own count."""
    calls = []

    def counted(x):
        calls.append(1)
        return decay(x)

    for limit in (1, 2, 3, 5, 8):
        solver = SOLVERS[name]()
        solver.set(forms(name)[form](counted, decay_slopes), START)
        if len(calls) <= limit:
            outcome = solver.solve(max_nfev=limit, xtol=0, ftol=0, gtol=0)
            assert len(calls) == outcome.nfev == limit
            assert outcome.ending == FitStatus.MAX_NFEV
        calls.clear()
        solver.set(forms(name)[form](decay, decay_slopes), START)
        outcome = solver.solve(max_iter=limit, xtol=0, ftol=0, gtol=0)
        assert outcome.niter <= limit
        assert (outcome.niter == limit) == (outcome.ending == FitStatus.MAX_ITER) or limit > 3
        assert outcome.ending == FitStatus.MAX_ITER or limit > 3


@pytest.mark.parametrize(("name", "form"), CASES)
def test_no_going_on_from_the_middle(name, form):
    """A step that a limit broke off is not taken up; the message says what to do."""
    solver = SOLVERS[name]()
    solver.set(forms(name)[form](decay, decay_slopes), START)
    if solver.nfev < 6:
        assert solver.solve(max_nfev=6, xtol=0, ftol=0, gtol=0).ending == FitStatus.MAX_NFEV
        with pytest.raises(InputError, match="middle of a step"):
            solver.iterate()
        with pytest.raises(InputError, match="middle of a step"):
            solver.solve()


@pytest.mark.parametrize(("name", "form"), CASES)
def test_a_stop_at_the_end_is_no_stop(name, form):
    """A callback that stops at the step that has converged leaves the fit converged."""
    make, solver = forms(name)[form], SOLVERS[name]()
    solver.set(make(wave, wave_slopes), START)
    steps = solver.solve().niter
    solver.set(make(wave, wave_slopes), START)
    assert solver.solve(callback=lambda solver: solver.niter == steps).success
    solver.set(make(wave, wave_slopes), START)
    assert solver.solve(callback=lambda solver: True).ending == (FitStatus.STOPPED if steps > 1 else solver.solve().ending)


@pytest.mark.parametrize("scale", [1e-140, 3e-5, 1.0, 7e6, 1e140])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("name", SOLVERS)
def test_what_is_read_is_true(name, weighted, scale):
    """f, J, gradient and covariance are those of the caller's function, weighted, at the point reached, whatever the units."""
    for form in forms(name):
        if weighted and form == "products":
            continue
        solver, weights = SOLVERS[name](), np.linspace(0, 3, 40) if weighted else None
        root = np.ones(40) if weights is None else np.sqrt(weights)
        solver.set(forms(name)[form](lambda x: scale * decay(x), lambda x: scale * decay_slopes(x)), START, weights)
        solver.iterate()
        f, J = root * scale * decay(solver.x), root[:, None] * scale * decay_slopes(solver.x)
        near = 1e-12 if form != "differences" else 1e-5
        np.testing.assert_allclose(solver.f, f, rtol=1e-12, atol=0)
        np.testing.assert_allclose(solver.gradient() / scale, J.T @ (f / scale), rtol=near, atol=near * np.abs(J.T @ (f / scale)).max())
        if hasattr(solver, "J"):
            np.testing.assert_allclose(solver.J, J, rtol=near, atol=near * scale)
        if name != "large cgst":
            wanted = np.linalg.inv((J / scale).T @ (J / scale))
            np.testing.assert_allclose(solver.covar() * scale * scale, wanted, rtol=1e-6 if near < 1e-6 else 1e-3)


@pytest.mark.parametrize("name", SOLVERS)
@pytest.mark.parametrize("side", [1, -1])
def test_an_edge_on_either_side(name, side):
    """A start on the edge of the model's domain: differences are taken on the side where there is something."""
    def edged(x):
        with np.errstate(invalid="ignore"):
            return np.concatenate([decay([x[0], x[1], 0.5])[:39], [10 * np.sqrt(side * (x[2] - 1)) - 3]])

    if name.startswith("large") and name.endswith("accel"):
        pytest.skip("its second differences leave the domain")
    solver = SOLVERS[name]()
    solver.set(Function_fdf.from_callables(edged, None, 40, 3), [2, -0.5, 1 + side * 1e-12])
    solver.solve()
    assert solver.x[2] == pytest.approx(1 + side * 0.09, rel=1e-5)


@pytest.mark.parametrize("name", SOLVERS)
@pytest.mark.parametrize("form", ["jacobian", "differences"])
def test_no_success_on_the_way(name, form):
    """Loose tolerances on nearly parallel columns: what is called converged by gtol or ftol has no more to gain than was said."""
    u, v = np.sin(T) + 2, np.cos(3 * T)
    u, v = u / np.linalg.norm(u), v / np.linalg.norm(v)
    data = np.exp(-T) * np.sin(5 * T)

    def f(x):
        return x[0] * u + x[1] * (u + 1e-4 * v) + x[2] * T - data

    def df(x):
        return np.column_stack([u, u + 1e-4 * v, T])

    for tol in (1e-2, 1e-4, 1e-6):
        for start in ([0, 0, 1e-3], [300, -300, 0.1], [2e3, -2e3, 0.05]):
            solver = SOLVERS[name]()
            solver.set(Function_fdf.from_callables(f, df if form == "jacobian" else None, 40, 3), start)
            outcome = solver.solve(gtol=tol, ftol=tol * tol, xtol=0)
            r, J = f(solver.x), df(solver.x)
            share = np.linalg.norm(np.linalg.qr(J / np.linalg.norm(J, axis=0))[0].T @ r) / np.linalg.norm(r)
            if outcome.ending in (FitStatus.GRADIENT, FitStatus.CHISQUARE) and name != "large cgst":
                assert share <= 1.01 * tol + (1e-4 if form == "differences" else 1e-9)


def test_exact_and_not_finite():
    """A residual that becomes exactly zero is a success, though its Jacobian is not finite there."""
    def f(x):
        return np.array([np.cbrt(x[0] - 1), np.cbrt(x[1] + 2)])

    def df(x):
        with np.errstate(divide="ignore"):
            return np.diag(1 / (3 * np.cbrt(np.array([x[0] - 1, x[1] + 2])) ** 2))

    for make in (lambda: FdfSolver(2, 2), lambda: NonlinearSolver(2, 2)):
        solver = make()
        with pytest.raises(NonFiniteError, match="Jacobian"):
            solver.set(Function_fdf.from_callables(f, df, 2, 2), [1, 5])

    def g(x):       # the first step lands on zero exactly
        return np.array([x[0] - 1, x[1] + 2])

    def dg(x):
        return np.diag([np.inf, 1]) if x[0] == 1 and x[1] == -2 else np.eye(2)

    for make in (lambda: FdfSolver("lmder", 2, 2), lambda: FdfSolver("lmsder", 2, 2), lambda: NonlinearSolver(2, 2)):
        solver = make()
        solver.set(Function_fdf.from_callables(g, dg, 2, 2), [0, 0])
        outcome = solver.solve()
        assert outcome.ending == FitStatus.EXACT if not solver.f.any() else outcome.success


def test_a_parameter_that_is_best_at_zero():
    """Its relative step is never small: it is its effect that ends the fit by xtol."""
    bump, rest = np.sin(T) ** 2, 0.1 * np.cos(8 * T)
    rest -= bump * (bump @ rest) / (bump @ bump)

    def f(x):
        return np.concatenate([(x[0] + x[0] ** 3) * bump + rest, np.exp(x[1]) - 2 + 0.1 * np.sin(T)])

    def df(x):
        J = np.zeros((80, 2))
        J[:40, 0], J[40:, 1] = (1 + 3 * x[0] ** 2) * bump, np.exp(x[1])
        return J

    for method in ("lmsder", "lmder"):
        solver = FdfSolver(method, 80, 2)
        solver.set(Function_fdf.from_callables(f, df, 80, 2), [1, 0.5])
        outcome = solver.solve(xtol=1e-5, ftol=0, gtol=0)
        assert outcome.ending == FitStatus.STEP
        assert abs(solver.x[0]) < 1e-4


@pytest.mark.parametrize("scale", [1e-220, 1.0, 1e180])
def test_derivatives_of_any_size(scale):
    """A parameter whose unit makes its column of the Jacobian tiny or huge: the tests and the minimum are the same."""
    solver = FdfSolver(40, 3)
    solver.set(Function_fdf.from_callables(lambda x: decay([x[0] * scale, x[1], x[2]]),
                                           lambda x: decay_slopes([x[0] * scale, x[1], x[2]]) * [scale, 1, 1], 40, 3),
               [START[0] / scale, *START[1:]])
    outcome = solver.solve()
    plain = FdfSolver(40, 3)
    plain.set(Function_fdf.from_callables(decay, decay_slopes, 40, 3), START)
    assert outcome.success
    assert outcome.rank == plain.solve().rank == 3
    np.testing.assert_allclose(solver.x * [scale, 1, 1], plain.x, rtol=1e-6)


def test_functions_of_gsl():
    """What GSL itself does not look at is looked at here: negative tolerances, numbers that are none, matrices that are too flat."""
    for epsabs, epsrel in ((-1e-3, 0.1), (0.1, -1e-3), (np.nan, 0.1)):
        with pytest.raises(BadToleranceError):
            multifit.test_delta([1.0], [1.0], epsabs, epsrel)
    for bad in (np.nan, np.inf):
        with pytest.raises(NonFiniteError, match=r"jac\[1, 0\]|jac.*not finite|\(1, 0\)|jac"):
            covar([[1.0, 0.0], [bad, 1.0], [0.0, 1.0]], 0.0)
    with pytest.raises(InputError, match="at least as many rows"):
        covar(np.ones((1, 2)), 0.0)


def test_steps_of_differences():
    """h and centred of the function and of the solver: each is what the derivative's error shows."""
    def error(solver, **options):
        solver.set(Function_fdf.from_callables(decay, None, 40, 3, **options), START)
        return np.abs(solver.J - decay_slopes(START)).max()

    forward, coarse = error(FdfSolver(40, 3)), error(FdfSolver(40, 3), h=1e-3)
    assert forward < 1e-6 < 1e-4 < coarse
    assert error(FdfSolver(40, 3), centred=True, h=1e-3) < coarse / 100
    assert error(NonlinearSolver(40, 3)) < 1e-6
    assert error(NonlinearSolver(40, 3, h_df=1e-3)) > 1e-4
    assert error(NonlinearSolver(40, 3, fdtype="centred", h_df=1e-3)) < coarse / 100
    for sign in (1, -1):                # a negative parameter has the same step as its mirror image
        solver = FdfSolver(40, 3)
        solver.set(Function_fdf.from_callables(lambda x, sign=sign: decay(sign * x), None, 40, 3, h=1e-3), sign * START)
        np.testing.assert_allclose(sign * solver.J, decay_slopes(START), rtol=0.01)


def test_zero_weights_and_sigmas():
    """A weight of 0 leaves a point out; a sigma of 0 has no meaning."""
    weights = np.where(T > 4, 0, 1.0)
    some, few = FdfSolver(40, 3), FdfSolver(int(weights.sum()), 3)
    some.set(Function_fdf.from_callables(decay, decay_slopes, 40, 3), START, weights)
    keep = weights > 0
    few.set(Function_fdf.from_callables(lambda x: decay(x)[keep], lambda x: decay_slopes(x)[keep], int(keep.sum()), 3), START)
    assert some.solve().success
    assert few.solve().success
    np.testing.assert_allclose(some.x, few.x, rtol=1e-6)
    function = Function_fdf(lambda x, t, y, sigma, out: None, None, 3)
    with pytest.raises(InputError, match=r"sigma\[2\] is 0"):
        function.set_data(T, T, np.where(np.arange(40) == 2, 0, 1.0))


@pytest.mark.parametrize("exponent", [-350, 350])
@pytest.mark.parametrize(("name", "form"), [case for case in CASES if case[0].startswith("large")])
def test_large_problems_of_any_size(name, form, exponent):
    """Residuals of 1e-105 or 1e105 have the same steps, and as many, as those of 1, bit by bit: a power of 2 rounds nothing."""
    size = 2.0**exponent
    ones, sized = SOLVERS[name](), SOLVERS[name]()
    ones.set(forms(name)[form](decay, decay_slopes), START)
    sized.set(forms(name)[form](lambda x: size*decay(x), lambda x: size*decay_slopes(x)), START)
    first, second = ones.solve(max_iter=60), sized.solve(max_iter=60)
    assert first.success == second.success
    assert ones.niter == sized.niter
    np.testing.assert_array_equal(ones.x, sized.x)
    np.testing.assert_array_equal(size*ones.f, sized.f)


@pytest.mark.parametrize("name", [name for name in SOLVERS if "fdf" in name or name.endswith(" lm")])
@pytest.mark.parametrize("side", [1, -1])
def test_differences_at_the_edge_of_the_domain(name, side):
    """A start beyond which, on one side, the function has no value: its column is taken from the other side, and the fit goes on."""
    start = [side*2.0, -0.5, 0.3]

    def edged(x):
        return decay([side*x[0], x[1], x[2]]) if side*x[0] <= 2 else np.full(40, np.nan)

    solver = SOLVERS[name]()
    solver.set(Function_fdf.from_callables(edged, None, 40, 3), start)
    assert solver.solve().success
    free = SOLVERS[name]()
    free.set(Function_fdf.from_callables(decay, decay_slopes, 40, 3), START)
    free.solve()
    np.testing.assert_allclose(solver.x*[side, 1, 1], free.x, rtol=1e-5)
