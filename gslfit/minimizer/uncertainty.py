"""From where a descent ended to errors, correlations and words."""
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from gslfit.errors import FitStatus
from gslfit.minimizer._uncertainty import Errors
from gslfit.minimizer.least_squares import Problem, Solution
from gslfit.minimizer.propagation import DEPENDENT, Spread, determined, propagated
from gslfit.objective.lengths import lengths
from gslfit.parameters.free_variables import dependents
from gslfit.solvers.termination import within

TOUCHING = 1e-6         # of its start's distance: as near to a bound a parameter is on it, as in `src/batch/gsl_refit.c`
NOTHING_VARIES = "no parameter varies: chi-square is that of the values as they are."
ECHELON = 1e-5          # a smaller factor of a column of length 1 is none


class KnownErrors(Errors):
    """Errors of varying parameters, and of what they determine together where some of them have none.

    Attributes
    ----------
    determined : Spread or None
        By the pseudo-inverse, where the data don't determine every parameter.
    """

    determined: Spread | None = None

    @property
    def spread(self) -> Spread:
        """What errors of expressions are made of."""
        if self.determined is not None:
            return self.determined
        held = np.zeros(self.sigma.size, bool)
        held[list(self.held)] = True
        return Spread(self.sigma, held, rows=self.unit if self.complete else np.where(np.isnan(self.sigma)[:, None], 0.0, self.unit))

    def look_at(self, solution: Solution, jacobian: np.ndarray, unit: float) -> None:
        """See what a solution that leaves parameters open determines: by its Jacobian, `unit` a standard error of the weighted data."""
        if not solution.dead or not solution.converged:
            return
        held = np.zeros(solution.x.size, bool)
        held[list(solution.held)] = True
        columns = jacobian.copy()
        columns[:, [j for j in solution.dead if solution.norms[j] == 0 or j in solution.idle]] = 0.0
        self.determined = determined(columns, held, unit)


class Uncertainty(KnownErrors):
    """What a solution says of the errors of its varying parameters.

    Kept as standard errors and directions of length one, so that neither very small nor very large parameters lose them:
    ``covar_ij = sigma_i sigma_j (unit_i . unit_j)``.

    Parameters
    ----------
    solution : Solution
        With more residuals than parameters.
    scale : float
        What the residual was multiplied with.
    scale_covar : bool
        Multiply the covariance by the reduced chi-square.
    """

    def __init__(self, solution: Solution, scale: float, scale_covar: bool) -> None:
        n, p = solution.jacobian.shape
        factor = solution.norm / math.sqrt(n - p) if scale_covar else scale
        super().__init__(solution.factors, solution.norms, factor, solution.dead, solution.held)
        self.look_at(solution, solution.jacobian, factor)


def information(solution: Solution, jacobian: np.ndarray, scale: float, share: np.ndarray) -> KnownErrors:
    """Return the errors of the varying parameters of counts, by Fisher's information.

    Parameters
    ----------
    solution : Solution
        Of deviance residuals.
    jacobian : ndarray, shape (n, p)
        Theirs.
    scale : float
        What the residual was multiplied with.
    share : ndarray, shape (n,)
        As `Loss.share` gives it.
    """
    without = solution.dead + solution.held
    free = [j for j in range(solution.x.size) if j not in without]
    whole = jacobian*share[:, None]
    jacobian, norms = whole[:, free], np.ones(solution.x.size)
    factors = np.zeros((norms.size, share.size))
    if free and np.isfinite(jacobian).all():
        own = lengths(jacobian)
        norms[free] = np.where(own > 0, own, 1.0)
        factors[free] = np.linalg.pinv(jacobian/norms[free])
    found = KnownErrors(factors, norms, scale, solution.dead, solution.held)
    found.look_at(solution, whole, scale)
    return found


class ParameterUncertainties:
    """Standard errors and correlations of all parameters of a fit, worked out when somebody asks.

    Parameters
    ----------
    free : Binding
    values : dict of str to float
        All parameters' fitted values.
    known : KnownErrors or None
        None where errors can't be had.
    """

    def __init__(self, free: Any, values: Mapping[str, float], known: KnownErrors | None) -> None:
        # of the binding what is needed: its parameters would wait for the garbage collector with those that ask
        self.names, self.derived, self.known, self.values = free.names, free._derived, known, values
        self._found: dict[str, tuple[float | None, dict[str, float] | None]] | None = None

    def __call__(self, name: str) -> tuple[float | None, dict[str, float] | None]:
        """Return the standard error and the correlations of one parameter."""
        if self._found is None:
            self._found = self._find()
        return self._found[name]

    def _find(self) -> dict[str, tuple[float | None, dict[str, float] | None]]:
        varying, known = self.names, self.known
        found: dict[str, tuple[float | None, dict[str, float] | None]] = dict.fromkeys(self.values, (0., None))
        # an expression that its own bound holds is as uncertain as the expression
        units = None if known is None else known.spread.units()
        names, slopes = dependents(varying, self.derived, self.values, clip=False, units=units)
        if known is None:
            found.update(dict.fromkeys(varying, (None, None)))
            found.update({name: (None if row.any() else 0., None) for name, row in zip(names, slopes, strict=True)})
            return found
        for name, own, row in zip(varying, known.sigma.tolist(), known.correl.tolist(), strict=True):
            correlations = {other: c for other, c in zip(varying, row, strict=True) if other != name and c == c}
            found[name] = (own, correlations) if own == own else (None, None)
        if names:
            assert units is not None
            errors = propagated(np.asarray(slopes, float), known.spread.by(units)).tolist()
            found.update({name: (error if error == error else None, None) for name, error in zip(names, errors, strict=True)})
        return found


def at_bound(name: str, value: float, lower: float, upper: float) -> str:
    """Return a sentence that names the bound at which a parameter is held: the nearer one, for the model may have no value on it."""
    which, bound = ("min", lower) if value - lower <= upper - value else ("max", upper)
    return f"{name} is at its bound ({which} = {bound:g}), where it has no standard error."


def touches(value: float, start: float, lower: float | None, upper: float | None) -> bool:
    """Return whether a value lies on the nearer one of its bounds (None: there is none), or, beside its way from the start, next to it."""
    lower, upper = (-math.inf if lower is None else lower), (math.inf if upper is None else upper)
    bound = lower if value - lower <= upper - value else upper
    return math.isfinite(bound) and abs(value - bound) <= TOUCHING * abs(start - bound)


def bound_of(par: Any) -> str:
    """Return the sentence of `at_bound` for a fitted parameter that has no error and lies on its bound or next to it, else nothing."""
    if not par.vary or par.expr is not None or par.stderr is not None or not math.isfinite(par.value):
        return ""
    start = par.value if par.init_value is None else par.init_value
    if not touches(par.value, start, par.min, par.max):
        return ""
    return at_bound(par.name, par.value, -math.inf if par.min is None else par.min, math.inf if par.max is None else par.max)


def ending(status: FitStatus, result: Any, said: str = "", further: Sequence[str] = ()) -> str:
    """Return how a fit by the lanes ended, with the bounds that hold: in the status' own words where nothing is `said`.

    `further` are sentences that follow.
    """
    held = [sentence for par in result.params.values() if (sentence := bound_of(par))] if status == FitStatus.AT_BOUND else []
    first = said or ("converged." if held else f"{status.prose}.")
    return " ".join([first, *held, *further]) if held or further else first


def _beyond_doubles(J: np.ndarray, names: Sequence[str]) -> str:
    """Return which derivative is not finite, or the column of which the length isn't."""
    if len(places := np.argwhere(~np.isfinite(J))):
        row, column = places[0].tolist()
        return f"The Jacobian is {J[row, column]} in row {row}, the derivative by {names[column]}."
    column = int(np.argmax(np.abs(J).max(axis=0)))
    return f"The derivatives by {names[column]} are as large as {np.abs(J[:, column]).max():.3g}: the length of their column overflows."


def doubts(solution: Solution, names: Sequence[str], problem: Problem, scale_covar: bool = True) -> list[str]:
    """Return what the caller should know about errors that can't be had, a sentence each."""
    n, p = solution.jacobian.shape
    said = []
    if solution.reason == FitStatus.NONFINITE:
        said.append(_beyond_doubles(solution.jacobian, names))
    if n <= p and scale_covar:
        said.append(f"{n} residuals leave no degrees of freedom for errors of {p} parameters.")
    if solution.held:
        said.extend(at_bound(names[j], solution.x[j], problem.lower[j], problem.upper[j]) for j in solution.held)
    unmeasured = solution.reason in (FitStatus.STOPPED, FitStatus.MAX_NFEV) and not solution.jacobian.any()
    if not solution.dead or unmeasured:
        return said
    sizes = solution.norms*np.maximum(np.abs(solution.x), np.abs(problem.x0))
    exact = solution.verdict == "exact"     # then the whole of a parameter without effect is rounding, as the residual is
    bent = [j for j in solution.dead if j in solution.bent]
    none = [j for j in solution.dead
            if j not in bent and (solution.norms[j] == 0 or j in solution.lost or (exact and sizes[j] <= solution.rounding))]
    together = [j for j in solution.dead if j not in none and j not in bent]
    for j in none:
        ran = j in solution.lost and not exact
        moved = "has lost its effect on the residual: the fit ran onto a flat" if ran else "has no effect on the residual"
        still = ", and never moved from its start" if solution.x[j] == problem.x0[j] else ""
        said.append(f"{names[j]} {moved}{still}.")
    said.extend(f"{names[j]} is at a minimum that the Jacobian does not tell, as of a parameter that enters squared: it has no error."
                for j in bent)
    if together:
        listed = ", ".join(names[j] for j in together)
        said.append(f"{listed}: the data do not tell {'them apart; fix one of them' if len(together) > 1 else 'its value; fix it'}.")
        said += combinations(solution.jacobian[:, together], [names[j] for j in together])
    return said


def combinations(columns: np.ndarray, names: Sequence[str]) -> list[str]:
    """Return which sums are determined of parameters whose columns of the Jacobian depend on one another, a sentence for each group.

    Parameters
    ----------
    columns : ndarray, shape (n, k)
    names : sequence of str
    """
    sums = determined_sums(columns)
    said, left = [], list(range(len(names)))
    while left:
        group = {left[0]}
        while True:                 # all that a sum has in common with the group
            more = {j for row in sums if any(row[j] for j in group) for j in np.flatnonzero(row).tolist()} | group
            if more == group:
                break
            group = more
        left = [j for j in left if j not in group]
        own = [row for row in sums if any(row[j] for j in group)]
        if len(group) > 1 and len(own) < len(group):
            members = [names[j] for j in sorted(group)]
            said.append(f"{', '.join(members[:-1])} and {members[-1]} only as {', '.join(_sum(row, names) for row in own)}.")
    return said


def determined_sums(columns: np.ndarray) -> np.ndarray:
    """Return the sums of parameters that columns of a Jacobian determine, as few parameters in each as can be: ndarray (rank, k).

    The rows span what the columns' rows do, in reduced row echelon form.
    """
    size = lengths(columns)
    units = columns/np.where(size > 0, size, 1.0)
    _, singular, axes = np.linalg.svd(units, full_matrices=False)
    rows = axes[singular > DEPENDENT*singular[:1]]
    place = 0
    for k in range(rows.shape[1]):
        if place == len(rows):
            break
        best = place + int(np.argmax(np.abs(rows[place:, k])))
        if abs(rows[best, k]) < ECHELON:
            continue
        rows[[place, best]] = rows[[best, place]]
        rows[place] /= rows[place, k]
        others = np.arange(len(rows)) != place
        rows[others] -= rows[others, k:k + 1]*rows[place]
        place += 1
    rows[np.abs(rows) < ECHELON] = 0.0
    leading = np.argmax(rows != 0, axis=1)
    return rows*size/size[leading][:, None] if len(rows) else rows


def _sum(row: np.ndarray, names: Sequence[str]) -> str:
    """Return a sum of parameters in words."""
    text = ""
    for j in np.flatnonzero(row).tolist():
        factor = "" if abs(abs(row[j]) - 1) < 1e-4 else f"{abs(row[j]):.4g}*"
        text += f"{' - ' if row[j] < 0 else ' + '}{factor}{names[j]}" if text else f"{'-' if row[j] < 0 else ''}{factor}{names[j]}"
    return text


def message(method: str, solution: Solution, tried: Sequence[Solution], limit: float, said: Sequence[str]) -> str:
    """Return in words how a fit ended."""
    why = within(solution.reason if solution.converged else solution.status, limit)
    parts = [f"{method}: converged, {why}." if solution.converged else f"{method}: not converged, {why}."]
    if len(tried) > 1:
        others = ", ".join(other.method for other in tried[1:])
        chosen = "it stands" if solution is tried[0] else f"{solution.method} has the lowest chi-square and is kept"
        parts.append(f"The first answer, by {tried[0].method}, was in doubt; {others} looked again from the start: {chosen}.")
    return " ".join([*parts, *said])
