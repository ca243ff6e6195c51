/* Difference quotients of residuals, and changes of columns, in one pass over them. */
#ifndef GSLFIT_QUOTIENTS_H
#define GSLFIT_QUOTIENTS_H

#include "common/linalg.h"

/* The length of differences from the sum of their squares, or, where that over- or underflows, from their quotients by `width`. */
static inline double gslfit_length_of(double sum, const double *quotients, long n, double width) {
    if (sum > 1e-280 && sum < 1e280) return sqrt(sum);
    return gslfit_norm(sum, quotients, n, 1) * fabs(width);
}

/* column = (value - r) / width, and its product with r. Returns the length of the differences; NaN or infinite where one is. */
static inline double gslfit_forward(const double *value, const double *r, double width, long n, double *column, double *slope) {
    double s[8] = {0}, g[8] = {0};
    long i = 0;
    for (; i + 8 <= n; i += 8)
        for (int k = 0; k < 8; k++) {
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
    *slope = (((g[0] + g[1]) + (g[2] + g[3])) + ((g[4] + g[5]) + (g[6] + g[7]))) / width;
    return gslfit_length_of(((s[0] + s[1]) + (s[2] + s[3])) + ((s[4] + s[5]) + (s[6] + s[7])), column, n, width);
}

/* column = (ahead - behind) / width, its product with r, and of the second differences the squares' sum and the product with r. Returns as
 * gslfit_forward. */
static inline double gslfit_central(const double *ahead, const double *behind, const double *r, double width, long n, double *column,
                                    double *slope, double *bend, double *along) {
    double s[8] = {0}, b[8] = {0}, a[8] = {0}, g[8] = {0};
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
    for (; i + 8 <= n; i += 8)
        for (int k = 0; k < 8; k++) GSLFIT_ONE(i + k, k);
    for (; i < n; i++) GSLFIT_ONE(i, 0);
#undef GSLFIT_ONE
    *slope = (((g[0] + g[1]) + (g[2] + g[3])) + ((g[4] + g[5]) + (g[6] + g[7]))) / width;
    *bend = ((b[0] + b[1]) + (b[2] + b[3])) + ((b[4] + b[5]) + (b[6] + b[7]));
    *along = ((a[0] + a[1]) + (a[2] + a[3])) + ((a[4] + a[5]) + (a[6] + a[7]));
    return gslfit_length_of(((s[0] + s[1]) + (s[2] + s[3])) + ((s[4] + s[5]) + (s[6] + s[7])), column, n, width);
}

/* The product of r with the change from old to now, and the squares' sum of that. */
static inline double gslfit_change(const double *now, const double *old, const double *r, long n, double *square) {
    double s[8] = {0}, g[8] = {0};
    long i = 0;
    for (; i + 8 <= n; i += 8)
        for (int k = 0; k < 8; k++) {
            const double d = now[i + k] - old[i + k];
            s[k] += d * d;
            g[k] += d * r[i + k];
        }
    for (; i < n; i++) {
        const double d = now[i] - old[i];
        s[0] += d * d;
        g[0] += d * r[i];
    }
    *square = ((s[0] + s[1]) + (s[2] + s[3])) + ((s[4] + s[5]) + (s[6] + s[7]));
    return ((g[0] + g[1]) + (g[2] + g[3])) + ((g[4] + g[5]) + (g[6] + g[7]));
}

#endif
