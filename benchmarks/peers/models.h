/* The benchmark's formulas and their derivatives by hand, and the one call that every peer offers. */
#ifndef MODELS_H
#define MODELS_H

#include <math.h>

enum { PEAKS, DECAYS, SPOTS, LONG_CURVE, MODELS };
static const int parameters_of[MODELS] = {4, 3, 5, 6};

/* Value at point (x, z); J, if wanted, gets the derivatives `stride` apart. */
static inline __attribute__((always_inline)) double model(int which, const double *v, double x, double z, double *J, long stride) {
    if (which == PEAKS) {
        const double w = 1 / v[3], t = x - v[2], e = exp(-.5 * t * t * w), slope = v[1] * e * t * w;
        if (J) J[0] = 1, J[stride] = e, J[2 * stride] = slope, J[3 * stride] = .5 * slope * t * w;
        return v[0] + v[1] * e;
    }
    if (which == DECAYS) {
        const double e = exp(-v[2] * x);
        if (J) J[0] = 1, J[stride] = e, J[2 * stride] = -v[1] * x * e;
        return v[0] + v[1] * e;
    }
    if (which == SPOTS) {
        const double w = 1 / (v[3] * v[3]), t = x - v[1], u = z - v[2], d = t * t + u * u, e = exp(-.5 * d * w), a = v[0] * e * w;
        if (J) J[0] = e, J[stride] = a * t, J[2 * stride] = a * u, J[3 * stride] = a * d / v[3], J[4 * stride] = 1;
        return v[0] * e + v[4];
    }
    const double w = 1 / v[3], t = x - v[2], e = exp(-.5 * t * t * w), slope = v[1] * e * t * w, g = exp(-v[5] * x);
    if (J) J[0] = 1, J[stride] = e, J[2 * stride] = slope, J[3 * stride] = .5 * slope * t * w, J[4 * stride] = g, J[5 * stride] = -v[4] * x * g;
    return v[0] + v[1] * e + v[4] * g;
}

/* Fit every curve to steps of 1e-8: y is (fits, n), start and out (fits, p). x and z are (n); z may be NULL. */
#ifdef __cplusplus
extern "C"
#endif
int run(int which, long fits, long n, const double *x, const double *z, const double *y, const double *start, double *out);

/* A switch with the model as a constant in each branch, so that the compiler specialises the loops. */
#define SPECIALISED(call)                    \
    switch (which) {                         \
    case PEAKS: call(PEAKS); break;          \
    case DECAYS: call(DECAYS); break;        \
    case SPOTS: call(SPOTS); break;          \
    default: call(LONG_CURVE);               \
    }

#endif
