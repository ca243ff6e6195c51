#include "lane_state.h"

#include <stdlib.h>
#include <string.h>

static row *rows(size_t count) {
    void *memory = NULL;
    if (posix_memalign(&memory, 64, (count + 1) * sizeof(row))) return NULL;
    return memset(memory, 0, (count + 1) * sizeof(row));
}

void lanes_free(lane_state *s) {
    if (!s) return;
    row *owned[] = {s->sums, s->v, s->dx, s->g, s->H, s->D, s->L, s->done.H, s->done.g, s->done.covariance, s->done.L};
    for (size_t k = 0; k < sizeof owned / sizeof *owned; k++) free(owned[k]);
    free(s->g_from);
    free(s->H_from);
    free(s);
}

/* Which sum of a block each element of J^T r and J^T J comes from (the order is that of sums.h), and the constant columns in it. */
static void find_sources(lane_state *s, const workspace *w) {
    const int extra = 1 + w->ones;
    int place[MAX_FREE], start[MAX_FREE + 1];
    for (int k = 0; k <= w->ncolumn; k++) start[k] = 1 + 2 * w->ones + k * extra + TRIANGLE(k);
    s->nsum = start[w->ncolumn];
    for (int i = 0; i < s->p; i++) {
        place[i] = w->place[i];
        s->g_from[i] = (source){place[i] < 0 ? 1 : start[place[i]], w->factor[i], NULL};
        for (int j = 0; j <= i; j++) {
            source *from = s->H_from + ELEMENT(i, j);
            const int high = place[i] > place[j] ? place[i] : place[j], low = place[i] > place[j] ? place[j] : place[i];
            from->first = w->factor[i];
            from->second = w->factor[j];
            from->sum = high < 0 ? 2 : low < 0 ? start[high] + 1 : start[high] + extra + low;
        }
    }
}

/* Constant columns that are 1 need no multiplying. */
static void drop_ones(source *from, int count, const workspace *w) {
    const program *p = w->program;
    const double *first = w->scalars + (long)(p->nfree + p->ninput) * LANES, *last = first + (long)p->nconstant * LANES;
    for (int k = 0; k < count; k++) {
        const double **factors[2] = {&from[k].first, &from[k].second};
        for (int j = 0; j < 2; j++)
            if (*factors[j] >= first && *factors[j] < last && **factors[j] == 1.0) *factors[j] = NULL;
    }
}

lane_state *lanes_new(workspace *w) {
    lane_state *s = NULL;
    if (posix_memalign((void **)&s, 64, sizeof *s)) return NULL;
    memset(s, 0, sizeof *s);
    const int p = s->p = w->program->nfree;
    s->g_from = calloc(p + 1, sizeof(source));
    s->H_from = calloc(TRIANGLE(p) + 1, sizeof(source));
    if (s->g_from && s->H_from) {
        find_sources(s, w);
        drop_ones(s->g_from, p, w);
        drop_ones(s->H_from, TRIANGLE(p), w);
    }
    s->sums = rows(s->nsum);
    s->v = rows(p); s->dx = rows(p); s->g = rows(p); s->D = rows(p);
    s->H = rows(TRIANGLE(p)); s->L = rows(TRIANGLE(p));
    s->done.H = rows(TRIANGLE(p)); s->done.g = rows(p); s->done.L = rows(TRIANGLE(p)); s->done.covariance = rows(TRIANGLE(p));
    s->trial = (row *)w->scalars;
    if (!s->g_from || !s->H_from || !s->sums || !s->v || !s->dx || !s->g || !s->D || !s->H || !s->L
        || !s->done.H || !s->done.g || !s->done.L || !s->done.covariance) {
        lanes_free(s);
        return NULL;
    }
    return s;
}

void lanes_evaluate(worker *w) {
    lane_state *s = w->state;
    memset(s->sums, 0, s->nsum * sizeof(row));
    workspace_start(w->space);
    workspace_sums(w->space, w->x, w->y, w->weights, w->points, s->sums[0]);
}

void lanes_run(worker *w) { current_isa()->fit(w); }
