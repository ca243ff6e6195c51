"""Bounds, expressions and fixed values as part of the program."""
import interpreter
import numpy as np
import pytest

from gslfit.errors import ExpressionError, InputError, ParameterError
from gslfit.folding import fold
from gslfit.formula import Formula
from gslfit.parameters import Parameters

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
    """Value and Jacobian at internal values are those of the formula through `Parameters.bind` and differences."""
    p = peaks_parameters()
    folded = fold(PEAKS, p)
    bound = p.bind()
    assert folded.names == bound.names == ("y0", "A", "x0", "var")
    assert folded.inputs == ("size of y0", "size of A")
    start = folded.inside(np.array([p[name].value for name in folded.names]))
    sizes = folded.sizes(start)
    v = folded.internal(start, sizes)
    assert np.allclose(v, bound.start, rtol=1e-14)

    def model(v):
        bound.put(v)
        return PEAKS(x=X, **{name: bound.params[name].value for name in PEAKS.names})

    for at in (v, v + .3, v - .2):
        point = {**dict(zip(folded.names, at, strict=True)), **dict(zip(folded.inputs, sizes, strict=True)), "x": X}
        value, columns = interpreter.run(folded.lowered, point)
        assert np.allclose(value, model(at), rtol=1e-13)
        h = 1e-6
        differences = np.stack([(model(at + h*unit) - model(at - h*unit))/(2*h) for unit in np.eye(4)], axis=-1)
        assert np.allclose(columns, differences, rtol=1e-7, atol=1e-8)
        values, slopes = folded.external(at, sizes)
        assert np.allclose(values, bound.external(at), rtol=1e-15)
        assert np.allclose(slopes, bound.slopes(at), rtol=1e-14)
        tied, tied_slopes = folded.dependent(dict(zip(folded.names, values, strict=True)))
        bound.put(at)
        names, exact = bound.dependents()
        assert names == folded.dependent_names == ("A2",)
        assert np.allclose(tied, bound.params["A2"].value)
        assert np.allclose(tied_slopes[0], exact[0])


def test_per_fit_inputs():
    """A parameter fixed to a value per fit is a scalar of the program, not differentiated."""
    p = peaks_parameters()
    p["x0"].vary = False
    folded = fold(PEAKS, p, per_fit=("x0",))
    assert folded.inputs == ("x0", "size of y0", "size of A")
    assert folded.lowered.free == ("y0", "A", "var")


def test_starts_on_a_bound_step_inside():
    """As `Parameters.bind` does, for many starts at once; outside is an error."""
    p = peaks_parameters()
    folded = fold(PEAKS, p)
    starts = np.array([[.4, 0., .3, .01], [5., 2., .3, 25.], [1., 1., 1., 1.]])
    inside = folded.inside(starts)
    for row, start in zip(inside, starts, strict=True):
        for name, value in zip(folded.names, start, strict=True):
            p[name].value = value
        bound = p.bind()
        assert np.allclose(row, bound.external(bound.start), rtol=1e-12)
    with pytest.raises(ParameterError, match=r"'A' starts at .*-1.0.* \(fit 1\), outside its bound min = 0"):
        folded.inside(np.array([[1., 1., 1., 1.], [1., -1., 1., 1.]]))


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
