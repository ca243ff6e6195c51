"""`minimize` by a robust loss: the residual bent so that half of its squares' sum is the cost, Newton's last steps, and errors.

A least-squares fit of the bent residual comes near the minimum; its Gauss-Newton steps know little of the loss's curvature, so that steps
of Newton's, by the derivatives of the residual itself, take the last digits. Of a function that is called nothing is known but its
residuals: what the model's own second derivatives add is left out, as Gauss and Newton leave it out.

A number that no model comes near, a fill value of 1e20 among data of 1, has a cost beside which those of all others are rounding. Points
that are so far off keep still on the way, and only Newton's steps take how they pull, which is bounded. What rounding leaves of such a
residual's derivatives is told by long differences, or by the same model beside nearer data, where the function can do that; where that is
too little, the end is no success.

The errors are the sandwich's (Huber, Robust Statistics, 1981, section 7.6): with the cost's derivative psi by the residual r,
``A^-1 B A^-1 n/(n - p)`` with ``A = sum psi'(r_i) J_i J_i^T`` and ``B = sum psi(r_i)^2 J_i J_i^T``. The data's errors need no scale.
"""
from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from gslfit.errors import FitStatus, InputError
from gslfit.minimizer._descent import BLUR, Differences
from gslfit.minimizer.jacobian import UserJacobian
from gslfit.minimizer.least_squares import Solution
from gslfit.minimizer.options import FitOptions
from gslfit.minimizer.precision import EPS, SMALLEST
from gslfit.minimizer.residual import Aborted, OutOfCalls, Residual, flatten_as, numbers_of
from gslfit.minimizer.uncertainty import KnownErrors
from gslfit.objective._loss import BOUNDED, SEEN, explains_nothing
from gslfit.objective.lengths import lengths
from gslfit.objective.loss import MAD, ROUNDS, TUNED, Loss, is_flat, is_unsteady, moves, narrower

AFAR = 1e4              # scales of a loss, and of what most residuals are: a residual beyond them is far off
LADDER = .01, .04, .16, .64, 2.56       # of a parameter's size: the steps of long differences ...
BETWEEN = .02, .08, .32, 1.28           # ... and those that are taken too where these leave too much open
WIDER, WIDEST = 4., 200.                # by how much the last step is widened for as long as that tells more, and to what at most
MOVED = .01             # of a standard error, beyond which far residuals' derivatives are taken again
UNSURE, FINER = 5e-3, 1e-3   # of a standard error, by which a minimum may be unknown for what is lost of far residuals' derivatives, and
                             # beyond which these are taken over more steps
STEPS = 30              # of Newton's at most
ENOUGH = 1e-9           # of a standard error: a shorter step changes nothing
NEAR = 1e-6             # of a standard error: steps this short that no longer shrink are rounding
HALVES = 8              # times that a step is halved where the cost rises
ROUNDING = 1e-13        # of the cost
SPENT = .5              # of the evaluations allowed, before the fit itself
LED = .1                # of them, for least squares, which may have no minimum beside an outlier, but so many a parameter at least:
LED_EACH = 100
CREEPS = .3             # of the last step's length: a longer one asks for the cost's curvature by differences ...
BESIDE = .2             # ... over so many standard errors
WIDE = 10.              # times what most residuals are: a scale beside which a loss bends them little
NOWHERE = 1e-4          # of a standard error: beside points that are far off, a step this short that lowers no cost is none
FEW = 4                 # times a rounding of the residual's length: how well it is known


class BentResidual:
    """The residual function of a least-squares fit that minimises a loss.

    Parameters
    ----------
    function : callable
        The caller's residual function.
    loss : Loss
    all_count : bool
        No point keeps still, however far off it is.

    Attributes
    ----------
    last : ndarray, shape (n,)
        The residual itself, as the last call had it.
    size : float or None
        How large its largest element was at the first call.
    far : ndarray of bool, shape (n,), or None
        Which points keep still, since they were far off at the first call; None for none.
    settled : bool
        Newton's steps have come to rest at the end of the fit, which may be none for what isn't known of points that are far off.
    scale_is_lost : bool
        The scale came from fits of which the same is true.
    """

    settled = scale_is_lost = False

    def __init__(self, function: Callable, loss: Loss, all_count: bool = False) -> None:
        self.function, self.loss, self.all_count = function, loss, all_count
        self.far: np.ndarray | None = None
        self.__wrapped__ = function
        self.__name__ = getattr(function, "__name__", type(function).__name__)
        self.last = np.empty(0)
        self.size: float | None = None
        self.pairs: bool | None = None      # whether it was complex when it was first called

    @property
    def is_open(self) -> bool:
        """Whether a fit that has failed may end elsewhere with the points that kept still."""
        return self.far is not None and not self.settled

    @contextlib.contextmanager
    def wide(self) -> Iterator[bool]:
        """Bend by a scale that is wide beside most residuals of the last call; yields whether that is another one."""
        loss, wide = self.loss, WIDE*typical(self.last)
        self.loss = loss._replace(f_scale=max(loss.f_scale, wide)) if wide < np.inf else loss
        try:
            yield self.loss is not loss
        finally:
            self.loss = loss

    def plain(self, params: Any, *args: Any, **kws: Any) -> np.ndarray:
        """Return the residual itself, flat."""
        found = numbers_of(self.function(params, *args, **kws), self.__name__)
        if self.pairs is None:
            self.pairs = found.dtype.kind == "c"
        return flatten_as(found, self.pairs)

    def __call__(self, params: Any, *args: Any, **kws: Any) -> np.ndarray:
        """Return the bent residual, flat."""
        self.last = self.plain(params, *args, **kws)
        finite = np.isfinite(self.last)
        if self.size is None:
            far = far_off(self.last, self.loss.f_scale)
            if not self.all_count and far.any() and np.count_nonzero(~far) > sum(bool(par.vary) for par in params.values()):
                self.far = far
            self.size = float(np.abs(self.last).max(initial=0.0, where=finite if self.far is None else finite & ~far))
        bent = np.where(finite, self.loss.bent(np.where(finite, self.last, 0.0))[0], self.last)
        return bent if self.far is None or self.far.size != bent.size else np.where(self.far, 0.0, bent)

    def slopes(self, params: Any, *args: Any, **kws: Any) -> np.ndarray:
        """Return what multiplies the residual's derivatives to give those of the bent one."""
        found = self.loss.bent(self.plain(params, *args, **kws))[1]
        return found if self.far is None or self.far.size != found.size else np.where(self.far, 0.0, found)

    def reported(self, iter_cb: Callable[..., Any], setup: Any) -> Callable[..., Any]:
        """Return a caller's iteration callback that is told the residual itself, of the points that take part in a fit."""
        def told(params: Any, nfev: int, _: np.ndarray, *args: Any, **kws: Any) -> Any:
            here = setup.residual._keep
            return iter_cb(params, nfev, self.last.copy() if here is None else self.last[here], *args, **kws)
        return told


class BentJacobian:
    """The derivatives of a bent residual, from the caller's of the residual.

    Parameters
    ----------
    function : callable
        As `UserJacobian` takes it.
    residual : BentResidual
    col_deriv : bool
        Derivatives go along rows.
    """

    def __init__(self, function: Callable, residual: BentResidual, col_deriv: bool) -> None:
        self.function, self.residual, self.col_deriv = function, residual, col_deriv
        self.__name__ = getattr(function, "__name__", type(function).__name__)

    def __call__(self, params: Any, *args: Any, **kws: Any) -> Any:
        """Return the derivatives in the caller's shape; what has another one than the residual is returned as it is."""
        found = self.function(params, *args, **kws)
        slopes = self.residual.slopes(params, *args, **kws)
        if isinstance(found, Mapping):
            return {name: _times(np.asarray(column).reshape(-1, 1), slopes).reshape(-1) for name, column in found.items()}
        array = np.asarray(found)
        if array.ndim != 2:
            return found
        return _times(array.T, slopes).T if self.col_deriv else _times(array, slopes)


def _times(columns: np.ndarray, slopes: np.ndarray) -> np.ndarray:
    """Return columns times slopes row by row; the real and imaginary parts of complex ones have a slope each."""
    if columns.dtype.kind == "c" and slopes.size == 2*len(columns):
        return columns.real*slopes[::2, None] + 1j*columns.imag*slopes[1::2, None]
    if len(columns) == 1 and slopes.size > 1:           # a number for all points
        return columns*slopes[:, None]
    return columns*slopes[:, None] if len(columns) == slopes.size else columns


class Near:
    """A residual function without what is far off, which is 0, and how that moves.

    Parameters
    ----------
    bent : BentResidual
        Of the function; it has been called.
    scale : float
        Of the loss.

    Attributes
    ----------
    far : ndarray of bool, shape (n,)
        Which points are far off where the function is called first.
    last : ndarray, shape (n,)
        All residuals, as the last call had them; the far ones of a function that can be called beside other data are those beside data that
        are nearer by `offset`.
    """

    def __init__(self, bent: BentResidual, scale: float) -> None:
        self._bent, self._scale, self._function = bent, scale, bent.function
        self.__wrapped__, self.__name__ = bent.function, bent.__name__
        self.far, self.offset, self.last = np.zeros(0, bool), np.zeros(0), np.empty(0)

    def __call__(self, params: Any, *args: Any, **kws: Any) -> np.ndarray:
        """Return the residual, flat, 0 where it is far off."""
        if not self.last.size:
            self._begin(params, *args, **kws)
        else:
            self.last = self._plain(self._function, params, *args, **kws)
        return np.where(self.far, 0.0, self.last) if self.far.size == self.last.size else self.last

    def _plain(self, function: Callable, params: Any, *args: Any, **kws: Any) -> np.ndarray:
        return flatten_as(numbers_of(function(params, *args, **kws), self.__name__), bool(self._bent.pairs))

    def _begin(self, params: Any, *args: Any, **kws: Any) -> None:
        """See what is far off, and how the function is called from now on."""
        self.last = self._plain(self._function, params, *args, **kws)
        self.far, self.offset = far_off(self.last, self._scale, SEEN), np.zeros(self.last.size)
        beside = getattr(self._function, "beside", None)
        if beside is None or not self.far.any():
            return
        size = np.abs(self.last)
        nearer = AFAR*max(self._scale, typical(self.last[np.isfinite(self.last)]))
        function = beside(np.where(self.far, nearer/np.where(self.far, size, 1.0), 1.0))
        if function is not None:
            moved = self._plain(function, params, *args, **kws)
            self._function, self.offset, self.last = function, np.where(self.far, self.last - moved, 0.0), moved

    @property
    def away(self) -> np.ndarray:
        """The residuals of all points at the last call, those that are far off where they are: ndarray (n)."""
        return self.last + self.offset


class RobustEnd:
    """The end of a fit by a robust loss: where Newton's steps lead from that of its bent residual, and the errors there.

    Parameters
    ----------
    setup : Setup
        Of the bent residual.
    solution : Solution
        Where that ended.
    further : bool
        Whether steps are to be taken, and errors to be known.

    Attributes
    ----------
    solution : Solution
        Where the fit ends, with the bent residual there or, after steps, where these began.
    residual : ndarray, shape (n,)
        The residual itself.
    said : list of str
        What a caller should know beside how it ended.
    """

    def __init__(self, setup: Any, solution: Solution, further: bool) -> None:
        bent, options = setup.bent, setup.options
        self.solution, self.lower, self.upper = solution, setup.lower, setup.upper
        self.free = [j for j in range(solution.x.size) if j not in solution.dead and j not in solution.held]
        whole = setup.residual
        self.near = Near(bent, bent.loss.f_scale)
        self.fun = Residual(self.near, setup.free, whole.args, whole.kws, "propagate")
        self.r = self.fun.first(solution.x)
        self.far, self.all = self.near.far, self.near.away*self.fun.scale
        seen = bent.far is not None and bool(np.any(bent.far & ~far_off(self.near.away, bent.loss.f_scale)))    # what had been left out
        if whole._keep is not None:
            self.r, self.fun._keep, self.fun.size = self.r[whole._keep], whole._keep, whole.size
            self.far, self.all = self.far[whole._keep], self.all[whole._keep]
        self.away = bool(self.far.any())
        self.loss = bent.loss._replace(f_scale=bent.loss.f_scale*self.fun.scale)
        self.jac: Any = None
        if options.jac is not None:
            self.jac = UserJacobian(options.jac, self.fun, options.col_deriv)
        self.differences = Differences(self.fun, self.lower, self.upper, max(self.fun.precision, whole.precision), 1/self.fun.scale)
        self.factors: np.ndarray | None = None
        self.norms, self.pull, self.settled, self.unsure = np.ones(solution.x.size), 0.0, False, 0.0
        self.said: list[str] = []
        self.gradient, self.outwards, self.errors_told = (np.zeros(solution.x.size) for _ in range(3))
        self.long: tuple[np.ndarray, np.ndarray, np.ndarray] | None = None
        self.ladders: tuple[tuple[float, ...], ...] = (LADDER,)
        if further and self.free and np.isfinite(self.r).all():
            self.fun.limit = max(whole.limit - whole.nfev, 1)
            try:
                self._go_on()
            except (OutOfCalls, Aborted):
                self.factors = None
            if self.away or bent.far is not None:
                self._end_beside_far(seen)
        whole.nfev += self.fun.nfev
        bent.settled = self.settled
        self.residual = self.all/self.fun.scale
        if self.solution.converged and is_flat(typical(self.residual), bent.loss.f_scale, bent.size):
            self._refuse()
        if self.solution.converged and bent.scale_is_lost:
            size = np.max(np.abs(self.residual))
            self._refuse(said=f'The scale "mad" is lost beside a residual of {size:.3g}: leave such points out, or give jac, or a scale.')
        if self.solution.converged and bent.loss.name in BOUNDED and solution.verdict != "exact":
            self._look_whether_any_is_explained(bent.loss)

    def _refuse(self, reason: FitStatus = FitStatus.NO_PROGRESS, said: str = "") -> None:
        """Take the end for no minimum, and say why."""
        self.solution = self.solution._replace(converged=False, reason=reason, verdict="no minimum")
        self.said += [said] if said else []

    def _look_whether_any_is_explained(self, loss: Loss) -> None:
        """Take no end for a success that has no more points in its sight than parameters meet."""
        n = self.residual.size
        if explains_nothing(loss.name, loss.beside(self.residual), 2*loss.cost(self.residual), n, self.solution.x.size):
            self._refuse(FitStatus.OUT_OF_SIGHT, f"It has {np.count_nonzero(np.abs(self.residual) < loss.f_scale)} of {n} points in sight.")

    def errors(self) -> KnownErrors | None:
        """Return the errors of the parameters; None where the cost has no curvature that determines them."""
        n, p = self.r.size, self.norms.size
        if self.factors is None or n <= p:
            return None
        return KnownErrors(self.factors, self.norms, math.sqrt(n/(n - p)), self.solution.dead, self.solution.held)

    def _end_beside_far(self, seen: bool) -> None:
        """Take no end for a minimum beside points that are far off, unless Newton's steps have settled with all that these pull."""
        held = [j for j in self.solution.held if self.solution.x[j] not in (self.lower[j], self.upper[j])
                or self.gradient[j]*(1 if self.solution.x[j] == self.lower[j] else -1) < 0]
        self.settled = self.settled and not seen and not held
        if self.settled and self.unsure <= UNSURE:
            return
        if self.settled:
            size = float(np.max(np.abs(self.all[self.far])))/self.fun.scale
            self.said.append(f"A residual of {size:.3g} has lost how the model changes there: leave such points out, or give jac.")
        if self.solution.converged:
            self._refuse()

    def _go_on(self) -> None:
        """Step to the minimum, and keep how each point pulls at each parameter there."""
        x, last, cost = self.solution.x, math.inf, self.loss.cost(self.r)
        curvature: np.ndarray | None = None
        for _ in range(STEPS):
            found = self._pulls(x)
            if found is None:
                return
            step = np.zeros(x.size)
            step[self.free] = -found.sum(axis=1)/self.norms[self.free]
            if curvature is not None:
                step[self.free] = -np.linalg.solve(curvature, self.gradient[self.free])
            self.factors = np.ones((x.size, self.r.size))
            self.factors[self.free] = found
            errors = np.linalg.norm(found, axis=1)/self.norms[self.free]
            self.errors_told[self.free] = errors
            length = float(np.max(np.abs(step[self.free])/np.where(errors > 0, errors, np.inf), initial=0.0))
            blur = EPS*float(np.max(np.abs(x)*self.norms, initial=0.0))     # what rounding makes of the residual's length
            near = length <= NEAR or float(np.sum(np.abs(step)*self.norms)) <= BLUR*blur
            settled = length <= ENOUGH or (near and length >= last)
            if settled:
                self._settle(x)
                return
            if self.away and length > CREEPS*last and (bends := self._curvature(x)) is not None:
                curvature = bends
                step[self.free] = -np.linalg.solve(curvature, self.gradient[self.free])
            last = length
            for _ in range(HALVES):
                there = np.clip(x + step, self.lower, self.upper)
                r = self.fun(there)
                new = self.loss.cost(r) if np.isfinite(r).all() else math.inf
                # what is far off costs as much more as it pulls
                if new + (float(self.outwards @ (there - x)) if self.away else 0.0) <= cost*(1 + ROUNDING) + FEW*blur*self.pull:
                    break
                step /= 2
            else:
                if near or (self.away and length <= NOWHERE):
                    self._settle(x)
                return
            x, cost, self.r = there, new, r
            self.all = self._all()
            self.solution = self.solution._replace(x=x)

    def _curvature(self, x: np.ndarray) -> np.ndarray | None:
        """Return the second derivatives of the cost, by differences of the first: (k, k); None where it isn't convex."""
        rows = []
        for j in self.free:
            slopes = []
            for side in (1, -1):
                there = x.copy()
                there[j] = np.clip(x[j] + side*BESIDE*self.errors_told[j], self.lower[j], self.upper[j])
                r = self.fun(there)
                J = self.jac(there) if self.jac is not None else self.differences.central(there, r)
                if self.jac is None:
                    self.fun(there)
                    J[self.far] = self._long_differences(there, J)[0]
                slopes.append((there[j], np.where(self.far, self.loss.slopes(self.all), self.loss.slopes(r)) @ J))
            (up, above), (down, below) = slopes
            with np.errstate(all="ignore"):
                rows.append((above - below)[self.free]/(up - down))
        found = (np.array(rows) + np.array(rows).T)/2
        with np.errstate(all="ignore"):
            unit = 1/np.sqrt(np.diagonal(found))
            scaled = found*unit*unit[:, None]
        with contextlib.suppress(np.linalg.LinAlgError):
            if np.isfinite(scaled).all() and np.linalg.cholesky(scaled).size:
                return found
        return None

    def _all(self) -> np.ndarray:
        """Return the residuals of all points where the function was called last."""
        return self.fun.rows(self.near.away)*self.fun.scale

    def _settle(self, x: np.ndarray) -> None:
        """Take a point at which Newton's steps have come to rest for the minimum."""
        self.solution, self.settled = self.solution._replace(x=x), True
        if not self.solution.converged and not self.solution.dead and not self.solution.lost:
            self.solution = self.solution._replace(converged=True, reason=FitStatus.STEP, verdict="minimum")

    def _pulls(self, x: np.ndarray) -> np.ndarray | None:
        """Return how each point pulls at each parameter that is free: A^-1 J^T psi, (k, n), in units of one over the columns' lengths.

        Their sums are minus Newton's step. None where A isn't positive definite.
        """
        J = self.jac(x) if self.jac is not None else self.differences.central(x, self.r)
        wrong = None
        if self.away and self.jac is None:
            if self.long is None or np.any(np.abs(x - self.long[0]) > MOVED*self.errors_told):
                self.long = x, *self._long_differences(x, J)
            _, J[self.far], wrong = self.long
        if not np.isfinite(J).all():
            return None
        norms = lengths(J)
        self.norms = np.where(norms > 0, norms, 1.0)
        columns = J[:, self.free]/self.norms[self.free]
        psi = self.loss.slopes(self.all)
        self.gradient = psi @ J
        if self.away:
            self.outwards = psi[self.far] @ J[self.far]
        self.pull = float(np.linalg.norm(psi))
        for curvature in (self.loss.curvatures(self.all), self.loss.factors(self.all)**2):
            bread = columns.T @ (columns*curvature[:, None])
            with contextlib.suppress(np.linalg.LinAlgError):
                np.linalg.cholesky(bread)
                found = np.linalg.solve(bread, (columns*psi[:, None]).T)
                if wrong is not None:
                    self._doubt(np.linalg.inv(bread), psi[self.far] ** 2 @ ((wrong/self.norms) ** 2)[:, self.free], found)
                    if self.unsure > FINER and len(self.ladders) == 1:
                        self.long, self.ladders = None, (LADDER, BETWEEN)
                        return self._pulls(x)
                return found
        return None

    def _doubt(self, inverse: np.ndarray, wrong: np.ndarray, found: np.ndarray) -> None:
        """Note by how many standard errors the minimum may be elsewhere for what is not known of far residuals' derivatives."""
        errors = np.linalg.norm(found, axis=1)
        off = np.sqrt(inverse ** 2 @ wrong)     # roundings are independent
        self.unsure = float(np.max(np.where(off > 0, off/np.where(errors > 0, errors, SMALLEST), 0.0), initial=0.0))

    def _long_differences(self, x: np.ndarray, J: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the derivatives of the residuals that are far off, and by how much they may be wrong: ndarray (k, p) each.

        Such a residual is rounded in proportion to its size: of differences over several steps, extrapolated by pairs, those count whose
        rounding and whose errors where derivatives J are known are least. One that is the same over all steps has lost the model, and may
        change as much as others do.
        """
        far, norms, count = self.far, lengths(J), int(np.count_nonzero(self.far))
        rounding = EPS/2*np.abs(self.fun.rows(self.near.last)[far])*self.fun.scale
        slopes, wrong = np.zeros((count, x.size)), np.zeros((count, x.size))
        around = typical(self.r[~far])*math.sqrt(self.r.size)
        for j in self.free:
            reach = max(abs(x[j]), around/norms[j] if norms[j] > 0 else 0.0)
            room = min(x[j] - self.lower[j], self.upper[j] - x[j])
            best, least, still, share = np.zeros(count), np.full(count, np.inf), True, 0.0
            for ladder in self.ladders if reach > 0 and room > 0 else ():
                shares, better, last = list(ladder), True, None
                while shares or (better and share < WIDEST and share*reach < room):
                    share = shares.pop(0) if shares else share*WIDER
                    step, wide = self._difference(x, j, min(share*reach, room))
                    still = still and not wide[far].any()
                    if last is not None:
                        found = (16*last[1] - wide)/15
                        off = float(np.max(np.abs(found - J[:, j]), where=~far, initial=0.0))
                        error = np.maximum(np.abs(wide - last[1])[far]/15, off) + rounding/last[0]
                        nearer = error < least
                        best, least, better = np.where(nearer, found[far], best), np.where(nearer, error, least), bool(nearer.any())
                    last = step, wide
            slopes[:, j], wrong[:, j] = (0.0, np.max(np.abs(J[~far, j]))) if still else (best, least)
        return slopes, wrong

    def _difference(self, x: np.ndarray, j: int, step: float) -> tuple[float, np.ndarray]:
        """Return a step, as it is, and the centred difference of all residuals over it."""
        ends = []
        for side in (1, -1):
            there = x.copy()
            there[j] += side*step
            self.fun(there)
            ends.append((there[j], self.fun.rows(self.near.last)*self.fun.scale))
        (up, above), (down, below) = ends
        with np.errstate(all="ignore"):
            return (up - down)/2, (above - below)/(up - down)


def far_off(residual: np.ndarray, scale: float, beyond: float = AFAR) -> np.ndarray:
    """Return which residuals are far off: beyond so many scales of the loss, and of what most others are."""
    size = np.abs(residual)
    finite = np.isfinite(size)
    if not finite.any():
        return np.zeros(size.shape, bool)
    return finite & (size > beyond*max(scale, typical(size[finite])))


def begins_near(setup: Any) -> bool:
    """Return whether a fit by a robust loss may begin at its start: unless its residuals there are so far beyond the scale that the loss is
    next to flat, or as good as least absolute deviations.
    """
    return not typical(at_start(setup)) > AFAR*setup.bent.loss.f_scale


def at_start(setup: Any) -> np.ndarray:
    """Return the residual itself of the points that take part, as it was called last for a fit that is prepared."""
    here = setup.residual._keep
    return setup.bent.last if here is None else setup.bent.last[here]


def beginning(options: FitOptions, fitted: Callable[[FitOptions, Mapping[str, float]], Any], limit: int, nvarys: int,
              first: np.ndarray) -> tuple[FitOptions, dict[str, float], int, bool]:
    """Return the options of a fit by a robust loss with its scale, where it begins, the evaluations that took, and whether the scale is
    that of fits that points far off have lost.

    A scale "mad" is 1.48 times the median absolute residual of the fit by Huber's loss with that very scale, times what makes the loss 95 %
    efficient. Tukey's biweight and arctan, whose costs have minima of their own round any few points, begin at Huber's end. To a scale that
    is given the others come by Huber's loss from the least squares' end, of scales from the residuals' size on. Where residuals are far off
    at the start, which least squares would follow, these ways begin there.

    Parameters
    ----------
    options : FitOptions
    fitted : callable
        ``fitted(options, begin)`` returns a Minimizer of the same residual, fitted by these from where parameters are to begin; its
        parameters are its own.
    limit : int
        Of the evaluations allowed.
    nvarys : int
        How many parameters vary.
    first : ndarray, shape (n,)
        The residual at the start.

    Raises
    ------
    InputError
        If the scale is "mad", and half of the residuals are 0 at the start and at the least squares' end.
    """
    given, begin, spent, size_there, unsure = options.f_scale, dict[str, float](), 0, typical(first), False
    lost = False

    def led(by: str, f_scale: float) -> tuple[float, float, bool]:
        """Fit from where the last fit ended; return the standard deviations that its residuals stand for at its start and its end, and
        whether to go on from there: unless that is no end, or most evaluations are spent.
        """
        nonlocal begin, spent, unsure
        share = LED*limit if by == "linear" else SPENT*limit - spent
        most = min(limit, max(int(share), LED_EACH*(nvarys + 1)))
        found = fitted(options._replace(loss=by, f_scale=f_scale, max_nfev=most), begin)
        spent += found.nfev
        unsure = not found.success and by != "linear" and found._setup.bent.settled
        good = found.success or unsure
        if good:
            begin = {name: float(found.params[name].value) for name in found.var_names}
        first = typical(found._setup.r0/found._setup.residual.scale)
        return first, typical(found.residual), good and spent <= SPENT*limit

    def least_squares() -> tuple[float, float, bool]:
        """Fit by least squares, unless they would be led astray; return what `led` does."""
        return (size_there, size_there, True) if size_there > 0 and far_off(first, 0.0).any() else led("linear", 1.0)
    if given == "mad":
        (before_all, scale, further), before = least_squares(), 0.0
        if not before_all + scale > 0:
            raise InputError('f_scale="mad": half of the residuals are 0, which is no scale; give a number')
        if not further and 0 < before_all < scale:           # least squares were led astray
            scale = before_all
        if not scale > SMALLEST:                        # any will do; but a fit that begins with residuals of 0 sees no parameter's effect
            begin = {}
        for _ in range(ROUNDS):
            scale = scale if scale > SMALLEST else before or 1.0
            if not moves(before, scale) or not (further or before == 0):
                break
            before = scale
            _, scale, further = led("huber", scale*TUNED["huber"])
        if is_unsteady(before, scale, before_all):        # there is none: the limit has come first
            spent = limit
        given, lost = scale*TUNED[options.loss], unsure
    elif options.loss not in BOUNDED:
        _, size, further = least_squares()
        for wide in narrower(size*TUNED["huber"], given):
            if not further:
                break
            further = led("huber", float(wide))[2]
    if options.loss in BOUNDED:         # a fit that comes to its scale so itself
        led("huber", float(given))
    return options._replace(f_scale=given), begin, spent, lost


def typical(residual: np.ndarray) -> float:
    """Return the standard deviation that the median size of residuals stands for."""
    return MAD*float(np.median(np.abs(residual)))
