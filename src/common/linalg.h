/* Small linear algebra that several places need, inline. */
#ifndef GSLFIT_LINALG_H
#define GSLFIT_LINALG_H

#include <math.h>
#include <stddef.h>

/* A symmetric matrix by the rows of its lower triangle: how many elements it has, and which one (i, j <= i) is. */
#define TRIANGLE(p) ((p) * ((p) + 1) / 2)
#define ELEMENT(i, j) (TRIANGLE(i) + (j))

/* The scalar product, in eight sums that don't wait for each other. */
static inline double gslfit_dot(const double *a, const double *b, long n) {
    double s[8] = {0};
    long i = 0;
    for (; i + 8 <= n; i += 8)
        for (int k = 0; k < 8; k++) s[k] += a[i + k] * b[i + k];
    for (; i < n; i++) s[0] += a[i] * b[i];
    return ((s[0] + s[1]) + (s[2] + s[3])) + ((s[4] + s[5]) + (s[6] + s[7]));
}

/* The Euclidean norm of n numbers from the sum of their squares, summed as the caller likes; where that over- or underflows it is summed
 * again from the scaled numbers. NaN where a number is NaN, else infinite where one is. */
static inline double gslfit_norm(double sum, const double *a, size_t n, size_t stride) {
    double largest = 0;
    if ((sum > 1e-280 && sum < 1e280) || isnan(sum)) return sqrt(sum);
    for (size_t i = 0; i < n; i++) largest = fmax(largest, fabs(a[i * stride]));
    if (largest == 0 || isinf(largest)) return largest;
    sum = 0;
    for (size_t i = 0; i < n; i++) sum += a[i * stride] / largest * (a[i * stride] / largest);
    return largest * sqrt(sum);
}

/* The length of differences from the sum of their squares, or, where that over- or underflows, from their quotients by `width`. */
static inline double gslfit_length_of(double sum, const double *quotients, long n, double width) {
    if (sum > 1e-280 && sum < 1e280) return sqrt(sum);
    return gslfit_norm(sum, quotients, n, 1) * fabs(width);
}

#endif
