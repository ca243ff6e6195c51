#include "subspace.h"

#include <gsl/gsl_blas.h>
#include <gsl/gsl_errno.h>
#include <math.h>

enum { POWER = 70 };  /* 10 to it is the largest curvature and gradient: the quartic has products of four of them */

/* Whether the quartic's coefficients are in range. They are sums of products of up to four factors, each at most the largest curvature, the
 * squared length of a scaled column of J, or the scaled gradient by the radius of the trust region. */
static int in_range(const gsl_vector *g, const gsl_vector *diag, double curvature, double delta) {
    double length = 0;
    for (size_t k = 0; k < diag->size; k++) length = hypot(length, gsl_vector_get(g, k) / gsl_vector_get(diag, k));
    const double most = pow(10, POWER);
    return curvature <= most && length <= most * delta && delta <= most * most;
}

#define METHOD(family) \
    static void *family##_alloc(const void *params, const size_t n, const size_t p) { \
        return gsl_##family##_nlinear_trs_subspace2D->alloc(params, n, p); \
    } \
    static int family##_init(const void *trust, void *state) { return gsl_##family##_nlinear_trs_subspace2D->init(trust, state); } \
    static int family##_preloop(const void *trust, void *state) { return gsl_##family##_nlinear_trs_subspace2D->preloop(trust, state); } \
    static int family##_step(const void *trust, const double delta, gsl_vector *dx, void *state) { \
        const gsl_##family##_nlinear_trust_state *t = trust; \
        if (!in_range(t->g, t->diag, family##_curvature(t), delta)) return GSL_ERANGE; \
        return gsl_##family##_nlinear_trs_subspace2D->step(trust, delta, dx, state); \
    } \
    static int family##_preduction(const void *trust, const gsl_vector *dx, double *found, void *state) { \
        return gsl_##family##_nlinear_trs_subspace2D->preduction(trust, dx, found, state); \
    } \
    static void family##_free(void *state) { gsl_##family##_nlinear_trs_subspace2D->free(state); } \
    const gsl_##family##_nlinear_trs gslfit_##family##_subspace2D = {"2D-subspace", family##_alloc, family##_init, family##_preloop, \
                                                                     family##_step, family##_preduction, family##_free};

/* The largest squared length of a column of J by its scale; infinite or NaN where one is. */
static double multifit_curvature(const gsl_multifit_nlinear_trust_state *t) {
    double most = 0;
    for (size_t k = 0; k < t->diag->size; k++) {
        gsl_vector_const_view column = gsl_matrix_const_column(t->J, k);
        const double length = gsl_blas_dnrm2(&column.vector) / gsl_vector_get(t->diag, k), square = length * length;
        if (!(square <= most)) most = square;
        if (isnan(most)) return most;
    }
    return most;
}

static double multilarge_curvature(const gsl_multilarge_nlinear_trust_state *t) {
    double most = 0;
    for (size_t k = 0; k < t->diag->size; k++) {
        const double scale = gsl_vector_get(t->diag, k), square = gsl_matrix_get(t->JTJ, k, k) / scale / scale;
        if (!(square <= most)) most = square;
        if (isnan(most)) return most;
    }
    return most;
}

METHOD(multifit)
METHOD(multilarge)
