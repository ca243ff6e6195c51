/* Bounds of one parameter: where a start lies, and the transform that keeps it within them while a solver moves freely.
 *
 * gslfit/parameters/bounds.py has the mathematics. Inline, as it runs at every evaluation: the C core and the extensions include it.
 */
#ifndef GSLFIT_BOUNDS_H
#define GSLFIT_BOUNDS_H

#include <math.h>
#include "common/extremes.h"

typedef enum {
    BOUND_FREE, BOUND_ONE, BOUND_TWO,
    BOUND_WIDE,  /* two bounds, the far one out of sight */
    BOUND_OUT    /* every bound out of sight */
} bound_kind;

typedef struct {
    bound_kind kind;
    /* the bound counted from (OUT: the lower one); ONE and WIDE: the start's distance from it, TWO: the far one's */
    double near, size, far;
} fit_bound;

/* ---- starts ---- */

/* A start that lies on a bound (infinite for none) or within `beside` of its magnitude, or of the width if that is smaller, moved strictly
 * inside by `inside` of it, or of 1. */
static inline double gslfit_bound_interior(double start, double low, double high, double inside, double beside) {
    const double width = fabs(high - low), share = inside * width;
    if (isfinite(low) && fabs(start - low) <= beside * gslfit_smaller(fabs(low), width))
        return low + gslfit_smaller(inside * (low != 0 ? fabs(low) : 1), share);
    if (isfinite(high) && fabs(start - high) <= beside * gslfit_smaller(fabs(high), width))
        return high - gslfit_smaller(inside * (high != 0 ? fabs(high) : 1), share);
    return start;
}

/* How far inside a start that the caller put on a bound, at `given`, is to begin, where it begins at `start` by guess: as far as changes a
 * residual of a length by `share` of it, by its column's length; 0 where the guess is within a factor `alike` of that, or nothing is known.
 * The magnitude of a bound other than 0 is a unit, and the guess not too near. */
static inline double gslfit_bound_step_inside(double given, double start, double residual, double column, double share, double alike) {
    const double guess = fabs(start - given), step = share * residual / column;
    const int good = !(step < INFINITY) || (step >= guess / alike && step <= guess * alike) || (given != 0 && step > guess);
    return guess == 0 || good ? 0 : step;
}

/* The start's distance from a bound, with its sign; for one on the bound, what counts as a change of the parameter. */
static inline double gslfit_bound_beside(double near, double start, int below, double reach) {
    const double size = reach > 0 ? reach : near != 0 ? fabs(near) : 1;
    return start != near ? start - near : below ? -size : size;
}

/* The transform for a start within its bounds (infinite for none); `reach` is what counts as a change of the parameter, 0 where that is not
 * known and the start's own size has to do; `wide` and `out` are bounds.py's WIDE and FAR. */
static inline void gslfit_bound_set(fit_bound *b, double start, double low, double high, double reach, double wide, double out) {
    const double size = gslfit_larger(fabs(start), reach);
    b->kind = BOUND_FREE, b->near = 0, b->size = 1, b->far = 0;
    if (isinf(low) && isinf(high)) return;
    if (gslfit_smaller(start - low, high - start) > out * (size > 0 ? size : 1)) {
        b->kind = BOUND_OUT, b->near = low, b->far = high;
        return;
    }
    if (isinf(low) || isinf(high)) {
        b->kind = BOUND_ONE, b->near = isinf(low) ? high : low;
        b->size = gslfit_bound_beside(b->near, start, isinf(low), reach);
        return;
    }
    b->kind = BOUND_TWO;
    b->near = fabs(low) <= fabs(high) ? low : high;
    b->far = fabs(low) <= fabs(high) ? high : low;
    b->size = b->far - b->near;
    if (fabs(start - b->near) >= wide * fabs(b->size)) return;
    b->kind = BOUND_WIDE, b->size = gslfit_bound_beside(b->near, start, b->near == high, reach);
}

/* ---- the transform ---- */

/* The internal value for a value within the bounds. */
static inline double gslfit_bound_internal(const fit_bound *b, double value) {
    const double pi = 3.14159265358979323846, distance = (value - b->near) / b->size;
    if (b->kind == BOUND_FREE || b->kind == BOUND_OUT) return value;
    if (b->kind != BOUND_TWO) return sqrt(distance) * sqrt(distance + 2);
    /* a quotient of roots: 1e-200 below a bound of 1e300 is not 0 */
    if (distance <= 0.5) return 2 * asin(sqrt(fabs(value - b->near)) / sqrt(fabs(b->size)));
    return pi - 2 * asin(sqrt(fabs(b->far - value)) / sqrt(fabs(b->size)));
}

/* The value for an internal one. */
static inline double gslfit_bound_external(const fit_bound *b, double v) {
    if (b->kind == BOUND_FREE) return v;
    if (b->kind == BOUND_OUT) return v != v ? v : gslfit_between(v, b->near, b->far);
    if (b->kind != BOUND_TWO) {
        const double x = b->near + b->size * v * (v / (hypot(v, 1) + 1));
        return b->kind == BOUND_WIDE && fabs(x - b->near) > fabs(b->far - b->near) ? b->far : x;
    }
    /* beyond the middle it counts from the far bound: it can't pass it, and keeps its digits there */
    const double s = sin(0.5 * v), c = cos(0.5 * v);
    return cos(v) >= 0 ? b->near + s * (b->size * s) : b->far - c * (b->size * c);
}

/* The derivative of the value by the internal one. */
static inline double gslfit_bound_slope(const fit_bound *b, double v) {
    if (b->kind == BOUND_FREE) return 1;
    if (b->kind == BOUND_OUT) return v >= b->near && v <= b->far;
    return b->kind == BOUND_TWO ? 0.5 * b->size * sin(v) : b->size * (v / hypot(v, 1));
}

#endif
