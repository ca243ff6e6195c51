#include "curve.h"

#include <gsl/gsl_errno.h>
#include "loss_points.h"

/* The program's variables, and where there are bounds their slopes. */
static void take(const curve *c, const gsl_vector *v, double *free, double *slopes) {
    for (size_t k = 0; k < v->size; k++) free[k] = v->data[k * v->stride];
    for (size_t k = 0; c->bounds && k < v->size; k++) {
        slopes[k] = gslfit_bound_slope(c->bounds + k, free[k]);
        free[k] = gslfit_bound_external(c->bounds + k, free[k]);
    }
}

int gslfit_curve_f(const gsl_vector *v, void *which, gsl_vector *f) {
    const curve *c = which;
    double free[MAX_FREE], slopes[MAX_FREE];
    if (v->size > MAX_FREE || f->stride != 1 || f->size != (size_t)c->points->n) return GSL_EINVAL;
    take(c, v, free, slopes);
    gslfit_workspace_evaluate(c->space, free, c->inputs, c->points->x, c->points->n, f->data, NULL, 0, 0);
    gslfit_points_bend(c->points, f->data, c->room);
    return GSL_SUCCESS;
}

int gslfit_curve_df(const gsl_vector *v, void *which, gsl_matrix *J) {
    const curve *c = which;
    double free[MAX_FREE], slopes[MAX_FREE];
    if (v->size > MAX_FREE || J->size1 != (size_t)c->points->n) return GSL_EINVAL;
    take(c, v, free, slopes);
    fit_points weighed = *c->points;
    double *values = c->points->loss ? c->room : NULL;
    gslfit_workspace_evaluate(c->space, free, c->inputs, c->points->x, c->points->n, values, J->data, (long)J->tda, 1);
    if (values) {
        weighed.weights = c->room + weighed.n;
        gslfit_points_rows(c->points, ROWS_BENT, values, c->room + weighed.n);
    }
    for (size_t k = 0; k < v->size; k++) gslfit_points_weigh(&weighed, J->data + k, (long)J->tda);
    for (long i = 0; c->bounds && i < c->points->n; i++)
        for (size_t k = 0; k < v->size; k++) J->data[i * J->tda + k] *= slopes[k];
    return GSL_SUCCESS;
}
