"""Bounds, expressions and fixed values as part of the program."""
import interpreter
import numpy as np
import pytest

from gslfit import FitStatus
from gslfit.curves.fit_batch import fit_batch
from gslfit.errors import ExpressionError, InputError, ParameterError
from gslfit.formula.formula import Formula
from gslfit.formula.parametrize import fold
from gslfit.parameters.collection import Parameters

X = np.linspace(-4, 5, 31)
PEAKS = Formula("y0 + A*exp(-(x - x0)**2/(2*var)) + A2*exp(-(x - x0 - 3)**2/(2*var))")


def peaks_parameters():
    """Two peaks, the second half the first: the manual's kind of constraints."""
    p = Parameters()
    p.add("y0", .4, max=5.)
    p.add("A", 10., min=0.)
    p.add("A2", expr="A/2 + ratio*x0")
    p.add("ratio", .1, vary=False)
    p.add("x0", .3)
    p.add("var", .8, min=.01, max=25.)
    return p


def test_agrees_with_bind():
    """Value and Jacobian of the program, and the expressions, are those of the formula through `Parameters.bind` and differences."""
    p = peaks_parameters()
    folded = fold(PEAKS, p)
    bound = p.bind()
    assert folded.names == bound.names == ("y0", "A", "x0", "var")
    assert folded.inputs == ()
    values = np.array([p[name].value for name in folded.names])

    def model(values):
        bound.put_external(values)
        return PEAKS(x=X, **{name: bound.params[name].value for name in PEAKS.names})

    for at in (values, values + .03, values - .02):
        value, columns = interpreter.run(folded.lowered, {**dict(zip(folded.names, at, strict=True)), "x": X})
        assert np.allclose(value, model(at), rtol=1e-13)
        h = 1e-6
        differences = np.stack([(model(at + h*unit) - model(at - h*unit))/(2*h) for unit in np.eye(4)], axis=-1)
        assert np.allclose(columns, differences, rtol=1e-7, atol=1e-8)
        (value, slopes), = folded.dependent(at, None).values()
        bound.put_external(at)
        names, _ = bound.dependents()
        assert names == folded.dependent_names == ("A2",)
        assert np.allclose(value, bound.params["A2"].value)
        assert np.allclose(slopes, [0, .5, .1, 0])
        compiled, columns = folded.expressions[0].evaluate(at, np.zeros((0, 1)))
        assert np.allclose(compiled, value)
        assert np.allclose(columns[0], slopes)


# lower and upper bound, start, value: one bound, two, two of which one is out of sight, next to either, of either sign and any scale
BOUNDS = [(0., None, 2., 3.), (None, 5., 4.9, -20.), (None, -1e-20, -2e-20, -5e-20), (.01, 25., .8, 24.9), (-3., 1., -2.999, .5),
          (-1e5, 1e5, 3., 4.), (-1e2, 1e2, 3., 4.), (-1e20, 1e20, 3., 4e6), (-1e300, None, 3., 4.), (0., 1e12, 2., 5e-4),
          (-1e9, 0., -1., -1e3), (7., 7.5, 7.2, 7.49), (1e-120, 1e-110, 2e-119, 1e-115)]


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize(("low", "high", "start", "value"), BOUNDS)
def test_bounds_that_are_not_reached_change_nothing(low, high, start, value, threads):
    """A fit within any bounds ends where the same fit without them does, with the same errors: in the lanes, by GSL, as a long curve."""
    rng = np.random.default_rng(11)
    for n, fits, method in ((40, 20, "lanes"), (40, 20, "lmsder"), (40, 20, "trust"), (5000, 1, "lanes")):
        x = np.linspace(1, 2, n)
        y = value*(x + .1*x**2)*(1 + 1e-3*rng.normal(size=(fits, n)))
        p = Parameters()
        p.add("a", start, min=low, max=high)
        p.add("twice", expr="2*a")
        formula = Formula("a*(x + 0.1*x**2)")
        bound = fit_batch(formula, y, p, x=x, method=method, threads=threads)
        plain = fit_batch(formula, y, x=x, a=start, method=method, threads=threads)
        assert bound.success.all(), (method, bound.status)
        errors = plain.stderr["a"]
        assert np.all(np.abs(bound.values["a"] - plain.values["a"]) < 1e-6*errors)
        assert np.allclose(bound.stderr["a"], errors, rtol=1e-6)
        assert np.array_equal(bound.values["twice"], 2*bound.values["a"])
        assert np.allclose(bound.stderr["twice"], 2*bound.stderr["a"], rtol=1e-14)


def test_a_fit_within_bounds_has_no_neighbours():
    """One fit's outcome is the same to the last bit alone, and beside starts whose far bound is out of sight."""
    x, rng = np.linspace(0, 3, 30), np.random.default_rng(3)
    starts, shift = 10**rng.uniform(-8, 2, 37), rng.uniform(-1, 1, 37)
    y = starts[:, None]*1.3*np.exp(-.7*x) + shift[:, None]
    p = Parameters()
    p.add("a", 1., min=0, max=1e3)
    p.add("b", .8, min=.1)
    p.add("c", 0., min=-2, max=2)
    formula = Formula("a*exp(-b*x) + c")
    whole = fit_batch(formula, y, p, x=x, a=starts, covar=True)
    assert whole.success.all()
    for k in range(0, 37, 5):
        alone = fit_batch(formula, y[k:k + 1], p, x=x, a=starts[k:k + 1], covar=True)
        for name in ("a", "b", "c"):
            assert alone.values[name][0] == whole.values[name][k]
            assert alone.stderr[name][0] == whole.stderr[name][k]
        assert np.array_equal(alone.covar[0], whole.covar[k])


def test_per_fit_inputs():
    """A parameter fixed to a value per fit is a scalar of the program, not differentiated."""
    p = peaks_parameters()
    p["x0"].vary = False
    folded = fold(PEAKS, p, per_fit=("x0",))
    assert folded.inputs == ("x0",)
    assert folded.lowered.free == ("y0", "A", "var")


def test_starts_on_a_bound_and_outside():
    """A start on a bound reaches the minimum, a start outside is an error that says which fit's."""
    p = Parameters()
    p.add("a", 2., min=0., max=9.)
    p.add("b", -1., max=5.)
    formula, x = Formula("a + b*x"), np.linspace(0, 1, 20)
    y = np.tile(3. + 2*x, (3, 1))
    found = fit_batch(formula, y, p, x=x, a=np.array([0., 9., 1.]), b=np.array([5., -1., 5. - 1e-12]))
    assert found.success.all()
    assert np.allclose(found.values["a"], 3., rtol=1e-9)
    assert np.allclose(found.values["b"], 2., rtol=1e-9)
    with pytest.raises(ParameterError, match=r"'a' starts at -1.0 \(fit 1\), outside its bound min = 0"):
        fit_batch(formula, y, p, x=x, a=np.array([0., -1., 1.]))


def test_same_program_for_bounds_that_do_not_exist():
    """Without bounds and expressions the program is the formula's own."""
    p = Parameters()
    formula = Formula("y0 + A*exp(-(x - x0)**2/(2*var))")
    p.add_many(*[(name, 1.) for name in formula.names])
    assert fold(formula, p).lowered == formula.lowered()
    assert fold(formula, p) is fold(formula, p)


@pytest.mark.parametrize(("text", "words"), [("fsum((A, x0))", "fsum"), ("mine(A)", "calls mine"), ("A if A in (1, 2) else x0", "'in'")])
def test_expressions_that_can_not_be_folded(text, words):
    """An expression that has no exact derivative is named with its reason."""
    p = Parameters(usersyms={"mine": lambda a: 2*a})
    for name, par in peaks_parameters().items():
        p.add(name, par.value, expr=text if name == "A2" else None)
    with pytest.raises(ExpressionError, match=f"'A2'.*{words}"):
        fold(PEAKS, p)


def test_missing_and_idle_parameters():
    """A parameter of the formula that isn't there, and one that varies without an effect."""
    p = peaks_parameters()
    p.add("idle", 1.)
    with pytest.raises(InputError, match=r"'idle' varies, but .* doesn't depend on it"):
        fold(PEAKS, p)
    del p["idle"], p["x0"]
    p["A2"].expr = "A"
    with pytest.raises(InputError, match="lack x0"):
        fold(PEAKS, p)


@pytest.mark.parametrize("bounds", [{"min": 0}, {"min": 0, "max": 5}, {"min": -.05, "max": 4}, {"min": 0, "max": 1e9}])
def test_a_parameter_on_its_bound_has_no_error_and_costs_the_others_none(bounds):
    """The status says so; the others are those of the fit with that parameter held, and fits beside it as without bounds."""
    rng, x = np.random.default_rng(1), np.linspace(0, 3, 40)
    y = np.outer(np.tile([-.3, 2.], 50), np.exp(-x)) + 1 + .05*rng.normal(size=(100, 40))
    p, held = Parameters(), Parameters()
    p.add("A", 1., **bounds)
    p.add("c", .8)
    held.add("A", bounds["min"], vary=False)
    held.add("c", .8)
    formula = Formula("A*exp(-x) + c")
    found, fixed = fit_batch(formula, y, p, x=x), fit_batch(formula, y[::2], held, x=x)
    assert found.success.all()
    assert set(found.status[::2]) == {FitStatus.AT_BOUND}
    assert set(found.status[1::2]) == {FitStatus.CONVERGED}
    assert np.all(found.values["A"][::2] == bounds["min"])
    assert np.isnan(found.stderr["A"][::2]).all()
    assert np.allclose(found.values["c"][::2], fixed.values["c"], atol=1e-5*.01)
    assert np.allclose(found.stderr["c"][::2]*np.sqrt(38/39), fixed.stderr["c"], rtol=1e-6)
    free = fit_batch(formula, y[1::2], x=x, A=1., c=.8)
    assert np.allclose(found.stderr["c"][1::2], free.stderr["c"], rtol=1e-5)
