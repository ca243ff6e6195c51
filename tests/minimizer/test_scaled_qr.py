"""The scaled QR decomposition of a Jacobian: rank, steps, (J^T J)^-1 and dependent columns against NumPy's singular values."""
import numpy as np
import pytest

from gslfit.minimizer._descent import ScaledQR

# n, p, parameters' units; of 400 x 60 numbers LAPACK makes a square first
SHAPES = [(1, 1, 0), (3, 3, 0), (20, 4, 0), (20, 4, 100), (9, 8, 3), (400, 60, 2)]


def jacobian(n, p, decades, seed=0):
    """Return a Jacobian whose columns have lengths over so many decades, and a residual."""
    rng = np.random.default_rng([n, p, seed])
    return rng.normal(size=(n, p))*10.0**np.linspace(-decades, decades, p), rng.normal(size=n)


@pytest.mark.parametrize(("n", "p", "decades"), SHAPES)
def test_full_rank(n, p, decades):
    """The step is that of the pseudoinverse in scaled parameters, and W W^T the inverse of scaled J^T J."""
    J, r = jacobian(n, p, decades)
    qr = ScaledQR(J)
    norms = np.linalg.norm(J, axis=0)
    A = J/norms
    tolerance = 1e-13*np.linalg.cond(A)**2
    assert (qr.n, qr.p, qr.rank, qr.undetermined()) == (n, p, p, [])
    np.testing.assert_allclose(qr.norms, norms, rtol=1e-14)
    step = np.linalg.pinv(A) @ -r
    np.testing.assert_allclose(qr.step(r)*norms, step, rtol=0, atol=tolerance*np.abs(step).max())
    W, wanted = qr.factors(), np.linalg.inv(A.T @ A)
    np.testing.assert_allclose(W @ W.T, wanted, rtol=0, atol=tolerance*np.abs(wanted).max())
    np.testing.assert_allclose(qr.cosines(r), np.abs(A.T @ r)/np.linalg.norm(r), rtol=0, atol=1e-14)


@pytest.mark.parametrize("n", [6, 5000])
def test_dependent_columns(n):
    """Of columns 1, 3 and 4 one is a sum of the others, column 2 is zero: these are undetermined, and the step still minimises."""
    J, r = jacobian(n, 5, 1)
    J[:, 4], J[:, 2] = 2*J[:, 1] - 3*J[:, 3], 0
    qr = ScaledQR(J)
    assert qr.rank == 3
    assert qr.undetermined() == [1, 2, 3, 4]
    best = r - np.linalg.lstsq(J/np.maximum(qr.norms, 1e-300), r, rcond=None)[0] @ (J/np.maximum(qr.norms, 1e-300)).T
    np.testing.assert_allclose(r + J @ qr.step(r), best, rtol=0, atol=1e-12*np.linalg.norm(r))
    assert np.count_nonzero(qr.step(r)) == 3


def test_rank_by_tolerance():
    """A column that is another one but for 1e-6 of it is independent at a tolerance of 1e-8, and dependent at 1e-4."""
    J, _ = jacobian(50, 3, 0)
    J[:, 2] = J[:, 0] + 1e-6*J[:, 2]
    assert ScaledQR(J, 1e-8).rank == 3
    qr = ScaledQR(J, 1e-4)
    assert qr.rank == 2
    assert qr.undetermined() == [0, 2]


def test_held_columns():
    """Columns that are left out have norm 0, no step and no row in W; the others have those of the smaller problem."""
    J, r = jacobian(30, 5, 2)
    held = [False, True, False, False, True]
    qr, small = ScaledQR(J, 1e-14, held), ScaledQR(J[:, [0, 2, 3]])
    assert qr.rank == 3
    assert qr.undetermined() == []
    np.testing.assert_array_equal(qr.norms[held], 0)
    np.testing.assert_array_equal(qr.step(r)[[0, 2, 3]], small.step(r))
    np.testing.assert_array_equal(qr.step(r)[held], 0)
    np.testing.assert_array_equal(qr.factors()[[0, 2, 3]], small.factors())
    np.testing.assert_array_equal(qr.factors()[held], 0)


def test_equal_columns_by_number():
    """Rounding of the lengths doesn't choose among columns that are equally long: the first is independent, its copies are not."""
    J, _ = jacobian(40, 3, 0)
    J = np.column_stack([J[:, 0], 3e7*J[:, 0], J[:, 0]/7, J[:, 1]])
    qr = ScaledQR(J)
    assert qr.rank == 2
    step = qr.step(J[:, 0].copy())
    assert step[0] == pytest.approx(-1, rel=1e-14)
    np.testing.assert_array_equal(step[1:3], 0)


@pytest.mark.parametrize("scale", [1e-200, 1e-160, 1e150])
def test_products_out_of_range(scale):
    """The products of columns and residual vanish or overflow; steps and cosines are those of the same numbers in range."""
    J, r = jacobian(30, 3, 0)
    qr, small = ScaledQR(J), ScaledQR(scale*J)
    np.testing.assert_allclose(small.step(scale*r), qr.step(r), rtol=1e-12)
    np.testing.assert_allclose(small.cosines(scale*r), qr.cosines(r), rtol=1e-12)
