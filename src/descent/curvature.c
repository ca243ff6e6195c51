#include "curvature.h"

#include <float.h>
#include <gsl/gsl_eigen.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "common/linalg.h"
#include "polisher.h"

enum { TURNS = 12, HALVINGS = 10, SHORTER = 4 };
static const double BENDS = 0.1;        /* of the residual's length: what it may grow by over a step of a difference */
static const double STEP = 1e-3;        /* of a standard error, and of a variable's own size at most: differences of the gradient */
static const double LEAST_STEP = 1e-6;  /* of a variable */
static const double STIFF = 0.05;       /* of Gauss-Newton's: a lesser curvature is looked at */
static const double LEAST = 1e-3;       /* curvature by which a step is divided */
static const double FAR = 3;            /* standard errors that one step may go */

/* The coordinates z about a point, and chi-square to second order in them. */
typedef struct {
    int p, rank, order[MAX_FREE];
    double lengths[MAX_FREE], sigma;
    double rounding;               /* of a residual's length */
    int unknown[MAX_FREE];         /* 1 where the curvature along a coordinate is lost in rounding */
    double *inverse;               /* R^-1, rank x rank in rows of p */
    gsl_vector *values, *slopes;   /* eigenvalues; the gradient along the eigenvectors */
    gsl_matrix *hessian, *vectors;
    gsl_eigen_symmv_workspace *space;
} local;

static void local_free(local *c) {
    free(c->inverse);
    gsl_vector_free(c->values);
    gsl_vector_free(c->slopes);
    gsl_matrix_free(c->hessian);
    gsl_matrix_free(c->vectors);
    if (c->space) gsl_eigen_symmv_free(c->space);
}

/* Keep the coordinates of the point that the polisher has just looked at. Returns 0 without memory. */
static int local_new(local *c, const polisher *s, const polished *end) {
    const size_t rank = s->rank;
    memset(c, 0, sizeof *c);
    c->p = s->p;
    c->rank = s->rank;
    c->sigma = end->length / sqrt(s->n > s->left ? s->n - s->left : 1);
    c->rounding = DBL_EPSILON * fmax(s->model, end->data);
    memcpy(c->order, s->order, sizeof c->order);
    memcpy(c->lengths, s->lengths, sizeof c->lengths);
    c->inverse = malloc((size_t)s->p * s->p * sizeof(double));
    c->values = gsl_vector_alloc(rank);
    c->slopes = gsl_vector_alloc(rank);
    c->hessian = gsl_matrix_alloc(rank, rank);
    c->vectors = gsl_matrix_alloc(rank, rank);
    c->space = gsl_eigen_symmv_alloc(rank);
    if (!c->inverse || !c->values || !c->slopes || !c->hessian || !c->vectors || !c->space) return 0;
    memcpy(c->inverse, s->inverse, (size_t)s->p * s->p * sizeof(double));
    return 1;
}

/* The change of the variables for a step z (rank, `stride` apart): D^-1 R^-1 z. */
static void outwards(const local *c, const double *z, size_t stride, double *dx) {
    for (int j = 0; j < c->p; j++) dx[j] = 0;
    for (int i = 0; i < c->rank; i++) {
        double sum = 0;
        for (int k = i; k < c->rank; k++) sum += c->inverse[i * c->p + k] * z[k * stride];
        dx[c->order[i]] = sum / c->lengths[c->order[i]];
    }
}

/* Half the gradient of chi-square in z, where the polisher has taken residual and Jacobian. */
static void gradient(const local *c, const polisher *s, double *g) {
    const double *r = s->J + (long)s->p * s->n;
    double own[MAX_FREE];
    for (int i = 0; i < c->rank; i++) {
        const int j = c->order[i];
        own[i] = gslfit_dot(s->J + (long)j * s->n, r, s->n) * (s->lengths[j] / c->lengths[j]);
    }
    for (int k = 0; k < c->rank; k++) {
        g[k] = 0;
        for (int i = 0; i <= k; i++) g[k] += c->inverse[i * c->p + k] * own[i];
    }
}

/* How far along dx a difference goes: a part of a standard error, but so that variables change visibly, and not by much of themselves. */
static double step_along(const local *c, const double *v, const double *size, const double *dx) {
    double h = STEP * c->sigma, least = 0, most = INFINITY;
    for (int j = 0; j < c->p; j++) {
        if (dx[j] == 0) continue;
        least = fmax(least, 0);
        if (v[j] != 0) least = least == 0 ? LEAST_STEP * fabs(v[j] / dx[j]) : fmin(least, LEAST_STEP * fabs(v[j] / dx[j]));
        if (size[j] > 0) most = fmin(most, STEP * size[j] / fabs(dx[j]));
    }
    return fmin(fmax(h, least), most);
}

/* Measure the Hessian in z, over steps so short that the residual is still about as long, and take it apart. Returns whether all was
 * finite. */
static int measure(local *c, polisher *s, const double *v, const double *size, double length, int *used) {
    double unit[MAX_FREE], dx[MAX_FREE], at[MAX_FREE], sides[2][MAX_FREE];
    for (int m = 0; m < c->rank; m++) {
        memset(unit, 0, sizeof unit);
        unit[m] = 1;
        outwards(c, unit, 1, dx);
        double h = step_along(c, v, size, dx), far = INFINITY;
        for (int turn = 0; turn < SHORTER && far > BENDS * length; turn++, h = far > BENDS * length ? h / 8 : h) {
            far = 0;
            for (int side = 0; side < 2; side++) {
                for (int j = 0; j < c->p; j++) at[j] = v[j] + (side ? h : -h) * dx[j];
                if (!gslfit_polisher_take(s, at)) return 0;
                gradient(c, s, sides[side]);
                far = fmax(far, s->residual - length - h);
            }
            *used += 2;
        }
        double amplified = 0;
        for (int i = 0; i <= m; i++) amplified = hypot(amplified, c->inverse[i * c->p + m]);
        c->unknown[m] = c->rounding * amplified > STIFF * h;
        for (int k = 0; k < c->rank; k++) gsl_matrix_set(c->hessian, k, m, (sides[1][k] - sides[0][k]) / (2 * h));
    }
    for (int k = 0; k < c->rank; k++)
        for (int m = 0; m < k; m++) {
            const double both = 0.5 * (gsl_matrix_get(c->hessian, k, m) + gsl_matrix_get(c->hessian, m, k));
            gsl_matrix_set(c->hessian, k, m, both);
            gsl_matrix_set(c->hessian, m, k, both);
        }
    for (int k = 0; k < c->rank; k++)
        for (int m = 0; m < c->rank; m++)
            if (!isfinite(gsl_matrix_get(c->hessian, k, m))) return 0;
    return !gsl_eigen_symmv(c->hessian, c->values, c->vectors, c->space);
}

static double within(const polish_data *d, int j, double v) { return d->low ? fmin(d->high[j], fmax(d->low[j], v)) : v; }

/* Try v + dx and shorter; take the first point that is lower than `length` by more than a share `fall`. */
static double try_along(polisher *s, const polish_data *data, double *v, const double *dx, double length, double fall, int *used) {
    double at[MAX_FREE], share = 1;
    for (int k = 0; k < HALVINGS; k++, share /= 4) {
        for (int j = 0; j < s->p; j++) at[j] = within(data, j, v[j] + share * dx[j]);
        const double found = gslfit_polish_length(s, data, at);
        ++*used;
        if (!(found < length * (1 - fall))) continue;
        memcpy(v, at, s->p * sizeof *v);
        return found;
    }
    return length;
}

/* Newton's step, or where that leads nowhere a direction of little or no curvature. Returns whether a lower point was found. */
static int step(local *c, polisher *s, const polish_data *data, double *v, const double *size, double length, int *used) {
    double z[MAX_FREE] = {0}, dx[MAX_FREE], norm = 0;
    const double fall = fmax(1e-13, GSLFIT_ROUNDING * fmax(s->model, 1e-300) / length * 1e-2);
    for (int i = 0; i < c->rank; i++) {
        const double part = -gsl_vector_get(c->slopes, i) / fmax(fabs(gsl_vector_get(c->values, i)), LEAST);
        for (int k = 0; k < c->rank; k++) z[k] += part * gsl_matrix_get(c->vectors, k, i);
    }
    for (int k = 0; k < c->rank; k++) norm = hypot(norm, z[k]);
    for (int k = 0; k < c->rank && norm > FAR * c->sigma; k++) z[k] *= FAR * c->sigma / norm;
    outwards(c, z, 1, dx);
    if (norm > 1e-9 * c->sigma && try_along(s, data, v, dx, length, fall, used) < length) return 1;
    for (int i = 0; i < 2 * c->rank; i++) {
        const int m = i - c->rank;  /* then coordinates whose curvature is not known */
        if (m < 0 ? !(gsl_vector_get(c->values, i) < STIFF) : !c->unknown[m]) continue;
        const double value = m < 0 ? gsl_vector_get(c->values, i) : 0;
        double most = c->sigma;
        for (int k = 0; k < c->rank; k++) z[k] = m < 0 ? gsl_matrix_get(c->vectors, k, i) : k == m;
        outwards(c, z, 1, dx);
        /* where chi-square bends down for sure, a standard error is not too far, whatever that is beside the variables */
        for (int j = 0; j < c->p && value > -STIFF; j++)
            if (dx[j] != 0 && size[j] > 0) most = fmin(most, 0.3 * size[j] / fabs(dx[j]));
        for (int side = -1; side <= 1; side += 2) {
            double far[MAX_FREE];
            for (int j = 0; j < c->p; j++) far[j] = side * most * dx[j];
            if (try_along(s, data, v, far, length, fmax(fall, 1e-10), used) < length) return 1;
        }
    }
    return 0;
}

/* Look at v; where chi-square is finite there, but derivatives are not, at the point before. Returns whether that was not needed. */
static int look_or_go_back(polisher *s, const polish_data *data, double *v, const double *last, polished *end) {
    if (gslfit_polish_look(s, data, v, NULL, end)) return 1;
    if (last) {
        memcpy(v, last, s->p * sizeof *v);
        gslfit_polish_look(s, data, v, NULL, end);
    }
    return 0;
}

int gslfit_curvature_descend(polisher *s, const polish_data *data, double *v, const double *size, int most, polished *end) {
    double last[MAX_FREE];
    int used = 0;
    for (int turn = 0; turn < TURNS; turn++) {
        local c;
        double q[MAX_FREE], newton = 0;
        used++;
        if (!look_or_go_back(s, data, v, turn ? last : NULL, end) || s->rank < 1 || end->length == 0) return used;
        memcpy(last, v, s->p * sizeof *v);
        if (used + 2 * s->rank > most) return used;
        for (int k = 0; k < s->rank; k++) q[k] = s->J[(long)s->p * s->n + k];
        int lower = 0, positive = 0;
        if (!local_new(&c, s, end)) {
            local_free(&c);
            return -1;
        }
        if (measure(&c, s, v, size, end->length, &used)) {
            positive = 1;
            for (int i = 0; i < c.rank; i++) {
                double slope = 0;
                for (int k = 0; k < c.rank; k++) slope += gsl_matrix_get(c.vectors, k, i) * q[k];
                gsl_vector_set(c.slopes, i, slope);
                positive &= gsl_vector_get(c.values, i) >= STIFF;
                newton += slope / end->length * (slope / end->length) / fmax(fabs(gsl_vector_get(c.values, i)), LEAST);
            }
            lower = step(&c, s, data, v, size, end->length, &used);
        }
        local_free(&c);
        if (lower) continue;
        used++;
        gslfit_polish_look(s, data, v, NULL, end);
        if (positive) {
            end->disputed = end->cosine > GSLFIT_CLOSE;
            end->cosine = sqrt(newton);
        }
        return used;
    }
    look_or_go_back(s, data, v, last, end);
    return used + 1;
}
