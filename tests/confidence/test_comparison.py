"""`gslfit.compare`: numbers by SciPy's distributions and by algebra, what can't be compared, the table."""
import numpy as np
import pytest
from scipy.stats import chi2, f

import gslfit

X = np.linspace(0, 3, 40)
Y = 1 + 2*X + .3*X**2 + np.random.default_rng(5).normal(0, .2, X.size)
TEXTS = {"line": "a + b*x", "parabola": "a + b*x + c*x**2", "cubic": "a + b*x + c*x**2 + d*x**3"}


def polynomial(name, entry="fit", y=Y, **how):
    """Fit a polynomial by an entry."""
    names = "abcd"[:list(TEXTS).index(name) + 2]
    start = dict.fromkeys(names, 1.0)
    if entry == "fit":
        return gslfit.fit(TEXTS[name], y, x=X, **start, **how)
    if entry == "Model.fit":
        return gslfit.Model(TEXTS[name]).fit(y, x=X, **start, **how)
    if entry == "row":
        return gslfit.fit_batch(TEXTS[name], y[None], x=X, **start, **how)[0]
    params = gslfit.Parameters()
    params.add_many(*start.items())
    scale = 1/how.pop("yerr", 1.0)
    return gslfit.minimize(lambda p: (sum(p[each].value*X**k for k, each in enumerate(names)) - y)*scale, params, **how)


def by_algebra(name):
    """Return chi-square and the number of parameters of a polynomial."""
    columns = np.vander(X, list(TEXTS).index(name) + 2, increasing=True)
    return float(np.linalg.lstsq(columns, Y, rcond=None)[1][0]), columns.shape[1]


@pytest.mark.parametrize("entry", ["fit", "Model.fit", "row", "minimize"])
def test_estimated_errors(entry):
    """Criteria and F-tests of polynomials are those of algebra."""
    found = gslfit.compare(*(polynomial(name, entry) for name in TEXTS), names=list(TEXTS))
    n, likelihoods, counts = X.size, [], []
    for row, name in zip(found.fits, TEXTS, strict=True):
        chi, p = by_algebra(name)
        k = p + 1                           # the size of the errors is one parameter more
        likelihoods.append(n*np.log(chi/n))
        counts.append(p)
        assert row.fit == name and (row.ndata, row.nvarys) == (n, p)
        assert row.chisqr == pytest.approx(chi) and row.redchi == pytest.approx(chi/(n - p))
        assert row.aicc == pytest.approx(n*np.log(chi/n) + 2*k*n/(n - k - 1))
        assert row.bic == pytest.approx(n*np.log(chi/n) + p*np.log(n))
    aicc = np.array([row.aicc for row in found.fits])
    assert [row.delta for row in found.fits] == pytest.approx(aicc - aicc.min())
    assert [row.weight for row in found.fits] == pytest.approx(np.exp((aicc.min() - aicc)/2)/np.exp((aicc.min() - aicc)/2).sum())
    assert found.best == list(TEXTS)[int(np.argmin(aicc))]
    assert [(test.smaller, test.larger) for test in found.tests] == [("line", "parabola"), ("line", "cubic"), ("parabola", "cubic")]
    for test in found.tests:
        (small, p), (large, q) = by_algebra(test.smaller), by_algebra(test.larger)
        statistic = (small - large)/(q - p)/(large/(n - q))
        assert (test.dfn, test.dfd) == (q - p, n - q)
        assert test.statistic == pytest.approx(statistic, rel=1e-6) and test.p == pytest.approx(f.sf(statistic, q - p, n - q), rel=1e-6)


@pytest.mark.parametrize("entry", ["fit", "Model.fit", "row", "minimize"])
def test_known_errors(entry):
    """With known errors chi-square itself takes the place of n log(chisqr/n)."""
    found = gslfit.compare(*(polynomial(name, entry, yerr=.2, scale_covar=False) for name in TEXTS))
    n = X.size
    for row, name in zip(found.fits, TEXTS, strict=True):
        chi, p = by_algebra(name)
        assert row.aicc == pytest.approx(chi/.04 + 2*p*n/(n - p - 1)) and row.bic == pytest.approx(chi/.04 + p*np.log(n))
    test = found.tests[0]
    fall = (by_algebra("line")[0] - by_algebra("parabola")[0])/.04
    assert test.statistic == pytest.approx(fall, rel=1e-6) and test.p == pytest.approx(chi2.sf(fall, 1), rel=1e-6)
    assert (test.smaller, test.larger, test.dfd) == ("fit 1", "fit 2", np.inf)


def test_table():
    """It is shown as text and HTML, and becomes a DataFrame."""
    found = gslfit.compare(polynomial("line"), polynomial("cubic"), names=["<line>", "cubic"])
    lines = repr(found).splitlines()
    assert lines[0].split() == ["fit", "ndata", "nvarys", "chisqr", "redchi", "aicc", "delta", "weight", "bic"]
    assert lines[1].split()[:3] == ["<line>", "40", "2"] and lines[4].split() == ["smaller", "larger", "F", "dfn", "dfd", "p"]
    html = found._repr_html_()
    assert "&lt;line&gt;" in html and "<line>" not in html and html.count("<table ") == 2
    pytest.importorskip("pandas")
    frame = found.to_frame()
    assert list(frame.index) == ["<line>", "cubic"] and frame.loc["cubic", "chisqr"] == found.fits[1].chisqr
    single = gslfit.compare(polynomial("line"), gslfit.fit("exp(k*x)", Y, x=X, k=.5))
    assert single.tests == () and single._repr_html_().count("<table ") == 1 and len(repr(single).splitlines()) == 3


def test_few_and_exact_data():
    """Too few data have no AICc, and an exact fit has all the weight."""
    few = slice(0, 5)
    fits = [gslfit.fit(TEXTS[name], Y[few], x=X[few], **dict.fromkeys("abc"[:k], 1.0)) for name, k in (("line", 2), ("parabola", 3))]
    found = gslfit.compare(*fits)
    assert found.fits[1].aicc == np.inf and [row.weight for row in found.fits] == [1.0, 0.0]
    none = gslfit.compare(*(gslfit.fit(fit, Y[:3], x=X[:3], a=1, b=1) for fit in ("a + b*x", "a + b*x**2")))
    assert np.isnan([row.weight for row in none.fits]).all()
    exact = gslfit.compare(polynomial("line", y=1 + X*X), polynomial("parabola", y=1 + X*X))
    assert exact.fits[1].weight == 1.0 and exact.tests[0].p < 1e-100


@pytest.mark.parametrize(("others", "kind", "said"), [
    ([], gslfit.errors.InputError, "two results or more, not 1"),
    ([lambda: gslfit.fit(TEXTS["cubic"], Y[1:], x=X[1:], a=1, b=1, c=1, d=1)], gslfit.errors.InputError, "40 data and fit 2 of 39"),
    ([lambda: polynomial("cubic", y=Y + 1)], gslfit.errors.InputError, "different data"),
    ([lambda: polynomial("cubic", yerr=.2)], gslfit.errors.InputError, "different weights"),
    ([lambda: polynomial("cubic", scale_covar=False)], gslfit.errors.InputError, "fit both in the same way"),
    ([lambda: gslfit.fit_batch("a + b*x", Y[None], x=X, a=1, b=1)], gslfit.errors.InputTypeError, r"fit 2 is a BatchResult.*result\[0\]"),
    ([lambda: gslfit.Minimizer(lambda p: Y, gslfit.Parameters())], gslfit.errors.InputError, "unfitted Minimizer"),
    ([lambda: 3.0], gslfit.errors.InputTypeError, "fit 2 is a float"),
])
def test_what_cannot_be_compared(others, kind, said):
    """What is wrong is said with the fit's name."""
    with pytest.raises(kind, match=said):
        gslfit.compare(polynomial("line"), *(make() for make in others))


def test_names():
    """There is a name for each result, and each is another."""
    for names in (["one"], ["one", "one"]):
        with pytest.raises(gslfit.errors.InputError, match="2 different ones"):
            gslfit.compare(polynomial("line"), polynomial("cubic"), names=names)


@pytest.mark.parametrize("entry", ["fit", "Model.fit", "row"])
@pytest.mark.parametrize(("one", "two", "said"), [
    ({"yerr": .2, "prior": {"b": (2, .1)}}, {"yerr": .2, "scale_covar": False},
     "different priors of 'b': fit 1 has 2 \\+/- 0.1 and fit 2 has none"),
    ({"yerr": .2, "prior": {"b": (2, .1)}}, {"yerr": .2, "prior": {"b": (2, .2)}}, "fit 1 has 2 \\+/- 0.1 and fit 2 has 2 \\+/- 0.2"),
    ({"yerr": .2, "prior": {"b": (2, .1)}}, {"yerr": .2, "prior": {"a": (1, .1)}}, "different priors of 'b'"),
    ({"loss": "poisson"}, {}, "fit 2 is by least squares and fit 1 by loss='poisson'"),
    ({"loss": "poisson"}, {"scale_covar": False}, "fit 2 is by least squares and fit 1 by loss='poisson'"),
    ({"loss": "huber"}, {}, "fit 1 has loss='huber'"),
    ({"ycov": .04*np.eye(X.size)}, {"yerr": .2}, "different"),
    ({"ycov": .04*np.eye(X.size)}, {"ycov": .05*np.eye(X.size)}, "different weights|different ycov"),
], ids=str)
def test_other_objectives(entry, one, two, said):
    """Fits with other priors, losses or covariances minimise something else, and that is said."""
    y = np.round(Y*20)
    with pytest.raises(gslfit.errors.InputError, match=said):
        gslfit.compare(polynomial("line", entry, y, **one), polynomial("parabola", entry, y, **two))


@pytest.mark.parametrize("how", [{"yerr": .2, "prior": {"b": (2, .1)}}, {"ycov": .04*np.eye(X.size)}, {"loss": "poisson"}], ids=str)
@pytest.mark.parametrize("entry", ["fit", "Model.fit", "row"])
def test_same_objectives(entry, how):
    """With the same priors, covariance or loss the fall of what is minimised follows chi-square's distribution."""
    line, parabola = (polynomial(name, entry, np.round(Y*20), **{"scale_covar": False, **how}) for name in ("line", "parabola"))
    found = gslfit.compare(line, parabola)
    assert found.tests[0].p == pytest.approx(chi2.sf(line.chisqr - parabola.chisqr, 1), rel=1e-9)
