/* What makes correlated residuals independent: a lower triangle (n x n, zeros above the diagonal) times columns of n points, in place.
 *
 * From the last rows to the first, HEIGHT of them and two columns at a time: their sums stay in registers of the machine.
 */
#ifndef GSLFIT_WHITEN_H
#define GSLFIT_WHITEN_H

#include "isa.h"
#include "simd.h"

enum { HEIGHT = 4 };

/* Rows `first` to first + height of `width` columns. */
static inline __attribute__((always_inline)) void whiten_tile(const double *factor, long n, long first, double *const *columns,
                                                              const int height, const int width) {
    const double *row = factor + first * n;
    for (int h = 0; h < LANES; h += WIDTH) {
        vd s[2 * HEIGHT];
#pragma GCC unroll 8
        for (int k = 0; k < width * height; k++) s[k] = SPLAT(0.0);
        for (long j = 0; j < first + height; j++)
#pragma GCC unroll 2
            for (int m = 0; m < width; m++) {
                const vd number = load(columns[m] + j * LANES + h);
#pragma GCC unroll 4
                for (int k = 0; k < height; k++) s[m * height + k] += row[k * n + j] * number;
            }
#pragma GCC unroll 2
        for (int m = 0; m < width; m++)
#pragma GCC unroll 4
            for (int k = 0; k < height; k++) store(columns[m] + (first + k) * LANES + h, s[m * height + k]);
    }
}

static void whiten_rows(const double *factor, long n, long first, double *const *columns, int height, int width) {
    if (height == 4 && width == 2) whiten_tile(factor, n, first, columns, 4, 2);
    else if (height == 4) whiten_tile(factor, n, first, columns, 4, 1);
    else
        for (int k = height - 1; k >= 0; k--) {
            whiten_tile(factor, n, first + k, columns, 1, 1);
            if (width == 2) whiten_tile(factor, n, first + k, columns + 1, 1, 1);
        }
}

static void whiten_columns(const double *factor, long n, double *const *columns, int count) {
    for (int m = 0; m < count; m += 2)
        for (long end = n; end > 0; end -= HEIGHT) {
            const int height = end < HEIGHT ? (int)end : HEIGHT;
            whiten_rows(factor, n, end - height, columns + m, height, count - m > 1 ? 2 : 1);
        }
}

#endif
