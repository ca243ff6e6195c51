/* The larger and the smaller of two numbers, and one kept between two; the second where the first is NaN. C's fmax and fmin are calls of a
 * library where NaN must not count, and such a call between vector instructions can cost more than a step of a fit. */
#ifndef GSLFIT_EXTREMES_H
#define GSLFIT_EXTREMES_H

static inline double gslfit_larger(double a, double b) { return a > b ? a : b; }
static inline double gslfit_smaller(double a, double b) { return a < b ? a : b; }
static inline double gslfit_between(double v, double low, double high) { return gslfit_smaller(gslfit_larger(v, low), high); }

#endif
