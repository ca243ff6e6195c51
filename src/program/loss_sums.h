/* The sums of sums.h, in its order, for losses: slopes times columns, and curvatures times products of columns. Chi-square, the first of
 * them, is left out: the rows have it. */
#ifndef GSLFIT_LOSS_SUMS_H
#define GSLFIT_LOSS_SUMS_H

#include "sums.h"

static inline __attribute__((always_inline)) void bent_small(const block_columns *block, const double *slopes, const double *curvatures,
                                                             long points, double *sums, const int q, const int ones) {
    for (int h = 0; h < LANES; h += WIDTH) {
        vd s[SUM_COUNT(SMALL, 1)];
        const double *column[SMALL];
#pragma GCC unroll 8
        for (int j = 0; j < q; j++) column[j] = block->columns[j] + h;
#pragma GCC unroll 40
        for (int k = 1; k < SUM_COUNT(q, ones); k++) s[k] = load(sums + k * LANES + h);
        for (long i = 0; i < points * LANES; i += LANES) {
            const vd slope = load(slopes + h + i), curvature = load(curvatures + h + i);
            vd J[SMALL];
            if (ones) s[1] += slope, s[2] += curvature;
            int k = 1 + 2 * ones;
#pragma GCC unroll 8
            for (int j = 0; j < q; j++) {
                J[j] = load(column[j] + i);
                const vd bent = curvature * J[j];
                s[k] += slope * J[j], k++;
                if (ones) s[k] += bent, k++;
#pragma GCC unroll 8
                for (int m = 0; m <= j; m++) s[k] += J[m] * bent, k++;
            }
        }
#pragma GCC unroll 40
        for (int k = 1; k < SUM_COUNT(q, ones); k++) store(sums + k * LANES + h, s[k]);
    }
}

#define BENT_SMALL_OF(q, ones)                                                                                           \
    static void bent_##q##_##ones(const block_columns *b, const double *d, const double *c, long points, double *sums) { \
        bent_small(b, d, c, points, sums, q, ones);                                                                      \
    }
#define BENT_SMALL(q) BENT_SMALL_OF(q, 0) BENT_SMALL_OF(q, 1)
BENT_SMALL(0) BENT_SMALL(1) BENT_SMALL(2) BENT_SMALL(3) BENT_SMALL(4) BENT_SMALL(5) BENT_SMALL(6)

static void sum_pair(const double *a, const double *b, long points, double *sum) {
    for (int h = 0; h < LANES; h += WIDTH) {
        vd s = load(sum + h);
        for (long i = h; i < points * LANES; i += LANES) s += load(a + i) * load(b + i);
        store(sum + h, s);
    }
}

/* any number of columns: ones and Jacobian by the slopes, and these times the curvatures, in the scratch, by each other in tiles */
static void bent_many(const block_columns *block, const double *slopes, const double *curvatures, long points, double *sums) {
    const int ones = block->ones, all = ones + block->count;
    const long size = points * LANES;
    const double *plain[1 + MAX_FREE], *bent[1 + MAX_FREE];
    double *places[TILE * TILE], *next = block->scratch;
    if (ones) {
        for (long i = 0; i < size; i += WIDTH) store(next + i, SPLAT(1.0));
        plain[0] = next;
        next += BLOCK;
    }
    for (int j = 0; j < block->count; j++) plain[ones + j] = block->columns[j];
    for (int j = 0; j < all; j++, next += BLOCK) {
        bent[j] = next;
        for (long i = 0; i < size; i += WIDTH) store(next + i, load(plain[j] + i) * load(curvatures + i));
        sum_pair(plain[j], slopes, points, sum_place(sums, 1 + j, 0, ones));
    }
    for (int i = 0; i < all; i += TILE)
        for (int j = 0; j <= i; j += TILE) {
            if (i != j && i + TILE <= all) {
                for (int k = 0; k < TILE * TILE; k++) places[k] = sum_place(sums, 1 + i + k / TILE, 1 + j + k % TILE, ones);
                sum_tile_4(bent + i, plain + j, points, places);
                continue;
            }
            for (int a = i; a < i + TILE && a < all; a++)
                for (int b = j; b < j + TILE && b <= a; b++) sum_pair(bent[a], plain[b], points, sum_place(sums, 1 + a, 1 + b, ones));
        }
}

static void bent_sums(const block_columns *block, const double *slopes, const double *curvatures, long points, double *sums) {
#define ROW(q) {bent_##q##_0, bent_##q##_1}
    static void (*const small[SMALL + 1][2])(const block_columns *, const double *, const double *, long, double *) = {
        ROW(0), ROW(1), ROW(2), ROW(3), ROW(4), ROW(5), ROW(6)};
#undef ROW
    if (block->count <= SMALL) small[block->count][block->ones](block, slopes, curvatures, points, sums);
    else bent_many(block, slopes, curvatures, points, sums);
}

#endif
