#include "points.h"

void gslfit_points_residuals(const fit_points *p, double *values) {
    for (long i = 0; p->y && i < p->n; i++) values[i] -= p->y[i];
    gslfit_points_weigh(p, values, 1);
}

void gslfit_points_weigh(const fit_points *p, double *numbers, long stride) {
    for (long i = 0; p->weights && i < p->n; i++) numbers[i * stride] *= p->weights[i];
}
