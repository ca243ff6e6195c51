/* Small linear algebra that several places need, inline. */
#ifndef GSLFIT_LINALG_H
#define GSLFIT_LINALG_H

#include <math.h>
#include <stddef.h>

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

#endif
