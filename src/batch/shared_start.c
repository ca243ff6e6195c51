#include "shared_start.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "common/subnormals.h"
#include "worker.h"

struct shared_start {
    const batch *batch;
    double given[MAX_FREE], inputs[MAX_INPUTS];
    double *value, *J;  /* at the points, and column by column */
};

void gslfit_shared_start_free(shared_start *s) {
    if (!s) return;
    free(s->value);
    free(s);
}

shared_start *gslfit_shared_start_new(const batch *b) {
    const int p = b->program->nfree, nx = b->program->nx;
    const long n = b->source.points;
    double start[MAX_FREE], *x[MAX_VARIABLES];
    shared_start *s = calloc(1, sizeof *s);
    workspace *space = gslfit_workspace_new(b->program);
    double *memory = malloc((size_t)n * (p + 1 + nx) * sizeof *memory + 1);
    if (!s || !space || !memory) {
        gslfit_workspace_free(space);
        free(memory);
        free(s);
        return NULL;
    }
    s->batch = b;
    s->value = memory;
    s->J = memory + n;
    for (int j = 0; j < nx; j++) {
        x[j] = memory + (p + 1 + j) * n;
        gslfit_strided_read(b->source.x + j, gslfit_strided_row(b->source.x + j, 0), 0, n, x[j], 1);
    }
    gslfit_transform_start(b->transform, 0, s->given, start);
    gslfit_batch_inputs(b, 0, s->inputs);
    const gslfit_float_mode mode = gslfit_keep_subnormals();
    gslfit_workspace_evaluate(space, s->given, s->inputs, (const double *const *)x, n, s->value, s->J, 1, n);
    gslfit_float_mode_set(mode);
    gslfit_workspace_free(space);
    return s;
}

/* The length of what the numbers differ by from others (NULL for zeros), times the weights (NULL for 1), in eight parts that don't wait for
 * each other. */
static inline double length_of(const double *numbers, const double *others, const double *weights, long n) {
    double s[8] = {0};
    long i = 0;
#define CHANGE(i) ((numbers[i] - (others ? others[i] : 0)) * (weights ? weights[i] : 1))
    for (; i + 8 <= n; i += 8)
        for (int k = 0; k < 8; k++) s[k] += CHANGE(i + k) * CHANGE(i + k);
    for (; i < n; i++) s[0] += CHANGE(i) * CHANGE(i);
#undef CHANGE
    return sqrt(((s[0] + s[1]) + (s[2] + s[3])) + ((s[4] + s[5]) + (s[6] + s[7])));
}

int gslfit_shared_start_serves(const shared_start *s, const double *given, const double *inputs, const double *start, const double *y,
                               const double *weights) {
    const program *f = s->batch->program;
    const long n = s->batch->source.points;
    if (memcmp(given, s->given, f->nfree * sizeof *given) || memcmp(inputs, s->inputs, f->ninput * sizeof *inputs)) return 0;
    const double length = weights ? length_of(y, s->value, weights, n) : length_of(y, s->value, NULL, n);
    if (!(length > 0 && length < INFINITY)) return 0;
    for (int k = 0; k < f->nfree; k++) {
        if (start[k] == given[k]) continue;
        const double norm = weights ? length_of(s->J + k * n, NULL, weights, n) : length_of(s->J + k * n, NULL, NULL, n);
        if (!(norm > 0 && norm < INFINITY)) return 0;
        if (gslfit_transform_step_inside(s->batch->transform, given[k], start[k], length, norm) != 0) return 0;
    }
    return 1;
}
