#include "linear_start.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "common/judgement.h"
#include "common/linalg.h"
#include "common/qr.h"

static const double MATTERS = 0.1;     /* of the data's length: a column that could take away less is of no matter */
static const double DEPENDENT = 1e-10; /* a pivot of columns of length 1 */
static const double DETERMINED = 1e-6; /* of columns of length 1, the least diagonal element of R that is far from dependence */

typedef struct {
    int count, which[MAX_FREE];
    double norm[MAX_FREE], slope[MAX_FREE], step[MAX_FREE];  /* of the columns' units: length, J^T r, and the linear fit's step */
} linear_part;

/* An amplitude's slope, and at most what the other linear variables' own best steps make of it: two that are far off may leave it none. */
static double farthest_slope(const linear_evidence *e, int k) {
    double sum = fabs(e->slope[k]);
    for (int j = 0; j < e->program->nfree; j++) {
        if (j == k || !(e->program->linear >> j & 1 && e->square[j] > 0)) continue;
        sum += fabs(e->product(e->who, j > k ? j : k, j > k ? k : j) * e->slope[j]) / e->square[j];
    }
    return sum;
}

/* Whether an amplitude looks cold: its best step may be long, and take much off chi-square; or all of them are zero. */
static int looks_cold(const linear_evidence *e) {
    int looks = 0, zeros = 1;
    if (!(e->chisqr > 0 && e->chisqr < INFINITY)) return 0;
    for (int k = 0; k < e->program->nfree; k++) {
        if (!(e->program->amplitudes >> k & 1)) continue;
        const double square = e->square[k], slope = farthest_slope(e, k), value = e->value[k], own = (GSLFIT_COLD - 1) * value * square;
        zeros &= value == 0;
        looks |= value != 0 && slope * slope > own * own && slope * slope > MATTERS * MATTERS * e->chisqr * square;
    }
    return looks || zeros;
}

/* The linear variables that have an effect. */
static void find_part(const linear_evidence *e, linear_part *part) {
    part->count = 0;
    for (int k = 0; k < e->program->nfree; k++) {
        if (!(e->program->linear >> k & 1)) continue;
        const double square = e->square[k];
        if (!(square > 0 && square < INFINITY)) continue;
        const int at = part->count++;
        part->which[at] = k;
        part->norm[at] = sqrt(square);
        part->slope[at] = e->slope[k] / part->norm[at];
    }
}

/* The linear fit's steps, by L d L^T of the columns brought to length 1; 0 for a column that depends on those before it. */
static void solve_part(const linear_evidence *e, linear_part *part) {
    double L[TRIANGLE(MAX_FREE)], pivot[MAX_FREE], z[MAX_FREE];
    for (int i = 0; i < part->count; i++) {
        pivot[i] = 1;
        z[i] = -part->slope[i];
        for (int j = 0; j < i; j++) {
            double u = e->product(e->who, part->which[i], part->which[j]) / (part->norm[i] * part->norm[j]);
            for (int k = 0; k < j; k++) u -= L[ELEMENT(i, k)] * L[ELEMENT(j, k)] * pivot[k];
            L[ELEMENT(i, j)] = pivot[j] > 0 ? u / pivot[j] : 0;
            pivot[i] -= L[ELEMENT(i, j)] * L[ELEMENT(i, j)] * pivot[j];
            z[i] -= L[ELEMENT(i, j)] * z[j];
        }
        if (!(pivot[i] > DEPENDENT)) pivot[i] = 0;
    }
    for (int i = part->count - 1; i >= 0; i--) {
        part->step[i] = pivot[i] > 0 ? z[i] / pivot[i] : 0;
        for (int k = i + 1; k < part->count; k++) part->step[i] -= L[ELEMENT(k, i)] * part->step[k];
        if (!(pivot[i] > 0)) part->step[i] = 0;
    }
    for (int i = 0; i < part->count; i++) part->step[i] /= part->norm[i];
}

/* The length of what the linear variables amount to together where they fit best. */
static double fitted_length(const linear_evidence *e, const linear_part *part) {
    double v[MAX_FREE], sum = 0;
    for (int i = 0; i < part->count; i++) {
        v[i] = e->value[part->which[i]] + part->step[i];
        sum += v[i] * v[i] * part->norm[i] * part->norm[i];
        for (int j = 0; j < i; j++) sum += 2 * v[i] * v[j] * e->product(e->who, part->which[i], part->which[j]);
    }
    return sum > 0 ? sqrt(sum) : 0;
}

static int allowed(const linear_evidence *e, int k, double before, double value) {
    return before * value >= 0 && (!e->low || (value > e->low[k] && value < e->high[k]));
}

int gslfit_linear_start(const linear_evidence *e, double *start) {
    linear_part part;
    int cold = 0;
    if (!looks_cold(e)) return 0;
    const double length = sqrt(e->chisqr);
    find_part(e, &part);
    solve_part(e, &part);
    /* what an amplitude matters beside: not a residual that another one makes, which begins far too large */
    const double seen = fmin(length, fitted_length(e, &part));
    if (seen <= GSLFIT_ROUNDING * length) return 0;  /* the best is 0, but for rounding */
    for (int k = 0; k < e->program->nfree; k++)
        if (e->program->linear >> k & 1) start[k] = e->value[k];
    for (int i = 0; i < part.count; i++) {
        const int k = part.which[i];
        const double before = start[k], fitted = before + part.step[i], alone = before - part.slope[i] / (part.norm[i] * part.count),
                     share = before + copysign(length / (2 * part.norm[i] * part.count), before);
        const double value = allowed(e, k, before, fitted)  ? fitted
                             : allowed(e, k, before, alone) ? alone
                             : allowed(e, k, before, share) ? share
                                                            : before;
        const int far_off = fabs(value) > GSLFIT_COLD * fabs(before) && fabs(value) * part.norm[i] > MATTERS * seen;
        cold |= (e->program->amplitudes >> k & 1) && far_off;
        start[k] = value;
    }
    return cold;
}

/* ---- from a Jacobian ---- */

typedef struct {
    long n;
    const double *J;
} columns;

static double product_of(const void *who, int i, int j) {
    const columns *c = who;
    return gslfit_dot(c->J + i * c->n, c->J + j * c->n, c->n);
}

/* In units in which the residual and the columns have length 1, so that nothing over- or underflows. */
int gslfit_linear_start_of(const program *code, long n, const double *r, const double *J, const double *lengths, const double *v,
                           const double *low, const double *high, double *start) {
    const columns from = {n, J};
    const double length = gslfit_norm(gslfit_dot(r, r, n), r, n, 1);
    double least[MAX_FREE], most[MAX_FREE];
    linear_evidence e = {.program = code, .chisqr = 1, .product = product_of, .who = &from};
    e.low = low ? least : NULL;
    e.high = low ? most : NULL;
    memcpy(start, v, code->nfree * sizeof *v);
    if (!code->amplitudes || !(length > 0 && length < INFINITY)) return 0;
    for (int k = 0; k < code->nfree; k++) {
        if (!(code->linear >> k & 1)) continue;
        const double unit = lengths[k] / length;
        e.square[k] = lengths[k] > 0;
        e.slope[k] = lengths[k] > 0 ? gslfit_dot(J + k * n, r, n) / length : 0;
        e.value[k] = v[k] * unit;
        if (low) least[k] = low[k] * unit, most[k] = high[k] * unit;
    }
    if (!gslfit_linear_start(&e, start)) return 0;
    for (int k = 0; k < code->nfree; k++)
        if (code->linear >> k & 1) start[k] = lengths[k] > 0 ? start[k] / lengths[k] * length : v[k];
    return 1;
}

/* ---- a linear fit of one curve ---- */

/* Bring a column to length 1. Returns its length; 0 where that is 0, NaN or infinite where a number is. */
static double bring_to_one(double *column, long n) {
    const double length = gslfit_norm(gslfit_dot(column, column, n), column, n, 1);
    for (long i = 0; length > 0 && i < n; i++) column[i] /= length;
    return length;
}

/* The fit of columns J[j] (n) to rest (n); both are overwritten. */
static int fit_columns(double **J, int count, double *rest, long n, double *found, double *lengths, double *length) {
    int order[MAX_FREE];
    *length = bring_to_one(rest, n);
    if (!isfinite(*length)) return 0;
    for (int j = 0; j < count; j++) {
        order[j] = j;
        lengths[j] = bring_to_one(J[j], n);
        if (!(lengths[j] > 0 && lengths[j] < INFINITY)) return 0;
    }
    if (gslfit_qr(J, order, count, n, DETERMINED, &rest, 1) < count) return 0;
    gslfit_solve_upper(J, count, rest);
    for (int i = 0; i < count; i++) found[order[i]] = rest[i] * (*length / lengths[order[i]]);
    return 1;
}

int gslfit_linear_fit(const program *code, const fit_points *data, const double *v, const double *inputs, const int *which, int count,
                      double *found, double *lengths, double *length) {
    const long n = data->n;
    double *columns[MAX_FREE], *rest = malloc((code->nfree + 1) * (n + 1) * sizeof *rest), *J = rest + n;
    workspace *space = gslfit_workspace_new(code);
    int done = rest && space ? n >= count : -1;
    if (done > 0) {
        gslfit_workspace_evaluate(space, v, inputs, data->x, n, rest, J, 1, n);
        gslfit_points_residuals(data, rest);
        for (long i = 0; i < n; i++) rest[i] = -rest[i];
        for (int j = 0; j < count; j++) gslfit_points_weigh(data, columns[j] = J + which[j] * n, 1);
        done = fit_columns(columns, count, rest, n, found, lengths, length);
    }
    free(rest);
    gslfit_workspace_free(space);
    return done;
}
