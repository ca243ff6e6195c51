"""Standard errors of parameters that data sets share, and of those of each, from the normal equations at the minimum.

With V the inverse of the Schur complement, the covariance of the shared parameters is V, that of a data set's own ones
B^-1 + K V K^T, and between them K V, where K = -B^-1 C is how they follow the shared ones; all times the reduced chi-square where the
errors errors of the data are estimated. Errors of a robust loss are the sandwich's A^-1 M A^-1 n/(n - p) (Huber, Robust Statistics, 1981,
section 7.6), with A and M arrows of the same shape.
"""
from __future__ import annotations

import numpy as np

from gslfit.minimizer.propagation import Directions
from gslfit.records import Record
from gslfit.shared._rows import HELD
from gslfit.shared.arrow import OPEN, Elimination, Sums, inverted
from gslfit.shared.fitting import Fitting


class Together(Record):
    """What data sets determine where they don't determine every parameter: covariances of what is left with the open ones held.

    Attributes
    ----------
    covar : ndarray, shape (k, s + q, s + q)
        Of the shared parameters, then the local ones.
    open : Directions
        Where the open ones lead: axes (k, d, s + q), size (k, s + q).
    """

    covar: np.ndarray
    open: Directions


class GroupCovariances(Record):
    """Covariances of one group of data sets, NaN where a parameter has no error.

    Attributes
    ----------
    local : ndarray, shape (k, q, q)
    cross : ndarray, shape (k, q, s)
    together : Together or None
        Where a parameter is open.
    """

    local: np.ndarray
    cross: np.ndarray
    together: Together | None


def covariances(fitting: Fitting, pull: float = 1.0) -> tuple[np.ndarray, list[GroupCovariances]]:
    """Return the covariance of the shared parameters, (s, s), and those of each group of the last descent; all of them are still to be
    multiplied by the reduced chi-square, or what is in its place.

    Parameters
    ----------
    fitting : Fitting
        That has come to an end.
    pull : float
        What the slopes of a robust loss are divided by, as `Group.error_sums` takes it.
    """
    descent = fitting.descent
    assert descent is not None
    state = descent.state
    robust = fitting.options.loss not in ("linear", "poisson")
    pairs = [group.error_sums(v, descent.count, pull) if robust else (sums, sums)
             for group, v, sums in zip(descent.groups, state.v, state.sums, strict=True)]
    parts: list[Elimination] = []
    for group, (sums, _), v in zip(descent.groups, pairs, state.v, strict=True):
        k = len(parts)
        parts.append(Elimination(sums, descent.active(group, v, state.sums[k]) & ~state.own_even[k]))
    schur = sum(part.schur for part in parts)
    lengths = np.sqrt(np.abs(sum(np.einsum("ssm->s", sums.shared_block) for sums, _ in pairs)))
    known = np.flatnonzero((fitting.flags == 0) & (lengths > 0))
    inverse, loose, axes = inverted(schur, lengths, known)
    silent = (fitting.flags != HELD) & ~((fitting.flags == 0) & (lengths > 0))
    axes = np.concatenate([axes, np.eye(len(schur))[silent]])
    middle = sum(score(part, squared).sum(axis=-1) for part, (_, squared) in zip(parts, pairs, strict=True)) if robust else None
    shared = inverse if middle is None else inverse @ middle @ inverse
    some = len(axes) > 0 or any((known.undetermined & ~known.held).any() for known in fitting.known)
    found = []
    for group, part, (sums, squared) in zip(descent.groups, parts, pairs, strict=True):
        follows, own = part.follows(), part.inverses()
        cross = np.einsum("qsm,st->mqt", follows, shared)
        local = np.einsum("mqt,rtm->mqr", cross, follows)
        if middle is None:
            local += own.transpose(2, 0, 1)
        else:
            inner = np.einsum("qrm,rtm->qtm", own, squared.block)
            pulled = np.einsum("qrm,rsm->qsm", own, squared.cross) + np.einsum("qrm,rsm->qsm", inner, follows)
            mixed = np.einsum("qsm,st->mqt", pulled, inverse)
            cross = cross + mixed
            both = np.einsum("mqt,rtm->mqr", mixed, follows)
            local += np.einsum("qtm,rtm->mqr", inner, own) + both + both.transpose(0, 2, 1)
        which = fitting.of(group)
        unknown = which.undetermined[:, group.which].T
        together = None
        if some:
            middles = np.broadcast_to(shared, (len(local), *shared.shape))
            whole = np.block([[middles, cross.transpose(0, 2, 1)], [cross, local]])
            together = Together(whole, _directions(sums, part, axes, lengths, unknown & ~which.held[:, group.which].T))
        local[unknown[:, :, None] | unknown[:, None, :]] = np.nan
        cross[unknown] = np.nan
        cross[..., loose] = np.nan
        found.append(GroupCovariances(local, cross, together))
    shared = shared.copy()
    shared[loose], shared[:, loose] = np.nan, np.nan
    return shared, found


def _directions(sums: Sums, part: Elimination, axes: np.ndarray, lengths: np.ndarray, unknown: np.ndarray) -> Directions:
    """Return the directions in which data sets are open.

    Parameters
    ----------
    sums : Sums
    part : Elimination
        Of the same.
    axes : ndarray, shape (d, s)
        Those of the shared parameters, which local ones follow.
    lengths : ndarray, shape (s,)
        Of the shared parameters' columns.
    unknown : ndarray of bool, shape (m, q)
        Local parameters that are open.
    """
    q, s, m = sums.cross.shape
    d = len(axes)
    size = np.concatenate([np.broadcast_to(lengths, (m, s)), np.sqrt(np.einsum("qqm->mq", sums.block))], axis=1)
    size = np.where(size > 0, size, 1.0)
    found = np.zeros((m, d + q, s + q))
    found[:, :d, :s] = axes
    found[:, :d, s:] = np.einsum("qsm,ds->mdq", part.follows(), axes)
    own = ~part.independent.T & unknown             # a column that those before make up, or that is none
    made = -np.einsum("qrm,rcm->mcq", part.inverses(), sums.block)
    made[:, range(q), range(q)] = 1.0
    found[:, d:, s:] = np.where(own[:, :, None], made, 0.0)
    found *= size[:, None]
    alone = unknown & ~own & (np.abs(found[:, :, s:]).max(axis=1, initial=0.0) <= OPEN)     # without effect
    found[:, range(d, d + q), range(s, s + q)] += alone
    length = np.linalg.norm(found, axis=2, keepdims=True)
    return Directions(found/np.where(length > 0, length, 1.0), size)


def score(part: Elimination, squared: Sums) -> np.ndarray:
    """Return the products of what each data set pulls at the shared parameters, ndarray (s, s, m)."""
    follows = part.follows()
    crossed = np.einsum("qsm,qtm->stm", follows, squared.cross)
    inner = np.einsum("qsm,qrm,rtm->stm", follows, squared.block, follows)
    return squared.shared_block + crossed + crossed.transpose(1, 0, 2) + inner

