#include "points.h"

void gslfit_points_residuals(const fit_points *p, double *values) {
    for (long i = 0; p->y && i < p->n; i++) values[i] -= p->y[i];
    gslfit_points_weigh(p, values, 1);
}

/* The scalar product of a row of the factor and the first `count` numbers, in four sums that don't wait for each other. */
static double product(const double *row, const double *numbers, long stride, long count) {
    double sum[4] = {0};
    long i = 0;
    for (; i + 4 <= count; i += 4)
        for (int k = 0; k < 4; k++) sum[k] += row[i + k] * numbers[(i + k) * stride];
    for (; i < count; i++) sum[0] += row[i] * numbers[i * stride];
    return sum[0] + sum[1] + (sum[2] + sum[3]);
}

void gslfit_points_weigh(const fit_points *p, double *numbers, long stride) {
    for (long i = 0; p->weights && i < p->n; i++) numbers[i * stride] *= p->weights[i];
    for (long i = p->n - 1; p->factor && i >= 0; i--) numbers[i * stride] = product(p->factor + i * p->n, numbers, stride, i + 1);
}
