"""What comes beside labelled data is paired by one rule: by the names of dims; labels that differ are an error, or looked up."""
import numpy as np
import pandas as pd
import pytest
import xarray as xr

import gslfit
from gslfit.errors import InputError

F, ROWS, COLUMNS, N = "A*exp(-t/tau)+c", 3, 4, 24
T = np.linspace(0, 5, N)
RNG = np.random.default_rng(7)
TAU = RNG.uniform(1, 2, (ROWS, COLUMNS))
Y = 100*np.exp(-T/TAU[..., None]) + 5 + RNG.normal(0, 0.3, (ROWS, COLUMNS, N))
LOW, HELD, SD = TAU*0.9, TAU > 1.5, RNG.uniform(0.01, 0.02, TAU.shape)
MASK, ERRORS, FLAT = RNG.random(Y.shape) < 0.2, RNG.uniform(0.2, 0.5, Y.shape), RNG.random(N) < 0.3
RESPONSE = RNG.uniform(0.5, 1, (ROWS, COLUMNS, 3))
FITS, POINTS = ("y", "x"), ("y", "x", "t")
# an argument: its dims, its numbers, and the keywords of a call that has it
ARGUMENTS = {
    "yerr": (POINTS, ERRORS, lambda each: {"yerr": each}),
    "weights": (POINTS, 1/ERRORS, lambda each: {"weights": each}),
    "mask": (POINTS, MASK, lambda each: {"mask": each}),
    "mask of points": (("t",), FLAT, lambda each: {"mask": each}),
    "mask of fits": (FITS, ~HELD, lambda each: {"mask": each}),
    "mask of a row": (("y",), np.array([False, True, False]), lambda each: {"mask": each}),
    "yerr of a row": (("y",), ERRORS[:, 0, 0], lambda each: {"yerr": each}),
    "yerr of x": (("x",), ERRORS[0, :, 0], lambda each: {"yerr": each}),
    "start": (FITS, TAU, lambda each: {"start": {"tau": each}, "vary": {"tau": False}}),
    "keyword": (FITS, TAU, lambda each: {"tau": each, "vary": {"tau": False}}),
    "start of a row": (("y",), TAU[:, 0], lambda each: {"start": {"tau": each}, "vary": {"tau": False}}),
    "lower bound": (FITS, LOW + 0.3, lambda each: {"start": {"tau": 9.0}, "bounds": {"tau": (each, None)}}),
    "upper bound": (FITS, LOW, lambda each: {"start": {"tau": 0.5}, "bounds": {"tau": (None, each)}}),
    "vary": (FITS, HELD, lambda each: {"start": {"tau": 1.4}, "vary": {"tau": each}}),
    "mean": (FITS, LOW, lambda each: {"prior": {"tau": (each, 0.01)}, "yerr": 0.3}),
    "mean of a row": (("x",), LOW[0], lambda each: {"prior": {"tau": (each, 0.01)}, "yerr": 0.3}),
    "sd": (FITS, SD, lambda each: {"prior": {"tau": (1.5, each)}, "yerr": 0.3}),
    "response": ((*FITS, "k"), RESPONSE, lambda each: {"response": each}),
}


def by_function(data, **given):
    return gslfit.fit_batch(F, data, x={"t": T}, **{"tau": 1.3} | given if "tau" not in given.get("start", {}) else given)


def by_model(data, **given):
    own = {"A": 90.0, "c": 4.0} | ({} if "tau" in given.get("start", {}) else {"tau": 1.3})
    return gslfit.Model(F, independent_vars=["t"]).fit_batch(data, t=T, **own | given)


def found(result):
    return np.stack([np.asarray(result.values[name]) for name in ("A", "tau", "c")] + [np.asarray(result.chisqr)])


def wide(dims, numbers, of):
    """Return numbers on some dims with an axis of length 1 for each dim that they lack."""
    lacking = tuple(axis for axis, dim in enumerate(of) if dim not in dims)
    return np.expand_dims(numbers, lacking)


@pytest.mark.parametrize("fit", [by_function, by_model])
@pytest.mark.parametrize("name", ARGUMENTS)
def test_dataarrays_are_paired_by_dims(name, fit):
    """Turned DataArrays are those of plain arrays; labels in another order are an error that names the argument, or looked up."""
    dims, numbers, call = ARGUMENTS[name]
    labels = {"y": np.arange(ROWS)*10, "x": np.arange(COLUMNS)*0.5, "t": T}
    data = xr.DataArray(Y, dims=POINTS, coords=labels)
    each = xr.DataArray(numbers, dims=dims, coords={dim: labels[dim] for dim in dims if dim in labels})
    whole = POINTS if name.startswith(("mask", "yerr", "weights")) else (*FITS, "k") if name == "response" else FITS
    plain = numbers if name == "mask of points" else wide(dims, numbers, whole)
    plain = np.broadcast_to(plain, TAU.shape) if whole == FITS else plain
    right = found(fit(Y, **call(plain)))
    np.testing.assert_array_equal(found(fit(data, **call(each))), right)
    np.testing.assert_array_equal(found(fit(data, **call(each.transpose(*dims[::-1])))), right)
    np.testing.assert_array_equal(found(fit(data, **call(each.drop_vars(list(each.coords)).transpose(*dims[::-1])))), right)
    turned = each.isel({dims[0]: slice(None, None, -1)})
    if fit is by_model:
        np.testing.assert_array_equal(found(fit(data, **call(turned))), right)
    else:
        with pytest.raises(InputError, match=r"different labels along") as said:
            fit(data, **call(turned))
        words = {"keyword": "tau", "start": "tau", "start of a row": "tau", "lower bound": "bounds['tau'][0]", "sd": "prior['tau'][1]",
                 "upper bound": "bounds['tau'][1]", "mean": "prior['tau'][0]", "mean of a row": "prior['tau'][0]", "vary": "vary['tau']"}
        assert str(said.value).startswith(words.get(name, name.split(" ")[0]) + " and ")
    with pytest.raises(InputError, match="different labels along"):
        fit(data, **call(each.assign_coords({dims[0]: labels[dims[0]] + 77})))
    if dims == FITS:
        with pytest.raises(InputError, match=r"has the dimensions y, z, and (y|data) y, x"):
            fit(data, **call(each.rename(x="z").drop_vars("z")))


@pytest.mark.parametrize("fit", [by_function, by_model])
@pytest.mark.parametrize("name", [name for name, (dims, *_) in ARGUMENTS.items() if dims in (POINTS, FITS, (*FITS, "k"), ("t",))])
@pytest.mark.parametrize("axis", [-1, 0])
def test_series_and_tables_are_paired_by_their_index(name, fit, axis):
    """A table of curves: Series of its fits, Series of the points and tables are paired by the labels of the axis that is theirs."""
    dims, numbers, call = ARGUMENTS[name]
    if name == "mask of fits":
        pytest.skip("a Series beside a table has a number for each point, not for each fit")
    own = numbers if dims == ("t",) else numbers[:, 0]
    rows = list("abc")
    index = pd.Index(T) if dims == ("t",) else pd.Index(rows)
    data = pd.DataFrame(Y[:, 0], index=rows, columns=T)
    each = pd.Series(own, index) if own.ndim == 1 else pd.DataFrame(own, index, columns=T if dims == POINTS else None)
    turned, strange = each[::-1], each.set_axis(index.map(lambda label: (label, 1)), axis=0)
    if axis == 0:
        data = data.T
        each, turned, strange = (one.T if dims == POINTS else one for one in (each, turned, strange))
    right = found(fit(data.to_numpy(), axis=axis, **call(each.to_numpy())))
    np.testing.assert_array_equal(found(fit(data, axis=axis, **call(each))), right)
    if fit is by_model:
        np.testing.assert_array_equal(found(fit(data, axis=axis, **call(turned))), right)
    else:
        with pytest.raises(InputError, match="different labels"):
            fit(data, axis=axis, **call(turned))
    with pytest.raises(InputError, match="different labels"):
        fit(data, axis=axis, **call(strange))


@pytest.mark.parametrize("kind", ["Series", "DataFrame", "DataArray"])
def test_masks_of_one_fit(kind):
    """`fit` tells of a mask with labels in another order, `Model.fit` looks them up."""
    y, mask = Y[0, 0] + 900*FLAT, FLAT
    t = T
    if kind == "Series":
        data, own = pd.Series(y, T), pd.Series(mask, T)
        turned, other = own[::-1], None
    elif kind == "DataFrame":
        data, own, t = pd.DataFrame(y.reshape(4, 6)), pd.DataFrame(mask.reshape(4, 6)), T.reshape(4, 6)
        turned, other = own[::-1], None
    else:
        t = T.reshape(4, 6)
        data = xr.DataArray(y.reshape(4, 6), dims=("y", "x"), coords={"y": range(4), "x": range(6)})
        own = data.copy(data=mask.reshape(4, 6))
        turned, other = own[::-1], own.T
    model = gslfit.Model(F, independent_vars=["t"])
    right = gslfit.fit(F, y, t=T, tau=1.0, mask=mask)
    by_models = model.fit(y, t=T, A=90.0, tau=1.0, c=4.0, mask=mask)
    for each in (own, other):
        if each is not None:
            assert gslfit.fit(F, data, x={"t": t}, tau=1.0, mask=each).chisqr == right.chisqr
            assert model.fit(data, t=t, A=90.0, tau=1.0, c=4.0, mask=each).chisqr == by_models.chisqr
    assert model.fit(data, t=t, A=90.0, tau=1.0, c=4.0, mask=turned).chisqr == by_models.chisqr
    with pytest.raises(InputError, match="mask and y have different labels"):
        gslfit.fit(F, data, x={"t": t}, tau=1.0, mask=turned)


def test_starts_by_keyword_come_in_any_order():
    """A DataArray that is a start does not say where the points lie, whether it comes before the independent variable or behind it."""
    data = xr.DataArray(Y, dims=POINTS, coords={"y": range(ROWS), "x": range(COLUMNS), "t": T})
    tau = xr.DataArray(TAU, dims=FITS, coords={"y": range(ROWS), "x": range(COLUMNS)})
    right = found(by_function(Y, tau=TAU, vary={"tau": False}))
    for own in (data, data.transpose("t", "y", "x")):
        for given in ({"tau": tau.T, "t": own.t}, {"t": own.t, "tau": tau}):
            np.testing.assert_allclose(found(gslfit.fit_batch(F, own, **given, vary={"tau": False})), right, rtol=1e-12)


def test_shared_fits():
    """Masks, starts and bounds of data sets in one array, and masks of data sets one by one."""
    y = Y[:, 0] + 900*MASK[:, 0]
    labels = {"set": [5, 6, 7], "t": T}
    data = xr.DataArray(y, dims=("set", "t"), coords=labels)
    mask = xr.DataArray(MASK[:, 0], dims=("set", "t"), coords=labels)
    low = xr.DataArray(LOW[:, 0] + 0.3, dims="set", coords={"set": [5, 6, 7]})
    given = {"x": {"t": T}, "shared": ["c"], "start": {"A": 90.0, "tau": 9.0, "c": 4.0}}
    right = gslfit.fit_shared(F, y, mask=MASK[:, 0], bounds={"tau": (low.values, np.inf)}, **given)
    same = gslfit.fit_shared(F, data, mask=mask.T, bounds={"tau": (low, np.inf)}, **given)
    np.testing.assert_array_equal(same.values["tau"], right.values["tau"])
    start = {**given, "start": {**given["start"], "tau": low[::-1]}}
    for wrong, name in (({"mask": mask[::-1]}, "mask"), ({"bounds": {"tau": (low[::-1], np.inf)}}, "bounds")):
        with pytest.raises(InputError, match=name + ".* different labels along 'set'"):
            gslfit.fit_shared(F, data, **given, **wrong)
    with pytest.raises(InputError, match="tau and y have different labels along 'set'"):
        gslfit.fit_shared(F, data, **start)
    sets, masks = [pd.Series(each, T) for each in y], [pd.Series(each, T) for each in MASK[:, 0]]
    one_by_one = {**given, "x": {"t": [T, T, T]}, "start": {**given["start"], "tau": 1.4}}
    right = gslfit.fit_shared([F]*3, list(y), mask=list(MASK[:, 0]), **one_by_one)
    for each in (masks, pd.DataFrame(MASK[:, 0], columns=T)):
        np.testing.assert_array_equal(gslfit.fit_shared([F]*3, sets, mask=each, **one_by_one).values["tau"], right.values["tau"])
    with pytest.raises(InputError, match="data set 1: mask and y have different labels"):
        gslfit.fit_shared([F]*3, sets, mask=[masks[0], masks[1][::-1], masks[2]], **one_by_one)


def test_lazy_data_take_labelled_arguments():
    """DataArrays in dask's chunks pair masks, starts and bounds as those in memory do."""
    pytest.importorskip("dask.array")
    data = xr.DataArray(Y, dims=POINTS).chunk({"y": 1})
    for name in ("mask", "mask of a row", "start", "lower bound", "vary"):
        dims, numbers, call = ARGUMENTS[name]
        each = xr.DataArray(numbers, dims=dims)
        plain = wide(dims, numbers, POINTS) if name.startswith("mask") else numbers
        right = found(by_function(Y, **call(plain)))
        for turned in (each.transpose(*dims[::-1]), each.transpose(*dims[::-1]).chunk()):
            np.testing.assert_array_equal(found(by_function(data, **call(turned))), right)


@pytest.mark.parametrize("kind", ["Series", "DataArray", "one of many names"])
def test_masks_of_curve_fit(kind):
    """A mask of other labels than the data's is an error, as in `fit`; xdata and sigma are paired by position, as SciPy's."""
    y, out = Y[0, 0], FLAT
    names = pd.Index([f"p{k}" for k in range(N)]) if kind == "one of many names" else pd.Index(T)

    def labelled(numbers):
        return xr.DataArray(numbers, dims="t", coords={"t": T}) if kind == "DataArray" else pd.Series(numbers, names)

    def decay(t, A, tau, c):
        return A*np.exp(-t/tau) + c
    wrong = y + 900*out
    right = gslfit.curve_fit(decay, T[~out], y[~out], [90, 1.4, 4])
    data, mask = labelled(wrong), labelled(out)
    for called in (decay, lambda t, A, tau, c: np.array([decay(float(each), A, tau, c) for each in t])):
        for given in (mask, out, out.tolist()):
            found = gslfit.curve_fit(called, T, data, [90, 1.4, 4], mask=given)
            np.testing.assert_allclose(found[0], right[0], rtol=1e-6)
            np.testing.assert_allclose(found[1], right[1], rtol=1e-3)
        moved = mask.assign_coords(t=T + 1) if kind == "DataArray" else mask.set_axis(names[::-1])
        for strange in (mask[::-1], moved):
            with pytest.raises(InputError, match="mask and ydata have different labels"):
                gslfit.curve_fit(called, T, data, [90, 1.4, 4], mask=strange)
            if called is decay:
                with pytest.raises(InputError, match="mask and y have different labels"):
                    gslfit.fit(F, data, x={"t": T}, tau=1.4, mask=strange)
    np.testing.assert_allclose(gslfit.curve_fit(decay, T, wrong, [90, 1.4, 4], mask=mask)[0], right[0], rtol=1e-6)


def test_covariances_of_tables():
    """A covariance in a table has the labels of the points along both axes: in another order an error, or looked up by a Model."""
    y, order = pd.Series(Y[0, 0], index=T), RNG.permutation(N)
    square = np.diag(ERRORS[0, 0]**2) + 0.01
    start = {"A": 90.0, "tau": 1.3, "c": 4.0}
    wanted = gslfit.fit(F, y.to_numpy(), t=T, ycov=square, **start).params["tau"]
    turned = pd.DataFrame(square, index=T, columns=T).iloc[order, order]
    for kept in (square, turned.loc[T, T]):
        one = gslfit.fit(F, y, t=T, ycov=kept, **start).params["tau"]
        assert (one.value, one.stderr) == (wanted.value, wanted.stderr)
    for half in (turned, turned.loc[T]):
        for entry in (lambda given: gslfit.fit(F, y, t=T, ycov=given, **start), lambda given: gslfit.fit(F, y, t=T, yerr=given, **start),
                      lambda given: gslfit.fit_batch(F, pd.DataFrame(Y[0], columns=T), t=T, ycov=given, **start)):
            with pytest.raises(InputError, match="(ycov|yerr) and y have different labels"):
                entry(half)
    found = gslfit.Model(F, independent_vars=["t"]).fit(y, t=T, ycov=turned, **start).params["tau"]
    assert found.value == pytest.approx(wanted.value, rel=1e-8)
    assert found.stderr == pytest.approx(wanted.stderr, rel=1e-6)


@pytest.mark.parametrize("name", ["yerr", "weights", "mask", "x"])
def test_lists_of_series_that_share(name):
    """Data sets in a list of Series are paired each with its own labels, whatever their lengths."""
    model, start = "A*exp(-x/tau)+c", {"shared": "tau", "A": 90.0, "tau": 1.3, "c": 4.0}
    beside = {"x": T, "yerr": ERRORS[0, 0], "weights": 1/ERRORS[0, 0], "mask": FLAT}
    given = {"x": T} if name == "x" else {"x": T, name: beside[name]}
    y = [pd.Series(Y[0, 0]), pd.Series(Y[0, 1])]
    wanted = gslfit.fit_shared(model, [each.to_numpy() for each in y], **given, **start).values["tau"]
    column = pd.Series(beside[name])
    for same in (column, [column, column]):
        assert gslfit.fit_shared(model, y, **given | {name: same}, **start).values["tau"] == pytest.approx(wanted, rel=1e-10)
    for other in (column.iloc[::-1], [column, column.iloc[::-1]]):
        with pytest.raises(InputError, match=f"data set [01]: {name} and y have different labels"):
            gslfit.fit_shared(model, y, **given | {name: other}, **start)


def test_errors_of_each_data_set_and_arrays_of_arrays():
    """A list of numbers has one for each of a list of data sets, of one length or of several; an array of arrays is a list."""
    model, start = "A*exp(-x/tau)+c", {"shared": "tau", "A": 90.0, "tau": 1.3, "c": 4.0}
    for cut in (N, N - 4):
        y, x = [Y[0, 0], Y[0, 1][:cut]], [T, T[:cut]]
        wanted = gslfit.fit_shared(model, y, x=x, yerr=[np.full(N, 0.1), np.full(cut, 0.3)], **start)
        objects = np.empty(2, object)
        objects[:] = y
        for data in (y, objects):
            found = gslfit.fit_shared(model, data, x=x, yerr=[0.1, 0.3], **start)
            assert found.values["tau"] == pytest.approx(wanted.values["tau"], rel=1e-10)
            assert found.stderr["tau"] == pytest.approx(wanted.stderr["tau"], rel=1e-8)
