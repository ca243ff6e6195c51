"""Reports of values, errors and bounds of every size and sign, of hostile names and messages: against lmfit or a plain rule."""
import math
import re
from html.parser import HTMLParser
from itertools import product
from types import SimpleNamespace

import lmfit
import numpy as np
import pytest

from gslfit import Parameters
from gslfit.report.html import ci_html, fit_html, params_html
from gslfit.report.text import ci_report, error_report, fit_report, fixed_width, params_table

SIZES = (1e-300, 2.5e-120, 3e-101, 1e-99, 1.5e-12, 9.9999e-4, 1e-3, 0.25, 1.0, 99999.5, 123456789.0, 1e9, 1.5e15, 1e99, 3e101, 1e300)
NUMBERS = (*(sign * size for size in SIZES for sign in (1, -1)), 0.0, math.nan, math.inf, -math.inf)


class Cells(HTMLParser):
    """The texts of the cells of a table, and the tags in it."""

    def __init__(self, text):
        super().__init__()
        self.cells, self.tags = [], set()
        self.feed(text)

    def handle_starttag(self, tag, _):
        """Note a tag, begin a cell."""
        self.tags.add(tag)
        if tag in ("td", "th"):
            self.cells.append("")

    def handle_data(self, data):
        """Add to a cell."""
        if self.cells:
            self.cells[-1] += data


def one(value, stderr=None, start=None, **bounds):
    """Parameters with one in it, as a fit leaves it."""
    params = Parameters()
    params.add("p", 0.0)
    par = params["p"]
    par.min, par.max = bounds.get("min"), bounds.get("max")
    par.value = value
    par.stderr, par.init_value = stderr, start
    return params


@pytest.mark.parametrize("width", [8, 11, 14])
def test_numbers_keep_their_width(width):
    """A number of whatever size and sign takes the width that it is given, is read back, and is lmfit's where lmfit keeps the width."""
    for value in NUMBERS:
        text = fixed_width(value, width)
        assert len(text) == width, (value, text)
        if math.isfinite(value) and value:
            exponent = abs(math.log10(abs(value))) >= 98.9 or "e" in text
            digits = max(width - 7 - (abs(math.log10(abs(value))) > 99), 0) if exponent else width - 8
            assert float(text) == pytest.approx(value, rel=0.6 * 10.0**-digits), (value, text)
        if width == 11 and abs(value) < 1e99 and (abs(value) > 1e-99 or not value):
            assert text == lmfit.printfuncs.gformat(value, width), value


@pytest.mark.parametrize("scale", [1e-250, 1e-9, 1.0, 1e9, 1e250])
@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("width", [1e-6, 1.0, math.inf])
def test_where_bounds_are_named(scale, sign, width):
    """A value is at a bound if it lies there by the measure of the value and of the box, whatever its size and sign, in every report."""
    low, high = sorted((sign * scale, sign * scale * (1 + sign * width))) if math.isfinite(width) else (sign * scale, math.inf)
    span = high - low if math.isfinite(high) else scale
    cases = [("min", low), ("min", low + 1e-9 * span), ("", low + 1e-3 * span), ("", low + 0.5 * span)]
    if math.isfinite(high):
        cases += [("max", high), ("max", high - 1e-9 * span), ("", high - 1e-3 * span)]
    for both, (wanted, value) in product((True, False), cases):
        if width <= 1e-5 and abs(value - low) not in (0, high - low) and wanted:
            continue        # nearer than the last digit of value tells
        if wanted and value and {"min": low, "max": high}[wanted] == 0:
            continue        # a value is at zero only if it is zero
        bounds = {"min": low, "max": high if math.isfinite(high) else None} if both else {wanted: {"min": low,
                                                                                                   "max": high}[wanted]} if wanted else {}
        params = one(value, 0.1 * span, value + 0.3 * span, **bounds)
        note = f" at its bound {wanted}" if wanted else ""
        assert error_report(params).splitlines()[0].endswith(")" + note), (value, bounds)
        assert fit_report(params).splitlines()[1].endswith(")" + note), (value, bounds)
        assert Cells(params_html(params)).cells[-1] == (f"at {wanted}" if wanted else "")
        result = SimpleNamespace(params=params, errorbars=False, success=True, message="")
        assert ("at boundary" in fit_report(result)) is bool(wanted)
        params["p"].vary = False
        assert "bound" not in fit_report(params) + error_report(params)
        assert Cells(params_html(params)).cells[-1] == ""


def test_errors_of_either_sign_and_any_size():
    """The error's share of a value is positive, is lmfit's to the digit, and is left out at zero."""
    for value, stderr in product((2.0, -2.0, 1e-12, -1e-12, 1e12, 0.0), (0.5, 1e-15, 3e14, 0.0)):
        ours = fit_report(one(value, stderr, 1.0)).splitlines()[1]
        theirs = lmfit.Parameters()
        theirs.add("p", value)
        theirs["p"].stderr, theirs["p"].init_value = stderr, 1.0
        if value:
            assert ours == lmfit.fit_report(theirs).splitlines()[1], (value, stderr)
            share = float(re.search(r"\(([-0-9.e+]+)%\)", ours).group(1))
            assert share == pytest.approx(100 * stderr / abs(value), abs=0.0051)
            assert Cells(params_html(one(value, stderr, 1.0))).cells[13] == (f"{stderr / abs(value):.2%}" if stderr else "")
        else:
            assert "%" not in ours


@pytest.mark.parametrize("signs", list(product((1, -1), repeat=3)))
@pytest.mark.parametrize("least", [0.0, 0.1, 0.5])
def test_correlations_of_either_sign(signs, least):
    """Correlations are listed by size, those of either sign beyond the least one, each once, in every report."""
    sizes = {("a", "b"): 0.3 * signs[0], ("a", "c"): 0.05 * signs[1], ("b", "c"): 0.8 * signs[2]}
    params = Parameters()
    for name in ("a", "fixed", "b", "c"):
        params.add(name, 1.0, vary=name != "fixed")
        params[name].stderr = 0.1
        params[name].correl = {other: r for pair, r in sizes.items() for other in pair if name in pair and other != name}
    wanted = sorted(((f"C({', '.join(pair)})", r) for pair, r in sizes.items() if abs(r) > least), key=lambda item: -abs(item[1]))

    def listed(text):
        return [(pair, float(r)) for pair, r in re.findall(r"(C\(\w, \w\)) *= *([-+0-9.]+)", text)]
    assert listed(fit_report(params, min_correl=least)) == wanted
    assert listed(error_report(params)) == sorted(((f"C({', '.join(pair)})", r) for pair, r in sizes.items()),
                                                  key=lambda item: -abs(item[1]))
    html = Cells(fit_html(SimpleNamespace(params=params), min_correl=least).split("Correlations")[-1]).cells
    triangle = {"ab": html[4], "ac": html[6], "bc": html[7]}
    assert {f"C({', '.join(pair)})": float(r) for pair, r in triangle.items() if r} == dict(wanted)
    table = fit_report(params, correl_mode="table").split("[[Correlations]]")[1]
    lines = [[cell.strip() for cell in line.strip(" |").split("|")] for line in table.splitlines() if "|" in line]
    rows = {cells[0]: cells[1:] for cells in lines}
    assert rows["Variable"] == ["a", "b", "c"]
    for (first, second), r in sizes.items():
        assert rows[first]["abc".index(second)] == rows[second]["abc".index(first)] == f"{r:+.4f}"
    assert rows["a"][0] == "+1.0000"


@pytest.mark.parametrize("hostile", ["<b>&amp;</b>", '"><script>alert(1)</script>', "a & b < c > d", "'quoted' \"twice\""])
def test_markup_stays_text(hostile):
    """Names, expressions, messages, notes and captions reach a notebook as text, letter by letter."""
    params = one(1.0, 0.1, 1.0)
    params.add("q", 2.0)
    params["q"].vary = False
    result = SimpleNamespace(params=params, success=False, errorbars=False, message=hostile, method=hostile, nfev=3, ndata=4, nvarys=1,
                             chisqr=1.0, redchi=0.5, aic=1.0, bic=1.0)
    shown = Cells(fit_html(result))
    assert hostile in shown.cells
    assert shown.tags <= {"div", "style", "table", "caption", "thead", "tbody", "tr", "th", "td", "p", "strong"}
    assert hostile not in fit_html(result)
    rows = {hostile: params["p"], "plain": params["q"]}
    assert hostile in Cells(params_html(rows, hostile)).cells
    assert not Cells(params_html(rows, hostile)).tags & {"b", "script"}
    limits = {hostile: [(0.95, 1.0), (0.0, 2.0), (0.95, math.inf)]}
    assert hostile in "".join(Cells(ci_html(limits)).cells)
    assert not Cells(ci_html(limits)).tags & {"b", "script"}
    with_expression = Parameters()
    with_expression.add("a", 1.0)
    with_expression.add("z", expr="where(a < 2, a, 2*a)")
    assert "where(a < 2, a, 2*a)" in Cells(params_html(with_expression)).cells


@pytest.mark.parametrize("scale", [1e-12, 1e-9, 1e-6, 1e-3, 1.0, 1e3, 1e12])
@pytest.mark.parametrize("centre", [0.0, 1.0, -1.0, 1e4])
@pytest.mark.parametrize("offset", [False, True])
def test_limits_can_be_told_apart(scale, centre, offset):
    """Limits of parameters of any size are told apart, in order, and no two texts of different limits are alike."""
    centre *= scale
    row = [(p, centre + k * scale * width) for p, k, width in ((0.95, -2, 1e-3), (0.68, -1, 1e-3), (0.0, 0, 1), (0.68, 1, 1e-3), (0.95,
                                                                                                                                  2.1,
                                                                                                                                  1e-3))]
    text = ci_report({"p": row}, with_offset=offset)
    head, line = text.splitlines()[:2]
    assert head.split() == ["95.00%", "68.00%", "_BEST_" if offset else "0.00%", "68.00%", "95.00%"]
    shown = [float(cell) for cell in re.sub(r"^ ?p:?", "", line).split()]
    wanted = [limit - centre * (offset and p > 0) for p, limit in row]
    np.testing.assert_allclose(shown, wanted, rtol=0, atol=max(0.6e-5, 0.02 * scale * 1e-3) if scale >= 1 else 0.02 * scale * 1e-3)
    if not offset:
        assert shown == sorted(set(shown))
    assert len(head) == len(line) or offset


@pytest.mark.parametrize(("low", "high"), [(-math.inf, 3.0), (1.0, math.inf), (-math.inf, math.inf), (1.0, 3.0)])
def test_limits_not_reached(low, high):
    """A limit that was not reached is named by its side and probability, in text and in HTML."""
    limits = {"p": [(0.95, low), (0.0, 2.0), (0.68, high)]}
    wanted = [f"p: the {side} limit of {chance} was not reached"
              for side, chance, limit in (("lower", "95.00%", low), ("upper", "68.00%", high)) if math.isinf(limit)]
    assert [line.strip() for line in ci_report(limits).splitlines()[2:]] == wanted
    html = ci_html(limits)
    for side in ("lower", "upper"):
        assert (f"the {side} limit" in html) is any(side in line for line in wanted)


def test_tables_of_parameters():
    """A table has a column for each attribute, bounds that are not there as infinities, numbers in the format that is asked for."""
    params = Parameters()
    params.add("long_name", -1234.5678, min=-2e3)
    params.add("b", 1e-7, max=1.0, vary=False)
    params.add("c", expr="2*b")
    text = params_table(params)
    head, *rows = (line.split() for line in text.splitlines())
    assert head == ["Name", "Value", "Min", "Max", "Stderr", "Vary", "Expr", "Brute_Step"]
    assert rows == [["long_name", "-1235", "-2000", "inf", "None", "True", "None", "None"],
                    ["b", "1e-07", "-inf", "1", "None", "False", "None", "None"],
                    ["c", "2e-07", "-inf", "inf", "None", "False", "2*b", "None"]]
    assert len({len(line) for line in params_table(params, colwidth=12).splitlines()}) == 1
    assert params_table(params, colwidth=14, precision=3, fmt="e", columns=["value"]).splitlines()[1].split() == ["long_name", "-1.235e+03"]


def test_order_of_names():
    """Names are sorted as people count, or by a key, and values known beforehand stand beside."""
    params = Parameters()
    for name in ("p10", "P2", "p1", "a"):
        params.add(name, 1.0)
    known = Parameters()
    known.add("p1", 7.0)

    def order(**options):
        return [line.split(":")[0].strip() for line in fit_report(params, **options).splitlines()[1:]]
    assert order() == ["p10", "P2", "p1", "a"]
    assert order(sort_pars=True) == ["a", "p1", "P2", "p10"]
    assert order(sort_pars=lambda name: name[::-1]) == ["p10", "p1", "P2", "a"]
    assert [line for line in fit_report(params, known).splitlines() if "model_value = 7" in line] == \
        [line for line in fit_report(params, known).splitlines() if " p1:" in line]
    assert "model_value= 7.000000" in error_report(params, known)


@pytest.mark.parametrize("size", [0.0, 5e-5, 9.9e-4, 1e-3, 0.5, 9.99e8, 1e9, 1e12])
@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("stderr", [None, 0.0, 5e-5, 0.1, 2e9, math.inf, math.nan])
def test_the_manuals_numbers_are_read_back(size, sign, stderr):
    """Values, errors and starts in the manual's layout keep five digits or five decimals, whichever says more."""
    line = error_report(one(sign * size, stderr, sign * size)).splitlines()[0]
    value, error, start = re.fullmatch(r"  p: +(\S+)\+/- (\S+|\(unknown\)) \(initial= (\S+)\)", line).groups()
    assert float(value) == pytest.approx(sign * size, rel=1e-5, abs=0.51e-5 if size >= 1e-3 else 1e-13)
    assert float(start) == pytest.approx(sign * size, rel=1e-5, abs=0)
    if stderr is None or not math.isfinite(stderr):
        assert error == "(unknown)"
    else:
        assert float(error) == pytest.approx(stderr, rel=1e-3, abs=0.51e-5 if stderr >= 1e-4 else 1e-9)
