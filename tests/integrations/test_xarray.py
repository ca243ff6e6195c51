"""Batches of DataArrays: results with their dimensions and coordinates, Datasets, the accessor."""
import pickle

import numpy as np
import pytest

from gslfit import BatchResult, FitStatus, Formula, Model, fit_batch
from gslfit.errors import InputError
from gslfit.models import GaussianModel

xr = pytest.importorskip("xarray")
pytest.importorskip("gslfit.integrations.xarray")

T = np.linspace(0, 5, 40)
DECAY = "A*exp(-t/tau) + c"
START = {"A": 1.0, "tau": 1.0, "c": 0.0}
ROW, COLUMN = np.array([10, 20, 30]), np.array(["a", "b", "c", "d"])


def numbers(seed=1):
    """Return decays, (3, 4, 40)."""
    rng = np.random.default_rng(seed)
    return rng.uniform(1, 3, (3, 4, 1))*np.exp(-T/rng.uniform(.7, 1.5, (3, 4, 1))) + rng.normal(0, .02, (3, 4, 40))


def movie(order=("row", "column", "t")):
    """Return them with labels."""
    made = xr.DataArray(numbers(), dims=("row", "column", "t"), name="counts", attrs={"units": "1"},
                        coords={"row": ("row", ROW, {"units": "mm"}), "column": COLUMN, "t": ("t", T, {"units": "ns"}), "run": 7,
                                "twice": ("t", 2*T), "place": (("row", "column"), np.arange(12).reshape(3, 4))})
    return made.transpose(*order)


@pytest.mark.parametrize("order", [("row", "column", "t"), ("t", "row", "column"), ("row", "t", "column")])
@pytest.mark.parametrize("by", ["formula", "model", "blocks"])
def test_labels_of_results(order, by):
    """Each array is a DataArray on the dimensions that are left, with all their coordinates, and NumPy's bits."""
    da = movie(order)
    wanted = fit_batch(DECAY, numbers(), t=T, covar=True, **START)
    if by == "model":
        found = Model(DECAY, independent_vars=["t"]).fit_batch(da, t=da.t, covar=True, **START)
    else:
        found = fit_batch(DECAY, da, t=da.t, covar=True, axis="t", on_interrupt="partial" if by == "blocks" else "raise", **START)
    assert isinstance(found, BatchResult)
    left = tuple(dim for dim in order if dim != "t")
    for name, array in found.to_dict().items():
        assert isinstance(array, xr.DataArray), name
        assert array.dims == left + (("cov_i", "cov_j") if name == "covar" else ())
        assert array.name == name
        np.testing.assert_array_equal(array.transpose("row", "column", ...), wanted.to_dict()[name])
        np.testing.assert_array_equal(array.row, ROW)
        np.testing.assert_array_equal(array.column, COLUMN)
        assert array.row.attrs == {"units": "mm"}
        assert array.run == 7
        assert set(array.coords) >= {"row", "column", "run", "place"}
        assert not {"t", "twice"} & set(array.coords)
    assert found.success.dims == left
    assert bool(found.success.all())
    assert found.values["tau"].sel(row=20, column="c").item() == wanted.values["tau"][1, 2]
    assert found.shape == tuple(da.sizes[dim] for dim in left)
    value, error = found.derived("A/tau")
    assert value.dims == error.dims == left
    np.testing.assert_array_equal(value.transpose("row", "column"), wanted.derived("A/tau")[0])
    np.testing.assert_array_equal(error.transpose("row", "column"), wanted.derived("A/tau")[1])


def test_all_else_works():
    """Single fits, curves, bands, summary, file and pickle of a labelled result are those of a plain one."""
    da = movie()
    wanted, found = fit_batch(DECAY, numbers(), t=T, **START), fit_batch(DECAY, da, t=da.t, **START)
    assert found[1, 2].params["tau"].stderr == wanted[1, 2].params["tau"].stderr
    np.testing.assert_array_equal(found[5].best_fit, wanted[5].best_fit)
    assert found.best_fit().dims == da.dims
    np.testing.assert_array_equal(found.best_fit(), wanted.best_fit())
    np.testing.assert_array_equal(found.best_fit((1, 2)), wanted.best_fit((1, 2)))
    np.testing.assert_array_equal(found.eval_uncertainty(), wanted.eval_uncertainty())
    assert found.summary() == wanted.summary()
    assert repr(found) == repr(wanted)
    again = pickle.loads(pickle.dumps(found))
    assert again.status.identical(found.status)
    assert again.values["tau"].identical(found.values["tau"])


def test_saved(tmp_path):
    """A file of a labelled result has its numbers."""
    da = movie()
    found = fit_batch(DECAY, da, t=da.t, **START)
    found.save(tmp_path/"maps.npz")
    np.testing.assert_array_equal(BatchResult.load(tmp_path/"maps.npz").values["tau"], found.values["tau"])


@pytest.mark.parametrize("keep_data", [True, False])
def test_dataset(keep_data):
    """to_xarray() has all arrays by name, the coordinates, and the attributes of the data."""
    da = movie()
    result = fit_batch(DECAY, da, t=da.t, covar=True, keep_data=keep_data, **START)
    found = result.to_xarray()
    assert isinstance(found, xr.Dataset)
    further = {"status", "chisqr", "redchi", "nfev", "ndata", "gradient", "covar"}
    assert set(found.data_vars) == {*START, *(f"{name}_stderr" for name in START), *further}
    assert found.attrs == {"units": "1"}
    assert found.row.attrs == {"units": "mm"}
    assert found.cov_i.values.tolist() == ["A", "tau", "c"]
    meanings = dict(zip(found.status.flag_values, found.status.flag_meanings.split(), strict=True))
    assert meanings[FitStatus.CONVERGED] == "converged"
    assert found.tau.identical(result.values["tau"])


def test_dataset_of_an_array():
    """A result of a plain array has dimensions by number."""
    found = fit_batch(DECAY, numbers(), t=T, covar=True, **START).to_xarray()
    assert found.tau.dims == ("dim_0", "dim_1")
    assert found.covar.dims == ("dim_0", "dim_1", "cov_i", "cov_j")
    one = fit_batch(DECAY, numbers()[0, 0], t=T, **START).to_xarray()
    assert one.tau.dims == ()


def test_a_name_twice():
    """A parameter that is called as a coordinate has no place in a Dataset."""
    da = movie().rename(row="A")
    with pytest.raises(InputError, match="'A' is a parameter and a coordinate"):
        fit_batch(DECAY, da, t=da.t, **START).to_xarray()


@pytest.mark.parametrize("model", ["text", "x", "formula", "function", "Model"])
def test_accessor(model):
    """da.gslfit.fit() takes any model, and its coordinate as the variable."""
    da = movie()
    given = {"text": DECAY, "x": DECAY.replace("t/", "x/"), "formula": Formula(DECAY, "t"),
             "function": lambda time, A, tau, c: A*np.exp(-time/tau) + c, "Model": Model(DECAY.replace("t/", "x/"))}[model]
    found = da.gslfit.fit("t", given, **START)
    wanted = fit_batch(DECAY, da, t=da.t, **START).to_xarray()
    for name in wanted.data_vars:
        np.testing.assert_array_equal(found[name], wanted[name], err_msg=name)
    assert found.attrs == da.attrs


def test_accessor_with_parameters_and_guesses():
    """Parameters and options go on to fit_batch; a model of the library guesses."""
    x = np.linspace(-3, 3, 50)
    centre = np.array([-.5, .3])
    da = xr.DataArray(5*np.exp(-(x - centre[:, None])**2/.5), dims=("spot", "x"), coords={"x": x})
    np.testing.assert_allclose(da.gslfit.fit("x", GaussianModel()).center, centre, atol=1e-9)
    params = GaussianModel().make_params(amplitude=5, center=0, sigma=.5)
    params["sigma"].vary = False
    assert (da.gslfit.fit("x", GaussianModel(), params).sigma_stderr == 0).all()
    assert "covar" in da.gslfit.fit("x", GaussianModel(), covar=True)


def test_accessor_of_two_dimensions():
    """The points may lie along two dimensions, each the variable of its name."""
    u, v = np.arange(9.), np.arange(8.)
    centre = xr.DataArray([3., 4.5], dims="spot")
    uu, vv = xr.DataArray(u, dims="u", coords={"u": u}), xr.DataArray(v, dims="v", coords={"v": v})
    spots = 9*np.exp(-((uu - centre)**2 + (vv - 4)**2)/4)
    found = spots.gslfit.fit(("u", "v"), "A*exp(-((u - u0)**2 + (v - v0)**2)/w)", u0=3.5, v0=3.5, w=5.)
    np.testing.assert_allclose(found.u0, [3., 4.5], rtol=1e-8)
    assert found.u0.dims == ("spot",)


def test_accessor_takes_other_variables():
    """A coordinate beside a dimension's is taken by its name, and what the call gives comes first."""
    da = movie()
    by_coordinate = da.gslfit.fit("t", "A*exp(-twice/tau) + c", **START)
    np.testing.assert_allclose(by_coordinate.tau, 2*da.gslfit.fit("t", DECAY, **START).tau, rtol=1e-7)
    by_call = da.gslfit.fit("t", DECAY, x={"t": 2*T}, **START)
    np.testing.assert_allclose(by_call.tau, by_coordinate.tau, rtol=1e-7)
    bare = movie().drop_vars(["t", "twice"])
    np.testing.assert_allclose(bare.gslfit.fit("t", DECAY, **{**START, "tau": 9.}).tau, by_coordinate.tau/2*39/5, rtol=1e-7)


@pytest.mark.parametrize(("dim", "model", "message"), [
    ("time", DECAY, "there is no dimension 'time'; there are row, column, t"),
    ("t", "A*exp(-s/tau)", "has no variable 't'"), (("row", "t"), Formula(DECAY, "time"), "no values for the independent variable 'time'")])
def test_accessor_says_what_is_missing(dim, model, message):
    """What isn't there is named."""
    with pytest.raises(InputError, match=message):
        movie().gslfit.fit(dim, model, **START)


def test_opened_as_a_dataset(tmp_path):
    """A zarr store that out= has written is a Dataset too."""
    pytest.importorskip("zarr")
    da = movie()
    wanted = fit_batch(DECAY, da, t=da.t, **START)
    fit_batch(DECAY, da, t=da.t, out=tmp_path/"maps.zarr", **START)
    found = xr.open_zarr(tmp_path/"maps.zarr", consolidated=False)
    assert found.tau.dims == ("row", "column")
    np.testing.assert_array_equal(found.tau, wanted.values["tau"])
