/* Difference quotients of residuals, and changes of columns, in one pass over them. */
#ifndef GSLFIT_QUOTIENTS_H
#define GSLFIT_QUOTIENTS_H

#include "common/linalg.h"

/* Sums below are four that don't wait for each other: more of several kinds would not stay in registers. */
static inline double gslfit_four(const double *s) { return (s[0] + s[1]) + (s[2] + s[3]); }

/* column = (value - r) / width, and its product with r. Returns the length of the differences; NaN or infinite where one is. */
static inline double gslfit_forward(const double *restrict value, const double *restrict r, double width, long n, double *restrict column,
                                    double *slope) {
    double s[4] = {0}, g[4] = {0};
    long i = 0;
    for (; i + 4 <= n; i += 4)
        for (int k = 0; k < 4; k++) {
            const double d = value[i + k] - r[i + k];
            s[k] += d * d;
            g[k] += d * r[i + k];
            column[i + k] = d / width;
        }
    for (; i < n; i++) {
        const double d = value[i] - r[i];
        s[0] += d * d;
        g[0] += d * r[i];
        column[i] = d / width;
    }
    *slope = gslfit_four(g) / width;
    return gslfit_length_of(gslfit_four(s), column, n, width);
}

/* column = (ahead - behind) / width, its product with r, and of the second differences the squares' sum and the product with r. Returns as
 * gslfit_forward. */
static inline double gslfit_central(const double *restrict ahead, const double *restrict behind, const double *restrict r, double width,
                                    long n, double *restrict column, double *slope, double *bend, double *along) {
    double s[4] = {0}, b[4] = {0}, a[4] = {0}, g[4] = {0};
    long i = 0;
#define GSLFIT_ONE(i, k)                                                                              \
    do {                                                                                              \
        const double d = ahead[i] - behind[i], second = ahead[i] + behind[i] - 2 * r[i];              \
        s[k] += d * d;                                                                                \
        b[k] += second * second;                                                                      \
        a[k] += second * r[i];                                                                        \
        g[k] += d * r[i];                                                                             \
        column[i] = d / width;                                                                        \
    } while (0)
    for (; i + 4 <= n; i += 4)
        for (int k = 0; k < 4; k++) GSLFIT_ONE(i + k, k);
    for (; i < n; i++) GSLFIT_ONE(i, 0);
#undef GSLFIT_ONE
    *slope = gslfit_four(g) / width, *bend = gslfit_four(b), *along = gslfit_four(a);
    return gslfit_length_of(gslfit_four(s), column, n, width);
}

/* The length of the change from old to now. */
static inline double gslfit_change(const double *now, const double *old, long n) {
    double s[4] = {0};
    long i = 0;
    for (; i + 4 <= n; i += 4)
        for (int k = 0; k < 4; k++) s[k] += (now[i + k] - old[i + k]) * (now[i + k] - old[i + k]);
    for (; i < n; i++) s[0] += (now[i] - old[i]) * (now[i] - old[i]);
    return sqrt(gslfit_four(s));
}

#endif
