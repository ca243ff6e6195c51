"""Reports: golden text, the manual's samples, lmfit's own text on the same result, and doubts in plain sight."""
import math
import re
from base64 import b64decode
from io import BytesIO
from pathlib import Path
from types import SimpleNamespace

import lmfit
import numpy as np
import pytest

import gslfit
from gslfit import Parameters
from gslfit.printfuncs import ci_report, fit_report, report_ci, report_errors, report_fit
from gslfit.report.html import ci_html, fit_html, params_html
from gslfit.report.text import fixed_width, rounded


def fitted(*rows):
    """Parameters as a fit leaves them: name, value, stderr, initial value."""
    p = Parameters()
    for name, value, stderr, start in rows:
        p.add(name, value)
        p[name].stderr, p[name].init_value = stderr, start
    return p


BASIC = """\
  a:      0.09992+/- 0.00019 (initial= 0.100000)
  b:      2.00189+/- 0.01196 (initial= 1.000000)
Correlations:
  C(a, b)                                = 0.601
"""

# "inital" and the lost indent of the scan put right
ADVANCED = """\
  a1:      2.61101+/- 0.32796 (initial= 5.000000)
  a2:     -4.51293+/- 0.39919 (initial= -5.000000)
  t1:      1.56948+/- 0.33450 (initial= 2.000000)
  t2:      10.96137+/- 1.26387 (initial= 5.000000)
"""


def test_the_manuals_basic_report(capsys):
    """Section 4.2, to the character."""
    p = fitted(("a", .09992, .00019, .1), ("b", 2.00189, .01196, 1))
    p["a"].correl, p["b"].correl = {"b": .601}, {"a": .601}
    report_errors(p)
    assert capsys.readouterr().out == BASIC


def test_the_manuals_advanced_report(capsys):
    """Section 4.3, to the character."""
    p = fitted(("a1", 2.61101, .32796, 5), ("a2", -4.51293, .39919, -5), ("t1", 1.56948, .33450, 2), ("t2", 10.96137, 1.26387, 5))
    report_errors(p, show_correl=False)
    assert capsys.readouterr().out == ADVANCED


def test_every_role(capsys):
    """Fixed, expression, at a bound, without error, known beforehand, tiny."""
    p = fitted(("a", 1.5, .25, 2), ("tiny", 1.23456789e-12, 2.5e-15, 1e-12), ("low", 0, None, 1))
    p["low"].min = 0
    p.add("held", 3, vary=False)
    p.add("twice", expr="2*a")
    p["twice"].stderr = .5
    p["a"].correl = {"tiny": -.25, "low": .5}
    report_errors(p, modelpars={"a": Parameters().loads('{"params": [{"name": "a", "value": 1.4}]}')["a"]})
    assert capsys.readouterr().out == """\
  a:          1.50000+/- 0.25000 (initial= 2.000000, model_value= 1.400000)
  tiny:       1.23456789e-12+/- 2.500e-15 (initial= 1.000000e-12)
  low:        0.00000+/- (unknown) (initial= 1.000000) at its bound min
  held:       3.00000+/- (unknown) (fixed)
  twice:      3.00000+/- 0.50000 == '2*a'
Correlations:
  C(a, low)                              = 0.500
  C(a, tiny)                             = -0.250
"""


CI = {"a1": [(.95, 2.11696), (.68, 2.33696), (0., 2.61101), (.68, 3.06631), (.95, 4.28728)],
      "a2": [(.95, -6.39492), (.68, -5.05982), (0., -4.51293), (.68, -4.19528), (.95, -3.97850)]}


def test_the_manuals_intervals(capsys):
    """Section 4.3: the probabilities, then a line for each parameter."""
    report_ci(CI)
    assert capsys.readouterr().out == """\
      95.00%    68.00%     0.00%    68.00%    95.00%
a1   2.11696   2.33696   2.61101   3.06631   4.28728
a2  -6.39492  -5.05982  -4.51293  -4.19528  -3.97850
"""


def test_intervals_like_todays_lmfit():
    """With offsets it is lmfit 1.3's text."""
    assert ci_report(CI, with_offset=True) == lmfit.ci_report(CI)
    assert ci_report(CI, with_offset=True, ndigits=3) == lmfit.ci_report(CI, ndigits=3)


def test_intervals_not_reached():
    """An infinite limit is noted."""
    ci = {"a": [(.95, -np.inf), (0., 1.), (.95, 2.)], "b": [(.68, 1.), (0., 2.), (.68, np.inf)]}
    assert ci_report(ci) == """\
     95.00%     0.00%    95.00%
a      -inf   1.00000   2.00000
     68.00%     0.00%    68.00%
b   1.00000   2.00000       inf
  a: the lower limit of 95.00% was not reached
  b: the upper limit of 68.00% was not reached"""


def test_intervals_of_tiny_parameters():
    """Five decimals of 1e-12 would all be zero."""
    text = ci_report({"k": [(.95, 1.0e-12), (0., 1.5e-12), (.95, 2.25e-12)]})
    numbers = [float(word) for word in text.splitlines()[1].split()[1:]]
    assert numbers == [1e-12, 1.5e-12, 2.25e-12]


@pytest.fixture(scope="module")
def theirs():
    """Return a fit of lmfit's with every role in it."""
    x = np.linspace(.3, 10, 100)
    y = 1/(.1*x) + 2 + .1*np.random.default_rng(0).normal(size=x.size)
    p = lmfit.Parameters()
    p.add_many(("a", .1), ("b", 1), ("held", 0, False), ("c10", 1e-3), ("c2", 100, True, 0, 1e3))
    p.add("twice", expr="2*a")
    return lmfit.minimize(lambda p: 1/(p["a"]*x) + p["b"] - y + p["held"] + p["c10"]*(x - 4)**2 + p["c2"]*np.exp(-x*8), p)


@pytest.mark.parametrize("options", [{}, {"show_correl": False}, {"min_correl": .5}, {"sort_pars": True}, {"sort_pars": len},
                                     {"correl_mode": "table"}, {"modelpars": "self"}])
def test_report_is_todays_lmfits(theirs, options):
    """On a fit without doubts the text is lmfit 1.3's to the character."""
    options = {key: theirs.params if value == "self" else value for key, value in options.items()}
    assert fit_report(theirs, **options) == lmfit.fit_report(theirs, **options)
    assert fit_report(theirs.params, **options) == lmfit.fit_report(theirs.params, **options)


@pytest.mark.parametrize("value", [0., 1., -1., 1e-5, 1.23456789e-5, 123456.789, 1e9, 9.999999999e9, 1e10, 1e-99, 1e-100, 1e100,
    -1.5e200, 1e308, 5e-324,
                                   np.nan, np.inf, -np.inf, None, True, 3, 12345678, 999.99999999])
def test_numbers_are_todays_lmfits(value):
    """Numbers have lmfit's format."""
    assert fixed_width(value) == lmfit.printfuncs.gformat(value)
    assert fixed_width(value, 15) == lmfit.printfuncs.gformat(value, 15)


def test_doubts_are_said():
    """A fit that failed says so before its numbers."""
    p = fitted(("a", 1., None, 1.), ("b", 0., None, 3.))
    p["b"].min = 0
    result = SimpleNamespace(params=p, success=False, errorbars=False, message="stopped after 2000 calls of the function (maxfev)",
        method="leastsq",
                             nfev=2000, ndata=10, nvarys=2, chisqr=1., redchi=.125, aic=1., bic=2.)
    assert fit_report(result) == """\
[[Fit Statistics]]
    # fitting method   = leastsq
    # function evals   = 2000
    # data points      = 10
    # variables        = 2
    chi-square         = 1.00000000
    reduced chi-square = 0.12500000
    Akaike info crit   = 1.00000000
    Bayesian info crit = 2.00000000
##  Warning: the fit did not succeed: stopped after 2000 calls of the function (maxfev)
##  Warning: uncertainties could not be estimated:
    a:  at initial value
    b:  at boundary
[[Variables]]
    a:  1.00000000 (init = 1)
    b:  0.00000000 (init = 3) at its bound min"""
    result.success, result.message = True, "converged; no errors: 'a' has no effect on the residual"
    assert "estimated:\n    converged; no errors: 'a' has no effect on the residual\n    a:  at initial value" in fit_report(result)
    assert "&#x27;a&#x27; has no effect" in fit_html(result)


def test_report_fit_prints(theirs, capsys):
    """report_fit prints what fit_report returns."""
    report_fit(theirs, show_correl=False)
    assert capsys.readouterr().out == fit_report(theirs, show_correl=False) + "\n"


def test_html(theirs):
    """Tables for notebooks: every number is there, and text is escaped."""
    text = fit_html(theirs)
    assert repr(theirs.params["a"].value) in text              # where the pointer rests
    assert "2*a" in text
    assert text.count("<table ") == 3
    assert "<script>" not in params_html({"<script>": Parameters().loads('{"params": [{"name": "a", "value": 1.4}]}')["a"]})
    assert "2.61101" in ci_html(CI)
    assert "was not reached" in ci_html({"a": [(.95, -np.inf), (0., 1.), (.95, 2.)]})
    for html in (text, ci_html(CI)):
        tags = re.findall(r"</?(\w+)", html)
        assert set(tags) <= {"div", "style", "table", "caption", "thead", "tbody", "tr", "th", "td", "p", "strong"}
        selectors = re.findall(r"^(.+?) \{", html, re.MULTILINE)
        assert selectors and all(part.strip().startswith(".gslfit ") for line in selectors for part in line.split(","))


def test_html_of_a_fit():
    """A Minimizer shows itself in a notebook, once it is fitted; so does its result."""
    p = Parameters()
    p.add_many(("a", 1.), ("b", 2.))
    x = np.linspace(0, 1, 20)
    mini = gslfit.Minimizer(lambda p: p["a"]*x + p["b"] - 3*x - 1 - .1*np.sin(9*x), p)
    assert mini._repr_html_() is None
    mini.leastsq()
    assert mini._repr_html_() == mini.result._repr_html_() == fit_html(mini)
    assert repr(p["a"].value) in mini._repr_html_()


@pytest.mark.parametrize("scale", [1e-300, 1e-12, 1e-5, 0.1, 1.0, 7.0, 1e3, 1e7, 1e15, 1e300])
def test_rounded_to_the_error(scale):
    """A value and its error agree with what they stand for to a twentieth of the error, and show no more than they need."""
    rng = np.random.default_rng(8)
    for value, share in zip(rng.normal(0, 3, 200), 10.0**rng.uniform(-8, 3, 200), strict=True):
        value, error = value*scale, abs(value)*share*scale
        if not 1e-305 < error < 1e300:
            continue
        shown, about = rounded(value, error)
        assert float(about) == pytest.approx(error, rel=0.051)
        assert float(shown) == pytest.approx(value, rel=0, abs=0.051*error)
        assert len(re.sub(r"e.*|^[-0.]+|\.", "", about).rstrip("0")) <= 2
        assert len(shown) <= 24
    assert rounded(9.96, 0.0996) == ("9.96", "0.10") and rounded(0.0, 0.3) == ("0.00", "0.30")
    assert rounded(math.nan, 1.0)[0] == "nan" and rounded(2.5, math.inf)[1] == "inf" and rounded(2.5, None) == ("2.5", "")


def test_doubts_are_coloured():
    """An error that is unknown, a value at its bound, a warning, an infinite limit are marked as doubtful, and nothing else is."""
    x = np.linspace(0, 4, 30)
    y = 2*np.exp(-x/1.5) + 0.01*np.sin(9*x)
    good = gslfit.fit("A*exp(-x/tau)", y, x=x, A=1.0, tau=1.0)
    assert 'class="doubt"' not in good._repr_html_()
    p = Parameters()
    p.add("A", 1.0, max=1.5)
    p.add("tau", 1.0)
    bounded = gslfit.fit("A*exp(-x/tau)", y, p, x=x)._repr_html_()
    assert re.search(r'<td class="doubt">at max</td>', bounded) and re.search(r'<td class="doubt">unknown</td>', bounded)
    assert '<td class="doubt" title="inf">inf</td>' in ci_html({"a": [(.95, 0.5), (0., 1.), (.95, np.inf)]})


def test_correlations_in_colours():
    """The table of correlations is a triangle whose colours go with sign and size; small ones stay blank."""
    x = np.linspace(0, 4, 30)
    html = gslfit.fit("A*exp(-x/tau) + c", 2*np.exp(-x/1.5) + 0.01*np.sin(9*x), x=x, A=1.0, tau=1.0, c=0.1)._repr_html_()
    cells = re.findall(r'rgba\((\d+), \d+, \d+, ([0-9.]+)\)">([-+.0-9]+)<', html)
    assert len(cells) == 3
    for red, alpha, r in cells:
        assert (red == "214") is (float(r) > 0) and float(alpha) == pytest.approx(0.8*abs(float(r)), abs=0.006)
    assert "rgba(214" not in fit_html(gslfit.fit("A*exp(-x/tau)", 2*np.exp(-x/1.5), x=x, A=1.0, tau=1.0), min_correl=1.0)


def test_html_of_a_batch():
    """A batch shows how its fits ended, the middle of each parameter, and a small map of two axes: all blank where it failed."""
    x = np.linspace(0, 4, 30)
    cube = 2*np.exp(-x/np.linspace(1, 2, 12).reshape(3, 4, 1))
    cube[1, 2] = np.nan
    html = gslfit.fit_batch("A*exp(-x/tau)", cube, x=x, start={"A": 1, "tau": 1})._repr_html_()
    assert re.search(r"<td>11</td><td class=.text.>converged</td>", html) and "bad data" in html
    images = [b64decode(data) for data in re.findall(r'src="data:image/png;base64,([^"]+)"', html)]
    assert len(images) == 2
    from matplotlib.image import imread
    picture = imread(BytesIO(images[1]))
    assert picture.shape == (3, 4, 4) and (picture[..., 3] == 0).sum() == 1 and picture[1, 2, 3] == 0
    assert "<img" not in gslfit.fit_batch("A*exp(-x/tau)", cube[0], x=x, start={"A": 1, "tau": 1})._repr_html_()
    nothing = gslfit.fit_batch("A*exp(-x/tau)", cube*np.nan, x=x, start={"A": 1, "tau": 1})._repr_html_()
    assert "no good fit" in nothing


def test_html_of_models_and_formulas():
    """A model shows its parts, their formulas and hints, a formula its typeset form."""
    model = gslfit.models.GaussianModel(prefix="g_") + gslfit.models.LinearModel()
    html = model._repr_html_()
    for part in ("g_amplitude, g_center, g_sigma", "slope, intercept", "slope*x + intercept", "g_fwhm", "Hints"):
        assert part in html
    assert "&lt;lambda&gt;" in gslfit.Model(lambda x, a: a*x)._repr_html_() or "lambda" in gslfit.Model(lambda x, a: a*x)._repr_html_()
    assert gslfit.Formula("a/x")._repr_latex_().startswith("$\\displaystyle \\frac")
    assert gslfit.Formula(lambda x, a: np.sort(a*x))._repr_latex_() is None


def test_empty():
    """Nothing to report is no error."""
    assert fit_report(Parameters()) == "[[Variables]]"
    assert ci_report({}) == ""
    assert Path(__file__).exists()


def test_wide_limits_keep_apart():
    """This used to run columns of numbers above 1000 together."""
    text = ci_report({"b": [(.95, 1278.58684), (0., 1288.13968), (.95, 1297.71413)]})
    assert text.splitlines()[1].split() == ["b", "1278.58684", "1288.13968", "1297.71413"]
