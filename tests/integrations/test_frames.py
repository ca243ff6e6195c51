"""Tables: fit_groups of pandas and polars, to_frame of any result."""
import numpy as np
import pytest

import gslfit
from gslfit import Model, fit, fit_batch, fit_groups
from gslfit.errors import FitStatus, InputError, InputTypeError
from gslfit.models import GaussianModel

pd = pytest.importorskip("pandas")
pl = pytest.importorskip("polars")

DECAY = "A*exp(-t/tau)"
START = {"A": 1.0, "tau": 1.0}
SIZES = {"k": 30, "b": 45, "z": 30, "a": 12}


def table(sizes=SIZES):
    """Return a table of decays, its rows in no order, as a dict of columns."""
    rng = np.random.default_rng(3)
    cell = np.repeat(list(sizes), list(sizes.values()))
    t = np.concatenate([np.linspace(0, 5, size) for size in sizes.values()])
    tau = np.repeat(rng.uniform(.8, 2, len(sizes)), list(sizes.values()))
    counts = 3*np.exp(-t/tau) + rng.normal(0, .02, t.size)
    order = rng.permutation(t.size)
    found = {"cell": cell, "half": (cell > "c").astype(int), "t": t, "counts": counts, "err": rng.uniform(.01, .03, t.size)}
    return {name: column[order] for name, column in found.items()}


def one_by_one(columns, by, yerr=None):
    """Fit each group alone."""
    keys = sorted(set(zip(*(columns[name].tolist() for name in by), strict=True)))
    found = {}
    for key in keys:
        here = np.logical_and.reduce([columns[name] == value for name, value in zip(by, key, strict=True)])
        more = {} if yerr is None else {"yerr": columns[yerr][here]}
        found[key] = fit(DECAY, columns["counts"][here], t=columns["t"][here], **more, **START)
    return found


KINDS = {"pandas": pd.DataFrame, "polars": pl.DataFrame, "lazy": lambda columns: pl.DataFrame(columns).lazy()}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("by", ["cell", ["half", "cell"]])
@pytest.mark.parametrize("yerr", [None, "err"])
def test_groups(kind, by, yerr):
    """Each group is fitted as alone, in the order of the groups' values."""
    columns = table()
    wanted = one_by_one(columns, [by] if isinstance(by, str) else by, yerr)
    found = fit_groups(KINDS[kind](columns), by=by, x="t", y="counts", model=DECAY, yerr=yerr, **START)
    assert found.shape == (4,)
    assert found.success.all()
    frame = found.to_frame()
    if kind == "pandas":
        assert frame.index.names == ([by] if isinstance(by, str) else by)
        keys = [key if isinstance(key, tuple) else (key,) for key in frame.index]
    else:
        assert isinstance(frame, pl.DataFrame)
        keys = frame.select(by).rows()
    assert keys == list(wanted)
    for k, each in enumerate(wanted.values()):
        assert found.values["tau"][k] == pytest.approx(each.params["tau"].value, rel=1e-8)
        assert frame["tau_stderr"].to_numpy()[k] == pytest.approx(each.params["tau"].stderr, rel=1e-6)
        assert found.ndata[k] == each.ndata
        assert found[k].chisqr == pytest.approx(each.chisqr, rel=1e-8)
        assert found[k].redchi == pytest.approx(each.redchi, rel=1e-8)


def test_equal_lengths_have_no_mask():
    """Groups of one length are curves as they are, with the bits of a batch."""
    columns = table({"b": 20, "a": 20})
    found = fit_groups(pd.DataFrame(columns), by="cell", x="t", y="counts", model=DECAY, **START)
    assert found.data.mask is None
    rows = [np.flatnonzero(columns["cell"] == key) for key in "ab"]
    wanted = fit_batch(DECAY, columns["counts"][rows], t=columns["t"][rows], **START)
    np.testing.assert_array_equal(found.values["tau"], wanted.values["tau"])


@pytest.mark.parametrize("model", ["text", "mapping", "function", "Model", "guessed"])
def test_models(model):
    """Any model, with its variable by name, as the only one, or by a mapping."""
    columns = table()
    wanted = fit_groups(pd.DataFrame(columns), by="cell", x="t", y="counts", model=DECAY, **START)
    how = {"text": {"x": "t", "model": "A*exp(-x/tau)"}, "mapping": {"x": {"s": "t"}, "model": "A*exp(-s/tau)"},
           "function": {"x": ["t"], "model": lambda time, A, tau: A*np.exp(-time/tau)},
           "Model": {"x": "t", "model": Model("A*exp(-x/tau)")},
           "guessed": {"x": "t", "model": gslfit.models.ExponentialModel()}}[model]
    start = {} if model == "guessed" else START
    found = fit_groups(pd.DataFrame(columns), by="cell", y="counts", **how, **start)
    np.testing.assert_allclose(found.values["decay" if model == "guessed" else "tau"], wanted.values["tau"], rtol=1e-7)


def test_missing_values_and_masks():
    """A missing number is the nan_policy's business; a column, or an array by row, masks points."""
    columns = table()
    frame = pd.DataFrame(columns)
    frame.loc[frame.index[frame.cell == "z"][:2], "counts"] = np.nan
    marked = fit_groups(frame, by="cell", x="t", y="counts", model=DECAY, **START)
    assert marked.to_frame().status.tolist() == [FitStatus.CONVERGED]*3 + [marked.status[3]]
    assert not marked.success[3]
    left = fit_groups(frame, by="cell", x="t", y="counts", model=DECAY, nan_policy="omit", **START)
    assert left.ndata.tolist() == [12, 45, 30, 28]
    out = frame.counts.isna()
    for mask in (out.to_numpy(), "out"):
        found = fit_groups(frame.assign(out=out), by="cell", x="t", y="counts", model=DECAY, mask=mask, **START)
        assert found.ndata.tolist() == [12, 45, 30, 28]
        np.testing.assert_allclose(found.values["tau"], left.values["tau"], rtol=1e-8)


@pytest.mark.parametrize(("change", "message"), [
    ({"by": "sell"}, "there is no column 'sell'; there are cell, half"), ({"y": "count"}, "no column 'count'"),
    ({"x": "time"}, "has no variable 'time'"), ({"x": {"t": "time"}}, "no column 'time'"), ({"yerr": "errs"}, "no column 'errs'"),
    ({"yerr": np.ones(3)}, r"yerr has the shape \(3,\), and the table 117 rows"), ({"y": "cell"}, "y|cell")])
@pytest.mark.parametrize("kind", ["pandas", "polars"])
def test_what_is_wrong_is_named(change, message, kind):
    """Wrong columns are named."""
    with pytest.raises((InputError, InputTypeError), match=message):
        fit_groups(KINDS[kind](table()), **{"by": "cell", "x": "t", "y": "counts", "model": DECAY, **START, **change})


@pytest.mark.parametrize(("change", "message"), [
    ({"by": None}, "by: there is no column None"), ({"by": []}, r"by is \[\]: the name of a column"),
    ({"by": lambda row: row}, "by: there is no column <function"), ({"y": np.ones((4, 2))}, r"y is array(?s:.)*the name of a column"),
    ({"y": ["counts", "t"]}, "one column holds the data"), ({"axis": 0}, "axis= is no option of fit_groups")])
def test_names_that_are_none(change, message):
    """What is no column's name, and an option that a table has no place for, are told by their argument."""
    with pytest.raises((InputError, InputTypeError), match=message):
        fit_groups(pd.DataFrame(table()), **{"by": "cell", "x": "t", "y": "counts", "model": DECAY, **START, **change})


def test_labels_of_columns():
    """A column's label is any that pandas has; two of one name are an error."""
    frame = pd.DataFrame(table())
    wanted = fit_groups(frame, by="cell", x="t", y="counts", model=DECAY, **START)
    numbered = frame.set_axis(range(frame.shape[1]), axis=1)
    found = fit_groups(numbered, by=0, x={"t": 2}, y=3, model=DECAY, **START)
    np.testing.assert_array_equal(found.values["tau"], wanted.values["tau"])
    nested = frame.set_axis(pd.MultiIndex.from_product([["raw"], frame.columns]), axis=1)
    found = fit_groups(nested, by=("raw", "cell"), x={"t": ("raw", "t")}, y=("raw", "counts"), model=DECAY, **START)
    np.testing.assert_array_equal(found.values["tau"], wanted.values["tau"])
    with pytest.raises(InputError, match="df has 2 columns 'counts'"):
        fit_groups(pd.concat([frame, frame[["counts"]]], axis=1), by="cell", x="t", y="counts", model=DECAY, **START)


def test_keys_without_order():
    """Groups whose keys have no order come as the rows do."""
    frame = pd.DataFrame(table())
    keys = {"k": 3, "b": (1, 2), "z": "z", "a": 2.5}
    found = fit_groups(frame.assign(cell=[keys[each] for each in frame.cell]), by="cell", x="t", y="counts", model=DECAY, **START)
    wanted = one_by_one(table(), ["cell"])
    for place, name in enumerate(dict.fromkeys(frame.cell)):
        assert found.values["tau"][place] == pytest.approx(wanted[(name,)].params["tau"].value, rel=1e-7)


def test_rows_are_paired_by_their_labels():
    """A Series beside the data has the labels of the table's rows: another order is an error, or looked up by a Model."""
    frame = pd.DataFrame(table())
    wanted = fit_groups(frame, by="cell", x="t", y="counts", model=DECAY, yerr="err", **START)
    turned = frame.err.sample(frac=1, random_state=1)
    for yerr in (frame.err, frame.err.to_numpy(), list(frame.err)):
        found = fit_groups(frame, by="cell", x="t", y="counts", model=DECAY, yerr=yerr, **START)
        np.testing.assert_array_equal(found.values["tau"], wanted.values["tau"])
    with pytest.raises(InputError, match="yerr and df have different labels"):
        fit_groups(frame, by="cell", x="t", y="counts", model=DECAY, yerr=turned, **START)
    found = fit_groups(frame, by="cell", x="t", y="counts", model=Model(DECAY, independent_vars=["t"]), yerr=turned, **START)
    np.testing.assert_allclose(found.values["tau"], wanted.values["tau"], rtol=1e-7)
    hidden = np.arange(len(frame)) % 9 == 0
    masked = np.ma.array(np.where(hidden, 1e-9, frame.err), mask=hidden)
    found = fit_groups(frame, by="cell", x="t", y="counts", model=DECAY, yerr=masked, **START)
    left = fit_groups(frame, by="cell", x="t", y="counts", model=DECAY, yerr="err", mask=hidden, **START)
    np.testing.assert_allclose(found.values["tau"], left.values["tau"], rtol=1e-9)
    assert found.ndata.tolist() == left.ndata.tolist()


def test_fits_are_paired_by_their_groups():
    """Numbers of each fit have the groups' labels: another order is an error, or looked up by a Model."""
    frame = pd.DataFrame(table())
    held = pd.Series({"z": 1.1, "a": 1.2, "k": 1.3, "b": 1.4})
    ordered = held.sort_index()
    for model in (DECAY, Model(DECAY, independent_vars=["t"])):
        found = fit_groups(frame, by="cell", x="t", y="counts", model=model, A=1.0, tau=ordered, vary={"tau": False})
        assert found.values["tau"].tolist() == ordered.tolist()
    found = fit_groups(frame, by="cell", x="t", y="counts", model=model, A=1.0, tau=held, vary={"tau": False})
    assert found.to_frame()["tau"].to_dict() == held.to_dict()
    for change in ({"tau": held}, {"tau": 1.0, "bounds": {"tau": (held - 1, None)}}, {"tau": 1.0, "vary": {"tau": held > 1}}):
        with pytest.raises(InputError, match="tau.* and y have different labels"):
            fit_groups(frame, by="cell", x="t", y="counts", model=DECAY, A=1.0, **change)


@pytest.mark.parametrize("kind", ["pandas", "polars"])
def test_rows_of_no_group(kind):
    """A row without a group is not left out silently."""
    columns = table()
    columns["cell"] = columns["cell"].astype(object)
    columns["cell"][3] = None
    with pytest.raises(InputError, match="'cell' has rows without a value"):
        fit_groups(KINDS[kind](columns), by="cell", x="t", y="counts", model=DECAY, **START)
    with pytest.raises(InputTypeError, match="must be a DataFrame"):
        fit_groups(columns, by="cell", x="t", y="counts", model=DECAY, **START)


def test_groups_too_uneven():
    """One group that is far longer than the others is not filled up to."""
    frame = pd.DataFrame({"g": np.r_[np.arange(3000), np.zeros(3000)], "t": np.arange(6000.), "y": np.ones(6000)})
    with pytest.raises(InputError, match="a group has 3001 rows"):
        fit_groups(frame, by="g", x="t", y="y", model=DECAY, **START)


def test_frame_of_any_result():
    """to_frame() has a row for each fit, and an index of its own, of a table or of coordinates."""
    t, y = np.linspace(0, 5, 20), np.array([[1.], [2.]])*np.exp(-np.linspace(0, 5, 20))
    of_array = fit_batch(DECAY, y, t=t, covar=True, **START).to_frame()
    assert list(of_array.columns) == ["A", "tau", "A_stderr", "tau_stderr", "chisqr", "redchi", "nfev", "ndata", "status", "gradient"]
    assert of_array.index.tolist() == [0, 1]
    of_table = fit_batch(DECAY, pd.DataFrame(y, index=["one", "two"]), t=t, **START)
    assert of_table.to_frame().loc["two", "A"] == pytest.approx(2)
    without = fit_batch(DECAY, pd.DataFrame(y, index=["one", "two"]), t=t, keep_data=False, **START)
    assert without.to_frame().index.tolist() == ["one", "two"]
    upright = fit_batch(DECAY, pd.DataFrame(y.T, columns=["one", "two"]), t=t, axis=0, **START)
    assert upright.to_frame().loc["two", "A"] == pytest.approx(2)
    of_cube = fit_batch(DECAY, np.stack([y, y, y]), t=t, **START).to_frame()
    assert of_cube.index.names == ["dim_0", "dim_1"]
    assert of_cube.loc[(2, 1), "A"] == pytest.approx(2)
    assert len(fit_batch(DECAY, y[0], t=t, **START).to_frame()) == 1
    xr = pytest.importorskip("xarray")
    cube = xr.DataArray(np.stack([y, y, y]), dims=("k", "name", "t"), coords={"name": ["one", "two"], "t": t})
    labelled = fit_batch(DECAY, cube, t=cube.t, **START).to_frame()
    assert labelled.loc[(1, "two"), "A"] == pytest.approx(2)
    assert labelled.index.names == ["k", "name"]
    spot = fit_batch(DECAY, cube[0], t=cube.t, **START).to_frame()
    assert spot.index.name == "name"


def test_guesses_of_filled_curves():
    """A guess doesn't see what fills a curve up."""
    x = np.linspace(-4, 4, 80)
    frame = pd.DataFrame({"g": np.repeat([0, 1], [80, 50]), "x": np.r_[x, x[:50]],
                          "y": np.r_[3*np.exp(-(x - .5)**2), 4*np.exp(-(x[:50] + 1)**2)]})
    found = fit_groups(frame, by="g", x="x", y="y", model=GaussianModel())
    np.testing.assert_allclose(found.values["center"], [.5, -1], atol=1e-8)
