#include "shapes.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "common/linalg.h"

static const double DEPENDENT = 1e-9; /* of a column's length: what the others before it leave of it is rounding */

/* Bring a column to length 1. Returns its length, 0 where that is 0 or not finite. */
static double normalise(double *column, long n) {
    const double length = gslfit_norm(gslfit_dot(column, column, n), column, n, 1);
    if (!(length > 0 && length < INFINITY)) return 0;
    if (length > 1e-300) {
        const double inverse = 1 / length;
        for (long i = 0; i < n; i++) column[i] *= inverse;
    } else {
        for (long i = 0; i < n; i++) column[i] /= length;
    }
    return length;
}

/* Make k columns, `apart` numbers from one to the next, orthonormal, by Gram-Schmidt's method, twice (Giraud et al. 2005). Returns whether
 * they are independent. */
static int make_orthonormal(double *columns, long apart, int k, long n, double *r) {
    for (int j = 0; j < k; j++) {
        double *column = columns + j * apart;
        const double length = normalise(column, n);
        if (length == 0) return 0;
        for (int again = 0; again < 2; again++)
            for (int i = 0; i < j; i++) {
                const double *q = columns + i * apart, share = gslfit_dot(q, column, n);
                for (long m = 0; m < n; m++) column[m] -= share * q[m];
                r[i * k + j] += share * length;
            }
        const double left = j ? normalise(column, n) : 1;
        if (!(left > DEPENDENT)) return 0;
        r[j * k + j] = left * length;
    }
    return 1;
}

/* Whether any number is other than 0: 1, or -1 where one is not finite. */
static int is_something(const double *a, long n) {
    uint64_t bits = 0;
    double sum = 0;
    for (long i = 0; i < n; i++) {
        uint64_t own;
        memcpy(&own, a + i, sizeof own);
        bits |= own;
    }
    if (bits << 1 == 0) return 0;  /* the sign of a zero is nothing */
    for (long i = 0; i < n; i++) sum += a[i] - a[i];
    return sum == 0 ? 1 : -1;
}

/* One shape: its base (n), and its columns, `apart` numbers from one to the next, made orthonormal; free is zeros. Returns whether the base
 * is anywhere other than 0; -1 where the shape is no good. */
static int make_shape(workspace *w, const double *free, const double *inputs, const double *const *x, long n, double *base, double *q,
                      long apart, int k, double *r) {
    gslfit_workspace_evaluate(w, free, inputs, x, n, base, q, 1, apart);
    const int something = is_something(base, n);
    return something < 0 || !make_orthonormal(q, apart, k, n, r) ? -1 : something;
}

void gslfit_products(const double *rows, long count, const double *y, long fits, long n, double *products) {
    for (long g = 0; g < count; g++)
        for (long m = 0; m < fits; m++) products[m * count + g] = gslfit_dot(rows + g * n, y + m * n, n);
}

int gslfit_shapes(const program *p, const double *inputs, long count, const double *x, long n, const double *y, long fits, const shape_set *s) {
    const int k = p->nfree;
    const double zeros[MAX_FREE] = {0}, *points[MAX_VARIABLES] = {x};
    const long apart = s->q ? count * n : n;
    double *room = malloc((k + 1) * (n + 1) * sizeof *room), *base = room;
    workspace *w = gslfit_workspace_new(p);
    int any = room && w ? 0 : -1;
    for (long g = 0; any >= 0 && g < count; g++) {
        double *q = s->q ? s->q + g * n : room + n;
        const int found = make_shape(w, zeros, inputs + g * p->ninput, points, n, base, q, apart, k, s->r + g * k * k);
        s->good[g] = found >= 0;
        any |= found == 1;
        s->square[g] = found == 1 ? gslfit_dot(base, base, n) : 0;
        for (int j = 0; j < k; j++) s->across[j * count + g] = found == 1 ? gslfit_dot(q + j * apart, base, n) : 0;
        if (s->base && found == 1) memcpy(s->base + g * n, base, n * sizeof *base);
        for (long m = 0; m < fits; m++) {
            for (int j = 0; j < k; j++) s->products[(j * fits + m) * count + g] = gslfit_dot(q + j * apart, y + m * n, n);
            s->along[m * count + g] = found == 1 ? gslfit_dot(base, y + m * n, n) : 0;
        }
    }
    free(room);
    gslfit_workspace_free(w);
    return any;
}
