"""How a fit ended: `FitStatus`, made from the one table of `src/common/status.h`."""
from enum import IntEnum

cdef extern from "common/status.h" nogil:
    enum:
        FIT_STATUS_COUNT
    ctypedef struct fit_status_fact:
        const char *name
        int number, success, ier
        const char *prose

cdef extern from *:
    """
    static const fit_status_fact gslfit_status_table[FIT_STATUS_COUNT] = {FIT_STATUSES(FIT_STATUS_FACT)};
    """
    const fit_status_fact *gslfit_status_table


cdef dict table():
    """Return the lines of the table by name: number, success, ier and prose."""
    cdef const fit_status_fact *fact
    cdef int k
    found = {}
    for k in range(FIT_STATUS_COUNT):
        fact = &gslfit_status_table[k]
        found[fact.name.decode()] = fact.number, bool(fact.success), fact.ier, fact.prose.decode()
    return found


LINES = table()
FitStatus = IntEnum("FitStatus", {name: line[0] for name, line in LINES.items()}, module="gslfit.errors", qualname="FitStatus")
FitStatus.__doc__ = "How a fit ended: `success`, MINPACK's `ier`, and `prose`, which says it in words."
for status in FitStatus:
    status._line = LINES[status.name]
    type.__setattr__(FitStatus, status.name, status)        # as from Python 3.12 on: looked up without a call
FitStatus.success = property(lambda status: status._line[1], doc="Whether it is a minimum.")
FitStatus.ier = property(lambda status: status._line[2], doc="MINPACK's number for it; 0 where nothing was fitted.")
FitStatus.prose = property(lambda status: status._line[3], doc="What the status means.")
