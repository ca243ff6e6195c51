"""Program: opcodes evaluated at points, against NumPy, SciPy and mpmath; what a wrong program is told."""
import pickle

import mpmath
import numpy as np
import pytest

from gslfit.errors import InputError
from gslfit.formula._program import OPCODES, Program, instruction_set
from gslfit.formula.operations import OPERATIONS

SETS = ["v4", "v3", "base"]


@pytest.fixture(params=SETS)
def isa(request):
    """Each instruction set that this processor has."""
    try:
        instruction_set(request.param)
    except InputError:
        pytest.skip(f"no {request.param} here")
    yield request.param
    for name in SETS:
        try:
            instruction_set(name)
            break
        except InputError:
            continue


def apply(name, *args):
    """One operation on arrays."""
    count = len(args)
    program = Program(count, 0, 0, [], np.zeros((0, 5)), [(OPCODES[name][0], count, 0, count > 1, 2 * (count > 2))], 1, [count])
    return program.evaluate([], np.array(args, float))[0]


EDGES = np.array([0.0, -0.0, 1.0, -1.0, 0.3, -2.5, 7.5, -1e300, 1e-300, np.inf, -np.inf, np.nan])
LIKE_NUMPY = {
    "neg": np.negative, "abs": np.abs, "square": np.square, "recip": np.reciprocal, "sqrt": np.sqrt, "floor": np.floor, "ceil": np.ceil,
    "trunc": np.trunc, "rint": np.rint, "sign": np.sign, "isnan": np.isnan, "isinf": np.isinf, "isfinite": np.isfinite,
    "not": np.logical_not, "exp": np.exp, "log": np.log, "tanh": np.tanh, "atan": np.arctan, "exp2": np.exp2, "expm1": np.expm1,
    "log1p": np.log1p, "cbrt": np.cbrt, "add": np.add, "sub": np.subtract, "mul": np.multiply, "div": np.divide, "min": np.minimum,
    "max": np.maximum, "copysign": np.copysign, "step": np.heaviside, "lt": np.less, "le": np.less_equal, "gt": np.greater,
    "ge": np.greater_equal, "eq": np.equal, "ne": np.not_equal, "and": np.logical_and, "or": np.logical_or, "xor": np.logical_xor,
    "atan2": np.arctan2, "hypot": np.hypot, "fmod": np.fmod,
}


@pytest.mark.parametrize("name", LIKE_NUMPY)
def test_edges_like_numpy(name, isa):
    """NaN, infinities and zeros come out as NumPy has them."""
    args = np.meshgrid(EDGES, EDGES) if OPCODES[name][1] == 2 else [EDGES]
    args = [arg.ravel() for arg in args]
    with np.errstate(all="ignore"):
        wanted = LIKE_NUMPY[name](*args).astype(float)
    np.testing.assert_allclose(apply(name, *args), wanted, rtol=1e-15, atol=0)


@pytest.mark.parametrize("name", ["sinc", "j0", "j1", "j2", "y0", "y1", "y2", "i0", "i1", "i2", "i0e", "i2e", "k0", "k1", "k2e",
                                  "erfcx", "dawson", "sinc_d"])
def test_limits_at_infinity_are_those_of_the_values_of_formulas(name):
    """An Airy disk of radius 0 has its limit in fits, and in what is worked out by NumPy afterwards."""
    args = np.array([np.inf, -np.inf, np.nan, .5])
    with np.errstate(all="ignore"):
        np.testing.assert_allclose(OPERATIONS[name].value(args), apply(name, args), rtol=1e-14)
        assert np.ndim(OPERATIONS[name].value(np.inf)) == 0


@pytest.mark.parametrize("name", ["wofz_re", "wofz_im", "wofz_d_re", "wofz_d_im"])
def test_limits_in_the_plane_are_those_of_the_values_of_formulas(name):
    """A Voigt profile that is infinitely wide is zero, in fits and by NumPy. Slopes are differences of terms of about 1, rounded."""
    x, y = (each.ravel() for each in np.meshgrid([np.inf, -np.inf, 0., .5, -3., 1e200], [np.inf, 0., .5, 3., 1e200]))
    with np.errstate(all="ignore"):
        np.testing.assert_allclose(OPERATIONS[name].value(x, y), apply(name, x, y), rtol=1e-13, atol=16*np.finfo(float).eps)
        assert np.ndim(OPERATIONS[name].value(np.inf, 1.)) == 0


@pytest.mark.parametrize("name", ["i2e", "k2e"])
def test_scaled_bessel_functions_far_out(name):
    """Where SciPy has none."""
    args = np.array([3., 900., 1e7, 1e12, 1e100])
    np.testing.assert_allclose(OPERATIONS[name].value(args), apply(name, args), rtol=1e-13)


def test_exp_to_the_last_place(isa):
    """Our own exp: within 1.5e-16 in the normal range, gradual underflow, 0 and infinity beyond."""
    x = np.r_[np.random.default_rng(0).uniform(-708, 709, 400), np.linspace(-1, 1, 100)]
    wanted = [mpmath.exp(mpmath.mpf(v)) for v in x.tolist()]
    error = [abs(float(mpmath.mpf(got) / want - 1)) for got, want in zip(apply("exp", x).tolist(), wanted, strict=True)]
    assert max(error) < 2.3e-16
    np.testing.assert_allclose(apply("exp", np.array([-740., -745., -746., 710.])), np.exp([-740., -745., -746., np.inf]), rtol=1e-12)


def faddeeva(x, y):
    """w(z) by mpmath."""
    with mpmath.workdps(80):
        z = mpmath.mpc(x, y)
        w = mpmath.exp(-z * z) * mpmath.erfc(-1j * z)
        return w, 2j / mpmath.sqrt(mpmath.pi) - 2 * z * w


def test_faddeeva(isa):
    """Both parts of w and w' to 1e-13 of the modulus, and of themselves where they don't pass through 0."""
    rng = np.random.default_rng(1)
    x = np.r_[rng.uniform(-9, 9, 60), rng.uniform(-9, 9, 40)]
    y = np.r_[rng.uniform(-2, 9, 60), 10**rng.uniform(-12, 0, 40)]
    for names, number in ((("wofz_re", "wofz_im"), 0), (("wofz_d_re", "wofz_d_im"), 1)):
        got = [apply(name, x, y) for name in names]
        for k, (a, b) in enumerate(zip(x.tolist(), y.tolist(), strict=True)):
            want = faddeeva(a, b)[number]
            assert abs(mpmath.mpc(got[0][k], got[1][k]) - want) < 1e-13 * abs(want)
    positive = y > 0
    want = [float(faddeeva(a, b)[0].real) for a, b in zip(x[positive].tolist(), y[positive].tolist(), strict=True)]
    np.testing.assert_allclose(apply("wofz_re", x, y)[positive], want, rtol=1e-12)


def test_faddeeva_far_away(isa):
    """More than 1e8 away both parts of w and w' are the first terms of their asymptotic series, w = i/(sqrt(pi) z) (DLMF 7.12.1)."""
    x, y = (part.ravel() for part in np.meshgrid([-1e12, -3e8, 0., 3e8, 1e12], [1e-3, 1., 4e8]))
    x, y = x[np.hypot(x, y) > 2e8], y[np.hypot(x, y) > 2e8]
    z, root = x + 1j*y, np.sqrt(np.pi)
    for names, want in ((("wofz_re", "wofz_im"), 1j/(root*z)), (("wofz_d_re", "wofz_d_im"), -1j/(root*z*z))):
        np.testing.assert_allclose(apply(names[0], x, y), want.real, rtol=1e-13)
        np.testing.assert_allclose(apply(names[1], x, y), want.imag, rtol=1e-13)


def test_powers_are_constants():
    """powi takes its exponent from a constant."""
    power = OPCODES["powi"][0]
    program = Program(1, 0, 0, [-3], np.zeros((0, 5)), [(power, 1, 0, ~0, 0)], 1, [1])
    np.testing.assert_allclose(program.evaluate([], [2., 4.])[0], [1 / 8, 1 / 64], rtol=1e-15)
    for exponent in (0.5, 1e5, np.nan):
        with pytest.raises(InputError, match="whole constant"):
            Program(1, 0, 0, [exponent], np.zeros((0, 5)), [(power, 1, 0, ~0, 0)], 1, [1])


@pytest.mark.parametrize(("row", "message"), [
    ((10**6, 1, 0, 0, 0), "no opcode"), ((1, 0, 0, 0, 0), "writes to 0"), ((1, 1, 5, 0, 0), "reads 5"), ((1, 1, 0, -9, 0), "reads -9"),
])
def test_wrong_programs(row, message):
    """A program that reaches outside itself is refused, whatever it came from."""
    with pytest.raises(InputError, match=message):
        Program(1, 0, 0, [], np.zeros((0, 5)), [row], 1, [1])


def test_wrong_arguments():
    """Shapes are held to."""
    program = Program(1, 1, 0, [], np.zeros((0, 5)), [(OPCODES["mul"][0], 1, 0, ~0, 0)], 1, [1, 0])
    np.testing.assert_array_equal(program.evaluate([2.], [1., 3.])[1], [[1.], [3.]])
    for v, x in (([1., 2.], [1.]), ([1.], [[1.], [2.]])):
        with pytest.raises(InputError, match="shape"):
            program.evaluate(v, x)
    with pytest.raises(InputError, match="outputs"):
        Program(1, 1, 0, [], np.zeros((0, 5)), np.zeros((0, 5)), 0, [0])


def test_pickle():
    """A program survives a pickle."""
    program = Program(1, 1, 0, [], np.zeros((0, 5)), [(OPCODES["mul"][0], 1, 0, ~0, 0)], 1, [1, 0])
    again = pickle.loads(pickle.dumps(program))
    np.testing.assert_array_equal(again.evaluate([2.], [1., 3.])[0], [2., 6.])
