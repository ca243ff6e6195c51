/* The steps of the lane Levenberg-Marquardt, compiled once for each instruction set. See lanes.h for what they do and why. */
#ifndef GSLFIT_LANES_IMPL_H
#define GSLFIT_LANES_IMPL_H

#include <math.h>
#include <string.h>
#include "bounds.h"

static const double FIRST_LAMBDA = 1e-3;
static const double LAST_LAMBDA = 1e16;     /* no step this short helps: no progress */
static const double SMALL_PIVOT = 1e-15;    /* of a column's own square: less is rounding */
static const double SAFETY = 4;             /* on the ratio of one step's length to the last */
static const double STEADY = 0.1;           /* of the last one's, the square of a step's length: Gauss-Newton converges */
static const double SIGMAS = 0.3;           /* times the loosest tolerance: what is left to go must be less, in standard errors, */
static const double TIGHTEST = 1e-8;        /* but no tolerance counts here as less than this, */
static const double LOOSEST = 3e-6;         /* nor as more */
static const double SAME = 1e-13;           /* chi-squares that differ by less are equal: rounding */
static const double TOUCHING = 1e-3;        /* of its standard error, beside the others: as far as this from a bound a variable is on it, */
static const double PUSHED = 1e-4;          /* if the residual and its column have a greater cosine than this */
static const double ABSURD = 1e6;           /* times itself that a variable does not go in a last, unchecked step: its column is next to zero */
static const double INVISIBLE = 1e-14;      /* relative to the data: a change of the model that is rounding */

/* An element of the trial's J^T r or J^T J from the sums of the blocks. */
INLINE vd element(const lane_state *s, const source *from, int h) {
    vd sum = load(s->sums[from->sum] + h);
    for (int k = 0; k < from->count; k++) sum *= load(from->factors[k] + h);
    return sum;
}

/* ---- steps ---- */

/* Take the trial where it is no worse, and set lambda by how well the quadratic model foretold it. H is room for a triangle. */
INLINE void decide(lane_state *s, const int p, int h, vd *H) {
    const vd chisqr = load(s->chisqr + h), trial = load(s->sums[0] + h), gain = load(s->gain + h);
    vd trace = trial;
#pragma GCC unroll 40
    for (int k = 0; k < TRIANGLE(p); k++) H[k] = element(s, s->H_from + k, h);
#pragma GCC unroll 8
    for (int k = 0; k < p; k++) trace += H[ELEMENT(k, k)];
    const vm fresh = load(s->fresh + h) != 0.0, finite = trace < INFINITY;
    const vm better = BOTH(finite, EITHER(fresh, trial <= chisqr * (1.0 + SAME)));
    const vd rho = (chisqr - trial) / gain, slope = 2.0 * rho - 1.0, lambda = load(s->lambda + h), nu = load(s->nu + h);
    /* within a standard error of the minimum the quadratic model is trusted: Gauss-Newton, no damping */
    const vm near = BOTH(gain <= trial * load(s->over_dof + h), EITHER(rho > 0.5, gain <= 1e-10 * trial));
    const vd lower = choose(near, SPLAT(0.0), lambda * vmax(SPLAT(0.1), 1.0 - slope * slope * slope));
    const vd higher = choose(lambda == 0.0, SPLAT(FIRST_LAMBDA), lambda * nu);
    store(s->lambda + h, choose(fresh, SPLAT(FIRST_LAMBDA), choose(better, lower, higher)));
    store(s->nu + h, choose(EITHER(fresh, better), SPLAT(2.0), 2.0 * nu));
    store(s->last_length + h, choose(BOTH(better, INVERT(fresh)), load(s->length + h), SPLAT(0.0)));
    store(s->chisqr + h, choose(better, trial, chisqr));
    store(s->end + h, truth(BOTH(fresh, INVERT(finite))) * (double)FIT_BAD_DATA);
#pragma GCC unroll 8
    for (int k = 0; k < p; k++) {
        const vd D = choose(fresh, SPLAT(0.0), load(s->D[k] + h));
        store(s->v[k] + h, choose(better, load(s->trial[k] + h), load(s->v[k] + h)));
        store(s->g[k] + h, choose(better, element(s, s->g_from + k, h), load(s->g[k] + h)));
        store(s->D[k] + h, choose(better, vmax(D, H[ELEMENT(k, k)]), D));
    }
#pragma GCC unroll 40
    for (int k = 0; k < TRIANGLE(p); k++) store(s->H[k] + h, choose(better, H[k], load(s->H[k] + h)));
}

/* Solve (H + lambda D) dx = -g by L d L^T, no roots. A pivot that is lost in rounding is held just above it. L has room for a triangle. */
INLINE void solve(lane_state *s, const int p, int h, vd *L, vd *inverse, vd *z, vd *u) {
    const vd lambda = load(s->lambda + h);
    vd gain = SPLAT(0.0), length = gain, along = gain;
#pragma GCC unroll 8
    for (int i = 0; i < p; i++) {
        vd whole = load(s->H[ELEMENT(i, i)] + h) + lambda * load(s->D[i] + h), pivot = whole, t = -load(s->g[i] + h);
#pragma GCC unroll 8
        for (int j = 0; j < i; j++) {
            u[j] = load(s->H[ELEMENT(i, j)] + h);
#pragma GCC unroll 8
            for (int k = 0; k < j; k++) u[j] -= u[k] * L[ELEMENT(j, k)];
            L[ELEMENT(i, j)] = u[j] * inverse[j];
            pivot -= u[j] * L[ELEMENT(i, j)];
            t -= L[ELEMENT(i, j)] * z[j];
        }
        inverse[i] = 1.0 / vmax(SMALL_PIVOT * whole + 1e-300, pivot);
        z[i] = t;
    }
#pragma GCC unroll 8
    for (int i = p - 1; i >= 0; i--) {
        vd t = z[i] * inverse[i];
#pragma GCC unroll 8
        for (int k = i + 1; k < p; k++) t -= L[ELEMENT(k, i)] * u[k];
        u[i] = t;
        vd g = load(s->g[i] + h), damped = lambda * load(s->D[i] + h) * t;
        length -= t * (g + damped);
        gain += t * (damped - g);
        along -= g * load(s->dx[i] + h);
    }
    const vd last = load(s->last_length + h), before = load(s->share + h);
    length = vmax(SPLAT(0.0), length);
    along /= before;
    /* Of the errors that Gauss-Newton leaves, each step has most of its predecessor's, some times smaller: the secant through the last two
     * (Anderson's acceleration, of depth 1) takes that away too. */
    const vm steady = BOTH(lambda == 0.0, BOTH(last > 0.0, length < STEADY * last));
    const vd turn = choose(steady, (length - along) / (length - 2.0 * along + last), SPLAT(0.0)), back = turn * (1.0 - 1.0 / before);
#pragma GCC unroll 8
    for (int i = 0; i < p; i++)  /* a step that was refused may have been infinite: no product with it */
        store(s->dx[i] + h, choose(steady, (1.0 - turn) * u[i] - back * load(s->dx[i] + h), u[i]));
    store(s->share + h, 1.0 - turn);
    store(s->gain + h, gain);
    store(s->length + h, length);
}

/* Which fits end here: the step dx is known, and whether anything is left to be had beyond it. */
INLINE void judge(lane_state *s, const int p, int h, const worker *w) {
    const fit_options *o = w->options;
    const vd chisqr = load(s->chisqr + h), length = load(s->length + h), last = load(s->last_length + h), lambda = load(s->lambda + h);
    const vd square = load(s->square + h), variance = chisqr * load(s->over_dof + h) + load(s->rounding + h);
    const vd rate = choose(last > 0.0, vsqrt(length / last), SPLAT(1.0)), worst = vmax(rate, 0.5 * load(s->rate + h));
    const vd grown = choose(worst < 0.5, SAFETY * worst * (1.0 + 2.0 * worst), SPLAT(SAFETY));  /* 1/(1 - r) <= 1 + 2r */
    const vd ahead = vmax(grown, SPLAT(0.1));
    store(s->rate + h, rate);
    vm small = TRUE_MASK, flat = TRUE_MASK;
#pragma GCC unroll 8
    for (int k = 0; k < p; k++) {
        vd dx = load(s->dx[k] + h), g = load(s->g[k] + h);
        small = BOTH(small, vabs(dx) * ahead <= o->xtol * vabs(load(s->v[k] + h) + dx));
        flat = BOTH(flat, g * g <= o->gtol * o->gtol * chisqr * load(s->H[ELEMENT(k, k)] + h));
    }
    const vd left = ahead * ahead * length;  /* what chi-square can still fall by after this step */
    const vm inside = left <= w->state->sigmas * w->state->sigmas * variance;
    const vm still = length <= INVISIBLE * INVISIBLE * square;
    const vm done = EITHER(BOTH(inside, EITHER(EITHER(small, flat), left <= o->ftol * o->ftol * variance)), still);
    const vm lost = EITHER(lambda > LAST_LAMBDA, chisqr != chisqr);
    vd end = load(s->end + h);
    end = choose(BOTH(end == 0.0, done), SPLAT(FIT_CONVERGED), end);
    end = choose(BOTH(end == 0.0, lost), SPLAT(FIT_NO_PROGRESS), end);
    store(s->end + h, end);
    store(s->noise + h, truth(still));
#pragma GCC unroll 8
    for (int k = 0; k < p; k++) store(s->trial[k] + h, load(s->v[k] + h) + load(s->dx[k] + h));
}

#define STEP_OF(p)                                                              \
    static void step_##p(worker *w) {                                           \
        vd L[TRIANGLE(p) + 1], inverse[p + 1], z[p + 1], u[p + 1];              \
        for (int h = 0; h < LANES; h += WIDTH) {                                \
            decide(w->state, p, h, L);                                          \
            solve(w->state, p, h, L, inverse, z, u);                            \
            judge(w->state, p, h, w);                                           \
        }                                                                       \
    }
STEP_OF(1) STEP_OF(2) STEP_OF(3) STEP_OF(4) STEP_OF(5) STEP_OF(6) STEP_OF(7) STEP_OF(8)

static void step_any(worker *w) {
    lane_state *s = w->state;
    vd inverse[MAX_FREE], z[MAX_FREE], u[MAX_FREE];
    for (int h = 0; h < LANES; h += WIDTH) {
        decide(s, s->p, h, (vd *)s->L);
        solve(s, s->p, h, (vd *)s->L, inverse, z, u);
        judge(s, s->p, h, w);
    }
}

static void step(worker *w) {
    static void (*const small[9])(worker *) = {step_any, step_1, step_2, step_3, step_4, step_5, step_6, step_7, step_8};
    (w->state->p <= 8 ? small[w->state->p] : step_any)(w);
}

/* ---- the covariances of LANES ended fits at once ---- */

/* The columns of J brought to length 1, so that pivots say how far a column is from the others. */
static void scale_waiting(waiting *d, int p, int h) {
    vd most = SPLAT(0.0);  /* the greatest cosine between the residual and a column: 0 at a minimum, whatever the units */
    for (int i = 0; i < p; i++) {
        vd H = load(d->H[ELEMENT(i, i)] + h), scale = choose(H > 0.0, 1.0 / vsqrt(H), SPLAT(1.0));
        store(d->scale[i] + h, scale);
        store(d->g[i] + h, load(d->g[i] + h) * scale);
        most = vmax(most, vabs(load(d->g[i] + h)));
    }
    vd chisqr = load(d->chisqr + h);
    store(d->cosine + h, choose(chisqr > 0.0, most / vsqrt(chisqr), SPLAT(0.0)));
    for (int i = 0; i < p; i++)
        for (int j = 0; j <= i; j++) {
            double *H = d->H[ELEMENT(i, j)] + h;
            store(H, load(H) * load(d->scale[i] + h) * load(d->scale[j] + h));
        }
}

/* From here on as the program's variables have it: values within bounds, and what scales their covariance. */
static void outer_waiting(waiting *d, int p) {
    row slope;
    for (int k = 0; k < p; k++) {
        if (!d->boxes[k].bounds) continue;
        outer(d->boxes + k, d->v[k], d->v[k], slope);
        for (int h = 0; h < LANES; h += WIDTH) store(d->scale[k] + h, load(d->scale[k] + h) * load(slope + h));
    }
}

/* A variable that has come to rest on a bound, while the residual still has a slope by it: it is held there, has no error of its own, and
 * adds nothing to those of the others. */
static void hold_waiting(waiting *d, int p) {
    for (int l = 0; l < d->count; l++) {
        outcome *end = d->ends + l;
        if (end->status != FIT_CONVERGED || !(d->cosine[l] > PUSHED)) continue;
        const double chisqr = d->chisqr[l], dof = end->count > p ? end->count - p : 1;
        for (int k = 0; k < p; k++) {
            const lane_box *b = d->boxes + k;
            if (!b->bounds || !(fabs(d->g[k][l]) > PUSHED * sqrt(chisqr))) continue;
            const double near = fabs(d->v[k][l] - b->near), far = fabs(d->v[k][l] - b->far);
            const double least = fmin(near, far);  /* against the error and against the start's distance: an error may be huge */
            if (!(least <= TOUCHING * fabs(d->scale[k][l]) * sqrt(chisqr / dof) && least <= 1e-6 * fabs(b->size[l]))) continue;
            const int low = (near <= far) == (b->near < b->far), rising = (d->g[k][l] > 0) != falls(b, l, d->before[k][l]);
            end->status = low == rising ? FIT_AT_BOUND : FIT_NO_PROGRESS;  /* chi-square falls inwards: stuck where the transform is level */
            if (end->status == FIT_NO_PROGRESS) break;
            d->v[k][l] = near <= far ? b->near : b->far;
            for (int j = 0; j < p; j++) d->H[j < k ? ELEMENT(k, j) : ELEMENT(j, k)][l] = j == k;
            d->scale[k][l] = 0;
        }
    }
}

/* (J^T J)^-1 = sum over k of M[k]^T M[k] / d[k], M the inverse of L; built column by column of M. */
static void invert_waiting(waiting *d, int p, int h, int whole) {
    vd pivot[MAX_FREE], inverse[MAX_FREE], least = SPLAT(1.0), worst = SPLAT(0.0);
    vd *L = (vd *)d->L;
    for (int i = 0; i < p; i++) {
        vd u[MAX_FREE];
        pivot[i] = load(d->H[ELEMENT(i, i)] + h);
        for (int j = 0; j < i; j++) {
            u[j] = load(d->H[ELEMENT(i, j)] + h);
            for (int k = 0; k < j; k++) u[j] -= u[k] * L[ELEMENT(j, k)];
            L[ELEMENT(i, j)] = u[j] * inverse[j];
            pivot[i] -= u[j] * L[ELEMENT(i, j)];
        }
        least = vmin(least, pivot[i]);
        inverse[i] = 1.0 / vmax(SPLAT(1e-30), pivot[i]);
    }
    for (int i = 0; i < p; i++)   /* L becomes M, in place, row by row: M[i][j] = -L[i][j] - sum over j < k < i of L[i][k] M[k][j] */
        for (int j = 0; j < i; j++) {
            vd t = L[ELEMENT(i, j)];
            for (int k = j + 1; k < i; k++) t += L[ELEMENT(i, k)] * L[ELEMENT(k, j)];
            store((double *)(L + ELEMENT(i, j)), -t);
        }
    for (int i = 0; i < p; i++)
        for (int j = whole ? 0 : i; j <= i; j++) {
            vd t = i == j ? inverse[i] : L[ELEMENT(i, j)] * inverse[i];
            for (int k = i + 1; k < p; k++) t += L[ELEMENT(k, i)] * L[ELEMENT(k, j)] * inverse[k];
            if (i == j) worst = vmax(worst, t);
            store(d->covariance[whole ? ELEMENT(i, j) : i] + h, t * load(d->scale[i] + h) * load(d->scale[j] + h));
        }
    store(d->worst + h, worst);
    store(d->least + h, least);
}

static void flush(worker *w) {
    waiting *d = &w->state->done;
    const int p = w->state->p;
    for (int h = 0; h < LANES; h += WIDTH) scale_waiting(d, p, h);
    if (d->boxes) outer_waiting(d, p);
    if (d->boxes) hold_waiting(d, p);
    for (int h = 0; h < LANES; h += WIDTH) invert_waiting(d, p, h, w->options->covariance);
    for (int l = 0; l < d->count; l++) {
        outcome *end = d->ends + l;
        for (int k = 0; k < p; k++) end->v[k] = d->v[k][l];
        end->covariance = d->covariance[0] + l;
        end->gradient = d->cosine[l];
        end->doubtful = !(d->least[l] > 1e-13 && d->worst[l] < 1e9);
        if (well_ended(end->status) && !(d->least[l] > 1e-14)) end->status = FIT_SINGULAR;
        w->finish(w, end);
    }
    d->count = 0;
}

/* ---- fits come and go ---- */

static void end_fit(worker *w, int l) {
    lane_state *s = w->state;
    waiting *d = &s->done;
    const int at = d->count;
    outcome *end = d->ends + at;
    end->id = s->id[l];
    end->status = (fit_status)s->end[l];
    end->nfev = s->nfev[l];
    end->count = s->count[l];
    end->square = s->square[l];
    const int taken = end->status == FIT_CONVERGED && !s->noise[l];
    end->chisqr = s->chisqr[l];
    if (taken && s->gain[l] < 1e-3 * s->chisqr[l]) end->chisqr -= s->gain[l];
    for (int k = 0; k < s->p; k++) {
        const double v = s->v[k][l], dx = s->dx[k][l];
        d->v[k][at] = taken && (v == 0 || fabs(dx) < ABSURD * fabs(v)) ? v + dx : v;
        d->g[k][at] = s->g[k][l];
        if (!s->boxes) continue;
        d->before[k][at] = v;
        copy_box(d->boxes + k, at, s->boxes + k, l);
    }
    d->chisqr[at] = s->chisqr[l];
    for (int k = 0; k < TRIANGLE(s->p); k++) d->H[k][at] = s->H[k][l];
    if (++d->count == LANES) flush(w);
}

static int start_fit(worker *w, int l) {
    lane_state *s = w->state;
    const next_fit fit = w->next(w, l);
    s->id[l] = fit.id;
    if (fit.id < 0) return 0;
    for (int k = 0; k < s->p; k++) s->trial[k][l] = fit.start[k];
    s->count[l] = fit.count;
    s->square[l] = fit.square;
    s->over_dof[l] = 1 / (fit.count > s->p ? fit.count - s->p : 1);
    s->rounding[l] = 1e-18 * fit.square / fit.count;
    s->fresh[l] = 1;
    s->share[l] = s->rate[l] = 1;
    for (int k = 0; k < s->p; k++) s->dx[k][l] = 0;
    s->nfev[l] = 0;
    s->end[l] = FIT_NOT_RUN;
    return 1;
}

/* Idle lanes do what the first busy one does: numbers that are not finite would send exp and its like down their slow path. */
static void follow(worker *w) {
    lane_state *s = w->state;
    double *inputs = w->space->scalars + (long)s->p * LANES;
    int busy = 0;
    while (busy < LANES - 1 && s->id[busy] < 0) busy++;
    for (int l = 0; l < LANES; l++) {
        if (s->id[l] >= 0) continue;
        for (int k = 0; k < s->p; k++) s->trial[k][l] = s->trial[k][busy];
        for (int k = 0; s->boxes && k < s->p; k++) copy_box(s->boxes + k, l, s->boxes + k, busy);
        for (int k = 0; k < w->program->ninput; k++) inputs[k * LANES + l] = inputs[k * LANES + busy];
    }
}

static void fit_lanes(worker *w) {
    lane_state *s = w->state;
    const fit_options *o = w->options;
    int live = 0;
    s->sigmas = SIGMAS * fmin(LOOSEST, fmax(TIGHTEST, fmax(o->xtol, fmax(o->ftol, o->gtol))));
    for (int l = 0; l < LANES; l++) s->id[l] = -1;
    for (int l = 0; l < w->lanes && start_fit(w, l); l++) live++;
    while (live) {
        if (w->check && w->check(w)) break;
        if (live < w->lanes) follow(w);
        if (s->boxes) outer_trial(w);
        w->evaluate(w);
        step(w);
        for (int l = 0; l < w->lanes; l++) {
            if (s->id[l] < 0) continue;
            s->fresh[l] = 0;
            if (++s->nfev[l] >= w->options->max_nfev && !s->end[l]) s->end[l] = FIT_MAX_NFEV;
            if (!s->end[l]) continue;
            end_fit(w, l);
            if (!start_fit(w, l)) live--;
        }
    }
    if (s->done.count) flush(w);
}

#endif
