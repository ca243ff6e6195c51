"""What a batch of fits is, before any of them is run, and what fits a part of it."""
from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from gslfit.curves.batch_result import BatchInputs, BatchResult
from gslfit.curves.job import Job, template
from gslfit.curves.run_batch import Report, inputs_of_result
from gslfit.data.inputs import Inputs
from gslfit.data.lazy import is_lazy
from gslfit.minimizer.options import FitOptions
from gslfit.records import Record


class Batch(Record):
    """What a batch of fits is, before any of them is run.

    Attributes
    ----------
    data : BatchInputs
        As the result will have it.
    names, varying : tuple of str
        All parameters, and those that are varied, in the order of the result.
    reason : str
        Why there is no program.
    recipe : str
        What finds the start values, for the fingerprint: "" where they are given.
    """

    data: BatchInputs
    names: tuple[str, ...]
    varying: tuple[str, ...]
    reason: str
    recipe: str = ""


Starts = Mapping[str, Any]


class FitPart(Protocol):
    """The fit of a part of a batch: a function that can be pickled."""

    def __call__(self, part: Inputs, starts: Starts, report: Report | None) -> BatchResult:
        """Return the result of a part."""

    def in_one_thread(self) -> FitPart:
        """Return the same that runs in one thread."""


def batch_of(job: Job, given: Inputs, options: FitOptions, recipe: str = "") -> Batch:
    """Return what a batch of fits is, before it is run."""
    names = tuple(job.folded.roles) if job.folded is not None else tuple(template(job))
    for name in job.folded.names if job.folded is not None and job.folded.bounded else ():
        if not is_lazy(job.start[name]):
            job.folded.check(name, job.start[name])      # type: ignore[union-attr]
    varying = job.folded.names if job.folded is not None else tuple(name for name, par in template(job).items() if par.vary)
    return Batch(inputs_of_result(job, given, options), names, varying, "" if job.folded is not None else job.reason, recipe)
