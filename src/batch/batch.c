#include "batch.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "common/clock.h"
#include "common/subnormals.h"
#include "lanes/lane_state.h"
#include "objective/counted.h"
#include "program/folding.h"
#include "gather_rows.h"
#include "tall_fit.h"
#include "gsl_refit.h"
#include "robust_errors.h"
#include "worker.h"

enum { CLAIM = 64, CLOCKED = 1024, REFEREE_BYTES = 48 << 20, MOST_IN_LANES = 60, SHARE_THERE = 4 };
static const double TINY = 1e-280, HUGE_SUM = 1e280;  /* sums of squares outside these have lost digits, or will */
static const double PULSE = 0.05;
static const double STAYED = 0.1, LEFT = 0.3;         /* of a standard error; of the data */
static const double MOST_LEFT = 0.5, FEW = 6;         /* of the data; points for each variable */

/* ---- one thread ---- */

/* The next fit to do, taken in runs so that threads seldom meet; -1 when there are none. */
static long next_job(thread *t) {
    batch *b = t->batch;
    if (t->first == t->last) {
        const long run = gslfit_is_long(b) ? 1 : CLAIM;
        if (gslfit_stopped(b)) return -1;
        t->first = atomic_fetch_add(&b->next, run);
        if (t->first >= b->fits) t->first = t->last = b->fits;
        else t->last = t->first + run < b->fits ? t->first + run : b->fits;
    }
    return t->first < t->last ? t->first++ : -1;
}

static long done(const thread_pool *all) {
    long sum = 0;
    for (int k = 0; k < all->count; k++) sum += atomic_load_explicit(&all->threads[k].done, memory_order_relaxed);
    return sum;
}

/* Whether the work must stop; the calling thread asks its caller now and then. */
int gslfit_thread_check(thread *t) {
    batch *b = t->batch;
    if (t->number == 0 && b->pulse && !gslfit_stopped(b) && ++t->asked >= t->patience) {
        const double now = gslfit_seconds();
        t->asked = 0;
        if (now - t->pulsed >= PULSE) {
            t->pulsed = now;
            const gslfit_float_mode mode = gslfit_keep_subnormals();
            if (b->pulse(b->who, done(t->all))) atomic_store(&b->stop, 1);
            gslfit_float_mode_set(mode);
        }
    }
    return gslfit_stopped(b);
}

static int check_worker(worker *w) { return gslfit_thread_check(w->context); }
static int check_thread(void *t) { return gslfit_thread_check(t); }

/* ---- results ---- */

static void count_done(thread *t) {
    atomic_store_explicit(&t->done, atomic_load_explicit(&t->done, memory_order_relaxed) + 1, memory_order_relaxed);
}

void gslfit_batch_inputs(const batch *b, long id, double *inputs) {
    for (int k = 0; k < b->program->ninput; k++) inputs[k] = gslfit_strided_number(b->inputs + k, id);
}

/* Roots of (J^T J)^-1's diagonal; NaN for a parameter that is held, without effect or not determined. */
static double deviation(const fit_result *end, int i) { return end->flags[i] ? NAN : end->deviations[i]; }

/* What two parameters have together: 0 with one that is held at a bound, NaN with one that is not determined, else 1. */
static double known_together(const fit_result *end, int i, int j) {
    if ((end->flags[i] | end->flags[j]) & (GSLFIT_SILENT | GSLFIT_UNDETERMINED)) return NAN;
    return !end->flags[i] && !end->flags[j];
}

/* An element of (J^T J)^-1. */
static double covariance_of(const fit_result *end, int i, int j) {
    const double known = known_together(end, i, j);
    if (known != 1) return known;
    return end->covariance ? end->covariance[ELEMENT(i, j) * LANES]
                           : end->correlations[ELEMENT(i, j)] * end->deviations[i] * end->deviations[j];
}

/* The same divided by the roots of the diagonal, which neither small nor large errors take out of range. */
static double correlation_of(const fit_result *end, int i, int j) {
    const double known = known_together(end, i, j);
    if (known != 1) return known;
    if (i == j) return isnan(end->deviations[i]) ? NAN : 1;
    return end->covariance ? end->covariance[ELEMENT(i, j) * LANES] / end->deviations[i] / end->deviations[j]
                           : end->correlations[ELEMENT(i, j)];
}

static int refit_fits(const batch *b) {
    return (double)b->source.points * (3 * b->program->nfree + b->program->nx + 4) * sizeof(double) < REFEREE_BYTES;
}

/* A row's points into GSL's refit's arrays, without those that are left out. How many there are; -1 without memory. */
static long read_row_as(thread *t, long id, int as_it_is) {
    batch *b = t->batch;
    if (!t->refit && !(t->refit = gslfit_refit_new(b->program, b->source.points, b->transform))) return -1;
    return gslfit_refit_read(t->refit, &b->source, id, as_it_is);
}

static long read_row(thread *t, long id) { return read_row_as(t, id, 0); }

/* Errors of the expressions that a fit determines, though not each parameter in them: by QR, where it ended. */
static void put_determined(thread *t, const fit_result *end, const double *inputs, double sigma) {
    const batch *b = t->batch;
    const fit_transform *o = b->transform;
    const int p = b->program->nfree;
    unsigned char out[MAX_FREE];
    double slopes[MAX_FREE], *errors = o->derived_errors + end->id * o->derived;
    int open = 0, lacking = 0;
    for (int k = 0; k < p; k++) {
        out[k] = end->flags[k] & (GSLFIT_HELD | GSLFIT_SILENT);
        open |= !out[k] && isnan(deviation(end, k));
    }
    for (int k = 0; k < o->derived; k++) lacking |= isnan(errors[k]);
    if (!open || !lacking || t->robust || !gslfit_well_ended(end->status) || !refit_fits(b) || read_row(t, end->id) < 1) return;
    const gslfit_float_mode mode = gslfit_keep_subnormals();
    const int found = gslfit_refit_look(t->refit, end->v, inputs, out);
    for (int which = 0; found && which < o->derived; which++) {
        if (!isnan(errors[which])) continue;
        gslfit_transform_slopes(o, t->expressions, which, slopes);
        int moves = 0, silent = 0;
        for (int k = 0; k < p; k++) {
            moves |= slopes[k] != 0 && !(out[k] & GSLFIT_HELD);
            silent |= slopes[k] != 0 && (out[k] & GSLFIT_SILENT);
        }
        if (moves && !silent) errors[which] = sigma * gslfit_refit_deviation(t->refit, slopes);
    }
    gslfit_float_mode_set(mode);
}

/* A fit's errors and expressions. */
static void put_transformed(thread *t, const fit_result *end) {
    const batch *b = t->batch;
    const fit_transform *o = b->transform;
    const int p = b->program->nfree;
    const long id = end->id;
    const int scaled = o->scaled && !t->robust;
    const double dof = end->count > p ? end->count - p : 1, sigma = !scaled ? 1 : end->count > p ? end->length / sqrt(dof) : NAN;
    double *errors = b->variance + id * p;
    o->redchi[id] = end->chisqr / dof;
    for (int i = 0; i < p; i++) {
        errors[i] = deviation(end, i) * sigma;
        for (int j = 0; b->correlations && j <= i; j++)
            b->correlations[(id * p + i) * p + j] = b->correlations[(id * p + j) * p + i] = correlation_of(end, i, j);
    }
    if (!o->derived) return;
    double inputs[MAX_INPUTS];
    for (int i = 0; i < p; i++)
        for (int j = 0; j < i; j++) t->correlations[ELEMENT(i, j)] = correlation_of(end, i, j);
    gslfit_batch_inputs(b, id, inputs);
    gslfit_transform_derive(o, t->expressions, id, b->v + id * p, inputs, end->flags, errors, t->correlations);
    put_determined(t, end, inputs, sigma);
}

/* The free variables as they are, and their covariances not yet scaled. */
static void put_inside(const batch *b, const fit_result *end) {
    const int p = b->program->nfree;
    const long id = end->id;
    for (int i = 0; i < p; i++) {
        const double root = deviation(end, i);
        if (b->variance) b->variance[id * p + i] = root * root;
        for (int j = 0; b->covariance && j <= i; j++)
            b->covariance[(id * p + i) * p + j] = b->covariance[(id * p + j) * p + i] = covariance_of(end, i, j);
    }
}

/* What a success must be, whatever said that it was one: at a minimum, or exact, and with errors of all that is neither held nor without
 * effect. What breaks this is none. */
static void check_end(const batch *b, fit_result *end) {
    const int p = b->program->nfree;
    if (!gslfit_well_ended(end->status)) return;
    const double length = end->counted;
    const int exact = length <= GSLFIT_ROUNDING * end->scale;
    if (!exact && !(end->gradient <= GSLFIT_CLOSE)) {
        const fit_options *o = &b->options;
        const double tolerance = gslfit_larger(o->xtol, gslfit_larger(o->ftol, o->gtol));
        if (!(end->gradient <= gslfit_cosine_bound(length, end->scale, tolerance))) end->status = FIT_NO_PROGRESS;
    }
    if (!exact && gslfit_is_bounded(b->source.loss)) {
        const double explained = gslfit_explained(b->source.loss, gslfit_source_scale(&b->source, end->id), end->chisqr, end->count);
        if (gslfit_explains_nothing(explained, end->count, p)) end->status = FIT_OUT_OF_SIGHT;
    }
    for (int i = 0; i < p; i++) {
        if (!isfinite(end->v[i])) end->status = FIT_NO_PROGRESS;
        const double root = deviation(end, i);
        if (end->flags[i] || (root > 0 && root < INFINITY)) continue;
        if (end->status == FIT_CONVERGED || end->status == FIT_CONVERGED_BY_GSL) end->status = FIT_RANK_DEFICIENT;
    }
}

void gslfit_thread_put(thread *t, const fit_result *end) {
    batch *b = t->batch;
    const long id = end->id;
    b->status[id] = (int8_t)end->status;
    b->nfev[id] = end->nfev;
    b->count[id] = (int32_t)end->count;
    b->chisqr[id] = end->chisqr;
    if (b->gradient) b->gradient[id] = end->gradient;
    memcpy(b->v + id * b->program->nfree, end->v, b->program->nfree * sizeof(double));
    if (b->transform) put_transformed(t, end);
    else put_inside(b, end);
    count_done(t);
}

static int refer(thread *t, long id, long n, const fit_result *lanes, fit_result *end);

/* A fit beside data that were brought near has ended: where it has come near them, it is fitted with these as they are. */
GSLFIT_RARE static void fit_as_it_is(thread *t, fit_result *end) {
    double inputs[MAX_INPUTS];
    fit_result again;
    gslfit_batch_inputs(t->batch, end->id, inputs);
    const int known = refit_fits(t->batch) && read_row(t, end->id) > 0;
    if (known && !gslfit_refit_comes_near(t->refit, end->v, inputs)) return;
    end->status = FIT_NO_PROGRESS;
    if (!known || t->batch->method == METHOD_LANES || !refer(t, end->id, read_row_as(t, end->id, 1), NULL, &again)) return;
    again.nfev += end->nfev;
    *end = again;
    check_end(t->batch, end);
}

static void put(thread *t, fit_result *end) {
    batch *b = t->batch;
    check_end(b, end);
    if (end->taken > 0) fit_as_it_is(t, end);
    if (b->cost) b->cost[end->id] = 0.5 * (end->chisqr + end->taken);
    if (t->robust && isfinite(end->chisqr)) gslfit_robust_take(t->robust, end);
    else gslfit_thread_put(t, end);
}

/* A row that can't be fitted at all: it has no numbers. */
static void put_nothing(thread *t, long id, fit_status status, int nfev, double count) {
    fit_result end = {.id = id, .status = status, .nfev = nfev, .chisqr = NAN, .gradient = NAN, .length = NAN, .counted = NAN,
                      .count = count};
    end.deviations = end.correlations = t->correlations;
    for (int k = 0; k < t->batch->program->nfree; k++) {
        end.v[k] = NAN;
        end.flags[k] = GSLFIT_SILENT;
    }
    put(t, &end);
}

/* Whether a parameter is not determined for all that J says: the rounding of the data alone moves it by a good part of itself, or the other
 * way round its own rounding moves the curve (a phase of 1e17). A model that is linear in all of them bends nowhere: there a parameter
 * that is small beside its error merely is 0. `vague` is whether the error of one is so much larger than the parameter, at the end and at
 * the start, that it may have run out onto a plain. */
static int flat(const batch *b, const fit_result *end, int *vague) {
    const int p = b->program->nfree, linear = gslfit_is_linear(b->program);
    const double *start = b->v + end->id * p;
    const double size = end->scale / sqrt(end->count), sigma = end->counted / sqrt(gslfit_larger(1, end->count - p));
    int found = 0;
    *vague = 0;
    for (int k = 0; k < p; k++) {
        const double scale = gslfit_larger(fabs(end->v[k]), fabs(start[k])), reach = size * end->deviations[k];
        if (end->flags[k]) continue;
        *vague |= sigma * end->deviations[k] > GSLFIT_VAGUE * scale;
        if (isnan(reach)) continue;
        found |= scale > 0 && !linear && !(1e-15 * reach < 1e-3 * scale);
        found |= size > 0 && !(DBL_EPSILON * fabs(end->v[k]) <= 1e-3 * reach);
    }
    return found;
}

/* Whether bounds hold some variables, so that a good part of the data is left, and the others are where they began, by what tells: that may
 * be a place where chi-square falls to both sides (a peak that has to leave zeros), which slopes don't tell. */
static int stayed(const batch *b, const fit_result *end) {
    const double sigma = end->counted / sqrt(gslfit_larger(1, end->count - b->program->nfree));
    int others = 0;
    if (end->status != FIT_AT_BOUND || end->length < LEFT * end->scale) return 0;
    for (int k = 0; k < b->program->nfree; k++) {
        if (end->flags[k]) continue;
        if (!(fabs(end->v[k] - end->start[k]) <= STAYED * sigma * deviation(end, k))) return 0;
        others = 1;
    }
    return others;
}

/* Whether so few points are left so badly fitted that chi-square may be level along a variable, which slopes don't tell: the residual bends
 * with it as fast as J says that chi-square rises (a sine through one pulse among zeros). */
static int level(const batch *b, const fit_result *end) {
    return end->length > MOST_LEFT * end->scale && end->count <= FEW * b->program->nfree && !gslfit_is_linear(b->program);
}

/* Whether a lane's end is at an edge that its sums don't tell from a place nearby: next to a bound and not held there, where symmetry may
 * leave no slope; or at 0, where its last step, which nobody has evaluated, has led. */
static int at_edge(const batch *b, const fit_result *end) {
    const int p = b->program->nfree, bounded = b->transform && b->transform->bounded;
    double room[2 * MAX_FREE];
    int at_zero = 0;
    for (int k = 0; k < p; k++) at_zero |= fabs(end->v[k]) < DBL_MIN;
    for (int k = 0; at_zero && k < p; k++)
        if (fabs(end->v[k]) < DBL_MIN && end->start[k] != 0) return 1;
    if (!bounded) return 0;
    const fit_box box = gslfit_transform_box(b->transform, end->id, room);
    for (int k = 0; k < p; k++)
        if (!end->flags[k] && gslfit_beside_bound(&box, end->start, k, end->v[k])) return 1;
    return 0;
}

/* ---- GSL ---- */

/* Where a fit starts, as the caller gave it in place of its result, and as the lanes have it. */
static void find_start(const thread *t, long id, double *start) {
    const batch *b = t->batch;
    double *given = b->v + id * b->program->nfree;
    if (b->transform) gslfit_transform_start(b->transform, id, given, start);
    else memcpy(start, given, b->program->nfree * sizeof *start);
}

/* Move a start that has been moved inside by guess to where it is seen, once the row has been read. Returns the evaluations. */
static int step_inside(thread *t, long id, double *start) {
    const batch *b = t->batch;
    double inputs[MAX_INPUTS], room[2 * MAX_FREE];
    if (!b->transform || !b->transform->bounded || b->reached || !t->refit) return 0;
    gslfit_batch_inputs(b, id, inputs);
    const fit_box box = gslfit_transform_box(b->transform, id, room);
    return gslfit_refit_step_inside(t->refit, b->v + id * b->program->nfree, inputs, &box, start);
}

/* Whether what all rows share where they begin tells that the row that has been read is well placed. */
static int is_placed(thread *t, long id, const double *start) {
    const batch *b = t->batch;
    const row_source *s = &b->source;
    double inputs[MAX_INPUTS];
    int shared = !t->long_fit && !s->loss && !s->factor && !gslfit_own_responses(b->program);
    for (int j = 0; j < b->program->nx; j++) shared &= t->finite_x[j];
    if (!shared || !(t->begun || (t->begun = gslfit_shared_start_new(b)))) return 0;
    gslfit_batch_inputs(b, id, inputs);
    return gslfit_shared_start_serves(t->begun, b->v + id * b->program->nfree, inputs, start, t->row_data,
                                      has_weights(s) ? t->row_weights : NULL);
}

/* The same for a row that goes into the lanes. */
static int step_inside_lanes(thread *t, long id, double *start) {
    const batch *b = t->batch;
    const int moved = memcmp(start, b->v + id * b->program->nfree, b->program->nfree * sizeof *start) != 0;
    if (!moved || b->options.max_nfev <= MOST_FOR_START || !refit_fits(b)) return 0;
    if (is_placed(t, id, start) || read_row(t, id) < 1) return 0;
    const gslfit_float_mode mode = gslfit_keep_subnormals();
    const int used = step_inside(t, id, start);
    gslfit_float_mode_set(mode);
    return used;
}

/* Whether memory ended while a fit was looked at: what came of it means nothing, and the batch goes no further. */
static int memory_ended(thread *t, long points) {
    if (points >= 0 && !(t->refit && gslfit_refit_out_of_memory(t->refit))) return 0;
    atomic_store(&t->batch->out_of_memory, 1);
    atomic_store(&t->batch->stop, 1);
    return 1;
}

static int succeeded(const fit_result *end) { return gslfit_well_ended(end->status); }

/* Whether the one end is the better: a success rather than none, else the lower. */
static int better(const fit_result *one, const fit_result *other) {
    const double here = one->length, there = other->length;
    if (succeeded(one) != succeeded(other)) return succeeded(one);
    return succeeded(one) ? here <= there * (1 + GSLFIT_LOWER) : here < there * (1 - GSLFIT_LOWER) || !isfinite(there);
}

/* Fit a row by GSL from its start, in at most `most` evaluations beyond those of `end`, and take that end where it is the better. One that
 * nobody has looked at to the end is no minimum where chi-square is known to be lower. */
static void refit(thread *t, fit_method method, int most, fit_result *end) {
    if (end->nfev >= most) return;
    const int unseen = gslfit_refit_unseen(t->refit);
    gslfit_refit_keep(t->refit, end);
    fit_result again = *end;
    gslfit_refit_fit(t->refit, method, most - end->nfev, &again);
    again.nfev += end->nfev;
    end->nfev = again.nfev;
    if (gslfit_refit_unseen(t->refit) && end->length < again.length * (1 - GSLFIT_LOWER)) return;
    if (better(&again, end) || (unseen && again.length < end->length * (1 - GSLFIT_LOWER))) *end = again;
}

/* Look at a row of n points that is in GSL's refit's arrays, after so many evaluations in the lanes. What the lanes call a success is
 * looked at where it is, and so are what a held parameter silences and what the lanes had nearly brought to an end; all else, and what is
 * still in doubt, is fitted by GSL from its start. Returns whether there is an end. */
static int look_by_gsl(thread *t, long id, long n, const fit_result *lanes, fit_result *end) {
    batch *b = t->batch;
    double inputs[MAX_INPUTS], start[MAX_FREE], room[2 * MAX_FREE];
    const int before = lanes ? lanes->nfev : 0;
    int inside = 0;
    if (n < 0 || b->options.max_nfev <= before) return 0;
    gslfit_batch_inputs(b, id, inputs);
    if (lanes) memcpy(start, lanes->start, b->program->nfree * sizeof *start);
    else {
        find_start(t, id, start);
        if (b->options.max_nfev > MOST_FOR_START) inside = step_inside(t, id, start);
    }
    const fit_box box = b->transform ? gslfit_transform_box(b->transform, id, room) : (fit_box){NULL, NULL};
    const refit_case now = {start, b->v + id * b->program->nfree, inputs, box, &b->options, check_thread, t};
    const fit_method method = b->method > METHOD_LANES ? b->method : METHOD_LMSDER;
    const int finite = gslfit_refit_begin(t->refit, &now), most = b->options.max_nfev - before;
    if (!(most > MOST_FOR_HIDDEN ? gslfit_refit_unhide(t->refit, start, &inside) : finite)) return 0;
    if (!lanes && !b->reached && !gslfit_refit_warm(t->refit, start)) return 0;
    if (!b->reached && !gslfit_refit_further_inside(t->refit, start, &inside)) return 0;
    const int used = before + inside, left = b->options.max_nfev - used;
    if (left < 1) return 0;
    end->nfev = 0;
    const double *reached = b->reached ? b->reached + id * b->program->nfree : NULL;
    const int silenced = lanes && lanes->verdict == GSLFIT_SILENCED, there = silenced || (lanes && succeeded(lanes));
    const int near = lanes && !there && !reached && lanes->nearly && left > SHARE_THERE;
    if (near) gslfit_refit_settle(t->refit, lanes->v, left / SHARE_THERE, end);
    else if (there || reached) gslfit_refit_settle(t->refit, reached ? reached : lanes->v, left, end);
    else gslfit_refit_fit(t->refit, method, left, end);
    end->id = id;
    end->count = (double)n;
    int vague;
    flat(b, end, &vague);
    const int open = vague || end->verdict == GSLFIT_RANK_DEFICIENT;  /* from the start it may come to where all is determined */
    if ((there || near) && (!succeeded(end) || open) && end->verdict != GSLFIT_SILENCED) refit(t, method, left, end);
    /* lmder, which doesn't scale, now and then finds a way out that lmsder doesn't (NIST's BoxBOD) */
    if (b->method == METHOD_AUTO && !reached && !silenced && !succeeded(end) && end->verdict != GSLFIT_SILENCED)
        refit(t, METHOD_LMDER, left, end);
    if (end->verdict == GSLFIT_SILENCED) gslfit_refit_look_again(t->refit, method, left - end->nfev, end);
    const int minimum = end->status == FIT_CONVERGED_BY_GSL && end->verdict == GSLFIT_MINIMUM;
    if (minimum && (flat(b, end, &vague) || gslfit_refit_turns_round(t->refit, end))) end->status = FIT_SINGULAR;
    end->nfev += used;
    end->taken = gslfit_refit_taken(t->refit);
    return 1;
}

static int refer(thread *t, long id, long n, const fit_result *lanes, fit_result *end) {
    const gslfit_float_mode mode = gslfit_keep_subnormals();
    const int found = look_by_gsl(t, id, n, lanes, end);
    gslfit_float_mode_set(mode);
    return found;
}

/* Why a fit can't begin at its start: with counts, a model that is not positive there. */
static fit_status why_bad(thread *t, long id, const double *start) {
    const batch *b = t->batch;
    double inputs[MAX_INPUTS];
    if (b->source.loss != LOSS_POISSON || !refit_fits(b)) return FIT_BAD_DATA;
    if (read_row(t, id) < 0) return FIT_BAD_DATA;
    gslfit_batch_inputs(b, id, inputs);
    return gslfit_refit_is_finite(t->refit, start, inputs) ? FIT_NOT_POSITIVE : FIT_BAD_DATA;
}

/* Whether a sum of squares has all its digits, and the lanes can go by it. */
static int has_digits(double square) { return square > TINY && square < HUGE_SUM; }

/* A fit could not begin in the lanes: where all is finite but its squares, GSL does it. */
static void begin_by_gsl(thread *t, fit_result *end) {
    const batch *b = t->batch;
    const long n = b->method == METHOD_AUTO && refit_fits(b) ? read_row(t, end->id) : 0;
    fit_result found;
    if (n != 0 && memory_ended(t, n)) put_nothing(t, end->id, FIT_NOT_RUN, end->nfev, end->count);
    else if (n > 0 && refer(t, end->id, n, end, &found)) put(t, &found);
    else put_nothing(t, end->id, why_bad(t, end->id, end->start), end->nfev, end->count);
}

/* A fit has ended in the lanes: take it, or have it looked at by QR from its own start. */
static void finish(worker *w, fit_result *end) {
    thread *t = w->context;
    batch *b = t->batch;
    if (end->status == FIT_BAD_DATA) {
        begin_by_gsl(t, end);
        return;
    }
    int vague = 0;
    if (end->status == FIT_CONVERGED && flat(b, end, &vague)) end->status = FIT_SINGULAR;
    /* of data that are zero the scale is what the model was at the start */
    const int blurred = !has_digits(end->scale * end->scale);
    const int doubtful = !succeeded(end) || end->doubtful || blurred || vague || at_edge(b, end) || stayed(b, end);
    if (b->method == METHOD_AUTO && (doubtful || level(b, end)) && refit_fits(b)) {
        fit_result second;
        const long n = read_row(t, end->id);
        const int found = refer(t, end->id, n, end, &second);
        if (memory_ended(t, n) || gslfit_stopped(b)) {  /* a refit that was under way is none, and the doubt is not settled */
            put_nothing(t, end->id, FIT_NOT_RUN, end->nfev, end->count);
            return;
        }
        if (found) {
            /* the lanes' success is a claim that was looked at; where all but curvature says that it is one, only another one does */
            if (doubtful ? succeeded(end) || better(&second, end) : succeeded(&second)) {
                put(t, &second);
                return;
            }
            end->nfev = second.nfev;
        }
    }
    put(t, end);
}

/* ---- rows into lanes ---- */

/* Why a row can't be fitted in lanes: a status, FIT_NOT_RUN for one that GSL must do, or FIT_CONVERGED where nothing is wrong. */
static fit_status row_state(const batch *b, const next_fit *fit) {
    for (int k = 0; k < b->program->nfree; k++)
        if (!isfinite(fit->start[k])) return FIT_BAD_DATA;
    if (fit->count < b->program->nfree || fit->count < 1) return FIT_TOO_FEW_POINTS;
    if (fit->square != 0 && !has_digits(fit->square)) return FIT_NOT_RUN;
    return FIT_CONVERGED;
}

/* Fit a row of n points that is in GSL's refit's arrays by GSL from the first, and put it down. */
static void refer_row(thread *t, long id, long n) {
    fit_result end;
    double start[MAX_FREE];
    const int found = refer(t, id, n, NULL, &end);
    find_start(t, id, start);
    if (memory_ended(t, n) || gslfit_stopped(t->batch)) put_nothing(t, id, FIT_NOT_RUN, 0, (double)gslfit_refit_count_finite(t->refit));
    else if (found) put(t, &end);
    else put_nothing(t, id, why_bad(t, id, start), 0, (double)gslfit_refit_count_finite(t->refit));
}

static void next_row(worker *w, int lane, next_fit *fit) {
    thread *t = w->context;
    batch *b = t->batch;
    const int p = b->program->nfree;
    while ((fit->id = next_job(t)) >= 0) {
        find_start(t, fit->id, fit->start);
        const int sound = t->long_fit ? gslfit_long_fit_load(t, fit->id, fit) : gslfit_row_load(t, fit->id, lane, fit);
        if (t->long_fit && gslfit_stopped(b)) {  /* not all of its points have been looked at */
            put_nothing(t, fit->id, FIT_NOT_RUN, 0, 0);
            continue;
        }
        if (!sound) {
            put_nothing(t, fit->id, FIT_BAD_DATA, 0, fit->count);
            continue;
        }
        const fit_status state = row_state(b, fit);
        if (state == FIT_CONVERGED) break;
        if (state == FIT_NOT_RUN) refer_row(t, fit->id, read_row(t, fit->id));
        else put_nothing(t, fit->id, state, 0, fit->count);
    }
    fit->nfev = 0;
    if (fit->id < 0) return;
    if (b->transform && b->transform->bounded) {
        fit->nfev = step_inside_lanes(t, fit->id, fit->start);
        const fit_box box = gslfit_transform_box(b->transform, fit->id, t->box);
        fit->low = box.low, fit->high = box.high;
    }
    double inputs[MAX_INPUTS];
    gslfit_batch_inputs(b, fit->id, inputs);
    for (int k = 0; k < b->program->ninput; k++) w->space->scalars[(p + k) * LANES + lane] = inputs[k];
}

/* ---- the threads ---- */

static void thread_free(thread *t) {
    gslfit_workspace_free(t->worker.space);
    gslfit_lanes_free(t->worker.state);
    gslfit_refit_free(t->refit);
    gslfit_shared_start_free(t->begun);
    gslfit_long_fit_free(t->long_fit);
    gslfit_robust_free(t->robust);
    if (t->batch->transform) gslfit_transform_free(t->batch->transform, t->expressions);
    free(t->correlations);
    free(t->rows.memory);
    free(t->memory);
}

static double *room(double **memory, long count) {
    double *start = *memory;
    *memory += (count + 7) / 8 * 8;
    return start;
}

/* Room for the rows in the lanes, and on their way there. */
static int rows_room(thread *t) {
    batch *b = t->batch;
    const int nx = b->program->nx;
    const long n = b->source.points, wide = (n + 7) / 8 * 8;
    if (posix_memalign((void **)&t->memory, 64, (size_t)wide * (nx + 3) * sizeof(double) + 64)) return -1;
    double *memory = t->memory;
    t->row_y = room(&memory, n);
    t->row_weights = room(&memory, n);
    t->room = room(&memory, n);
    for (int j = 0; j < nx; j++) t->row_x_room[j] = room(&memory, n);
    if (gslfit_lane_rows_new(t, &t->rows, t->worker.space)) return -1;
    for (int j = 0; j < nx; j++) t->worker.x[j] = t->rows.x[j];
    t->worker.y = t->rows.y;
    t->worker.weights = has_weights(&b->source) ? t->rows.weights : NULL;
    return 0;
}

/* How many evaluations the lanes may use of those allowed: a fifth, so that a fit that wanders leaves GSL enough, but as many as most
 * need. */
static int lanes_share(int most) { return most < MOST_IN_LANES ? most : most / 5 > MOST_IN_LANES ? most / 5 : MOST_IN_LANES; }

/* A thread's memory. It asks for it itself: the first touch of new memory takes time, which is so shared too. */
static int thread_init(thread *t) {
    worker *w = &t->worker;
    batch *b = t->batch;
    t->patience = b->source.points < CLOCKED ? (int)(CLOCKED / (b->source.points + 1)) : 1;
    if (!(t->correlations = calloc(TRIANGLE(b->program->nfree) + b->program->nfree + 1, sizeof(double)))) return -1;
    t->in_lanes = b->options;
    if (b->method == METHOD_AUTO) t->in_lanes.max_nfev = lanes_share(b->options.max_nfev);
    *w = (worker){.program = b->program, .options = &t->in_lanes, .points = b->source.points, .finish = finish, .check = check_worker,
                  .context = t};
    w->space = gslfit_workspace_new(b->program);
    if (!w->space || (b->source.factor && gslfit_workspace_whiten(w->space, b->source.factor, b->source.points))) return -1;
    if (!(w->state = gslfit_lanes_new(w->space, b->transform && b->transform->bounded))) return -1;
    w->next = next_row;
    if (gslfit_workspace_loss(w->space, b->source.loss)) return -1;
    if (b->source.loss) gslfit_lanes_loss(w->state, w->space);
    if (b->program->second && !b->source.loss && !b->source.factor && !gslfit_is_long(b) && gslfit_lanes_second(w->state, w->space))
        return -1;
    if (b->transform && b->transform->derived && !(t->expressions = gslfit_transform_spaces(b->transform))) return -1;
    if (gslfit_is_long(b)) {
        if (!(t->long_fit = gslfit_long_fit_new(t))) return -1;
    } else {
        w->lanes = LANES;
        w->evaluate = gslfit_lanes_evaluate;
        if (rows_room(t)) return -1;
    }
    return !b->source.loss || b->source.loss == LOSS_POISSON || (t->robust = gslfit_robust_new(t)) ? 0 : -1;
}

/* All fits by GSL, where the caller wants it so, or knows where they end. */
static void refer_all(thread *t) {
    const batch *b = t->batch;
    next_fit fit;
    for (long id; !gslfit_thread_check(t) && (id = next_job(t)) >= 0;) {
        find_start(t, id, fit.start);
        const long n = read_row(t, id);
        fit.square = 0;
        fit.count = (double)(n < 0 ? 0 : n);
        const fit_status state = memory_ended(t, n) ? FIT_NOT_RUN : row_state(b, &fit);
        if (state == FIT_CONVERGED) refer_row(t, id, n);
        else put_nothing(t, id, state, 0, fit.count);
    }
}

static void *thread_main(void *which) {
    thread *t = which;
    thread_pool *all = t->all;
    if (thread_init(t)) atomic_fetch_add(&all->failed, 1);  /* the others do its work */
    else if (t->batch->method > METHOD_LANES || t->batch->reached) refer_all(t);
    else gslfit_lanes_run(&t->worker);
    if (t->robust) gslfit_robust_conclude(t->robust);
    if (atomic_fetch_sub(&all->running, 1) == 1 && t->number) {
        pthread_mutex_lock(&all->lock);
        pthread_cond_signal(&all->ended);
        pthread_mutex_unlock(&all->lock);
    }
    return NULL;
}

/* Wait for the others, and go on asking the caller. */
static void wait_for(thread *t, thread_pool *all) {
    pthread_mutex_lock(&all->lock);
    while (atomic_load(&all->running) > 0) {
        struct timespec until;
        clock_gettime(CLOCK_REALTIME, &until);
        until.tv_nsec += (long)(PULSE * 1e9);
        until.tv_sec += until.tv_nsec / 1000000000;
        until.tv_nsec %= 1000000000;
        pthread_cond_timedwait(&all->ended, &all->lock, &until);
        t->asked = t->patience;
        pthread_mutex_unlock(&all->lock);  /* the caller may end this thread */
        gslfit_thread_check(t);
        pthread_mutex_lock(&all->lock);
    }
    pthread_mutex_unlock(&all->lock);
}

static void run_pool(thread_pool *all) {
    all->started = 1;
    atomic_store(&all->running, all->count);
    for (; all->started < all->count; all->started++)
        if (pthread_create(&all->threads[all->started].handle, NULL, thread_main, all->threads + all->started)) break;
    atomic_fetch_sub(&all->running, all->count - all->started);
    thread_main(all->threads);
    wait_for(all->threads, all);
}

/* Also where the calling thread is ended amid its work: Python does so to a daemon thread that asks for the interpreter's lock when the
 * interpreter has gone. The others work on what lies on that thread's stack: they are stopped and waited for. */
static void end_pool(void *which) {
    thread_pool *all = which;
    if (atomic_load(&all->running) > 0) atomic_store(&all->threads->batch->stop, 1);
    for (int k = 1; k < all->started; k++) pthread_join(all->threads[k].handle, NULL);
    for (int k = 0; k < all->count; k++) thread_free(all->threads + k);
    free(all->threads);
    pthread_cond_destroy(&all->ended);
    pthread_mutex_destroy(&all->lock);
}

int gslfit_batch_run(batch *b) {
    const long most = gslfit_is_long(b) ? b->fits : (b->fits + CLAIM - 1) / CLAIM;
    if (!b->program->nfree) b->method = METHOD_LANES;  /* nothing to step in: the model is evaluated, and GSL has no solver for it */
    thread_pool all = {.count = b->threads > most ? (int)(most > 0 ? most : 1) : b->threads};
    if (!(all.threads = calloc(all.count, sizeof *all.threads))) return -1;
    pthread_mutex_init(&all.lock, NULL);
    pthread_cond_init(&all.ended, NULL);
    atomic_store(&b->next, 0);
    atomic_store(&b->stop, 0);
    atomic_store(&b->out_of_memory, 0);
    for (int k = 0; k < all.count; k++) {
        all.threads[k].batch = b;
        all.threads[k].number = k;
        all.threads[k].all = &all;
        all.threads[k].sharing = b->threads / all.count;
    }
    pthread_cleanup_push(end_pool, &all);
    run_pool(&all);
    pthread_cleanup_pop(1);
    return atomic_load(&all.failed) == all.started || atomic_load(&b->out_of_memory) ? -1 : atomic_load(&b->stop);
}
