#include "profile_state.h"

#include <math.h>
#include <string.h>

enum { INWARD = 4, OUTWARD = 6, DRAWS = 2, MOST = 2 * MAX_FREE };
static const double WIDE = 3;         /* standard errors that random starts are drawn in */
static const double SETTLED = 1e-6;   /* of a rise: what a refit may still take away */
static const double SAME = 1e-3;      /* of the variance of chi-square, 1, or of a root: what two refits of one branch may differ by */
static const double HIGH = 1.5;       /* times the highest level's root: above it a profile doesn't matter */

/* The bent sides of a row, and the refits of each that is still followed. */
typedef struct {
    profiler *t;
    int sides[MOST], count;
    double x[MOST][MAX_FREE];          /* where each is */
    uint64_t holds[MOST];
    double v[MOST * MAX_FREE], chisqr[MOST];
    int8_t settled[MOST];
} looks;

static int parameter(const looks *a, int i) { return a->t->job->which[a->sides[i] / 2]; }

static known outermost(const looks *a, int i) {
    const profiler *t = a->t;
    return t->found[a->sides[i] * t->job->count + t->reached[a->sides[i]] - 1];
}

static const double *outermost_point(const looks *a, int i) {
    const profiler *t = a->t;
    return t->points + (long)(a->sides[i] * t->job->count + t->reached[a->sides[i]] - 1) * t->job->program->nfree;
}

static double value_at(const looks *a, int i, double distance) {
    const int k = parameter(a, i);
    return fmin(a->t->high[k], fmax(a->t->low[k], a->t->best[k] + gslfit_side_sign(a->sides[i]) * distance));
}

/* Refit all sides from where they are, each with its parameter at `share` of its outermost distance. */
static void refit_at(looks *a, double share) {
    profiler *t = a->t;
    const profile_job *job = t->job;
    const int p = job->program->nfree;
    for (int i = 0; i < a->count; i++) {
        double *v = a->v + (long)i * p;
        memcpy(v, a->x[i], p * sizeof *v);
        v[parameter(a, i)] = value_at(a, i, share * outermost(a, i).distance);
        a->holds[i] = (uint64_t)1 << parameter(a, i);
    }
    refit_job refits = {.program = job->program, .low = t->low, .high = t->high, .holds = a->holds, .share = SETTLED,
                        .enough = SETTLED * t->roots[0] * t->roots[0], .floor = t->minimum, .count = a->count, .v = a->v,
                        .chisqr = a->chisqr, .settled = a->settled};
    gslfit_refits_run(&refits, &t->sums);
    for (int i = 0; i < a->count; i++)
        if (a->settled[i]) memcpy(a->x[i], a->v + (long)i * p, p * sizeof *a->v);
}

static int same(const profiler *t, double one, double other) {
    const double root = sqrt(fmax(fmin(one, other) - t->minimum, 0) * t->unit);
    return fabs(one - other) <= SAME * (t->unit + root);
}

/* Whether the branch of the outermost points is that of the minimum: the one followed inward, the other outward, they are the same. */
static int joined(looks *a) {
    double outward[INWARD][MOST];
    for (int i = 0; i < a->count; i++) memcpy(a->x[i], a->t->best, sizeof a->t->best);
    for (int step = 1; step < INWARD; step++) {
        for (int i = 0; i < a->count; i++) {  /* as the section at the minimum has the others move */
            const int k = parameter(a, i);
            const double move = value_at(a, i, outermost(a, i).distance * step / INWARD) - a->x[i][k];
            for (int j = 0; j < a->t->job->program->nfree; j++)
                if (j != k) a->x[i][j] = fmin(a->t->high[j], fmax(a->t->low[j], a->x[i][j] - move * a->t->first[k].pull[j]));
        }
        refit_at(a, (double)step / INWARD);
        for (int i = 0; i < a->count; i++) {
            if (!a->settled[i]) return 0;
            outward[step][i] = a->chisqr[i];
        }
    }
    for (int i = 0; i < a->count; i++) memcpy(a->x[i], outermost_point(a, i), a->t->job->program->nfree * sizeof *a->x[i]);
    for (int step = INWARD - 1; step > 0; step--) {
        refit_at(a, (double)step / INWARD);
        for (int i = 0; i < a->count; i++)
            if (!a->settled[i] || !same(a->t, a->chisqr[i], outward[step][i])) return 0;
    }
    return 1;
}

/* Whether the profiles rise beyond their outermost limits, as far as they matter and other branches are looked for. */
static int rising(looks *a) {
    const profiler *t = a->t;
    const double high = HIGH * t->roots[t->job->count - 1];
    double before[MOST];
    for (int i = 0; i < a->count; i++) {
        memcpy(a->x[i], outermost_point(a, i), t->job->program->nfree * sizeof *a->x[i]);
        before[i] = t->minimum + outermost(a, i).root * outermost(a, i).root;
    }
    for (int step = 1; step <= OUTWARD; step++) {
        refit_at(a, 1 + (t->job->beyond - 1) * step / OUTWARD);
        for (int i = 0; i < a->count; i++) {
            if (!a->settled[i]) {
                if (!(before[i] > t->minimum + high * high)) return 0;
                continue;
            }
            if (a->chisqr[i] < before[i] && !same(t, a->chisqr[i], before[i])) return 0;
            before[i] = a->chisqr[i];
        }
    }
    return 1;
}

/* A number between -1 and 1 that looks like chance: the same for the same place. */
static double drawn(int a, int b, int c) {
    uint64_t z = 0x9E3779B97F4A7C15u * (uint64_t)(1 + a + 131 * b + 17161 * c);
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return (double)(int64_t)((z ^ (z >> 31)) >> 11) / (double)(1LL << 52) - 1;
}

/* Whether starts drawn about the minimum, with the parameter at its outermost distance, lead to nothing lower than what is known there. */
static int lowest(looks *a) {
    const profiler *t = a->t;
    const int p = t->job->program->nfree;
    for (int draw = 0; draw < DRAWS; draw++) {
        for (int i = 0; i < a->count; i++)
            for (int j = 0; j < p; j++) {
                const double size = WIDE * sqrt(t->unit) / (t->tangent[j] > 0 ? t->tangent[j] : INFINITY);
                a->x[i][j] = fmin(t->high[j], fmax(t->low[j], t->best[j] + size * drawn(draw, i, j)));
            }
        refit_at(a, 1);
        for (int i = 0; i < a->count; i++) {
            const double here = t->minimum + outermost(a, i).root * outermost(a, i).root;
            if (a->settled[i] && a->chisqr[i] < here && !same(t, a->chisqr[i], here)) return 0;
        }
    }
    return 1;
}

int gslfit_look_over(profiler *t) {
    looks a;
    a.t = t;
    a.count = 0;
    for (int number = 0; number < 2 * t->job->profiled; number++)
        if (t->bent[number] && t->reached[number]) a.sides[a.count++] = number;
    return !a.count || (joined(&a) && rising(&a) && lowest(&a));
}
