/* The steps of the lane Levenberg-Marquardt, compiled once for each instruction set. See lanes.h for what they do and why. */
#ifndef GSLFIT_LM_STEP_H
#define GSLFIT_LM_STEP_H

#include <math.h>
#include <string.h>
#include "common/extremes.h"
#include "common/judgement.h"
#include "lanes/lane_state.h"
#include "lanes/lane_start.h"
#include "objective/counted.h"
#include "program/linear_start.h"
#include "program/simd.h"

#define INLINE static inline __attribute__((always_inline))

static const double FIRST_LAMBDA = 1e-3;
static const double GIVEN_UP = 1e-5;        /* so little damping is none */
/* a variable on a bound whose cosine is less may be held by what the others have to go yet: ten times as much as their own may be */
static const double FAINT = 10 * GSLFIT_CLOSE;
static const double LAST_LAMBDA = 1e16;     /* no step this short helps: no progress */
static const double DEPENDENT = 1e-14;       /* a pivot of columns of length 1: J^T J can't tell it from 0 */
static const double SMALL_PIVOT = 1e-15;    /* of a column's own square: less is rounding, and no step is divided by it */
static const double OPEN = 1e-6;            /* share of another column by which one that J doesn't determine leaves that one open */
static const double SAFETY = 2.5;           /* on the ratio of one step's length to the last */
static const double LEAST_RATIO = 0.05;     /* by so much a step is believed to be shorter than the last at most */
static const double QUADRATIC = 4;          /* on the ratio that follows from the last one's square: Newton's steps */
/* by so much one of Newton's is believed to be shorter than the last at most: J is that of the point before it, and so are the errors */
static const double LEAST_SQUARE = 0.02;
static const double SLOW = 0.02;            /* of the last one's, the square of a step's length: more is worth second derivatives */
static const double ASTRAY = 4;             /* the square of a step's length in standard errors: none of Newton's is longer */
static const double STEADY = 0.3;           /* of the last one's, the square of a step's length: Gauss-Newton converges */
static const double ALIKE = 1e-3;           /* of two changes of the step, one minus their cosine squared: less is one change */
static const double SIGMAS = 0.3;           /* times the loosest tolerance: what is left to go must be less, in standard errors, */
static const double TIGHTEST = 1e-8;        /* but no tolerance counts here as less than this, */
static const double LOOSEST = 1e-2;         /* nor as more */
static const double SAME = 1e-13;           /* chi-squares that differ by less are equal: rounding */
static const double SUPPRESSED = 0.1;       /* of a column's own square: a variable that is damped by more hardly moves */
static const double PATIENCE = 12;          /* steps that are short by their damping alone */
static const double SHORT_OF = 0.9;         /* of the way to a bound, where the model is not finite on it */
/* times itself that a variable does not go in a last, unchecked step: its column is next to zero */
static const double ABSURD = 1e6;
static const double NEAR_END = 1e-3;        /* cosine below which an end is as good as one */
static const double NEARLY = 2;             /* times the cost left: a step that promises less leads to where curvatures are what they are */
static const double LEAST_NEAR = 0.05;      /* of the curvature by its slope alone: what a point has there at least */
static const double LED = 2;                /* standard errors: a shorter step of Huber's leads to where another loss begins */

/* An element of the trial's J^T r or J^T J from the sums of the blocks. */
INLINE vd element(const lane_state *s, const source *from, int h) {
    vd sum = load(s->sums[from->sum] + h);
    for (int k = 0; k < from->count; k++) sum *= load(from->factors[k] + h);
    return sum;
}

/* What a pivot is divided by; 0 for one that may be rounding: the variable does not move then, and takes no part in what moves others. */
INLINE vd reciprocal(vd pivot, vd rounding) { return choose(pivot > rounding, 1.0 / pivot, SPLAT(0.0)); }

/* ---- bounds ---- */

/* Where variable k lies on a bound and chi-square falls outwards: it does not move. */
INLINE vm is_held(const lane_state *s, int k, int h, vd v, vd g) {
    return EITHER(BOTH(v <= load(s->low[k] + h), g > 0.0), BOTH(v >= load(s->high[k] + h), g < 0.0));
}

INLINE vd within(const lane_state *s, int k, int h, vd v) { return vmin(load(s->high[k] + h), vmax(load(s->low[k] + h), v)); }

/* ---- steps ---- */

/* What lambda begins with anew after a step without damping was refused, or where old, longer columns in D damp too much. */
INLINE vd first_lambda(const lane_state *s, const int p, int h) {
    vd least = SPLAT(1.0);
#pragma GCC unroll 8
    for (int k = 0; k < p; k++) {
        const vd H = load(s->H[ELEMENT(k, k)] + h), D = load(s->D[k] + h);
        least = vmin(least, choose(H > 0.0, H / D, SPLAT(1.0)));
    }
    return FIRST_LAMBDA * least;
}

/* Set how much of the curvature of a robust loss the next evaluation counts on: what it is, but for points where it is next to none or
 * negative, as soon as a step went right that promised to take away no more of the cost than twice what it left; else most of what the
 * slope alone makes it, which leads down from anywhere. */
INLINE void choose_curvature(lane_state *s, int h, vm went, vd gain, vd trial) {
    const vm near = BOTH(went, gain <= NEARLY * trial);
    store(s->least + h, choose(near, SPLAT(LEAST_NEAR), SPLAT(GSLFIT_LEAST_CURVATURE)));
    store(s->led + h, truth(BOTH(went, load(s->stage + h) != 0.0)));
}

/* Where Huber's loss leads to another's minimum: whether it has done its part with the step now known, after one that went right. */
INLINE void find_led(lane_state *s, int h) {
    const vd least = load(s->most + h) * (1.0 / (GSLFIT_FARTHEST * GSLFIT_FARTHEST));  /* a scale of each point */
    const vd variance = vmin(load(s->chisqr + h), least) * load(s->over_dof + h);
    const vm short_one = BOTH(load(s->gain + h) <= LED * LED * variance, load(s->lambda + h) <= FIRST_LAMBDA);
    store(s->led + h, truth(BOTH(short_one, load(s->led + h) != 0.0)));
}

/* Keep the second derivatives at the points that were taken, where they were asked for. */
static __attribute__((noinline)) void keep_bends(lane_state *s, const int p, int h, vm known) {
    for (int k = 0; k < TRIANGLE(p); k++) store(s->bend[k] + h, choose(known, load(s->bend_from[k] + h), load(s->bend[k] + h)));
}

/* Take the trial where it is no worse, and set lambda by how well the quadratic model foretold it. H is room for a triangle. Returns the
 * length of the step that led here; 0 where none did. */
INLINE vd decide(lane_state *s, const int p, int h, vd *H) {
    const vd chisqr = load(s->chisqr + h), trial = load(s->sums[0] + h), gain = load(s->gain + h);
    vd trace = trial;
    vm loose = TRUE_MASK;  /* the damping lets every variable move */
#pragma GCC unroll 40
    for (int k = 0; k < TRIANGLE(p); k++) H[k] = element(s, s->H_from + k, h);
#pragma GCC unroll 8
    for (int k = 0; k < p; k++) trace += H[ELEMENT(k, k)];
    const vm fresh = load(s->fresh + h) != 0.0, finite = trace < INFINITY;
    const vm better = BOTH(finite, EITHER(fresh, trial <= chisqr * (1.0 + SAME)));
    const vd rho = (chisqr - trial) / gain, slope = 2.0 * rho - 1.0, lambda = load(s->lambda + h), nu = load(s->nu + h);
    store(s->nu + h, choose(EITHER(fresh, better), SPLAT(2.0), 2.0 * nu));
    store(s->chisqr + h, choose(better, trial, chisqr));
    store(s->first + h, choose(fresh, trial, load(s->first + h)));
    store(s->spoilt + h, truth(INVERT(finite)));
#pragma GCC unroll 8
    for (int k = 0; k < p; k++) {
        const vd D = choose(fresh, SPLAT(0.0), load(s->D[k] + h));
        store(s->v[k] + h, choose(better, load(s->trial[k] + h), load(s->v[k] + h)));
        store(s->g[k] + h, choose(better, element(s, s->g_from + k, h), load(s->g[k] + h)));
        const vd most = choose(better, vmax(D, H[ELEMENT(k, k)]), D);
        loose = BOTH(loose, EITHER(lambda * most <= SUPPRESSED * H[ELEMENT(k, k)], H[ELEMENT(k, k)] == 0.0));
        store(s->D[k] + h, most);
    }
#pragma GCC unroll 40
    for (int k = 0; k < TRIANGLE(p); k++) store(s->H[k] + h, choose(better, H[k], load(s->H[k] + h)));
    /* within a standard error of the minimum the quadratic model is trusted: Gauss-Newton, no damping */
    const vm near = BOTH(gain <= trial * load(s->over_dof + h), EITHER(rho > 0.5, gain <= 1e-10 * trial));
    const vm anew = EITHER(BOTH(INVERT(better), lambda == 0.0), BOTH(BOTH(better, near), INVERT(loose)));
    /* where a step there was refused, though, damping is given up slowly: there the residual bends more than J^T J says */
    const vm refused = EITHER(BOTH(load(s->wary + h) != 0.0, lambda > GIVEN_UP),
                              BOTH(INVERT(better), gain <= chisqr * load(s->over_dof + h)));
    store(s->wary + h, truth(BOTH(refused, INVERT(fresh))));
    if (s->asked) {
        const vm known = BOTH(better, load(s->wanted + h) != 0.0);
        store(s->known + h, choose(better, load(s->wanted + h), load(s->known + h)));
        if (s->found) keep_bends(s, p, h, known);
    }
    if (s->least) choose_curvature(s, h, BOTH(better, INVERT(fresh)), gain, trial);
    vd lower = choose(BOTH(BOTH(near, loose), INVERT(refused)), SPLAT(0.0),
                      lambda * vmin(SPLAT(2.0), vmax(SPLAT(0.1), 1.0 - slope * slope * slope)));
    vd higher = lambda * nu;
    if (any(anew)) {
        const vd first = first_lambda(s, p, h);
        lower = choose(BOTH(BOTH(near, INVERT(loose)), INVERT(refused)), vmin(first, lower), lower);
        higher = choose(lambda == 0.0, first, higher);
    }
    store(s->lambda + h, choose(fresh, SPLAT(FIRST_LAMBDA), choose(better, lower, higher)));
    return choose(BOTH(better, INVERT(fresh)), load(s->length + h), SPLAT(0.0));
}

/* Cut a step short where it leads out of bounds: those variables go to their bounds, and the others where they are best for that. */
static __attribute__((noinline)) void cut_short(lane_state *s, const int p, int h, vd *L, vd *inverse, vd *z, vd *u) {
    const vd lambda = load(s->lambda + h), reach = choose(load(s->spoilt + h) != 0.0, SPLAT(SHORT_OF), SPLAT(1.0 + 4e-16));
    vm out = INVERT(TRUE_MASK);
    for (int k = 0; k < p; k++) {  /* s->u: the way to the bound, 0 for those that stay between them */
        const vd v = load(s->v[k] + h), low = load(s->low[k] + h), high = load(s->high[k] + h), to = v + load(s->dx[k] + h);
        const vd way = choose(to < low, (low - v) * reach, choose(to > high, (high - v) * reach, SPLAT(0.0)));
        out = EITHER(out, EITHER(to < low, to > high));
        store(s->u[k] + h, way);
    }
    store(s->cut + h, truth(out));
    if (!any(out)) return;
    for (int i = 0; i < p; i++) {
        const vd g = load(s->g[i] + h), way = load(s->u[i] + h), H = load(s->H[ELEMENT(i, i)] + h);
        vd pivot = H + lambda * load(s->D[i] + h), whole = pivot, t = -g;
        const vm fixed = EITHER(way != 0.0, is_held(s, i, h, load(s->v[i] + h), g));
        for (int k = 0; k < p; k++)
            if (k != i) t -= load(s->H[k < i ? ELEMENT(i, k) : ELEMENT(k, i)] + h) * load(s->u[k] + h);
        for (int j = 0; j < i; j++) {
            u[j] = load(s->H[ELEMENT(i, j)] + h);
            for (int k = 0; k < j; k++) u[j] -= u[k] * L[ELEMENT(j, k)];
            L[ELEMENT(i, j)] = u[j] * inverse[j];
            pivot -= u[j] * L[ELEMENT(i, j)];
            t -= L[ELEMENT(i, j)] * z[j];
        }
        inverse[i] = choose(fixed, SPLAT(0.0), reciprocal(pivot, SMALL_PIVOT * whole));
        z[i] = choose(fixed, SPLAT(0.0), t);
    }
    vd gain = SPLAT(0.0), length = gain;
    for (int i = p - 1; i >= 0; i--) {
        vd t = z[i] * inverse[i];
        for (int k = i + 1; k < p; k++) t -= L[ELEMENT(k, i)] * u[k];
        u[i] = t;
    }
    for (int i = 0; i < p; i++) {
        const vd v = load(s->v[i] + h), way = load(s->u[i] + h), step = choose(way != 0.0, way, within(s, i, h, v + u[i]) - v);
        store(s->dx[i] + h, choose(out, step, load(s->dx[i] + h)));
    }
    for (int i = 0; i < p; i++) {
        vd t = SPLAT(0.0);
        for (int k = 0; k < p; k++) t += load(s->H[k < i ? ELEMENT(i, k) : ELEMENT(k, i)] + h) * load(s->dx[k] + h);
        length += load(s->dx[i] + h) * t;
        gain -= load(s->dx[i] + h) * (t + 2.0 * load(s->g[i] + h));
    }
    store(s->length + h, choose(out, vmax(SPLAT(0.0), length), load(s->length + h)));
    store(s->gain + h, choose(out, gain, load(s->gain + h)));
}

/* The step dx from the Gauss-Newton step u (whose length is given): of the errors that Gauss-Newton leaves, each step has most of its
 * predecessor's, some times smaller. Anderson's acceleration takes away what the last changes of the step, one or two, have in common with
 * it: dx = u - c (change of u + last dx) - ..., the remainder shortest in the norm of H. The products that this needs are those of g, since
 * H u = -g; what those of the last step were is taken as it was, H being nearly the same. */
INLINE void accelerate(lane_state *s, const int p, int h, vd last, const vd *u, vd length, vd along, vd along_change) {
    const vd lambda = load(s->lambda + h), none = SPLAT(0.0);
    vm steady = BOTH(lambda == 0.0, BOTH(last > 0.0, length < STEADY * last));
    if (s->low) steady = BOTH(steady, load(s->cut + h) == 0.0);  /* a step that a bound cut short is no part of a sequence */
    if (s->asked) steady = BOTH(steady, load(s->exact + h) == 0.0);  /* nor is one of Newton's */
    const vd own = length - along, square = length - 2.0 * along + last;
    const vd cross = along_change - load(s->change_own + h), square_before = load(s->change_square + h);
    const vd det = square * square_before - cross * cross;
    const vm two = BOTH(BOTH(steady, load(s->steps + h) != 0.0), det > ALIKE * square * square_before);
    const vd by = choose(two, det, square), part = choose(two, own * square_before - along_change * cross, own);
    const vd first = choose(steady, part / by, none), second = choose(two, (along_change * square - own * cross) / by, none);
#pragma GCC unroll 8
    for (int i = 0; i < p; i++) {  /* a step that was refused may have been infinite: no product with it */
        const vd change = u[i] - load(s->newton[i] + h), way = change + load(s->dx[i] + h), way_before = load(s->way[i] + h);
        store(s->dx[i] + h, choose(steady, u[i] - first * way - choose(two, second * way_before, none), u[i]));
        store(s->newton[i] + h, u[i]);
        store(s->change[i] + h, change);
        store(s->way[i] + h, way);
    }
    store(s->change_own + h, own);
    store(s->change_square + h, square);
    store(s->steps + h, truth(steady));
}

/* Solve (H + lambda D) dx = -g by L d L^T, no roots. A variable whose pivot is lost in rounding stays. L has room for a triangle. */
INLINE void solve(lane_state *s, const int p, int h, vd last, vd *L, vd *inverse, vd *z, vd *u) {
    const vd lambda = load(s->lambda + h);
    vd gain = SPLAT(0.0), length = gain, along = gain, along_change = gain;
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
        inverse[i] = reciprocal(pivot, SMALL_PIVOT * whole);
        if (s->low) inverse[i] = choose(is_held(s, i, h, load(s->v[i] + h), load(s->g[i] + h)), SPLAT(0.0), inverse[i]);
        z[i] = t;
    }
#pragma GCC unroll 8
    for (int i = p - 1; i >= 0; i--) {
        vd t = z[i] * inverse[i];
#pragma GCC unroll 8
        for (int k = i + 1; k < p; k++) t -= L[ELEMENT(k, i)] * u[k];
        u[i] = t;
        vd g = load(s->g[i] + h);
        if (s->low) g = choose(inverse[i] == 0.0, SPLAT(0.0), g);
        const vd damped = lambda * load(s->D[i] + h) * t;
        length -= t * (g + damped);
        gain += t * (damped - g);
        along -= g * load(s->newton[i] + h);
        along_change -= g * load(s->change[i] + h);
    }
    length = vmax(SPLAT(0.0), length);
    accelerate(s, p, h, last, u, length, along, along_change);
    store(s->gain + h, gain);
    store(s->length + h, length);
    if (!s->low) return;
#pragma GCC unroll 8
    for (int i = 0; i < p; i++) store(s->dx[i] + h, choose(inverse[i] == 0.0, SPLAT(0.0), load(s->dx[i] + h)));
    cut_short(s, p, h, L, inverse, z, u);
}

/* Where second derivatives are known and there is no damping, Newton's step instead: (H + bend) dx = -g, if that is positive definite and
 * dx stays within bounds and no longer than the quadratic model holds. Its length is that in standard errors still, by H. One function for
 * all numbers of parameters: few lanes come here. */
static __attribute__((noinline)) void bend(lane_state *s, const int p, int h) {
    vd *L = (vd *)s->L, inverse[MAX_FREE], z[MAX_FREE], u[MAX_FREE];
    vm exact = BOTH(load(s->lambda + h) == 0.0, load(s->known + h) != 0.0);
    if (any(exact)) {
        vd gain = SPLAT(0.0), curved = gain;
        for (int i = 0; i < p; i++) {
            const vd whole = load(s->H[ELEMENT(i, i)] + h) + load(s->bend[ELEMENT(i, i)] + h), g = load(s->g[i] + h);
            vd pivot = whole, t = -g;
            for (int j = 0; j < i; j++) {
                u[j] = load(s->H[ELEMENT(i, j)] + h) + load(s->bend[ELEMENT(i, j)] + h);
                for (int k = 0; k < j; k++) u[j] -= u[k] * L[ELEMENT(j, k)];
                L[ELEMENT(i, j)] = u[j] * inverse[j];
                pivot -= u[j] * L[ELEMENT(i, j)];
                t -= L[ELEMENT(i, j)] * z[j];
            }
            vm definite = BOTH(whole > 0.0, pivot > SMALL_PIVOT * whole);
            inverse[i] = 1.0 / pivot;
            if (s->low) {
                const vm held = is_held(s, i, h, load(s->v[i] + h), g);
                inverse[i] = choose(held, SPLAT(0.0), inverse[i]);
                definite = EITHER(definite, held);
            }
            exact = BOTH(exact, definite);
            z[i] = t;
        }
        for (int i = p - 1; i >= 0; i--) {
            vd t = z[i] * inverse[i], sum = SPLAT(0.0);
            for (int k = i + 1; k < p; k++) {
                t -= L[ELEMENT(k, i)] * u[k];
                sum += load(s->bend[ELEMENT(k, i)] + h) * u[k];
            }
            if (s->low) {
                t = choose(inverse[i] == 0.0, SPLAT(0.0), t);
                const vd to = load(s->v[i] + h) + t;
                exact = BOTH(exact, BOTH(to >= load(s->low[i] + h), to <= load(s->high[i] + h)));
            }
            u[i] = t;
            gain -= t * load(s->g[i] + h);
            curved += t * (2.0 * sum + load(s->bend[ELEMENT(i, i)] + h) * t);
        }
        const vd length = gain - curved;
        exact = BOTH(exact, BOTH(length >= 0.0, length <= ASTRAY * load(s->chisqr + h) * load(s->over_dof + h)));
        store(s->gain + h, choose(exact, gain, load(s->gain + h)));
        store(s->length + h, choose(exact, length, load(s->length + h)));
        store(s->cut + h, choose(exact, SPLAT(0.0), load(s->cut + h)));
        for (int i = 0; i < p; i++) store(s->dx[i] + h, choose(exact, u[i], load(s->dx[i] + h)));
    }
    store(s->before + h, load(s->exact + h));
    store(s->exact + h, truth(exact));
}

/* What an undamped step from here would have as its length: (J^T r)^T (J^T J)^-1 J^T r, by the columns that J tells apart. */
static __attribute__((noinline)) vd undamped_length(const lane_state *s, const int p, int h, vd *L, vd *inverse, vd *z, vd *u) {
    vd length = SPLAT(0.0);
    for (int i = 0; i < p; i++) {
        const vd whole = load(s->H[ELEMENT(i, i)] + h), g = load(s->g[i] + h);
        vd pivot = whole, t = g;
        for (int j = 0; j < i; j++) {
            u[j] = load(s->H[ELEMENT(i, j)] + h);
            for (int k = 0; k < j; k++) u[j] -= u[k] * L[ELEMENT(j, k)];
            L[ELEMENT(i, j)] = u[j] * inverse[j];
            pivot -= u[j] * L[ELEMENT(i, j)];
            t -= L[ELEMENT(i, j)] * z[j];
        }
        inverse[i] = reciprocal(pivot, DEPENDENT * whole);
        if (s->low) inverse[i] = choose(is_held(s, i, h, load(s->v[i] + h), g), SPLAT(0.0), inverse[i]);
        z[i] = t;
        length += t * t * inverse[i];
    }
    return length;
}

/* Keep the trial within bounds. A fit whose last step leads onto a bound has not ended: the model may have no value there. */
static __attribute__((noinline)) void stay_within(lane_state *s, const int p, int h, vd end) {
    vm arrives = INVERT(TRUE_MASK);
    for (int k = 0; k < p; k++) {
        const vd v = load(s->v[k] + h), low = load(s->low[k] + h), high = load(s->high[k] + h);
        const vd trial = within(s, k, h, load(s->trial[k] + h));
        arrives = EITHER(arrives, EITHER(BOTH(trial <= low, v > low), BOTH(trial >= high, v < high)));
        store(s->trial[k] + h, trial);
    }
    store(s->end + h, choose(BOTH(arrives, end == (double)FIT_CONVERGED), SPLAT(0.0), end));
}

/* Which fits end here: the step dx is known, and whether anything is left to be had beyond it. */
INLINE void judge(lane_state *s, const int p, int h, const worker *w, vd last, vd *L, vd *inverse, vd *z, vd *u) {
    const fit_options *o = w->options;
    const vd all = load(s->chisqr + h), chisqr = vmin(all, load(s->most + h));
    const vd length = load(s->length + h), lambda = load(s->lambda + h);
    const vd square = load(s->square + h), variance = chisqr * load(s->over_dof + h) + load(s->rounding + h);
    const vd rate = choose(last > 0.0, vsqrt(length / last), SPLAT(1.0)), worst = vmax(rate, 0.5 * load(s->rate + h));
    const vd grown = choose(worst < 0.5, SAFETY * worst * (1.0 + 2.0 * worst), SPLAT(SAFETY));  /* 1/(1 - r) <= 1 + 2r */
    vd ahead = vmax(grown, SPLAT(LEAST_RATIO));
    if (s->asked) {  /* two of Newton's steps tell how the next contracts */
        const vm twice = BOTH(last > 0.0, BOTH(load(s->exact + h) != 0.0, load(s->before + h) != 0.0));
        ahead = choose(twice, vmax(QUADRATIC * rate * rate, SPLAT(LEAST_SQUARE)), ahead);
    }
    if (s->bend_from) {
        const vm wanted = BOTH(BOTH(lambda == 0.0, last > 0.0), EITHER(length > SLOW * last, load(s->known + h) != 0.0));
        store(s->wanted + h, truth(wanted));
        s->asks |= any(wanted);
    }
    store(s->rate + h, rate);
    vm small = TRUE_MASK, flat = TRUE_MASK;
#pragma GCC unroll 8
    for (int k = 0; k < p; k++) {
        vd dx = load(s->dx[k] + h), g = load(s->g[k] + h);
        small = BOTH(small, vabs(dx) * ahead <= o->xtol * vabs(load(s->v[k] + h) + dx));
        flat = BOTH(flat, g * g <= o->gtol * o->gtol * chisqr * load(s->H[ELEMENT(k, k)] + h));
    }
    /* what chi-square can still fall by after this step; no step is the last from where the cosine is more than an end's may be */
    const vd left = vmax(ahead * ahead, s->share * load(s->over_dof + h)) * length;
    const vd near = w->state->sigmas * w->state->sigmas * variance, rounding = GSLFIT_ROUNDING * GSLFIT_ROUNDING * square;
    const vm still = length <= rounding;
    const vm over = EITHER(BOTH(left <= near, EITHER(EITHER(small, flat), left <= o->ftol * o->ftol * variance)), still);
    vm done = BOTH(over, EITHER(lambda == 0.0, chisqr <= rounding));
    if (any(BOTH(over, INVERT(done))))  /* the length of a damped step is no evidence */
        done = EITHER(done, BOTH(over, undamped_length(s, p, h, L, inverse, z, u) <= vmax(rounding, near)));
    const vd damped = load(s->damped + h) + truth(BOTH(over, INVERT(done)));
    const vm lost = EITHER(EITHER(lambda > LAST_LAMBDA, damped > PATIENCE), all != all);
    store(s->damped + h, damped);
    vd end = truth(BOTH(load(s->fresh + h) != 0.0, load(s->spoilt + h) != 0.0)) * (double)FIT_BAD_DATA;
    end = choose(BOTH(end == 0.0, done), SPLAT(FIT_CONVERGED), end);
    end = choose(BOTH(end == 0.0, lost), SPLAT(FIT_NO_PROGRESS), end);
    store(s->end + h, end);
    store(s->noise + h, truth(still));
#pragma GCC unroll 8
    for (int k = 0; k < p; k++) store(s->trial[k] + h, load(s->v[k] + h) + load(s->dx[k] + h));
    if (s->low) stay_within(s, p, h, end);
    if (s->least) find_led(s, h);
}

#define STEP_OF(p)                                                              \
    static void step_##p(worker *w) {                                           \
        vd L[TRIANGLE(p) + 1], inverse[p + 1], z[p + 1], u[p + 1];              \
        for (int h = 0; h < LANES; h += WIDTH) {                                \
            const vd last = decide(w->state, p, h, L);                          \
            solve(w->state, p, h, last, L, inverse, z, u);                      \
            if (w->state->asked) bend(w->state, p, h);                          \
            judge(w->state, p, h, w, last, L, inverse, z, u);                   \
        }                                                                       \
    }
STEP_OF(1) STEP_OF(2) STEP_OF(3) STEP_OF(4) STEP_OF(5) STEP_OF(6) STEP_OF(7) STEP_OF(8)

static void step_any(worker *w) {
    lane_state *s = w->state;
    vd inverse[MAX_FREE], z[MAX_FREE], u[MAX_FREE];
    for (int h = 0; h < LANES; h += WIDTH) {
        const vd last = decide(s, s->p, h, (vd *)s->L);
        solve(s, s->p, h, last, (vd *)s->L, inverse, z, u);
        if (s->asked) bend(s, s->p, h);
        judge(s, s->p, h, w, last, (vd *)s->L, inverse, z, u);
    }
}

static void step(worker *w) {
    static void (*const small[9])(worker *) = {step_any, step_1, step_2, step_3, step_4, step_5, step_6, step_7, step_8};
    (w->state->p <= 8 ? small[w->state->p] : step_any)(w);
}

/* ---- the covariances of LANES ended fits at once ---- */

/* The columns of J brought to length 1, so that pivots say how far a column is from the others. One that is held at a bound has no part. */
static void scale_waiting(const lane_state *s, waiting *d, int p, int h) {
    const vd chisqr = load(d->chisqr + h), rounding = GSLFIT_ROUNDING * GSLFIT_ROUNDING * load(d->square + h);
    const vd fallen = vmax(SPLAT(GSLFIT_NEGLIGIBLE * GSLFIT_NEGLIGIBLE),
                           GSLFIT_FALLEN * GSLFIT_FALLEN * (vmax(chisqr, rounding) / load(d->first + h)));
    const vd unseen = vmax(GSLFIT_NEGLIGIBLE * GSLFIT_NEGLIGIBLE * chisqr, rounding);
    vd most = SPLAT(0.0);  /* the greatest cosine between the residual and a column: 0 at a minimum, whatever the units */
    vm silent = INVERT(TRUE_MASK), unsure = silent;
    for (int i = 0; i < p; i++) {
        const vd H = load(d->H[ELEMENT(i, i)] + h), g = load(d->g[i] + h), v = load(d->v[i] + h);
        const vd size = vmax(vabs(v), vabs(load(d->start[i] + h)));
        vd scale = choose(H > 0.0, 1.0 / vsqrt(H), SPLAT(1.0));
        vm gone = EITHER(INVERT(H > 0.0), BOTH(H * size * size <= unseen, EITHER(chisqr <= rounding, H <= fallen * load(d->D[i] + h))));
        if (s->low) {
            const vm low = BOTH(v <= load(d->low[i] + h), g > 0.0);
            const vm held = EITHER(low, BOTH(v >= load(d->high[i] + h), g < 0.0));
            store(d->held[i] + h, choose(held, choose(low, SPLAT(-1.0), SPLAT(1.0)), SPLAT(0.0)));
            scale = choose(held, SPLAT(0.0), scale);
            unsure = EITHER(unsure, BOTH(held, BOTH(chisqr > rounding, g * g <= FAINT * FAINT * H * chisqr)));
            gone = BOTH(gone, INVERT(held));
        }
        silent = EITHER(silent, gone);
        store(d->square_of[i] + h, H);
        store(d->scale[i] + h, scale);
        store(d->g[i] + h, g * scale);
        most = vmax(most, vabs(g * scale));
    }
    store(d->silent + h, truth(silent));
    store(d->unsure + h, truth(unsure));
    store(d->slope + h, choose(chisqr > 0.0, most / vsqrt(chisqr), SPLAT(0.0)));
    for (int i = 0; i < p; i++)
        for (int j = 0; j <= i; j++) {
            double *H = d->H[ELEMENT(i, j)] + h;
            const vd scale = load(d->scale[i] + h), scaled = load(H) * scale * load(d->scale[j] + h);
            store(H, i == j ? choose(scale == 0.0, SPLAT(1.0), scaled) : scaled);
        }
}

/* (J^T J)^-1 = sum over k of M[k]^T M[k] / d[k], M the inverse of L; built column by column of M. Columns that depend on those before them
 * are left out: what rounding left of them says nothing of the others, nor of how far chi-square can fall. */
static void invert_waiting(waiting *d, int p, int h, int whole) {
    vd pivot[MAX_FREE], inverse[MAX_FREE], z[MAX_FREE], least = SPLAT(1.0), worst = SPLAT(0.0), decrement = worst;
    vd *L = (vd *)d->L;
    for (int i = 0; i < p; i++) {
        vd u[MAX_FREE];
        z[i] = load(d->g[i] + h);
        pivot[i] = load(d->H[ELEMENT(i, i)] + h);
        for (int j = 0; j < i; j++) {
            u[j] = load(d->H[ELEMENT(i, j)] + h);
            for (int k = 0; k < j; k++) u[j] -= u[k] * L[ELEMENT(j, k)];
            L[ELEMENT(i, j)] = u[j] * inverse[j];
            pivot[i] -= u[j] * L[ELEMENT(i, j)];
            z[i] -= L[ELEMENT(i, j)] * z[j];
        }
        least = vmin(least, pivot[i]);
        inverse[i] = reciprocal(pivot[i], SPLAT(DEPENDENT));
        decrement += z[i] * z[i] * inverse[i];
    }
    store(d->decrement + h, decrement);
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

/* What the table says of an end that is not plainly a minimum. */
static void judge_waiting(const lane_state *s, const program *code, const waiting *d, int l, fit_result *end) {
    double x[MAX_FREE], start[MAX_FREE], norms[MAX_FREE], first[MAX_FREE], slopes[MAX_FREE];
    signed char bounds[MAX_FREE];
    unsigned char bending[MAX_FREE];
    const double residual = sqrt(d->chisqr[l]);
    double within = 0;
    gslfit_evidence e = {.p = s->p, .residual = residual, .first_residual = sqrt(d->first[l]),
                         .cosine = sqrt(d->decrement[l]) / residual, .x = x, .start = start, .norms = norms, .first_norms = first,
                         .slopes = slopes, .bounds = s->low ? bounds : NULL, .linear = gslfit_is_linear(code),
                         .bending = bending};
    gslfit_nonlinear(code, bending);
    for (int k = 0; k < s->p; k++) {
        x[k] = d->v[k][l];
        start[k] = d->start[k][l];
        norms[k] = sqrt(d->square_of[k][l]);
        first[k] = sqrt(d->D[k][l]);
        bounds[k] = !s->low ? 0 : x[k] <= d->low[k][l] ? -1 : x[k] >= d->high[k][l];
        slopes[k] = s->low && d->held[k][l] != 0 ? -d->held[k][l] : d->g[k][l] / residual;
        within = gslfit_larger(norms[k] * fabs(x[k]), within);
    }
    const int zeros = d->square[l] == GSLFIT_ZEROS * GSLFIT_ZEROS * d->first[l];  /* of the data */
    if (!zeros) end->scale = gslfit_scale(end->scale, within);
    e.scale = end->scale;
    e.rank = gslfit_sort_columns(&e, end->flags) - !(d->least[l] > DEPENDENT);
    end->verdict = gslfit_judge(&e, end->flags);
    end->status = gslfit_status_of_verdict(end->verdict, end->flags, s->p, e.rank, FIT_CONVERGED);
}

/* Flag what the columns of J leave open, one of which is dependent: by a Cholesky factorisation of lane l, the longest column first. */
static void flag_undetermined(const waiting *d, int l, int p, unsigned char *flags) {
    double A[TRIANGLE(MAX_FREE)], share[MAX_FREE];
    int order[MAX_FREE], rank = 0;
    for (int k = 0; k < TRIANGLE(p); k++) A[k] = d->H[k][l];
    for (int k = 0; k < p; k++) order[k] = k;
#define AT(i, j) A[(i) > (j) ? ELEMENT(i, j) : ELEMENT(j, i)]
    for (; rank < p - 1; rank++) {  /* A's part that is left: what the columns chosen so far don't span */
        int best = rank;
        for (int k = rank; k < p; k++)
            if (AT(order[k], order[k]) > AT(order[best], order[best])) best = k;
        const int chosen = order[best];
        order[best] = order[rank], order[rank] = chosen;
        if (!(AT(chosen, chosen) > DEPENDENT)) break;
        for (int k = rank + 1; k < p; k++) {
            const double factor = AT(order[k], chosen) / AT(chosen, chosen);
            for (int m = rank + 1; m <= k; m++) AT(order[k], order[m]) -= factor * AT(order[m], chosen);
        }
    }
    for (int m = rank; m < p; m++) {
        const int open = order[m];
        flags[open] |= flags[open] ? 0 : GSLFIT_UNDETERMINED;
        for (int i = rank - 1; i >= 0; i--) {  /* what the columns chosen make it up of */
            share[i] = AT(open, order[i]);
            for (int k = i + 1; k < rank; k++) share[i] -= share[k] * AT(order[k], order[i]);
            share[i] /= AT(order[i], order[i]);
            if (fabs(share[i]) > OPEN && !flags[order[i]]) flags[order[i]] = GSLFIT_UNDETERMINED;
        }
    }
#undef AT
}

static void flush(worker *w) {
    const lane_state *s = w->state;
    waiting *d = &w->state->done;
    const int p = s->p;
    for (int h = 0; h < LANES; h += WIDTH) scale_waiting(s, d, p, h);
    for (int h = 0; h < LANES; h += WIDTH) invert_waiting(d, p, h, w->options->covariance);
    for (int l = 0; l < d->count; l++) {
        fit_result *end = d->ends + l;
        int held = 0;
        if (!(d->least[l] > DEPENDENT)) {  /* J does not tell where the last step leads */
            for (int k = 0; k < p; k++) d->v[k][l] = d->last[k][l];
            end->chisqr += d->gain[l];
        }
        for (int k = 0; k < p; k++) {
            end->v[k] = d->v[k][l];
            end->flags[k] = s->low && d->held[k][l] != 0 ? GSLFIT_HELD : 0;
            held |= end->flags[k];
        }
        end->verdict = GSLFIT_MINIMUM;
        end->covariance = d->covariance[0] + l;
        end->deviations = d->deviations + l * p;
        end->correlations = NULL;
        end->length = sqrt(end->chisqr);
        end->counted = gslfit_smaller(end->length, d->counted[l]);
        for (int k = 0; k < p; k++) d->deviations[l * p + k] = sqrt(d->covariance[w->options->covariance ? ELEMENT(k, k) : k][l]);
        end->gradient = d->slope[l];
        end->nearly = d->least[l] > DEPENDENT && d->decrement[l] <= NEAR_END * NEAR_END * d->chisqr[l];
        end->doubtful = !(d->least[l] > 1e-13 && d->worst[l] < 1e9) || d->unsure[l] != 0;
        const double rounding = GSLFIT_ROUNDING * GSLFIT_ROUNDING * d->square[l];
        const int low = d->decrement[l] <= gslfit_larger(s->close * s->close * d->chisqr[l], rounding);
        const int plain = low && d->silent[l] == 0 && d->least[l] > DEPENDENT;
        if (end->status == FIT_NO_PROGRESS && low) end->status = FIT_CONVERGED, end->doubtful = 1;
        if (gslfit_well_ended(end->status) && !plain) judge_waiting(s, w->program, d, l, end);
        if (held && end->status == FIT_CONVERGED) end->status = FIT_AT_BOUND;
        if (!(d->least[l] > DEPENDENT)) flag_undetermined(d, l, p, end->flags);
        w->finish(w, end);
    }
    d->count = 0;
}

/* ---- fits come and go ---- */

static void end_fit(worker *w, int l) {
    lane_state *s = w->state;
    waiting *d = &s->done;
    const int at = d->count;
    fit_result *end = d->ends + at;
    end->id = s->id[l];
    end->status = (fit_status)s->end[l];
    end->nfev = s->nfev[l];
    end->count = s->count[l];
    const double first = gslfit_smaller(s->first[l], s->most[l]);
    const double square = s->square[l] > 0 ? s->square[l] : GSLFIT_ZEROS * GSLFIT_ZEROS * first;
    end->scale = sqrt(square);
    const int taken = end->status == FIT_CONVERGED && !s->noise[l];
    end->chisqr = s->chisqr[l];
    end->taken = s->taken[l];
    d->gain[at] = taken && s->gain[l] < 1e-3 * s->chisqr[l] ? s->gain[l] : 0;
    end->chisqr -= d->gain[at];
    for (int k = 0; k < s->p; k++) {
        const double v = d->last[k][at] = s->v[k][l], dx = s->dx[k][l];
        d->v[k][at] = taken && (v == 0 || fabs(dx) < ABSURD * fabs(v)) ? v + dx : v;
        if (s->low) {
            d->low[k][at] = s->low[k][l], d->high[k][at] = s->high[k][l];
            d->v[k][at] = gslfit_between(d->v[k][at], s->low[k][l], s->high[k][l]);
        }
        d->start[k][at] = end->start[k] = s->start[k][l];
        d->g[k][at] = s->g[k][l];
        d->D[k][at] = s->D[k][l];
    }
    d->chisqr[at] = gslfit_smaller(s->chisqr[l], s->most[l]);
    d->first[at] = first;
    d->counted[at] = sqrt(s->most[l]);
    d->square[at] = square;
    for (int k = 0; k < TRIANGLE(s->p); k++) d->H[k][at] = s->H[k][l];
    if (++d->count == LANES) flush(w);
}

/* Begin at a start, whatever has been before. */
static void begin_at(lane_state *s, int l, const double *start) {
    for (int k = 0; k < s->p; k++) s->trial[k][l] = s->start[k][l] = start[k];
    s->fresh[l] = 1;
    if (s->least) s->least[l] = GSLFIT_LEAST_CURVATURE;
    s->rate[l] = 1;
    s->chisqr[l] = s->first[l] = s->spoilt[l] = s->damped[l] = s->wary[l] = 0;
    s->wanted[l] = s->known[l] = s->exact[l] = 0;
    for (int k = 0; k < s->p; k++) s->dx[k][l] = s->g[k][l] = 0;
    s->end[l] = FIT_NOT_RUN;
}

/* Whether a fit has ended by a loss that only leads the way. */
static int minimum_of_first_stage(const lane_state *s, int l) {
    return s->end[l] == FIT_CONVERGED || s->end[l] == FIT_NO_PROGRESS;
}

/* Go on by the loss that is asked for, where the step from the last point leads; but from that point itself where there is no step. */
static void begin_last_stage(lane_state *s, int l) {
    double start[MAX_FREE];
    const int stay = s->end[l] == FIT_NO_PROGRESS;
    for (int k = 0; k < s->p; k++) start[k] = stay ? s->v[k][l] : s->trial[k][l];
    s->stage[l] = 0;
    begin_at(s, l, start);
}

/* How far down chi-square an amplitude's slope may lead with what the other linear variables' own best steps do to it. */
INLINE vd farthest_slope(const lane_state *s, uint64_t linear, int k, int h) {
    vd sum = vabs(element(s, s->g_from + k, h));
    for (int j = 0; j < s->p; j++) {
        if (j == k || !(linear >> j & 1)) continue;
        const int product = j < k ? ELEMENT(k, j) : ELEMENT(j, k);
        const vd square = element(s, s->H_from + ELEMENT(j, j), h), slope = element(s, s->g_from + j, h);
        sum += choose(square > 0.0, vabs(element(s, s->H_from + product, h) * slope) / square, SPLAT(0.0));
    }
    return sum;
}

/* Whether an amplitude's best step may be long beside it, or all of them are zero: where not, no start is cold. */
INLINE vm may_be_cold(const lane_state *s, const program *code, int h) {
    const int linear = __builtin_popcountll(code->linear);
    vm looks = INVERT(TRUE_MASK), zeros = TRUE_MASK, small = looks;
    /* no slope is longer than residual times column, so none leads far where the amplitude's own part of the model is large beside both */
    const vd most = (double)(linear * linear) * load(s->sums[0] + h);
    for (int k = 0; k < s->p; k++) {
        if (!(code->amplitudes >> k & 1)) continue;
        const vd step = (GSLFIT_COLD - 1) * load(s->trial[k] + h);
        small = EITHER(small, INVERT(step * step * element(s, s->H_from + ELEMENT(k, k), h) >= most));
    }
    if (!s->least && !any(small)) return small;  /* a loss's curvature isn't that of chi-square */
    for (int k = 0; k < s->p; k++) {
        if (!(code->amplitudes >> k & 1)) continue;
        const vd value = load(s->trial[k] + h), square = element(s, s->H_from + ELEMENT(k, k), h);
        zeros = BOTH(zeros, value == 0.0);
        looks = EITHER(looks, farthest_slope(s, code->linear, k, h) > (GSLFIT_COLD - 1) * vabs(value) * square);
    }
    return EITHER(looks, zeros);
}

/* Which fits that have just begun are to begin elsewhere, and where (program/linear_start.h). Returns whether there are any. */
static int find_cold(worker *w, double (*starts)[MAX_FREE], char *cold) {
    lane_state *s = w->state;
    lane_vector may_be;
    int any_cold = 0, any_looks = 0;
    s->unseen = 0;
    for (int h = 0; h < LANES; h += WIDTH) {
        const vm looks = may_be_cold(s, w->program, h);
        store(may_be + h, truth(looks));
        any_looks |= any(looks);
    }
    if (!any_looks) {
        memset(s->looked, 1, sizeof s->looked);
        return 0;
    }
    for (int l = 0; l < w->lanes; l++) {
        const int looks = !s->looked[l] && s->id[l] >= 0 && may_be[l] != 0;
        s->looked[l] = 1;
        any_cold |= cold[l] = (char)(looks && gslfit_lane_start(s, w->program, l, starts[l]));
    }
    return any_cold;
}

static int start_fit(worker *w, int l) {
    lane_state *s = w->state;
    next_fit fit;
    w->next(w, l, &fit);
    s->id[l] = fit.id;
    if (fit.id < 0) return 0;
    s->count[l] = fit.count;
    s->square[l] = fit.square;
    s->most[l] = fit.most, s->taken[l] = fit.taken;
    s->over_dof[l] = 1 / (fit.count > s->p ? fit.count - s->p : 1);
    s->rounding[l] = 1e-18 * fit.square / fit.count;
    s->nfev[l] = fit.nfev;
    s->looked[l] = 0;
    s->unseen++;
    if (s->least) s->stage[l] = gslfit_is_bounded(w->space->loss);
    for (int k = 0; s->low && k < s->p; k++) s->low[k][l] = fit.low[k], s->high[k][l] = fit.high[k];
    begin_at(s, l, fit.start);
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
        for (int k = 0; k < w->program->ninput; k++) inputs[k * LANES + l] = inputs[k * LANES + busy];
    }
}

static void fit_lanes(worker *w) {
    lane_state *s = w->state;
    const fit_options *o = w->options;
    double starts[LANES][MAX_FREE];
    char cold[LANES];
    int live = 0;
    const double tolerance = fmin(LOOSEST, fmax(TIGHTEST, fmax(o->xtol, fmax(o->ftol, o->gtol))));
    s->sigmas = SIGMAS * tolerance;
    s->close = gslfit_larger(GSLFIT_CLOSE, tolerance);
    s->share = s->sigmas * s->sigmas / (s->close * s->close);
    for (int l = 0; l < LANES; l++) s->id[l] = -1;
    for (int l = 0; l < w->lanes && start_fit(w, l); l++) live++;
    while (live) {
        if (w->check && w->check(w)) break;
        if (live < w->lanes) follow(w);
        w->evaluate(w);
        const int some_cold = w->program->amplitudes && s->unseen && find_cold(w, starts, cold);
        step(w);
        for (int l = 0; l < w->lanes; l++) {
            if (s->id[l] < 0) continue;
            s->fresh[l] = 0;
            if (some_cold && cold[l]) begin_at(s, l, starts[l]);
            else if (s->least && s->stage[l] != 0 && (s->led[l] != 0 || minimum_of_first_stage(s, l))) begin_last_stage(s, l);
            if (++s->nfev[l] >= w->options->max_nfev && !s->end[l]) s->end[l] = FIT_MAX_NFEV;
            if (!s->end[l]) continue;
            end_fit(w, l);
            if (!start_fit(w, l)) live--;
        }
    }
    if (s->done.count) flush(w);
}

#endif
