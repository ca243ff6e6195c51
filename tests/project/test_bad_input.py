"""What goes wrong on the way into a fit: one clear error that names the culprit and the remedy, or the right answer at any scale."""
import warnings

import numpy as np
import pytest

import gslfit
from gslfit import Minimizer, Parameters, minimize
from gslfit.errors import FitError, FitWarning, InputError, InputTypeError, NonFiniteError, ParameterError

X = np.linspace(0, 10, 50)
Y = 3 * np.exp(-0.5 * X) + 1 + np.random.default_rng(0).normal(0, 0.05, X.size)


def start(a=2., b=1., c=0.):
    params = Parameters()
    params.add_many(("a", a), ("b", b), ("c", c))
    return params


def model(p, x):
    return p["a"].value * np.exp(-p["b"].value * x) + p["c"].value


def residual(p, x, data, eps=1.):
    return (model(p, x) - data) / eps


def jacobian(p, x, data):
    e = np.exp(-p["b"].value * x)
    return np.column_stack([e, -p["a"].value * x * e, np.ones_like(x)])


def spoiled(array, index, value):
    out = array.copy()
    out[index] = value
    return out


@pytest.fixture(scope="module")
def good():
    params = start()
    assert minimize(residual, params, (X, Y)).success
    return params


# NaN or inf in data

@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("how", ["args", "kws", "closure"])
def test_data_not_finite_names_array_and_index(value, how):
    data = spoiled(Y, 7, value)
    call = {"args": lambda: minimize(residual, start(), (X, data)), "kws": lambda: minimize(residual, start(), kws={"x": X, "data": data}),
            "closure": lambda: minimize(lambda p: model(p, X) - data, start())}[how]
    with pytest.raises(NonFiniteError, match=rf"data\[7\] is {value}.*nan_policy='omit'"):
        call()


def test_two_dimensional_data_name_both_indices():
    data = spoiled(Y.reshape(5, 10), (2, 3), np.nan)
    with pytest.raises(NonFiniteError, match=r"data\[2, 3\] is nan"):
        minimize(residual, start(), (X.reshape(5, 10), data))


def test_omit_leaves_the_points_out():
    params, without = start(), start()
    out = minimize(residual, params, (X, spoiled(Y, [7, 20], np.nan)), nan_policy="omit")
    keep = np.isfinite(spoiled(Y, [7, 20], np.nan))
    minimize(residual, without, (X[keep], Y[keep]))
    assert out.ndata == 48
    for name in "abc":
        assert params[name].value == pytest.approx(without[name].value, rel=1e-9)
        assert params[name].stderr == pytest.approx(without[name].stderr, rel=1e-6)
    assert minimize(residual, start(), (X, spoiled(Y, 7, np.nan)), nan_policy="omit", Dfun=jacobian).success
    with pytest.raises(InputError, match=r"nan_policy='skip' is not one of 'raise', 'omit', 'propagate'"):
        minimize(residual, start(), (X, Y), nan_policy="skip")


# model not finite

def test_model_not_finite_at_the_start_shows_the_parameters():
    with pytest.raises(NonFiniteError, match=r"lambda. is nan at index 0 .50 of 50 .* start values a=2, b=1, c=0: change"):
        minimize(lambda p, x, data: np.log(p["a"].value - 5) * residual(p, x, data), start(), (X, Y))


def test_model_not_finite_on_the_way_is_a_step_refused(good):
    def f(p, x, data):
        with np.errstate(invalid="ignore"):
            return np.sqrt(2.5 - p["b"].value) ** 0 * residual(p, x, data) + 0 * np.sqrt(1.2 - p["b"].value)

    params = start()
    out = minimize(f, params, (X, Y))
    assert out.success
    for name in "abc":
        assert params[name].value == pytest.approx(good[name].value, rel=1e-6)


def test_nowhere_to_go_is_never_a_success():
    # finite at the start alone
    def f(p, x, data):
        return residual(p, x, data) if p["a"].value == 2 and p["b"].value == 1 and p["c"].value == 0 else np.full(x.size, np.nan)

    out = minimize(f, start(), (X, Y))
    assert not (out.success and out.errorbars)
    assert np.isfinite(out.residual).all()


# sizes

def test_fewer_residuals_than_parameters():
    with pytest.raises(InputError, match=r"residual returned 2 residuals for 3 varying parameters \(a, b, c\).*vary=False"):
        minimize(residual, start(), (X[:2], Y[:2]))


def test_empty():
    with pytest.raises(InputError, match=r"empty residual"):
        minimize(residual, start(), (X[:0], Y[:0]))


def test_lengths_differ():
    with pytest.raises(ValueError, match=r"\(50,\).*\(40,\)"):
        minimize(residual, start(), (X, Y[:40]))


@pytest.mark.parametrize("call", [2, 8, 20])
def test_residual_changes_length(call):
    count = 0

    def f(p, x, data):
        nonlocal count
        count += 1
        return residual(p, x, data)[:40 if count == call else 50]

    with pytest.raises(InputError, match=r"f returned 40 residuals after 50 before"):
        minimize(f, start(), (X, Y))


def test_a_square_residual_from_broadcasting_is_warned_of():
    with pytest.warns(FitWarning, match=r"shape \(50, 50\), 2500 residuals: if the data have 50 points"):
        minimize(residual, start(), (X, Y[:, None]))


def test_a_square_image_is_not():
    u, v = np.meshgrid(X[:20], X[:20])
    image = 2 * np.exp(-0.3 * u) + 0.1 * v
    with warnings.catch_warnings():
        warnings.simplefilter("error", FitWarning)
        minimize(lambda p, u, v, z: p["a"].value * np.exp(-p["b"].value * u) + p["c"].value * v - z, start(), (u, v, image))


# what is returned

@pytest.mark.parametrize(("value", "says"), [
    (None, "returned None.*return statement"), ("abc", "returned 'abc'"), (1.5, r"scalar 1\.5.*not their sum"), (np.float64(2), "scalar"),
    (np.array([object()]), r"returned\[0\] is <object.*numbers are needed"), (["a", "b"], "array of <U1"), ({"a": 1.0}, "dict"),
    (np.datetime64("2026-01-01") + np.arange(4), "returned holds dates"),
], ids=["None", "string", "float", "numpy float", "objects", "strings", "dict", "dates"])
def test_what_is_no_residual_array(value, says):
    with pytest.raises(InputTypeError, match=says):
        minimize(lambda p: value, start())


def test_a_ragged_residual():
    """Rows of different lengths are an InputError, as they are in data."""
    with pytest.raises(InputError, match="returned has rows of different lengths"):
        minimize(lambda p: [[1, 2], [3]], start())


# a wrong Jacobian

def test_jacobian_of_the_wrong_sign():
    with pytest.raises(InputError, match=r"derivative by 'a' has the wrong sign"):
        minimize(residual, start(), (X, Y), Dfun=lambda *a: -jacobian(*a))


@pytest.mark.parametrize("column", [0, 1, 2])
def test_one_column_of_the_wrong_sign(column):
    def wrong(*a):
        J = jacobian(*a)
        J[:, column] *= -1
        return J

    with pytest.raises(InputError, match=f"wrong: the derivative by '{'abc'[column]}' has the wrong sign"):
        minimize(residual, start(), (X, Y), Dfun=wrong)


def test_jacobian_without_a_factor():
    with pytest.raises(InputError, match=r"derivative by 'b' differs by .* of its length"):
        minimize(residual, start(), (X, Y), Dfun=lambda *a: jacobian(*a) * [1, 0.5, 1])


def test_jacobian_of_the_wrong_shape():
    with pytest.raises(InputError, match=r"shape \(3, 50\).*must be \(50, 3\).*col_deriv=True"):
        minimize(residual, start(), (X, Y), Dfun=lambda *a: jacobian(*a).T)
    with pytest.raises(InputError, match=r"shape \(50, 2\)"):
        minimize(residual, start(), (X, Y), Dfun=lambda *a: jacobian(*a)[:, :2])
    with pytest.raises(InputTypeError, match=r"two-dimensional"):
        minimize(residual, start(), (X, Y), Dfun=lambda *a: jacobian(*a)[:, 0])
    with pytest.raises(InputError, match=r"derivative by 'd', which is no parameter"):
        minimize(residual, start(), (X, Y), Dfun=lambda *a: {"d": X})


def test_jacobian_not_finite():
    with pytest.raises(NonFiniteError, match=r"derivative by 'b'"):
        minimize(residual, start(), (X, Y), Dfun=lambda *a: jacobian(*a) * [1, np.nan, 1])


# any scale

@pytest.mark.parametrize("scale", [1e-200, 1e-12, 1e12, 1e200])
def test_residuals_of_any_scale(scale, good):
    for options in ({}, {"Dfun": lambda *a: scale * jacobian(*a)}):
        params = start()
        out = minimize(lambda p, x, data: scale * residual(p, x, data), params, (X, Y), **options)
        assert out.success
        for name in "abc":
            assert params[name].value == pytest.approx(good[name].value, rel=1e-6)
            assert params[name].stderr == pytest.approx(good[name].stderr, rel=1e-4)
        np.testing.assert_allclose(out.residual, scale * residual(params, X, Y), rtol=1e-6)


@pytest.mark.parametrize("scale", [1e-200, 1e-12, 1e12, 1e200])
@pytest.mark.parametrize("c", [0., 0.5])
@pytest.mark.parametrize("bounds", [False, True])
def test_data_of_any_scale(scale, c, bounds, good):
    params = start(2 * scale, 1, c * scale)
    if bounds:
        params["a"].set(min=0, max=100 * scale)
    out = minimize(residual, params, (X, Y * scale))
    assert out.success, out.message
    for name, unit in (("a", scale), ("b", 1), ("c", scale)):
        assert params[name].value == pytest.approx(good[name].value * unit, rel=1e-6)
        assert params[name].stderr == pytest.approx(good[name].stderr * unit, rel=1e-4)


@pytest.mark.parametrize("scale", [1e-12, 1e12])
def test_parameters_of_any_scale(scale, good):
    params = start(2, 1 / scale, 0)
    assert minimize(residual, params, (X * scale, Y)).success
    assert params["b"].value == pytest.approx(good["b"].value / scale, rel=1e-6)
    assert params["b"].stderr == pytest.approx(good["b"].stderr / scale, rel=1e-4)


# uncertainties

def test_zero_uncertainty_names_the_index():
    eps = spoiled(np.ones_like(Y), 5, 0.)
    with np.errstate(divide="ignore"), pytest.raises(NonFiniteError, match=r"index 5.*eps\[5\] is 0"):
        minimize(residual, start(), (X, Y, eps))


# the call

def test_arguments_of_the_wrong_kind():
    with pytest.raises(InputTypeError, match=r"must be callable, not int"):
        minimize(3, start())
    with pytest.raises(InputTypeError, match=r"params is list .*not Parameters; a dict of Parameter objects will do"):
        minimize(residual, [1, 2], (X, Y))
    with pytest.raises(InputTypeError, match=r"params\['a'\] must be a Parameter, not float"):
        minimize(residual, {"a": 1.}, (X, Y))
    with pytest.raises(InputTypeError, match=r"write \(x,\)"):
        minimize(lambda p, x: model(p, x) - Y, start(), X)
    with pytest.raises(InputError, match=r"varies"):
        minimize(residual, Parameters(), (X, Y))
    assert issubclass(InputError, FitError)
    assert issubclass(InputError, ValueError)


def test_starts_and_bounds_are_checked_before_any_call():
    calls = []
    params = start()
    params["a"].set(min=3)
    with pytest.raises(InputError, match=r"'a'.*outside its bound min = 3"):
        minimize(lambda p: calls.append(1), params)
    assert not calls


def test_an_expression_that_is_nan_at_the_start():
    params = start()
    params.add("d", expr="sqrt(c - 1)")
    with pytest.raises(NonFiniteError, match=r"d.*sqrt"):
        minimize(residual, params, (X, Y))


def test_the_next_fit_works_after_a_failed_one(good):
    fitter = Minimizer(residual, start(), (X, spoiled(Y, 7, np.nan)))
    with pytest.raises(NonFiniteError):
        fitter.leastsq()
    fitter.fcn_args = (X, Y)
    assert fitter.leastsq()
    assert fitter.params["b"].value == pytest.approx(good["b"].value, rel=1e-6)


class Strange(dict):
    """Parameters of another package, by their name and manners."""

    def dumps(self):
        return "{}"


def test_parameters_of_another_package_are_told():
    """lmfit's Parameters are named by their module, with what makes gslfit's of them."""
    Strange.__name__ = "Parameters"
    for entry in (lambda params: gslfit.fit("a*x", X, params, x=X), lambda params: minimize(lambda p: p["a"]*X, params)):
        with pytest.raises(InputTypeError, match=r"\.Parameters, not gslfit.Parameters: gslfit.compat.lmfit.Parameters\(\).loads"):
            entry(Strange(a=1.0))


@pytest.mark.parametrize("said", ["no", "False", b"yes"])
def test_a_text_is_no_truth_value(said):
    """"False" would be true: it is refused."""
    with pytest.raises(InputTypeError, match="vary must be True or False, not"):
        Parameters().add("a", value=1.0, vary=said)


def test_a_start_outside_its_bound_is_no_fit_of_a_batch():
    """A single fit has no number."""
    params = Parameters()
    params.add("a", value=0.5)
    params["a"].max, params["a"].value = 1.0, 5.0
    for entry in (lambda: gslfit.fit("a*x", X, params, x=X), lambda: gslfit.fit_batch("a*x", [X, X], params, x=X)):
        with pytest.raises(ParameterError, match=r"parameter 'a' starts at 5.0, outside its bound max = 1.0"):
            entry()
