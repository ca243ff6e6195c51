#include "row_sums.h"

#include "program/folding.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { WHOLE = 4096 };  /* points up to which a row is spread over the lanes once; of more a block at a time, at each evaluation */

static double *part(double **memory, long count) {
    double *start = *memory;
    *memory += (count + 7) / 8 * 8;
    return start;
}

void gslfit_row_sums_free(row_sums *t) {
    gslfit_lanes_free(t->state);
    gslfit_workspace_free(t->space);
    free(t->memory);
}

int gslfit_row_sums_new(row_sums *t, const program *code, const row_source *source, const strided_array *inputs) {
    const long grid = code->response ? code->response->n : 0, n = source->points > grid ? source->points : grid;
    const long wide = (n < WHOLE || grid ? n : POINTS) * LANES;
    memset(t, 0, sizeof *t);
    t->whole = n < WHOLE || grid;
    t->weighted = has_weights(source) || (grid && source->points != grid);
    t->program = code, t->source = source, t->inputs = inputs;
    t->space = gslfit_workspace_new(code);
    if (!t->space || gslfit_workspace_loss(t->space, source->loss)) return -1;
    if (!(t->state = gslfit_lanes_new(t->space, 0))) return -1;
    const size_t size = (size_t)(code->nx + 2) * (n + 8 + wide + 8) + n + 8;
    if (posix_memalign((void **)&t->memory, 64, size * sizeof(double))) {
        t->memory = NULL;
        return -1;
    }
    double *memory = t->memory;
    t->wide_y = part(&memory, wide);
    t->wide_weights = part(&memory, wide);
    for (int j = 0; j < code->nx; j++) t->wide_x[j] = part(&memory, wide);
    t->y = part(&memory, n);
    t->weights = part(&memory, n);
    t->room = part(&memory, n);
    for (int j = 0; j < code->nx; j++) t->x[j] = part(&memory, n);
    return 0;
}

static void spread(double *out, const double *from, long n) {
    for (long i = 0; i < n; i++)
        for (int l = 0; l < LANES; l++) out[i * LANES + l] = from[i];
}

static void spread_all(row_sums *t, long first, long count) {
    spread(t->wide_y, t->y + first, count);
    if (t->weighted) spread(t->wide_weights, t->weights + first, count);
    for (int j = 0; j < t->program->nx; j++) spread(t->wide_x[j], t->x[j] + first, count);
}

/* Put the points that take part back where they are on the grid of a response, among others of weight 0. */
static void put_back(row_sums *t) {
    const measured_response *r = t->program->response;
    long i = t->points - 1;
    for (long k = r->n - 1; k >= 0; k--) {
        const int here = i >= 0 && gslfit_response_index(r, t->x[0][i]) == k;
        t->y[k] = here ? t->y[i] : 0;
        t->weights[k] = here ? t->weights[i] : 0;
        i -= here;
    }
    memcpy(t->x[0], r->x, r->n * sizeof(double));
}

int gslfit_row_sums_load(row_sums *t, long id) {
    const program *code = t->program;
    double sum = 0;
    t->points = gslfit_source_gather(t->source, id, t->x, t->y, t->weights, t->room);
    t->square = 0;
    for (long i = 0; i < t->points; i++) {
        const double weight = has_weights(t->source) ? t->weights[i] : 1, data = t->y[i] * weight;
        sum += data * 0.0 + weight * 0.0;
        for (int j = 0; j < code->nx; j++) sum += t->x[j][i] * 0.0;
        t->square += t->source->loss == LOSS_POISSON ? data : data * data;
    }
    for (int k = 0; k < code->ninput; k++) {
        double value, *lanes = t->space->scalars + (long)(code->nfree + k) * LANES;
        gslfit_strided_read(t->inputs + k, gslfit_strided_row(t->inputs + k, id), 0, 1, &value, 1);
        for (int l = 0; l < LANES; l++) lanes[l] = value;
    }
    if (code->response && t->weighted) put_back(t);
    if (gslfit_own_responses(code)) gslfit_workspace_respond(t->space, -1, &t->source->response, id);
    t->rows = code->response ? code->response->n : t->points;
    if (t->whole) spread_all(t, 0, t->rows);
    return sum == 0 && t->points > 0;
}

void gslfit_row_sums_set(row_sums *t, int lane, const double *v) {
    for (int k = 0; k < t->program->nfree; k++) t->state->trial[k][lane] = v[k];
}

static double element(const lane_state *s, const source *from, int l) {
    double sum = s->sums[from->sum][l];
    for (int k = 0; k < from->count; k++) sum *= from->factors[k][l];
    return sum;
}

void gslfit_row_sums_evaluate(row_sums *t) {
    lane_state *s = t->state;
    const double *const *x = (const double *const *)t->wide_x;
    const double *weights = t->weighted ? t->wide_weights : NULL;
    memset(s->sums, 0, s->nsum * sizeof(lane_vector));
    gslfit_workspace_start(t->space);
    if (t->whole) gslfit_workspace_sums(t->space, x, t->wide_y, weights, t->rows, s->sums[0]);
    else
        for (long first = 0; first < t->points; first += POINTS) {
            const long count = t->points - first < POINTS ? t->points - first : POINTS;
            spread_all(t, first, count);
            gslfit_workspace_block(t->space, x, 0, count, t->space->nbody);
            gslfit_workspace_sum_block(t->space, t->wide_y, weights, count, s->sums[0]);
        }
    for (int l = 0; l < LANES; l++) {
        t->chisqr[l] = s->sums[0][l];
        for (int k = 0; k < s->p; k++) t->g[l][k] = element(s, s->g_from + k, l);
        for (int k = 0; k < TRIANGLE(s->p); k++) t->H[l][k] = element(s, s->H_from + k, l);
    }
}

int gslfit_row_sums_finite(const row_sums *t, int l) {
    const int p = t->program->nfree;
    double sum = t->chisqr[l] * 0.0;
    for (int k = 0; k < p; k++) sum += t->g[l][k] * 0.0;
    for (int k = 0; k < TRIANGLE(p); k++) sum += t->H[l][k] * 0.0;
    return sum == 0;
}
