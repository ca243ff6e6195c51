/* GSL's lmsder in a loop, exact Jacobian, one solver for all fits, test_delta(1e-8, 1e-8). */
#include <gsl/gsl_errno.h>
#include <gsl/gsl_multifit_nlin.h>
#include "models.h"

typedef struct {
    int which;
    const double *x, *z, *y;
} curve;

#define RESIDUAL(m) for (size_t i = 0; i < f->size; i++) f->data[i] = model(m, v, c->x[i], c->z ? c->z[i] : 0, NULL, 1) - c->y[i]
#define SLOPES(m) for (size_t i = 0; i < J->size1; i++) model(m, v, c->x[i], c->z ? c->z[i] : 0, J->data + i * J->tda, 1)

static int residual(const gsl_vector *position, void *data, gsl_vector *f) {
    const curve *c = data;
    const double *v = position->data;
    const int which = c->which;
    SPECIALISED(RESIDUAL)
    return GSL_SUCCESS;
}

static int slopes(const gsl_vector *position, void *data, gsl_matrix *J) {
    const curve *c = data;
    const double *v = position->data;
    const int which = c->which;
    SPECIALISED(SLOPES)
    return GSL_SUCCESS;
}

int run(int which, long fits, long n, const double *x, const double *z, const double *y, const double *start, double *out) {
    const int p = parameters_of[which];
    curve c = {which, x, z, y};
    gsl_multifit_function_fdf f = {.f = residual, .df = slopes, .n = n, .p = p, .params = &c};
    gsl_multifit_fdfsolver *s = gsl_multifit_fdfsolver_alloc(gsl_multifit_fdfsolver_lmsder, n, p);
    gsl_set_error_handler_off();
    for (long k = 0; k < fits; k++) {
        c.y = y + k * n;
        gsl_vector_const_view v = gsl_vector_const_view_array(start + k * p, p);
        gsl_multifit_fdfsolver_set(s, &f, &v.vector);
        for (int i = 0; i < 200; i++)
            if (gsl_multifit_fdfsolver_iterate(s) || gsl_multifit_test_delta(s->dx, s->x, 1e-8, 1e-8) != GSL_CONTINUE) break;
        for (int j = 0; j < p; j++) out[k * p + j] = gsl_vector_get(s->x, j);
    }
    gsl_multifit_fdfsolver_free(s);
    return 0;
}
