#include "sandwich.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "lane_state.h"

enum { CURVED, SQUARED, KINDS_OF_SUMS };

struct sandwich {
    workspace *space;
    lane_state *state;      /* for where the elements of J^T J are among the sums */
    lane_vector *sums;      /* of each kind */
    long count;
    int p;
};

void gslfit_sandwich_free(sandwich *s) {
    if (!s) return;
    gslfit_lanes_free(s->state);
    gslfit_workspace_free(s->space);
    free(s->sums);
    free(s);
}

sandwich *gslfit_sandwich_new(const program *code, loss_kind loss) {
    sandwich *s = calloc(1, sizeof *s);
    if (!s) return NULL;
    s->p = code->nfree;
    s->space = gslfit_workspace_new(code);
    if (s->space && !gslfit_workspace_loss(s->space, loss)) s->state = gslfit_lanes_new(s->space, NULL, NULL);
    if (s->state && posix_memalign((void **)&s->sums, 64, (size_t)KINDS_OF_SUMS * s->state->nsum * sizeof(lane_vector))) s->sums = NULL;
    if (s->sums) return s;
    gslfit_sandwich_free(s);
    return NULL;
}

void gslfit_sandwich_begin(sandwich *s, const double *v, const double *inputs, double scale) {
    for (int l = 0; l < LANES; l++) gslfit_workspace_scale(s->space, l, scale);
    memset(s->sums, 0, (size_t)KINDS_OF_SUMS * s->state->nsum * sizeof(lane_vector));
    s->count = 0;
    gslfit_workspace_set(s->space, v, inputs);
}

/* `count` numbers, and as many more of the last as fill the register. */
static void fill(double *out, const double *from, long count, double otherwise) {
    for (long i = 0; i < count; i++) out[i] = from ? from[i] : otherwise;
    for (long i = count; i % LANES; i++) out[i] = out[count - 1];
}

void gslfit_sandwich_add(sandwich *s, const fit_points *points) {
    static const loss_rows kinds[KINDS_OF_SUMS] = {ROWS_CURVED, ROWS_SQUARED};
    _Alignas(64) double x[MAX_VARIABLES][BLOCK], y[BLOCK], weights[BLOCK];
    const double *block[MAX_VARIABLES];
    s->count += points->n;
    for (long first = 0; first < points->n; first += BLOCK) {
        const long count = points->n - first < BLOCK ? points->n - first : BLOCK, rows = (count + LANES - 1) / LANES;
        for (int j = 0; j < s->space->program->nx; j++) {
            fill(x[j], points->x[j] + first, count, 0);
            block[j] = x[j];
        }
        fill(y, points->y + first, count, 0);
        fill(weights, points->weights ? points->weights + first : NULL, count, 1);
        for (long i = count; i % LANES; i++) weights[i] = 0;
        gslfit_workspace_block(s->space, block, 0, rows, s->space->nbody);
        for (int k = 0; k < KINDS_OF_SUMS; k++) {
            s->space->rows = kinds[k];
            gslfit_workspace_sum_block(s->space, y, weights, rows, s->sums[k * s->state->nsum]);
        }
    }
}

static double total(const double *sum) { return ((sum[0] + sum[1]) + (sum[2] + sum[3])) + ((sum[4] + sum[5]) + (sum[6] + sum[7])); }

/* The elements of J^T J of the variables `which`, by one kind of weights, as a full matrix. */
static void matrix(const sandwich *s, int kind, const int *which, int count, double *out) {
    for (int i = 0; i < count; i++)
        for (int j = 0; j <= i; j++) {
            const source *from = s->state->H_from + ELEMENT(which[i], which[j]);
            double sum = total(s->sums[kind * s->state->nsum + from->sum]);
            for (int k = 0; k < from->count; k++) sum *= from->factors[k][0];
            out[i * count + j] = out[j * count + i] = sum;
        }
}

/* L L^T of a matrix, in place. Returns whether it is positive definite. */
static int factorise(double *A, int p) {
    for (int i = 0; i < p; i++)
        for (int j = 0; j <= i; j++) {
            double sum = A[i * p + j];
            for (int k = 0; k < j; k++) sum -= A[i * p + k] * A[j * p + k];
            if (i == j && !(sum > 1e-14)) return 0;
            A[i * p + j] = i == j ? sqrt(sum) : sum / A[j * p + j];
        }
    return 1;
}

/* Solve L L^T z = b in place. */
static void solve(const double *L, int p, double *b, long stride) {
    for (int i = 0; i < p; i++) {
        for (int k = 0; k < i; k++) b[i * stride] -= L[i * p + k] * b[k * stride];
        b[i * stride] /= L[i * p + i];
    }
    for (int i = p - 1; i >= 0; i--) {
        for (int k = i + 1; k < p; k++) b[i * stride] -= L[k * p + i] * b[k * stride];
        b[i * stride] /= L[i * p + i];
    }
}

void gslfit_sandwich_end(sandwich *s, const unsigned char *flags, double *deviations, double *correlations, double *square) {
    double A[MAX_FREE * MAX_FREE], B[MAX_FREE * MAX_FREE], scale[MAX_FREE];
    int which[MAX_FREE], count = 0;
    for (int k = 0; k < s->p; k++)
        if (!flags || !flags[k]) which[count++] = k;
    *square = total(s->sums[SQUARED * s->state->nsum]);
    for (int k = 0; k < s->p; k++) deviations[k] = NAN;
    for (int k = 0; k < TRIANGLE(s->p); k++) correlations[k] = NAN;
    matrix(s, CURVED, which, count, A);
    for (int k = 0; k < count; k++) scale[k] = A[k * count + k] > 0 ? 1 / sqrt(A[k * count + k]) : 0;
    matrix(s, SQUARED, which, count, B);
    for (int i = 0; i < count; i++)
        for (int j = 0; j < count; j++) {
            A[i * count + j] *= scale[i] * scale[j];
            B[i * count + j] *= scale[i] * scale[j];
        }
    if (!count || s->count <= s->p || !factorise(A, count)) return;
    for (int j = 0; j < count; j++) solve(A, count, B + j, count);
    for (int i = 0; i < count; i++) solve(A, count, B + i * count, 1);
    const double more = (double)s->count / (double)(s->count - s->p);
    for (int i = 0; i < count; i++) deviations[which[i]] = sqrt(B[i * count + i] * more) * scale[i];
    for (int i = 0; i < count; i++)
        for (int j = 0; j <= i; j++)
            correlations[ELEMENT(which[i], which[j])] = B[i * count + j] / sqrt(B[i * count + i] * B[j * count + j]);
}
