"""The C core by each of its instruction sets: sums of every width, rows in every lane, blocks that end anywhere, numbers of every type.

Models that are linear in their parameters have their minimum, chi-square and covariance from NumPy's algebra; what the C core does with
them (derivatives, sums, steps, covariances) is what it does with any other.
"""
from functools import lru_cache

import numpy as np
import pytest
from instruction_sets import SETS, each_set
from random_formulas import formulas
from scipy import special

import gslfit
from gslfit import FitStatus, Formula, Parameters, fit_batch
from gslfit.curves._batch import fit_many, instruction_set
from gslfit.errors import InputError
from gslfit.formula._program import OPCODES, Program
from gslfit.formula._program import instruction_set as program_set

FEW = 1e-7            # standard errors: the lanes end a fit 3e-9 of them from the minimum at most, and a sum of n numbers has its rounding
HERE = tuple(each_set())


@pytest.fixture(params=SETS)
def isa(request):
    """Each instruction set that this processor has, for batches and for programs; the best again afterwards."""
    if request.param not in HERE:
        pytest.skip(f"no {request.param} here")
    best = instruction_set()
    assert instruction_set(request.param) == program_set(request.param) == request.param
    yield request.param
    instruction_set(best)
    program_set(best)


def compiled(formula, free=None, inputs=()):
    """Return a formula's program."""
    return Program(**formula.lowered(free, inputs).encoded(OPCODES))


@lru_cache(maxsize=64)
class Cosines:
    """A sum of cosines with a coefficient each: one of them constant, or none."""

    def __init__(self, p, constant):
        self.p, self.first = p, 0 if constant else 1
        terms = [f"a{k}" if k == 0 else f"a{k}*cos({k}*x)" for k in range(self.first, self.first + p)]
        self.formula = Formula(" + ".join(terms), "x")
        self.program = compiled(self.formula)
        assert self.formula.names == tuple(f"a{k}" for k in range(self.first, self.first + p))

    def design(self, x):
        """Return the matrix of the linear problem, (..., n, p)."""
        return np.cos(np.arange(self.first, self.first + self.p)*np.asarray(x, float)[..., None])

    def points(self, n, rng, rows=()):
        """Points on which the columns are far from alike."""
        return np.pi*(np.arange(n) + .5 + .3*rng.uniform(-1, 1, (*rows, n)))/n

    def solved(self, x, y, w):
        """Coefficients, the inverse of J^T J and chi-square of every row, by QR."""
        rows = []
        for k, row in enumerate(y):
            own, weight = (array if array.ndim == 1 else array[k] for array in (x, w))
            A = self.design(own)*weight[:, None]
            v = np.linalg.lstsq(A, row*weight, rcond=None)[0]
            rows.append((v, np.linalg.inv(A.T @ A), float(np.sum((A @ v - row*weight)**2))))
        return [np.array(each) for each in zip(*rows, strict=True)]


def check(found, wanted, n, p, whole):
    """Compare a batch with the algebra, row by row."""
    v, covariance, chisqr = wanted
    assert set(found["status"].tolist()) <= {FitStatus.CONVERGED, FitStatus.CONVERGED_BY_GSL}
    assert (found["count"] == n).all()
    assert (found["nfev"] >= 2).all()
    errors = np.sqrt(np.einsum("kii->ki", covariance)*(chisqr/(n - p))[:, None])
    assert np.all(np.abs(found["v"] - v) <= FEW*errors)
    np.testing.assert_allclose(found["chisqr"], chisqr, rtol=1e-11)
    size = np.sqrt(np.einsum("kii,kjj->kij", covariance, covariance))
    if whole:
        assert np.all(np.abs(found["covariance"] - covariance) <= 1e-11*size)
    else:
        np.testing.assert_allclose(found["covariance"], np.einsum("kii->ki", covariance), rtol=1e-11)
    assert np.all(found["gradient"] < 1e-6)


@pytest.mark.parametrize("p", [*range(1, 13), 40])
def test_sums_of_every_width(isa, p):
    """1 to 12 and 40 columns, constant ones among them or not, weights or not, whole covariance or its diagonal, blocks cut anywhere."""
    rng = np.random.default_rng(p)
    for turn, (constant, weighted) in enumerate(((False, ""), (True, ""), (False, "row"), (True, "shared"), (True, "row"))):
        model, rows = Cosines(p, constant), (1, 3, 8, 13, 21)[turn]
        n = (max(17, 3*p), 128 + p, 127, 250, 16*8*2)[turn]
        own = turn % 2 == 1
        x = model.points(n, rng, (rows,) if own else ())
        y = np.einsum("...np,...p->...n", model.design(x), rng.normal(size=(rows, p)) if own else np.ones(p)) + rng.normal(0, .5, (rows, n))
        w = np.ones(n) if not weighted else rng.uniform(.5, 2, (rows, n) if weighted == "row" else n)
        found = fit_many(model.program, y, (x,), w if weighted else None, np.ones(p), None, covariance=turn % 2 == 0)
        check(found, model.solved(x, y, w), n, p, turn % 2 == 0)


@pytest.mark.parametrize("n", [1, 2, 7, 8, 9, 15, 16, 17, 31, 33, 127, 129])
def test_blocks_that_end_anywhere(isa, n):
    """Any number of points above that of the parameters, and one below; whole and diagonal covariance are alike."""
    rng = np.random.default_rng(n)
    for p in {1, min(2, n), min(7, n)}:
        model = Cosines(p, True)
        x, y = model.points(n, rng), rng.normal(3, 1, (11, n))
        few = fit_many(model.program, y[:, :p - 1], (x[:p - 1],), None, np.ones(p), None) if p > 1 else None
        assert few is None or set(few["status"].tolist()) == {FitStatus.TOO_FEW_POINTS}
        if n == p:
            continue
        whole, diagonal = (fit_many(model.program, y, (x,), None, np.ones(p), None, covariance=each) for each in (True, False))
        check(whole, model.solved(x, y, np.ones(n)), n, p, True)
        np.testing.assert_allclose(diagonal["covariance"], np.einsum("kii->ki", whole["covariance"]), rtol=1e-14)
        assert np.array_equal(diagonal["v"], whole["v"])


PEAK = Formula("base + A*exp(-(x - x0)**2/(2*s**2)) + shift", "x")


def peaks(rows, n, seed=2):
    """Peaks with an x, weights, a start and an input each, some of them with hard starts: so lanes end and fill at different times."""
    rng = np.random.default_rng(seed)
    x = np.linspace(-5, 5, n) + rng.uniform(-.05, .05, (rows, n))
    true = np.c_[rng.uniform(-1, 1, rows), rng.uniform(4, 9, rows), rng.uniform(-1, 1, rows), rng.uniform(.7, 1.5, rows)]
    shift = rng.uniform(-1, 1, rows)
    base, A, x0, s = (true[:, [k]] for k in range(4))
    y = base + A*np.exp(-(x - x0)**2/(2*s**2)) + shift[:, None] + rng.normal(0, .1, (rows, n))
    start = true*(1 + .1*rng.normal(size=true.shape))
    start[::5] = true[::5]*[1, .5, 1, 1.6] + [.5, 0, .6, 0]
    return x, y, rng.uniform(.5, 2, (rows, n)), start, shift


def test_every_lane_and_number_of_rows(isa):
    """A row alone, in any lane, among any number of others and on any thread has the same result to the last bit."""
    code = compiled(PEAK, ("base", "A", "x0", "s"), ("shift",))
    x, y, w, start, shift = peaks(150, 45)
    whole = fit_many(code, y, (x,), w, start, shift[:, None], covariance=True)
    assert set(whole["status"].tolist()) == {FitStatus.CONVERGED}
    assert np.ptp(whole["nfev"]) >= 3
    for rows in (*range(1, 18), 65, 129):
        for first in (0, 3):
            here = slice(first, first + rows)
            found = fit_many(code, y[here], (x[here],), w[here], start[here], shift[here, None], covariance=True, threads=1 + rows % 3)
            for name in whole:
                assert np.array_equal(found[name], whole[name][here]), (rows, first, name)
    for threads in (1, 2, 3):
        found = fit_many(code, y[::-1], (x[::-1],), w[::-1], start[::-1], shift[::-1, None], covariance=True, threads=threads)
        for name in whole:
            assert np.array_equal(found[name][::-1], whole[name])


def bounded():
    """Bounds of each kind: none, one on either side, two, two of which one is far, and so far that they are there for form's sake."""
    p = Parameters()
    p.add("base", 0., min=-1e9, max=1e9)
    p.add("A", 5., min=0.)
    p.add("x0", 0., min=-3., max=2.5)
    p.add("s", 1., max=20.)
    p.add("shift", 0., vary=False)
    p.add("area", expr="A*s*sqrt(2*pi)")
    return p


def test_every_lane_with_bounds(isa):
    """The same with bounds, an expression, and starts and inputs read in place."""
    x, y, w, start, shift = peaks(40, 45, seed=3)
    given = {name: start[:, k] for k, name in enumerate(("base", "A", "x0", "s"))} | {"shift": shift}
    whole = fit_batch(PEAK, y, bounded(), x=x, weights=w, start=given, covar=True)
    assert whole.success.all()
    for rows in (1, 2, 5, 8, 9, 15):
        for first in (0, 1, 6):
            here = slice(first, first + rows)
            found = fit_batch(PEAK, y[here], bounded(), x=x[here], weights=w[here], covar=True,
                              start={name: value[here] for name, value in given.items()})
            for name, array in whole.to_dict().items():
                assert np.array_equal(found.to_dict()[name], array[here]), (rows, first, name)


def test_sets_agree():
    """The sets end at the same minima, with the same covariances: bounds, weights, inputs and expressions included."""
    x, y, w, start, shift = peaks(60, 45, seed=4)
    given = {name: start[:, k] for k, name in enumerate(("base", "A", "x0", "s"))} | {"shift": shift}
    results = [fit_batch(PEAK, y, bounded(), x=x, weights=w, start=given, covar=True) for _ in each_set()]
    for other in results[1:]:
        assert np.array_equal(other.status, results[0].status)
        for name, value in results[0].values.items():
            assert np.all(np.abs(other.values[name] - value) <= FEW*results[0].stderr[name]), name
            np.testing.assert_allclose(other.stderr[name], results[0].stderr[name], rtol=1e-6)
        size = np.sqrt(np.einsum("kii,kjj->kij", results[0].covar, results[0].covar))
        assert np.all(np.abs(other.covar - results[0].covar) <= 1e-6*size)
        np.testing.assert_allclose(other.chisqr, results[0].chisqr, rtol=1e-11)


@pytest.mark.parametrize("n", [4096, 4097, 4100, 4096 + 128, 8191, 8195, 12_300])
def test_long_rows(isa, n):
    """One fit over all lanes: any number of points, threads and columns, weights and errors, an x of each row's own, points left out."""
    rng = np.random.default_rng(n)
    for p, constant, own, weighted, holes in ((1, True, False, "", False), (3, False, True, "row", False), (8, True, True, "", True),
                                              (2, True, False, "shared", True)):
        model = Cosines(p, constant)
        x = model.points(n, rng, (2,) if own else ())
        y = model.design(x) @ np.arange(1., p + 1) + rng.normal(0, .5, (2, n))
        w = np.ones(n) if not weighted else rng.uniform(.5, 2, (2, n) if weighted == "row" else n)
        sound, kept = np.ones((2, n), bool), y.copy()
        if holes:
            sound[0, [0, 5, n - 9]] = sound[1, 4000:4010] = False
            kept[~sound] = np.nan
        ones = dict(omit=holes, weights=w if weighted else None)
        results = [long_fit(model, kept, x, threads=threads, **ones) for threads in (1, 2, 3)]
        for other in results[1:]:
            for name, array in results[0].items():
                assert np.array_equal(other[name], array), (p, name)
        solved = model.solved(x, np.where(sound, y, 0), np.where(sound, w, 0))
        check(results[0], solved, sound.sum(axis=1), p, True)


@pytest.mark.parametrize("n", [4104, 4103, 4097])
def test_last_point_of_a_long_row_left_out(n):
    """A long row whose last point is missing is fitted without it, however many points the last register holds."""
    model, rng = Cosines(2, True), np.random.default_rng(n)
    x = model.points(n, rng)
    y = model.design(x) @ [1., 2.] + rng.normal(0, .5, (1, n))
    y[0, -1] = np.nan
    found = long_fit(model, y, x, None, True, 1)
    check(found, model.solved(x[:-1], y[:, :-1], np.ones(n - 1)), np.array([n - 1]), 2, True)


def long_fit(model, y, x, weights, omit, threads):
    """Fit two long rows."""
    return fit_many(model.program, y, (x,), weights, np.ones(model.p), None, covariance=True, threads=threads,
                    nan_policy="omit" if omit else "mark")


@pytest.mark.parametrize("points", [50, 5000])
def test_errors_are_one_over_weights(isa, points):
    """Standard deviations of the data, shared or per row, are inverted as they are read; short and long rows."""
    model, rng = Cosines(3, True), np.random.default_rng(5)
    x, y = model.points(points, rng), rng.normal(2, 1, (3, points))
    for shape in ((points,), (3, points)):
        yerr = rng.uniform(.5, 2, shape)
        found = fit_batch(model.formula, y, x=x, yerr=yerr, covar=True, scale_covar=False, start=dict.fromkeys(model.formula.names, 1.))
        v, covariance, chisqr = model.solved(x, y, 1/yerr)
        assert found.success.all()
        values = np.stack([found.values[name] for name in model.formula.names], axis=1)
        errors = np.stack([found.stderr[name] for name in model.formula.names], axis=1)
        assert np.all(np.abs(values - v) <= FEW*errors*np.sqrt(chisqr/points)[:, None])
        np.testing.assert_allclose(found.covar, covariance, rtol=1e-10, atol=1e-11*np.max(covariance))
        np.testing.assert_allclose(errors, np.sqrt(np.einsum("kii->ki", covariance)), rtol=1e-11)
        np.testing.assert_allclose(found.chisqr, chisqr, rtol=1e-11)
        np.testing.assert_allclose(found.redchi, chisqr/(points - 3), rtol=1e-11)


KINDS = ("f4", ">f8", ">f4", "i1", "i2", ">i2", "i4", "i8", ">i8", "u1", "u2", ">u2", "u4", "u8", "?")


def spread(array, how):
    """Return the same numbers laid out otherwise in memory."""
    if how == "backwards":
        return np.ascontiguousarray(array[..., ::-1])[..., ::-1]
    if how == "every third":
        wide = np.zeros((*array.shape[:-1], 3*array.shape[-1]), array.dtype)
        wide[..., ::3] = array
        return wide[..., ::3]
    if how == "packed":           # not aligned
        bare = np.zeros(array.shape, np.dtype({"names": ["pad", "own"], "formats": ["u1", array.dtype], "offsets": [0, 1],
                                               "itemsize": 1 + array.dtype.itemsize}))
        bare["own"] = array
        return bare["own"]
    return np.asfortranarray(array)


@pytest.mark.parametrize("points", [21, 4200])
@pytest.mark.parametrize("kind", KINDS)
def test_numbers_of_every_type(kind, points):
    """y, x, weights, errors, starts and values per fit of any type, order and layout are the numbers they are, in every lane."""
    rng = np.random.default_rng(7)
    rows = 11 if points < 100 else 2
    whole = {"y": rng.integers(0, 100, (rows, points)), "x": rng.integers(1, 60, (rows, points)), "w": rng.integers(1, 5, (rows, points)),
             "start": rng.integers(1, 4, rows), "shift": rng.integers(0, 9, rows)}
    if kind == "?":
        whole = {name: array % 2 for name, array in whole.items()} | {"w": np.ones_like(whole["w"])}
    kept = {name: array.astype(kind) for name, array in whole.items()}
    plain = {name: array.astype(float) for name, array in kept.items()}
    formula = Formula("a + b*x + shift", "x")
    params = Parameters()
    params.add_many(("a", 0.), ("b", 0.), ("shift", 0., False))

    def run(arrays, **more):
        return fit_batch(formula, arrays["y"], params, x=arrays["x"], covar=True,
                         start={"a": arrays["start"], "shift": arrays["shift"]}, **more).to_dict()

    for name in ("weights", "yerr"):
        wanted = run(plain, **{name: plain["w"]})
        assert set(wanted["status"].tolist()) <= {FitStatus.CONVERGED, FitStatus.CONVERGED_BY_GSL}
        for how in ("backwards", "every third", "packed", "columns"):
            laid = {key: spread(array, how) for key, array in kept.items()}
            assert np.array_equal(laid["y"], kept["y"])
            found = run(laid, **{name: laid["w"]})
            for key, array in wanted.items():
                assert np.array_equal(found[key], array), (name, how, key)
    A = np.stack([np.ones((rows, points)), plain["x"]], axis=-1)
    for k in range(rows):
        v = np.linalg.lstsq(A[k]/plain["w"][k, :, None], (plain["y"] - plain["shift"][:, None])[k]/plain["w"][k], rcond=None)[0]
        np.testing.assert_allclose([wanted["a"][k], wanted["b"][k]], v, rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("text", formulas(25, seed=21))
def test_values_do_not_depend_on_their_place(text):
    """A point's value and derivatives are the same to the last bit in every lane and block, and to rounding by every set."""
    formula = Formula(text, independent=("x", "y"))
    code = compiled(formula)
    rng = np.random.default_rng(9)
    x, v = rng.uniform(-2, 2, (2, 131)), rng.uniform(.3, 1.8, code.nfree)
    results = []
    for _ in each_set(program_set):
        value, slopes = code.evaluate(v, x)
        for points in (1, 7, 8, 9, 127, 128, 130):
            one, other = code.evaluate(v, x[:, 131 - points:])
            assert np.array_equal(one, value[131 - points:], equal_nan=True)
            assert np.array_equal(other, slopes[131 - points:], equal_nan=True)
        results.append((value, slopes))
    for other in results[1:]:
        for mine, theirs in zip(results[0], other, strict=True):
            size = np.maximum(np.abs(theirs), 1e-3*np.max(np.abs(theirs), axis=0, initial=0.))
            assert np.all(np.abs(mine - theirs) <= 1e-11*size)


def test_instruction_sets_by_name():
    """An unknown set is refused by name; the one chosen is told."""
    assert instruction_set() in SETS
    for choose in (instruction_set, program_set):
        with pytest.raises(InputError, match="'v9'"):
            choose("v9")
    assert instruction_set() == HERE[0]
    assert gslfit.fit("a*x", np.arange(1., 9.), x=np.arange(1., 9.), a=.5).params["a"].value == 1


@pytest.mark.parametrize("text", ["exp(x)", "minimum(a, x)", "minimum(x, a)", "maximum(a, x)", "maximum(x, a)", "sin(x)", "log(x)", "x**a",
                                  "tanh(x)", "erf(x)"])
def test_nan_stays_nan(isa, text):
    """A NaN among the points is a NaN of the curve, whichever argument it is, and its neighbours are NumPy's and SciPy's."""
    x = np.linspace(.1, 3, 21)
    x[[0, 9, 20]] = np.nan
    formula = Formula(text, ["x"])
    found = formula(x=x, **dict.fromkeys(formula.names, 1.5))
    assert np.isnan(found[[0, 9, 20]]).all()
    names = {name: getattr(np, name) for name in ("exp", "minimum", "maximum", "sin", "log", "tanh")} | {"erf": special.erf}
    np.testing.assert_allclose(found, eval(text, names | {"x": x, "a": 1.5}), rtol=1e-13)


# a formula that is an even function of a parameter about its best value, the same with that value, starts, and how many of 100 succeed
SQUARED = {"rate": ("A*exp(-x*(2 + sin(a))) + B", "A*exp(-x) + B", {"A": 1.5, "B": 0.3, "a": -0.6}, 100),
           "width": ("A*exp(-((x - m)/(1 + c**2))**2/2) + B", "A*exp(-(x - m)**2/2) + B", {"A": 1.5, "B": 0.3, "m": 1.6, "c": 0.6}, 100),
           "power": ("A*atan((2 + ((x - c)/d)**2)**sin(a)) + B", "A*atan((2 + ((x - c)/d)**2)**-1) + B",
                     {"A": 3., "B": 1., "a": -0.6, "c": 2., "d": 1.}, 90)}


@pytest.mark.parametrize("case", SQUARED)
def test_minima_at_a_parameter_that_enters_squared(isa, case):
    """The data ask for less than the least that a square allows: its parameter's column vanishes on the way, and the end is a success."""
    text, least, start, most = SQUARED[case]
    x, rng = np.linspace(0, 4, 30), np.random.default_rng(3)
    curve = {"rate": 2*np.exp(-.8*x) + .5, "width": 2*np.exp(-((x - 1.8)/.7)**2/2) + .5,
             "power": 3*np.arctan((2 + (x - 2)**2)**-1.3) + 1}[case]
    y = curve + 0.03*rng.standard_normal((400, 30))
    found = fit_batch(text, y, x=x, start=start)
    plain = fit_batch(least, y, x=x, start={name: start[name] for name in Formula(least, "x").names})
    good = np.asarray(found.success)
    assert good.sum() >= 4*most
    assert np.all(found.chisqr[good] <= np.asarray(plain.chisqr)[good]*(1 + 1e-9))
