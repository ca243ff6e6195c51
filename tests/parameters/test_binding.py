"""One fit's view of its parameters: bounds, expressions, what is restored."""
import numpy as np
import pytest

from gslfit.errors import ExpressionError, InputError, NonFiniteError, ParameterError
from gslfit.parameters.collection import Parameters


@pytest.fixture
def params():
    """Every role: free, one bound, fixed, two bounds, an expression."""
    p = Parameters()
    p.add_many(("y0", 1.2), ("A", 8.5, True, 0), ("x0", .5, False), ("var", 1., True, .01, 25))
    p.add("A2", expr="A/2 + 0*x0")
    return p


def test_names_and_values(params):
    """The start is what the parameters say."""
    b = params.bind()
    assert b.names == ("y0", "A", "var")
    b.put(b.start)
    assert b.params.valuesdict() == pytest.approx({"y0": 1.2, "A": 8.5, "x0": .5, "var": 1, "A2": 4.25}, rel=1e-15)


def test_params_are_private(params):
    """What a fit writes doesn't reach the caller's parameters."""
    b = params.bind()
    b.put(b.start + 1)
    assert params["y0"].value == 1.2
    assert b.params["y0"].value == 2.2


def test_transform_and_inverse(params):
    """external and internal are inverse to each other; slopes are the derivative."""
    b = params.bind()
    for v in b.start + np.random.default_rng(0).normal(0, 1, (20, 3)):
        values = b.external(v)
        assert b.external(b.internal(values)) == pytest.approx(values, rel=1e-14)
        h = 1e-6
        slopes = (b.external(v + h) - b.external(v - h))/(2*h)
        assert b.slopes(v) == pytest.approx(slopes, rel=1e-7, abs=1e-7)


def test_put_external(params):
    """External values go in as they are."""
    b = params.bind()
    b.put_external([3, 4, 5])
    assert b.params.valuesdict() == {"y0": 3, "A": 4, "x0": .5, "var": 5, "A2": 2}


def test_what_a_residual_writes_is_undone(params):
    """Values, roles and bounds, even a removed parameter, are as they were at the next put."""
    b = params.bind()
    before = repr(b.params)
    own = b.params
    own["x0"].value = 99
    own["A2"].value = 7
    own["var"].set(min=None, vary=False)
    del own["y0"]
    own.add("new", 1)
    b.put(b.start)
    assert repr(own) == before
    assert own["A2"].value == 4.25


def test_dependents_are_exact(params):
    """The derivatives of expressions by the varying parameters."""
    params.add("area", expr="A*sqrt(2*pi*var) + A2")
    b = params.bind()
    b.put_external([1, 2, 3])
    names, slopes = b.dependents()
    assert names == ("A2", "area")
    assert slopes == pytest.approx(np.array([[0, .5, 0], [0, np.sqrt(6*np.pi) + .5, 2*np.sqrt(2*np.pi)/(2*np.sqrt(3))]]), rel=1e-14)


@pytest.mark.parametrize(("inputs", "words"), [
    (dict(value=None), ["'a'", "no value"]),
    (dict(value=float("nan")), ["'a'", "nan"]),
    (dict(value=float("inf")), ["'a'", "inf"]),
    (dict(value=-1, min=0), ["'a'", "-1.0", "min = 0.0"]),
    (dict(value=11, min=0, max=10), ["'a'", "11.0", "max = 10.0"]),
])
def test_bad_starts(inputs, words):
    """A start that can't be used is named."""
    p = Parameters()
    p.add("a", **inputs)
    with pytest.raises(ParameterError) as caught:
        p.bind()
    for word in words:
        assert word in str(caught.value)


@pytest.mark.parametrize(("low", "high", "start"), [(0, None, 0), (None, 3, 3), (5, None, 5), (5, None, 5 + 1e-12), (0, 1, 0), (0, 1, 1),
                                                    (-1e-12, 0, 0), (1000, 1001, 1000), (0, 1e20, 0)])
def test_start_on_a_bound_is_stepped_inside(low, high, start):
    """The slope is far from 0 where the solver begins."""
    p = Parameters()
    p.add("a", start, True, low, high)
    b = p.bind()
    value, slope = b.external(b.start)[0], b.slopes(b.start)[0]
    assert low is None or value > low
    assert high is None or value < high
    size = abs(low or high or 1)
    assert abs(value - start) <= .0101*max(size, abs(start))
    assert abs(slope) > 1e-3*abs(value - start)


@pytest.mark.parametrize("scale", [1e-200, 1e-30, 1e-12, 1., 1e12, 1e200])
@pytest.mark.parametrize("sides", ["low", "high", "both", "wide"])
def test_bounds_keep_digits_at_every_scale(scale, sides):
    """A parameter's digits survive there and back, whatever its size."""
    low = {"low": 0, "high": None, "both": -2*scale, "wide": 0}[sides]
    high = {"low": None, "high": 7*scale, "both": 7*scale, "wide": 1e300}[sides]
    p = Parameters()
    p.add("a", scale, True, low, high)
    b = p.bind()
    for value in scale*np.array([1e-3, .1, 1, 1.234567890123456, 6.9]):
        assert b.external(b.internal([value]))[0] == pytest.approx(value, rel=4e-15, abs=4e-15*scale if sides in ("high", "both") else 0)


def test_a_far_bound_out_of_sight():
    """Between bounds wide apart, a start near one of them has that one's transform; the other still holds."""
    p, q = Parameters(), Parameters()
    p.add("a", 2, min=1)
    q.add("a", 2, min=1, max=1e9)
    b, c = p.bind(), q.bind()
    for v in (-3, 0, 1e-3, 2., 1e5):
        assert b.external([v]) == c.external([v])
        assert b.slopes([v]) == c.slopes([v])
    assert c.external([1e10]) == 1e9
    assert c.external(c.internal([1e9])) == pytest.approx(1e9)
    q["a"].value = 2000
    assert q.bind().external([1e10]) != 1e9


def test_expressions_that_call_functions_are_evaluated_every_time():
    """What a caller's function returns may change with the same arguments: it is asked at every evaluation, whatever was put."""
    calls, p = [], Parameters(usersyms={"tick": lambda: calls.append(1) or float(len(calls))})
    p.add("a", 1.)
    p.add("b", 1.)
    p.add("c", expr="a + tick()")
    p.add("d", expr="2*c")
    bound = p.bind()
    seen = []
    for b in (1., 1., 2.):
        bound.put([1., b])
        seen.append(bound.params["c"].value)
        assert bound.params["d"].value == 2*seen[-1]
    assert seen[0] < seen[1] < seen[2]


def test_the_sign_of_zero_arrives():
    """Between 0 and -0 a function like copysign jumps: a step from one to the other reaches the parameter, and what follows from it."""
    p = Parameters()
    p.add("a", 1.)
    p.add("side", expr="copysign(1, a)")
    b = p.bind()
    for zero in (0., -0., 0.):
        b.put([zero])
        assert np.copysign(1., b.params["a"].value) == b.params["side"].value == np.copysign(1., zero)


@pytest.mark.parametrize(("low", "high"), [(-1e9, 1e8), (None, 1e8), (-1e9, None)])
def test_bounds_out_of_sight(low, high):
    """Bounds more than a thousand times as far from the start as that is large are no part of the transform, and are not passed."""
    p = Parameters()
    p.add("a", 2, min=low, max=high)
    b = p.bind()
    least, most = -np.inf if low is None else low, np.inf if high is None else high
    for v in (-1e12, -1e5, 0., 2., 1e5, 1e12):
        assert b.external([v])[0] == min(max(v, least), most)
        b.put([v])
        assert b.params["a"].value == min(max(v, least), most)
    assert np.isnan(b.external([np.nan])[0])


@pytest.mark.parametrize(("low", "high", "x"), [(5, None, 5.), (None, 5, 5.), (0, None, 0.), (0, 1e9, 0.), (-1e9, 0, 0.)])
@pytest.mark.parametrize("reach", [0., 2.])
def test_going_on_from_a_bound(low, high, x, reach):
    """A fit that is taken up where it lay on a bound has numbers to go on with."""
    p = Parameters()
    p.add("a", (low or 0) + 1 if high is None or low is not None else high - 1, True, low, high)
    if high == 0:
        p["a"].value = -1
    b = p.bind()
    v = b.fit_bounds(np.array([x]), np.array([reach]))
    assert b.external(v)[0] == x
    inside = b.external(v + 1)[0]
    assert abs(inside - x) > .1
    assert (low is None or inside >= low) and (high is None or inside <= high)


@pytest.mark.parametrize(("low", "high"), [(.1, .7), (-.3, 0), (1e-5, 1e5), (-7, 3), (-1e308, 1e308)])
def test_never_outside(low, high):
    """No internal value leads outside, not by a rounding error."""
    p = Parameters()
    p.add("a", .5*low + .5*high, True, low, high)
    b = p.bind()
    v = np.concatenate([np.linspace(-10, 10, 2001), np.pi*np.arange(-4, 5), np.pi/2*np.arange(-9, 10)])
    values = [b.external([x])[0] for x in v]
    assert min(values) >= low
    assert max(values) <= high


def test_nan_is_named(params):
    """An expression that gives NaN, or can't be computed, names itself."""
    params.add("root", expr="sqrt(y0)")
    params.add("odd", expr="y0*1e300*1e300*0")
    b = params.bind()
    with pytest.raises(NonFiniteError, match=r"'root'.*'sqrt\(y0\)'.*y0 = -1\.0"):
        b.put_external([-1, 1, 1])
    with pytest.raises(NonFiniteError, match=r"'odd'.*NaN"):
        b.put_external([1, 1, 1])


def test_error_of_a_users_function_is_its_own():
    """An exception inside a user's function surfaces as it is."""
    class Mine(ValueError):
        pass

    def broken(x):
        raise Mine("from within")
    p = Parameters(usersyms={"broken": broken})
    p.add("a", 1)
    p.add("b", expr="broken(a)")
    with pytest.raises(Mine, match="from within"):
        p.bind().put(np.ones(1))


def test_circle_and_missing():
    """A circle is shown, a missing name too, at the fit at the latest."""
    p = Parameters()
    p.add("a", expr="2*b")
    p.add("b", expr="c + 1")
    with pytest.raises(ExpressionError, match="no parameter 'c'"):
        p.bind()
    p.add("c", expr="a")
    with pytest.raises(ExpressionError, match="a -> b -> c -> a"):
        p.bind()
    p = Parameters()
    p.add("amplitude", 1)
    p.add("b", expr="2*amplitud")
    with pytest.raises(InputError, match="did you mean 'amplitude'"):
        p.bind()


def test_expression_is_clipped_by_its_bounds():
    """The bounds of an expression clip its value, and its derivative with it."""
    p = Parameters()
    p.add("a", 1)
    p.add("b", expr="2*a", max=3)
    b = p.bind()
    b.put_external([1])
    assert b.params["b"].value == 2
    assert b.dependents()[1] == 2
    b.put_external([5])
    assert b.params["b"].value == 3
    assert b.dependents()[1] == 0
