#include "lane_state.h"
#include "common/subnormals.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

fit_status gslfit_status_of_verdict(gslfit_verdict verdict, const unsigned char *flags, int p, int rank, fit_status converged) {
    int held = 0, silent = 0;
    for (int k = 0; k < p; k++) {
        held += (flags[k] & GSLFIT_HELD) != 0;
        silent |= flags[k] & GSLFIT_SILENT;
    }
    switch (verdict) {
    case GSLFIT_EXACT_FIT: return silent || rank < p - held ? FIT_RANK_DEFICIENT : held ? FIT_AT_BOUND : converged;
    case GSLFIT_MINIMUM: return converged;
    case GSLFIT_AT_BOUND: return FIT_AT_BOUND;
    case GSLFIT_RANK_DEFICIENT: return FIT_RANK_DEFICIENT;
    case GSLFIT_NOT_MINIMUM: return FIT_NO_PROGRESS;
    default: return FIT_SINGULAR;
    }
}

static lane_vector *vectors(size_t count) {
    void *memory = NULL;
    if (posix_memalign(&memory, 64, (count + 1) * sizeof(lane_vector))) return NULL;
    return memset(memory, 0, (count + 1) * sizeof(lane_vector));
}

void gslfit_lanes_free(lane_state *s) {
    if (!s) return;
    free(s->sums);  /* all vectors are one block of memory, which begins with these */
    free(s->g_from);
    free(s->H_from);
    free(s->bend_from);
    free(s);
}

/* Multiply an element by the i-th variable's constant column, unless that is 1. */
static void multiply(source *from, const workspace *w, int i) {
    const program *p = w->program;
    const double *first = w->scalars + (long)(p->nfree + p->ninput) * LANES, *last = first + (long)p->nconstant * LANES;
    const double *column = w->factor[i];
    if (column && !(column >= first && column < last && *column == 1.0)) from->factors[from->count++] = column;
}

/* Which sum of a block each element of J^T r and J^T J comes from (the order is that of sums.h), and what it is multiplied by. */
static void find_sources(lane_state *s, const workspace *w) {
    const int extra = 1 + w->ones;
    int start[MAX_FREE + 1];
    for (int k = 0; k <= w->ncolumn; k++) start[k] = 1 + 2 * w->ones + k * extra + TRIANGLE(k);
    for (int i = 0; i < s->p; i++) {
        const int place = w->place[i];
        s->g_from[i].sum = place < 0 ? 1 : start[place];
        multiply(s->g_from + i, w, i);
        for (int j = 0; j <= i; j++) {
            source *from = s->H_from + ELEMENT(i, j);
            const int other = w->place[j], high = place > other ? place : other, low = place > other ? other : place;
            from->sum = high < 0 ? 2 : low < 0 ? start[high] + 1 : start[high] + extra + low;
            multiply(from, w, i);
            multiply(from, w, j);
        }
    }
}

lane_state *gslfit_lanes_new(workspace *w, int bounded) {
    lane_state *s = NULL;
    if (posix_memalign((void **)&s, 64, sizeof *s)) return NULL;
    memset(s, 0, offsetof(lane_state, done.ends));
    const int p = s->p = w->program->nfree, extra = 1 + w->ones;
    s->nsum = 1 + 2 * w->ones + w->ncolumn * extra + TRIANGLE(w->ncolumn);
    s->g_from = calloc(p + 1, sizeof(source));
    s->H_from = calloc(TRIANGLE(p) + 1, sizeof(source));
    lane_vector **const single[] = {&s->v, &s->dx, &s->g, &s->D, &s->u, &s->newton, &s->change, &s->way, &s->start,
                                    &s->done.v, &s->done.last, &s->done.start, &s->done.g, &s->done.D,
                                    &s->low, &s->high, &s->done.low, &s->done.high,
                                    &s->done.square_of, &s->done.scale, &s->done.held};
    lane_vector **const triangles[] = {&s->H, &s->L, &s->bend, &s->done.H, &s->done.L, &s->done.covariance};
    const size_t nsingle = sizeof single / sizeof *single, ntriangle = sizeof triangles / sizeof *triangles;
    s->sums = vectors(s->nsum + (nsingle + 1) * p + ntriangle * TRIANGLE(p));
    s->trial = (lane_vector *)w->scalars;
    if (!s->g_from || !s->H_from || !s->sums) {
        gslfit_lanes_free(s);
        return NULL;
    }
    lane_vector *next = s->sums + s->nsum;
    for (size_t k = 0; k < nsingle; k++, next += p) *single[k] = next;
    for (size_t k = 0; k < ntriangle; k++, next += TRIANGLE(p)) *triangles[k] = next;
    s->done.deviations = *next;
    if (!bounded) s->low = s->high = NULL;
    find_sources(s, w);
    return s;
}

void gslfit_lanes_loss(lane_state *s, workspace *w) {
    s->least = w->room->least;
    s->stage = w->room->stage;
}

int gslfit_lanes_second(lane_state *s, workspace *w) {
    static const lane_vector zeros;
    const int32_t *elements = w->program->second->elements;
    if (!(s->bend_from = calloc(TRIANGLE(s->p) + 1, sizeof *s->bend_from))) return -1;
    for (int k = 0; k < TRIANGLE(s->p); k++)
        s->bend_from[k] = elements[k] == GSLFIT_NOTHING ? zeros : w->scalars + (long)elements[k] * LANES;
    return 0;
}

/* The sum of r times each second derivative, from J^T r and the other sums. */
static void end_second(const lane_state *s, workspace *w) {
    double *own = w->scalars + (long)w->program->nscalar * LANES;
    for (int k = 0; k < s->p; k++, own += LANES) {
        const source *from = s->g_from + k;
        memcpy(own, s->sums[from->sum], sizeof(lane_vector));
        for (int m = 0; m < from->count; m++)
            for (int l = 0; l < LANES; l++) own[l] *= from->factors[m][l];
    }
    gslfit_workspace_end_second(w);
}

void gslfit_lanes_evaluate(worker *w) {
    lane_state *s = w->state;
    memset(s->sums, 0, s->nsum * sizeof(lane_vector));
    gslfit_workspace_start(w->space);
    s->found = s->asks;
    s->asked |= s->asks;
    s->asks = 0;
    if (s->found) {
        gslfit_workspace_second(w->space, w->x, w->y, w->weights, w->points, s->sums[0]);
        end_second(s, w->space);
    } else {
        gslfit_workspace_sums(w->space, w->x, w->y, w->weights, w->points, s->sums[0]);
    }
}

void gslfit_lanes_run(worker *w) {
    const gslfit_float_mode mode = gslfit_flush_subnormals();
    gslfit_current_isa()->fit(w);
    gslfit_float_mode_set(mode);
}
