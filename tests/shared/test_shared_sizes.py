"""Data, weights and errors of any size that sums of squares are out of range of: shared fits are those of data near 1."""
import numpy as np
import pytest

from gslfit import fit_shared

X = np.linspace(0, 5, 30)
Y = np.array([[2.], [3.]])*np.exp(-X/1.5) + .02*np.random.default_rng(0).normal(size=(2, 30))
SIZES = [1e-300, 1e-200, 1e-155, 1e-150, 1e150, 1e200, 1e280]
FORMULA = "A*exp(-x/tau)"


def fitted(y=Y, **how):
    return fit_shared(FORMULA, y, x=X, shared="tau", tau=1., **how)


def same(found, like, size):
    """Compare to rounding's share of an error; `size` is that of the amplitudes."""
    assert found.success and not found.left_out.size, found.message
    assert found.values["tau"] == pytest.approx(like.values["tau"], abs=1e-7*float(like.stderr["tau"]))
    assert found.stderr["tau"] == pytest.approx(like.stderr["tau"], rel=1e-7)
    for name in ("values", "stderr"):
        np.testing.assert_allclose(getattr(found, name)["A"]/size, getattr(like, name)["A"], rtol=1e-7)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("start", [{}, {"A": 1.}])
def test_data_of_any_size(size, start):
    like, found = fitted(), fitted(Y*size, **{name: value*size for name, value in start.items()})
    same(found, like, size)
    with np.errstate(over="ignore", under="ignore"):
        assert found.chisqr == pytest.approx(np.float64(like.chisqr)*size*size, rel=1e-6, abs=1e-310)
    limits = zip(found.conf_interval()["tau"], like.conf_interval()["tau"], strict=True)
    assert all(own[1] == pytest.approx(other[1], rel=1e-6) for own, other in limits)


@pytest.mark.parametrize("size", SIZES)
def test_weights_and_errors_of_any_size(size):
    like = fitted()
    same(fitted(weights=size), like, 1.)
    same(fitted(yerr=np.full(Y.shape, 1/size)), like, 1.)
    known, found = fitted(yerr=1., scale_covar=False), fitted(yerr=size, scale_covar=False)
    assert found.success and found.stderr["tau"]/size == pytest.approx(known.stderr["tau"], rel=1e-7)
    np.testing.assert_allclose(found.stderr["A"]/size, known.stderr["A"], rtol=1e-7)
    same(fitted(Y*size, yerr=size, scale_covar=False), known, size)


def test_a_variance_that_is_no_number_is_infinite_and_its_error_is_right():
    found = fitted(Y*1e-200)
    assert np.isinf(found.local_covar).all() and np.isfinite(found.covar).all()
    np.testing.assert_allclose(found.stderr["A"], fitted().stderr["A"]*1e-200, rtol=1e-7)


ROBUST = ["huber", "soft_l1", "cauchy", "arctan", "tukey"]


@pytest.mark.parametrize("loss", ROBUST)
@pytest.mark.parametrize("size", [2.**-664, 2.**-498, 2.**-332, 2.**-240, 2.**240, 2.**332, 2.**664])     # 1e-200 to 1e200
@pytest.mark.filterwarnings("error")
def test_robust_losses_of_data_of_any_size(loss, size):
    """Errors too, of which fourth powers of the residuals are a part, with the scale given and measured; so has each data set by itself."""
    like = fitted(loss=loss, f_scale=.02)
    same(fitted(Y*size, loss=loss, f_scale=.02*size), like, size)
    found = fitted(Y*size, loss=loss, f_scale="mad")
    assert found.success and float(found.stderr["tau"]) == pytest.approx(float(fitted(loss=loss, f_scale="mad").stderr["tau"]), rel=1e-5)
    assert found[0].params["A"].stderr == found.stderr["A"][0] > 0


@pytest.mark.parametrize("size", [1e-200, 1e200])
def test_a_wide_scale_is_least_squares(size):
    found = fitted(Y*size, loss="huber", f_scale=1e250)
    assert found.success and found.values["tau"] == pytest.approx(fitted().values["tau"], rel=1e-6)


@pytest.mark.parametrize("loss", ["huber", "soft_l1", "cauchy", "arctan", "tukey"])
@pytest.mark.parametrize("scale", [1e-30, 1e-100, 1e-300])
def test_a_scale_that_leaves_a_loss_no_slope_is_no_success(loss, scale):
    assert not fitted(loss=loss, f_scale=scale).success
