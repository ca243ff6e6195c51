#include "curve.h"

#include <gsl/gsl_errno.h>

static void copy(const gsl_vector *v, double *out) {
    for (size_t k = 0; k < v->size; k++) out[k] = v->data[k * v->stride];
}

int curve_f(const gsl_vector *v, void *which, gsl_vector *f) {
    const curve *c = which;
    double free[MAX_FREE];
    if (v->size > MAX_FREE || f->stride != 1 || f->size != (size_t)c->n) return GSL_EINVAL;
    copy(v, free);
    workspace_evaluate(c->space, free, c->inputs, c->x, c->n, f->data, NULL, 0, 0);
    for (long i = 0; c->y && i < c->n; i++) f->data[i] -= c->y[i];
    for (long i = 0; c->weights && i < c->n; i++) f->data[i] *= c->weights[i];
    return GSL_SUCCESS;
}

int curve_df(const gsl_vector *v, void *which, gsl_matrix *J) {
    const curve *c = which;
    double free[MAX_FREE];
    if (v->size > MAX_FREE || J->size1 != (size_t)c->n) return GSL_EINVAL;
    copy(v, free);
    workspace_evaluate(c->space, free, c->inputs, c->x, c->n, NULL, J->data, (long)J->tda, 1);
    for (long i = 0; c->weights && i < c->n; i++)
        for (size_t k = 0; k < v->size; k++) J->data[i * J->tda + k] *= c->weights[i];
    return GSL_SUCCESS;
}
