"""Data sets that share parameters, one of which enters squared and is 0 at its minimum: see tests/minimizer/test_even_parameters.py."""
import numpy as np
import pytest

from gslfit import FitStatus, Formula, fit, fit_batch, fit_shared

X = np.linspace(0, 5, 40)
EVEN = {"A + b**2*x": -1., "A*exp(-b**2*x)": 1., "A/(1 + (b*x)**2)": 1., "A*cos(b*x)": 1., "A*exp(-(b*x)**4)": 1.}


@pytest.mark.parametrize("loss", [{}, {"loss": "huber", "f_scale": 10.}], ids=["linear", "huber"])
@pytest.mark.parametrize("shared", [("b",), ("A",), ("A", "b")])
@pytest.mark.parametrize("text", EVEN)
def test_it_is_at_its_minimum(text, shared, loss):
    """Chi-square and the errors of A are those of A alone, but for the degrees of freedom. It was a failure after all evaluations."""
    for seed in range(4):
        rng = np.random.default_rng(seed)
        Y = 2 + EVEN[text]*.1*X + .1*rng.normal(size=(3, 40))
        A = rng.uniform(1, 3)
        for b in (.1,) if "cos" in text else (1., -.7):
            found = fit_shared(text, Y, x=X, shared=shared, start={"A": A, "b": b}, **loss)
            assert found.success and not found.left_out.size, found.message
            own, whole = (FitStatus.RANK_DEFICIENT, FitStatus.CONVERGED) if "b" not in shared else (FitStatus.CONVERGED,
                                                                                                   FitStatus.RANK_DEFICIENT)
            assert (found.status == own).all() and found.ending == whole
            assert np.isnan(found.stderr["b"]).all() and (np.abs(found.values["b"]) < 1e-3).all()
            if "A" in shared:
                alone = fit_shared("A", Y, x=X, shared="A", A=A, **loss)
                error, chisqr = alone.stderr["A"]*np.sqrt(119/(120 - found.nvarys)), alone.chisqr
            else:
                rows = fit_batch("A", Y, x=X, A=A, **loss)
                chisqr, mean = rows.chisqr.sum(), rows.chisqr.mean()
                error = rows.stderr["A"]*(1 if loss else np.sqrt(mean/rows.chisqr))*np.sqrt(3*39/(120 - found.nvarys))
            assert found.chisqr == pytest.approx(chisqr, rel=1e-8)
            np.testing.assert_allclose(found.stderr["A"], error, rtol=1e-6)


@pytest.mark.parametrize("shared", ["b", "A"])
def test_on_a_bound_of_0(shared):
    """There its bound holds it."""
    Y = 2 + .1*X + .1*np.random.default_rng(0).normal(size=(3, 40))
    for b in (1., .3, 0.):
        found = fit_shared("A*exp(-b**2*x)", Y, x=X, shared=shared, start={"A": 1.5, "b": b}, bounds={"b": (0, None)})
        assert found.success and np.isnan(found.stderr["b"]).all(), (b, found.message)
        assert (np.abs(found.values["b"]) < 1e-3).all() and np.isfinite(found.stderr["A"]).all()


@pytest.mark.parametrize("shared", ["b", "m"])
def test_a_value_of_nothing_is_told(shared):
    """A centre that merely is 0 has its error, and so has what decays: their columns are as long as ever."""
    Y = 3*np.exp(-(X - 2.5)**2/2) + .05*np.random.default_rng(1).normal(size=(3, 40))
    found = fit_shared("b*exp(-(x - m)**2/2)", Y, x=X - 2.5, shared=shared, b=2., m=1e-3)
    assert found.success and (found.stderr["m"] > 0).all() and (found.stderr["b"] > 0).all()


def test_an_interval_beside_it():
    """A profile's refits end there too: of A alone, the interval is that of its mean."""
    Y = 2 + .1*X + .1*np.random.default_rng(0).normal(size=(3, 40))
    found = fit_shared("A*exp(-b**2*x)", Y, x=X, shared=("A", "b"), A=1.5, b=1.)
    rows = found.conf_interval(["A"], sigmas=[1])["A"]
    upper = max(limit for _, limit in rows)
    assert np.isfinite(upper) and upper > found.values["A"]


@pytest.mark.parametrize("shared", ["b", "cb"])
def test_its_own_interval(shared):
    """It has no error to begin from, and was infinite: it is that of all data as one set."""
    x = np.linspace(.1, 5, 40)
    y = 1 - .05*x + .03*np.random.default_rng(8).normal(size=40)
    one = fit("c + b**2*x", np.r_[y, y], x=np.r_[x, x], c=.8, b=.5)
    found = fit_shared("c + b**2*x", np.array([y, y]), x=x, shared=tuple(shared), c=.8, b=.5)
    limits = np.array([limit for _, limit in found.conf_interval(["b"], sigmas=[1, 2])["b"]])
    expected = np.array([limit for _, limit in one.conf_interval(["b"], sigmas=[1, 2])["b"]])
    np.testing.assert_allclose(limits, expected, rtol=1e-3 if shared == "cb" else .02, atol=1e-6)    # one degree of freedom of 77 less


@pytest.mark.parametrize("unit", [1., 1e-9, 1e-3, 1e6, 1e9, 1e60])
@pytest.mark.parametrize("text", ["A*exp(-b**2*x)", "A/(1 + (b*x)**2)", "A*cos(b*x)"])
def test_from_its_bound_in_any_unit(text, unit):
    """A shared one that starts on its bound of 0, where its column is 0, begins where the residuals see it; 0.01 was no place, or far."""
    x = np.linspace(0, 10, 80)
    y = np.array([1, 2, 3, .6])[:, None]*(2 + .1*x) + .02*np.random.default_rng(7).normal(size=(4, 80))
    right = ((y - y.mean(axis=1, keepdims=True))**2).sum()
    found = fit_shared(text, y, x=x*unit, shared="b", start={"A": 1., "b": 0.}, bounds={"b": (0, None)})
    assert found.success and found.chisqr == pytest.approx(right, rel=1e-9)


NONE = {"a + b**2*x": lambda x: 1 + .5*x, "A*cos(b*x)": lambda x: 2*np.cos(.5*x), "a + b*c*x": lambda x: 1 - .5*x,
        "a + A/(1 + (b*x)**2)": lambda x: 2 + 1.5/(1 + (.3*x)**2), "a - A/(1 + (b*x)**2)": lambda x: 2 + 1.5/(1 + (.3*x)**2),
        "a + A*x + c*x**2 + d*sin(b*x)": lambda x: 1 + .5*x - .1*x**2 + 2*np.sin(1.3*x)}


@pytest.mark.parametrize(("text", "shared"), [(text, shared) for text in NONE
                                              for shared in [*((name,) for name in Formula(text).params), Formula(text).params]])
def test_what_has_no_column_where_it_starts(text, shared):
    """A parameter that starts at 0, where chi-square has no slope along it: it was no effect, a success where all are shared."""
    x = np.linspace(.1, 5, 40)
    Y = NONE[text](x) + .02*np.random.default_rng(1).normal(size=(3, 40))
    start = {name: {"a": 1.5, "A": .3}.get(name, 0.) for name in Formula(text).params}
    found = fit_shared(text, Y, x=x, shared=shared, start=start)
    assert found.success and not found.left_out.size, found.message
    assert found.chisqr < 3*40*.02**2*1.5
