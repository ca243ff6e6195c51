#include "sandwich.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "lane_state.h"

static const double DEFINITE = 1e-14;  /* a pivot of a diagonal of ones: less is rounding */

struct sandwich {
    workspace *space;
    lane_state *state;      /* for where the elements of J^T J are among the sums */
    lane_vector *curved, *squared;  /* the sums: by the cost's curvature, and by its slope's square */
    size_t bytes;                   /* of both, one after the other */
    long count;
    int p;
};

void gslfit_sandwich_free(sandwich *s) {
    if (!s) return;
    gslfit_lanes_free(s->state);
    gslfit_workspace_free(s->space);
    free(s->curved);
    free(s);
}

sandwich *gslfit_sandwich_new(const program *code, loss_kind loss) {
    sandwich *s = calloc(1, sizeof *s);
    if (!s) return NULL;
    s->p = code->nfree;
    s->space = gslfit_workspace_new(code);
    if (s->space && !gslfit_workspace_loss(s->space, loss)) s->state = gslfit_lanes_new(s->space, 0);
    if (s->state) {
        s->bytes = 2 * (size_t)s->state->nsum * sizeof(lane_vector);
        if (posix_memalign((void **)&s->curved, 64, s->bytes)) s->curved = NULL;
        s->squared = s->curved + s->state->nsum;
    }
    if (s->curved) return s;
    gslfit_sandwich_free(s);
    return NULL;
}

void gslfit_sandwich_begin(sandwich *s, const double *v, const double *inputs, double scale) {
    for (int l = 0; l < LANES; l++) gslfit_workspace_scale(s->space, l, scale);
    memset(s->curved, 0, s->bytes);
    s->count = 0;
    gslfit_workspace_set(s->space, v, inputs);
}

/* `count` numbers, and as many more of the last as fill the register. */
static void fill(double *out, const double *from, long count, double otherwise) {
    for (long i = 0; i < count; i++) out[i] = from ? from[i] : otherwise;
    for (long i = count; i % LANES; i++) out[i] = out[count - 1];
}

void gslfit_sandwich_add(sandwich *s, const fit_points *points) {
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
        gslfit_workspace_errors_block(s->space, y, weights, rows, s->curved[0], s->squared[0]);
    }
}

static double total(const double *sum) { return ((sum[0] + sum[1]) + (sum[2] + sum[3])) + ((sum[4] + sum[5]) + (sum[6] + sum[7])); }

/* An element of J^T J, weighted by what the sums are of. */
static double element(const sandwich *s, const lane_vector *sums, int k) {
    const source *from = s->state->H_from + k;
    double sum = total(sums[from->sum]);
    for (int i = 0; i < from->count; i++) sum *= from->factors[i][0];
    return sum;
}

/* Both matrices, A scaled to a diagonal of ones, and what scales it. What has a flag is by itself: row and column are those of the identity
 * in A, and 0 in B. */
static inline __attribute__((always_inline)) void matrices(const sandwich *s, const unsigned char *flags, const int p, double *A, double *B,
                                                           double *scale) {
#pragma GCC unroll 8
    for (int i = 0; i < p; i++) {
#pragma GCC unroll 8
        for (int j = 0; j <= i; j++) A[i * p + j] = element(s, s->curved, ELEMENT(i, j));
        scale[i] = A[i * p + i] > 0 && !(flags && flags[i]) ? 1 / sqrt(A[i * p + i]) : 0;
#pragma GCC unroll 8
        for (int j = 0; j <= i; j++) {
            const double both = scale[i] * scale[j];
            A[i * p + j] *= both;
            B[i * p + j] = B[j * p + i] = both * element(s, s->squared, ELEMENT(i, j));
        }
        if (scale[i] == 0) A[i * p + i] = flags && flags[i];
    }
}

/* A^-1 B A^-1 into B, by A = L D L^T; A becomes the inverse of L, T is room for a matrix. Returns whether A is positive definite. */
static inline __attribute__((always_inline)) int enclose(const int p, double *A, double *B, double *T, double *inverse) {
#pragma GCC unroll 8
    for (int i = 0; i < p; i++) {
        double u[MAX_FREE], pivot = A[i * p + i];
#pragma GCC unroll 8
        for (int j = 0; j < i; j++) {
            u[j] = A[i * p + j];
#pragma GCC unroll 8
            for (int k = 0; k < j; k++) u[j] -= u[k] * A[j * p + k];
            A[i * p + j] = u[j] * inverse[j];
            pivot -= u[j] * A[i * p + j];
        }
        if (!(pivot > DEFINITE)) return 0;
        inverse[i] = 1 / pivot;
    }
#pragma GCC unroll 8
    for (int i = 0; i < p; i++)
#pragma GCC unroll 8
        for (int j = 0; j < i; j++) {
            double t = A[i * p + j];
#pragma GCC unroll 8
            for (int k = j + 1; k < i; k++) t += A[i * p + k] * A[k * p + j];
            A[i * p + j] = -t;
        }
#pragma GCC unroll 8
    for (int i = 0; i < p; i++)  /* T = L^-1 B */
#pragma GCC unroll 8
        for (int j = 0; j < p; j++) {
            double t = B[i * p + j];
#pragma GCC unroll 8
            for (int k = 0; k < i; k++) t += A[i * p + k] * B[k * p + j];
            T[i * p + j] = t;
        }
#pragma GCC unroll 8
    for (int i = 0; i < p; i++)  /* B = D^-1 T L^-T D^-1 */
#pragma GCC unroll 8
        for (int j = 0; j <= i; j++) {
            double t = T[i * p + j];
#pragma GCC unroll 8
            for (int k = 0; k < j; k++) t += T[i * p + k] * A[j * p + k];
            B[i * p + j] = B[j * p + i] = t * inverse[i] * inverse[j];
        }
#pragma GCC unroll 8
    for (int i = 0; i < p; i++)  /* T = L^-T B */
#pragma GCC unroll 8
        for (int j = 0; j < p; j++) {
            double t = B[i * p + j];
#pragma GCC unroll 8
            for (int k = i + 1; k < p; k++) t += A[k * p + i] * B[k * p + j];
            T[i * p + j] = t;
        }
#pragma GCC unroll 8
    for (int i = 0; i < p; i++)  /* B = T L^-1 */
#pragma GCC unroll 8
        for (int j = 0; j <= i; j++) {
            double t = T[i * p + j];
#pragma GCC unroll 8
            for (int k = j + 1; k < p; k++) t += T[i * p + k] * A[k * p + j];
            B[i * p + j] = t;
        }
    return 1;
}

static inline __attribute__((always_inline)) void conclude(const sandwich *s, const unsigned char *flags, const int p, double *deviations,
                                                           double *correlations) {
    double A[p * p + 1], B[p * p + 1], T[p * p + 1], scale[p + 1], inverse[p + 1], root[p + 1];
    const double more = (double)s->count / (double)(s->count - p);
    matrices(s, flags, p, A, B, scale);
    const int sound = s->count > p && enclose(p, A, B, T, inverse);
#pragma GCC unroll 8
    for (int i = 0; i < p; i++) {
        const int known = sound && scale[i] > 0;
        const double variance = B[i * p + i];
        root[i] = known ? 1 / sqrt(variance) : NAN;
        deviations[i] = known ? sqrt(variance * more) * scale[i] : NAN;
#pragma GCC unroll 8
        for (int j = 0; j <= i; j++) correlations[ELEMENT(i, j)] = B[i * p + j] * root[i] * root[j];
    }
}

/* Compiled for each number of variables that is often met. */
#define CONCLUDE(p)                                                                                                       \
    static void conclude_##p(const sandwich *s, const unsigned char *flags, double *deviations, double *correlations) { \
        conclude(s, flags, p, deviations, correlations);                                                                  \
    }
CONCLUDE(1) CONCLUDE(2) CONCLUDE(3) CONCLUDE(4) CONCLUDE(5) CONCLUDE(6)

static void conclude_any(const sandwich *s, const unsigned char *flags, double *deviations, double *correlations) {
    conclude(s, flags, s->p, deviations, correlations);
}

void gslfit_sandwich_end(sandwich *s, const unsigned char *flags, double *deviations, double *correlations, double *square) {
    static void (*const small[])(const sandwich *, const unsigned char *, double *, double *) = {
        conclude_any, conclude_1, conclude_2, conclude_3, conclude_4, conclude_5, conclude_6};
    *square = total(s->curved[0]);
    (s->p <= 6 ? small[s->p] : conclude_any)(s, flags, deviations, correlations);
}
