#include "polish.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_TURNS = 40 };
static const double DEPENDENT = 1e-14; /* a column this far along the others has no step of its own */
static const double ROUNDING = 4e-16;  /* steps below this share of residual or model move nothing */

typedef struct {
    workspace *space;
    const double *inputs, *y, *weights;
    const double *const *x;
    long n;
    int p;
    double *J;       /* columns of n, and the residual as the last */
    double *length;  /* of the columns before they were scaled */
    double *R;       /* p x p, upper triangle by rows */
    double model;    /* the length of the weighted model: what rounding is measured against */
    double residual;
} problem;

/* In eight parts that don't wait for each other. */
static double dot(const double *a, const double *b, long n) {
    double s[8] = {0};
    long i = 0;
    for (; i + 8 <= n; i += 8)
        for (int k = 0; k < 8; k++) s[k] += a[i + k] * b[i + k];
    for (; i < n; i++) s[0] += a[i] * b[i];
    return ((s[0] + s[1]) + (s[2] + s[3])) + ((s[4] + s[5]) + (s[6] + s[7]));
}

static double norm(const double *a, long n) {
    double sum = dot(a, a, n), big = 0;
    if (sum > 1e-280 && sum < 1e280) return sqrt(sum);
    for (long i = 0; i < n; i++) big = fmax(big, fabs(a[i]));
    if (big == 0 || !isfinite(big) || !isfinite(sum / big)) return isnan(sum) ? sum : big;
    sum = 0;
    for (long i = 0; i < n; i++) sum += a[i] / big * (a[i] / big);
    return big * sqrt(sum);
}

/* Residual and Jacobian at v, weighted, columns scaled to length 1. Returns whether all is finite and no column is zero. */
static int take(problem *s, const double *v) {
    const long n = s->n;
    double *r = s->J + s->p * n;
    workspace_evaluate(s->space, v, s->inputs, s->x, n, r, s->J, 1, n);
    if (s->weights)
        for (int j = 0; j <= s->p; j++)
            for (long i = 0; i < n; i++) s->J[j * n + i] *= s->weights[i];
    s->model = norm(r, n);
    if (s->y)
        for (long i = 0; i < n; i++) r[i] -= s->weights ? s->y[i] * s->weights[i] : s->y[i];
    s->residual = norm(r, n);
    for (int j = 0; j < s->p; j++) {
        s->length[j] = norm(s->J + j * n, n);
        if (!(s->length[j] > 0) || !isfinite(s->length[j])) return 0;
        for (long i = 0; i < n; i++) s->J[j * n + i] /= s->length[j];
    }
    return isfinite(s->residual);
}

static double greatest_cosine(const problem *s) {
    const double *r = s->J + s->p * s->n;
    double most = 0;
    for (int j = 0; j < s->p && s->residual > 0; j++)
        most = fmax(most, fabs(dot(s->J + j * s->n, r, s->n)) / s->residual);
    return most;
}

/* Householder QR of the scaled columns, the residual carried along. Returns whether they are independent. */
static int decompose(problem *s) {
    const long n = s->n;
    const int p = s->p;
    double first = 0;
    for (int k = 0; k < p; k++) {
        double *u = s->J + k * n, alpha = norm(u + k, n - k);
        first = fmax(first, alpha);
        if (!(alpha > DEPENDENT * first)) return 0;
        if (u[k] > 0) alpha = -alpha;
        u[k] -= alpha;
        const double half = -alpha * u[k]; /* |u|^2 / 2 */
        for (int j = k + 1; j <= p; j++) {
            double *column = s->J + j * n;
            const double share = dot(u + k, column + k, n - k) / half;
            for (long i = k; i < n; i++) column[i] -= share * u[i];
        }
        for (int j = k + 1; j < p; j++) s->R[k * p + j] = s->J[j * n + k];
        s->R[k * p + k] = alpha;
    }
    return 1;
}

/* The step -R^-1 Q^T r in scaled variables; returns the length of the change of the residual that it promises. */
static double solve(const problem *s, double *step) {
    const int p = s->p;
    const double *q = s->J + p * s->n;
    double promised = 0;
    for (int k = p - 1; k >= 0; k--) {
        double sum = -q[k];
        for (int j = k + 1; j < p; j++) sum -= s->R[k * p + j] * step[j];
        step[k] = sum / s->R[k * p + k];
        promised = hypot(promised, q[k]);
    }
    return promised;
}

/* (J^T J)^-1 = D^-1 R^-1 R^-T D^-1; R is inverted in place. */
static void invert(problem *s, double *covariance) {
    const int p = s->p;
    double *R = s->R;
    for (int j = p - 1; j >= 0; j--) {
        R[j * p + j] = 1 / R[j * p + j];
        for (int i = j - 1; i >= 0; i--) {
            double sum = 0;
            for (int k = i + 1; k <= j; k++) sum += R[i * p + k] * (k == j ? R[j * p + j] : covariance[k * p + j]);
            covariance[i * p + j] = -sum / R[i * p + i];
        }
    }
    for (int i = 0; i < p; i++)
        for (int j = i + 1; j < p; j++) R[i * p + j] = covariance[i * p + j];
    for (int i = 0; i < p; i++)
        for (int j = 0; j <= i; j++) {
            double sum = 0;
            for (int k = i; k < p; k++) sum += R[i * p + k] * R[j * p + k];
            covariance[i * p + j] = covariance[j * p + i] = sum / s->length[i] / s->length[j];
        }
}

static void descend(problem *s, double *v, double *step, double *trial, double *covariance, polished *end) {
    const int p = s->p;
    double before = INFINITY;
    end->settled = 0;
    if (!take(s, v)) return;
    for (end->nfev = 1; end->nfev < MOST_TURNS; end->nfev++) {
        const double residual = s->residual;
        end->chisqr = residual * residual;
        if (end->residual) memcpy(end->residual, s->J + p * s->n, s->n * sizeof(double));
        end->gradient = greatest_cosine(s);
        if (!decompose(s)) return;
        const double promised = solve(s, step), least = ROUNDING * fmax(residual, s->model);
        double greatest = 0;
        for (int j = 0; j < p; j++) {
            trial[j] = v[j] + step[j] / s->length[j];
            greatest = fmax(greatest, fabs(trial[j] - v[j]) / fmax(fabs(v[j]), 1e-300));
        }
        const int small = promised <= least || greatest <= 1e-15;
        if (small || (promised >= 0.8 * before && before <= 1e-11 * residual + 64 * least)) { /* down to rounding */
            end->settled = 1;
            invert(s, covariance);
            return;
        }
        if (promised >= 0.9 * before) return;
        before = promised;
        if (!take(s, trial) || s->residual > residual * (1 + 1e-10) + 16 * least) return;
        memcpy(v, trial, p * sizeof *v);
    }
}

int polish(const program *code, double *v, const double *inputs, const double *const *x, const double *y, const double *weights, long n,
           double *covariance, polished *end) {
    const int p = code->nfree;
    problem s = {workspace_new(code), inputs, y, weights, x, n, p, NULL, NULL, NULL, 0, 0};
    double *memory = malloc(((size_t)n * (p + 1) + (size_t)p * p + 3 * (size_t)p + 1) * sizeof *memory);
    const int failed = !memory || !s.space;
    if (!failed && n >= p) {
        s.J = memory;
        s.R = s.J + n * (p + 1);
        s.length = s.R + p * p;
        descend(&s, v, s.length + p, s.length + 2 * p, covariance, end);
    }
    free(memory);
    workspace_free(s.space);
    return failed ? -1 : 0;
}
