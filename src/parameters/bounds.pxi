# The transforms of gslfit/parameters/bounds.py, which has their mathematics, for one number at a time.
from gslfit.parameters import bounds as transforms

cdef double INSIDE_SHARE = transforms.INSIDE
cdef double NEAR_SHARE = transforms.NEAR
cdef double WIDE_SHARE = transforms.WIDE
cdef double DOUBT_SHARE = transforms.DOUBT
cdef double DOUBT_AT_ZERO = transforms.DOUBT_ZERO
cdef double FAR_TIMES = transforms.FAR

cdef enum:
    FREE = 0
    ONE = 1
    TWO = 2
    WIDE = 3                # two bounds, the far one out of sight
    OUT = 4                 # every bound out of sight

ctypedef struct Box:
    int kind            # FREE, with how many bounds, WIDE or OUT
    double near         # the bound counted from; OUT: the lower one
    double size         # ONE and WIDE: the start's distance from it; TWO: the far one's
    double far          # OUT: the upper one
    double put          # the value last put


cdef double to_external(const Box *b, double v) noexcept nogil:
    """The parameter's value for an internal one."""
    cdef double s
    if b.kind == FREE:
        return v
    if b.kind == OUT:
        return fmin(fmax(v, b.near), b.far) if v == v else v
    if b.kind != TWO:
        s = b.near + b.size * v * (v / (hypot(v, 1) + 1))
        return b.far if b.kind == WIDE and fabs(s - b.near) > fabs(b.far - b.near) else s
    # beyond the middle count from the far bound: the value can't pass it by a rounding error, and keeps its digits there
    if cos(v) >= 0:
        s = sin(0.5 * v)
        return b.near + s * (b.size * s)
    s = cos(0.5 * v)
    return b.far - s * (b.size * s)


cdef double to_internal(const Box *b, double value) noexcept nogil:
    """The internal value for a parameter's value within the bounds."""
    cdef double distance
    if b.kind == FREE or b.kind == OUT:
        return value
    distance = (value - b.near) / b.size
    if b.kind != TWO:
        return sqrt(distance) * sqrt(distance + 2)
    if distance <= 0.5:                                     # a quotient of roots: 1e-200 below a bound of 1e300 is not 0
        return 2 * asin(sqrt(fabs(value - b.near)) / sqrt(fabs(b.size)))
    return M_PI - 2 * asin(sqrt(fabs(b.far - value)) / sqrt(fabs(b.size)))


cdef double slope(const Box *b, double v) noexcept nogil:
    """The derivative of the parameter by the internal value."""
    if b.kind == FREE:
        return 1.
    if b.kind == OUT:
        return 1. if b.near <= v <= b.far else 0.
    return b.size * (v / hypot(v, 1)) if b.kind != TWO else 0.5 * b.size * sin(v)


cdef double inside(double value, double low, double high) noexcept nogil:
    """A start, moved inside where it lies on a bound or next to it; infinities for no bound."""
    cdef double step
    if isfinite(low) and fabs(value - low) <= NEAR_SHARE * fabs(low):
        step = INSIDE_SHARE * (fabs(low) if low != 0 else 1.)
        return low + fmin(step, INSIDE_SHARE * fabs(high - low))
    if isfinite(high) and fabs(value - high) <= NEAR_SHARE * fabs(high):
        step = INSIDE_SHARE * (fabs(high) if high != 0 else 1.)
        return high - fmin(step, INSIDE_SHARE * fabs(high - low))
    return value


cdef bint doubtful(double value, double low, double high) noexcept nogil:
    """Whether a start is so near to a bound that the residual is to be asked how far inside the fit is to begin."""
    cdef double distance = fmin(value - low, high - value), bound = low if value - low <= high - value else high
    return distance <= (DOUBT_AT_ZERO if bound == 0 else DOUBT_SHARE * fabs(bound)) if isfinite(distance) else False


cdef double beside(double near, double start, bint below, double reach) noexcept nogil:
    """The distance of a start from its bound, with its sign; of one on the bound, what counts as a change of the parameter."""
    cdef double size = reach if reach > 0 else fabs(near) if near != 0 else 1.
    return start - near if start != near else -size if below else size


cdef void set_box(Box *b, double start, double low, double high, double reach) noexcept nogil:
    """The transform for a start that lies inside its bounds, infinities for none; `reach` is what counts as a change of the parameter.

    Where that is not known, 0, the start's own size has to do.
    """
    cdef double size = fmax(fabs(start), reach)
    b.kind, b.near, b.size, b.far, b.put = FREE, 0., 1., 0., start
    if isinf(low) and isinf(high):
        return
    if fmin(start - low, high - start) > FAR_TIMES * (size if size > 0 else 1.):
        b.kind, b.near, b.far = OUT, low, high
        return
    if isinf(low) or isinf(high):
        b.kind, b.near = ONE, high if isinf(low) else low
        b.size = beside(b.near, start, isinf(low), reach)
        return
    b.near, b.far = (low, high) if fabs(low) <= fabs(high) else (high, low)
    b.size = b.far - b.near
    b.kind = TWO
    if fabs(start - b.near) < WIDE_SHARE * fabs(b.size):    # a far bound for form's sake: its sine would be a parabola here
        b.kind, b.size = WIDE, beside(b.near, start, b.near == high, reach)
