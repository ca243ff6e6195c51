"""The solvers and their one loop: endings, invariance, failures, limits."""
import threading
from itertools import pairwise

import numpy as np
import pytest

from gslfit import FitStatus
from gslfit.errors import FitError, InputError, InputTypeError, NonFiniteError
from gslfit.solvers._multifit import METHODS, FdfSolver, Function_fdf

T = np.arange(40.0)
Y = 1 + 5 * np.exp(-0.1 * T) + 0.1 * np.random.default_rng(1).normal(size=40)


def residual(x):
    """Return a decay with background, sigma 0.1."""
    return (x[0] * np.exp(-x[1] * T) + x[2] - Y) / 0.1


def jacobian(x):
    """Its derivatives."""
    e = np.exp(-x[1] * T)
    return np.column_stack([e, -T * x[0] * e, np.ones_like(T)]) / 0.1


def fit(f, df, n, start, method="lmsder", **options):
    """Fit lean callables; return the outcome and the solver."""
    solver = FdfSolver(method, n, len(start))
    solver.set(Function_fdf.from_callables(f, df, n, len(start)), start)
    return solver.solve(**options), solver


BEST = fit(residual, jacobian, 40, [1, 0, 0], xtol=0, ftol=0, gtol=1e-12)[1].x


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("df", [jacobian, None], ids=["exact", "differences"])
@pytest.mark.parametrize("scale", [1, 1e-12, 1e12, 1e-200, 1e200])
def test_residuals_of_any_size(method, df, scale):
    """Multiplying the residuals by anything changes nothing."""
    outcome, solver = fit(lambda x: scale * residual(x), df and (lambda x: scale * df(x)), 40, [1, 0, 0], method)
    assert outcome.success
    assert outcome.rank == 3
    np.testing.assert_allclose(solver.x, BEST, rtol=1e-6)
    np.testing.assert_allclose(solver.f, scale * residual(solver.x), rtol=1e-12)
    np.testing.assert_allclose(solver.J, scale * jacobian(solver.x), rtol=1e-4)


@pytest.mark.parametrize("scale", [1e-200, 1e-12, 1e12, 1e200])
def test_data_of_any_size(scale):
    """Data at 1e-200 or 1e200 give parameters of that size, without overflow on the way."""
    def model(x):
        return x[0] * np.exp(-x[1] * T) + x[2] - scale * Y

    def slopes(x):
        e = np.exp(-x[1] * T)
        return np.column_stack([e, -T * x[0] * e, np.ones_like(T)])

    for df in (slopes, None):
        outcome, solver = fit(model, df, 40, [scale, 0.05, scale / 2])
        assert outcome.success
        np.testing.assert_allclose(solver.x / [scale, 1, scale], BEST, rtol=1e-6)


@pytest.mark.parametrize("method", METHODS)
def test_zero_residual(method):
    """A fit that can reach zero does, and says so."""
    outcome, solver = fit(lambda x: x - [1.0, 2.0], lambda x: np.eye(2), 2, [5, 5], method)
    assert outcome.success
    np.testing.assert_allclose(solver.x, [1, 2], rtol=1e-10)
    outcome, solver = fit(lambda x: np.zeros(3), lambda x: np.ones((3, 2)), 3, [1, 1], method)
    assert (outcome.ending, outcome.niter) == (FitStatus.EXACT, 0)


def test_start_at_the_minimum():
    """Nothing to do is success without a step."""
    outcome, _ = fit(residual, jacobian, 40, BEST, gtol=1e-7)
    assert (outcome.ending, outcome.niter) == (FitStatus.GRADIENT, 0)


@pytest.mark.parametrize("method", METHODS)
def test_tolerances_of_zero_end_at_machine_precision(method):
    """ETOLF, ETOLX and ENOPROG at the minimum are success."""
    outcome, solver = fit(residual, jacobian, 40, [1, 0, 0], method, xtol=0, ftol=0, gtol=0)
    assert outcome.ending == FitStatus.PRECISION
    np.testing.assert_allclose(solver.x, BEST, rtol=1e-7)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("exact", [True, False])
def test_a_residual_of_rounding_alone(method, exact):
    """Exact data, of a model that is the difference of large numbers: what is left is its rounding, as near as a fit can come."""
    def f(x):
        return (1e7 + x[0]*np.exp(-x[1]*T)) - 1e7 - 5*np.exp(-.1*T)

    def df(x):
        return np.column_stack([np.exp(-x[1]*T), -T*x[0]*np.exp(-x[1]*T)])

    outcome, solver = fit(f, df if exact else None, 40, [1, .2], method, xtol=0, ftol=0, gtol=0)
    assert outcome.ending == FitStatus.PRECISION
    np.testing.assert_allclose(solver.x, [5, .1], rtol=1e-8)


@pytest.mark.parametrize("method", METHODS)
def test_wrong_sign_of_the_jacobian_is_no_success(method):
    """No progress away from a minimum is told from none at one."""
    outcome, _ = fit(residual, lambda x: -jacobian(x), 40, [1, 0.05, 0], method)
    assert outcome.ending == FitStatus.NO_PROGRESS
    assert not outcome.success
    assert "wrong Jacobian" in outcome.message


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("df", [True, False], ids=["exact", "differences"])
def test_not_finite_on_the_way_is_a_rejected_step(method, df):
    """Where the residual is NaN or inf, the step is refused and a shorter one found."""
    t = np.linspace(1, 3, 20)
    y = np.log(2.0) * t + 1.0

    def f(x):
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.log(x[0]) * t + x[1] - y

    def slopes(x):
        return np.column_stack([t / x[0], np.ones_like(t)])

    outcome, solver = fit(f, slopes if df else None, 20, [50.0, 0.0], method)
    assert outcome.success
    assert outcome.rejected > 0
    np.testing.assert_allclose(solver.x, [2, 1], rtol=1e-5)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_trapped_is_no_success(method, value):
    """A minimum behind a wall of NaN ends without success, at finite parameters."""
    outcome, solver = fit(lambda x: np.array([x[0] - 5.0, 1.0]) if x[0] < 3 else np.full(2, value), lambda x: np.array([[1.0], [0.0]]),
                          2, [0.0], method)
    assert not outcome.success
    assert np.isfinite(solver.x).all()
    assert solver.x[0] < 3


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_not_finite_at_the_start(value):
    """An error that says which residual, and where."""
    def f(x):
        r = residual(x)
        r[7] = value
        return r

    with pytest.raises(NonFiniteError, match=rf"index 7 is {value} at the start, x = \[1., 0., 0.\]"):
        fit(f, jacobian, 40, [1, 0, 0])
    with pytest.raises(NonFiniteError, match=r"element \(7, 2\) is not finite at x = \[1., 0., 0.\]"):
        fit(residual, lambda x: np.where(np.arange(120).reshape(40, 3) == 23, value, 1.0), 40, [1, 0, 0])


def test_jacobian_not_finite_on_the_way():
    """No success and no NaN: the outcome says which element."""
    outcome, solver = fit(residual, lambda x: jacobian(x) if x[0] == 1 else np.full((40, 3), np.nan), 40, [1, 0, 0])
    assert outcome.ending == FitStatus.NONFINITE
    assert "element (0, 0)" in outcome.message
    assert np.isfinite(solver.x).all()


def test_limits():
    """Both limits end the fit, and the message names them; what was found is there."""
    outcome, solver = fit(residual, jacobian, 40, [1, 0, 0], max_iter=2)
    assert (outcome.ending, outcome.niter) == (FitStatus.MAX_ITER, 2)
    assert "2 iterations" in outcome.message
    outcome, solver = fit(residual, None, 40, [1, 0, 0], max_nfev=9)
    assert (outcome.ending, outcome.nfev) == (FitStatus.MAX_NFEV, 9)
    assert "9 evaluations" in outcome.message
    assert np.isfinite(solver.x).all()
    with pytest.raises(InputError, match="call set"):
        solver.iterate()


def test_watching():
    """The callback sees each step and can stop the fit."""
    seen = []
    outcome, _ = fit(residual, jacobian, 40, [1, 0, 0], callback=lambda s: seen.append((s.niter, (s.f**2).sum())))
    assert [niter for niter, _ in seen] == list(range(1, outcome.niter + 1))
    assert all(a > b for (_, a), (_, b) in pairwise(seen))
    outcome, _ = fit(residual, jacobian, 40, [1, 0, 0], callback=lambda s: s.niter == 3)
    assert (outcome.ending, outcome.niter) == (FitStatus.STOPPED, 3)


class Boom(Exception):
    """An exception of the caller's own."""


FAILURES = {
    "exception": (Boom("here"), Boom, "here"),
    "KeyboardInterrupt": (KeyboardInterrupt(), KeyboardInterrupt, None),
    "SystemExit": (SystemExit(3), SystemExit, "3"),
    "MemoryError": (MemoryError(), MemoryError, None),
    "None": (None, InputTypeError, "returned None"),
    "text": ("text", InputTypeError, "returned 'text'"),
    "scalar": (1.5, InputTypeError, r"returned 1\.5"),
    "objects": (np.array([object()] * 40), InputTypeError, "array of object"),
    "complex": (np.zeros(40, complex), InputTypeError, "complex"),
    "short": (np.zeros(39), InputError, r"\(39,\)"),
    "long": (np.zeros(41), InputError, r"\(41,\)"),
    "square": (np.zeros((40, 40)), InputError, r"\(40, 40\)"),
}


@pytest.mark.parametrize("failure", FAILURES)
@pytest.mark.parametrize("callback", ["f", "df", "watch"])
@pytest.mark.parametrize("call", [1, 3])
@pytest.mark.parametrize("method", METHODS)
def test_every_failure_of_every_callback_surfaces(failure, callback, call, method):
    """What a callback raises, or returns wrongly, surfaces at once; nothing is called afterwards; the next fit works."""
    value, error, message = FAILURES[failure]
    count = dict.fromkeys(("f", "df", "watch"), 0)
    last = []

    def act(name, good):
        count[name] += 1
        last.append(name)
        if name != callback or count[name] != call:
            return good
        if isinstance(value, BaseException):
            raise value
        return value

    if callback == "watch" and not isinstance(value, BaseException):
        return                                      # what the watcher returns is only true or false
    solver = FdfSolver(method, 40, 3)
    function = Function_fdf.from_callables(lambda x: act("f", residual(x)), lambda x: act("df", jacobian(x)), 40, 3)

    def run():
        solver.set(function, [1, 0, 0])
        solver.solve(callback=lambda s: act("watch", False))

    with pytest.raises(error, match=message) as caught:
        run()
    if isinstance(value, BaseException):
        assert caught.value is value
    assert last[-1] == callback
    assert count[callback] == call
    solver.set(Function_fdf.from_callables(residual, jacobian, 40, 3), [1, 0, 0])
    assert solver.solve().success


def test_callbacks_own_their_arrays():
    """A callback may write into x, and keep it."""
    kept = []

    def f(x):
        r = residual(x)
        kept.append(x)
        x[:] = np.nan
        return r

    outcome, solver = fit(f, jacobian, 40, [1, 0, 0])
    assert outcome.success
    np.testing.assert_allclose(solver.x, BEST, rtol=1e-6)
    assert len({id(x) for x in kept}) == len(kept)


def test_residual_may_reuse_its_buffer():
    """What f returns is copied at once."""
    buffer = np.empty(40)

    def f(x):
        buffer[:] = residual(x)
        return buffer

    outcome, solver = fit(f, None, 40, [1, 0, 0])
    assert outcome.success
    np.testing.assert_allclose(solver.x, BEST, rtol=1e-6)


def test_any_real_array_will_do():
    """Lists, float32, other strides and Fortran order are taken."""
    reference = fit(residual, jacobian, 40, [1, 0, 0])[1].x
    for f, df in ((lambda x: residual(x).tolist(), lambda x: jacobian(x).tolist()),
                  (lambda x: np.repeat(residual(x), 2)[::2], lambda x: np.asfortranarray(jacobian(x)))):
        np.testing.assert_array_equal(fit(f, df, 40, [1, 0, 0])[1].x, reference)
    outcome, solver = fit(lambda x: residual(x).astype(np.float32), jacobian, 40, [1, 0, 0])
    assert outcome.success
    np.testing.assert_allclose(solver.x, BEST, rtol=1e-4)


def test_a_jacobian_of_the_wrong_shape():
    """Transposed, it says so."""
    with pytest.raises(InputError, match="transpose it"):
        fit(residual, lambda x: jacobian(x).T, 40, [1, 0, 0])


@pytest.mark.parametrize(("arguments", "error", "message"), [
    (("lmsder", 2, 3), InputError, "2 residuals for 3 parameters"),
    (("lmsder", 0, 0), InputError, "p is 0"),
    (("simplex", 3, 2), InputError, "no method 'simplex'; there are lmsder, lmder, lmniel"),
    (("lmsder", 3.0, 2), InputTypeError, "n must be an integer, not float"),
    ((3,), InputTypeError, "takes"),
])
def test_solvers_that_can_not_be(arguments, error, message):
    """The message has the numbers."""
    with pytest.raises(error, match=message):
        FdfSolver(*arguments)


def test_what_set_refuses():
    """Sizes that differ, and starts that are not finite."""
    solver = FdfSolver(40, 3)
    function = Function_fdf.from_callables(residual, jacobian, 40, 3)
    for x, message in (([1, 0], r"shape \(2,\), and \(3,\)"), ([1, np.nan, 0], r"x\[1\] is nan"), ("abc", "x must be real numbers")):
        with pytest.raises(FitError, match=message):
            solver.set(function, x)
    with pytest.raises(InputError, match="4 parameters, and the solver was made for 3"):
        solver.set(Function_fdf.from_callables(residual, jacobian, 40, 4), [1, 0, 0])
    with pytest.raises(InputError, match="41 residuals, and the solver was made for 40"):
        solver.set(Function_fdf.from_callables(residual, jacobian, 41, 3), [1, 0, 0])
    with pytest.raises(InputTypeError, match="Function_fdf"):
        solver.set(residual, [1, 0, 0])
    for unset in (solver.iterate, solver.solve, solver.position, lambda: solver.f, lambda: solver.J, solver.gradient):
        with pytest.raises(InputError, match="call set"):
            unset()
    solver.set(function, [1, 0, 0])
    with pytest.raises(InputError, match="xtol is -1"):
        solver.solve(xtol=-1)


def test_weights():
    """Weights are those of the squared residuals."""
    w = np.linspace(0.5, 2, 40)
    solver = FdfSolver(40, 3)
    solver.set(Function_fdf.from_callables(residual, jacobian, 40, 3), [1, 0, 0], weights=w)
    assert solver.solve().success
    by_hand = fit(lambda x: np.sqrt(w) * residual(x), lambda x: np.sqrt(w)[:, None] * jacobian(x), 40, [1, 0, 0])[1]
    np.testing.assert_allclose(solver.x, by_hand.x, rtol=1e-12)
    np.testing.assert_allclose(solver.f, by_hand.f, rtol=1e-12)
    with pytest.raises(InputError, match=r"weights\[3\] is -1"):
        solver.set(Function_fdf.from_callables(residual, jacobian, 40, 3), [1, 0, 0], weights=np.where(T == 3, -1, w))


def test_centred_differences_are_closer():
    """Centred differences cost twice as much and leave an error of h^2."""
    errors = []
    for centred in (False, True):
        solver = FdfSolver(40, 3)
        solver.set(Function_fdf.from_callables(residual, None, 40, 3, centred=centred), [5, 0.1, 1])
        assert solver.nfev == (7 if centred else 4)
        errors.append(np.abs(solver.J - jacobian([5, 0.1, 1])).max())
    assert errors[0] < 1e-4
    assert errors[1] < errors[0] / 100


def test_no_solver_within_itself():
    """A callback that drives its own solver is told off, and a solver of its own works."""
    solver = FdfSolver(40, 3)

    def f(x):
        solver.iterate()
        return residual(x)

    with pytest.raises(InputError, match="in the middle of a step"):
        solver.set(Function_fdf.from_callables(f, jacobian, 40, 3), [1, 0, 0])

    def nested(x):
        return residual(x) * (1 if fit(residual, jacobian, 40, [1, 0, 0])[0].success else np.nan)

    assert fit(nested, jacobian, 40, [1, 0, 0])[0].success
    for run in (lambda s: s.iterate(), lambda s: s.solve(), lambda s: s.set(None, [1, 0, 0]) or s.x):
        with pytest.raises(FitError):
            fit(residual, jacobian, 40, [1, 0, 0], callback=run)


def test_a_set_that_fails_changes_nothing():
    """Refused weights, or a function of another size, leave the solver as it was."""
    solver = FdfSolver(40, 3)
    function = Function_fdf.from_callables(residual, jacobian, 40, 3)
    solver.set(function, [1, 0, 0], weights=np.linspace(1, 2, 40))
    reference = FdfSolver(40, 3)
    reference.set(function, [1, 0, 0], weights=np.linspace(1, 2, 40))
    for arguments in ((function, [1, 0, 0], -np.ones(40)), (function, [1, 0, 0], np.ones(39)), (function, [1, 0], None)):
        with pytest.raises(InputError):
            solver.set(*arguments)
    junk = [np.full(40, np.nan) for _ in range(100)]
    assert solver.iterate() == reference.iterate()
    np.testing.assert_array_equal(solver.x, reference.x)
    assert len(junk) == 100


def test_a_callback_that_knows_its_solver_is_collected():
    """Circles of solver, function and closure are found by the garbage collector."""
    import gc
    import weakref

    class Token:
        """Something to watch."""

    def circle():
        token, solver = Token(), FdfSolver(40, 3)

        def f(x):
            return residual(x) + 0 * (token is None) * solver.n

        solver.set(Function_fdf.from_callables(f, jacobian, 40, 3), [1, 0, 0])
        assert solver.solve().success
        return weakref.ref(token)

    reference = circle()
    gc.collect()
    assert reference() is None


def test_two_threads_with_their_own_solvers():
    """Solvers share nothing."""
    results = {}

    def work(key, factor):
        results[key] = [fit(lambda x: factor * residual(x), jacobian if factor == 1 else None, 40, [1, 0, 0])[1].x for _ in range(30)]

    threads = [threading.Thread(target=work, args=(key, factor)) for key, factor in enumerate((1, 10))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for found in results.values():
        np.testing.assert_allclose(found, np.tile(BEST, (30, 1)), rtol=1e-6)


def test_ten_thousand_solvers_leave_nothing():
    """Created, used, broken by exceptions and dropped: the process grows by less than 5 MB."""
    psutil = pytest.importorskip("psutil")
    process = psutil.Process()
    f = Function_fdf.from_callables(residual, jacobian, 40, 3)
    count = 0

    def breaking(x):
        nonlocal count
        count += 1
        if count % 3 == 0:
            raise Boom
        return residual(x)

    broken = Function_fdf.from_callables(breaking, None, 40, 3)

    def use(times):
        raised = 0
        for _ in range(times):
            solver = FdfSolver(METHODS[times % 3], 40, 3)
            try:
                solver.set(f, [1, 0, 0])
                solver.iterate()
                solver.set(broken, [1, 0, 0])
            except Boom:
                raised += 1
        return raised

    use(1000)
    before = process.memory_info().rss
    assert use(10_000) > 3000
    assert process.memory_info().rss - before < 5e6
