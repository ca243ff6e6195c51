"""fit_batch: what a call means, and what comes back."""
import numpy as np
import pytest

from gslfit import BatchResult, FitStatus, Formula, Parameters, fit, fit_batch
from gslfit.curves._batch import fit_many, instruction_set
from gslfit.errors import FitWarning, InputError, InputTypeError, NonFiniteError, ParameterError
from gslfit.formula.parametrize import fold

PEAK = "y0 + A*exp(-(x - x0)**2/(2*var))"
NAMES = ("y0", "A", "x0", "var")
X = np.linspace(-5, 5, 50)


def peaks(fits, seed=1):
    """Return data of Gaussian peaks, the true parameters, and starts near them."""
    rng = np.random.default_rng(seed)
    true = np.c_[rng.uniform(.5, 2, fits), rng.uniform(5, 15, fits), rng.uniform(-1.5, 1.5, fits), rng.uniform(.5, 2.5, fits)]
    y0, a, x0, var = (true[:, [k]] for k in range(4))
    y = y0 + a*np.exp(-(X - x0)**2/(2*var)) + rng.normal(0, .3, (fits, X.size))
    start = true*(1 + rng.uniform(-.15, .15, true.shape))
    start[:, 2] = true[:, 2] + .2
    return y, {name: start[:, k] for k, name in enumerate(NAMES)}


Y, START = peaks(60)
PLAIN = fit_batch(PEAK, Y, x=X, **START, covar=True)


def parameters():
    """Bounds that don't bind, and an expression."""
    p = Parameters()
    p.add("y0", 1., max=50.)
    p.add("A", 10., min=0.)
    p.add("x0", 0., min=-8, max=8)
    p.add("var", 1., min=.01, max=25.)
    p.add("fwhm", expr="2.3548*sqrt(var)")
    return p


def close(a, b, share=1e-6):
    """Whether two results have the same values, to a share of the standard errors."""
    return all(np.all(np.abs(a.values[name] - b.values[name]) <= share*a.stderr[name]) for name in NAMES)


def test_agrees_with_scipy():
    """Values and errors are those of SciPy's curve_fit."""
    from scipy.optimize import curve_fit
    assert PLAIN.success.all()
    for k in (0, 17, 59):
        popt, pcov = curve_fit(lambda x, y0, a, x0, var: y0 + a*np.exp(-(x - x0)**2/(2*var)), X, Y[k], [START[name][k] for name in NAMES],
                               xtol=1e-12, ftol=1e-12)
        found = np.array([PLAIN.values[name][k] for name in NAMES])
        errors = np.array([PLAIN.stderr[name][k] for name in NAMES])
        assert np.all(np.abs(found - popt) <= 1e-5*errors)
        assert np.allclose(errors, np.sqrt(np.diag(pcov)), rtol=1e-5)
        assert np.allclose(PLAIN.covar[k], pcov, rtol=1e-4, atol=1e-8)


def test_shapes():
    """A cube gives maps; starts and x may be shared or per fit; the order of axes in memory doesn't matter."""
    cube = Y.reshape(6, 10, 50)
    maps = {name: value.reshape(6, 10) for name, value in START.items()}
    result = fit_batch(PEAK, cube, x=X, **maps)
    assert result.shape == result.values["A"].shape == (6, 10)
    assert len(result) == 60
    assert np.array_equal(result.values["A"].reshape(-1), PLAIN.values["A"])
    strided = np.asfortranarray(cube)
    assert np.array_equal(fit_batch(PEAK, strided, x=X, **maps).values["var"], result.values["var"])
    per_fit = fit_batch(PEAK, Y, x=np.broadcast_to(X, Y.shape), **START)
    assert np.array_equal(per_fit.values["A"], PLAIN.values["A"])
    single = fit_batch(PEAK, Y[3], x=X, **{name: value[3] for name, value in START.items()})
    assert single.shape == ()
    assert single.values["A"] == PLAIN.values["A"][3]


@pytest.mark.parametrize("dtype", ["f4", ">f8", "i2", "f2"])
def test_types(dtype):
    """Other types are converted on the way."""
    y = (Y*100).astype(dtype)
    start = {name: value*(100 if name in ("y0", "A") else 1) for name, value in START.items()}
    wide = fit_batch(PEAK, y.astype(float), x=X, **start)
    assert np.allclose(fit_batch(PEAK, y, x=X, **start).values["A"], wide.values["A"], rtol=1e-12)


@pytest.mark.parametrize("method", ["auto", "lanes", "lmsder", "lmder", "trust"])
def test_perfect_data(method):
    """A start at which nothing is left of the residual is a fit, not a singular one."""
    x = np.arange(1., 9.)  # whole numbers: nothing is rounded
    exact = fit_batch("a*x**2 + b/x*x**2 + c", 3*x**2 - 5*x + 7, x=x, a=3., b=-5., c=7., method=method)
    assert exact.success.all()
    assert exact.chisqr == 0
    assert exact.values["b"] == -5


def test_neighbours_place_and_threads_do_not_matter():
    """The outcome of a fit is the same to the last bit, whatever is fitted beside it."""
    order = np.random.default_rng(3).permutation(60)
    shuffled = fit_batch(PEAK, Y[order], x=X, **{name: value[order] for name, value in START.items()}, threads=2)
    spoilt = Y.copy()
    spoilt[::7] = np.nan
    beside = fit_batch(PEAK, spoilt, x=X, **START, threads=1)
    good = np.ones(60, bool)
    good[::7] = False
    for name in NAMES:
        assert np.array_equal(shuffled.values[name], PLAIN.values[name][order])
        assert np.array_equal(beside.values[name][good], PLAIN.values[name][good])
        assert np.isnan(beside.values[name][~good]).all()
    assert np.all(beside.status[~good] == FitStatus.BAD_DATA)


@pytest.mark.parametrize("isa", ["v4", "v3", "base"])
def test_neighbours_do_not_matter_to_newtons_steps(isa):
    """Noisy fits ask for second derivatives when they converge slowly, each by itself: beside others, in other places, and alone."""
    best = instruction_set()
    try:
        instruction_set(isa)
    except InputError:
        pytest.skip(f"this processor has no {isa}")
    try:
        for formula, names, x, y, start in (noisy_peaks(300), decays(200)):
            given = {"x": x, "threads": 1, "max_nfev": 400}
            whole = fit_batch(formula, y, **given, **start)
            order = np.random.default_rng(4).permutation(len(y))
            shuffled = fit_batch(formula, y[order], x=x, threads=2, max_nfev=400, **{name: value[order] for name, value in start.items()})
            for name in names:
                assert np.array_equal(shuffled.values[name], whole.values[name][order], equal_nan=True)
                assert np.array_equal(shuffled.stderr[name], whole.stderr[name][order], equal_nan=True)
            for k in range(0, len(y), 7):
                alone = fit_batch(formula, y[k:k + 1], **given, **{name: value[k:k + 1] for name, value in start.items()})
                assert np.array_equal([alone.values[name][0] for name in names], [whole.values[name][k] for name in names])
                assert alone.nfev[0] == whole.nfev[k]
    finally:
        instruction_set(best)


def noisy_peaks(count):
    """Peaks that Gauss-Newton converges to slowly, and clean ones among them."""
    rng = np.random.default_rng(11)
    y, start = peaks(count, seed=11)
    y[::2] += rng.normal(0, 3, y[::2].shape)
    return PEAK, NAMES, X, y, start


def decays(count):
    """Decays, some of them noisy."""
    rng = np.random.default_rng(12)
    x = np.linspace(0, 10, 40)
    true = {"c": rng.uniform(.2, 1, count), "A": rng.uniform(3, 8, count), "b": rng.uniform(.3, 1.5, count)}
    noise = rng.normal(0, 1, (count, x.size))*rng.choice([.1, 1.5], (count, 1))
    y = true["c"][:, None] + true["A"][:, None]*np.exp(-true["b"][:, None]*x) + noise
    return "c + A*exp(-b*x)", tuple(true), x, y, {name: value*rng.uniform(.8, 1.2, count) for name, value in true.items()}


def test_slow_fits_have_newtons_steps():
    """With second derivatives noisy peaks take fewer evaluations, and fewer of them are fitted anew by GSL; weights and bounds as well."""
    formula, names, x, y, start = noisy_peaks(600)
    folded = fold(Formula(formula), None)
    begin = np.column_stack([start[name] for name in names])
    weights = np.random.default_rng(1).uniform(.5, 1.5, y.shape)
    for each in (None, weights):
        plain, bent = (fit_many(program, y, (x,), each, begin, None) for program in (folded.program, folded.bent))
        assert bent["nfev"].sum() < .8*plain["nfev"].sum()
        good = [np.isin(found["status"], [FitStatus.CONVERGED, FitStatus.CONVERGED_BY_GSL]) for found in (plain, bent)]
        assert good[1].sum() >= good[0].sum()
        both = good[0] & good[1] & (plain["nfev"] < 40)
        assert both.mean() > .9
        errors = np.sqrt((bent["chisqr"]/(x.size - 4))[:, None]*bent["covariance"])
        far = (np.abs(plain["v"] - bent["v"])/errors)[both].max(axis=1)
        assert np.percentile(far, 99) < 2e-8
    within = fit_batch(formula, y, parameters(), x=x, **start)
    free = fit_batch(formula, y, x=x, **start)
    same = within.success & free.success & (within.status != FitStatus.AT_BOUND) & (free.values["A"] > 0) & (free.nfev < 40)
    assert same.mean() > .9
    assert np.percentile(np.abs(within.values["x0"] - free.values["x0"])[same]/free.stderr["x0"][same], 99) < 2e-8
    assert np.all(within.values["A"][within.success] >= 0)


def test_text_trace_and_parameters_agree():
    """The same formula as text, as a function, and with bounds that don't bind: to 1e-9 of the value or, if larger, its error."""
    y, start = peaks(3000, seed=5)
    plain = fit_batch(PEAK, y, x=X, **start)
    traced = fit_batch(lambda x, y0, A, x0, var: y0 + A*np.exp(-(x - x0)**2/(2*var)), y, x=X, **start)
    within = fit_batch(PEAK, y, parameters(), x=X, **start)
    for name in NAMES:
        room = 1e-9*np.maximum(np.abs(plain.values[name]), plain.stderr[name])
        assert np.all(np.abs(traced.values[name] - plain.values[name]) <= room)
        assert np.all(np.abs(within.values[name] - plain.values[name]) <= room)
    bounded = fit_batch(PEAK, Y, parameters(), x=X, **START)
    assert np.allclose(bounded.values["fwhm"], 2.3548*np.sqrt(PLAIN.values["var"]), rtol=1e-7)
    assert np.allclose(bounded.stderr["fwhm"], 2.3548/2/np.sqrt(PLAIN.values["var"])*PLAIN.stderr["var"], rtol=1e-5)
    assert np.allclose(bounded.stderr["A"], PLAIN.stderr["A"], rtol=1e-5)


def test_a_function_that_changed_is_traced_anew():
    """A function that reads a variable from outside is compiled with what that is now."""
    outside = {"factor": 1.}

    def line(x, a):
        return outside["factor"]*a*x

    first = fit_batch(line, np.array([2*X]), x=X, a=1.)
    outside["factor"] = 4.
    second = fit_batch(line, np.array([2*X]), x=X, a=1.)
    assert np.allclose([first.values["a"][0], second.values["a"][0]], [2., .5])


def test_expression_agrees_with_lmfit():
    """Bounds and an expression, against lmfit."""
    import lmfit
    model = lmfit.models.ExpressionModel("y0 + A*exp(-(x - x0)**2/(2*var)) + A2*exp(-(x - x0 - 3)**2/(2*var))")
    pars, own = lmfit.Parameters(), Parameters()
    for name, value, low, high, expr in (("y0", 1.2, -np.inf, np.inf, None), ("A", 8.5, 0, np.inf, None), ("x0", .5, -np.inf, np.inf, None),
                                         ("var", 1., .01, 25, None), ("A2", None, -np.inf, np.inf, "A/2")):
        pars.add(name, value, min=low, max=high, expr=expr)
        own.add(name, value, min=None if low == -np.inf else low, max=None if high == np.inf else high, expr=expr)
    rng = np.random.default_rng(4)
    y = np.array([1 + 10*np.exp(-(X - .3)**2/1.6) + 5*np.exp(-(X - 3.3)**2/1.6) + rng.normal(0, .3, X.size) for _ in range(5)])
    result = fit_batch(model.expr, y, own, x=X)
    for k in range(5):
        other = model.fit(y[k], pars, x=X, fit_kws={"xtol": 1e-12, "ftol": 1e-12})
        for name in ("y0", "A", "x0", "var", "A2"):
            assert abs(result.values[name][k] - other.params[name].value) <= 1e-6*abs(other.params[name].value)
            assert abs(result.stderr[name][k] - other.params[name].stderr) <= 1e-3*other.params[name].stderr


def test_errors_of_the_data():
    """yerr, weights, shared and per point, and scale_covar."""
    by_error = fit_batch(PEAK, Y, x=X, yerr=.3, **START, scale_covar=False)
    by_weight = fit_batch(PEAK, Y, x=X, weights=np.full(50, 1/.3), **START, scale_covar=False)
    per_point = fit_batch(PEAK, Y, x=X, yerr=np.full(Y.shape, .3), **START, scale_covar=False)
    assert np.allclose(by_error.chisqr, PLAIN.chisqr/.09, rtol=1e-8)
    for other in (by_weight, per_point):
        assert np.allclose(by_error.values["A"], other.values["A"], rtol=1e-9)
        assert np.allclose(by_error.stderr["A"], other.stderr["A"], rtol=1e-9)
    assert np.allclose(by_error.stderr["A"]*np.sqrt(by_error.redchi), PLAIN.stderr["A"], rtol=1e-6)
    errors = np.full(Y.shape, .3)
    errors[3, 7] = 0
    with pytest.raises(InputError, match=r"yerr\[3, 7\] is .*0\.0.*above 0"):
        fit_batch(PEAK, Y, x=X, yerr=errors, **START)
    with pytest.raises(InputError, match="both given"):
        fit_batch(PEAK, Y, x=X, yerr=.3, weights=1., **START)


def test_nan_policy():
    """Mark, omit, raise."""
    spoilt = Y.copy()
    spoilt[5, 9] = np.nan
    marked = fit_batch(PEAK, spoilt, x=X, **START)
    assert marked.status[5] == FitStatus.BAD_DATA
    assert np.isnan(marked.values["A"][5])
    omitted = fit_batch(PEAK, spoilt, x=X, **START, nan_policy="omit")
    assert omitted.status[5] == FitStatus.CONVERGED
    assert omitted.ndata[5] == 49
    keep = np.arange(50) != 9
    alone = fit_batch(PEAK, Y[5, keep], x=X[keep], **{name: value[5] for name, value in START.items()})
    assert np.allclose(alone.values["A"], omitted.values["A"][5], rtol=1e-8)
    with pytest.raises(NonFiniteError, match="y is nan at fit 5, point 9"):
        fit_batch(PEAK, spoilt, x=X, **START, nan_policy="raise")


def test_value_per_fit():
    """A parameter that doesn't vary, with a value of its own in each fit."""
    p = parameters()
    del p["fwhm"]
    p["var"].vary = False
    result = fit_batch(PEAK, Y, p, x=X, start={"var": PLAIN.values["var"], **{name: START[name] for name in NAMES[:3]}})
    assert result.names == ("y0", "A", "x0")
    assert np.allclose(result.values["A"], PLAIN.values["A"], rtol=1e-5)
    assert np.array_equal(result.values["var"], PLAIN.values["var"])
    assert not result.stderr["var"].any()


def test_several_variables():
    """A spot on pixels, x as a dict; and another name than x as a keyword."""
    u, v = (array.ravel().astype(float) for array in np.meshgrid(np.arange(11), np.arange(11)))
    z = 500*np.exp(-((u - 5.2)**2 + (v - 4.7)**2)/(2*1.4**2)) + 10 + np.random.default_rng(2).normal(0, 5, (3, 121))
    result = fit_batch("A*exp(-((x - x0)**2 + (y - y0)**2)/(2*s**2)) + b", z, x={"x": u, "y": v}, A=400., x0=5., y0=5., s=1.2, b=5.)
    assert result.success.all()
    assert np.allclose(result.values["x0"], 5.2, atol=.03)
    t = np.linspace(0, 5, 40)
    decay = fit_batch("A*exp(-t/tau)", np.array([2., 3.])[:, None]*np.exp(-t/1.5), t=t, A=1., tau=1.)
    assert np.allclose(decay.values["tau"], 1.5)


def test_one_fit_of_a_batch():
    """result[i] is a result of its own, with its parameters and residual."""
    one = PLAIN[7]
    assert one.success
    assert one.params["A"].value == PLAIN.values["A"][7]
    assert one.params["A"].stderr == PLAIN.stderr["A"][7]
    assert np.isclose(one.chisqr, PLAIN.chisqr[7])
    assert np.isclose(one.redchi, PLAIN.redchi[7])
    assert np.isclose(one.params["A"].correl["var"], PLAIN.covar[7, 1, 3]/PLAIN.stderr["A"][7]/PLAIN.stderr["var"][7])
    assert one.init_values == {name: START[name][7] for name in NAMES}
    assert np.allclose(PLAIN.best_fit(7) - Y[7], one.residual)
    assert sum(1 for _ in PLAIN) == 60
    with pytest.raises(IndexError, match=r"no number 60|no fit 60"):
        PLAIN[60]


def test_summary_and_dict():
    """Counts per status and quantiles; all arrays by name."""
    text = PLAIN.summary()
    assert "60 fits" in text
    assert "60  converged" in text
    assert all(name in text for name in NAMES)
    found = PLAIN.to_dict()
    assert set(found) == {*NAMES, *(f"{name}_stderr" for name in NAMES), "chisqr", "redchi", "nfev", "ndata", "status", "gradient", "covar"}


def test_save_and_load(tmp_path):
    """An .npz file and back."""
    PLAIN.save(tmp_path/"peaks.npz")
    back = BatchResult.load(tmp_path/"peaks.npz")
    for name, array in PLAIN.to_dict().items():
        assert np.array_equal(back.to_dict()[name], array)
    assert np.array_equal(back.best_fit(3), PLAIN.best_fit(3))
    assert back[3].params["A"].value == PLAIN.values["A"][3]


def test_progress():
    """The count of fits done reaches the total."""
    seen = []
    fit_batch(PEAK, Y, x=X, **START, progress=seen.append)
    assert all(0 <= count <= 60 for count in seen)
    assert seen == sorted(seen)


def ignorant(x, a, b):
    """Return a model that can't be traced."""
    return a*x + b if a < 1e9 else x


def test_slow_way():
    """A function that can't be traced is fitted all the same, with a warning that says why."""
    y = np.array([2*X + 1, 3*X - 1]) + np.random.default_rng(0).normal(0, .1, (2, 50))
    with pytest.warns(FitWarning, match="ignorant can't be traced"):
        result = fit_batch(ignorant, y, x=X, a=1., b=0., covar=True)
    assert result.success.all()
    assert "can't be traced" in result.reason
    line = fit_batch("a*x + b", y, x=X, a=1., b=0., covar=True)
    assert np.allclose(result.values["a"], line.values["a"], rtol=1e-6)
    assert np.allclose(result.stderr["a"], line.stderr["a"], rtol=1e-5)
    assert np.allclose(result.covar, line.covar, rtol=1e-4)
    p = Parameters(usersyms={"double": lambda a: 2*a})
    p.add("a", 1.)
    p.add("b", expr="double(a)")
    with pytest.warns(FitWarning, match="double"):
        tied = fit_batch("a*x + b", y, p, x=X)
    assert np.allclose(tied.values["b"], 2*tied.values["a"])


@pytest.mark.parametrize(("keywords", "error", "words"), [
    ({}, InputError, "no start value for 'x0'"),
    ({**START, "B": 3.}, InputError, "'B' is neither a parameter"),
    ({**START, "weigths": 3.}, InputError, "did you mean 'weights'"),
    ({**START, "A": np.ones(3)}, InputError, r"start of 'A' has the shape \(3,\), and the batch \(60,\)"),
    ({**START, "A": np.nan}, ParameterError, "'A' has the value nan"),
    ({**START, "A": "ten"}, InputTypeError, "A is 'ten': an array of numbers is needed"),
    ({**START, "method": "newton"}, InputError, "method='newton' is not one of 'auto', 'lanes'"),
    ({**START, "nan_policy": "drop"}, InputError, "nan_policy='drop'"),
    ({**START, "x": X[:7]}, InputError, r"x has the shape \(7,\), and y \(60, 50\)"),
    ({**START, "threads": 0}, InputError, "threads is 0: it must be at least 1"),
    ({**START, "start": {"A": 3.}}, InputError, "'A' is given twice"),
    ({**START, "xtol": -1}, InputError, "xtol is -1: a tolerance must be"),
])
def test_refusals(keywords, error, words):
    """What doesn't fit is named."""
    with pytest.raises(error, match=words):
        fit_batch(PEAK, Y, **{"x": X, **keywords})


def test_refusals_of_names():
    """Names that could mean two things."""
    with pytest.raises(InputError, match=r"'threads' is a parameter of .* and an option"):
        fit_batch("threads*x", Y, x=X, threads=2)
    assert fit_batch("threads*x", Y[:2], x=X, start={"threads": 2.}).success.all()
    square = np.ones((50, 50))
    with pytest.raises(InputError, match=r"t has the shape .* that of the points and that of the batch"):
        fit_batch("A*t", square, t=X, A=1.)
    with pytest.raises(InputError, match="no independent variable is given"):
        fit_batch("A*t", Y, A=1.)
    with pytest.raises(InputError, match="give x as a dict"):
        fit_batch(Formula("a*x + y", ("x", "y")), Y, x=X, a=1.)
    with pytest.raises(InputError, match="there are no values for it"):
        fit_batch(Formula("a*t", "t"), Y, a=1.)
    with pytest.raises(ParameterError, match="outside its bound"):
        fit_batch(PEAK, Y, parameters(), x=X, A=-1.)
    with pytest.raises(InputTypeError, match="not Parameters"):
        fit_batch(PEAK, Y, {"A": 3}, x=X)
    with pytest.raises(InputError, match="all of y is one fit here: fit_batch"):
        fit(PEAK, Y, x=X, **START)


def test_few_points_and_none():
    """Fewer points than parameters is a status by every method, with no number anywhere; an empty batch is empty."""
    start = {name: value[:3] for name, value in START.items()}
    holes = np.where(np.arange(X.size) < 3, Y[:3], np.nan)
    for method in ("auto", "lanes", "lmsder", "lmder", "trust"):
        for few in (fit_batch(PEAK, Y[:3, :3], x=X[:3], method=method, covar=True, **start),
                    fit_batch(PEAK, holes, x=X, method=method, covar=True, nan_policy="omit", **start)):
            assert np.all(few.status == FitStatus.TOO_FEW_POINTS)
            assert np.all(few.ndata == 3)
            assert np.all(few.nfev == 0)
            assert np.all(np.isnan([*few.values.values(), *few.stderr.values(), few.chisqr]))
            assert np.all(np.isnan(few.covar))
    assert fit_batch(PEAK, Y[:0], x=X, y0=1., A=1., x0=0., var=1.).shape == (0,)
