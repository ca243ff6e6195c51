"""Successes are at a minimum, by arithmetic that shares nothing with gslfit's; and the judges themselves know a minimum."""
from collections import Counter

import numpy as np
import pytest
from random_formulas import exact, formulas

import gslfit
from fuzz.certificate import certified, chi_square, look, rows_of
from fuzz.draws import draw
from fuzz.entries import ROWS, RUN
from fuzz.judge import FAULT, ROUNDING, bent, effects, judge
from fuzz.texts import Text
from fuzz.truth import compare_sets, fuzz, of_library, run_block
from gslfit.curves._batch import instruction_set
from gslfit.models import ENTRIES

# seed, successes, and how many of them are not at a minimum, as it was when this was written: to become 0
QUICK = {"fit_batch": (7, 1500, 0), "fit": (3, 100, 0), "minimize": (4, 40, 0)}
SLOW = {"fit_batch": (1, 20_000, 1)}


@pytest.mark.parametrize("entry", QUICK)
def test_successes_are_minima(entry):
    """A few successes of each entry."""
    seed, successes, most = QUICK[entry]
    tally = fuzz(entry, seed, successes)
    assert tally.successes >= successes
    assert len(tally.faults) <= most and not tally.broken, tally.report()


def test_an_error_that_is_not_gslfits_own_is_listed(monkeypatch):
    """Of fits that raise, those are named whose error tells the caller nothing."""
    errors = iter([IndexError, gslfit.errors.NonFiniteError] * 20)

    def fails(*args, **kws):
        raise next(errors)
    monkeypatch.setattr(gslfit, "minimize", fails)
    tally = run_block(("minimize", 4, 0, False, ""))
    assert tally.raised == {"IndexError": 20, "NonFiniteError": 20}
    assert [(fault.row, fault.kind) for fault in tally.broken] == [(row, "IndexError") for row in range(0, 40, 2)]


def test_where_instruction_sets_differ_is_listed():
    """A row that is a success by one set alone is counted and named; the library's models have none among a few curves."""
    best = instruction_set()
    said = compare_sets([("made", lambda: np.array([True, instruction_set() == best]))])
    assert said.startswith("2 rows, 2 successes by")
    assert ("made, row 1" in said) == (best != "base")
    assert "row" not in compare_sets(of_library(5, 1)).split(" rows", 1)[1]
    assert instruction_set() == best


@pytest.mark.slow
@pytest.mark.parametrize("entry", SLOW)
def test_many_successes_are_minima(entry):
    """Some thousands of successes."""
    seed, successes, most = SLOW[entry]
    tally = fuzz(entry, seed, successes)
    assert tally.successes >= successes
    assert len(tally.faults) <= most and not tally.broken, tally.report()


# seed and row of ends that were called successes: on their way to a bound where the model has no value, held at a bound by what others had
# left to go, in a valley that Newton's step doesn't see, at an amplitude of 1e308, where squares underflow, in narrow valleys that passed
# for kinks, off a kink, at a bound that an amplitude of the other sign is pushed away from, at twice the rounding of zeros; in valleys bent
# by powers of e along which amplitudes of 1e-59 or 1e8 go, run off to a constant, at the limit of evaluations on slow ways down, with a
# waist of 1e-11 or an edge between two points from a start on a bound, at the 0 of a parameter that enters squared; on a bound that nothing
# pushes them against, edges between two points that no bound silences, above a way down from a bound that
# has no end; over a pole that passed for a kink, at the limit of Newton steps in a valley that gets ever flatter, at amplitudes of 1e16 to
# 1e267 whose columns are all one, at the 0 of a parameter that enters squared, a decay at its bound 0 that only a time of 1e5 would wake,
# on a plain that evaluations did not suffice to tell, next to a bound where symmetry leaves no slope, at a 0 that nobody had evaluated,
# on top of a hill at the limit of evaluations, beams whose waist is too small to be seen, at a bound from which a refit of dependent
# columns led astray, lower than another fit whose null space nobody had followed to the end, in a bent valley at the limit of evaluations,
# at the bound 0 of what enters squared, from a start 1e4 times too far off, before the wall of an edge that passed for a parabola,
# in a valley of errors of a few times the start, of which no part was tried, next to bounds on which the model has no value and beside
# which nothing is seen, run off from a start at 0,
# a plateau that chi-square falls from on both sides, where a row began and slopes are next to nothing, sines along whose frequency
# chi-square is level, parameters that had turned a curve round and round, widths that began on their bounds beside a centre on its own
MENDED = ((400, 92051), (400, 307744), (400, 334737), (400, 352082), (400, 4256), (501, 28109), (400, 94313), (400, 185318), (901, 66384),
          (901, 33076), (1, 13178), (901, 65154), (4001, 19009), (4001, 19038), (5001, 10096), (5001, 10964), (2001, 42114), (3001, 6923),
          (5001, 25786), (501, 28459), (2001, 37387), (6001, 45005), (6001, 45096), (6001, 82907), (4001, 43210), (400, 91509),
          (60001, 495197), (60001, 559093), (60001, 692381), (13001, 33041), (13001, 79765), (60001, 577467), (60001, 1024024),
          (60001, 692019), (31001, 369), (60001, 237420), (60001, 268218), (60001, 560275),
          (41004, 13069), (41004, 13237), (2001, 58172), (2001, 58250), (5001, 33495), (911, 73175), (11001, 6985),
          (13001, 29473), (4001, 86556), (901, 61056), (12001, 45712), (80001, 746068), (80001, 746129), (80001, 746547),
          (80001, 746905), (80001, 1304125), (80001, 1304477), (80001, 1753108), (80001, 1753118), (80001, 1753125), (80001, 1653341),
          (80001, 1200732), (80001, 1200827), (80001, 533323), (80001, 628002), (80001, 884949),
          (80001, 1284843), (80001, 884001), (80001, 884372), (101001, 21562), (101001, 1121048), (101001, 279047), (101001, 601482),
          (101001, 1161081), (101001, 578009), (101001, 1415022), (101001, 1415829), (101001, 137046), (101001, 1179069), (101001, 1179724),
          (101001, 1443362), (101001, 1765825), (101001, 1765394), (101001, 1693763), (80001, 1649050), (80001, 95942), (80001, 966062),
          (91001, 82858), (80001, 268326), (35001, 6273), (103001, 761254), (103001, 761647), (103001, 1281000), (103001, 1281018),
          (103001, 1281168), (80001, 746689), (107001, 867857), (107001, 1127103), (107001, 1387173), (107001, 1305050),
          (110001, 1321097), (110001, 1321146), (110001, 780317), (110001, 884851), (112001, 492571),
          (114001, 2554047), (114001, 2554108), (114001, 2554146), (114001, 2554822), (116001, 1999103), (116001, 1999212),
          (118001, 2586105), (120001, 2164296), (120001, 2164428), (120001, 2512136),
          (128001, 1021028), (128001, 1021198), (128001, 1021397), (128001, 1021765),
          (126001, 1702079), (126001, 1702455), (134001, 1157397), (122001, 1763128), (112001, 3104603), (114001, 810012), (132001, 348089),
          (140001, 1916086), (140001, 1916382), (122001, 640661), (130001, 1441411), (138001, 1161938), (140001, 623006), (140001, 623631),
          (114001, 1297801), (136001, 2544179), (140001, 2529070), (140001, 2529887))


# the same of `minimize`: ends at bounds that were never judged again, after a look from inside had found nothing that converged, narrow
# valleys that passed for kinks, a Jacobian from beside a bound, forward differences of ten parameters, exploding starts, a minimum at
# infinity that a way down leads along for ever, ways down over what passed for kinks that ended before they were down, next to a bound on
# which the model has no value, ends that steps had not settled on and that J leaves open, saddles from which chi-square falls by less
# than 1e-9 of itself at first, Newton steps that had not come to an end in a narrow valley, minima at infinity, a kink, a start that was
# moved from next to its bound onto a plain, a rank that was another place's, an angle of 1e134, kinks that differences reached across,
# differences by the step that a plain had asked for, a way down from a kink that ended before it was down, what J left open and nobody
# had evaluations left to look at, valleys longer than a step, moved inside from a bound on which the model has no value, or from 0, to
# where nothing tells what was moved, an edge between two points that wide differences reached across to the next one, a start that
# explodes, in whose unit the residual left is zero, one at 0 of what counts from 1e22 on, second derivatives that are out of range, a
# model gone to zero, an overflow on one side of a difference, a peak that its bounds keep among data of zeros, in whose middle chi-square
# is level
MENDED_BY_MINIMIZE = ((700, 570), (700, 1481), (700, 2711), (700, 568), (700, 2775), (700, 1718), (700, 4909), (701, 1268), (701, 1276),
                      (701, 271), (700, 5731), (710, 3145), (710, 3855), (710, 850), (711, 1510), (711, 1519), (900, 9861),
                      (900, 8770), (900, 7139), (900, 5237), (900, 9714), (910, 48), (910, 1933), (910, 1980),
                      (700, 2434), (701, 2903), (900, 3978), (710, 3523), (711, 1484), (1400, 8656), (700, 3499),
                      (1905, 3822), (1905, 1614), (1905, 4602), (1905, 20929), (1905, 50085),
                      (1907, 23093),
                      (1911, 28404), (1911, 28410), (1911, 42475), (1911, 18074), (1911, 48876), (1911, 40303), (1911, 31325),
                      (1911, 29843), (1911, 69814), (1911, 34492), (1911, 92257), (1911, 92266),
                      (1921, 3840), (1921, 3854), (1921, 3860), (1931, 50828), (1941, 41692),
                      (1911, 27226), (1941, 62578), (2021, 35404), (2021, 35409), (2021, 15446), (2021, 42457), (2061, 78202),
                      (2061, 77206), (2061, 77218), (2041, 371), (2041, 387), (2061, 110773), (2021, 42238), (1922, 4145),
                      (2071, 42345), (2071, 46462), (1921, 5758), (2021, 3007), (2021, 6112), (2031, 25779), (2031, 25694), (2071, 17675),
                      (2091, 11383), (2091, 53733), (2091, 5108), (2091, 56218), (2091, 56229), (2095, 15959), (2101, 2581),
                      (2103, 34615), (2103, 41657), (2011, 7666), (2011, 18381), (2021, 107134), (2091, 27108),
                      (2103, 67807), (2103, 23024), (2107, 28254), (2107, 34880), (2107, 38632), (1941, 53169),
                      (2021, 76874), (2095, 21597), (2105, 25294),
                      (2061, 102742), (2109, 34148), (2111, 14314), (2111, 22959), (2113, 35329),
                      (2113, 38323))

# the same of `fit`: an amplitude that ran onto the bound from which it silenced others, looked at again with these where they had ended; a
# smooth valley that passed for a kink, a disk of no radius
MENDED_BY_FIT = ((1500, 12713), (2001, 76214), (2001, 47188), (3009, 50109))

# minima that were called failures: parameters that enter by their squares; an IndexError where what has vanished is 0
FOUND = ((700, 60), (700, 1848), (700, 3505), (700, 4680), (1931, 17085), (2031, 14560), (2061, 114801), (2081, 15330), (2101, 2231),
         (2117, 61940))


# minima that `fit_batch` called failures: silenced by a bound for all that the lanes said
FOUND_BY_BATCHES = ((2, 25222), (2, 25805), (501, 13101))


def single(entry, seed, row):
    """Fit a row by an entry that fits one by one; return its end, and the verdict on it where that is a success."""
    number, k = divmod(row, ROWS[entry])
    block = draw(seed, number, ROWS[entry], entry)
    ends = RUN[entry](block, np.array([k]))
    assert ends.raised[k] == ""
    return ends.success[k], judge(rows_of(block).take([k]), ends.values[k][None], Counter())[0] if ends.success[k] else None


@pytest.mark.parametrize(("seed", "row"), [pytest.param(*place, marks=[pytest.mark.slow] if k > 3 else [])
                                           for k, place in enumerate((*FOUND, *MENDED_BY_MINIMIZE))])
def test_what_minimize_took_for_a_minimum(seed, row):
    """Single rows of `minimize` that ended away from a minimum, or at one that was not said: where they are a success, they are at one."""
    success, found = single("minimize", seed, row)
    assert success or (seed, row) not in FOUND
    assert not success or found.outcome != FAULT, found


@pytest.mark.parametrize(("seed", "row"), MENDED_BY_FIT)
def test_what_fit_took_for_a_minimum(seed, row):
    """Single rows of `fit` that ended away from a minimum: where they are a success, they are at one."""
    success, found = single("fit", seed, row)
    assert not success or found.outcome != FAULT, found


@pytest.mark.parametrize(("seed", "row"), [*MENDED, *FOUND_BY_BATCHES])
def test_what_was_no_minimum(seed, row):
    """Single rows that ended away from a minimum, or at one that was not said: where they are a success, they are at one."""
    number, k = divmod(row, 1000)
    drawn = draw(seed, number, 1000, "fit_batch")
    weights = drawn.weights if drawn.weights is None or drawn.weights.ndim == 1 else drawn.weights[k:k + 1]
    block = drawn._replace(y=drawn.y[k:k + 1], weights=weights, start=drawn.start[k:k + 1])
    ends = RUN["fit_batch"](block, np.array([0]))
    assert np.isfinite(ends.values).all()
    assert ends.success[0] or (seed, row) not in FOUND_BY_BATCHES
    if ends.success[0]:
        found = judge(rows_of(block), ends.values, Counter())[0]
        assert found.outcome != FAULT, found


def fitted(number):
    """Return a block's successes with a certificate: rows, ends and their neighbourhood."""
    block = draw(7, number, 120, "fit_batch")
    ends = RUN["fit_batch"](block, np.arange(120))
    good = np.flatnonzero(ends.success)
    rows, values = rows_of(block).take(good), ends.values[good]
    here = look(rows, values)
    sure = certified(rows, values, here)
    return rows.take(sure), values[sure], look(rows.take(sure), values[sure])


@pytest.mark.parametrize("number", [1, 2, 5])
def test_judge_sees_what_is_off(number):
    """Ends moved so that chi-square rises by 4e-4 of the reduced one, along H's last eigenvector, are faults; by 1e-10, none is."""
    rows, values, here = fitted(number)
    s = np.sqrt(here.s2)
    clear = s > 1e3*np.sqrt(here.rounding)      # rounding leaves a move to be told
    along = np.einsum("bij,bj->bi", here.back, here.vectors[:, :, -1])*(s/np.sqrt(here.values[:, -1]))[:, None]
    inside = ((values + .02*along > rows.low) & (values + .02*along < rows.high) & ~here.held).all(axis=1) & clear
    chosen, count = rows.take(inside), np.count_nonzero(inside)
    assert count > 30
    off = Counter(verdict.outcome for verdict in judge(chosen, values[inside] + .02*along[inside], Counter()))
    assert off == {FAULT: count}
    near = Counter(verdict.outcome for verdict in judge(chosen, values[inside] + 1e-5*along[inside], Counter()))
    assert FAULT not in near


def rectangle(width):
    """Return the rows of zeros beside a rectangle of arctangents far off, of so little width, and its parameters."""
    text = Text("A/pi*(atan((x - a)/s) + atan((b - x)/s))", ("x",), ("A", "a", "b", "s"))
    x, v = np.linspace(-5, 5, 12), np.array([[1.2, -292.0, -292.0*(1 - width), 7e-4]])
    free = np.full(4, np.inf)
    block = draw(7, 0, 1, "fit_batch")._replace(text=text, x=(x,), y=np.zeros((1, 12)), weights=None, low=-free, high=free,
                                                 start=np.array([[1.7, -291.0, -293.4, 7e-4]]))
    return rows_of(block), v


def test_judge_knows_what_cancels():
    """Arms of a rectangle that cancel to the last digit of each leave nothing to descend, though they differ by 1e-10 of the start's."""
    assert judge(*rectangle(1e-10), Counter())[0].outcome == ROUNDING
    assert judge(*rectangle(1e-8), Counter())[0].outcome == FAULT


def test_judge_steps_over_no_pole():
    """A Fermi edge of which one point is seen, between bounds: at its minimum it passes through that point, the centre held.

    Lower ends lie beyond kt = 0, where the edge jumps from one side to the other; the barrier before it is as thin as kt is small, and as
    low as that point's residual.
    """
    rows = rows_of(draw(80001, 884, 1000, "fit_batch")).take([164])
    ended = np.array([-0.1052429281365516, 7.7681735700500605, .0548013524285849])
    there = ended*np.array([[1, 1, 1], [1, 1, .5], [1, 1, 2], [1, 1.001, 1], [1, 2, -3e8]])
    chi = chi_square(rows.take([0, 0, 0, 0, 0]), there)
    assert (chi[1:4] > chi[0]).all() and chi[4] < .9*chi[0]
    assert judge(rows, there[:1], Counter())[0].outcome != FAULT
    assert judge(rows, there[2:3], Counter())[0].outcome == FAULT


def test_judge_enters_no_hole():
    """A peak of which one point is seen, its width at its bound: beyond a width of 0, where it has no value, is another valley."""
    rows = rows_of(draw(114001, 1378, 1000, "fit_batch")).take([66])
    ended = np.array([[0.3667441876336642, 0.1568883196559053]])
    assert judge(rows, ended, Counter())[0].outcome != FAULT
    assert judge(rows, ended + [[.02, 0]], Counter())[0].outcome == FAULT


def test_judge_knows_what_enters_squared():
    """A Gaussian's width that is 0 at its best has not lost its effect; one that has run off to where chi-square is level has."""
    x = np.linspace(-2, 2, 9)
    text = Text("A*exp(-x**2*(1 + s**2)) + B*exp(-(x - 40)**2) + 0*c", ("x",), ("A", "s", "B", "c"))
    start = np.array([[1.2, .5, .3, .4]])
    y = np.exp(-.8*x**2) + .01*np.cos(5*x)
    block = draw(7, 0, 1, "fit_batch")._replace(text=text, x=(x,), y=y[None], weights=None, low=np.full(4, -np.inf),
                                                  high=np.full(4, np.inf), start=start)
    rows = rows_of(block)
    assert bent(rows, np.array([1.0, 0.0, .3, .4])).tolist() == [True, True, False, False]
    assert bent(rows, np.array([0.0, 1e4, .3, .4])).tolist() == [True, False, False, False]


def test_judge_sees_effects_whose_squares_underflow():
    """Of 1e-167 in the row's unit, at an amplitude of 1e167, a column has no square, and its effect is that of the amplitude."""
    text, x = Text("A*x + b", ("x",), ("A", "b")), np.linspace(1, 2, 9)
    block = draw(7, 0, 1, "fit_batch")._replace(text=text, x=(x,), y=3e167*x[None]**2, weights=None, low=np.full(2, -np.inf),
                                                  high=np.full(2, np.inf), start=np.array([[1e167, 0.]]))
    found = effects(rows_of(block), np.array([3e167, 0.]), np.array([3e167, 0.]))
    assert found[0] > 1
    assert found[1] == 0


def test_judge_sees_a_saddle():
    """Two equal Gaussians fitted to a flat-topped curve: the point where they coincide is stationary, and no minimum."""
    x = np.linspace(-4, 4, 60)
    text = Text("exp(-(x - a)**2) + exp(-(x - b)**2)", ("x",), ("a", "b"))
    y = np.exp(-(x - 1)**2) + np.exp(-(x + 1)**2)
    block = draw(7, 0, 1, "fit_batch")._replace(text=text, x=(x,), y=y[None], weights=None, low=np.full(2, -np.inf),
                                                  high=np.full(2, np.inf), start=np.zeros((1, 2)))
    found = judge(rows_of(block), np.zeros((1, 2)), Counter())[0]
    assert found.outcome == FAULT
    assert "saddle" in found.kind
    assert judge(rows_of(block), np.array([[1.0, -1.0]]), Counter())[0].outcome != FAULT


def test_same_seed_same_bits():
    """The same seed gives the same bits, by one process and by two; another seed gives others."""
    one, two = fuzz("fit_batch", 7, 1500), fuzz("fit_batch", 7, 1500, processes=2)
    assert one.hash.hexdigest() == two.hash.hexdigest()
    assert fuzz("fit_batch", 4, 50).hash.hexdigest() != one.hash.hexdigest()


@pytest.mark.parametrize("text", formulas(40, 11))
def test_jets_against_mpmath(text):
    """Value and first derivatives of random formulas, by mpmath."""
    names = tuple(name for name in "abcd" if name in Counter(text.replace("tan", "").replace("cbrt", "")))
    point = {"x": .71, "y": .37, "a": .83, "b": 1.31, "c": -.47, "d": .59}
    x = tuple(np.array([point[name]]) for name in ("x", "y"))
    jet = Text(text, ("x", "y"), names).jet(x, np.array([[point[name] for name in names]]), 1)
    value, slopes = exact(text, point, names)
    assert np.broadcast_to(jet.value, (1, 1))[0, 0] == pytest.approx(value, rel=1e-12, abs=1e-14)
    mine = [float(np.broadcast_to(jet.d.get(k, 0.0), (1, 1))[0, 0]) for k in range(len(names))]
    assert mine == pytest.approx(slopes, rel=1e-10, abs=1e-12*max(1.0, *map(abs, slopes)))


@pytest.mark.parametrize("cls", [name for name, entry in ENTRIES.items() if not entry.slow])
def test_second_derivatives(cls):
    """Second derivatives of the library's formulas, by differences of the first."""
    entry = ENTRIES[cls]
    for form in entry.forms or (None,):
        code = compile(entry.text(form), cls, "exec")
        names = tuple(name for name in entry.defaults if name in code.co_names)
        v = 1.1 + np.linspace(0, .5, len(names))[None]
        if "T" in names:
            v[0, names.index("T")] = 5e3
        text = Text(entry.text(form), entry.independent, names)
        x = tuple(np.linspace(.31, 4.17, 7)*(k + 1) for k in range(len(entry.independent)))
        h = text.jet(x, v, 2).h
        for k in range(len(names)):
            step = 1e-5*v[0, k]*(np.arange(len(names)) == k)
            up, down = text.jet(x, v + step, 1).d, text.jet(x, v - step, 1).d
            for i in range(len(names)):
                slope = np.broadcast_to((np.asarray(up.get(i, 0.0)) - down.get(i, 0.0))/(2e-5*v[0, k]), (1, 7))
                mine = np.broadcast_to(h.get((min(i, k), max(i, k)), 0.0), (1, 7))
                assert mine == pytest.approx(slope, rel=1e-5, abs=1e-6*max(np.abs(slope).max(), 1e-9))
