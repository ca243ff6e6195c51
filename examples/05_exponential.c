/* A exp(-lambda t) + b against data, t = 0, 1, 2, ...: residual and Jacobian in GSL's own signatures. */
#include <gsl/gsl_errno.h>
#include <gsl/gsl_matrix.h>
#include <gsl/gsl_vector.h>
#include <math.h>

struct data {
    size_t n;
    const double *y, *sigma;
};

int exponential_f(const gsl_vector *x, void *params, gsl_vector *f)
{
    const struct data *d = params;
    const double A = gsl_vector_get(x, 0), lambda = gsl_vector_get(x, 1), b = gsl_vector_get(x, 2);
    for (size_t t = 0; t < d->n; t++)
        gsl_vector_set(f, t, (A * exp(-lambda * t) + b - d->y[t]) / d->sigma[t]);
    return GSL_SUCCESS;
}

int exponential_df(const gsl_vector *x, void *params, gsl_matrix *J)
{
    const struct data *d = params;
    const double A = gsl_vector_get(x, 0), lambda = gsl_vector_get(x, 1);
    for (size_t t = 0; t < d->n; t++) {
        const double e = exp(-lambda * t), s = d->sigma[t];
        gsl_matrix_set(J, t, 0, e / s);
        gsl_matrix_set(J, t, 1, -(double)t * A * e / s);
        gsl_matrix_set(J, t, 2, 1 / s);
    }
    return GSL_SUCCESS;
}
