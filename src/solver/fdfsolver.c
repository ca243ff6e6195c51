#include "fdfsolver.h"

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
