#include "qr.h"
#include "linalg.h"

#include <string.h>

static const double ALIKE = 1e-9; /* columns whose lengths differ by less are equally long */

/* Bring the column that is longest from row k on, of the columns k and on, to place k. Returns that length. */
static double bring_longest(double **columns, int *order, int count, long n, int k) {
    double most = -1;
    int best = k;
    for (int j = k; j < count; j++) {
        const double *u = columns[j] + k, length = gslfit_norm(gslfit_dot(u, u, n - k), u, n - k, 1);
        if (length > most * (1 + ALIKE)) most = length, best = j;
    }
    double *column = columns[best];
    const int number = order[best];
    memmove(columns + k + 1, columns + k, (best - k) * sizeof *columns);
    memmove(order + k + 1, order + k, (best - k) * sizeof *order);
    columns[k] = column;
    order[k] = number;
    return most;
}

int gslfit_qr(double **columns, int *order, int count, long n, double tol, double *const *carried, int carriers) {
    double longest = 0;
    for (int k = 0; k < count && k < n; k++) {
        double alpha = bring_longest(columns, order, count, n, k);
        if (alpha > longest) longest = alpha;
        if (!(alpha > tol * longest)) return k;
        double *u = columns[k];
        if (u[k] > 0) alpha = -alpha;
        u[k] -= alpha;
        const double half = -alpha * u[k]; /* |u|^2 / 2 */
        for (int j = k + 1; j < count + carriers; j++) {
            double *column = j < count ? columns[j] : carried[j - count];
            const double share = gslfit_dot(u + k, column + k, n - k) / half;
            for (long i = k; i < n; i++) column[i] -= share * u[i];
        }
        u[k] = alpha;
    }
    return count < n ? count : (int)n;
}

/* Copy rows of a column, divided by its length. */
static void copy_scaled(const double *column, double length, long rows, double *to) {
    const double inverse = 1 / length;
    if (!(length > 0))
        memset(to, 0, rows * sizeof *to);
    else if (isfinite(inverse))
        for (long i = 0; i < rows; i++) to[i] = column[i] * inverse;
    else
        for (long i = 0; i < rows; i++) to[i] = column[i] / length;
}

/* Join a block of rows, column j at block + j*GSLFIT_QR_BLOCK, to the triangle: reflections that touch one row of it each. */
static void join_block(double *R, double *block, int count, long rows) {
    for (int k = 0; k < count; k++) {
        double *u = block + (long)k * GSLFIT_QR_BLOCK, *diagonal = R + (long)k * count + k;
        const double below = gslfit_dot(u, u, rows), alpha = copysign(sqrt(*diagonal * *diagonal + below), -*diagonal);
        if (below == 0) continue;
        const double pivot = *diagonal - alpha, half = -alpha * pivot;
        *diagonal = alpha;
        for (int j = k + 1; j < count; j++) {
            double *other = block + (long)j * GSLFIT_QR_BLOCK, *above = R + (long)j * count + k;
            const double share = (pivot * *above + gslfit_dot(u, other, rows)) / half;
            *above -= share * pivot;
            for (long i = 0; i < rows; i++) other[i] -= share * u[i];
        }
    }
}

void gslfit_qr_tall(const double *const *columns, const double *lengths, int count, long n, double *R, double *work) {
    memset(R, 0, (size_t)count * count * sizeof *R);
    for (long first = 0; first < n; first += GSLFIT_QR_BLOCK) {
        const long rows = n - first < GSLFIT_QR_BLOCK ? n - first : GSLFIT_QR_BLOCK;
        for (int j = 0; j < count; j++) copy_scaled(columns[j] + first, lengths[j], rows, work + (long)j * GSLFIT_QR_BLOCK);
        join_block(R, work, count, rows);
    }
}

void gslfit_solve_upper(double *const *R, int rank, double *x) {
    for (int i = rank - 1; i >= 0; i--) {
        for (int j = i + 1; j < rank; j++) x[i] -= R[j][i] * x[j];
        x[i] /= R[i][i];
    }
}

void gslfit_solve_transposed(double *const *R, int rank, double *x) {
    for (int i = 0; i < rank; i++) {
        for (int j = 0; j < i; j++) x[i] -= R[i][j] * x[j];
        x[i] /= R[i][i];
    }
}

void gslfit_invert_upper(double *const *R, int rank, double *inverse, long stride) {
    for (int j = 0; j < rank; j++) {
        inverse[j * stride + j] = 1 / R[j][j];
        for (int i = j - 1; i >= 0; i--) {
            double sum = 0;
            for (int k = i + 1; k <= j; k++) sum += R[k][i] * inverse[k * stride + j];
            inverse[i * stride + j] = -sum / R[i][i];
        }
    }
}

void gslfit_dependence(double *const *R, int rank, int c, double *z) {
    memcpy(z, R[c], rank * sizeof *z);
    gslfit_solve_upper(R, rank, z);
}
