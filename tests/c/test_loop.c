/* The guard and the loop over GSL's three families, in plain C: made to be run under the sanitizers by tests/c/test_loop_core.py. */
#include "solver/loop.h"

#include <gsl/gsl_blas.h>
#include <gsl/gsl_errno.h>
#include <gsl/gsl_multifit_nlin.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#define N 30
#define P 3

static int failures;

static void expect(int ok, const char *what, const char *who)
{
    if (!ok) {
        failures++;
        printf("FAILED: %s: %s\n", who, what);
    }
}

/* A exp(-b t) + c through points that it goes through; `wall` makes it NaN beyond a value of A, `fail` makes a call fail. */
typedef struct {
    double scale, wall;
    long fail, calls, after;
} facts;

static int f(const gsl_vector *x, void *params, gsl_vector *r)
{
    facts *k = params;
    double A = gsl_vector_get(x, 0), b = gsl_vector_get(x, 1), c = gsl_vector_get(x, 2);
    if (k->fail && k->calls >= k->fail)
        k->after++;
    if (++k->calls == k->fail)
        return GSL_EDOM;
    for (size_t i = 0; i < N; i++) {
        double t = 0.2 * i, y = 3.0 * exp(-0.7 * t) + 1.0 + 0.05 * cos(9.0 * t);
        gsl_vector_set(r, i, A > k->wall ? NAN : k->scale * (A * exp(-b * t) + c - y));
    }
    return GSL_SUCCESS;
}

static int df(const gsl_vector *x, void *params, gsl_matrix *J)
{
    facts *k = params;
    double A = gsl_vector_get(x, 0), b = gsl_vector_get(x, 1);
    for (size_t i = 0; i < N; i++) {
        double t = 0.2 * i, e = exp(-b * t);
        gsl_matrix_set(J, i, 0, k->scale * e);
        gsl_matrix_set(J, i, 1, -k->scale * A * t * e);
        gsl_matrix_set(J, i, 2, k->scale);
    }
    return GSL_SUCCESS;
}

static int product(CBLAS_TRANSPOSE_t transpose, const gsl_vector *x, const gsl_vector *u, void *params, gsl_vector *v, gsl_matrix *JTJ)
{
    double space[N * P];
    gsl_matrix_view J = gsl_matrix_view_array(space, N, P);
    df(x, params, &J.matrix);
    if (v)
        gsl_blas_dgemv(transpose, 1.0, &J.matrix, u, 0.0, v);
    if (JTJ)
        gsl_blas_dsyrk(CblasLower, CblasTrans, 1.0, &J.matrix, 0.0, JTJ);
    return GSL_SUCCESS;
}

/* --- one way to run each family --------------------------------------------------------------------------------------- */

static int step_fdf(void *s) { return gsl_multifit_fdfsolver_iterate(s); }
static int jacobian_fdf(void *s, gsl_matrix *J) { return gsl_multifit_fdfsolver_jac(s, J); }
static int step_nlinear(void *w) { return gsl_multifit_nlinear_iterate(w); }
static int jacobian_nlinear(void *w, gsl_matrix *J) { return gsl_matrix_memcpy(J, ((gsl_multifit_nlinear_workspace *) w)->J); }
static int step_large(void *w) { return gsl_multilarge_nlinear_iterate(w); }
static int product_large(void *solver, CBLAS_TRANSPOSE_t transpose, const gsl_vector *u, gsl_vector *v)
{
    gsl_multilarge_nlinear_workspace *w = solver;
    return w->fdf->df(transpose, w->x, u, w->fdf->params, v, NULL);
}

typedef struct {
    const char *name;
    const gsl_multifit_fdfsolver_type *fdf;
    const gsl_multifit_nlinear_trs *trs;
    const gsl_multilarge_nlinear_trs *large;
} method;

static int run(const method *m, gslfit_guard *g, gslfit_loop *l, const gsl_vector *start, double *x)
{
    gsl_multifit_function_fdf fdf = {.f = gslfit_guard_f, .df = gslfit_guard_df, .n = N, .p = P, .params = g};
    gsl_multifit_nlinear_fdf nfdf = {.f = gslfit_guard_f, .df = gslfit_guard_df, .fvv = gslfit_guard_fvv, .n = N, .p = P, .params = g};
    gsl_multilarge_nlinear_fdf lfdf = {.f = gslfit_guard_f, .df = gslfit_guard_product, .fvv = gslfit_guard_fvv, .n = N, .p = P, .params = g};
    gsl_multifit_fdfsolver *s = NULL;
    gsl_multifit_nlinear_workspace *w = NULL;
    gsl_multilarge_nlinear_workspace *v = NULL;
    int status;
    gslfit_guard_start(g);
    if (m->fdf) {
        s = gsl_multifit_fdfsolver_alloc(m->fdf, N, P);
        status = gsl_multifit_fdfsolver_set(s, &fdf, start);
        l->solver = (gslfit_solver) {.state = s, .iterate = step_fdf, .jacobian = jacobian_fdf, .x = s->x, .dx = s->dx, .f = s->f};
    }
    else if (m->trs) {
        gsl_multifit_nlinear_parameters params = gsl_multifit_nlinear_default_parameters();
        params.trs = m->trs;
        w = gsl_multifit_nlinear_alloc(gsl_multifit_nlinear_trust, &params, N, P);
        status = gsl_multifit_nlinear_init(start, &nfdf, w);
        l->solver = (gslfit_solver) {.state = w, .iterate = step_nlinear, .jacobian = jacobian_nlinear, .x = w->x, .dx = w->dx, .f = w->f};
    }
    else {
        gsl_multilarge_nlinear_parameters params = gsl_multilarge_nlinear_default_parameters();
        int cgst = m->large == gsl_multilarge_nlinear_trs_cgst;
        params.trs = m->large;
        params.solver = cgst ? gsl_multilarge_nlinear_solver_none : gsl_multilarge_nlinear_solver_cholesky;
        v = gsl_multilarge_nlinear_alloc(gsl_multilarge_nlinear_trust, &params, N, P);
        status = gsl_multilarge_nlinear_init(start, &lfdf, v);
        l->solver = (gslfit_solver) {.state = v, .iterate = step_large, .product = product_large, .x = v->x, .dx = v->dx, .f = v->f,
                                     .g = v->g, .JTJ = cgst ? NULL : v->JTJ};
    }
    l->guard = g;
    if (!status)
        gslfit_run(l);
    else
        l->ending = FIT_FAILED;
    memcpy(x, l->solver.x->data, P * sizeof(double));
    if (s)
        gsl_multifit_fdfsolver_free(s);
    if (w)
        gsl_multifit_nlinear_free(w);
    if (v)
        gsl_multilarge_nlinear_free(v);
    return status;
}

static void try_method(const method *m)
{
    double begin[P] = {1.0, 0.3, 0.0}, x[P], best[P] = {0, 0, 0};
    gsl_vector_view start = gsl_vector_view_array(begin, P);
    double roots[N];
    gslfit_guard g;
    gslfit_loop l;
    expect(!gslfit_guard_init(&g, N, P, m->large != NULL) && !gslfit_loop_init(&l, N, P, m->large == NULL), "memory", m->name);
    l.xtol = l.ftol = l.gtol = 1e-8;
    l.max_iter = 300;
    for (size_t i = 0; i < N; i++)
        roots[i] = 1.0;

    static const double scales[] = {1.0, 1e-12, 1e12, 1e-200, 1e200};
    for (int derivatives = 0; derivatives < 4; derivatives++)
        for (int k = 0; k < (derivatives == 3 ? 3 : 5); k++) {          /* J^T J of 1e-200 is no double, whoever makes it */
            facts fact = {scales[k], INFINITY, 0, 0, 0};
            g.fn = (gslfit_function) {.f = f, .df = derivatives == 0 ? df : NULL, .params = &fact, .n = N, .p = P,
                                      .product = derivatives == 3 && m->large ? product : NULL};
            g.centred = derivatives == 2;
            g.h = 0.0;
            g.normalise = 1;
            g.accelerated = 1;
            g.root_weights = k == 0 ? roots : NULL;
            expect(!run(m, &g, &l, &start.vector, x), "starts", m->name);
            expect(gslfit_well_ended(l.ending), gslfit_fit_status_facts[l.ending].name, m->name);
            if (derivatives == 0 && k == 0)
                memcpy(best, x, sizeof best);
            for (size_t j = 0; j < P; j++)
                expect(fabs(x[j] - best[j]) < 1e-4, "the same minimum", m->name);
        }
    g.root_weights = NULL;

    facts wall = {1.0, 3.5, 0, 0, 0};
    g.fn = (gslfit_function) {.f = f, .df = df, .params = &wall, .n = N, .p = P};
    expect(!run(m, &g, &l, &start.vector, x) && gslfit_well_ended(l.ending) && fabs(x[0] - best[0]) < 1e-4, "a wall of NaN", m->name);
    wall.wall = 0.5;
    expect(run(m, &g, &l, &start.vector, x) == GSL_EBADFUNC && g.bad == 0, "NaN at the start", m->name);

    facts fail = {1.0, INFINITY, 4, 0, 0};
    g.fn.params = &fail;
    expect((run(m, &g, &l, &start.vector, x) || l.ending == FIT_FAILED) && g.stop == GSL_EDOM, "a status of the caller's", m->name);
    expect(fail.after == 0, "no call after a failure", m->name);

    facts plain = {1.0, INFINITY, 0, 0, 0};
    g.fn.params = &plain;
    g.max_nfev = 3;
    expect(!run(m, &g, &l, &start.vector, x) && l.ending == FIT_MAX_NFEV && g.nfev == 3, "max_nfev", m->name);
    g.max_nfev = 0;
    l.max_iter = 1;
    expect(!run(m, &g, &l, &start.vector, x) && l.ending == FIT_MAX_ITER && l.niter == 1, "max_iter", m->name);
    gslfit_loop_free(&l);
    gslfit_guard_free(&g);
}

int main(void)
{
    const method methods[] = {
        {"lmsder", gsl_multifit_fdfsolver_lmsder, NULL, NULL},
        {"lmder", gsl_multifit_fdfsolver_lmder, NULL, NULL},
        {"lmniel", gsl_multifit_fdfsolver_lmniel, NULL, NULL},
        {"lm", NULL, gsl_multifit_nlinear_trs_lm, NULL},
        {"lmaccel", NULL, gsl_multifit_nlinear_trs_lmaccel, NULL},
        {"dogleg", NULL, gsl_multifit_nlinear_trs_dogleg, NULL},
        {"ddogleg", NULL, gsl_multifit_nlinear_trs_ddogleg, NULL},
        {"subspace2D", NULL, gsl_multifit_nlinear_trs_subspace2D, NULL},
        {"large lm", NULL, NULL, gsl_multilarge_nlinear_trs_lm},
        {"large lmaccel", NULL, NULL, gsl_multilarge_nlinear_trs_lmaccel},
        {"large dogleg", NULL, NULL, gsl_multilarge_nlinear_trs_dogleg},
        {"large cgst", NULL, NULL, gsl_multilarge_nlinear_trs_cgst},
    };
    gsl_set_error_handler_off();
    for (size_t i = 0; i < sizeof methods / sizeof *methods; i++)
        try_method(&methods[i]);
    printf("loop: %d failures\n", failures);
    return failures != 0;
}
