"""Data sets of one formula as a descent has them: packed for the C core, their parameters, and what least squares need to know of them."""
from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from gslfit.curves.batch_result import BatchInputs, BatchResult
from gslfit.curves.job import Job, count_threads, job_of, template
from gslfit.curves.linear_start import LinearFit, inside
from gslfit.curves.per_fit import PerFit
from gslfit.curves.run_batch import run_batch
from gslfit.data.inputs import Inputs
from gslfit.data.layout import Layout
from gslfit.data.points import without_effect
from gslfit.errors import FitStatus
from gslfit.minimizer.cold_start import COLD, MATTERS
from gslfit.minimizer.options import BATCH, FitOptions
from gslfit.minimizer.precision import SMALLEST
from gslfit.objective.loss import MAD, NUMBERS, counted_cost, in_range, in_sight, out_of_sight
from gslfit.parameters.bounds import INSIDE, NEAR
from gslfit.records import Record
from gslfit.shared._rows import LEAST_CURVATURE, SIDE_BY_SIDE, ZEROS, Rows, interior
from gslfit.shared.arrow import Elimination, Sums
from gslfit.shared.reading import Part, Sets

FAR_OFF = 100.      # times the length of the data: a residual that local parameters alone make, by far too large ones
A_FEW = 8           # data sets that tell how steep a model is
FEW = 1_000_000     # numbers of the data below which one thread works out the sums


class Places(Record):
    """Where parameters are: numbers among the free variables of a program, and among those of all data sets."""

    own: np.ndarray
    whole: np.ndarray


class Group:
    """Data sets of one formula that are fitted.

    Parameters
    ----------
    part : Part
    sets : Sets
    which : ndarray of int, shape (k,)
        Which of the part's data sets.
    looked : BatchInputs
        The part's data, with the points left out where the model isn't finite.
    options : FitOptions
    values : ndarray, shape (q, k)
        Where the local parameters begin.
    scale : ndarray, shape (k,), optional
        Of a robust loss.
    unit : float
        What weights are multiplied by, a power of two: so that squares of residuals and of derivatives are in range. Costs, slopes, sums
        and `squares` are those of such weights.
    seen : FitOptions, optional
        With the loss that is asked for, where least squares lead to it: they are of the data that it sees.

    Attributes
    ----------
    shared, local : Places
    linear : bool
        Whether the formula is linear in its local parameters, all together, none has bounds, and the loss is least squares.
    straight : bool
        Whether it is linear in all parameters together.
    given, values : ndarray, shape (q, k)
        The start values of the local parameters, and where they begin: strictly within their bounds, but for offsets.
    begun : ndarray, shape (q, k)
        Where they were when the fit began, which says how large they are.
    low, high : ndarray, shape (q, k)
        Bounds of the local parameters.
    sizes, extremes : list of float
        The greatest sizes of weighted data and of weights; for both the least and the greatest of the data sets' own.
    squares : ndarray, shape (k,)
        The sum of the squares of a data set's weighted data; by a robust loss of what is in sight of them.
    most : ndarray, shape (k,)
        What its cost counts for at most; infinite, unless the loss is a robust one.
    first_costs : ndarray, shape (k,)
        What each cost where the fit began; NaN until a descent has told.
    """

    def __init__(self, part: Part, sets: Sets, which: np.ndarray, looked: BatchInputs, options: FitOptions,
                 values: np.ndarray, scale: np.ndarray | None = None, unit: float = 1.0, seen: FitOptions | None = None):
        folded = part.job.folded
        assert folded is not None
        self.part, self.which, self.program, names = part, which, folded.program, folded.names
        self.places = part.places[which]
        self.shared = _places(names, sets.shared)
        self.local = _places(names, sets.local)
        self.least = LEAST_CURVATURE
        y, x, weights = _points(looked, which, options)
        if unit != 1:
            weights = np.full(y.shape[1], unit) if weights is None else weights*unit
        if seen is not None:
            y, weights = _in_sight(y, weights, seen, unit)
        self.points, self.unit = (y, x, weights), unit
        self.responses = None if part.given.response is None else np.asarray(part.given.response)[which]
        self._loss = NUMBERS[options.loss]
        self.rows = Rows(self.program, y, x, weights, self._loss, self.responses)
        self.threads = count_threads(options.threads, y.size) if y.size > FEW or options.threads else 1
        self.size = self.rows.size
        counts = y if weights is None else y*weights
        self.sizes = [float(np.abs(each).max(initial=0.0)) for each in (counts, 1.0 if weights is None else weights)]
        rows = [np.abs(each).max(axis=-1, initial=0.0) for each in (counts, np.ones(1) if weights is None else weights)]
        self.extremes = [float(size) for each in rows for size in (each.min(initial=np.inf, where=each > 0), each.max(initial=0.0))]
        self.squares = counts.sum(axis=1) if options.loss == "poisson" else np.einsum("mn,mn->m", counts, counts)
        self.most, size = np.full(len(which), np.inf), self.sizes[0]
        if scale is not None:
            with np.errstate(over="ignore"):
                sights = in_sight(options.loss, counts, np.multiply(scale, unit))
            far, size = sights < np.inf, min(size, float(sights.max(initial=0.0)))
            self.squares[far] = (np.minimum(np.abs(counts[far]), sights[far, None])**2).sum(axis=1)
        self.inputs = np.array([self._spread(part.job.start[name]) for name in folded.inputs]).reshape(len(folded.inputs), self.size)
        limits = [sets.bounds.get(sets.local[k], (np.array(-np.inf), np.array(np.inf))) for k in self.local.whole]
        shape = len(self.local.own), len(which)
        self.low = np.array([np.broadcast_to(low if low.ndim == 0 else low[self.places], len(which)) for low, _ in limits]).reshape(shape)
        self.high = np.array([np.broadcast_to(high if high.ndim == 0 else high[self.places], len(which))
                              for _, high in limits]).reshape(shape)
        self.bounded = bool(np.isfinite(self.low).any() or np.isfinite(self.high).any())
        own = [names[k] for k in self.local.own]
        self.linear = bool(own) and not self.bounded and options.loss == "linear" and set(folded.linearity.together(own)) == set(own)
        self.straight = len(folded.linearity.together(list(names))) == len(names)
        with np.errstate(over="ignore"):
            self.scale = None if scale is None else self._filled(in_range(scale*unit, size))
        if self.scale is not None:
            self.most = counted_cost(options.loss, self.scale[:len(which)], y.shape[1])
        self.given, self.values = values, interior(values, self.low, self.high, INSIDE, NEAR)
        offsets = np.setdiff1d(self.linear_places().own, self.amplitudes.own)       # these silence no others by lying on a bound
        self.values[offsets] = values[offsets]
        self.begun, self.first_costs = values, np.full(len(which), np.nan)
        p, room = len(names), self.size
        self._room = [(np.empty(room), np.empty((p, room)), np.empty((p*(p + 1)//2, room))) for _ in range(2)]

    @property
    def measures(self) -> np.ndarray:
        """What rounding is measured by, `squares`, or where the data are all zero, those of the model at the start: see (a) of
        `src/common/judgement.h`.
        """
        return measured_by(self.squares, self.counted(self.first_costs))

    def counted(self, costs: np.ndarray) -> np.ndarray:
        """Return costs as far as they count where they say how far off a minimum is: `src/objective/counted.h`."""
        return np.minimum(costs, self.most)

    def _spread(self, start: Any) -> np.ndarray:
        """Return start values of the data sets, and of the rows that fill up the last lanes."""
        array = np.asarray(start, float)
        return self._filled(array if array.ndim == 0 else array[self.which])

    def _filled(self, numbers: np.ndarray) -> np.ndarray:
        """Return a number of each data set, and of the rows that fill up the last lanes."""
        found = np.empty(self.size)
        found[:len(self.which)] = numbers
        found[len(self.which):] = found[len(self.which) - 1]
        return found

    def begin_at(self, values: np.ndarray) -> None:
        """Have the local parameters begin at values, ndarray (q, k), as they are."""
        self.given = self.values = values

    def put(self, shared: np.ndarray, local: np.ndarray) -> np.ndarray:
        """Return the program's variables at values of all shared parameters, ndarray (s,), and of the local ones, (q, k)."""
        v = np.empty((self.program.nfree, self.size))
        v[self.shared.own] = shared[self.shared.whole, None]
        v[self.local.own, :len(self.which)] = local
        v[self.local.own, len(self.which):] = local[:, -1:]
        return v

    def sums(self, v: np.ndarray, shared: int) -> Sums:
        """Return what least squares need to know at a point; `shared` is how many parameters all data sets share together."""
        self._room.reverse()            # the last sums stay as they are
        cost, g, H = self._room[0]
        self._call(lambda first, last: self.rows.sums(v, self.inputs, cost, g, H, first=first, last=last, scale=self.scale,
                                                      least=self.least))
        return self._parts(cost, g, H, shared)

    def costs(self, which: np.ndarray, places: list[np.ndarray]) -> np.ndarray:
        """Return what some data sets alone cost at places, each the program's variables, (p, k): ndarray (len(places), k)."""
        def part(array: np.ndarray | None) -> Any:
            return array if array is None or array.ndim == 1 else array[which]
        y, x, weights = self.points
        rows = Rows(self.program, y[which], [part(each) for each in x], part(weights), self._loss,
                    None if self.responses is None else self.responses[which])
        full, p = np.minimum(np.arange(rows.size), len(which) - 1), self.program.nfree
        cost, g, H = np.empty(rows.size), np.empty((p, rows.size)), np.empty((p*(p + 1)//2, rows.size))
        scale, found = None if self.scale is None else self.scale[which][full], np.empty((len(places), len(which)))
        for place, v in zip(found, places, strict=True):
            rows.sums(np.ascontiguousarray(v[:, full]), np.ascontiguousarray(self.inputs[:, which][:, full]), cost, g, H, scale=scale,
                      least=self.least)
            place[:] = cost[:len(which)]
        return found

    def error_sums(self, v: np.ndarray, shared: int, pull: float = 1.0) -> tuple[Sums, Sums]:
        """Return the sums that errors of a robust loss are worked out from: by the cost's curvature, and by its slope's square.

        Parameters
        ----------
        v : ndarray
            Of the program's variables.
        shared : int
            How many parameters all data sets share together.
        pull : float
            A power of four, about the size of the slopes: the second sums are of slopes divided by it. With weights of another unit these
            are in range where their squares times those of derivatives aren't.
        """
        found, squared = self._squared(self.rows, v, self.scale, shared)
        if pull != 1:
            other = 1/np.sqrt(pull)
            y, x, weights = self.points
            rows = Rows(self.program, y, x, np.full(y.shape[1], other) if weights is None else weights*other, self._loss, self.responses)
            squared = self._squared(rows, v, None if self.scale is None else self.scale*other, shared)[1]
        return found, squared

    def _squared(self, rows: Rows, v: np.ndarray, scale: np.ndarray | None, shared: int) -> tuple[Sums, Sums]:
        """Return the same of rows of the same data, their weights in a unit of their own; NaN where squares are out of range."""
        cost, g, H = (np.zeros_like(each) for each in self._room[0])
        squared = np.zeros_like(H)
        self._call(lambda first, last: rows.sums(v, self.inputs, cost, g, H, first=first, last=last, scale=scale, squared=squared))
        if self.unit != 1:
            variances = squared[[_element(np.array(k), np.array(k)) for k in range(len(v))]]
            squared[:, ~((variances >= SMALLEST) & (variances < np.inf)).all(axis=0)] = np.nan
        return self._parts(cost, g, H, shared), self._parts(cost, g, squared, shared)

    def residuals(self, v: np.ndarray) -> Iterator[tuple[np.ndarray, list[np.ndarray]]]:
        """Yield the weighted residuals of the points that take part, ndarray (m,), and their independent variables, of each data set."""
        y, x, weights = self.points
        for k in range(len(self.which)):
            own = [each if each.ndim == 1 else each[k] for each in x]
            folded = self.part.job.folded
            assert folded is not None
            program = folded.of_row(None if self.responses is None else self.responses[k]).program
            r = program.evaluate(v[:, k], np.array(own), self.inputs[:, k], jacobian=False)[0] - y[k]
            factor = None if weights is None else weights if weights.ndim == 1 else weights[k]
            yield (r, own) if factor is None else ((r*factor)[factor != 0], [each[factor != 0] for each in own])

    def typical(self, v: np.ndarray) -> np.ndarray:
        """Return the standard deviations that the median sizes of the residuals stand for, of each data set: ndarray (k,)."""
        return np.array([MAD*float(np.median(np.abs(r)))/self.unit if r.size else 0.0 for r, _ in self.residuals(v)])

    def linear_places(self) -> Places:
        """Return which parameters the formula is linear in all together, local ones before shared ones: places among the local parameters
        of the group, and among those of all data sets that are shared.
        """
        folded = self.part.job.folded
        assert folded is not None
        own, others = ([folded.names[k] for k in each.own] for each in (self.local, self.shared))
        found = set(folded.linearity.together([*own, *others]))
        return Places(np.array([k for k, name in enumerate(own) if name in found], int),
                      np.array([k for k, name in zip(self.shared.whole, others, strict=True) if name in found], int))

    @property
    def amplitudes(self) -> Places:
        """Those of the same that multiply what depends on other parameters."""
        folded = self.part.job.folded
        assert folded is not None
        known, found = self.linear_places(), folded.linearity.amplitudes
        return Places(np.array([k for k in known.own if folded.names[self.local.own[k]] in found], int),
                      np.array([k for k in known.whole if folded.names[self.shared.own[self.shared.whole == k][0]] in found], int))

    def without(self, shared: np.ndarray, places: np.ndarray) -> tuple[np.ndarray, Sums, Elimination]:
        """Return the local parameters with those at some places 0, and what least squares know of these there: ndarray (q, k), the sums,
        and what is left where these are eliminated.
        """
        values, active = self.values.copy(), np.zeros(self.values.shape, bool)
        values[places], active[places] = 0.0, True
        sums = self.sums(self.put(shared, values), len(shared))
        return values, sums, Elimination(sums, active)

    def near(self, shared: np.ndarray, projected: bool) -> np.ndarray:
        """Return where the local parameters are to begin: those that the formula is linear in where they fit best, in data sets that begin
        with far too small or far too large ones.

        Parameters
        ----------
        shared : ndarray, shape (s,)
        projected : bool
            Whether they are projected out, so that it is all one where they began; else their signs stay what they are.
        """
        places = self.linear_places().own
        if not places.size:
            return self.values
        with np.errstate(all="ignore"):
            found, sums, part = self.without(shared, places)
            lengths, size = np.sqrt(np.einsum("qqm->qm", sums.block)), np.sqrt(self.squares)
            fitted = found + part.local(np.zeros(len(shared)))
            fit = LinearFit(fitted[places].T, lengths[places].T, size)
            found[places] = inside(fit, [(self.low[k], self.high[k]) for k in places]).T
            before, after = (self.sums(self.put(shared, each), len(shared)).cost for each in (self.values, found))
            scales = self.amplitudes.own
            far = far_off(self.values[scales], found[scales], lengths[scales], size, before, after)
        if not projected:
            far &= (np.sign(self.values)*found >= 0).all(axis=0)
        return np.where(far & np.isfinite(found).all(axis=0), found, self.values)

    def steepest(self, shared: np.ndarray) -> list[float]:
        """Return the greatest sizes of the weighted derivatives by each parameter, of a few data sets at the start."""
        _, x, weights = self.points
        v, found = self.put(shared, self.values), []
        for k in range(min(A_FEW, len(self.which))):
            own = np.array([each if each.ndim == 1 else each[k] for each in x])
            assert self.part.job.folded is not None
            program = self.part.job.folded.of_row(None if self.responses is None else self.responses[k]).program
            J = program.evaluate(v[:, k], own, self.inputs[:, k])[1]
            factor = 1.0 if weights is None else weights if weights.ndim == 1 else weights[k]
            found += np.abs(J*np.reshape(factor, (-1, 1))).max(axis=0, initial=0.0).tolist()
        return found

    def _call(self, work: Callable[[int, int], None]) -> None:
        """Work on all blocks of lanes, in so many threads."""
        blocks = self.size//SIDE_BY_SIDE
        if self.threads == 1 or blocks == 1:
            work(0, blocks)
            return
        edges = np.linspace(0, blocks, min(self.threads, blocks) + 1).astype(int).tolist()
        with ThreadPoolExecutor(len(edges) - 1) as pool:
            list(pool.map(work, edges[:-1], edges[1:]))

    def _parts(self, cost: np.ndarray, g: np.ndarray, H: np.ndarray, shared: int) -> Sums:
        """Return sums sorted into what is shared and what is local."""
        k, own, local, to = len(self.which), self.shared.own, self.local.own, self.shared.whole
        slopes = np.zeros((shared, k))
        slopes[to] = g[own, :k]
        block, cross = np.zeros((shared, shared, k)), np.zeros((len(local), shared, k))
        block[np.ix_(to, to)] = H[_element(own[:, None], own), :k]
        cross[:, to] = H[_element(local[:, None], own), :k]
        return Sums(cost[:k].copy(), slopes, g[local, :k], block, cross, H[_element(local[:, None], local), :k])


def measured_by(squares: Any, first_costs: Any) -> np.ndarray:
    """Return the squares that rounding is measured by, given those of data, and what these cost at the start."""
    return np.where(squares > 0, squares, ZEROS**2*first_costs)


def far_off(begun: np.ndarray, found: np.ndarray, lengths: np.ndarray, size: np.ndarray, before: np.ndarray, after: np.ndarray
            ) -> np.ndarray:
    """Return whether amplitudes begin far too small, or all that a model is linear in far too large, along the last axis.

    Parameters
    ----------
    begun, found, lengths : ndarray, shape (q, k)
        Where the amplitudes begin, where they fit best, and the lengths of their columns.
    size : ndarray, shape (k,)
        The length of the data.
    before, after : ndarray, shape (k,)
        Chi-square where all begin, and where they fit best.
    """
    small = (np.abs(found) > COLD*np.abs(begun)) & ((begun != 0) | (begun == 0).all(axis=0)) & (np.abs(found)*lengths > MATTERS*size)
    return (before > after) & (small.any(axis=0) | (before > (FAR_OFF*size)**2))


def _places(names: tuple[str, ...], chosen: tuple[str, ...]) -> Places:
    """Return where those of some parameters that a program has are."""
    found = [(names.index(name), k) for k, name in enumerate(chosen) if name in names]
    return Places(np.array([own for own, _ in found], int), np.array([k for _, k in found], int))


def _element(i: np.ndarray, j: np.ndarray) -> np.ndarray:
    """Return the numbers of elements in a triangle by rows."""
    high, low = np.maximum(i, j), np.minimum(i, j)
    return high*(high + 1)//2 + low


def _points(looked: BatchInputs, which: np.ndarray, options: FitOptions) -> tuple[np.ndarray, list[np.ndarray], np.ndarray | None]:
    """Return data, variables and weights of some data sets; a point that takes no part has the weight 0, and finite numbers."""
    assert looked.y is not None
    everything = len(which) == len(looked.y)

    def rows(array: np.ndarray | None) -> Any:
        if array is None or array.ndim == 1:
            return array if array is None else np.asarray(array, float)
        return np.asarray(array if everything else array[which], float)
    y, x, weights = rows(looked.y), [rows(each) for each in looked.x], rows(looked.weights)
    own, mask = looked.factors(), looked.mask
    mask = mask if mask is None or mask.ndim == 1 or everything else mask[which]
    idle = None if own is None else without_effect(own.name, weights)
    out = [each for each in (mask, idle) if each is not None]
    left_out = np.logical_or.reduce(np.broadcast_arrays(*out)) if len(out) > 1 else out[0] if out else None
    if options.nan_policy == "omit":
        finite = np.isfinite(y)
        for each in x:
            finite = finite & np.isfinite(each)
        if not finite.all():
            left_out = ~finite if left_out is None else left_out | ~finite
    if weights is not None and looked.inverted:
        with np.errstate(divide="ignore"):
            weights = 1/weights
    if left_out is None or not left_out.any():
        return y, x, weights
    wide = np.broadcast_to(left_out, y.shape)
    weights = np.where(left_out, 0.0, 1.0 if weights is None else weights)
    sound = np.argmin(wide, axis=1)     # a point that takes part
    rest = np.arange(len(y))
    x = [np.where(wide, np.broadcast_to(each, y.shape)[rest, sound][:, None], each) for each in x]
    return np.where(wide, y[rest, sound][:, None], y), x, weights


def _in_sight(y: np.ndarray, weights: np.ndarray | None, seen: FitOptions, unit: float) -> tuple[np.ndarray, np.ndarray | None]:
    """Return data and weights, those without weight that are out of sight of the loss that is asked for."""
    scale = seen.f_scale if isinstance(seen.f_scale, str) else seen.f_scale*unit
    far = out_of_sight(seen.loss, scale, y, weights)
    return (y, weights) if far is None else (np.where(far, 0.0, y), np.where(far, 0.0, 1.0 if weights is None else weights))


# -- data sets each for itself

def local_job(part: Part, sets: Sets, shared: dict[str, float], starts: dict[str, Any], names: tuple[str, ...] | None = None) -> Job:
    """Return the job of a part's data sets each for itself, the shared parameters held.

    Parameters
    ----------
    part : Part
    sets : Sets
    shared : dict of str to float
        The values of all shared parameters that the formula has.
    starts : dict of str to float or ndarray, shape (k,)
        Of the others.
    names : tuple of str, optional
        Those that are to vary; all local ones, if not given.
    """
    params = template(part.job).copy()
    vary = names if names is not None else tuple(name for name in params if name in sets.local)
    for name, par in params.items():
        if par.expr is None:
            par.vary = name in vary
        if par.vary and par.expr is None:
            alike = [side for side in sets.bounds.get(name, ()) if not side.ndim]
            par.set(min=float(alike[0]) if len(alike) == 2 else -np.inf, max=float(alike[1]) if len(alike) == 2 else np.inf)
    given = {name: np.asarray(value, float) for name, value in {**shared, **starts}.items() if name in params and params[name].expr is None}
    shape = () if not any(value.ndim for value in given.values()) else next(value.shape for value in given.values() if value.ndim)
    return job_of(part.job.formula, params, given, shape or part.given.layout.shape)


def look(part: Part, sets: Sets, starts: dict[str, Any], options: FitOptions) -> BatchResult:
    """Look at a part's data sets as a batch does: which points take part, and whether a data set can be fitted at all."""
    names = tuple(name for name in sets.local if name in starts) or tuple(name for name in sets.shared if name in starts)[:1]
    held = {name: float(value) for name, value in starts.items() if name in sets.shared and name not in names}
    local = {name: value for name, value in starts.items() if name not in held}
    job = local_job(part, sets, held, local, names)
    once = BATCH.read({"method": "lanes", "max_nfev": 1, "nan_policy": options.nan_policy, "threads": options.threads,
                       "loss": "poisson" if options.loss == "poisson" else "linear"})
    found = run_batch(job, part.given, once)
    bad = np.flatnonzero(found.status == FitStatus.BAD_DATA)
    if bad.size and options.loss != "poisson" and any(name in starts for name in sets.local):
        again = refit(part, sets, bad, found.data, held, local, options)    # where squares of derivatives overflow, GSL goes without
        found.status[bad[again.status != FitStatus.BAD_DATA]] = FitStatus.NOT_RUN
    return found


def refit(part: Part, sets: Sets, which: np.ndarray, looked: BatchInputs, shared: dict[str, float], starts: dict[str, Any],
          options: FitOptions, names: tuple[str, ...] | None = None) -> BatchResult:
    """Fit some data sets of a part each for itself, the shared parameters held: in lanes, and where that is in doubt by GSL's solvers.

    Where the `names` of those that are to vary are given, shared ones among them are each data set's own.
    """
    given = part.given
    parts: dict[str, Any] = {"y": given.y[which], "x": {name: _rows(array, which) for name, array in given.x.items()},
                             "mask": None if looked.mask is None else _rows(looked.mask, which),
                             "factors": None if given.factors is None else given.factors._replace(array=_rows(given.factors.array, which))}
    limits = PerFit({name: pair for name, pair in sets.bounds.items() if any(side.ndim for side in pair)}, {}).part(part.places[which])
    own = Inputs(**{**given._asdict(), **parts, "layout": Layout((len(which), given.layout.n), (1,)), "labels": None,
                    "limits": limits if limits.bounds else None,
                    "response": None if given.response is None else given.response[which]})
    narrow = part._replace(given=own)
    given_starts = {name: np.asarray(value)[which] if np.ndim(value) else value for name, value in starts.items()}
    job = local_job(narrow, sets, shared, given_starts, names)
    again = BATCH.read({"nan_policy": "omit" if options.nan_policy == "omit" else "mark", "threads": options.threads,
                        "loss": options.loss, "f_scale": options.f_scale, "covar": True})
    return run_batch(job, own, again)


def _rows(array: np.ndarray, which: np.ndarray) -> np.ndarray:
    """Return some data sets' rows of an array (k, n); one (n,), which all share, as it is."""
    return array if array.ndim == 1 else array[which]
