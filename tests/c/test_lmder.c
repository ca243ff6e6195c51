/* Our lmder and lmsder beside GSL's: the same steps to rounding, the same endings; for tests/c/test_lmder.py. */
#include "solver/fdfsolver.h"
#include "solver/lmder.h"

#include <gsl/gsl_blas.h>
#include <gsl/gsl_errno.h>
#include <math.h>
#include <stdio.h>

enum { N = 40, MOST = 200 };

static int failures;

static void expect(int ok, const char *what, const char *who) {
    if (ok) return;
    failures++;
    printf("FAILED: %s: %s\n", who, what);
}

typedef struct {
    const char *name;
    size_t p;
    double start[4];
    int kind, compared;  /* steps that are compared; later ones amplify rounding */
    double unit;         /* of the first variable */
} problem;

/* 0: a decay; 1: a peak; 2: a straight line; 3: a decay whose last parameter has no effect; 4: a decay that its data lie on. */
static int f(const gsl_vector *v, void *which, gsl_vector *r) {
    const problem *q = which;
    const double a = gsl_vector_get(v, 0) / q->unit, b = gsl_vector_get(v, 1), c = q->p > 2 ? gsl_vector_get(v, 2) : 0;
    for (int i = 0; i < N; i++) {
        const double t = 0.1 * i, noise = q->kind == 4 ? 0 : 0.05 * cos(9 * t), u = (t - b) / c;
        const double truth = q->kind == 1 ? 3 * exp(-(t - 2) * (t - 2)) : q->kind == 2 ? 3 - 2 * t : 3 * exp(-0.7 * t) + 1;
        const double model = q->kind == 1 ? a * exp(-u * u) : q->kind == 2 ? a + b * t : a * exp(-b * t) + c;
        gsl_vector_set(r, i, model - truth - noise);
    }
    return GSL_SUCCESS;
}

static int df(const gsl_vector *v, void *which, gsl_matrix *J) {
    const problem *q = which;
    const double a = gsl_vector_get(v, 0) / q->unit, b = gsl_vector_get(v, 1), c = q->p > 2 ? gsl_vector_get(v, 2) : 0;
    for (int i = 0; i < N; i++) {
        const double t = 0.1 * i, u = (t - b) / c, e = q->kind == 1 ? exp(-u * u) : exp(-b * t);
        const double peak[] = {e, 2 * a * e * u / c, 2 * a * e * u * u / c}, line[] = {1, t}, decay[] = {e, -a * t * e, 1, 0};
        const double *row = q->kind == 1 ? peak : q->kind == 2 ? line : decay;
        for (size_t k = 0; k < q->p; k++) gsl_matrix_set(J, i, k, row[k] / (k ? 1 : q->unit));
    }
    return GSL_SUCCESS;
}

/* Both types side by side. */
static void compare(problem *q, const gsl_multifit_fdfsolver_type *gsl, const gsl_multifit_fdfsolver_type *own) {
    gsl_multifit_function_fdf fdf = {.f = f, .df = df, .n = N, .p = q->p, .params = q};
    gsl_multifit_fdfsolver *s[2] = {gslfit_fdfsolver_alloc(gsl, N, q->p), gslfit_fdfsolver_alloc(own, N, q->p)};
    gsl_matrix *J[2] = {gsl_matrix_alloc(N, q->p), gsl_matrix_alloc(N, q->p)};
    const gsl_vector_const_view start = gsl_vector_const_view_array(q->start, q->p);
    int status[2] = {0, 0};
    for (int k = 0; k < 2; k++) expect(!gsl_multifit_fdfsolver_set(s[k], &fdf, &start.vector), "it begins", q->name);
    for (int turn = 0; turn < MOST && !(status[0] && status[1]); turn++) {
        for (int k = 0; k < 2; k++) status[k] = status[k] ? status[k] : gsl_multifit_fdfsolver_iterate(s[k]);
        if (turn >= q->compared) continue;
        expect(status[0] == status[1], "the same endings", q->name);
        for (size_t j = 0; j < q->p; j++) {
            const double unit = j ? 1 : q->unit, one = gsl_vector_get(s[0]->x, j) / unit, other = gsl_vector_get(s[1]->x, j) / unit;
            expect(fabs(one - other) <= 1e-9 * (1 + fabs(one)), "the same steps", q->name);
        }
    }
    expect(fabs(gsl_blas_dnrm2(s[0]->f) - gsl_blas_dnrm2(s[1]->f)) <= 1e-12 * (1 + gsl_blas_dnrm2(s[0]->f)), "the same ends", q->name);
    gsl_vector *g = gsl_vector_alloc(q->p), *product = gsl_vector_alloc(q->p);
    for (int k = 0; k < 2; k++) gsl_multifit_fdfsolver_jac(s[k], J[k]);
    s[1]->type->gradient(s[1]->state, g);
    gsl_blas_dgemv(CblasTrans, 1, J[1], s[1]->f, 0, product);
    for (size_t j = 0; j < q->p; j++) {
        const double unit = j ? 1 : q->unit;
        expect(fabs(gsl_vector_get(g, j) - gsl_vector_get(product, j)) * unit < 1e-12, "the gradient is J^T f", q->name);
        for (size_t i = 0; i < N; i++)
            expect(fabs(gsl_matrix_get(J[0], i, j) - gsl_matrix_get(J[1], i, j)) * unit < 1e-6, "the same Jacobian", q->name);
    }
    gsl_vector_free(g);
    gsl_vector_free(product);
    for (int k = 0; k < 2; k++) gsl_matrix_free(J[k]), gsl_multifit_fdfsolver_free(s[k]);
}

int main(void) {
    problem all[] = {{"decay", 3, {2, 1, 0}, 0, 6, 1}, {"far decay", 3, {20, 5, -3}, 0, 5, 1}, {"peak", 3, {1, 1, 2}, 1, 6, 1},
                     {"line", 2, {0, 0}, 2, 2, 1}, {"no effect", 4, {2, 1, 0, 7}, 3, 5, 1}, {"exact", 3, {2, 1, 0}, 4, 5, 1},
                     {"tiny", 3, {2e-200, 1, 0}, 0, 5, 1e-200}, {"huge", 3, {2e200, 1, 0}, 0, 5, 1e200}};
    gsl_set_error_handler_off();
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        /* without scales GSL's underflows in units so large, ours doesn't */
        if (all[i].unit <= 1) compare(all + i, gsl_multifit_fdfsolver_lmder, &gslfit_lmder);
        compare(all + i, gsl_multifit_fdfsolver_lmsder, &gslfit_lmsder);
    }
    expect(!gslfit_fdfsolver_alloc(&gslfit_lmsder, 2, 3), "more variables than points are refused", "alloc");
    printf("lmder: %d failures\n", failures);
    return failures != 0;
}
