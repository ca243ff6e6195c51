"""`minimize` by a robust loss: the residual bent so that half of its squares' sum is the cost, Newton's last steps, and errors.

A least-squares fit of the bent residual comes near the minimum; its Gauss-Newton steps know little of the loss's curvature, so that steps
of Newton's, by the derivatives of the residual itself, take the last digits. Of a function that is called nothing is known but its
residuals: what the model's own second derivatives add is left out, as Gauss and Newton leave it out.

The errors are the sandwich's (Huber, Robust Statistics, 1981, section 7.6): with the cost's derivative psi by the residual r,
``A^-1 B A^-1 n/(n - p)`` with ``A = sum psi'(r_i) J_i J_i^T`` and ``B = sum psi(r_i)^2 J_i J_i^T``. The data's errors need no scale.
"""
from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Mapping
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
from gslfit.objective._loss import BOUNDED
from gslfit.objective.lengths import lengths
from gslfit.objective.loss import MAD, ROUNDS, TUNED, Loss, is_flat, is_unsteady, moves, narrower

AFAR = 1e4              # scales of a loss
STEPS = 30              # of Newton's at most
ENOUGH = 1e-9           # of a standard error: a shorter step changes nothing
NEAR = 1e-6             # of a standard error: steps this short that no longer shrink are rounding
HALVES = 8              # times that a step is halved where the cost rises
ROUNDING = 1e-13        # of the cost
SPENT = .5              # of the evaluations allowed, before the fit itself
LED = .1                # of them, for least squares, which may have no minimum beside an outlier, but so many a parameter at least:
LED_EACH = 100
FEW = 4                 # times a rounding of the residual's length: how well it is known


class BentResidual:
    """The residual function of a least-squares fit that minimises a loss.

    Parameters
    ----------
    function : callable
        The caller's residual function.
    loss : Loss

    Attributes
    ----------
    last : ndarray, shape (n,)
        The residual itself, as the last call had it.
    size : float or None
        How large its largest element was at the first call.
    """

    def __init__(self, function: Callable, loss: Loss) -> None:
        self.function, self.loss = function, loss
        self.__wrapped__ = function
        self.__name__ = getattr(function, "__name__", type(function).__name__)
        self.last = np.empty(0)
        self.size: float | None = None
        self.pairs: bool | None = None      # whether it was complex when it was first called

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
            self.size = float(np.abs(self.last).max(initial=0.0, where=finite))
        return np.where(finite, self.loss.bent(np.where(finite, self.last, 0.0))[0], self.last)

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
        slopes = self.residual.loss.bent(self.residual.plain(params, *args, **kws))[1]
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
    """

    def __init__(self, setup: Any, solution: Solution, further: bool) -> None:
        bent, options = setup.bent, setup.options
        self.solution, self.lower, self.upper = solution, setup.lower, setup.upper
        self.free = [j for j in range(solution.x.size) if j not in solution.dead and j not in solution.held]
        whole = setup.residual
        self.fun = Residual(bent.function, setup.free, whole.args, whole.kws, "propagate")
        self.r = self.fun.first(solution.x)
        if whole._keep is not None:
            self.r, self.fun._keep, self.fun.size = self.r[whole._keep], whole._keep, whole.size
        self.loss = bent.loss._replace(f_scale=bent.loss.f_scale*self.fun.scale)
        self.jac: Any = None
        if options.jac is not None:
            self.jac = UserJacobian(options.jac, self.fun, options.col_deriv)
        self.differences = Differences(self.fun, self.lower, self.upper, max(self.fun.precision, whole.precision), 1/self.fun.scale)
        self.factors: np.ndarray | None = None
        self.norms, self.pull = np.ones(solution.x.size), 0.0
        if further and self.free and np.isfinite(self.r).all():
            self.fun.limit = max(whole.limit - whole.nfev, 1)
            try:
                self._go_on()
            except (OutOfCalls, Aborted):
                self.factors = None
        whole.nfev += self.fun.nfev
        self.residual = self.r/self.fun.scale
        if self.solution.converged and is_flat(typical(self.residual), bent.loss.f_scale, bent.size):
            self.solution = self.solution._replace(converged=False, reason=FitStatus.NO_PROGRESS, verdict="no minimum")

    def errors(self) -> KnownErrors | None:
        """Return the errors of the parameters; None where the cost has no curvature that determines them."""
        n, p = self.r.size, self.norms.size
        if self.factors is None or n <= p:
            return None
        return KnownErrors(self.factors, self.norms, math.sqrt(n/(n - p)), self.solution.dead, self.solution.held)

    def _go_on(self) -> None:
        """Step to the minimum, and keep how each point pulls at each parameter there."""
        x, last, cost = self.solution.x, math.inf, self.loss.cost(self.r)
        for _ in range(STEPS):
            found = self._pulls(x)
            if found is None:
                return
            step = np.zeros(x.size)
            step[self.free] = -found.sum(axis=1)/self.norms[self.free]
            self.factors = np.ones((x.size, self.r.size))
            self.factors[self.free] = found
            errors = np.linalg.norm(found, axis=1)/self.norms[self.free]
            length = float(np.max(np.abs(step[self.free])/np.where(errors > 0, errors, np.inf), initial=0.0))
            blur = EPS*float(np.max(np.abs(x)*self.norms, initial=0.0))     # what rounding makes of the residual's length
            near = length <= NEAR or float(np.sum(np.abs(step)*self.norms)) <= BLUR*blur
            settled = length <= ENOUGH or (near and length >= last)
            if settled:
                self._settle(x)
                return
            last = length
            for _ in range(HALVES):
                there = np.clip(x + step, self.lower, self.upper)
                r = self.fun(there)
                new = self.loss.cost(r) if np.isfinite(r).all() else math.inf
                if new <= cost*(1 + ROUNDING) + FEW*blur*self.pull:
                    break
                step /= 2
            else:
                if near:
                    self._settle(x)
                return
            x, cost, self.r = there, new, r
            self.solution = self.solution._replace(x=x)

    def _settle(self, x: np.ndarray) -> None:
        """Take a point at which Newton's steps have come to rest for the minimum."""
        self.solution = self.solution._replace(x=x)
        if not self.solution.converged and not self.solution.dead and not self.solution.lost:
            self.solution = self.solution._replace(converged=True, reason=FitStatus.STEP, verdict="minimum")

    def _pulls(self, x: np.ndarray) -> np.ndarray | None:
        """Return how each point pulls at each parameter that is free: A^-1 J^T psi, (k, n), in units of one over the columns' lengths.

        Their sums are minus Newton's step. None where A isn't positive definite.
        """
        J = self.jac(x) if self.jac is not None else self.differences.central(x, self.r)
        if not np.isfinite(J).all():
            return None
        norms = lengths(J)
        self.norms = np.where(norms > 0, norms, 1.0)
        columns = J[:, self.free]/self.norms[self.free]
        psi = self.loss.slopes(self.r)
        self.pull = float(np.linalg.norm(psi))
        for curvature in (self.loss.curvatures(self.r), self.loss.factors(self.r)**2):
            bread = columns.T @ (columns*curvature[:, None])
            with contextlib.suppress(np.linalg.LinAlgError):
                np.linalg.cholesky(bread)
                return np.linalg.solve(bread, (columns*psi[:, None]).T)
        return None


def begins_near(setup: Any) -> bool:
    """Return whether a fit by a robust loss may begin at its start: unless its residuals there are so far beyond the scale that the loss is
    next to flat, or as good as least absolute deviations.
    """
    here = setup.residual._keep
    return not typical(setup.bent.last if here is None else setup.bent.last[here]) > AFAR*setup.bent.loss.f_scale


def beginning(options: FitOptions, fitted: Callable[[FitOptions, Mapping[str, float]], Any], limit: int,
              nvarys: int) -> tuple[FitOptions, dict[str, float], int]:
    """Return the options of a fit by a robust loss with its scale, where it begins, and the evaluations that took.

    A scale "mad" is 1.48 times the median absolute residual of the fit by Huber's loss with that very scale, times what makes the loss 95 %
    efficient. Tukey's biweight and arctan, whose costs have minima of their own round any few points, begin at Huber's end. To a scale that
    is given the others come by Huber's loss from the least squares' end, of scales from the residuals' size on.

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

    Raises
    ------
    InputError
        If the scale is "mad", and half of the residuals are 0 at the start and at the least squares' end.
    """
    given, begin, spent = options.f_scale, dict[str, float](), 0

    def led(by: str, f_scale: float) -> tuple[float, float, bool]:
        """Fit from where the last fit ended; return the standard deviations that its residuals stand for at its start and its end, and
        whether to go on from there: unless that is no end, or most evaluations are spent.
        """
        nonlocal begin, spent
        most = limit if by != "linear" else min(limit, max(int(LED*limit), LED_EACH*(nvarys + 1)))
        found = fitted(options._replace(loss=by, f_scale=f_scale, max_nfev=most), begin)
        spent += found.nfev
        if found.success:
            begin = {name: float(found.params[name].value) for name in found.var_names}
        first = typical(found._setup.r0/found._setup.residual.scale)
        return first, typical(found.residual), found.success and spent <= SPENT*limit
    if given == "mad":
        (first, scale, further), before = led("linear", 1.0), 0.0
        if not first + scale > 0:
            raise InputError('f_scale="mad": half of the residuals are 0, which is no scale; give a number')
        if not further and 0 < first < scale:           # least squares were led astray
            scale = first
        if not scale > SMALLEST:                        # any will do; but a fit that begins with residuals of 0 sees no parameter's effect
            begin = {}
        for _ in range(ROUNDS):
            scale = scale if scale > SMALLEST else before or 1.0
            if not moves(before, scale) or not (further or before == 0):
                break
            before = scale
            _, scale, further = led("huber", scale*TUNED["huber"])
        if is_unsteady(before, scale, first):        # there is none: the limit has come first
            spent = limit
        given = scale*TUNED[options.loss]
    elif options.loss not in BOUNDED:
        _, size, further = led("linear", 1.0)
        for wide in narrower(size*TUNED["huber"], given):
            if not further:
                break
            further = led("huber", float(wide))[2]
    if options.loss in BOUNDED:         # a fit that comes to its scale so itself
        led("huber", float(given))
    return options._replace(f_scale=given), begin, spent


def typical(residual: np.ndarray) -> float:
    """Return the standard deviation that the median size of residuals stands for."""
    return MAD*float(np.median(np.abs(residual)))
