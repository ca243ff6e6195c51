# Bounds of parameters as bounds.h has them, with the constants of gslfit/parameters/bounds.py, which has their mathematics.
from gslfit.parameters import bounds as transforms

cdef double INSIDE_SHARE = transforms.INSIDE
cdef double NEAR_SHARE = transforms.NEAR
cdef double WIDE_SHARE = transforms.WIDE
cdef double DOUBT_SHARE = transforms.DOUBT
cdef double DOUBT_AT_ZERO = transforms.DOUBT_ZERO
cdef double FAR_TIMES = transforms.FAR

cdef extern from "parameters/bounds.h" nogil:
    ctypedef struct fit_bound:
        pass
    double gslfit_bound_interior(double start, double low, double high, double inside, double beside)
    void gslfit_bound_set(fit_bound *b, double start, double low, double high, double reach, double wide, double out)
    double gslfit_bound_internal(const fit_bound *b, double value)
    double gslfit_bound_external(const fit_bound *b, double v)
    double gslfit_bound_slope(const fit_bound *b, double v)

ctypedef struct Box:
    fit_bound bound
    double put          # the value last put


cdef bint doubtful(double value, double low, double high) noexcept nogil:
    """Return whether a start is so near to a bound that the residual decides how far inside the fit begins."""
    cdef double distance = fmin(value - low, high - value), bound = low if value - low <= high - value else high
    return distance <= (DOUBT_AT_ZERO if bound == 0 else DOUBT_SHARE * fabs(bound)) if isfinite(distance) else False
