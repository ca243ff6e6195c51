#ifndef GSL_RANGE_CHECK_OFF
#define GSL_RANGE_CHECK_OFF     /* indices are in range by construction */
#endif
#include "lmder.h"
#include "common/extremes.h"
#include "common/linalg.h"
#include "common/qr.h"

#include <float.h>
#include <gsl/gsl_errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { TRIALS = 10, ITERATIONS = 10,     /* steps tried, and values of the parameter for each */
       SAFE = 200, MOST = 1000 };        /* powers of two: lengths within the one can be squared, the other has a reciprocal */
static const double FIRST_RADIUS = 100;  /* times the start's own length, in the scales */
static const double ACCEPTED = 1e-4, POOR = 0.25, GOOD = 0.75;  /* of the fall that is foretold */
static const double NEAR = 0.1;          /* of the radius: a step as long as that to within this is taken */

typedef struct {
    size_t n, p;
    int scaled, first;        /* whether scales are the columns' lengths; whether no step has been taken */
    gsl_matrix *J;
    gsl_vector *x, *f;        /* of a trial */
    double *memory, **columns, **damped;  /* J's columns, R after the decomposition; R with the damping */
    int *order;
    double *rest, *q, *scale, *lengths, *newton, *step, *gradient, *row, *room;  /* rest: -Q^T f; q: the same, damped */
    double fnorm, xnorm, radius, par;
} state;

static double length(const double *v, size_t n) { return gslfit_norm(gslfit_dot(v, v, (long)n), v, n, 1); }

static double scaled_length(state *s, const double *v) {
    for (size_t k = 0; k < s->p; k++) s->room[k] = s->scale[k] * v[k];
    return length(s->room, s->p);
}

/* ---- memory ---- */

static void release(void *which) {
    state *s = which;
    gsl_matrix_free(s->J);
    gsl_vector_free(s->x);
    gsl_vector_free(s->f);
    free(s->memory);
    free(s->columns);
    free(s->order);
}

static int reserve(void *which, size_t n, size_t p) {
    state *s = which;
    s->n = n;
    s->p = p;
    s->J = gsl_matrix_alloc(n, p);
    s->x = gsl_vector_alloc(p);
    s->f = gsl_vector_alloc(n);
    s->memory = calloc(n * (p + 1) + p * (p + 8), sizeof(double));
    s->columns = calloc(2 * p, sizeof *s->columns);
    s->order = calloc(p, sizeof *s->order);
    if (!s->J || !s->x || !s->f || !s->memory || !s->columns || !s->order) {
        release(s);
        return GSL_ENOMEM;
    }
    double **const of_variables[] = {&s->q, &s->scale, &s->lengths, &s->newton, &s->step, &s->gradient, &s->row, &s->room};
    double *next = s->memory + n * p;
    s->rest = next;
    next += n;
    for (size_t k = 0; k < sizeof of_variables / sizeof *of_variables; k++, next += p) *of_variables[k] = next;
    s->damped = s->columns + p;
    for (size_t k = 0; k < p; k++, next += p) s->damped[k] = next;
    return GSL_SUCCESS;
}

/* ---- the decomposition ---- */

/* A power of two that a column so long is multiplied by, so that products of its numbers have a value. */
static double shrinkage(double length) {
    int exponent;
    frexp(length, &exponent);
    return length == 0 || abs(exponent) <= SAFE ? 1 : ldexp(1, exponent > -MOST ? -exponent : MOST);
}

/* Decompose J, which belongs to the residual f. */
static void decompose(state *s, const gsl_vector *f) {
    const size_t n = s->n, p = s->p, wide = s->J->tda;
    for (size_t j = 0; j < p; j++) {
        double *column = s->columns[j] = s->memory + j * n;
        const double *from = s->J->data + j;
        for (size_t i = 0; i < n; i++) column[i] = from[i * wide];
        s->order[j] = (int)j;
        s->lengths[j] = length(column, n);
        s->row[j] = shrinkage(s->lengths[j]);
        for (size_t i = 0; i < n && s->row[j] != 1; i++) column[i] *= s->row[j];
    }
    for (size_t i = 0; i < n; i++) s->rest[i] = -f->data[i * f->stride];
    gslfit_qr(s->columns, s->order, (int)p, (long)n, 0, &s->rest, 1);
    for (size_t k = 0; k < p; k++)
        for (size_t i = 0; i <= k; i++) s->columns[k][i] /= s->row[s->order[k]];
}

/* How many columns there are before the first that is none beside those before it. */
static int rank_of(double *const *R, size_t p) {
    size_t rank = 0;
    while (rank < p && R[rank][rank] != 0) rank++;
    return (int)rank;
}

/* The variables' step from the solution of a triangle, in the order of its columns. */
static void put_in_order(const state *s, const double *solution, double *step) {
    for (size_t k = 0; k < s->p; k++) step[s->order[k]] = solution[k];
}

static void solve(const state *s, double *const *R, const double *right, double *room, double *step) {
    const int rank = rank_of(R, s->p);
    memcpy(room, right, s->p * sizeof *room);
    for (size_t k = (size_t)rank; k < s->p; k++) room[k] = 0;
    gslfit_solve_upper(R, rank, room);
    put_in_order(s, room, step);
}

/* R of J with the scales times `root` below it, by Givens' rotations; q goes along. */
static void damp(state *s, double root) {
    const size_t p = s->p;
    for (size_t j = 0; j < p; j++) memcpy(s->damped[j], s->columns[j], (j + 1) * sizeof(double));
    memcpy(s->q, s->rest, p * sizeof *s->q);
    for (size_t j = 0; j < p; j++) {
        double right = 0;
        memset(s->row, 0, p * sizeof *s->row);
        s->row[j] = root * s->scale[s->order[j]];
        for (size_t k = j; k < p; k++) {
            if (s->row[k] == 0) continue;
            const double a = s->damped[k][k], b = s->row[k], sum = a * a + b * b, whole = gslfit_norm(sum, (double[]){a, b}, 2, 1);
            const double c = a / whole, d = b / whole, q = s->q[k];
            s->damped[k][k] = whole;
            for (size_t i = k + 1; i < p; i++) {
                const double above = s->damped[i][k], below = s->row[i];
                s->damped[i][k] = c * above + d * below;
                s->row[i] = c * below - d * above;
            }
            s->q[k] = c * q + d * right;
            right = c * right - d * q;
        }
    }
}

/* ---- the step ---- */

/* Newton's correction to the parameter over how far a step of the scaled length `far` is beyond the radius: 1 over a square. */
static double correction(state *s, double *const *R, double far) {
    for (size_t k = 0; k < s->p; k++) {
        const int j = s->order[k];
        s->row[k] = s->scale[j] * (s->scale[j] * s->step[j] / far);
    }
    gslfit_solve_transposed(R, (int)s->p, s->row);
    const double found = length(s->row, s->p);
    return (far - s->radius) / s->radius / found / found;
}

/* The gradient -R^T Q^T f by the scales. */
static void find_gradient(state *s) {
    for (size_t k = 0; k < s->p; k++) s->gradient[k] = gslfit_dot(s->columns[k], s->rest, (long)k + 1) / s->scale[s->order[k]];
}

/* The damped step whose scaled length is the radius, or Gauss-Newton's where that is shorter, and its parameter. */
static void find_step(state *s) {
    memcpy(s->step, s->newton, s->p * sizeof *s->step);
    double far = scaled_length(s, s->step), beyond = far - s->radius;
    if (beyond <= NEAR * s->radius) {
        s->par = 0;
        return;
    }
    const double steepest = length(s->gradient, s->p);
    double least = rank_of(s->columns, s->p) == (int)s->p ? correction(s, s->columns, far) : 0, most = steepest / s->radius;
    if (most == 0) most = DBL_MIN / gslfit_smaller(s->radius, 0.1);
    s->par = gslfit_smaller(gslfit_larger(s->par, least), most);
    if (s->par == 0) s->par = steepest / far;
    for (int turn = 1;; turn++) {
        if (s->par == 0) s->par = gslfit_larger(DBL_MIN, 0.001 * most);
        damp(s, sqrt(s->par));
        solve(s, s->damped, s->q, s->row, s->step);
        const double before = beyond;
        far = scaled_length(s, s->step);
        beyond = far - s->radius;
        if (fabs(beyond) <= NEAR * s->radius || (least == 0 && beyond <= before && before < 0) || turn == ITERATIONS) return;
        const double by = correction(s, s->damped, far);
        if (beyond > 0) least = gslfit_larger(least, s->par);
        if (beyond < 0) most = gslfit_smaller(most, s->par);
        s->par = gslfit_larger(least, s->par + by);
    }
}

/* The length of J times the step. */
static double length_along(state *s) {
    for (size_t i = 0; i < s->p; i++) {
        double sum = 0;
        for (size_t j = i; j < s->p; j++) sum += s->columns[j][i] * s->step[s->order[j]];
        s->room[i] = sum;
    }
    return length(s->room, s->p);
}

/* Set the radius and the parameter by what part of the fall that was foretold came true. */
static void set_radius(state *s, double far, double fnorm, double fall, double slope, double ratio) {
    if (ratio > POOR) {
        if (s->par != 0 && ratio < GOOD) return;
        s->radius = 2 * far;
        s->par *= 0.5;
        return;
    }
    double share = fall >= 0 ? 0.5 : 0.5 * slope / (slope + 0.5 * fall);
    if (0.1 * fnorm >= s->fnorm || share < 0.1) share = 0.1;
    s->radius = share * gslfit_smaller(s->radius, far / 0.1);
    s->par /= share;
}

/* ---- as GSL calls it ---- */

static int begin(state *s, int scaled, gsl_multifit_function_fdf *fdf, gsl_vector *x, gsl_vector *f, gsl_vector *dx) {
    int status = fdf->f(x, fdf->params, f);
    if (!status) status = fdf->df(x, fdf->params, s->J);
    if (status) return status;
    gsl_vector_set_zero(dx);
    decompose(s, f);
    s->scaled = scaled;
    s->first = 1;
    s->par = 0;
    s->fnorm = length(f->data, s->n);
    for (size_t k = 0; k < s->p; k++) s->scale[k] = scaled && s->lengths[k] > 0 ? s->lengths[k] : 1;
    s->xnorm = scaled_length(s, x->data);
    s->radius = s->xnorm > 0 ? FIRST_RADIUS * s->xnorm : FIRST_RADIUS;
    return GSL_SUCCESS;
}

static int begin_plain(void *s, const gsl_vector *weights, gsl_multifit_function_fdf *fdf, gsl_vector *x, gsl_vector *f, gsl_vector *dx) {
    (void)weights;
    return begin(s, 0, fdf, x, f, dx);
}

static int begin_scaled(void *s, const gsl_vector *weights, gsl_multifit_function_fdf *fdf, gsl_vector *x, gsl_vector *f, gsl_vector *dx) {
    (void)weights;
    return begin(s, 1, fdf, x, f, dx);
}

/* Go to the trial. */
static int accept(state *s, gsl_multifit_function_fdf *fdf, double fnorm, gsl_vector *x, gsl_vector *f) {
    gsl_vector_memcpy(x, s->x);
    gsl_vector_memcpy(f, s->f);
    const int status = fdf->df(x, fdf->params, s->J);
    if (status) return status;
    s->xnorm = scaled_length(s, x->data);
    s->fnorm = fnorm;
    s->first = 0;
    decompose(s, f);
    for (size_t k = 0; k < s->p && s->scaled; k++) s->scale[k] = gslfit_larger(s->scale[k], s->lengths[k]);
    return GSL_SUCCESS;
}

static int iterate(void *which, const gsl_vector *weights, gsl_multifit_function_fdf *fdf, gsl_vector *x, gsl_vector *f, gsl_vector *dx) {
    state *s = which;
    double steepest = 0;
    (void)weights;
    if (s->fnorm == 0) return GSL_SUCCESS;
    find_gradient(s);
    solve(s, s->columns, s->rest, s->row, s->newton);
    for (size_t k = 0; k < s->p; k++) steepest = gslfit_larger(steepest, fabs(s->gradient[k] / s->fnorm));
    for (int trial = 0; trial < TRIALS; trial++) {
        find_step(s);
        for (size_t k = 0; k < s->p; k++) {
            dx->data[k] = s->step[k];
            s->x->data[k] = x->data[k] + s->step[k];
        }
        const double far = scaled_length(s, s->step);
        if (s->first && far < s->radius) s->radius = far;
        const int status = fdf->f(s->x, fdf->params, s->f);
        if (status) return status;
        const double fnorm = length(s->f->data, s->n), share = fnorm / s->fnorm;
        const double fall = fnorm < 10 * s->fnorm ? 1 - share * share : -1;
        const double linear = length_along(s) / s->fnorm, damping = sqrt(s->par) * far / s->fnorm;
        const double foretold = linear * linear + 2 * damping * damping, ratio = foretold > 0 ? fall / foretold : 0;
        set_radius(s, far, fnorm, fall, -(linear * linear + damping * damping), ratio);
        if (ratio >= ACCEPTED) return accept(s, fdf, fnorm, x, f);
        if (fabs(fall) <= DBL_EPSILON && foretold <= DBL_EPSILON && 0.5 * ratio <= 1) return GSL_ETOLF;
        if (s->radius <= DBL_EPSILON * s->xnorm) return GSL_ETOLX;
        if (steepest <= DBL_EPSILON) return GSL_ETOLG;
    }
    return GSL_ENOPROG;
}

static int gradient(void *which, gsl_vector *g) {
    const state *s = which;
    for (size_t k = 0; k < s->p; k++) gsl_vector_set(g, (size_t)s->order[k], -gslfit_dot(s->columns[k], s->rest, (long)k + 1));
    return GSL_SUCCESS;
}

static int jacobian(void *which, gsl_matrix *J) { return gsl_matrix_memcpy(J, ((state *)which)->J); }

const gsl_multifit_fdfsolver_type gslfit_lmder = {"lmder", sizeof(state), reserve, begin_plain, iterate, gradient, jacobian, release};
const gsl_multifit_fdfsolver_type gslfit_lmsder = {"lmsder", sizeof(state), reserve, begin_scaled, iterate, gradient, jacobian, release};
