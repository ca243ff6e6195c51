#include "svd.h"

#include <gsl/gsl_errno.h>

/* Whether a vector can be had: what is given back is had again by who asks next. */
static int can_be_had(size_t size) {
    gsl_vector *v = gsl_vector_alloc(size);
    if (v) gsl_vector_free(v);
    return v != NULL;
}

static void *new_state(const size_t n, const size_t p) { return gsl_multifit_nlinear_solver_svd->alloc(n, p); }
static int presolve(const double mu, const void *trust, void *state) { return gsl_multifit_nlinear_solver_svd->presolve(mu, trust, state); }
static int condition(double *found, void *state) { return gsl_multifit_nlinear_solver_svd->rcond(found, state); }
static void free_state(void *state) { gsl_multifit_nlinear_solver_svd->free(state); }

static int init(const void *trust, void *state) {
    const gsl_multifit_nlinear_trust_state *t = trust;
    if (!can_be_had(t->J->size2) || !can_be_had(t->J->size1)) return GSL_ENOMEM;
    return gsl_multifit_nlinear_solver_svd->init(trust, state);
}

static int solve(const gsl_vector *f, gsl_vector *x, const void *trust, void *state) {
    return gsl_multifit_nlinear_solver_svd->solve(f, x, trust, state);
}

const gsl_multifit_nlinear_solver gslfit_multifit_svd = {"svd", new_state, init, presolve, solve, condition, free_state};
