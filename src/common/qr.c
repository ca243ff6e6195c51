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
