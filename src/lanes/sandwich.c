#include "sandwich_state.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

void gslfit_sandwich_free(sandwich *s) {
    if (!s) return;
    gslfit_lanes_free(s->state);
    gslfit_workspace_free(s->space);
    free(s->curved);  /* with all the rest behind it */
    free(s);
}

/* One block of memory, which begins with the sums. */
static int make_room(sandwich *s) {
    const size_t nsum = s->state->nsum, p = s->p, square = p * p, count = 2 * nsum + 3 * square + 4 * p + TRIANGLE(p) + 1;
    if (posix_memalign((void **)&s->curved, 64, count * sizeof(lane_vector))) s->curved = NULL;
    if (!s->curved) return -1;
    lane_vector *next = memset(s->curved, 0, count * sizeof(lane_vector));
    s->squared = next += nsum;
    s->A = next += nsum;
    s->B = next += square;
    s->room = next += square;
    s->flagged = next += square;
    s->scale = next += p;
    s->inverse = next += p;
    s->deviations = next += p;
    s->correlations = next += p;
    s->more = next + TRIANGLE(p);
    return 0;
}

sandwich *gslfit_sandwich_new(const program *code, loss_kind loss) {
    sandwich *s = calloc(1, sizeof *s);
    if (!s) return NULL;
    s->p = code->nfree;
    s->space = gslfit_workspace_new(code);
    if (s->space && !gslfit_workspace_loss(s->space, loss)) s->state = gslfit_lanes_new(s->space, 0);
    if (s->state && !make_room(s)) return s;
    gslfit_sandwich_free(s);
    return NULL;
}

workspace *gslfit_sandwich_space(sandwich *s) { return s->space; }

void gslfit_sandwich_take(sandwich *s, int lane, const double *v, const double *inputs, const unsigned char *flags, double count,
                          double pull) {
    int exponent = 0;
    double *scalars = s->space->scalars + lane;
    for (int k = 0; k < s->p; k++) scalars[k * LANES] = v[k];
    for (int k = 0; k < s->space->program->ninput; k++) scalars[(s->p + k) * LANES] = inputs[k];
    for (int k = 0; k < s->p; k++) s->flagged[k][lane] = flags[k] != 0;
    (*s->more)[lane] = count > s->p ? count / (count - s->p) : NAN;
    if (pull > 0 && isfinite(pull)) frexp(pull, &exponent);
    s->space->room->pull[lane] = ldexp(1, exponent);  /* a power of two changes no digit */
}

void gslfit_sandwich_repeat(sandwich *s, int lane) {
    double *scalars = s->space->scalars;
    for (int k = 0; k < s->p + s->space->program->ninput; k++) scalars[k * LANES + lane] = scalars[k * LANES];
    for (int k = 0; k < s->p; k++) s->flagged[k][lane] = s->flagged[k][0];
    s->space->room->scale[lane] = s->space->room->scale[0];
    s->space->room->pull[lane] = s->space->room->pull[0];
    (*s->more)[lane] = (*s->more)[0];
}

void gslfit_sandwich_begin(sandwich *s) {
    memset(s->curved, 0, 2 * (size_t)s->state->nsum * sizeof(lane_vector));
    gslfit_workspace_start(s->space);
}

void gslfit_sandwich_sum(sandwich *s, const double *const *x, const double *y, const double *weights, long points) {
    gslfit_sandwich_begin(s);
    gslfit_workspace_errors(s->space, x, y, weights, points, s->curved[0], s->squared[0]);
}

/* `count` numbers, and as many more of the last as fill the register. */
static void fill(double *out, const double *from, long count, double otherwise) {
    for (long i = 0; i < count; i++) out[i] = from ? from[i] : otherwise;
    for (long i = count; i % LANES; i++) out[i] = out[count - 1];
}

void gslfit_sandwich_add(sandwich *s, const fit_points *points) {
    _Alignas(64) double x[MAX_VARIABLES][BLOCK], y[BLOCK], weights[BLOCK];
    const double *block[MAX_VARIABLES];
    for (long first = 0; first < points->n; first += BLOCK) {
        const long count = points->n - first < BLOCK ? points->n - first : BLOCK, rows = (count + LANES - 1) / LANES;
        for (int j = 0; j < s->space->program->nx; j++) {
            fill(x[j], points->x[j] + first, count, 0);
            block[j] = x[j];
        }
        fill(y, points->y + first, count, 0);
        fill(weights, points->weights ? points->weights + first : NULL, count, 1);
        for (long i = count; i % LANES; i++) weights[i] = 0;
        gslfit_workspace_errors(s->space, block, y, weights, rows, s->curved[0], s->squared[0]);
    }
}

void gslfit_sandwich_total(sandwich *s) {
    for (int k = 0; k < 2 * s->state->nsum; k++) {
        double *sum = s->curved[k];
        const double total = ((sum[0] + sum[1]) + (sum[2] + sum[3])) + ((sum[4] + sum[5]) + (sum[6] + sum[7]));
        for (int l = 0; l < LANES; l++) sum[l] = total;
    }
}

void gslfit_sandwich_end(sandwich *s) { gslfit_current_isa()->enclose(s); }

double gslfit_sandwich_read(const sandwich *s, int lane, double *deviations, double *correlations) {
    for (int k = 0; k < s->p; k++) deviations[k] = s->deviations[k][lane] * s->space->room->pull[lane];
    for (int k = 0; k < TRIANGLE(s->p); k++) correlations[k] = s->correlations[k][lane];
    return s->curved[0][lane];
}
