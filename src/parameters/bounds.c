#include "bounds.h"

#include <math.h>

void gslfit_bound_set(fit_bound *b, double start, double low, double high, double wide, double out) {
    *b = (fit_bound){BOUND_FREE, 0, 1, 0};
    if (isinf(low) && isinf(high)) return;
    if (fmin(start - low, high - start) > out * (start != 0 ? fabs(start) : 1)) {
        *b = (fit_bound){BOUND_OUT, low, 1, high};
        return;
    }
    if (isinf(low) || isinf(high)) {
        b->kind = BOUND_ONE;
        b->near = isinf(low) ? high : low;
        b->size = start - b->near;
        return;
    }
    b->kind = BOUND_TWO;
    b->near = fabs(low) <= fabs(high) ? low : high;
    b->far = fabs(low) <= fabs(high) ? high : low;
    b->size = b->far - b->near;
    if (fabs(start - b->near) >= wide * fabs(b->size)) return;
    b->kind = BOUND_WIDE;
    b->size = start - b->near;
}

double gslfit_bound_internal(const fit_bound *b, double value) {
    const double pi = 3.14159265358979323846, distance = (value - b->near) / b->size;
    if (b->kind == BOUND_FREE || b->kind == BOUND_OUT) return value;
    if (b->kind != BOUND_TWO) return sqrt(distance) * sqrt(distance + 2);
    /* a quotient of roots: 1e-200 below a bound of 1e300 is not 0 */
    if (distance <= 0.5) return 2 * asin(sqrt(fabs(value - b->near)) / sqrt(fabs(b->size)));
    return pi - 2 * asin(sqrt(fabs(b->far - value)) / sqrt(fabs(b->size)));
}

double gslfit_bound_external(const fit_bound *b, double v, double *slope) {
    *slope = 1;
    if (b->kind == BOUND_FREE) return v;
    if (b->kind == BOUND_OUT) {
        *slope = v >= b->near && v <= b->far;
        return v != v ? v : fmin(fmax(v, b->near), b->far);
    }
    if (b->kind != BOUND_TWO) {
        const double root = hypot(v, 1), x = b->near + b->size * v * (v / (root + 1));
        *slope = b->size * (v / root);
        return b->kind == BOUND_WIDE && fabs(x - b->near) > fabs(b->far - b->near) ? b->far : x;
    }
    *slope = 0.5 * b->size * sin(v);  /* beyond the middle it counts from the far bound: it can't pass it, and keeps its digits there */
    const double s = sin(0.5 * v), c = cos(0.5 * v);
    return cos(v) >= 0 ? b->near + s * (b->size * s) : b->far - c * (b->size * c);
}
