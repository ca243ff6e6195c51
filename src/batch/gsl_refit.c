#include "gsl_refit.h"

#include <float.h>
#include <gsl/gsl_errno.h>
#include <gsl/gsl_multifit.h>
#include <gsl/gsl_multifit_nlin.h>
#include <gsl/gsl_multifit_nlinear.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "descent/curvature.h"
#include "descent/kinks.h"
#include "descent/null_space.h"
#include "descent/polish.h"
#include "lanes/lane_state.h"
#include "objective/counted.h"
#include "program/folding.h"
#include "solver/fdfsolver.h"
#include "solver/lmder.h"
#include "solver/loop.h"

enum { TURNS = 3,                         /* a solver is started anew so often where it ended above a minimum */
       KINKS = 4,                         /* descents over kinks, each followed by a look at the curvature */
       /* places on the way from a bound back to the start, each at a quarter of the last one's distance */
       WAYS_BACK = 4,
       CLOSEST = 40,                      /* halvings of the way to a bound on which the model has no value */
       SHARE_BEYOND = 4,                  /* part of the evaluations left for a descent from where J's null space led down */
       FURTHER = 12,                      /* places further inside from a bound, and nearer to it, each by ten times */
       HIDDEN = 8,                        /* the same, each by a hundred times, where nothing tells how far inside a variable begins */
       PLACED = 3,                        /* evaluations that place what a model is linear in */
       VALLEY = 12,                       /* evaluations of a refit beside a variable that is brought there */
       PARTS = 8, LEAST_PART = 60,        /* a run within bounds is broken off after one such part, or so many evaluations, ... */
       KINK_SHARE = 2 };                  /* ... and one over kinks, and a look at the curvature there, after such a part of what is left */
static const double GAIN = 1e-5;          /* share by which each step of such a refit shortens the residual */
static const double NO_WAY = 1e-3;        /* share of the residual's length by which the way to a bound may change it, and be none */
static const double INWARDS = 8;          /* each step from a bound inwards is longer by this */
static const double TURNED = 2;           /* of the variables' size: a step along the null space that turns their signs */
static const double TRIED[] = {0.01, 0.1, 10, 100, 1e4};  /* times its start: where a silenced variable is tried */
static const double WAKES = 10;           /* times the column that a variable has on the bound that silences it, just off that */
static const double NO_FURTHER = 3;       /* times the residual at a start: where it is longer, what is seen is not what the data show */
static const double HALFWAY = 0.5;        /* to a number that was brought near: no model comes so far */
static const double CLOSE_BY = 0.999;     /* of the size to which those are brought, which rounding moves */
static const double SEEN = 1e-2;          /* of the residual's length: what a variable changes it by that is seen */
static const double BETTER = 1e-2;        /* share of the residual's length by which a place beside a bound is better than another */
static const double MANY = 100;           /* times the data: parts of a model that cancel each other, where J leaves them open, and ... */
static const double VAST = 1e3;           /* ... times itself that the error is of what they are curved by */
static const double OPEN = 1e5;           /* times itself that a variable's error is, and J as good as leaves it open */
static const double TOUCHING = 1e-6;      /* of the start's distance: as near to a bound a variable is on it, if it is pushed there */

/* What a fit's result points to. */
typedef struct {
    double deviations[MAX_FREE], correlations[TRIANGLE(MAX_FREE)];
} spread;

struct gsl_refit {
    const program *program;
    const fit_transform *transform;  /* NULL where nothing is bounded */
    curve curve;
    polisher *polisher;
    fit_points points;       /* those that take part */
    double *x[MAX_VARIABLES], *y, *weights, *room;  /* where they are read into, and room for a number of each */
    double *memory;
    refit_case now;
    polish_data data;
    polished first, last;    /* what is known at the start and at the end */
    fit_bound bounds[MAX_FREE];
    double most, taken;               /* the size to which data were brought near, and what that took off their cost */
    int out_of_memory;
    int kinks;                        /* the model may have some */
    int ran_off;                      /* chi-square fell or stayed along J's null space where it passed for a minimum */
    double ratio;                     /* of Newton's step to Gauss-Newton's, the greatest that was measured on this way down; else 1 */
    /* as far as the model has values: a bound on which it has none counts as lying where a fit got to */
    double low[MAX_FREE], high[MAX_FREE];
    spread last_spread, kept_spread;  /* of the last fit, and of the one that is kept beside it */
};

void gslfit_refit_free(gsl_refit *r) {
    if (!r) return;
    gslfit_workspace_free(r->curve.space);
    gslfit_polisher_free(r->polisher);
    free(r->memory);
    free(r);
}

gsl_refit *gslfit_refit_new(const program *p, long points, const fit_transform *o) {
    gsl_refit *r = calloc(1, sizeof *r);
    if (!r) return NULL;
    r->program = p;
    r->kinks = gslfit_may_have_kinks(p);
    r->memory = calloc((size_t)points * (p->nx + 5) + 1, sizeof(double));
    r->curve.space = gslfit_workspace_new(p);
    r->polisher = gslfit_polisher_new(p, points);
    r->transform = o && o->bounded ? o : NULL;
    if (!r->memory || !r->curve.space || !r->polisher) {
        gslfit_refit_free(r);
        return NULL;
    }
    for (int j = 0; j < p->nx; j++) r->points.x[j] = r->x[j] = r->memory + j * points;
    r->points.y = r->y = r->memory + p->nx * points;
    r->points.weights = r->weights = r->y + points;
    r->room = r->weights + points;
    r->curve.points = &r->points;
    r->curve.room = r->room + points;
    r->curve.bounds = r->transform ? r->bounds : NULL;
    return r;
}

int gslfit_refit_out_of_memory(const gsl_refit *r) { return r->out_of_memory; }

/* Bring data near that are out of a robust loss's sight. */
GSLFIT_RARE static void bring_near(gsl_refit *r) {
    const fit_points *p = &r->points;
    gslfit_sizes sizes = {.scale = p->scale};
    double square = 0;
    for (long i = 0; i < p->n; i++) square += (r->room[i] = r->y[i] * r->weights[i]) * r->room[i];
    if (!gslfit_may_be_out_of_sight(p->loss, p->scale, square)) return;
    gslfit_sizes_add(&sizes, r->room, p->n);
    r->most = gslfit_sizes_most(&sizes);
    if (r->most < INFINITY) r->taken = gslfit_bring_near(p->loss, p->scale, r->most, r->y, r->weights, p->n);
}

long gslfit_refit_read(gsl_refit *r, const row_source *source, long id, int as_it_is) {
    r->points.loss = source->loss;
    r->points.scale = gslfit_source_scale(source, id);
    r->points.factor = source->factor;
    if (gslfit_own_responses(r->program)) {
        gslfit_workspace_respond(r->curve.space, -1, &source->response, id);
        gslfit_workspace_respond(gslfit_polisher_space(r->polisher), -1, &source->response, id);
    }
    r->points.n = gslfit_source_gather(source, id, r->x, r->y, r->weights, r->room);
    r->taken = 0;
    if (!as_it_is && gslfit_is_robust(source->loss) && !source->factor) bring_near(r);
    return r->points.n;
}

double gslfit_refit_taken(const gsl_refit *r) { return r->taken; }

int gslfit_refit_comes_near(gsl_refit *r, const double *v, const double *inputs) {
    int near = 0;
    gslfit_workspace_evaluate(r->curve.space, v, inputs, r->points.x, r->points.n, r->room, NULL, 0, 0);
    for (long i = 0; i < r->points.n; i++)
        near |= fabs(r->y[i] * r->weights[i]) >= CLOSE_BY * r->most && r->room[i] / r->y[i] >= HALFWAY;
    return near;
}

long gslfit_refit_count_finite(const gsl_refit *r) {
    long found = 0;
    for (long i = 0; r && i < r->points.n; i++) {
        double sum = r->y[i] + r->weights[i];
        for (int j = 0; j < r->program->nx; j++) sum += r->x[j][i];
        found += isfinite(sum) != 0;
    }
    return found;
}

int gslfit_refit_is_finite(gsl_refit *r, const double *v, const double *inputs) {
    int finite = 1;
    gslfit_workspace_evaluate(r->curve.space, v, inputs, r->points.x, r->points.n, r->room, NULL, 0, 0);
    for (long i = 0; i < r->points.n; i++) finite &= isfinite(r->room[i]) != 0;
    return finite;
}

/* ---- GSL's families, as the loop sees them ---- */

static int iterate_fdf(void *s) { return gsl_multifit_fdfsolver_iterate(s); }
static int jacobian_fdf(void *s, gsl_matrix *J) { return gsl_multifit_fdfsolver_jac(s, J); }
static int iterate_nlinear(void *s) { return gsl_multifit_nlinear_iterate(s); }
static int jacobian_nlinear(void *s, gsl_matrix *J) { return gsl_matrix_memcpy(J, gsl_multifit_nlinear_jac(s)); }

static int run_fdf(const gsl_multifit_fdfsolver_type *type, gslfit_guard *guard, gslfit_loop *loop, gsl_vector *start) {
    gsl_multifit_function_fdf fdf = {.f = gslfit_guard_f, .df = gslfit_guard_df, .n = guard->fn.n, .p = guard->fn.p, .params = guard};
    gsl_multifit_fdfsolver *s = gslfit_fdfsolver_alloc(type, fdf.n, fdf.p);
    if (!s) return GSL_ENOMEM;
    int status = gsl_multifit_fdfsolver_set(s, &fdf, start);
    if (!status) {
        loop->solver = (gslfit_solver){s, iterate_fdf, jacobian_fdf, s->x, s->dx, s->f, NULL, NULL};
        gslfit_run(loop);
        gsl_vector_memcpy(start, s->x);
    }
    gsl_multifit_fdfsolver_free(s);
    return status;
}

static int run_trust(gslfit_guard *guard, gslfit_loop *loop, gsl_vector *start) {
    gsl_multifit_nlinear_parameters how = gsl_multifit_nlinear_default_parameters();
    how.trs = gsl_multifit_nlinear_trs_lm;
    how.scale = gsl_multifit_nlinear_scale_more;
    how.solver = gsl_multifit_nlinear_solver_qr;
    gsl_multifit_nlinear_fdf fdf = {.f = gslfit_guard_f, .df = gslfit_guard_df, .n = guard->fn.n, .p = guard->fn.p, .params = guard};
    gsl_multifit_nlinear_workspace *s = gsl_multifit_nlinear_alloc(gsl_multifit_nlinear_trust, &how, fdf.n, fdf.p);
    if (!s) return GSL_ENOMEM;
    int status = gsl_multifit_nlinear_init(start, &fdf, s);
    if (!status) {
        loop->solver = (gslfit_solver){s, iterate_nlinear, jacobian_nlinear, s->x, s->dx, s->f, NULL, NULL};
        gslfit_run(loop);
        gsl_vector_memcpy(start, s->x);
    }
    gsl_multifit_nlinear_free(s);
    return status;
}

/* ---- one run of a solver ---- */

typedef struct {
    int (*check)(void *who);
    void *who;
} watcher;

static int watch(void *who) {
    const watcher *w = who;
    return w->check ? w->check(w->who) : 0;
}

/* A relative step of an angle is a far greater one of a value that is small against the width of its bounds: what part of xtol to ask
 * for. */
static double step_share(const gsl_refit *r, const gsl_vector *v) {
    double share = 1;
    for (size_t k = 0; r->curve.bounds && k < v->size; k++) {
        const double u = gsl_vector_get(v, k), value = gslfit_bound_external(r->bounds + k, u);
        const double slope = gslfit_bound_slope(r->bounds + k, u);
        if (r->bounds[k].kind != BOUND_FREE) share = fmin(share, fabs(value / (slope * u)));
    }
    return fmax(share, 1e-6);
}

/* The transforms for a fit that begins at x, and x as they have it. */
static void go_in(gsl_refit *r, const double *x, gsl_vector *v) {
    const fit_transform *o = r->transform;
    for (size_t k = 0; k < v->size; k++) {
        if (o) gslfit_bound_set(r->bounds + k, x[k], r->now.box.low[k], r->now.box.high[k], 0, o->wide, o->out);
        gsl_vector_set(v, k, o ? gslfit_bound_internal(r->bounds + k, x[k]) : x[k]);
    }
}

/* One run from x, which is moved to where it ended. Returns the loop's ending; failures to begin are FIT_FAILED. */
static fit_status run(gsl_refit *r, double *x, fit_method method, int most, int *nfev) {
    const size_t p = (size_t)r->program->nfree;
    const fit_options *options = r->now.options;
    gslfit_guard guard;
    gslfit_loop loop;
    watcher watched = {r->now.check, r->now.who};
    gsl_vector *v = gsl_vector_alloc(p);
    fit_status ending = FIT_FAILED;
    memset(&guard, 0, sizeof guard);
    memset(&loop, 0, sizeof loop);
    if (v && !gslfit_guard_init(&guard, r->points.n, p, 0) && !gslfit_loop_init(&loop, r->points.n, p, 1)) {
        go_in(r, x, v);
        guard.fn = (gslfit_function){gslfit_curve_f, gslfit_curve_df, NULL, NULL, &r->curve, (size_t)r->points.n, p};
        guard.normalise = 1;
        guard.max_nfev = most;
        gslfit_guard_start(&guard);
        loop.guard = &guard;
        loop.xtol = options->xtol * step_share(r, v);
        loop.ftol = options->ftol * options->ftol;  /* there it is chi-square's relative decrease, here a distance */
        loop.gtol = options->gtol;
        loop.max_iter = most;
        loop.watch = watch;
        loop.who = &watched;
        for (size_t k = 0; k < p; k++) loop.x_before[k] = gsl_vector_get(v, k);
        const int failed = method == METHOD_TRUST ? run_trust(&guard, &loop, v)
                           : run_fdf(method == METHOD_LMDER ? &gslfit_lmder : &gslfit_lmsder, &guard, &loop, v);
        ending = failed ? FIT_FAILED : loop.ending;
        r->out_of_memory |= failed == GSL_ENOMEM || (ending == FIT_FAILED && loop.code == GSL_ENOMEM);
        for (size_t k = 0; k < p && !failed; k++) {
            const double value = guard.bad_jacobian ? loop.x_before[k] : gsl_vector_get(v, k);  /* the last point with finite derivatives */
            x[k] = r->curve.bounds ? gslfit_bound_external(r->bounds + k, value) : value;
        }
        *nfev += (int)guard.nfev;
    } else
        r->out_of_memory = 1;
    gslfit_loop_free(&loop);
    gslfit_guard_free(&guard);
    gsl_vector_free(v);
    return ending;
}

/* ---- judgement ---- */

/* The size of a variable: that at the start, or what it is. */
static double size_at(const gsl_refit *r, const double *x, int k) { return fmax(fabs(x[k]), fabs(r->now.start[k])); }

static void sizes_at(const gsl_refit *r, const double *x, double *size) {
    for (int k = 0; k < r->program->nfree; k++) size[k] = size_at(r, x, k);
}

static double inside_bounds(const gsl_refit *r, int k, double value) { return fmin(r->high[k], fmax(r->low[k], value)); }

/* What rounding may leave in the length of a residual. */
static double rounding_at(const polished *at) { return 4 * DBL_EPSILON * fmax(at->data, at->model); }

/* Whether chi-square falls along a direction in which J is deficient. */
static int falls_beyond(gsl_refit *r, const double *x, const double *direction) {
    const int p = r->program->nfree;
    const double length = r->last.length, rounding = GSLFIT_ROUNDING * fmax(r->last.data, r->last.model);
    double at[MAX_FREE];
    for (int side = -1; side <= 1; side += 2)
        for (double far = 1; far > 1e-3; far /= 8) {
            for (int k = 0; k < p; k++) at[k] = x[k] + side * far * direction[k];
            for (int k = 0; k < p && r->transform; k++) at[k] = inside_bounds(r, k, at[k]);
            if (gslfit_polish_length(r->polisher, &r->data, at) < length * (1 - GSLFIT_FALL) - rounding) return 1;
        }
    return 0;
}

/* The same along a variable whose column is zero: its derivatives may have left the range of doubles. */
static int falls_along(gsl_refit *r, const double *x, int k, double size) {
    double direction[MAX_FREE] = {0};
    direction[k] = size;
    return size > 0 && falls_beyond(r, x, direction);
}

static double scale_of(const gsl_refit *r, const double *x) {
    double within = 0;
    for (int k = 0; k < r->program->nfree; k++) within = fmax(within, r->last.norms[k] * fabs(x[k]));
    return r->first.data > 0 ? gslfit_scale(r->first.data, within) : GSLFIT_ZEROS * r->first.model;
}

/* Whether chi-square bends up at variable k, by a way to both sides; on a bound by the one inwards. */
static int bends_over(gsl_refit *r, const double *x, int k, double reach) {
    const double length = r->last.length, rounding = rounding_at(&r->last);
    const double low = r->transform ? r->low[k] : -INFINITY, high = r->transform ? r->high[k] : INFINITY;
    double at[MAX_FREE], places[4], found[4];
    if (!gslfit_places_beside(x[k], reach, low, high, places)) return 0;
    memcpy(at, x, r->program->nfree * sizeof *at);
    for (int i = 0; i < 4; i++) {
        at[k] = places[i];
        found[i] = gslfit_polish_length(r->polisher, &r->data, at);
    }
    return gslfit_bends(length, found, rounding);
}

/* Whether variable k, whose column is next to none, is one that chi-square bends up at: by its size, or where that tells nothing by how far
 * it has to go to be seen, if that `tells`. */
static int bends_up(gsl_refit *r, const double *x, int k, double size, double norm, int tells) {
    const double length = r->last.length;
    const double low = r->transform ? r->low[k] : -INFINITY, high = r->transform ? r->high[k] : INFINITY;
    double at[MAX_FREE], places[4], rise;
    if (bends_over(r, x, k, GSLFIT_BESIDE * size)) return 1;
    if (!tells) return 0;
    memcpy(at, x, r->program->nfree * sizeof *at);
    gslfit_way way = gslfit_way_begin(norm, size, length);
    while (way.trial > 0) {
        rise = INFINITY;
        if (gslfit_places_beside(x[k], way.trial, low, high, places)) {
            at[k] = places[1];
            rise = (gslfit_polish_length(r->polisher, &r->data, at) - length) / length;
        }
        if (!gslfit_way_next(&way, rise)) break;
    }
    return way.trial > 0 && bends_over(r, x, k, way.trial);
}

/* Which of the lost variables chi-square bends up at. Returns whether there is one. */
static int find_bent(gsl_refit *r, const double *x, const double *size, const unsigned char *flags, unsigned char *bent) {
    int any = 0;
    for (int k = 0; k < r->program->nfree; k++) {
        const double norm = r->last.norms[k] > 0 ? r->last.norms[k] : r->first.norms[k];
        const int tells = gslfit_came_in(x[k], r->now.start[k], r->first.norms[k], r->first.length);
        any |= bent[k] = flags[k] & GSLFIT_LOST && bends_up(r, x, k, size[k], norm, tells);
    }
    return any;
}

/* Leave out of a success's errors what chi-square bends up at though its column is next to none: J does not determine it. */
static void leave_even(gsl_refit *r, const double *x, fit_result *end) {
    double size[MAX_FREE];
    int any = 0;
    if (!gslfit_is_success(end->verdict) || end->verdict == GSLFIT_EXACT_FIT) return;
    sizes_at(r, x, size);
    for (int k = 0; k < r->program->nfree; k++) {
        if (end->flags[k] || !gslfit_is_even(r->last.norms[k], size[k], r->last.length)) continue;
        if (!bends_up(r, x, k, size[k], r->last.norms[k], 1)) continue;
        end->flags[k] = GSLFIT_SILENT;
        any = 1;
    }
    if (!any) return;
    const polished known = r->last;
    gslfit_polish_look(r->polisher, &r->data, x, end->flags, &r->last);
    r->last.cosine = known.cosine, r->last.gradient = known.gradient;
    r->last.disputed = known.disputed, r->last.unseen = known.unseen, r->last.kinked = known.kinked;
    if (end->verdict != GSLFIT_MINIMUM) return;
    end->verdict = GSLFIT_RANK_DEFICIENT;
    end->status = gslfit_status_of_verdict(end->verdict, end->flags, r->program->nfree, r->last.rank, FIT_CONVERGED_BY_GSL);
}

/* Whether what J leaves open, or next to it, and the model is linear in, has run off to where its part of the model is many times the data
 * and another one cancels it, and how curved the model is has a vast error: that is no minimum, whatever chi-square is beside it. */
static int cancels(const gsl_refit *r, const double *x, const fit_result *end, const unsigned char *bending) {
    const long p = r->program->nfree, n = r->points.n;
    const double sigma = r->last.length / sqrt(n > p ? n - p : 1);
    int open = 0, vague = 0;
    if (end->verdict != GSLFIT_RANK_DEFICIENT && end->verdict != GSLFIT_MINIMUM) return 0;
    for (int k = 0; k < p; k++) {
        if (end->flags[k]) continue;
        const double error = sigma * r->last.deviations[k] / size_at(r, x, k);
        if (bending[k])
            vague |= error > VAST;
        else
            open |= (r->last.open[k] || error > OPEN) && r->last.norms[k] * fabs(x[k]) > MANY * r->last.data;
    }
    return open && vague;
}

/* The verdict on x, at which r->last is what is known; the null space's slope as far as it has been followed. */
static void judge(gsl_refit *r, const double *x, int looked, null_space_slope slope, fit_result *end) {
    const int p = r->program->nfree;
    const fit_options *o = r->now.options;
    double direction[MAX_FREE], size[MAX_FREE];
    unsigned char bent[MAX_FREE], bending[MAX_FREE];
    gslfit_evidence e = {.p = p, .residual = r->last.counted, .first_residual = r->first.counted, .scale = scale_of(r, x),
                         .tolerance = fmax(o->xtol, fmax(o->ftol, o->gtol)), .cosine = r->last.cosine, .rank = r->last.rank, .x = x,
                         .start = r->now.start, .norms = r->last.norms, .first_norms = r->first.norms, .slopes = r->last.slopes,
                         .bounds = r->transform ? r->last.bounds : NULL, .looked = looked, .plain = slope == NULL_SPACE_FLAT,
                         .runs_off = slope == NULL_SPACE_FALLS, .unseen = r->last.unseen && !looked, .linear = gslfit_is_linear(r->program),
                         .bending = bending};
    gslfit_nonlinear(r->program, bending);
    gslfit_sort_columns(&e, end->flags);
    for (int k = 0; k < p; k++)
        if (end->flags[k] & GSLFIT_SILENT && r->last.norms[k] > 0) {  /* the others without it */
            gslfit_polish_look(r->polisher, &r->data, x, end->flags, &r->last);
            e.cosine = r->last.cosine;
            e.rank = r->last.rank;
            break;
        }
    sizes_at(r, x, size);
    for (int which = 0; !e.runs_off && gslfit_polish_null(r->polisher, which, size, direction); which++)
        e.runs_off = falls_beyond(r, x, direction);
    for (int k = 0; !e.runs_off && k < p; k++)
        if (end->flags[k] & GSLFIT_SILENT && !(r->last.norms[k] > 0)) e.runs_off = falls_along(r, x, k, size[k]);
    end->verdict = gslfit_judge(&e, end->flags);
    if (gslfit_may_be_bent(end->verdict) && find_bent(r, x, size, end->flags, bent)) {
        e.bent = bent;
        end->verdict = gslfit_judge(&e, end->flags);
    }
    if (cancels(r, x, end, bending)) end->verdict = GSLFIT_LOST_EFFECT;
    end->status = gslfit_status_of_verdict(end->verdict, end->flags, p, e.rank, FIT_CONVERGED_BY_GSL);
}

int gslfit_refit_begin(gsl_refit *r, const refit_case *which) {
    const fit_transform *o = r->transform;
    r->now = *which;
    r->curve.inputs = which->inputs;
    for (int k = 0; o && k < r->program->nfree; k++) r->low[k] = which->box.low[k], r->high[k] = which->box.high[k];
    r->data = (polish_data){&r->points, which->inputs, o ? r->low : NULL, o ? r->high : NULL};
    r->first.residual = r->last.residual = NULL;
    r->ratio = 1;
    r->ran_off = 0;
    return gslfit_polish_look(r->polisher, &r->data, which->start, NULL, &r->first);
}

/* Look where a fit was given to begin on its bounds; where the model has no value there (a width of 0), beside one variable's guess. It is
 * then known, and `base` moved there. Returns whether all is finite. */
static int look_on_bounds(gsl_refit *r, const polish_data *data, const double *given, const double *start, double *base,
                          unsigned char *known, polished *on) {
    if (gslfit_polish_look(r->polisher, data, base, NULL, on)) return 1;
    for (int k = 0; k < r->program->nfree; k++) {
        if (start[k] == given[k] || base[k] != given[k]) continue;
        base[k] = start[k];
        if (gslfit_polish_look(r->polisher, data, base, NULL, on)) return known[k] = 1;
        base[k] = given[k];
    }
    return 0;
}

int gslfit_refit_step_inside(gsl_refit *r, const double *given, const double *inputs, const fit_box *box, double *start) {
    const fit_transform *o = r->transform;
    const int p = r->program->nfree;
    const polish_data data = {&r->points, inputs, NULL, NULL};
    double at[MAX_FREE], base[MAX_FREE];
    unsigned char known[MAX_FREE] = {0};
    polished on;
    double length = 0;
    int moved = 0, hidden = 0;
    if (!memcmp(start, given, p * sizeof *start)) return 0;
    on.residual = NULL;
    memcpy(at, start, p * sizeof *at);
    memcpy(base, given, p * sizeof *base);
    for (int look = 0; look < 2 && (!look || hidden); look++) {  /* what an amplitude of 0 hides is seen beside one that tells */
        if (!look_on_bounds(r, &data, given, start, base, known, &on) || !(on.length > 0)) break;
        if (!look) length = on.length;
        hidden = 0;
        for (int k = 0; k < p; k++) {
            const double guess = start[k] - given[k], most = o->widest * (box->high[k] - box->low[k]);
            if (guess == 0 || known[k]) continue;
            known[k] = on.norms[k] > 0;
            hidden |= !known[k];
            if (!known[k]) continue;
            const double step = gslfit_transform_step_inside(o, given[k], start[k], on.length, on.norms[k]);
            if (step != 0) at[k] = given[k] + copysign(fmin(step, most), guess), moved = 1;
            base[k] = given[k] + copysign(fmin(o->share * on.length / on.norms[k], most), guess);
        }
    }
    if (!moved) return 0;
    if (gslfit_polish_length(r->polisher, &data, at) <= (1 + p * o->share) * length) memcpy(start, at, p * sizeof *start);
    return MOST_FOR_START;
}

int gslfit_refit_warm(gsl_refit *r, double *start) {
    double better[MAX_FREE];
    if (!gslfit_polish_linear_start(r->polisher, &r->data, r->program, start, better)) return 1;
    memcpy(start, better, r->program->nfree * sizeof *start);
    r->first.residual = NULL;
    return gslfit_polish_look(r->polisher, &r->data, start, NULL, &r->first);
}

/* How many variables change the residual visibly by their own size at the start that has been looked at. */
static int count_seen(const gsl_refit *r, const double *start) {
    int count = 0;
    for (int k = 0; k < r->program->nfree; k++) count += r->first.norms[k] * fabs(start[k]) > SEEN * r->first.length;
    return count;
}

/* Which variables that the model isn't linear in have no effect where the caller had them begin on a bound: others hide them there. How
 * many there are. */
static int find_hidden(gsl_refit *r, const double *start, const unsigned char *bending, unsigned char *hidden, int *used) {
    const int p = r->program->nfree;
    const double *given = r->now.given;
    polished on;
    int any = 0, straight = 0, count = 0;
    on.residual = NULL;
    for (int k = 0; k < p; k++) any |= bending[k] && start[k] != given[k], straight |= !bending[k] && start[k] != given[k];
    if (!any || !straight) return 0;
    ++*used;
    if (!gslfit_polish_look(r->polisher, &r->data, given, NULL, &on)) return 0;
    for (int k = 0; k < p; k++) count += hidden[k] = bending[k] && start[k] != given[k] && !(on.norms[k] > 0);
    return count;
}

/* How short the residual gets where the hidden variables begin so many times as far inside as by guess, by the variables that the model is
 * linear in, which begin where the caller had them; infinite where it is not known. */
static double length_beside(gsl_refit *r, const double *start, const unsigned char *bending, const unsigned char *hidden, double times,
                            double *x) {
    const double *given = r->now.given;
    polished at;
    at.residual = NULL;
    for (int k = 0; k < r->program->nfree; k++) {
        const double far = fmin(times * fabs(start[k] - given[k]), r->transform->widest * (r->now.box.high[k] - r->now.box.low[k]));
        x[k] = hidden[k] ? given[k] + copysign(far, start[k] - given[k]) : bending[k] ? start[k] : given[k];
    }
    if (!gslfit_polish_look(r->polisher, &r->data, x, bending, &at) || !(at.length < INFINITY)) return INFINITY;
    return at.length * sqrt(fmax(0, 1 - at.cosine * at.cosine));
}

int gslfit_refit_unhide(gsl_refit *r, double *start, int *used) {
    const int p = r->program->nfree;
    unsigned char bending[MAX_FREE], hidden[MAX_FREE] = {0};
    double best[MAX_FREE], x[MAX_FREE], least = INFINITY;
    int spent = 0;
    gslfit_nonlinear(r->program, bending);
    if (r->transform && find_hidden(r, start, bending, hidden, used)) {
        const double guessed = length_beside(r, start, bending, hidden, 1, best);
        for (int k = -HIDDEN; k <= HIDDEN; k++) {
            const double length = length_beside(r, start, bending, hidden, pow(100, k), x);
            if (!(length < least)) continue;
            least = length;
            memcpy(best, x, p * sizeof *best);
        }
        *used += 2 * HIDDEN + 2;
        if (least < guessed * (1 - BETTER)) {
            gslfit_polish_beside(r->polisher, &r->data, best, bending, STEP_TOGETHER, GAIN, PLACED, &spent);
            *used += spent;
            for (int k = 0; k < p; k++)
                if (hidden[k] || (best[k] > r->now.box.low[k] && best[k] < r->now.box.high[k])) start[k] = best[k];
        }
    }
    r->first.residual = NULL;
    return gslfit_polish_look(r->polisher, &r->data, start, NULL, &r->first);
}

/* Where a variable that began on a bound is so many times as far inside. */
static double further(const gsl_refit *r, int k, double start, double times) {
    const double low = r->now.box.low[k], high = r->now.box.high[k], widest = r->transform->widest * (high - low);
    return r->now.given[k] <= low ? low + fmin(times * (start - low), widest) : high - fmin(times * (high - start), widest);
}

int gslfit_refit_further_inside(gsl_refit *r, double *start, int *used) {
    const int p = r->program->nfree;
    const double *given = r->now.given;
    const double longest = NO_FURTHER * r->first.length;
    double best[MAX_FREE], at[MAX_FREE];
    int on[MAX_FREE], count = 0, looked = 0, most = count_seen(r, start);
    memcpy(best, start, p * sizeof *best);
    for (int k = 0; k < p && r->transform; k++)
        if (given[k] <= r->now.box.low[k] || given[k] >= r->now.box.high[k]) on[count++] = k;
    const int ways = count > 1 ? count + 1 : count;
    for (int which = 0; which < ways && most < p; which++) {  /* all together, then each by itself */
        double base[MAX_FREE];
        memcpy(base, best, p * sizeof *base);
        for (int turn = 0; turn < 2 * FURTHER && most < p; turn++, looked++) {
            const double times = pow(10, turn & 1 ? -(turn + 1) / 2 : turn / 2 + 1);
            memcpy(at, base, p * sizeof *at);
            for (int i = 0; i < count; i++)
                if (!which || which == i + 1) at[on[i]] = further(r, on[i], start[on[i]], times);
            if (!gslfit_polish_look(r->polisher, &r->data, at, NULL, &r->first) || !(r->first.length <= longest)) continue;
            const int seen = count_seen(r, at);
            if (seen <= most) continue;
            most = seen;
            memcpy(best, at, p * sizeof *best);
        }
    }
    *used += looked;
    memcpy(start, best, p * sizeof *start);
    return !looked || gslfit_polish_look(r->polisher, &r->data, start, NULL, &r->first);
}

int gslfit_beside_bound(const fit_box *box, const double *started, int k, double value) {
    const double low = box->low[k], high = box->high[k], start = started[k];
    if (isfinite(low) && value - low <= TOUCHING * (start - low)) return -1;
    return isfinite(high) && high - value <= TOUCHING * (high - start);
}

/* The bound of a narrow box that chi-square pushes variable k to, where the whole box changes the residual by a small part; else 0. */
static int pushed_in_narrow_box(const gsl_refit *r, const polished *here, int k) {
    const double change = here->norms[k] * (r->now.box.high[k] - r->now.box.low[k]);
    if (!(change > 0 && change <= NO_WAY * here->length)) return 0;
    return here->slopes[k] > 0 ? -1 : here->slopes[k] < 0;
}

/* Bring variable k next to a bound on which the model has no value, along the valley that leads there: the others go with it, as far as two
 * refits on the way say. Returns whether chi-square is no higher there; x is then moved, and `on` is what is known of it. */
static int follow_to_bound(gsl_refit *r, double *x, int k, double bound, polished *on, fit_result *end) {
    const int p = r->program->nfree;
    double half[MAX_FREE], at[MAX_FREE];
    unsigned char flags[MAX_FREE] = {0};
    int used = 0, spent;
    flags[k] = GSLFIT_HELD;
    memcpy(half, x, p * sizeof *half);
    const double length = gslfit_polish_beside(r->polisher, &r->data, x, flags, STEP_TOGETHER, GAIN, VALLEY, &spent);
    half[k] = bound + 0.5 * (x[k] - bound);
    const double nearer = gslfit_polish_beside(r->polisher, &r->data, half, flags, STEP_TOGETHER, GAIN, VALLEY, &used);
    end->nfev += spent + used;
    if (!(nearer <= length)) return 0;
    for (int near = CLOSEST; near > 0; near -= CLOSEST / 4) {
        for (int j = 0; j < p; j++) at[j] = inside_bounds(r, j, x[j] + (half[j] - x[j]) * 2 * (1 - ldexp(1, -near)));
        at[k] = bound + ldexp(x[k] - bound, -near);
        end->nfev++;
        if (!gslfit_polish_look(r->polisher, &r->data, at, NULL, on) || !(on->length <= nearer)) continue;
        memcpy(x, at, p * sizeof *x);
        return 1;
    }
    return 0;
}

/* Take the bound to lie where variable k is; whether the others at their best change chi-square by less than can be told over what is left
 * of the way, or push it back. */
static int ends_there(gsl_refit *r, const double *x, int k, int side, double bound, fit_result *end) {
    polished on;
    on.residual = NULL;
    *(side < 0 ? r->low + k : r->high + k) = x[k];
    end->nfev++;
    if (!gslfit_polish_look(r->polisher, &r->data, x, NULL, &on)) return 0;
    const double few = GSLFIT_UNTOLD / (r->points.n > r->program->nfree ? r->points.n - r->program->nfree : 1);
    return on.norms[k] * fabs(on.slopes[k] * (x[k] - bound)) <= fmax(few, GSLFIT_CLOSE * GSLFIT_CLOSE) * on.length;
}

/* Put what has come next to a bound onto it: the transforms never quite get there. Not where the model is worse on it; where it has no
 * value or no derivatives there, the bound is taken to lie where the fit got to. */
static void touch_bounds(gsl_refit *r, double *x, fit_result *end) {
    const fit_transform *o = r->transform;
    double length = -1;
    polished on, here;
    on.residual = here.residual = NULL;
    const int known_here = o && gslfit_polish_look(r->polisher, &r->data, x, NULL, &here);
    end->nfev += o != NULL;
    for (int k = 0; o && k < r->program->nfree; k++) {
        const double low = r->now.box.low[k], high = r->now.box.high[k], value = x[k];
        const int beside = gslfit_beside_bound(&r->now.box, r->now.start, k, value);
        const int side = beside || !known_here ? beside : pushed_in_narrow_box(r, &here, k);
        r->low[k] = low, r->high[k] = high;
        x[k] = side < 0 ? low : side > 0 ? high : value;
        if (x[k] == value) continue;
        if (length < 0) {
            double at[MAX_FREE];
            memcpy(at, x, r->program->nfree * sizeof *at);
            at[k] = value;
            length = gslfit_polish_length(r->polisher, &r->data, at);
            end->nfev++;
        }
        end->nfev++;
        const int known = gslfit_polish_look(r->polisher, &r->data, x, NULL, &on);
        if (known && on.length <= length * (1 + 1e-9)) continue;
        x[k] = value;
        if (known || !beside) continue;
        const double bound = side < 0 ? low : high;
        int there = 0;
        for (int near = CLOSEST; near > 0 && !there; near -= CLOSEST / 4) {  /* as near to it as the model has values */
            x[k] = bound + ldexp(value - bound, -near);
            end->nfev++;
            there = gslfit_polish_look(r->polisher, &r->data, x, NULL, &on) && on.length <= length;
            if (!there) x[k] = value;
        }
        if (!there) there = follow_to_bound(r, x, k, bound, &on, end);
        if (!there || !ends_there(r, x, k, side, bound, end)) *(side < 0 ? r->low + k : r->high + k) = bound;
    }
}

/* Whether J leaves variables open that count. */
static int any_open(const gsl_refit *r, const fit_result *end) {
    int any = 0;
    for (int k = 0; k < r->program->nfree; k++) any |= !end->flags[k] && r->last.open[k];
    return any;
}

/* Whether more is open at x than was at the start, or what is open has gone far from where the caller had it begin: then it is no excuse
 * that chi-square stays. */
static int has_opened(const gsl_refit *r, const double *x, const fit_result *end) {
    const int p = r->program->nfree;
    int free = 0;
    for (int k = 0; k < p; k++) {
        free += !(end->flags[k] & GSLFIT_HELD);
        if (r->last.open[k] && fabs(x[k]) > GSLFIT_AFAR * fabs(r->now.given[k]) && r->now.given[k] != 0) return 1;
    }
    return free - r->last.rank > p - r->first.rank;
}

/* Where J leaves variables open at what passes for a minimum, follow its null space, and judge again. Returns whether chi-square falls:
 * x is then moved. */
static int follow_null_space(gsl_refit *r, double *x, int most, int looked, fit_result *end) {
    const int p = r->program->nfree;
    double size[MAX_FREE];
    const double sigma = r->last.length / sqrt(r->points.n > p ? r->points.n - p : 1);
    const int full = r->first.rank == p || r->ran_off || has_opened(r, x, end);
    int open = 0, vague = 0, used = 0;
    sizes_at(r, x, size);
    for (int k = 0; k < p; k++) vague |= !end->flags[k] && sigma * r->last.deviations[k] > GSLFIT_VAGUE * size[k];
    for (int k = 0; k < p; k++)
        open |= r->last.disputed || (!end->flags[k] && gslfit_null_space_has(&r->last, k, sigma, fabs(x[k]), size[k]));
    if (!open || end->verdict == GSLFIT_EXACT_FIT || !gslfit_is_success(end->verdict)) return 0;
    const double rounding = rounding_at(&r->last);
    null_space_slope slope = gslfit_null_space_follow(r->polisher, &r->data, x, size, full, rounding, most, &r->last, &used);
    r->ran_off |= slope == NULL_SPACE_FALLS || slope == NULL_SPACE_FLAT;
    const double cosine = r->last.cosine, gradient = r->last.gradient;  /* of Newton's step, if that was taken */
    const int disputed = r->last.disputed, unseen = r->last.unseen;
    gslfit_polish_look(r->polisher, &r->data, x, NULL, &r->last);
    if (slope != NULL_SPACE_FALLS && !(disputed && slope == NULL_SPACE_UNSEEN)) r->last.cosine = cosine, r->last.gradient = gradient;
    r->last.unseen = unseen;
    end->nfev += used + 1;
    judge(r, x, looked, slope, end);
    r->last.unseen |= slope == NULL_SPACE_UNSEEN;
    /* nobody has looked whether it is a plain, or where it leads */
    const int deficient = end->verdict == GSLFIT_RANK_DEFICIENT || (end->verdict == GSLFIT_AT_BOUND && any_open(r, end));
    const int away = r->ran_off && vague && r->last.promised > GSLFIT_CLOSE;
    const int doubtful = (deficient && (full || unseen)) || (vague && unseen) || away;
    if (slope == NULL_SPACE_UNSEEN && !looked && doubtful) end->status = FIT_MAX_NFEV;
    return slope == NULL_SPACE_FALLS;
}

/* Count what a look has used, and where it has led down look at x, from which a way down is left. Returns whether it has. */
static int gone(gsl_refit *r, const double *x, int falls, int used, fit_result *end) {
    end->nfev += used + falls;
    if (!falls) return 0;
    gslfit_polish_look(r->polisher, &r->data, x, NULL, &r->last);
    judge(r, x, 0, NULL_SPACE_FALLS, end);
    return 1;
}

/* Have the polisher know x again, after it has been elsewhere; what is known of x stays. */
static void come_back(gsl_refit *r, const double *x, const fit_result *end) {
    const polished known = r->last;
    int silent = 0;
    for (int k = 0; k < r->program->nfree; k++) silent |= end->flags[k] & GSLFIT_SILENT && known.norms[k] > 0;
    gslfit_polish_look(r->polisher, &r->data, x, silent ? end->flags : NULL, &r->last);
    r->last = known;
}

/* At what passes for a minimum look along what has no column, beside a bound that holds others too, and, where J's columns are dependent
 * and were at the start, far along J's null space, and judge again. Returns whether chi-square falls: x is then moved. */
static int reach_far(gsl_refit *r, double *x, int most, fit_result *end) {
    const int p = r->program->nfree;
    double size[MAX_FREE], moves[MAX_FREE];
    int used = 0;
    const int deficient = end->verdict == GSLFIT_RANK_DEFICIENT;
    if (!deficient && end->verdict != GSLFIT_AT_BOUND) return 0;
    sizes_at(r, x, size);
    const double rounding = rounding_at(&r->last);
    const int goes_on = deficient && r->first.rank < p;
    int falls = gslfit_null_space_wake(r->polisher, &r->data, x, size, goes_on, rounding, most, &r->last, end->flags, moves, &used);
    if (!falls && goes_on)
        falls = gslfit_null_space_reach(r->polisher, &r->data, x, size, moves, rounding, most, &r->last, &used);
    if (!falls && used > 0) come_back(r, x, end);
    return gone(r, x, falls, used, end);
}

/* Whether chi-square falls from the bound `side` that variable k lies on inwards, though its slope there is zero: it is followed by growing
 * parts of the variable's size, the others refitted, for as long as chi-square does not rise; where it rises by the first of them already,
 * by shrinking ones for as long as they can be told from the bound. x is then moved. */
static int falls_inwards(gsl_refit *r, double *x, int k, int side, double length, double rounding, int most, int *used) {
    const int p = r->program->nfree;
    double at[MAX_FREE], by = INWARDS;
    unsigned char flags[MAX_FREE] = {0};
    int spent;
    flags[k] = GSLFIT_HELD;
    memcpy(at, x, p * sizeof *at);
    for (double far = GSLFIT_BESIDE; far < 1 && *used + VALLEY <= most; far *= by) {
        at[k] = inside_bounds(r, k, x[k] - side * far * size_at(r, x, k));
        const double found = gslfit_polish_beside(r->polisher, &r->data, at, flags, STEP_FEWER, GAIN, VALLEY, &spent);
        *used += spent;
        if (found < length * (1 - GSLFIT_FALL) - rounding) {
            memcpy(x, at, p * sizeof *x);
            return 1;
        }
        const int higher = !(found <= length * (1 + NO_WAY));
        if (far == GSLFIT_BESIDE && higher) by = 1 / INWARDS;
        if (by < 1 ? !(found > length * (1 + GSLFIT_FALL) + rounding) : higher) break;
    }
    return 0;
}

/* Whether chi-square falls from a bound inwards though nothing pushes a variable against it, and a slope of zero may be a saddle's. x is
 * then moved. */
static int leave_bound(gsl_refit *r, double *x, int most, fit_result *end) {
    const double length = r->last.length, rounding = rounding_at(&r->last);
    int used = 0, falls = 0;
    if (!r->transform || end->verdict != GSLFIT_AT_BOUND) return 0;
    for (int k = 0; k < r->program->nfree && !falls; k++)
        if (r->last.bounds[k] && fabs(r->last.slopes[k]) <= GSLFIT_CLOSE)
            falls = falls_inwards(r, x, k, r->last.bounds[k], length, rounding, most, &used);
    if (!falls && used > 0) come_back(r, x, end);
    return gone(r, x, falls, used, end);
}

/* Look at chi-square to second order: a saddle, or slow? */
static void look_at_curvature(gsl_refit *r, double *x, int most, fit_result *end) {
    double size[MAX_FREE];
    sizes_at(r, x, size);
    const int used = most > 0 ? gslfit_curvature_descend(r->polisher, &r->data, x, size, most, &r->ratio, &r->last) : 0;
    if (used < 0) r->out_of_memory = 1;
    else end->nfev += used;
    if (most <= 0) gslfit_curvature_unseen(&r->last, r->ratio);
    judge(r, x, 0, NULL_SPACE_RISES, end);
}

/* Where a way down is left for all that derivatives say, look whether it is one, or the other side of a kink. Returns whether it led down
 * to where there is no kink, so that the curvature there is to be looked at; what was known of x stays where nothing is found. */
static int find_kinks(gsl_refit *r, double *x, int most, fit_result *end) {
    const polished before = r->last;
    double size[MAX_FREE];
    sizes_at(r, x, size);
    const int used = gslfit_kinks_descend(r->polisher, &r->data, x, size, most, &r->last);
    if (used < 0) r->out_of_memory = 1;
    else end->nfev += used;
    if (!r->last.kinked && !(r->last.length < before.length)) {
        r->last = before;
        return 0;
    }
    judge(r, x, 0, NULL_SPACE_RISES, end);
    return !r->last.kinked;
}

/* Polish x in at most `most` evaluations, judge it, and say so. Returns whether there is a lower point beyond, which is then the end. */
static int settle(gsl_refit *r, double *x, int most, int looked, fit_result *end) {
    const int p = r->program->nfree, before = end->nfev;
    r->last.nfev = 0;
    if (most > 2) touch_bounds(r, x, end);
    if (most > 0) gslfit_polish_curve(r->polisher, &r->data, x, most, &r->last);
    end->nfev += r->last.nfev;
    if (most <= 0) gslfit_polish_look(r->polisher, &r->data, x, NULL, &r->last);
    judge(r, x, looked, NULL_SPACE_RISES, end);
    if (end->verdict != GSLFIT_EXACT_FIT && end->verdict != GSLFIT_NO_EFFECT && !looked)
        look_at_curvature(r, x, (most - r->last.nfev) / (r->kinks ? KINK_SHARE : 1), end);
    for (int turn = 0; turn < KINKS && end->verdict == GSLFIT_NOT_MINIMUM && !looked && most - (end->nfev - before) > 0; turn++) {
        if (!find_kinks(r, x, most - (end->nfev - before), end)) break;
        look_at_curvature(r, x, most - (end->nfev - before), end);
    }
    const int lower = (!looked && (leave_bound(r, x, most - (end->nfev - before), end) ||
                                   reach_far(r, x, most - (end->nfev - before), end))) ||
                      follow_null_space(r, x, most - (end->nfev - before), looked, end);
    if (gslfit_well_ended(end->status)) leave_even(r, x, end);
    memcpy(r->last_spread.deviations, r->last.deviations, p * sizeof(double));
    gslfit_polish_correlations(r->polisher, &r->last, r->last_spread.correlations);
    memcpy(end->v, x, p * sizeof(double));
    end->covariance = NULL;
    end->deviations = r->last_spread.deviations;
    end->correlations = r->last_spread.correlations;
    end->length = r->last.length;
    end->counted = r->last.counted;
    end->chisqr = r->last.chisqr;
    end->gradient = r->last.gradient;
    end->scale = scale_of(r, x);
    end->doubtful = 0;
    return lower;
}

void gslfit_refit_keep(gsl_refit *r, fit_result *end) {
    const int p = r->program->nfree;
    if (end->deviations != r->last_spread.deviations) return;
    memcpy(r->kept_spread.deviations, r->last_spread.deviations, p * sizeof(double));
    memcpy(r->kept_spread.correlations, r->last_spread.correlations, TRIANGLE(p) * sizeof(double));
    end->deviations = r->kept_spread.deviations;
    end->correlations = r->kept_spread.correlations;
}

/* From x by a solver, and anew from its end for as long as that is no minimum and runs lower; a new run measures what is small anew. Where
 * there are bounds, a run is broken off after a part of the evaluations: in the transforms a solver creeps onto a bound, which the polish,
 * in the variables themselves, reaches in a step. A solver creeps onto a kink too. */
static void descend(gsl_refit *r, double *x, fit_method method, int most, fit_result *end) {
    double before = INFINITY;
    r->ratio = 1;
    for (int turn = 0; turn < TURNS; turn++) {
        const int left = most - end->nfev, part = left / PARTS > LEAST_PART ? left / PARTS : LEAST_PART;
        const int most_of = r->transform ? part : r->kinks ? left / KINK_SHARE : left;
        const int share = turn < TURNS - 1 && most_of < left ? most_of : left;
        const fit_status ending = run(r, x, method, share, &end->nfev);
        const int broken = ending == FIT_MAX_NFEV || ending == FIT_MAX_ITER, over = broken && share == left;
        settle(r, x, most - end->nfev, 0, end);
        if (gslfit_well_ended(end->status) || ending == FIT_STOPPED || r->out_of_memory) return;
        if (over || end->nfev >= most) {
            if (end->status == FIT_NO_PROGRESS) end->status = FIT_MAX_NFEV;
            return;
        }
        memcpy(x, end->v, r->program->nfree * sizeof *x);
        if (!broken && (end->status != FIT_NO_PROGRESS || !(end->length < 0.999 * before))) return;
        before = end->length;
    }
}

/* Whether a standard error is left to go at most: few steps, though the evaluations of a share have ended. */
static int is_near(const gsl_refit *r) {
    const long p = r->program->nfree, n = r->points.n;
    return r->last.cosine * r->last.cosine * (double)(n > p ? n - p : 1) <= 1;
}

void gslfit_refit_settle(gsl_refit *r, const double *v, int most, fit_result *end) {
    double x[MAX_FREE];
    memcpy(x, v, r->program->nfree * sizeof *x);
    end->nfev = 0;
    /* most of what is left remains for a fit from the start */
    if (!settle(r, x, most, 0, end)) return;
    descend(r, x, METHOD_LMSDER, end->nfev + (most - end->nfev) / SHARE_BEYOND, end);
    if (gslfit_well_ended(end->status) || !r->last.unseen || !is_near(r)) return;
    memcpy(x, end->v, r->program->nfree * sizeof *x);
    settle(r, x, (most - end->nfev) / SHARE_BEYOND, 0, end);
}

void gslfit_refit_fit(gsl_refit *r, fit_method method, int most, fit_result *end) {
    double x[MAX_FREE];
    memcpy(x, r->now.start, r->program->nfree * sizeof *x);
    end->nfev = 0;
    descend(r, x, method, most, end);
}

int gslfit_refit_turns_round(gsl_refit *r, const fit_result *end) {
    unsigned char bending[MAX_FREE];
    double at[MAX_FREE];
    polished near = {.residual = NULL};
    gslfit_nonlinear(r->program, bending);
    for (int k = 0; k < r->program->nfree; k++) {
        const double by = gslfit_next_turn(end->v[k], r->now.given[k]), norm = r->last.norms[k];
        if (!bending[k] || end->flags[k] || by == 0) continue;
        for (int side = -1; side <= 1; side += 2) {
            memcpy(at, end->v, r->program->nfree * sizeof *at);
            at[k] += side * by;
            if (gslfit_polish_look(r->polisher, &r->data, at, NULL, &near) &&
                !(fabs(near.norms[k] - norm) <= GSLFIT_TURNED_BY * norm)) return 1;
        }
    }
    return 0;
}

int gslfit_refit_unseen(const gsl_refit *r) { return r->last.unseen; }

int gslfit_refit_look(gsl_refit *r, const double *v, const double *inputs, const unsigned char *flags) {
    polished at;
    at.residual = NULL;
    r->data = (polish_data){&r->points, inputs, NULL, NULL};
    int left = 0;
    if (!gslfit_polish_look(r->polisher, &r->data, v, flags, &at)) return 0;
    for (int k = 0; k < r->program->nfree; k++) left += !flags[k] && at.norms[k] > 0;
    return at.rank < left;
}

double gslfit_refit_deviation(const gsl_refit *r, const double *slopes) { return gslfit_polish_deviation(r->polisher, slopes); }

/* ---- the second look ---- */

/* The points where the residual is largest: at its length, its greatest and its least. */
static void largest(const gsl_refit *r, const double *residual, long *where) {
    where[0] = where[1] = where[2] = 0;
    for (long i = 1; i < r->points.n; i++) {
        if (fabs(residual[i]) > fabs(residual[where[0]])) where[0] = i;
        if (residual[i] > residual[where[1]]) where[1] = i;
        if (residual[i] < residual[where[2]]) where[2] = i;
    }
}

typedef struct {
    double score, x[MAX_FREE];  /* the cosine by which chi-square falls inwards; where to begin */
    double length;              /* of the residual at the end that is looked at */
    int level;                  /* chi-square is no higher on the bound there */
    int nfev;
} best_start;

/* Try x: from each bound that holds, how steeply does chi-square fall inwards there? Keep the best, as far inside as a straight line
 * says. */
static void try_start(gsl_refit *r, const double *x, const unsigned char *flags, best_start *best) {
    polished at;
    at.residual = NULL;
    best->nfev++;
    if (!gslfit_polish_look(r->polisher, &r->data, x, NULL, &at)) return;
    for (int k = 0; k < r->program->nfree; k++) {
        if (!at.bounds[k] || flags[k] & GSLFIT_SILENT) continue;
        const double inwards = at.bounds[k] < 0 ? -at.slopes[k] : at.slopes[k];
        if (!(inwards > best->score) || !(at.norms[k] > 0)) continue;
        const double step = fmin(inwards * at.length / at.norms[k], 0.5 * (r->now.box.high[k] - r->now.box.low[k]));
        best->score = inwards;
        best->level = at.length <= best->length * (1 + GSLFIT_LOWER);
        memcpy(best->x, x, r->program->nfree * sizeof *x);
        best->x[k] = x[k] + (at.bounds[k] < 0 ? step : -step);
    }
}

/* The same from both sides along the null space of J at the point that was just looked at: chi-square stays there, but what holds at a
 * bound may turn round (the amplitude of a decay whose exponent has become 0). */
static void try_null_space(gsl_refit *r, const double *v, const unsigned char *flags, best_start *best) {
    const int p = r->program->nfree;
    double x[MAX_FREE], size[MAX_FREE], directions[MAX_FREE][MAX_FREE];
    int count = 0;
    sizes_at(r, v, size);
    while (count < MAX_FREE && gslfit_polish_null(r->polisher, count, size, directions[count])) count++;
    for (int i = 0; i < 2 * count; i++) {
        for (int k = 0; k < p; k++) x[k] = inside_bounds(r, k, v[k] + (i & 1 ? -TURNED : TURNED) * directions[i >> 1][k]);
        try_start(r, x, flags, best);
    }
}

/* The silenced ones from their starts, and each in turn where a variable is at the points of the largest residuals, and at tenths and tens
 * of its start (a decay so slow that it is a step). */
static void find_start(gsl_refit *r, const double *v, const unsigned char *flags, best_start *best) {
    const int p = r->program->nfree;
    double x[MAX_FREE], base[MAX_FREE], *residual = r->room;
    long where[3];
    polished at;
    at.residual = residual;
    best->nfev++;
    if (gslfit_polish_look(r->polisher, &r->data, v, NULL, &at)) {
        largest(r, residual, where);
        try_null_space(r, v, flags, best);
        for (int k = 0; k < p; k++) base[k] = flags[k] & GSLFIT_SILENT ? r->now.start[k] : v[k];
        try_start(r, base, flags, best);
        for (int k = 0; k < p; k++)
            for (int j = 0; flags[k] & GSLFIT_SILENT && j < r->program->nx; j++)
                for (int i = 0; i < 3; i++) {
                    memcpy(x, base, p * sizeof *x);
                    x[k] = inside_bounds(r, k, r->x[j][where[i]]);
                    try_start(r, x, flags, best);
                }
        for (int k = 0; k < p; k++)
            for (int i = 0; flags[k] & GSLFIT_SILENT && i < (int)(sizeof TRIED / sizeof *TRIED); i++) {
                memcpy(x, base, p * sizeof *x);
                x[k] = inside_bounds(r, k, TRIED[i] * r->now.start[k]);
                try_start(r, x, flags, best);
            }
    }
}

/* Look where what lies on a bound has gone this share of the way back to where it began. Returns whether all is finite there. */
static int look_back(gsl_refit *r, const fit_result *end, double share, polished *at) {
    double x[MAX_FREE] = {0};
    at->residual = NULL;
    for (int k = 0; k < r->program->nfree; k++)
        x[k] = r->last.bounds[k] ? end->v[k] + share * (r->now.start[k] - end->v[k]) : end->v[k];
    return gslfit_polish_look(r->polisher, &r->data, x, NULL, at);
}

/* Whether it is a bound that silences others: with what lies on one back where it began, they have an effect again, and just off the bound
 * a far greater one than on it (what an edge between two points leaves is as little there). */
static int bounds_silence(gsl_refit *r, const fit_result *end) {
    polished back, beside;
    if (!look_back(r, end, 1, &back) || !look_back(r, end, GSLFIT_BESIDE, &beside)) return 0;
    for (int k = 0; k < r->program->nfree; k++) {
        const double size = size_at(r, end->v, k);
        if (!(end->flags[k] & GSLFIT_LOST)) continue;
        if (!(back.norms[k] * size > GSLFIT_NEGLIGIBLE * end->length)) return 0;
        const int by_itself = r->last.bounds[k] && !(r->last.norms[k] > 0);  /* a temperature of 0 */
        if (!by_itself && !(beside.norms[k] > WAKES * r->last.norms[k])) return 0;
    }
    return 1;
}

/* Whether chi-square falls from a bound inwards where a silent variable lies on it: it enters squared. x is then a lower place. */
static int silent_falls_inwards(gsl_refit *r, int most, fit_result *end, double *x) {
    const int p = r->program->nfree;
    int spent = 1, falls = 0;
    polished at;
    at.residual = NULL;
    if (gslfit_polish_look(r->polisher, &r->data, end->v, NULL, &at)) {
        memcpy(x, end->v, p * sizeof *x);
        for (int k = 0; k < p && !falls; k++)
            if (at.bounds[k] && end->flags[k] & GSLFIT_SILENT)
                falls = falls_inwards(r, x, k, at.bounds[k], end->length, rounding_at(&at), most, &spent);
    }
    end->nfev += spent;
    return falls;
}

typedef enum { NOT_LOWER, LOWER_WITHOUT_END, LOWER_END } fitted_from;

/* Fit from x; where that ends lower, it is the end. Where it does not, what is known is that of the end that stays. */
static fitted_from fit_lower(gsl_refit *r, double *x, fit_method method, int most, fit_result *end) {
    const size_t width = r->program->nfree * sizeof(double);
    fit_result lower = *end;
    const polished known = r->last;
    double low[MAX_FREE], high[MAX_FREE];
    if (most < 1) return NOT_LOWER;
    memcpy(low, r->low, width);
    memcpy(high, r->high, width);
    lower.nfev = 0;
    descend(r, x, method, most, &lower);
    end->nfev = lower.nfev += end->nfev;
    if (gslfit_well_ended(lower.status) && lower.length < end->length * (1 - GSLFIT_LOWER)) {
        *end = lower;
        gslfit_refit_keep(r, end);
        return LOWER_END;
    }
    r->last = known;
    memcpy(r->low, low, width);
    memcpy(r->high, high, width);
    return lower.length < end->length * (1 - GSLFIT_FALL) ? LOWER_WITHOUT_END : NOT_LOWER;
}

/* Variables that lost their effect on their own bounds go some of the way back to where they began, the others stay, and all are fitted
 * from there; or where they have none at their start either, beyond it. Chi-square may have several minima on that way: the lowest end is
 * taken, if it is lower than the present one. Where there is none, and others lost their effect too, these begin where they began. */
static int fit_way_back(gsl_refit *r, int beyond, fit_method method, int most, fit_result *end) {
    const int p = r->program->nfree, before = end->nfev;
    double v[MAX_FREE], x[MAX_FREE];
    unsigned char lost[MAX_FREE];
    signed char on[MAX_FREE];
    int any = 0, others = 0, lower = 0;
    memcpy(v, end->v, p * sizeof *v);
    for (int k = 0; k < p; k++) {
        lost[k] = end->flags[k] & GSLFIT_LOST;
        any |= on[k] = lost[k] ? r->last.bounds[k] : 0;
        others |= lost[k] && !on[k];
    }
    for (int turn = 0; any && turn < WAYS_BACK * (others ? 2 : 1) && !(lower && turn >= WAYS_BACK); turn++) {
        const int again = turn >= WAYS_BACK, part = 2 * (turn % WAYS_BACK);
        for (int k = 0; k < p; k++) {
            const double start = r->now.start[k];
            x[k] = on[k] ? inside_bounds(r, k, v[k] + ldexp(start - v[k], beyond ? part : -part)) : again && lost[k] ? start : v[k];
        }
        lower |= fit_lower(r, x, method, most - (end->nfev - before), end) == LOWER_END;
    }
    return lower;
}

void gslfit_refit_look_again(gsl_refit *r, fit_method method, int most, fit_result *end) {
    const int before = end->nfev++;
    if (!bounds_silence(r, end)) {
        if (!fit_way_back(r, 1, method, most - 1, end)) end->verdict = GSLFIT_LOST_EFFECT;
        return;
    }
    best_start best = {.score = GSLFIT_CLOSE, .length = end->length};
    double x[MAX_FREE];
    fitted_from inside = NOT_LOWER;
    find_start(r, end->v, end->flags, &best);
    end->nfev += best.nfev;
    if (best.score > GSLFIT_CLOSE) inside = fit_lower(r, best.x, method, most - (end->nfev - before), end);
    if (inside == LOWER_END) return;
    const int falls = silent_falls_inwards(r, most - (end->nfev - before), end, x);
    if (fit_way_back(r, 0, method, most - (end->nfev - before), end)) return;
    const int used = end->nfev;
    if (falls && fit_lower(r, x, method, most - (end->nfev - before), end) == LOWER_END) return;
    memcpy(x, r->now.start, r->program->nfree * sizeof *x);
    if (fit_lower(r, x, method, most - (end->nfev - before), end) == LOWER_END) return;
    const int spent = end->nfev;
    memcpy(x, end->v, r->program->nfree * sizeof *x);
    settle(r, x, 0, 1, end);
    /* a way down from a place on the bound that is as low is one, wherever it leads */
    if (falls || (best.level && inside == LOWER_WITHOUT_END)) judge(r, x, 1, NULL_SPACE_FALLS, end);
    end->nfev = spent;
    if (used - before >= most) end->status = FIT_MAX_NFEV;  /* nobody has looked everywhere */
}
