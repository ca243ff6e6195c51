#include "profile_state.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "common/subnormals.h"

enum { HALVINGS = 5 };
static const double SETTLED = 5e-5;   /* of the level's rise: what the others could still take away makes no difference to the limit */
static const double NEAR = 8e-3;      /* of a limit's distance: a last step below this, along a cubic, is not evaluated any more */
static const double PLAUSIBLE = 2;    /* times a step of Newton's, up or down, is what a cubic may make of it */
static const double FAR = 3;          /* times its distance, up or down, a step goes at most */
static const double ABSURD = 30;      /* times the level's rise: a trial so high is no basis for a step */
static const double AT_MINIMUM = 1e-6;     /* of the lowest level's rise: what the minimum may lie below the point given for it */
static const double ROUNDING = 1e-24; /* of the data's squares: less is no chi-square */
static const double CROOKED = 4;      /* times as far or as near as the tangent has it: more than bent */

/* A side of a profile in a lane; `number` is -1 for an idle one. */
typedef struct {
    int number, k, level, turns, halvings;
    double sign, room, x[MAX_FREE], trial[MAX_FREE];
    last_section last;
    known inner;            /* the last that was settled, for an earlier level */
    double below, above;    /* distances between which the limit lies */
} side;

/* ---- the minimum ---- */

static uint64_t only(int k) { return (uint64_t)1 << k; }

/* Look at a row's minimum. Returns 0 where it can't be relied on. */
static int begin_row(profiler *t, long id) {
    const profile_job *job = t->job;
    const int p = job->program->nfree;
    section s;
    memcpy(t->best, job->best + id * p, p * sizeof *t->best);
    t->low = job->low + (job->own ? id * p : 0);
    t->high = job->high + (job->own ? id * p : 0);
    if (!gslfit_row_sums_load(&t->sums, id)) return 0;
    for (int l = 0; l < LANES; l++) gslfit_row_sums_set(&t->sums, l, t->best);
    gslfit_row_sums_evaluate(&t->sums);
    t->minimum = t->sums.chisqr[0];
    t->unit = job->known ? 1 : t->minimum / (double)(t->sums.points - p);
    if (!gslfit_row_sums_finite(&t->sums, 0) || !(t->minimum > ROUNDING * t->sums.square) || !(t->unit > 0)) return 0;
    for (int i = 0; i < job->count; i++) t->roots[i] = sqrt(job->rises[id * job->count + i] * t->unit);
    if (!gslfit_section(&t->sums, 0, t->best, t->low, t->high, 0, -1, &s)) return 0;
    if (!(s.fall <= AT_MINIMUM * t->roots[0] * t->roots[0])) return 0;
    for (int k = 0; k < p; k++) {
        if (!gslfit_section(&t->sums, 0, t->best, t->low, t->high, only(k), k, t->first + k)) return 0;
        t->tangent[k] = sqrt(t->first[k].curvature);
        t->push[k] = t->best[k] <= t->low[k] || t->best[k] >= t->high[k] ? fabs(t->first[k].slope) : 0;
    }
    return 1;
}

/* ---- one side ---- */

/* How far away the quadratic model at the minimum has a root of chi-square's rise on the profile of parameter k. */
static double expected(const profiler *t, int k, double root) {
    const double push = t->push[k], rise = root * root, width = t->tangent[k] * t->tangent[k];
    return push > 0 ? rise / (push + sqrt(push * push + width * rise)) : root / t->tangent[k];
}

/* Put the next trial at a distance, the others where the section at x has them. */
static void aim(const profiler *t, int lane, side *a, const section *s, double from, double to) {
    const profile_job *job = t->job;
    const double move = a->sign * (to - from);
    double step[MAX_FREE];
    gslfit_section_step(&t->sums, lane, a->x, s, move, &a->last, step);
    if (!a->turns) a->last.known = 0;  /* of an earlier level: too far away to learn from */
    for (int i = 0; i < job->program->nfree; i++)
        a->trial[i] = fmin(t->high[i], fmax(t->low[i], a->x[i] + step[i] - move * s->pull[i]));
    a->trial[a->k] = to >= a->room ? (a->sign > 0 ? t->high : t->low)[a->k] : t->best[a->k] + a->sign * to;
}

static void end_side(profiler *t, side *a, limit_status status) {
    const int count = t->job->count;
    for (int i = a->level; i < count; i++) {
        t->limits[a->number * count + i] = a->sign * INFINITY;
        t->status[a->number * count + i] = (int8_t)status;
    }
    a->number = -1;
}

/* Begin with a side: the first trial is where the standard error has the first level. */
static void begin_side(profiler *t, side *a, int number) {
    const profile_job *job = t->job;
    const int k = job->which[number / 2];
    *a = (side){.number = number, .k = k, .sign = number % 2 ? 1 : -1, .above = INFINITY};
    a->room = number % 2 ? t->high[k] - t->best[k] : t->best[k] - t->low[k];
    a->inner = (known){0, 0, t->push[k] > 0 ? INFINITY : t->tangent[k]};
    memcpy(a->x, t->best, job->program->nfree * sizeof *a->x);
    if (a->room > 0) aim(t, 0, a, t->first + k, 0, fmin(expected(t, k, t->roots[0]), a->room));
    else end_side(t, a, LIMIT_BEYOND_BOUND);
}

static void keep_point(profiler *t, const side *a, known point) {
    const int p = t->job->program->nfree, place = a->number * t->job->count + a->level;
    t->found[place] = point;
    memcpy(t->points + (long)place * p, a->x, p * sizeof *a->x);
    t->reached[a->number] = a->level + 1;
}

/* Note whether a profile is bent at a point. Returns 0 where it is so much that no more can be told from it. */
static int look_at(const profiler *t, const side *a, known point) {
    const double ratio = expected(t, a->k, point.root) / point.distance;
    t->bent[a->number] |= !(fabs(ratio - 1) <= t->job->straight);
    return ratio < CROOKED && ratio * CROOKED > 1;
}

/* Where the cubic through two points, with their slopes, has a root; else where the tangent at the second one has it. */
static double crossing(known a, known b, double root) {
    const double newton = (root - b.root) / b.slope, rise = b.root - a.root, run = b.distance - a.distance, u = (root - a.root) / rise;
    const double m0 = rise / a.slope, m1 = rise / b.slope;
    const double cubic = a.distance + m0 * u + (3 * run - 2 * m0 - m1) * u * u + (m0 + m1 - 2 * run) * u * u * u;
    const double ratio = (cubic - b.distance) / newton;
    if (a.slope > 0 && fabs(rise) > 0.02 * b.root && ratio < PLAUSIBLE && ratio * PLAUSIBLE > 1) return cubic;
    return b.distance + newton;
}

/* Take what a settled point says: limits that it is near enough to. Returns whether the side has ended. */
static int settle(profiler *t, side *a, known here) {
    const int count = t->job->count;
    for (;;) {
        const double root = t->roots[a->level];
        if (here.distance >= a->room && here.root < root) {
            if (a->level < count) keep_point(t, a, here);
            end_side(t, a, look_at(t, a, here) ? LIMIT_BEYOND_BOUND : LIMIT_IN_DOUBT);
            return 1;
        }
        const double to = crossing(a->inner, here, root);
        if (!(here.slope > 0) || !(fabs(to - here.distance) <= NEAR * here.distance) || to > a->room) return 0;
        const known limit = {to, root, here.slope};
        if (!look_at(t, a, limit)) {
            end_side(t, a, LIMIT_IN_DOUBT);
            return 1;
        }
        keep_point(t, a, limit);
        t->limits[a->number * count + a->level] = t->best[a->k] + a->sign * to;
        t->status[a->number * count + a->level] = LIMIT_FOUND;
        a->turns = 0;
        a->below = here.distance, a->above = INFINITY;
        if (++a->level == count) {
            a->number = -1;
            return 1;
        }
        if (t->roots[a->level] > here.root * (1 + NEAR)) break;
    }
    return 0;
}

/* The distance to go to next. */
static double next_distance(side *a, known here, double root, int rough) {
    double to = rough ? here.distance + (root - here.root) / here.slope : crossing(a->inner, here, root);
    if (here.root < root) a->below = fmax(a->below, here.distance);
    else a->above = fmin(a->above, here.distance);
    to = fmin(fmax(to, here.distance / FAR), here.distance * FAR);
    if (isfinite(a->above)) {
        const double gap = 0.02 * (a->above - a->below);
        to = fmin(fmax(to, a->below + gap), a->above - gap);
    }
    return fmin(to, a->room);
}

/* Look at the trial in a lane: go half the way where it leads nowhere, else take it; then the limits that it gives, and the next trial. */
static void go_on(profiler *t, int lane, side *a) {
    const profile_job *job = t->job;
    const row_sums *r = &t->sums;
    const double chisqr = r->chisqr[lane], wanted = t->roots[a->level] * t->roots[a->level];
    section s;
    if (!gslfit_row_sums_finite(r, lane) || chisqr - t->minimum > ABSURD * wanted) {
        if (++a->halvings > HALVINGS) {
            end_side(t, a, LIMIT_IN_DOUBT);
            return;
        }
        a->last.known = 0;
        for (int i = 0; i < job->program->nfree; i++) a->trial[i] = 0.5 * (a->x[i] + a->trial[i]);
        return;
    }
    a->halvings = 0;
    memcpy(a->x, a->trial, job->program->nfree * sizeof *a->x);
    if (++a->turns > LIMIT_TURNS || chisqr < t->minimum - job->lower * t->unit
        || !gslfit_section(r, lane, a->x, t->low, t->high, only(a->k), a->k, &s)) {
        end_side(t, a, LIMIT_IN_DOUBT);
        return;
    }
    const double rise = chisqr - s.fall - t->minimum, root = sqrt(fmax(rise, 0));
    const int settled = s.fall <= SETTLED * wanted, at_bound = a->x[a->k] == (a->sign > 0 ? t->high : t->low)[a->k];
    const known here = {at_bound ? a->room : a->sign * (a->x[a->k] - t->best[a->k]), root, root > 0 ? a->sign * s.slope / root : 0};
    if (settled && settle(t, a, here)) return;
    if (!(here.slope > 0) || (at_bound && here.root < t->roots[a->level])) {  /* the others first */
        if (settled) end_side(t, a, LIMIT_IN_DOUBT);
        else aim(t, lane, a, &s, here.distance, here.distance);
        return;
    }
    const double to = next_distance(a, here, t->roots[a->level], s.fall > 200 * SETTLED * wanted);
    if (settled) a->inner = here;
    aim(t, lane, a, &s, here.distance, to);
}

/* ---- all sides of a row ---- */

static double distance_of(const profiler *t, int number, double value) {
    return (number % 2 ? 1 : -1) * (value - t->best[t->job->which[number / 2]]);
}

static double outermost(const profiler *t, int number) {
    return t->reached[number] ? t->found[number * t->job->count + t->reached[number] - 1].distance : 0;
}

/* Whether an exchange of parameters brings another profile's points within reach of this side's. */
static int exchangeable(const profiler *t, int number) {
    const profile_job *job = t->job;
    const int k = job->which[number / 2], p = job->program->nfree;
    for (int e = 0; e < job->exchanges; e++) {
        const int image = job->orders[e * p + k];
        for (int other = 0; image != k && other < 2 * job->profiled; other++) {
            if (job->which[other / 2] != image) continue;
            const double end = t->best[image] + (other % 2 ? 1 : -1) * outermost(t, other);
            const double one = distance_of(t, number, t->best[image]), two = distance_of(t, number, end);
            if (fmax(one, two) > 0 && fmin(one, two) <= job->beyond * outermost(t, number)) return 1;
        }
    }
    return 0;
}

static int all_sure(profiler *t) {
    const profile_job *job = t->job;
    for (int i = 0; i < 2 * job->profiled * job->count; i++)
        if (t->status[i] == LIMIT_IN_DOUBT) return 0;
    for (int number = 0; number < 2 * job->profiled; number++)
        if (exchangeable(t, number)) return 0;
    return gslfit_look_over(t);
}

static void follow_sides(profiler *t) {
    side lanes[LANES];
    const int sides = 2 * t->job->profiled;
    int next = 0, running;
    memset(t->reached, 0, sides * sizeof *t->reached);
    memset(t->bent, 0, sides);
    for (int l = 0; l < LANES; l++) lanes[l].number = -1;
    do {
        running = 0;
        for (int l = 0; l < LANES; l++) {
            while (lanes[l].number < 0 && next < sides) begin_side(t, lanes + l, next++);
            running += lanes[l].number >= 0;
            gslfit_row_sums_set(&t->sums, l, lanes[l].number >= 0 ? lanes[l].trial : t->best);
        }
        if (running) gslfit_row_sums_evaluate(&t->sums);
        t->job->evaluations += running;
        for (int l = 0; l < LANES; l++)
            if (lanes[l].number >= 0) go_on(t, l, lanes + l);
    } while (running);
}

static void do_row(profiler *t, long id) {
    profile_job *job = t->job;
    const int size = 2 * job->profiled * job->count;
    t->limits = job->limits + id * size;
    t->status = job->status + id * size;
    const int wanted = !isnan(job->rises[id * job->count]);
    for (int i = 0; i < size; i++) {
        t->limits[i] = NAN;
        t->status[i] = wanted ? LIMIT_IN_DOUBT : LIMIT_NONE;
    }
    if (!wanted || !begin_row(t, id)) return;
    follow_sides(t);
    if (all_sure(t)) return;
    for (int i = 0; i < size; i++) t->status[i] = LIMIT_IN_DOUBT;
}

int gslfit_profile_run(profile_job *job) {
    profiler *t = calloc(1, sizeof *t);
    const size_t points = 2 * (size_t)job->profiled * job->count;
    if (!t) return -1;
    t->job = job;
    t->found = calloc(points + 1, sizeof *t->found);
    t->points = calloc(points * job->program->nfree + 1, sizeof *t->points);
    t->reached = calloc(2 * (size_t)job->profiled + 1, sizeof *t->reached);
    t->bent = calloc(2 * (size_t)job->profiled + 1, 1);
    int ended = gslfit_row_sums_new(&t->sums, job->program, &job->source, job->inputs);
    if (!t->found || !t->points || !t->reached || !t->bent) ended = -1;
    if (!ended) {
        const gslfit_float_mode mode = gslfit_flush_subnormals();
        for (long id = 0; id < job->rows; id++) do_row(t, id);
        gslfit_float_mode_set(mode);
    }
    gslfit_row_sums_free(&t->sums);
    free(t->found);
    free(t->points);
    free(t->reached);
    free(t->bent);
    free(t);
    return ended;
}
