#include "gsl_refit.h"

#include <gsl/gsl_errno.h>
#include <gsl/gsl_multifit.h>
#include <gsl/gsl_multifit_nlin.h>
#include <gsl/gsl_multifit_nlinear.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "lanes/lane_state.h"
#include "solver/fdfsolver.h"
#include "solver/loop.h"

struct referee {
    const program *program;
    curve curve;
    double *memory;  /* x, y and weights */
    long points;
    double covariances[2][TRIANGLE(MAX_FREE) * LANES];  /* of the last two fits */
    double *covariance;
};

void referee_free(referee *r) {
    if (!r) return;
    workspace_free(r->curve.space);
    free(r->memory);
    free(r);
}

referee *referee_new(const program *p, long points, const lane_box *boxes) {
    referee *r = calloc(1, sizeof *r);
    if (!r) return NULL;
    r->program = p;
    r->points = points;
    r->memory = calloc((size_t)points * (p->nx + 2) + 1, sizeof(double));
    r->curve.space = workspace_new(p);
    if (!r->memory || !r->curve.space) {
        referee_free(r);
        return NULL;
    }
    for (int j = 0; j < p->nx; j++) r->curve.x[j] = referee_x(r, j);
    r->curve.boxes = boxes;
    r->curve.outer = boxes_outer;
    r->curve.y = referee_y(r);
    r->curve.weights = referee_weights(r);
    return r;
}

double *referee_x(referee *r, int j) { return r->memory + j * r->points; }
double *referee_y(referee *r) { return r->memory + r->program->nx * r->points; }
double *referee_weights(referee *r) { return r->memory + (r->program->nx + 1) * r->points; }

/* ---- GSL's families, as the loop sees them ---- */

static int iterate_fdf(void *s) { return gsl_multifit_fdfsolver_iterate(s); }
static int jacobian_fdf(void *s, gsl_matrix *J) { return gsl_multifit_fdfsolver_jac(s, J); }
static int iterate_nlinear(void *s) { return gsl_multifit_nlinear_iterate(s); }
static int jacobian_nlinear(void *s, gsl_matrix *J) { return gsl_matrix_memcpy(J, gsl_multifit_nlinear_jac(s)); }

static int run_fdf(const gsl_multifit_fdfsolver_type *type, gslfit_guard *guard, gslfit_loop *loop, const gsl_vector *start) {
    gsl_multifit_function_fdf fdf = {.f = gslfit_guard_f, .df = gslfit_guard_df, .n = guard->fn.n, .p = guard->fn.p, .params = guard};
    gsl_multifit_fdfsolver *s = gslfit_fdfsolver_alloc(type, fdf.n, fdf.p);
    if (!s) return GSL_ENOMEM;
    int status = gsl_multifit_fdfsolver_set(s, &fdf, start);
    if (!status) {
        loop->engine = (gslfit_engine){s, iterate_fdf, jacobian_fdf, s->x, s->dx, s->f, NULL, NULL};
        gslfit_run(loop);
        gsl_vector_memcpy((gsl_vector *)start, s->x);
        jacobian_fdf(s, loop->J);
    }
    gsl_multifit_fdfsolver_free(s);
    return status;
}

static int run_trust(gslfit_guard *guard, gslfit_loop *loop, const gsl_vector *start) {
    gsl_multifit_nlinear_parameters how = gsl_multifit_nlinear_default_parameters();
    how.trs = gsl_multifit_nlinear_trs_lm;
    how.scale = gsl_multifit_nlinear_scale_more;
    how.solver = gsl_multifit_nlinear_solver_qr;
    gsl_multifit_nlinear_fdf fdf = {.f = gslfit_guard_f, .df = gslfit_guard_df, .n = guard->fn.n, .p = guard->fn.p, .params = guard};
    gsl_multifit_nlinear_workspace *s = gsl_multifit_nlinear_alloc(gsl_multifit_nlinear_trust, &how, fdf.n, fdf.p);
    if (!s) return GSL_ENOMEM;
    int status = gsl_multifit_nlinear_init(start, &fdf, s);
    if (!status) {
        loop->engine = (gslfit_engine){s, iterate_nlinear, jacobian_nlinear, s->x, s->dx, s->f, NULL, NULL};
        gslfit_run(loop);
        gsl_vector_memcpy((gsl_vector *)start, s->x);
        jacobian_nlinear(s, loop->J);
    }
    gsl_multifit_nlinear_free(s);
    return status;
}

/* ---- what comes out ---- */

/* (J^T J)^-1 by QR on columns of length 1. A column that depends on the others, or is zero, has no variance: NaN. */
static void covariance(referee *r, gsl_matrix *J, double scale) {
    const size_t n = J->size1, p = J->size2;
    double length[MAX_FREE];
    gsl_matrix *C = gsl_matrix_alloc(p, p);
    for (size_t j = 0; j < p; j++) {
        gsl_vector_view column = gsl_matrix_column(J, j);
        length[j] = 0;
        for (size_t i = 0; i < n; i++) length[j] = hypot(length[j], gsl_vector_get(&column.vector, i));
        if (length[j] > 0) gsl_vector_scale(&column.vector, 1 / length[j]);
    }
    const int failed = !C || gsl_multifit_covar(J, (double)n * 2.3e-16, C);
    for (size_t i = 0; i < p; i++)
        for (size_t j = 0; j <= i; j++) {
            double c = failed ? NAN : gsl_matrix_get(C, i, j) / length[i] / length[j] * scale * scale;
            if (i == j && !(c > 0)) c = NAN;
            r->covariance[ELEMENT(i, j) * LANES] = c;
        }
    gsl_matrix_free(C);
}

/* From the variables of the steps to the program's, within their bounds. */
static void go_out(referee *r, outcome *end) {
    const int p = r->program->nfree;
    double slopes[MAX_FREE];
    boxes_outer(r->curve.boxes, p, end->v, slopes);
    for (int i = 0; i < p; i++)
        for (int j = 0; j <= i; j++) r->covariance[ELEMENT(i, j) * LANES] *= slopes[i] * slopes[j];
}

static fit_status status_of(const gslfit_loop *l, size_t p, int failed) {
    if (failed) return FIT_BAD_DATA;
    if (l->ending > 0) return l->rank < p ? FIT_SINGULAR : FIT_CONVERGED_BY_GSL;
    return l->ending == GSLFIT_MAX_NFEV || l->ending == GSLFIT_MAX_ITER ? FIT_MAX_NFEV : FIT_NO_PROGRESS;
}

typedef struct {
    int (*check)(void *who);
    void *who;
} watcher;

static int watch(void *who) {
    const watcher *w = who;
    return w->check ? w->check(w->who) : 0;
}

static void judge_curve(referee *r, gslfit_guard *guard, gslfit_loop *loop, gsl_vector *v, fit_method method, outcome *end) {
    const size_t p = v->size;
    const int failed = method == METHOD_TRUST ? run_trust(guard, loop, v)
                       : run_fdf(method == METHOD_LMDER ? gsl_multifit_fdfsolver_lmder : gsl_multifit_fdfsolver_lmsder, guard, loop, v);
    end->status = status_of(loop, p, failed);
    end->nfev = (int)guard->nfev;
    end->gradient = failed ? NAN : loop->gradient;
    const double norm = failed ? NAN : loop->fnorm / guard->scale;
    end->chisqr = norm * norm;
    for (size_t k = 0; k < p; k++) end->v[k] = gsl_vector_get(v, k);
    if (failed)
        for (size_t k = 0; k < TRIANGLE(p); k++) r->covariance[k * LANES] = NAN;
    else
        covariance(r, loop->J, guard->scale);
    end->covariance = r->covariance;
    if (r->curve.boxes) go_out(r, end);
}

/* A relative step of an angle is a far greater one of a value that is small against the width of its bounds: what part of xtol to ask for. */
static double step_share(const referee *r, const double *start) {
    const int p = r->program->nfree;
    double share = 1, value[MAX_FREE], slopes[MAX_FREE];
    if (!r->curve.boxes) return share;
    memcpy(value, start, p * sizeof *value);
    boxes_outer(r->curve.boxes, p, value, slopes);
    for (int k = 0; k < p; k++)
        if (r->curve.boxes[k].bounds) share = fmin(share, fabs(value[k] / (slopes[k] * start[k])));
    return fmax(share, 1e-6);
}

void referee_fit(referee *r, long n, const double *start, const double *inputs, fit_method method, const fit_options *options,
                 int (*check)(void *who), void *who, outcome *end) {
    const size_t p = (size_t)r->program->nfree;
    gslfit_guard guard;
    gslfit_loop loop;
    watcher watched = {check, who};
    gsl_vector *v = gsl_vector_alloc(p);
    memset(&guard, 0, sizeof guard);
    memset(&loop, 0, sizeof loop);
    r->curve.n = n;
    r->curve.inputs = inputs;
    r->covariance = r->covariances[r->covariance == r->covariances[0]];
    end->status = FIT_NO_PROGRESS;
    end->covariance = r->covariance;
    if (v && !gslfit_guard_init(&guard, n, p, 0) && !gslfit_loop_init(&loop, n, p, 1)) {
        for (size_t k = 0; k < p; k++) gsl_vector_set(v, k, start[k]);
        guard.fn = (gslfit_function){curve_f, curve_df, NULL, NULL, &r->curve, (size_t)n, p};
        guard.normalise = 1;
        guard.max_nfev = options->max_nfev;
        gslfit_guard_start(&guard);
        loop.guard = &guard;
        loop.xtol = options->xtol * step_share(r, start);
        loop.ftol = options->ftol * options->ftol;  /* there it is chi-square's relative decrease, here a distance */
        loop.gtol = options->gtol;
        loop.max_iter = options->max_nfev;
        loop.watch = watch;
        loop.who = &watched;
        judge_curve(r, &guard, &loop, v, method, end);
    }
    gslfit_loop_free(&loop);
    gslfit_guard_free(&guard);
    gsl_vector_free(v);
}
