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
    row *owned[] = {s->sums, s->v, s->dx, s->g, s->H, s->D, s->L, s->done.H, s->done.g, s->done.covariance, s->done.L, s->slope, s->done.v,
                    s->done.before, s->boxes ? s->trial : NULL};
    for (size_t k = 0; k < sizeof owned / sizeof *owned; k++) free(owned[k]);
    free(s->boxes);
    free(s->done.boxes);
    free(s->g_from);
    free(s->H_from);
    free(s);
}

lane_box *boxes_new(int p, const int *bounds) {
    lane_box *boxes = NULL;
    if (posix_memalign((void **)&boxes, 64, (p + 1) * sizeof *boxes)) return NULL;
    memset(boxes, 0, (p + 1) * sizeof *boxes);
    for (int k = 0; k < p; k++) boxes[k].bounds = bounds[k];
    return boxes;
}

void boxes_outer(const lane_box *boxes, int p, double *v, double *slopes) {
    row in, value, slope;
    for (int k = 0; k < p; k++) {
        slopes[k] = 1;
        if (!boxes[k].bounds) continue;
        for (int l = 0; l < LANES; l++) in[l] = v[k];
        current_isa()->outer(boxes + k, in, value, slope);
        v[k] = value[0];
        slopes[k] = slope[0];
    }
}

/* Multiply an element by the i-th variable's constant column, unless that is 1, and by its slope. */
static void multiply(source *from, const lane_state *s, const workspace *w, int i) {
    const program *p = w->program;
    const double *first = w->scalars + (long)(p->nfree + p->ninput) * LANES, *last = first + (long)p->nconstant * LANES;
    const double *column = w->factor[i];
    if (column && !(column >= first && column < last && *column == 1.0)) from->factors[from->count++] = column;
    if (s->boxes && s->boxes[i].bounds) from->factors[from->count++] = s->slope[i];
}

/* Which sum of a block each element of J^T r and J^T J comes from (the order is that of sums.h), and what it is multiplied by. */
static void find_sources(lane_state *s, const workspace *w) {
    const int extra = 1 + w->ones;
    int start[MAX_FREE + 1];
    for (int k = 0; k <= w->ncolumn; k++) start[k] = 1 + 2 * w->ones + k * extra + TRIANGLE(k);
    for (int i = 0; i < s->p; i++) {
        const int place = w->place[i];
        s->g_from[i].sum = place < 0 ? 1 : start[place];
        multiply(s->g_from + i, s, w, i);
        for (int j = 0; j <= i; j++) {
            source *from = s->H_from + ELEMENT(i, j);
            const int other = w->place[j], high = place > other ? place : other, low = place > other ? other : place;
            from->sum = high < 0 ? 2 : low < 0 ? start[high] + 1 : start[high] + extra + low;
            multiply(from, s, w, i);
            multiply(from, s, w, j);
        }
    }
}

static int bounds_new(lane_state *s, const int *bounds) {
    if (!bounds) return 0;
    s->boxes = boxes_new(s->p, bounds);
    s->done.boxes = boxes_new(s->p, bounds);
    s->trial = s->boxes ? rows(s->p) : NULL;
    s->slope = rows(s->p);
    s->done.before = rows(s->p);
    return !s->boxes || !s->done.boxes || !s->trial || !s->slope || !s->done.before;
}

lane_state *lanes_new(workspace *w, const int *bounds) {
    lane_state *s = NULL;
    if (posix_memalign((void **)&s, 64, sizeof *s)) return NULL;
    memset(s, 0, sizeof *s);
    const int p = s->p = w->program->nfree, extra = 1 + w->ones;
    s->nsum = 1 + 2 * w->ones + w->ncolumn * extra + TRIANGLE(w->ncolumn);
    s->g_from = calloc(p + 1, sizeof(source));
    s->H_from = calloc(TRIANGLE(p) + 1, sizeof(source));
    s->sums = rows(s->nsum);
    s->v = rows(p); s->dx = rows(p); s->g = rows(p); s->D = rows(p);
    s->H = rows(TRIANGLE(p)); s->L = rows(TRIANGLE(p));
    s->done.v = rows(p); s->done.g = rows(p);
    s->done.H = rows(TRIANGLE(p)); s->done.L = rows(TRIANGLE(p)); s->done.covariance = rows(TRIANGLE(p));
    s->trial = (row *)w->scalars;
    if (bounds_new(s, bounds) || !s->g_from || !s->H_from || !s->sums || !s->v || !s->dx || !s->g || !s->D || !s->H || !s->L
        || !s->done.v || !s->done.H || !s->done.g || !s->done.L || !s->done.covariance) {
        lanes_free(s);
        return NULL;
    }
    find_sources(s, w);
    return s;
}

void lanes_evaluate(worker *w) {
    lane_state *s = w->state;
    memset(s->sums, 0, s->nsum * sizeof(row));
    workspace_start(w->space);
    workspace_sums(w->space, w->x, w->y, w->weights, w->points, s->sums[0]);
}

void lanes_run(worker *w) { current_isa()->fit(w); }
