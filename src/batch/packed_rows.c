#include "packed_rows.h"
#include "lanes/lane_state.h"
#include "program/folding.h"
#include "common/subnormals.h"

#include <stdlib.h>
#include <string.h>

typedef struct {
    workspace *space;
    lane_state *state;     /* for where the elements of J^T r and J^T J are among the sums */
    lane_vector *squared;  /* the sums by the slopes' square; NULL where none are wanted */
} summing;

static void end(summing *s) {
    gslfit_lanes_free(s->state);
    gslfit_workspace_free(s->space);
    free(s->squared);
}

static int begin(summing *s, const packed_rows *rows, const packed_sums *to) {
    void *memory = NULL;
    s->state = NULL;
    s->squared = NULL;
    s->space = gslfit_workspace_new(rows->program);
    if (s->space && !gslfit_workspace_loss(s->space, rows->loss)) s->state = gslfit_lanes_new(s->space, 0);
    if (s->state && to->squared && !posix_memalign(&memory, 64, s->state->nsum * sizeof(lane_vector))) s->squared = memory;
    if (s->state && (s->squared || !to->squared)) return 0;
    end(s);
    return -1;
}

/* Copy one number of each lane from rows of numbers, the lanes' side by side. */
static void put_lanes(double *scalars, const double *from, int count, long rows) {
    for (int k = 0; k < count; k++) memcpy(scalars + (long)k * LANES, from + k * rows, LANES * sizeof(double));
}

static void write_elements(const source *from, int count, const lane_vector *sums, double *to, long rows) {
    for (int k = 0; k < count; k++) {
        double *row = to + k * rows;
        const double *sum = sums[from[k].sum];
        for (int l = 0; l < LANES; l++) {
            double value = sum[l];
            for (int i = 0; i < from[k].count; i++) value *= from[k].factors[i][l];
            row[l] = value;
        }
    }
}

static void sum_block_of_rows(summing *s, const packed_rows *rows, const packed_sums *to, long block) {
    const program *p = rows->program;
    const long at = block * LANES, size = rows->points * LANES;
    const double *x[MAX_VARIABLES], *weights = rows->weights ? rows->weights + block * size : NULL;
    for (int j = 0; j < p->nx; j++) x[j] = rows->x[j] + (rows->own[j] ? block * size : 0);
    put_lanes(s->space->scalars, to->v + at, p->nfree, rows->rows);
    put_lanes(s->space->scalars + (long)p->nfree * LANES, to->inputs + at, p->ninput, rows->rows);
    for (int l = 0; rows->loss && l < LANES; l++) {
        if (rows->scale) gslfit_workspace_scale(s->space, l, rows->scale[at + l]);
        s->space->room->least[l] = rows->least;
    }
    const measured_response *r = p->response;
    if (rows->response)
        memcpy(s->space->folding->numbers, rows->response + block * r->count * LANES, r->count * LANES * sizeof(double));
    memset(s->state->sums, 0, s->state->nsum * sizeof(lane_vector));
    gslfit_workspace_start(s->space);
    if (s->squared) {
        memset(s->squared, 0, s->state->nsum * sizeof(lane_vector));
        gslfit_workspace_errors(s->space, x, rows->y + block * size, weights, rows->points, s->state->sums[0], s->squared[0]);
        write_elements(s->state->H_from, TRIANGLE(p->nfree), s->squared, to->squared + at, rows->rows);
    } else {
        gslfit_workspace_sums(s->space, x, rows->y + block * size, weights, rows->points, s->state->sums[0]);
        write_elements(s->state->g_from, p->nfree, s->state->sums, to->g + at, rows->rows);
    }
    write_elements(s->state->H_from, TRIANGLE(p->nfree), s->state->sums, to->H + at, rows->rows);
    memcpy(to->cost + at, s->state->sums[0], LANES * sizeof(double));
}

int gslfit_packed_sums(const packed_rows *rows, const packed_sums *to, long first, long last) {
    summing s;
    if (begin(&s, rows, to)) return -1;
    const gslfit_float_mode mode = gslfit_flush_subnormals();
    for (long block = first; block < last; block++) sum_block_of_rows(&s, rows, to, block);
    gslfit_float_mode_set(mode);
    end(&s);
    return 0;
}
