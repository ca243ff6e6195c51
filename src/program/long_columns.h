/* Long columns, of n numbers each: difference quotients, products with a residual, the triangle of a QR decomposition, Broyden's update.
 *
 * Each reads its columns once. What it needs of them again it takes from blocks of rows that stay in the processor's nearest cache.
 */
#ifndef GSLFIT_LONG_COLUMNS_H
#define GSLFIT_LONG_COLUMNS_H

#include "isa.h"
#include "simd.h"
#include "common/linalg.h"

static const double INDEPENDENT = 1e-3; /* the square of what must be left of a column of length 1 beside those before it */
enum { SIDE_BY_SIDE = 4 };  /* sums, or columns, that don't wait for each other */

static inline __attribute__((always_inline)) double sum_of_lanes(vd v) {
    double sum = 0;
    for (int l = 0; l < WIDTH; l++) sum += LANE(v, l);
    return sum;
}

static inline __attribute__((always_inline)) double sum_of_all(const vd *s) {
    return sum_of_lanes((s[0] + s[1]) + (s[2] + s[3]));
}

static double product(const double *a, const double *b, long n) {
    vd s[SIDE_BY_SIDE] = {SPLAT(0.0), SPLAT(0.0), SPLAT(0.0), SPLAT(0.0)};
    long i = 0;
    for (; i + SIDE_BY_SIDE * WIDTH <= n; i += SIDE_BY_SIDE * WIDTH)
#pragma GCC unroll 4
        for (int k = 0; k < SIDE_BY_SIDE; k++) s[k] += load_loose(a + i + k * WIDTH) * load_loose(b + i + k * WIDTH);
    double sum = sum_of_all(s);
    for (; i < n; i++) sum += a[i] * b[i];
    return sum;
}

/* ---- difference quotients ---- */

static double long_forward(const double *value, const double *r, double width, long n, double *column, double *slope) {
    const double inverse = 1 / width;
    vd s[SIDE_BY_SIDE] = {SPLAT(0.0), SPLAT(0.0), SPLAT(0.0), SPLAT(0.0)}, g[SIDE_BY_SIDE] = {s[0], s[0], s[0], s[0]};
    long i = 0;
    for (; i + SIDE_BY_SIDE * WIDTH <= n; i += SIDE_BY_SIDE * WIDTH)
#pragma GCC unroll 4
        for (int k = 0; k < SIDE_BY_SIDE; k++) {
            const vd at = load_loose(r + i + k * WIDTH), d = load_loose(value + i + k * WIDTH) - at;
            s[k] += d * d;
            g[k] += d * at;
            store_loose(column + i + k * WIDTH, d * inverse);
        }
    double square = sum_of_all(s), along = sum_of_all(g);
    for (; i < n; i++) {
        const double d = value[i] - r[i];
        square += d * d;
        along += d * r[i];
        column[i] = d * inverse;
    }
    *slope = along / width;
    return gslfit_length_of(square, column, n, width);
}

static double long_central(const double *ahead, const double *behind, const double *r, double width, long n, double *column,
                           double *slope, double *bend, double *along) {
    const double inverse = 1 / width;
    vd s[4] = {SPLAT(0.0), SPLAT(0.0), SPLAT(0.0), SPLAT(0.0)};  /* of d*d, d*r, second*second, second*r */
    vd t[4] = {s[0], s[0], s[0], s[0]};                          /* the same, of every other vector */
    double rest[4] = {0};
    long i = 0;
    for (; i + 2 * WIDTH <= n; i += 2 * WIDTH)
#pragma GCC unroll 2
        for (int k = 0; k < 2; k++) {
            vd *sum = k ? t : s;
            const vd up = load_loose(ahead + i + k * WIDTH), down = load_loose(behind + i + k * WIDTH), at = load_loose(r + i + k * WIDTH);
            const vd d = up - down, second = up + down - 2 * at;
            sum[0] += d * d;
            sum[1] += d * at;
            sum[2] += second * second;
            sum[3] += second * at;
            store_loose(column + i + k * WIDTH, d * inverse);
        }
    for (; i < n; i++) {
        const double d = ahead[i] - behind[i], second = ahead[i] + behind[i] - 2 * r[i];
        rest[0] += d * d;
        rest[1] += d * r[i];
        rest[2] += second * second;
        rest[3] += second * r[i];
        column[i] = d * inverse;
    }
    for (int k = 0; k < 4; k++) rest[k] += sum_of_lanes(s[k] + t[k]);
    *slope = rest[1] / width, *bend = rest[2], *along = rest[3];
    return gslfit_length_of(rest[0], column, n, width);
}

/* ---- products ---- */

static void long_products(const double *columns, int count, const double *r, long n, double *sums) {
    enum { ROWS = 16384 };
    for (int j = 0; j < count; j++) sums[j] = 0;
    for (long first = 0; first < n; first += ROWS)
        for (int j = 0; j < count; j++) sums[j] += product(columns + j * n + first, r + first, n - first < ROWS ? n - first : ROWS);
}

/* ---- the triangle ---- */

/* The rows of a block of so many columns that stays in the nearest cache, a multiple of 16. */
static long rows_of(int count) {
    const long most = GSLFIT_TRIANGLE_ROOM / count / 16 * 16;
    return most < 1024 ? most : 1024;
}

enum { TILE_ROWS = 4, TILE_COLUMNS = 2, MOST_PRODUCTS = 32 };

/* Add the products of four columns a with two columns b to s. */
static inline __attribute__((always_inline)) void multiply_tile(const double *const *a, const double *const *b, long first, long rows,
                                                                double *s) {
    vd sums[TILE_ROWS * TILE_COLUMNS];
#pragma GCC unroll 8
    for (int k = 0; k < TILE_ROWS * TILE_COLUMNS; k++) sums[k] = SPLAT(0.0);
    for (long i = first; i < first + rows; i += WIDTH) {
        const vd left = load_loose(b[0] + i), right = load_loose(b[1] + i);
#pragma GCC unroll 4
        for (int k = 0; k < TILE_ROWS; k++) {
            const vd own = load_loose(a[k] + i);
            sums[2 * k] += own * left;
            sums[2 * k + 1] += own * right;
        }
    }
    for (int k = 0; k < TILE_ROWS * TILE_COLUMNS; k++) s[k] += sum_of_lanes(sums[k]);
}

/* The products of columns with each other, G[i * count + j] for j <= i. */
static void multiply(const double *const *columns, int count, long n, double *G) {
    const double *padded[MOST_PRODUCTS + TILE_ROWS];
    const long whole = n / WIDTH * WIDTH, most = rows_of(count);
    for (int j = 0; j < count + TILE_ROWS; j++) padded[j] = columns[j < count ? j : count - 1];
    memset(G, 0, (size_t)count * count * sizeof *G);
    for (long first = 0; first < whole; first += most)
        for (int i = 0; i < count; i += TILE_ROWS)
            for (int j = 0; j < count && j < i + TILE_ROWS; j += TILE_COLUMNS) {
                double s[TILE_ROWS * TILE_COLUMNS] = {0};
                multiply_tile(padded + i, padded + j, first, whole - first < most ? whole - first : most, s);
                for (int k = 0; k < TILE_ROWS * TILE_COLUMNS; k++) {
                    const int row = i + k / TILE_COLUMNS, column = j + k % TILE_COLUMNS;
                    if (row < count && column <= row) G[row * count + column] += s[k];
                }
            }
    for (long k = whole; k < n; k++)
        for (int i = 0; i < count; i++)
            for (int j = 0; j <= i; j++) G[i * count + j] += columns[i][k] * columns[j][k];
}

/* R by Cholesky's decomposition of the columns' products. Returns whether it has all digits: rounding counts for eps by the square of what
 * is left of a column beside those before it. */
static int triangle_by_products(const double *const *columns, const double *lengths, int count, long n, double *R, double *G) {
    for (int j = 0; j < count; j++)
        if (!(lengths[j] > 1e-100 && lengths[j] < 1e100)) return 0;
    if (count > MOST_PRODUCTS) return 0;
    multiply(columns, count, n, G);
    for (int j = 0; j < count; j++)
        for (int i = 0; i <= j; i++) {
            const double *a = R + (long)i * count;
            double *b = R + (long)j * count;
            const double left = G[j * count + i] / lengths[i] / lengths[j] - gslfit_dot(a, b, i);
            if (i == j && !(left > INDEPENDENT)) return 0;
            b[i] = i < j ? left / a[i] : sqrt(left);
        }
    return 1;
}

/* Fill rows of a block's column with those of a column divided by its length, and with zeros up to `rows`. */
static void fill_scaled(const double *column, double length, long rows, long end, double *to) {
    const double inverse = 1 / length;
    long i = 0;
    if (length > 0 && isfinite(inverse))
        for (; i < rows; i++) to[i] = column[i] * inverse;
    else if (length > 0)
        for (; i < rows; i++) to[i] = column[i] / length;
    for (; i < end; i++) to[i] = 0;
}

/* Reflect columns of a block, and one row of the triangle at `above` (count numbers apart), by the vector (pivot, u). */
static inline __attribute__((always_inline)) void reflect(const double *u, double pivot, double half, double *columns, long stride,
                                                          double *above, int count, long rows, const int width) {
    vd s[2 * SIDE_BY_SIDE];
    double share[SIDE_BY_SIDE];
#pragma GCC unroll 8
    for (int k = 0; k < 2 * width; k++) s[k] = SPLAT(0.0);
    for (long i = 0; i < rows; i += 2 * WIDTH) {
        const vd one = load_loose(u + i), two = load_loose(u + i + WIDTH);
#pragma GCC unroll 4
        for (int k = 0; k < width; k++) {
            s[2 * k] += one * load_loose(columns + k * stride + i);
            s[2 * k + 1] += two * load_loose(columns + k * stride + i + WIDTH);
        }
    }
#pragma GCC unroll 4
    for (int k = 0; k < width; k++) {
        share[k] = (pivot * above[(long)k * count] + sum_of_lanes(s[2 * k] + s[2 * k + 1])) / half;
        above[(long)k * count] -= share[k] * pivot;
    }
    for (long i = 0; i < rows; i += WIDTH) {
        const vd one = load_loose(u + i);
#pragma GCC unroll 4
        for (int k = 0; k < width; k++) {
            double *to = columns + k * stride + i;
            store_loose(to, load_loose(to) - share[k] * one);
        }
    }
}

/* Join a block of rows to the triangle: reflections that touch one row of it each. */
static void join_block(double *R, double *block, int count, long rows, long stride) {
    for (int k = 0; k < count; k++) {
        double *u = block + k * stride, *diagonal = R + (long)k * count + k;
        const double below = product(u, u, rows), alpha = copysign(sqrt(*diagonal * *diagonal + below), -*diagonal);
        if (below == 0) continue;
        const double pivot = *diagonal - alpha, half = -alpha * pivot;
        *diagonal = alpha;
        int j = k + 1;
        for (; j + 4 <= count; j += 4) reflect(u, pivot, half, block + j * stride, stride, R + (long)j * count + k, count, rows, 4);
        for (; j + 2 <= count; j += 2) reflect(u, pivot, half, block + j * stride, stride, R + (long)j * count + k, count, rows, 2);
        for (; j < count; j++) reflect(u, pivot, half, block + j * stride, stride, R + (long)j * count + k, count, rows, 1);
    }
}

static void long_triangle(const double *const *columns, const double *lengths, int count, long n, double *R, double *work) {
    const long stride = rows_of(count);
    memset(R, 0, (size_t)count * count * sizeof *R);
    if (triangle_by_products(columns, lengths, count, n, R, work)) return;
    memset(R, 0, (size_t)count * count * sizeof *R);
    for (long first = 0; first < n; first += stride) {
        const long rows = n - first < stride ? n - first : stride, end = (rows + 15) / 16 * 16;
        for (int j = 0; j < count; j++) fill_scaled(columns[j] + first, lengths[j], rows, end, work + j * stride);
        join_block(R, work, count, end, stride);
    }
}

/* ---- Broyden's update ---- */

static void long_update(const broyden *b, long n, double *sums) {
    enum { ROWS = 256 };
    double u[ROWS];
    const int p = b->p;
    double *products = sums, *squares = sums + p, *slopes = squares + p, *missed = slopes + p;
    for (int j = 0; j <= 3 * p; j++) sums[j] = 0;
    for (long first = 0; first < n; first += ROWS) {
        const long rows = n - first < ROWS ? n - first : ROWS;
        const double *r = b->r + first, *before = b->before + first;
        for (long i = 0; i < rows; i++) u[i] = r[i] - before[i];
        for (int j = 0; j < p; j++) {
            const double *column = b->J + j * n + first, step = b->step[j];
            for (long i = 0; i < rows; i++) u[i] -= column[i] * step;
        }
        *missed += product(u, u, rows);
        for (int j = 0; j < p; j++) {
            const double *column = b->J + j * n + first, share = b->share[j];
            double *to = b->updated + j * n + first;
            products[j] += product(column, u, rows);
            for (long i = 0; i < rows; i++) to[i] = column[i] + share * u[i];
            squares[j] += product(to, to, rows);
            slopes[j] += product(to, r, rows);
        }
    }
}

#endif
