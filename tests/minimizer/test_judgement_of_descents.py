"""What a descent asks of the judgement depends on the point alone."""
from functools import partial

import numpy as np

from gslfit.errors import FitStatus
from gslfit.minimizer.least_squares import Descent, Problem, best_of


class Unbounded:
    """No bounds: internal and external values are the same."""

    def fit_bounds(self, x, reach):
        """Return them as they are."""
        return x

    def external(self, v):
        """Return them as they are."""
        return v


def at_minimum():
    """Return a descent of a linear problem at its minimum, where residual is left."""
    x = np.linspace(0, 3, 20)
    matrix, y = np.cos(np.outer(x, range(4))), np.sin(5*x)
    best, none = np.linalg.lstsq(matrix, y, rcond=None)[0], np.full(4, np.inf)
    descent = Descent(Problem(lambda v: matrix @ v - y, lambda v: matrix, Unbounded(), -none, none, best, matrix @ best - y))
    descent.begin()
    return descent


def descent_of(residual, start):
    """Return a descent of a residual without bounds or derivatives."""
    none = np.full(len(start), np.inf)
    start = np.array(start)
    descent = Descent(Problem(residual, None, Unbounded(), -none, none, start, residual(start)))
    descent.begin()
    return descent


def judged(descent, depth):
    """Return the judgement, asked from so many calls further down, where other numbers were on the stack before."""
    return judged(descent, depth - 1) if depth else descent.judge(descent._scale())


def test_a_minimum_is_one_whatever_was_in_memory():
    """A field of the evidence that is left out counts as 0; a minimum was called a lost effect, depending on what the stack held."""
    for depth in range(40):
        assert judged(at_minimum(), depth) == ("minimum", True, (), ())


def test_of_equal_ends_the_one_without_doubt_counts():
    """Two methods that end at the same chi-square, only one of them sure of it: the fit is a success; a lower end goes before."""
    sure = at_minimum().finish(True, FitStatus.STEP)
    doubted = sure._replace(converged=False, reason=FitStatus.NO_PROGRESS)
    assert sure.converged and not sure.doubtful and doubted.doubtful
    for tried in ([doubted, sure], [sure, doubted], [doubted, doubted, sure]):
        assert best_of(tried) is sure
    lower = doubted._replace(residual=.9*sure.residual)
    assert best_of([sure, lower]) is lower


def test_what_lost_its_effect_is_told_from_the_caller_s_start():
    """A descent that begins where a peak has left the data ends without it: no minimum, if the peak was seen where the caller began."""
    x = np.linspace(0, 3, 20)
    y = np.sin(5*x)

    def residual(v):
        return v[0] + np.exp(-(x - v[1])**2) - y
    first, later = descent_of(residual, [0., 1.]), descent_of(residual, [np.mean(y), 1e4])
    assert later.finish(True, FitStatus.STEP).verdict == "rank-deficient"
    later.origin = first
    end = later.finish(True, FitStatus.STEP)
    assert (end.verdict, end.lost, end.converged) == ("lost", (1,), False)


def test_errors_of_derivatives_excuse_no_way_down():
    """Of columns that are dependent but for 1e-6 differences leave a slope of 5e-4 in doubt, which the residual itself doesn't."""
    x = np.linspace(0, 3, 20)
    slope, bend, rest = np.linalg.qr(np.stack([x, x**2, np.sin(5*x)], axis=1))[0].T

    def residual(v, off):
        return (v[0] + v[1])*slope + (1e-6*v[1] + off)*bend + rest
    for off, minimum in ((5e-4, False), (0., True)):
        end = descent_of(partial(residual, off=off), [0., 0.]).finish(False, FitStatus.STEP)
        assert end.converged == minimum
