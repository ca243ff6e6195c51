"""What a caller hands in is read once: containers, masks, labels, units, and which points count."""
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest

import gslfit
from gslfit import Model, fit, fit_batch
from gslfit.data.labels import given_back, paired
from gslfit.data.numbers import read
from gslfit.data.points import as_mask, check_factors, finite_points, without_effect
from gslfit.errors import FitWarning, InputError, InputTypeError, NonFiniteError

pd = pytest.importorskip("pandas")
xr = pytest.importorskip("xarray")
NUMBERS = [1.0, 2.0, 4.0]


class Offers:
    """What h5py's and zarr's arrays are to NumPy: something with a shape that converts itself."""

    shape = (3,)

    def __array__(self, dtype=None, copy=None):
        return np.array(NUMBERS, dtype)


@pytest.mark.parametrize("value", [
    NUMBERS, tuple(NUMBERS), np.array(NUMBERS, np.float32), np.array(NUMBERS, ">f8"), np.array(NUMBERS, np.uint16), np.array(NUMBERS)[::1],
    np.array(NUMBERS, np.longdouble), np.array(NUMBERS, object), [Fraction(1), Decimal(2), 4], pd.Series(NUMBERS), pd.Index(NUMBERS),
    pd.Series([1, 2, 4], dtype="Int64"), xr.DataArray(NUMBERS), Offers(), np.ma.array(NUMBERS), range(1, 5, 1) and [1, 2, 4]],
    ids=lambda value: type(value).__name__)
def test_containers(value):
    """Whatever holds three numbers is three numbers."""
    found = read("y", value)
    assert found.array.dtype.kind in "buif"
    np.testing.assert_array_equal(np.asarray(found.array, float), NUMBERS)
    assert found.mask is None


def test_read_where_they_lie():
    """Nothing is copied that can be read in place."""
    array = np.arange(12, dtype=">f4").reshape(3, 4)[::2, ::-1]
    assert read("y", array).array is array


def test_masks_are_kept():
    """The mask of a masked array comes along, and what stands under it."""
    found = read("y", np.ma.array(NUMBERS, mask=[False, True, False]))
    np.testing.assert_array_equal(found.mask, [False, True, False])


def test_missing_numbers_of_nullable_columns_are_nan():
    """pandas.NA is a number that isn't there."""
    found = read("y", pd.Series([1, None, 4], dtype="Int64"))
    np.testing.assert_array_equal(found.array, [1, np.nan, 4])


class Unit(np.ndarray):
    """An array with a unit, as astropy's."""

    unit = "m"

    @property
    def value(self):
        return self.view(np.ndarray)


class Pints:
    """Numbers with a unit, as pint's."""

    units = "metre"
    magnitude = np.array(NUMBERS)

    def __array__(self, dtype=None, copy=None):
        return self.magnitude


@pytest.mark.parametrize(("value", "words"), [
    (np.array(NUMBERS).view(Unit), "unit.*m.*y.value"), (Pints(), "unit.*metre.*y.magnitude"), (None, "None"), ("abc", "abc"),
    (np.array(NUMBERS, complex), "complex.*y.real"), (np.array(["a", "b"]), "numbers are needed"),
    (np.array(["2020-01-01"], "M8[D]"), "dates.*seconds"), (np.array([1], "m8[s]"), "times.*seconds"), ([1.0, None], r"y\[1\] is None"),
    ([1.0, {}], r"y\[1\]"), (pd.Series(["1", "x"]), r"y\[0\]"), ({"a": 1}, "dict"), ([[1, 2], [3]], "different lengths"),
    ([10**400], "range of floats")], ids=lambda value: str(value)[:20])
def test_what_is_no_number_is_named(value, words):
    """Units, dates, text, None and ragged rows: one line that says what there is and what to write."""
    with pytest.raises((InputTypeError, InputError), match=words) as caught:
        read("y", value)
    assert "\n" not in str(caught.value)


def test_complex_numbers_where_they_are_taken():
    """A residual may be complex."""
    assert read("y", [1 + 2j], imaginary=True).array.dtype == complex


def test_pairs_by_label_or_refuses():
    """Labels in another order are looked up where that is asked for, else refused; never is a point dropped or paired with another's."""
    x, y = pd.Series([3.0, 1.0, 2.0], list("cab")), pd.Series(NUMBERS, list("abc"))
    mine, theirs = read("x", x), read("y", y)
    np.testing.assert_array_equal(paired("x", mine.array, mine.labels, "y", theirs.labels, by_label=True), [1, 2, 3])
    with pytest.raises(InputError, match="different labels.*x.to_numpy"):
        paired("x", mine.array, mine.labels, "y", theirs.labels, by_label=False)
    other = read("x", pd.Series(NUMBERS, [7, 8, 9]))
    with pytest.raises(InputError, match="different labels"):
        paired("x", other.array, other.labels, "y", theirs.labels, by_label=True)


def test_named_axes_are_turned():
    """A DataArray pairs by its dimensions, whatever their order."""
    x = xr.DataArray(np.arange(6.0).reshape(3, 2), dims=("b", "a"))
    y = xr.DataArray(np.zeros((2, 3)), dims=("a", "b"))
    mine, theirs = read("x", x), read("y", y)
    np.testing.assert_array_equal(paired("x", mine.array, mine.labels, "y", theirs.labels, by_label=False), x.values.T)


def test_results_look_like_the_data():
    """What comes back has the caller's labels."""
    series = pd.Series(NUMBERS, list("abc"), name="counts")
    back = given_back(np.zeros(3), read("y", series).labels)
    assert back.index.equals(series.index)
    assert back.name == "counts"
    cube = xr.DataArray(np.ones((2, 3)), dims=("a", "b"), coords={"b": [5, 6, 7]})
    assert given_back(np.zeros((2, 3)), read("y", cube).labels).coords["b"].values.tolist() == [5, 6, 7]


def test_masks_broadcast_and_nothing_else_is_one():
    """A mask is of bool, and has a shape that fits; a mask of fits is told how to be one of points."""
    assert as_mask([True, False, False], (2, 3)).shape == (2, 3)
    with pytest.raises(InputTypeError, match="bool"):
        as_mask([1, 0, 0], (2, 3))
    with pytest.raises(InputError, match=r"mask\[\.\.\., None\]"):
        as_mask([True, False], (2, 3))


@pytest.mark.parametrize(("name", "value"), [("yerr", 0.0), ("yerr", -1.0), ("yerr", np.nan), ("weights", np.nan), ("weights", np.inf)])
def test_factors_that_are_none(name, value):
    """A standard deviation that is zero, negative or NaN, and a weight that is infinite or NaN, are named with their index."""
    with pytest.raises(InputError, match=rf"{name}\[1\] is"):
        check_factors(name, np.array([1.0, value]))


def test_points_of_no_weight():
    """Weight 0 and an infinite error leave a point out; NaN there is nobody's business."""
    out = without_effect("weights", np.array([1.0, 0.0, 1.0]))
    np.testing.assert_array_equal(out, without_effect("yerr", np.array([1.0, np.inf, 1.0])))
    np.testing.assert_array_equal(finite_points([("y", np.array([1.0, np.nan, 2.0]))], "raise", out), ~out)
    with pytest.raises(NonFiniteError, match=r"y\[0\] is nan, and 1 of 3"):
        finite_points([("y", np.array([np.nan, np.nan, 2.0]))], "raise", out)


class Metres:
    """A number with a unit, as pint has them."""

    def __init__(self, magnitude, units="metre"):
        self.magnitude, self.units = magnitude, units

    def __array__(self, dtype=None, copy=None):
        return np.asarray(self.magnitude, dtype)

    def __float__(self):
        return float(self.magnitude)


class Column(np.ndarray):
    """A table's column, as astropy has them: with a unit or without."""

    unit = None
    value = property(lambda self: self.view(np.ndarray))


class Hiding:
    """Numbers and a mask, as astropy's Masked has them: its array is that of the numbers."""

    def __init__(self, numbers, mask):
        self.unmasked, self.mask = np.asarray(numbers), np.asarray(mask)

    def __array__(self, dtype=None, copy=None):
        return np.asarray(self.unmasked, dtype)


class Lazy:
    """What becomes a masked array when it is computed, as dask's do."""

    def __array__(self, dtype=None, copy=None):
        return np.ma.array(NUMBERS, mask=[False, True, False])


def test_units_that_are_none():
    """A column without a unit, and numbers of dimension 1, are numbers; a list of numbers with a unit isn't."""
    for value in (np.array(NUMBERS).view(Column), Metres(np.array(NUMBERS), "dimensionless"), Metres(np.array(NUMBERS), "")):
        assert read("y", value).array.tolist() == NUMBERS
    with_unit = np.array(NUMBERS).view(Column)
    with_unit.unit = "m"
    for value in (with_unit, [Metres(1.0), Metres(2.0)], (Metres(1.0),)):
        with pytest.raises(InputTypeError, match="y has a unit"):
            read("y", value)


@pytest.mark.parametrize("value", [
    Hiding(NUMBERS, [False, True, False]), Lazy(), [1.0, np.ma.masked, 4.0], (np.ma.array(NUMBERS, mask=[False, True, False])[:1], [2.0])],
    ids=["Masked", "lazy", "a list with a masked number", "rows of which one is masked"])
def test_masks_of_other_kinds(value):
    """Masks come along from wherever they are."""
    found = read("y", value)
    if isinstance(value, tuple):
        assert found.mask is None           # nothing of it is masked
    else:
        assert found.mask.tolist() == [False, True, False]
        assert found.array[[0, 2]].tolist() == [NUMBERS[0], NUMBERS[2]]


def test_rows_of_masked_arrays():
    """A list of masked arrays keeps their masks."""
    rows = [np.ma.array(NUMBERS, mask=[False, True, False]), np.ma.array(NUMBERS)]
    assert read("y", rows).mask.tolist() == [[False, True, False], [False]*3]


ENTRIES = {"fit": lambda **kws: fit("A*exp(-t/tau)", np.ones(5), A=1.0, tau=1.0, **kws),
           "fit_batch": lambda **kws: fit_batch("A*exp(-t/tau)", np.ones((2, 5)), A=1.0, tau=1.0, **kws),
           "Model.fit_batch": lambda **kws: Model("A*exp(-t/tau)", "t").fit_batch(np.ones((2, 5)), A=1.0, tau=1.0, **kws),
           "fit of a function": lambda **kws: fit(lambda t, A, tau: A*np.exp(-t/tau), np.ones(5), A=1.0, tau=1.0, **kws)}


@pytest.mark.parametrize("entry", ENTRIES)
@pytest.mark.parametrize(("keyword", "remedy"), [
    ({"independent": "t"}, "; t=..., with a number for each point, makes 't' an independent variable$"),
    ({"independent_vars": ["t"]}, "; t=..., with a number for each point, makes 't' an independent variable$"),
    ({"Tau": "2"}, "; did you mean 'tau'[?]$"), ({"metod": "lanes"}, "; did you mean 'method'[?]$"),
    ({"wanted": None}, "names are [^;]*tau$")])
def test_a_keyword_of_no_name_without_numbers(entry, keyword, remedy):
    """It is told by its name, which is what is wrong with it, and the message says what to write instead."""
    name = next(iter(keyword))
    with pytest.raises(InputTypeError, match=f"^'{name}' is neither a parameter nor an independent variable of .*{remedy}"):
        ENTRIES[entry](t=np.arange(5.0), **keyword)


@pytest.mark.parametrize("name", ["bounds", "vary"])
def test_what_only_batches_have_an_argument_for(name):
    """A single fit says where it takes that from."""
    given = {name: {"tau": (0, 1) if name == "bounds" else False}}
    with pytest.raises(InputTypeError, match="; a single fit takes bounds and vary from its Parameters"):
        fit("A*exp(-t/tau)", np.ones(5), t=np.arange(5.0), A=1.0, tau=1.0, **given)
    with pytest.warns(FitWarning, match="; a single fit takes bounds and vary from its Parameters"):
        Model("A*exp(-t/tau)", independent_vars=["t"]).fit(np.ones(5), t=np.arange(5.0), A=1.0, tau=1.0, **given)


def test_a_known_name_without_numbers():
    """Then its value is what is wrong."""
    with pytest.raises(InputTypeError, match="^tau is '2': an array of numbers is needed$"):
        fit("A*exp(-t/tau)", np.ones(5), t=np.arange(5.0), A=1.0, tau="2")
    with pytest.raises(InputTypeError, match="^x is 't': an array of numbers is needed; t=..., with a number for each point, makes 't' an"):
        fit("A*exp(-t/tau)", np.ones(5), x="t", A=1.0, tau=2.0)


def test_an_independent_variable_of_another_length():
    """An array that is as long as neither the points nor the batch is named with its shape, beside that of the data."""
    with pytest.raises(InputError, match=r"no independent variable .*; t has the shape \(8,\), and the data \(7,\)"):
        fit("A*exp(-t/tau)", np.ones(7), t=np.arange(8.), A=1., tau=2., nan_policy="omit")


@pytest.mark.parametrize("params", [np.ones(3), [], 1.0, "a"])
@pytest.mark.parametrize("x", ["nothing", None, object()])
def test_neither_parameters_nor_points(params, x):
    """Where several arguments are of a wrong kind one of them is named; an array in place of Parameters is not asked whether it is true."""
    for call in (fit, fit_batch):
        with pytest.raises((InputError, InputTypeError)):
            call("a*x", np.ones((1, 4)), params, x=x)


X, LINE = np.arange(6.0), "a + b*x"


def called(x, a, b):
    """Return a line by a function that can't be compiled."""
    return a + b*x if a < 1e99 else x


def by_model(formula, y, **given):
    """Fit as a model does."""
    start = {name: given.pop(name) for name in ("a", "b")}
    return Model(formula).fit(y, **given, **start)


@pytest.mark.filterwarnings("ignore:the fit calls Python")
@pytest.mark.parametrize("given", [{"mask": np.ones(6, bool)}, {"weights": 0.0}, {"yerr": np.inf}, {"nan_policy": "omit", "y": X*np.nan}],
                         ids=lambda given: next(iter(given)))
@pytest.mark.parametrize("formula", [LINE, called])
@pytest.mark.parametrize("entry", [fit, by_model])
def test_no_point_takes_part(entry, formula, given):
    """Where all points are left out, that is said, by every entry alike."""
    with pytest.raises(InputError, match="none of the 6 points of (y|data) takes part"):
        entry(formula, **{"y": X + 1, "x": X, "a": 1.0, "b": 1.0, **given})


@pytest.mark.filterwarnings("ignore:the fit calls Python")
def test_a_called_model_is_named():
    """Errors of a function that is called count points and name the function, not a residual that the caller never saw."""
    with pytest.raises(InputError, match=r"1 points of 6 that take part can't determine 2 parameters \(a, b\)"):
        fit(called, X, x=X, a=1.0, b=1.0, mask=X > 0)
    with pytest.raises(NonFiniteError, match="the model .*<lambda> is nan at index 0"):
        fit(lambda x, a, b: x*np.nan if a < 1e99 else x, X, x=X, a=1.0, b=1.0)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("yerr", [1e-310, np.full(6, 1e-310)])
def test_errors_whose_reciprocal_is_infinite(yerr):
    """An error below 5.6e-309 has no weight in double precision: it is named, without a warning of NumPy's."""
    for entry in (fit, fit_batch):
        with pytest.raises(InputError, match=r"yerr(\[0\])? is 1e-310: 1/1e-310 is beyond double precision"):
            entry(LINE, X, x=X, a=1.0, b=1.0, yerr=yerr)
    with pytest.raises(InputError, match="yerr is -1: standard deviations"):
        fit(LINE, X, x=X, a=1.0, b=1.0, yerr=-1)
    with pytest.raises(InputError, match=r"yerr\[4\] is 0.0"):
        fit(LINE, X, x=X, a=1.0, b=1.0, yerr=np.ma.array([0, 1, 1, 1, 0, 1.0], mask=[True, *[False]*5]))


def test_messages_are_short():
    """A value that is no array is shown by its beginning."""
    for value in (set(range(1000)), dict.fromkeys(range(1000)), bytes(5000), "x"*5000, [None, "y"*5000]):
        with pytest.raises(InputTypeError, match="^y") as caught:
            fit(LINE, value, x=X, a=1.0, b=1.0)
        assert len(str(caught.value)) < 160


def test_variables_of_xarray():
    """A Variable is an array like any other, in memory or in dask's chunks."""
    y = np.outer([1.0, 2.0, 3.0], X) + np.random.default_rng(1).normal(0, .1, (3, 6))
    wanted = fit_batch(LINE, y, x=X, a=1.0, b=1.0)
    variable = xr.Variable(("row", "x"), y)
    found = fit_batch(LINE, variable, x=xr.Variable("x", X), a=xr.Variable("row", np.ones(3)), b=1.0, yerr=xr.Variable("x", np.ones(6)))
    np.testing.assert_allclose(found.values["b"], wanted.values["b"], rtol=1e-12)
    pytest.importorskip("dask")
    lazy = fit_batch(LINE, variable.chunk({"row": 1}), x=X, a=xr.Variable("row", np.ones(3)), b=1.0)
    np.testing.assert_array_equal(np.asarray(lazy.values["b"]), wanted.values["b"])


@pytest.mark.filterwarnings("error")
def test_what_is_imaginary_is_not_dropped():
    """Complex data, points and starts are refused where real ones are needed, also by guesses and `curve_fit`."""
    line = Model(LINE)
    for given in ({"data": X + 0j, "x": X}, {"data": X, "x": X + 0j}):
        with pytest.raises(InputTypeError, match="is complex"):
            gslfit.models.GaussianModel().guess(given["data"], x=given["x"])
    with pytest.raises(InputTypeError, match="p0 is complex"):
        gslfit.curve_fit(called, X, X, p0=[1j, 1.0])
    assert line.fit(X + 0j, x=X, a=1.0, b=0.5).success      # a model fits both parts
