#include "shapes.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "common/linalg.h"
#include "isa.h"
#include "workspace.h"

typedef double (*dot_product)(const double *, const double *, long);

enum { SUM_LIMIT = 6 };  /* sums of a residual, of ones and of a column: sums.h */

static const double DEPENDENT = 1e-9; /* of a column's length: what the others before it leave of it is rounding */

/* Bring a column to length 1. Returns its length, 0 where that is 0 or not finite. */
static double normalise(dot_product dot, double *column, long n) {
    const double length = gslfit_norm(dot(column, column, n), column, n, 1);
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
static int make_orthonormal(dot_product dot, double *columns, long apart, int k, long n, double *r) {
    for (int j = 0; j < k; j++) {
        double *column = columns + j * apart;
        const double length = normalise(dot, column, n);
        if (length == 0) return 0;
        for (int again = 0; again < 2; again++)
            for (int i = 0; i < j; i++) {
                const double *q = columns + i * apart, share = dot(q, column, n);
                for (long m = 0; m < n; m++) column[m] -= share * q[m];
                r[i * k + j] += share * length;
            }
        const double left = j ? normalise(dot, column, n) : 1;
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
static int make_shape(workspace *w, dot_product dot, const double *free, const double *inputs, const double *const *x, long n, double *base,
                      double *q, long apart, int k, double *r) {
    gslfit_workspace_evaluate(w, free, inputs, x, n, base, q, 1, apart);
    const int something = is_something(base, n);
    return something < 0 || !make_orthonormal(dot, q, apart, k, n, r) ? -1 : something;
}

int gslfit_shapes(const program *p, const double *inputs, long count, const double *x, long n, const double *y, long fits,
                  const shape_set *s) {
    const int k = p->nfree;
    const double zeros[MAX_FREE] = {0}, *points[MAX_VARIABLES] = {x};
    const long apart = s->q ? count * n : n;
    const dot_product dot = gslfit_current_isa()->dot;
    double *room = malloc((k + 1) * (n + 1) * sizeof *room), *base = room;
    workspace *w = gslfit_workspace_new(p);
    int any = room && w ? 0 : -1;
    for (long g = 0; any >= 0 && g < count; g++) {
        double *q = s->q ? s->q + g * n : room + n;
        const int found = make_shape(w, dot, zeros, inputs + g * p->ninput, points, n, base, q, apart, k, s->r + g * k * k);
        s->good[g] = found >= 0;
        any |= found == 1;
        s->square[g] = found == 1 ? dot(base, base, n) : 0;
        for (int j = 0; j < k; j++) s->across[j * count + g] = found == 1 ? dot(q + j * apart, base, n) : 0;
        if (s->base && found == 1) memcpy(s->base + g * n, base, n * sizeof *base);
        for (long m = 0; m < fits; m++) {
            for (int j = 0; j < k; j++) s->products[(j * fits + m) * count + g] = dot(q + j * apart, y + m * n, n);
            s->along[m * count + g] = found == 1 ? dot(base, y + m * n, n) : 0;
        }
    }
    free(room);
    gslfit_workspace_free(w);
    return any;
}

/* ---- eight shapes side by side, their sums never leaving the registers ---- */

/* Put n numbers into every lane. */
static void put_in_lanes(double *lanes, const double *a, long n) {
    for (long i = 0; i < n; i++)
        for (int l = 0; l < LANES; l++) lanes[i * LANES + l] = a[i];
}

/* What the best v takes off the squares of y, by the sums of a block (sums.h): of (b - y)^2, of (b - y) J, and of J^2. */
static void score_lane(const workspace *w, const double *sums, int l, double square, double *score, double *value) {
    const double factor = w->factor[0] ? w->factor[0][l] : 1;
    const double chisqr = sums[l], slope = factor * sums[LANES + l], curvature = factor * factor * sums[2 * LANES + l];
    const int good = curvature > 0 && curvature < INFINITY && chisqr < INFINITY;
    *value = good ? -slope / curvature : 0;
    *score = good ? square - chisqr + slope * (slope / curvature) : -INFINITY;
}

int gslfit_shapes_score(const program *p, const double *inputs, long count, const double *x, long n, const double *y, double *score,
                        double *value) {
    workspace *w = gslfit_workspace_new(p);
    void *memory = NULL;
    if (!w || posix_memalign(&memory, 64, (2 * n * LANES + SUM_LIMIT * LANES) * sizeof(double))) {
        gslfit_workspace_free(w);
        return -1;
    }
    double *points = memory, *data = points + n * LANES, *sums = data + n * LANES;
    const double *variables[MAX_VARIABLES] = {points}, square = gslfit_dot(y, y, n);
    put_in_lanes(points, x, n);
    put_in_lanes(data, y, n);
    for (long first = 0; first < count; first += LANES) {
        for (int k = 0; k < p->ninput; k++)
            for (int l = 0; l < LANES; l++)
                w->scalars[(p->nfree + k) * LANES + l] = inputs[(first + l < count ? first + l : count - 1) * p->ninput + k];
        gslfit_workspace_start(w);
        memset(sums, 0, SUM_LIMIT * LANES * sizeof *sums);
        gslfit_workspace_sums(w, variables, data, NULL, n, sums);
        for (int l = 0; l < LANES && first + l < count; l++) score_lane(w, sums, l, square, score + first + l, value + first + l);
    }
    free(memory);
    gslfit_workspace_free(w);
    return 0;
}
