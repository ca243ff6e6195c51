#include "fdfsolver.h"

#include <gsl/gsl_errno.h>
#include <gsl/gsl_linalg.h>
#include <stdlib.h>

static void free_vectors(gsl_multifit_fdfsolver *s) {
    gsl_vector_free(s->x);
    gsl_vector_free(s->f);
    gsl_vector_free(s->dx);
    gsl_vector_free(s->g);
    gsl_vector_free(s->sqrt_wts);
}

gsl_multifit_fdfsolver *gslfit_fdfsolver_alloc(const gsl_multifit_fdfsolver_type *type, size_t n, size_t p) {
    gsl_multifit_fdfsolver *s = n < p ? NULL : calloc(1, sizeof *s); /* GSL's methods write beyond their memory where n < p */
    if (!s) return NULL;
    s->type = type;
    s->x = gsl_vector_calloc(p);
    s->f = gsl_vector_calloc(n);
    s->dx = gsl_vector_calloc(p);
    s->g = gsl_vector_alloc(p);
    s->sqrt_wts = gsl_vector_calloc(n);
    s->state = calloc(1, type->size);
    if (s->x && s->f && s->dx && s->g && s->sqrt_wts && s->state && !type->alloc(s->state, n, p)) return s;
    free_vectors(s);
    free(s->state); /* what a method had before its allocation failed, it has freed itself */
    free(s);
    return NULL;
}

int gslfit_covar(const gsl_matrix *J, double epsrel, gsl_matrix *covar) {
    const size_t p = J->size2;
    gsl_matrix *R = gsl_matrix_alloc(J->size1, p);
    gsl_vector *tau = gsl_vector_alloc(p), *work = gsl_vector_alloc(p);
    gsl_permutation *order = gsl_permutation_alloc(p);
    int status = GSL_ENOMEM, sign;
    if (R && tau && work && order) {
        gsl_matrix_memcpy(R, J);
        status = gsl_linalg_QRPT_decomp(R, tau, order, &sign, work);
        if (!status) status = gsl_multifit_covar_QRPT(R, order, epsrel, covar);
    }
    gsl_matrix_free(R);
    gsl_vector_free(tau);
    gsl_vector_free(work);
    gsl_permutation_free(order);
    return status;
}
