"""gslfit.multifit: the vocabulary and the semantics of GSL and Ruby/GSL."""
import doctest

import numpy as np
import pytest

import gslfit.multifit
import gslfit.multifit.fits
import gslfit.solvers._function
import gslfit.solvers._multifit
from gslfit.errors import BadToleranceError, InputError, InputTypeError, NonFiniteError
from gslfit.multifit import (
    CONTINUE,
    LMDER,
    LMSDER,
    SUCCESS,
    FdfSolver,
    Function_fdf,
    covar,
    gradient,
    test_delta,
    test_gradient,
)

delta, slope = test_delta, test_gradient        # under their own names pytest would take them for tests
del test_delta, test_gradient

T = np.arange(10.0)
Y = 1 + 5 * np.exp(-0.3 * T)
SIGMA = np.linspace(0.1, 0.2, 10)
J = np.random.default_rng(3).normal(size=(10, 3))


def f(x, t, y, sigma, out):
    """M2's residual, element by element."""
    for i in range(len(t)):
        out[i] = (x[0] * np.exp(-x[1] * t[i]) + x[2] - y[i]) / sigma[i]


def df(x, t, y, sigma, jac):
    """M2's Jacobian, element by element."""
    for i in range(len(t)):
        e = np.exp(-x[1] * t[i])
        jac[i, 0] = e / sigma[i]
        jac[i, 1] = -t[i] * x[0] * e / sigma[i]
        jac[i, 2] = 1 / sigma[i]


def fdf(x, t, y, sigma, out, jac):
    """Both at once."""
    f(x, t, y, sigma, out)
    df(x, t, y, sigma, jac)


def fitted(function, T=LMSDER, data=(T, Y, SIGMA)):
    """Return a solver run on the function."""
    function.set_data(*data)
    solver = FdfSolver.alloc(T, 10, 3)
    solver.set(function, [1, 0.1, 0])
    assert solver.solve().success
    return solver


def test_names():
    """The constants have GSL's values, and stand where Ruby has them."""
    assert (SUCCESS, CONTINUE) == (0, -2)
    assert FdfSolver.LMSDER == LMSDER
    assert FdfSolver.LMDER == LMDER


@pytest.mark.parametrize("arguments", [(LMSDER, 10, 3), ("lmsder", 10, 3), (FdfSolver.LMSDER, 10, 3), (10, 3)], ids=str)
def test_every_way_to_make_a_solver(arguments):
    """alloc and the class take the method as a constant or a string, or leave it out."""
    for make in (FdfSolver, FdfSolver.alloc):
        solver = make(*arguments)
        assert isinstance(solver, FdfSolver)
        assert (solver.name, solver.n, solver.p) == ("lmsder", 10, 3)
    assert FdfSolver.alloc(LMDER, 10, 3).name == "lmder"


@pytest.mark.parametrize("make", [
    lambda: Function_fdf.alloc(f, df, 3),
    lambda: Function_fdf.alloc(f, df, fdf, 3),
    lambda: Function_fdf(f, df, p=3),
    lambda: Function_fdf.alloc(f, None, 3),
    lambda: Function_fdf.alloc(f, None, 3, centred=True),
    lambda: Function_fdf.alloc(None, None, fdf, 3),
    lambda: Function_fdf.alloc().set_procs(f, df, 3),
    lambda: Function_fdf.alloc().set_procs(f, df, fdf, 3),
    lambda: Function_fdf.alloc(lambda *a: f(*a) or a[-1], lambda *a: df(*a) or a[-1], 3),
    lambda: Function_fdf.alloc(lambda x, t, y, s, out: (x[0] * np.exp(-x[1] * t) + x[2] - y) / s, None, 3),
], ids=["f,df", "f,df,fdf", "p=", "differences", "centred", "fdf alone", "set_procs", "set_procs fdf", "returns its array",
        "returns another array"])
def test_every_way_to_make_a_function(make):
    """All forms of alloc and set_procs, callbacks that fill and callbacks that return."""
    np.testing.assert_allclose(fitted(make()).x, [5, 0.3, 1], rtol=1e-6)


def test_data_without_sigma_and_without_data():
    """set_data(t, y) calls f(x, t, y, out); without data it is f(x, out); t may be anything with a length."""
    function = Function_fdf.alloc(lambda x, t, y, out: f(x, t, y, SIGMA, out), None, 3)
    np.testing.assert_allclose(fitted(function, data=(T, Y)).x, [5, 0.3, 1], rtol=1e-6)
    np.testing.assert_allclose(fitted(function, data=(range(10), list(Y))).x, [5, 0.3, 1], rtol=1e-6)
    solver = FdfSolver(10, 3)
    solver.set(Function_fdf.alloc(lambda x, out: f(x, T, Y, SIGMA, out), lambda x, jac: df(x, T, Y, SIGMA, jac), 3), [1, 0.1, 0])
    assert solver.solve().success
    np.testing.assert_allclose(solver.x, [5, 0.3, 1], rtol=1e-6)


@pytest.mark.parametrize(("data", "error", "message"), [
    ((T, Y[:9]), InputError, "t has 10 elements and y has 9"),
    ((T, Y, SIGMA[:4]), InputError, "sigma has 4 elements and y has 10"),
    ((T, [], SIGMA), InputError, "y is empty"),
    ((T, np.where(T == 3, np.nan, Y)), NonFiniteError, r"y\[3\] is nan; 1 of 10"),
    ((np.where(T == 4, np.inf, T), Y), NonFiniteError, r"t\[4\] is inf"),
    ((T, Y, np.where(T == 2, 0, SIGMA)), InputError, r"sigma\[2\] is 0\.0"),
    ((T, Y, np.where(T == 6, -1, SIGMA)), InputError, r"sigma\[6\] is -1\.0"),
    ((T, Y, np.where(T == 6, np.nan, SIGMA)), NonFiniteError, r"sigma\[6\] is nan"),
    ((3.0, Y), InputTypeError, "t must have a length"),
    ((T, Y * 1j), InputTypeError, "y must be real"),
    ((T, ["a"] * 10), InputTypeError, "y must be real"),
    ((T, Y.reshape(2, 5)), InputError, r"y has shape \(2, 5\)"),
])
def test_data_that_can_not_be(data, error, message):
    """The message has the array, the index or both lengths."""
    with pytest.raises(error, match=message):
        Function_fdf.alloc(f, df, 3).set_data(*data)


@pytest.mark.parametrize("procs", [(f,), (f, df), (f, "df", 3), (3,), (None, None, 3), (f, df, fdf, 3, 3), (f, df, 0), (f, df, 2.5)])
def test_functions_that_can_not_be(procs):
    """Callbacks that can't be called, or no number of parameters."""
    with pytest.raises(InputTypeError):
        Function_fdf.alloc(*procs)


def test_what_a_callback_leaves_out_is_noticed():
    """An array that is not filled is an error at the start, not zeros."""
    function = Function_fdf.alloc(lambda x, t, y, out: None, None, 3)
    function.set_data(T, Y)
    with pytest.raises(NonFiniteError, match="index 0 is nan at the start"):
        FdfSolver(10, 3).set(function, [1, 0, 0])
    with pytest.raises(InputError, match="no functions yet"):
        FdfSolver(10, 3).set(Function_fdf.alloc(), [1, 0, 0])
    with pytest.raises(InputError, match="10 residuals, and the solver was made for 11"):
        FdfSolver(11, 3).set(function, [1, 0, 0])


def test_members():
    """x, dx, f, J and its other names, position, gradient, covar."""
    solver = fitted(Function_fdf.alloc(f, df, 3))
    x = solver.x
    r, jac = np.empty(10), np.empty((10, 3))
    fdf(x, T, Y, SIGMA, r, jac)
    np.testing.assert_array_equal(solver.position(), x)
    np.testing.assert_allclose(solver.f, r, atol=1e-13)
    for member in (solver.J, solver.jac, solver.jacobian):
        np.testing.assert_allclose(member, jac, rtol=1e-12)
    np.testing.assert_allclose(solver.gradient(), jac.T @ r, atol=1e-12)
    np.testing.assert_allclose(solver.covar(0.0), np.linalg.inv(jac.T @ jac), rtol=1e-8)
    out = np.empty((3, 3))
    assert solver.covar(0.0, out) is out
    assert solver.test_gradient(1e-3) == SUCCESS
    assert solver.test_gradient([1, -1, 0], 2.0) == CONTINUE
    x[:] = 0
    assert solver.x[0] != 0


def test_iterate_by_hand():
    """Before the first step dx is zero and test_delta says SUCCESS; then GSL's own statuses."""
    function = Function_fdf.alloc(f, df, 3)
    function.set_data(T, Y + np.cos(T), SIGMA)
    solver = FdfSolver(10, 3)
    solver.set(function, [1, 0.1, 1])
    np.testing.assert_array_equal(solver.dx, 0)
    assert solver.test_delta(1e-4, 1e-4) == SUCCESS
    before = solver.x
    assert solver.iterate() == SUCCESS
    np.testing.assert_allclose(solver.dx, solver.x - before, rtol=1e-12)
    assert solver.test_delta(1e-4, 1e-4) == CONTINUE
    assert solver.niter == 1
    statuses = [solver.iterate() for _ in range(60)]
    assert {29, 30, 31, 27} & set(statuses)         # ETOLF, ETOLX, ETOLG or ENOPROG: as good as double precision allows
    assert solver.test_gradient(1e-5) == SUCCESS


@pytest.mark.parametrize(("dx", "x", "epsabs", "epsrel", "status"), [
    ([0, 0], [1, 1], 1e-4, 1e-4, SUCCESS),
    ([0], [0], 0, 1, CONTINUE),                     # strict: 0 < 0 is false
    ([1], [5], 1, 0, CONTINUE),
    ([1], [5], 1.0000001, 0, SUCCESS),
    ([1], [-5], 0, 0.2000001, SUCCESS),
    ([0, 1], [1, 1], 0.5, 0, CONTINUE),             # every component counts
    ([-1], [5], 0.5, 0, CONTINUE),
])
def test_delta_is_strict(dx, x, epsabs, epsrel, status):
    """|dx_i| < epsabs + epsrel |x_i| for each i."""
    assert delta(dx, x, epsabs, epsrel) == status


@pytest.mark.parametrize(("g", "epsabs", "status"), [([1, -1], 2, CONTINUE), ([1, -1], 2.0001, SUCCESS), ([0], 0, CONTINUE)])
def test_gradient_is_a_sum_and_strict(g, epsabs, status):
    """sum |g_i| < epsabs."""
    assert slope(g, epsabs) == status


def test_tolerances_are_not_negative():
    """GSL's EBADTOL, as an exception."""
    for call in (lambda: delta([0], [0], -1, 0), lambda: delta([0], [0], 0, -1), lambda: slope([0], -1)):
        with pytest.raises(BadToleranceError, match="GSL_EBADTOL"):
            call()
    with pytest.raises(InputError, match="shape"):
        delta([0, 1], [0], 1, 1)


def test_gradient():
    """J^T f, into an array of the caller's too."""
    r = np.arange(10.0)
    np.testing.assert_allclose(gradient(J, r), J.T @ r, rtol=1e-13)
    out = np.empty(3)
    assert gradient(J, r, out) is out
    np.testing.assert_allclose(out, J.T @ r, rtol=1e-13)
    for wrong, message in ((r[:4], r"f has shape \(4,\)"), (np.ones((2, 5)), "f has shape")):
        with pytest.raises(InputError, match=message):
            gradient(J, wrong)
    with pytest.raises(InputTypeError, match="g must be"):
        gradient(J, r, [0, 0, 0])
    with pytest.raises(InputError, match=r"g has shape \(2,\)"):
        gradient(J, r, np.empty(2))


def test_covar():
    """(J^T J)^-1; dependent columns come back zero; the tolerance is that of the rank."""
    np.testing.assert_allclose(covar(J, 0.0), np.linalg.inv(J.T @ J), rtol=1e-10)
    out = np.empty((3, 3))
    assert covar(J, 0.0, out) is out
    np.testing.assert_array_equal(out, covar(J, 0.0))
    flat = J.copy()
    flat[:, 1] = 0
    result = covar(flat, 0.0)
    np.testing.assert_array_equal(result[1], 0)
    np.testing.assert_array_equal(result[:, 1], 0)
    np.testing.assert_allclose(result[np.ix_([0, 2], [0, 2])], np.linalg.inv(J[:, [0, 2]].T @ J[:, [0, 2]]), rtol=1e-10)
    twice = np.column_stack([J[:, 0], 2 * J[:, 0], J[:, 2]])
    assert (np.diag(covar(twice, 1e-8)) == 0).sum() == 1
    assert (np.diag(covar(J, 0.9999)) == 0).any()
    with pytest.raises(InputError, match="2 rows and 3 columns"):
        covar(J[:2], 0.0)
    with pytest.raises(InputError, match="epsrel is -1"):
        covar(J, -1)
    with pytest.raises(NonFiniteError, match=r"jac\[1, 2\] is nan"):
        covar(np.where(np.arange(30).reshape(10, 3) == 5, np.nan, J), 0.0)


@pytest.mark.parametrize("module", [gslfit.solvers._function, gslfit.solvers._multifit, gslfit.multifit, gslfit.multifit.fits],
                         ids=lambda module: module.__name__)
def test_docstrings_run(module):
    """The examples in the docstrings are true."""
    assert doctest.testmod(module).failed == 0


class Decay:
    """One struct of data, as C's params."""

    t, y = np.arange(40.0), 1 + 5*np.exp(-0.1*np.arange(40.0))


@pytest.mark.parametrize("fills", [False, True])
def test_one_object_as_data(fills):
    """f(x, d) and df(x, d), with or without an array to fill, as C and PyGSL have it."""
    def values(x, d):
        return x[0]*np.exp(-x[1]*d.t) + x[2] - d.y

    def slopes(x, d):
        e = np.exp(-x[1]*d.t)
        return np.stack([e, -x[0]*d.t*e, np.ones_like(e)], axis=1)
    function = Function_fdf((lambda x, d, out: np.copyto(out, values(x, d))) if fills else values,
                            (lambda x, d, out: np.copyto(out, slopes(x, d))) if fills else slopes, 3)
    function.set_data(Decay())
    solver = FdfSolver("lmsder", 40, 3)
    solver.set(function, [1.0, 0.0, 0.0])
    assert solver.solve().success
    np.testing.assert_allclose(solver.x, [5, .1, 1], rtol=1e-6)


def test_any_number_of_arrays_as_data():
    """Four arrays, or three and a sigma by name, are handed over as they are."""
    t, y = Decay.t, Decay.y
    for data, named in (((t, y, 1.0, 2.0), {}), ((t, y, 2.0), {"sigma": 1.0})):
        function = Function_fdf(lambda x, t, y, *more: (x[0]*np.exp(-x[1]*t) + x[2] - y)/1.0, None, 3)
        function.set_data(*data, **named)
        assert len(function.data) == 4
        solver = FdfSolver("lmsder", 40, 3)
        solver.set(function, [1.0, 0.0, 0.0])
        assert solver.solve().success
    with pytest.raises(InputTypeError, match="needs data"):
        function.set_data()
    with pytest.raises(InputTypeError, match="not z"):
        function.set_data(t=t, y=y, z=1)
    function.set_data(t=t, y=y)
    assert len(function.data) == 2


@pytest.mark.parametrize("shape", [(1, 0), (0, 1), (0, 0), (3, 0)])
def test_no_rows_or_columns(shape):
    """GSL's BLAS would end the process."""
    with pytest.raises(InputError, match="at least one row and one column"):
        gslfit.multifit.gradient(np.empty(shape), np.empty(shape[0]))
    with pytest.raises(InputError, match="at least one row and one column"):
        gslfit.multifit.covar(np.empty(shape), 0.0)
