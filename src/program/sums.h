/* The sums over a block that a least-squares step needs: chi-square, J^T r and J^T J, lane by lane, J never stored.
 *
 * The columns are those that vary from point to point; constant ones (derivatives by an offset, say) share one column of ones, or of
 * weights, and are multiplied out at the end (find_sources in lanes.c). Order of the sums, each of LANES values: r.r; r.1; 1.1 (when
 * `ones`); then for each column j: r.J[j], 1.J[j] (when `ones`), J[0].J[j], ..., J[j].J[j].
 *
 * Up to SMALL columns every sum stays in a register of the machine all through a block: a function for each number of columns. More
 * columns are taken in tiles.
 */
#ifndef GSLFIT_SUMS_H
#define GSLFIT_SUMS_H

#include "isa.h"
#include "objective/loss.h"
#include "simd.h"

enum { SMALL = 6, TILE = 4 };

#define SUM_COUNT(q, ones) (1 + 2 * (ones) + (q) * (1 + (ones)) + (q) * ((q) + 1) / 2)

static inline __attribute__((always_inline)) void sum_small(const block_columns *block, long points, double *sums, const int q,
                                                            const int ones, const int weighted) {
    for (int h = 0; h < LANES; h += WIDTH) {
        vd s[SUM_COUNT(SMALL, 1)];
        const double *value = block->value + h, *y = block->y + h, *weights = block->weights + h;
        const double *column[SMALL];
#pragma GCC unroll 8
        for (int j = 0; j < q; j++) column[j] = block->columns[j] + h;
#pragma GCC unroll 40
        for (int k = 0; k < SUM_COUNT(q, ones); k++) s[k] = load(sums + k * LANES + h);
        for (long i = 0; i < points * LANES; i += LANES) {
            vd w = SPLAT(1.0), r = load(value + i) - load_loose(y + i), J[SMALL];
            if (weighted) {
                w = load_loose(weights + i);
                r *= w;
            }
            s[0] += GSLFIT_COST(r);
            if (ones) {
                s[1] += weighted ? GSLFIT_SLOPE(r) * w : GSLFIT_SLOPE(r);
                s[2] += weighted ? GSLFIT_CURVATURE(r) * w * w : GSLFIT_CURVATURE(r) * w;
            }
            int k = 1 + 2 * ones;
#pragma GCC unroll 8
            for (int j = 0; j < q; j++) {
                J[j] = load(column[j] + i);
                if (weighted) J[j] *= w;
                s[k] += GSLFIT_SLOPE(r) * J[j], k++;
                if (ones) s[k] += GSLFIT_CURVATURE(r) * (weighted ? w * J[j] : J[j]), k++;
#pragma GCC unroll 8
                for (int m = 0; m <= j; m++) s[k] += GSLFIT_CURVATURE(r) * J[m] * J[j], k++;
            }
        }
#pragma GCC unroll 40
        for (int k = 0; k < SUM_COUNT(q, ones); k++) store(sums + k * LANES + h, s[k]);
    }
}

#define SUM_SMALL(q)                                                                                                  \
    static void sum_##q##_00(const block_columns *b, long points, double *sums) { sum_small(b, points, sums, q, 0, 0); } \
    static void sum_##q##_10(const block_columns *b, long points, double *sums) { sum_small(b, points, sums, q, 1, 0); } \
    static void sum_##q##_01(const block_columns *b, long points, double *sums) { sum_small(b, points, sums, q, 0, 1); } \
    static void sum_##q##_11(const block_columns *b, long points, double *sums) { sum_small(b, points, sums, q, 1, 1); }
SUM_SMALL(0) SUM_SMALL(1) SUM_SMALL(2) SUM_SMALL(3) SUM_SMALL(4) SUM_SMALL(5) SUM_SMALL(6)

/* Add A[a].B[b] to sums[a*TILE + b], for `height` columns A and TILE columns B. */
static inline __attribute__((always_inline)) void sum_tile(const double *const *A, const double *const *B, long points, double *const *sums,
                                                           const int height) {
    for (int h = 0; h < LANES; h += WIDTH) {
        vd s[TILE * TILE];
#pragma GCC unroll 16
        for (int k = 0; k < height * TILE; k++) s[k] = load(sums[k] + h);
        for (long i = h; i < points * LANES; i += LANES) {
            vd b[TILE];
#pragma GCC unroll 4
            for (int m = 0; m < TILE; m++) b[m] = load(B[m] + i);
#pragma GCC unroll 4
            for (int j = 0; j < height; j++) {
                const vd a = load(A[j] + i);
#pragma GCC unroll 4
                for (int m = 0; m < TILE; m++) s[j * TILE + m] += a * b[m];
            }
        }
#pragma GCC unroll 16
        for (int k = 0; k < height * TILE; k++) store(sums[k] + h, s[k]);
    }
}

/* The same on the diagonal: `height` columns among themselves, their sums in the order of a triangle. */
static inline __attribute__((always_inline)) void sum_corner(const double *const *A, long points, double *const *sums, const int height) {
    for (int h = 0; h < LANES; h += WIDTH) {
        vd s[TILE * (TILE + 1) / 2];
#pragma GCC unroll 16
        for (int k = 0; k < height * (height + 1) / 2; k++) s[k] = load(sums[k] + h);
        for (long i = h; i < points * LANES; i += LANES) {
            vd a[TILE];
            int k = 0;
#pragma GCC unroll 4
            for (int j = 0; j < height; j++) {
                a[j] = load(A[j] + i);
#pragma GCC unroll 4
                for (int m = 0; m <= j; m++) s[k] += a[j] * a[m], k++;
            }
        }
#pragma GCC unroll 16
        for (int k = 0; k < height * (height + 1) / 2; k++) store(sums[k] + h, s[k]);
    }
}

#define SUM_TILE(height)                                                                                           \
    static void sum_tile_##height(const double *const *A, const double *const *B, long n, double *const *sums) { \
        sum_tile(A, B, n, sums, height);                                                                           \
    }                                                                                                              \
    static void sum_corner_##height(const double *const *A, long n, double *const *sums) { sum_corner(A, n, sums, height); }
SUM_TILE(1) SUM_TILE(2) SUM_TILE(3) SUM_TILE(4)

/* Where the sum of columns i >= j is; column 0 is the residual, 1 the ones when there are any, then the Jacobian's. */
static inline double *sum_place(double *sums, int i, int j, int ones) {
    int k = i - 1 - ones;
    long place = i == 0 ? 0 : ones && i == 1 ? 1 + j : 1 + 2 * ones + k * (1 + ones) + k * (k + 1) / 2 + j;
    return sums + place * LANES;
}

/* any number of columns: residual, ones or weights, and Jacobian, weighted into the scratch, all against all in tiles */
static void sum_many(const block_columns *block, long points, double *sums) {
    const int extra = 1 + block->ones, all = extra + block->count;
    const long size = points * LANES;
    const double *columns[2 + MAX_FREE];
    double *r = block->scratch, *next = r + POINTS * LANES;
    columns[0] = r;
    for (long i = 0; i < size; i += WIDTH) {
        vd d = load(block->value + i) - load_loose(block->y + i);
        store(r + i, block->weights ? d * load_loose(block->weights + i) : d);
    }
    if (block->ones) {
        for (long i = 0; i < size; i += WIDTH) store(next + i, block->weights ? load_loose(block->weights + i) : SPLAT(1.0));
        columns[1] = next;
        next += POINTS * LANES;
    }
    for (int j = 0; j < block->count; j++) {
        columns[extra + j] = block->columns[j];
        if (!block->weights) continue;
        for (long i = 0; i < size; i += WIDTH) store(next + i, load(block->columns[j] + i) * load_loose(block->weights + i));
        columns[extra + j] = next;
        next += POINTS * LANES;
    }
    static void (*const tiles[])(const double *const *, const double *const *, long, double *const *) = {NULL, sum_tile_1, sum_tile_2,
                                                                                                        sum_tile_3, sum_tile_4};
    static void (*const corners[])(const double *const *, long, double *const *) = {NULL, sum_corner_1, sum_corner_2, sum_corner_3,
                                                                                    sum_corner_4};
    for (int i = 0; i < all; i += TILE) {
        const int height = all - i < TILE ? all - i : TILE;
        double *places[TILE * TILE];
        for (int j = 0; j < i; j += TILE) {
            for (int k = 0; k < height * TILE; k++) places[k] = sum_place(sums, i + k / TILE, j + k % TILE, block->ones);
            tiles[height](columns + i, columns + j, points, places);
        }
        for (int a = 0, k = 0; a < height; a++)
            for (int b = 0; b <= a; b++) places[k++] = sum_place(sums, i + a, i + b, block->ones);
        corners[height](columns + i, points, places);
    }
}

/* The residual times a column, both weighted. */
static inline __attribute__((always_inline)) vd slope_by(const block_columns *block, const double *column, long i, const int weighted) {
    const vd r = (load(block->value + i) - load_loose(block->y + i)) * load_loose(column + i);
    if (!weighted) return r;
    const vd w = load_loose(block->weights + i);
    return r * (w * w);
}

/* Add the sums of the residual (weighted, as are the columns) times one column times others. */
static inline __attribute__((always_inline)) void sum_some_pairs(const block_columns *block, const double *A, const double *const *B,
                                                                 long points, double *sums, const int count, const int weighted) {
    for (int h = 0; h < LANES; h += WIDTH) {
        vd s[TILE], t[TILE];  /* two of each sum: an addition waits for the one before */
#pragma GCC unroll 4
        for (int k = 0; k < count; k++) s[k] = load(sums + k * LANES + h), t[k] = SPLAT(0.0);
        long i = h;
        for (; i + LANES < points * LANES; i += 2 * LANES) {
            const vd r = slope_by(block, A, i, weighted), next = slope_by(block, A, i + LANES, weighted);
#pragma GCC unroll 4
            for (int k = 0; k < count; k++) {
                s[k] += r * load_loose(B[k] + i);
                t[k] += next * load_loose(B[k] + i + LANES);
            }
        }
        if (i < points * LANES) {
            const vd r = slope_by(block, A, i, weighted);
#pragma GCC unroll 4
            for (int k = 0; k < count; k++) s[k] += r * load_loose(B[k] + i);
        }
#pragma GCC unroll 4
        for (int k = 0; k < count; k++) s[k] += t[k];
#pragma GCC unroll 4
        for (int k = 0; k < count; k++) store(sums + k * LANES + h, s[k]);
    }
}

#define SUM_PAIRS(count)                                                                                                       \
    static void sum_pairs_##count##0(const block_columns *c, const double *a, const double *const *b, long n, double *sums) { \
        sum_some_pairs(c, a, b, n, sums, count, 0);                                                                            \
    }                                                                                                                          \
    static void sum_pairs_##count##1(const block_columns *c, const double *a, const double *const *b, long n, double *sums) { \
        sum_some_pairs(c, a, b, n, sums, count, 1);                                                                            \
    }
SUM_PAIRS(1) SUM_PAIRS(2) SUM_PAIRS(3) SUM_PAIRS(4)

/* The same for any pairs; those that have their first column in common come one after the other. */
static void sum_pairs(const block_columns *block, const double *const *A, const double *const *B, int count, long points, double *sums) {
    static void (*const some[TILE + 1][2])(const block_columns *, const double *, const double *const *, long, double *) = {
        {NULL, NULL}, {sum_pairs_10, sum_pairs_11}, {sum_pairs_20, sum_pairs_21}, {sum_pairs_30, sum_pairs_31},
        {sum_pairs_40, sum_pairs_41}};
    for (int k = 0, next; k < count; k = next) {
        for (next = k + 1; next < count && next < k + TILE && A[next] == A[k]; next++) {}
        some[next - k][block->weights != NULL](block, A[k], B + k, points, sums + k * LANES);
    }
}

static void sum_block(const block_columns *block, long points, double *sums) {
#define ROW(q) {sum_##q##_00, sum_##q##_10, sum_##q##_01, sum_##q##_11}
    static void (*const small[SMALL + 1][4])(const block_columns *, long, double *) = {ROW(0), ROW(1), ROW(2), ROW(3), ROW(4), ROW(5),
                                                                                       ROW(6)};
#undef ROW
    if (block->count <= SMALL)
        small[block->count][block->ones + 2 * (block->weights != NULL)](block, points, sums);
    else
        sum_many(block, points, sums);
}

#endif
