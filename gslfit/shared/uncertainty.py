"""Standard errors of parameters that data sets share, and of those of each, from the normal equations at the minimum.

With V the inverse of the Schur complement, the covariance of the shared parameters is V, that of a data set's own ones
B^-1 + K V K^T, and between them K V, where K = -B^-1 C is how they follow the shared ones; all times the reduced chi-square where the
errors errors of the data are estimated. Errors of a robust loss are the sandwich's A^-1 M A^-1 n/(n - p) (Huber, Robust Statistics, 1981,
section 7.6), with A and M arrows of the same shape.
"""
from __future__ import annotations

from typing import NamedTuple

import numpy as np

from gslfit.shared.arrow import Elimination, Sums
from gslfit.shared.descent import DETERMINED
from gslfit.shared.ending import OPEN
from gslfit.shared.fitting import Fitting


class Spread(NamedTuple):
    """Covariances of one group of data sets, NaN where a parameter has no error.

    Attributes
    ----------
    local : ndarray, shape (k, q, q)
    cross : ndarray, shape (k, q, s)
    """

    local: np.ndarray
    cross: np.ndarray


def covariances(fitting: Fitting, scale: float) -> tuple[np.ndarray, list[Spread]]:
    """Return the covariance of the shared parameters, (s, s), and those of each group of the last descent.

    Parameters
    ----------
    fitting : Fitting
        That has come to an end.
    scale : float
        What multiplies the inverse of the normal equations.
    """
    descent = fitting.descent
    assert descent is not None
    state = descent.state
    robust = fitting.options.loss not in ("linear", "poisson")
    pairs = [group.error_sums(v, descent.count) if robust else (sums, sums)
             for group, v, sums in zip(descent.groups, state.v, state.sums, strict=True)]
    parts: list[Elimination] = []
    for group, (sums, _), v in zip(descent.groups, pairs, state.v, strict=True):
        parts.append(Elimination(sums, descent.active(group, v, state.sums[len(parts)])))
    schur = sum(part.schur for part in parts)
    lengths = np.sqrt(np.abs(sum(np.einsum("ssm->s", sums.shared_block) for sums, _ in pairs)))
    known = np.flatnonzero((fitting.flags == 0) & (lengths > 0))
    inverse, loose = inverted(schur, lengths, known)
    middle = sum(score(part, squared).sum(axis=-1) for part, (_, squared) in zip(parts, pairs, strict=True)) if robust else None
    shared = inverse if middle is None else inverse @ middle @ inverse
    found = []
    for group, part, (_, squared) in zip(descent.groups, parts, pairs, strict=True):
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
        local[unknown[:, :, None] | unknown[:, None, :]] = np.nan
        cross[unknown] = np.nan
        cross[..., loose] = np.nan
        found.append(Spread(local*scale, cross*scale))
    shared = shared.copy()
    shared[loose], shared[:, loose] = np.nan, np.nan
    return shared*scale, found


def inverted(schur: np.ndarray, lengths: np.ndarray, known: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the inverse of the Schur complement in the parameters known, 0 elsewhere, and which parameters it leaves open, (s)."""
    inverse, loose = np.zeros_like(schur), np.ones(len(schur), bool)
    if not known.size:
        return inverse, loose
    unit = 1/lengths[known]
    block = schur[np.ix_(known, known)]*unit*unit[:, None]
    values, axes = np.linalg.eigh(block)
    good = values > DETERMINED
    inverse[np.ix_(known, known)] = (axes[:, good]/values[good]) @ axes[:, good].T*unit*unit[:, None]
    loose[known] = False
    if not good.all():
        loose[known] = (np.abs(axes[:, ~good]) > OPEN).any(axis=1)
    return inverse, loose


def score(part: Elimination, squared: Sums) -> np.ndarray:
    """Return the products of what each data set pulls at the shared parameters, ndarray (s, s, m)."""
    follows = part.follows()
    crossed = np.einsum("qsm,qtm->stm", follows, squared.cross)
    inner = np.einsum("qsm,qrm,rtm->stm", follows, squared.block, follows)
    return squared.shared_block + crossed + crossed.transpose(1, 0, 2) + inner

