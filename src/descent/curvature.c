#include "curvature.h"

#include <float.h>
#include <gsl/gsl_eigen.h>
#include <math.h>
#include <string.h>
#include "coordinates.h"

enum { TURNS = 12, HALVINGS = 10, SHORTER = 4, POWERS = 40 };
static const double BENDS = 0.1;        /* of the residual's length: what it may grow by over a step of a difference */
static const double STEP = 1e-3;        /* of a standard error, and of a variable's own size at most: differences of the gradient */
static const double LEAST_STEP = 1e-6;  /* of a variable */
static const double STIFF = 0.05;       /* of Gauss-Newton's: a lesser curvature is looked at */
static const double LEAST = 1e-3;       /* curvature by which a step, and what it promises, is divided */
static const double LITTLE = 1e-5;      /* the same where such a step leads nowhere, in a valley that gets ever flatter */
static const double STEEP = 1e6;        /* of Gauss-Newton's: where chi-square bends as much, its parabola is good beyond Newton's step */
static const double CERTAIN = 1e3;      /* times its rounding that such a curvature is, or it is not known */
static const double SHORT = 0.01;       /* of the step of a difference: by that it is seen once more */
static const double WALL = 10;          /* times a curvature that it is by the shorter step */
static const double STEEPEST = 1e12;    /* as much counts as this: beside more, one of 1 is lost in the rounding of eigenvalues */
static const double ALIGNED = 1e-9;     /* an eigenvector turns by no more under the Hessian */
static const double FAR = 3;            /* standard errors that one step may go */
static const double PLATEAU = 64;       /* the same where chi-square all but stays */

/* Chi-square to second order in the coordinates z about a point. */
typedef struct {
    coordinates at;
    double sigma;
    double rounding;               /* of a residual's length */
    double noise[MAX_FREE];        /* what rounding leaves of the curvature along a coordinate */
    gsl_vector *values, *slopes;   /* eigenvalues; the gradient along the eigenvectors */
    gsl_matrix *hessian, *vectors;
    gsl_eigen_symmv_workspace *space;
} local;

static void local_free(local *c) {
    gslfit_coordinates_free(&c->at);
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
    c->sigma = end->counted / sqrt(s->n > s->left ? s->n - s->left : 1);
    c->rounding = DBL_EPSILON * fmax(s->model, end->data);
    c->values = gsl_vector_alloc(rank);
    c->slopes = gsl_vector_alloc(rank);
    c->hessian = gsl_matrix_alloc(rank, rank);
    c->vectors = gsl_matrix_alloc(rank, rank);
    c->space = gsl_eigen_symmv_alloc(rank);
    return gslfit_coordinates_keep(&c->at, s) && c->values && c->slopes && c->hessian && c->vectors && c->space;
}

/* How far along dx a difference goes: a part of a standard error, but so that variables change visibly, and not by much of themselves. */
static double step_along(const local *c, const double *v, const double *size, const double *dx) {
    double most = INFINITY;
    for (int j = 0; j < c->at.p; j++)
        if (dx[j] != 0 && size[j] > 0) most = fmin(most, STEP * size[j] / fabs(dx[j]));
    return fmin(gslfit_coordinates_visible(&c->at, v, dx, STEP * c->sigma, LEAST_STEP), most);
}

/* The direction of the greatest curvature, by the power method: that curvature, or 0 where it is not steep, or another one of nearly its
 * size hides it. */
static double steepest(const local *c, double *u) {
    const int rank = c->at.rank;
    double most = 0, value = 0, off = INFINITY;
    int which = 0;
    for (int m = 0; m < rank; m++)
        if (fabs(gsl_matrix_get(c->hessian, m, m)) > most) most = fabs(gsl_matrix_get(c->hessian, m, m)), which = m;
    for (int k = 0; k < rank; k++) u[k] = k == which;
    for (int turn = 0; turn < POWERS && !(off <= ALIGNED); turn++) {
        double next[MAX_FREE] = {0}, norm = 0;
        value = off = 0;
        for (int k = 0; k < rank; k++) {
            for (int m = 0; m < rank; m++) next[k] += gsl_matrix_get(c->hessian, k, m) * u[m];
            value += next[k] * u[k];
            norm = hypot(norm, next[k]);
        }
        if (!(norm > STEEP)) return 0;
        for (int k = 0; k < rank; k++) {
            off = hypot(off, next[k] / value - u[k]);
            u[k] = next[k] / norm;
        }
    }
    return off <= ALIGNED ? value : 0;
}

/* What rounding leaves of the curvature along a direction in z. */
static double noise_along(const local *c, const double *z) {
    double noise = 0;
    for (int k = 0; k < c->at.rank; k++) noise = hypot(noise, z[k] * c->noise[k]);
    return noise;
}

/* Take from a vector what lies along the unit vector u. */
static void take_along(double *x, size_t stride, const double *u, int rank) {
    double along = 0;
    for (int k = 0; k < rank; k++) along += u[k] * x[k * stride];
    for (int k = 0; k < rank; k++) x[k * stride] -= along * u[k];
}

/* Symmetrize the Hessian, directions of steep curvature apart from what is left: all columns that such a direction is part of lie along it,
 * but differences leave them off by a part of its curvature, which may be many times what another direction has (next to the 0 of a
 * parameter that enters squared it grows beyond all bounds). */
static void symmetrize(local *c) {
    const int rank = c->at.rank;
    double apart[MAX_FREE][MAX_FREE], curvature[MAX_FREE];
    int count = 0;
    for (; count < rank; count++) {
        const double value = steepest(c, apart[count]);
        if (!(fabs(value) > STEEP + CERTAIN * noise_along(c, apart[count]))) break;
        for (int m = 0; m < rank; m++) take_along(gsl_matrix_ptr(c->hessian, 0, m), c->hessian->tda, apart[count], rank);
        for (int m = 0; m < rank; m++) take_along(gsl_matrix_ptr(c->hessian, m, 0), 1, apart[count], rank);
        curvature[count] = fmax(-STEEPEST, fmin(STEEPEST, value));
    }
    for (int k = 0; k < rank; k++)
        for (int m = 0; m <= k; m++) {
            double both = 0.5 * (gsl_matrix_get(c->hessian, k, m) + gsl_matrix_get(c->hessian, m, k));
            for (int i = 0; i < count; i++) both += curvature[i] * apart[i][k] * apart[i][m];
            gsl_matrix_set(c->hessian, k, m, both);
            gsl_matrix_set(c->hessian, m, k, both);
        }
}

/* The gradient in z a step to both sides of v. Returns by how much the residual is longer there than `length`, NaN where derivatives
 * are not finite. */
static double gradients_beside(const local *c, polisher *s, const double *v, const double *dx, double step, double length,
                               double sides[2][MAX_FREE]) {
    double at[MAX_FREE], longer = 0;
    for (int side = 0; side < 2; side++) {
        for (int j = 0; j < c->at.p; j++) at[j] = v[j] + (side ? step : -step) * dx[j];
        if (!gslfit_polisher_take(s, at)) return NAN;
        gslfit_coordinates_gradient(&c->at, s, sides[side]);
        longer = fmax(longer, s->residual - length);
    }
    return longer;
}

/* Measure the Hessian in z, over steps so short that the residual is still about as long, and take it apart. Returns whether all was
 * finite. */
static int measure(local *c, polisher *s, const double *v, const double *size, double length, int *used) {
    double unit[MAX_FREE], dx[MAX_FREE], sides[2][MAX_FREE];
    for (int m = 0; m < c->at.rank; m++) {
        memset(unit, 0, sizeof unit);
        unit[m] = 1;
        gslfit_coordinates_outwards(&c->at, unit, 1, dx);
        double h = step_along(c, v, size, dx), far = INFINITY;
        for (int turn = 0; turn < SHORTER && far > BENDS * length; turn++, h = far > BENDS * length ? h / 8 : h) {
            far = gradients_beside(c, s, v, dx, h, length + h, sides);
            if (isnan(far)) return 0;
            *used += 2;
        }
        double amplified = 0;
        for (int i = 0; i <= m; i++) amplified = hypot(amplified, c->at.inverse[i * c->at.p + m]);
        c->noise[m] = c->rounding * amplified / h;
        for (int k = 0; k < c->at.rank; k++) gsl_matrix_set(c->hessian, k, m, (sides[1][k] - sides[0][k]) / (2 * h));
    }
    for (int k = 0; k < c->at.rank; k++)
        for (int m = 0; m < c->at.rank; m++)
            if (!isfinite(gsl_matrix_get(c->hessian, k, m))) return 0;
    symmetrize(c);
    return !gsl_eigen_symmv(c->hessian, c->values, c->vectors, c->space);
}

/* The curvature along an eigenvector that is steep, by a step so short that what chi-square only bends further out does not count; 0 where
 * it is not steep by that, or may be rounding. It is infinite where it grows as the step shrinks: that is a wall, and no parabola. */
static double steep_along(const local *c, polisher *s, const double *v, const double *size, int which, int *used) {
    double z[MAX_FREE], dx[MAX_FREE], sides[2][MAX_FREE], found = 0;
    for (int k = 0; k < c->at.rank; k++) z[k] = gsl_matrix_get(c->vectors, k, which);
    const double value = gsl_vector_get(c->values, which), noise = noise_along(c, z) / SHORT;
    if (!(value >= STEEP + CERTAIN * noise)) return 0;
    gslfit_coordinates_outwards(&c->at, z, 1, dx);
    const double step = SHORT * step_along(c, v, size, dx);
    *used += 2;
    if (isnan(gradients_beside(c, s, v, dx, step, 0, sides))) return 0;
    for (int k = 0; k < c->at.rank; k++) found += z[k] * (sides[1][k] - sides[0][k]) / (2 * step);
    if (value < STEEPEST / WALL && found > WALL * value) return INFINITY;
    return found >= STEEP + CERTAIN * noise ? found : 0;
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

/* Newton's step, curvatures no less than `least`. Returns whether it or a shorter one led to a lower point. */
static int newton_step(local *c, polisher *s, const polish_data *data, double *v, double length, double least, double fall, int *used) {
    double z[MAX_FREE] = {0}, dx[MAX_FREE], norm = 0;
    for (int i = 0; i < c->at.rank; i++) {
        const double part = -gsl_vector_get(c->slopes, i) / fmax(fabs(gsl_vector_get(c->values, i)), least);
        for (int k = 0; k < c->at.rank; k++) z[k] += part * gsl_matrix_get(c->vectors, k, i);
    }
    for (int k = 0; k < c->at.rank; k++) norm = hypot(norm, z[k]);
    for (int k = 0; k < c->at.rank && norm > FAR * c->sigma; k++) z[k] *= FAR * c->sigma / norm;
    gslfit_coordinates_outwards(&c->at, z, 1, dx);
    return norm > 1e-9 * c->sigma && try_along(s, data, v, dx, length, fall, used) < length;
}

/* A step of so many standard errors to either side along a direction in z, but so that variables don't change by much of themselves unless
 * it may go as far as that. Returns whether it or a shorter one led to a lower point. */
static int step_beside(const local *c, polisher *s, const polish_data *data, double *v, const double *size, const double *z, double errors,
                       int bends_down, double length, double fall, int *used) {
    double dx[MAX_FREE], most = errors * c->sigma;
    gslfit_coordinates_outwards(&c->at, z, 1, dx);
    for (int j = 0; j < c->at.p && !bends_down; j++)
        if (dx[j] != 0 && size[j] > 0) most = fmin(most, 0.3 * size[j] / fabs(dx[j]));
    for (int side = -1; side <= 1; side += 2) {
        double far[MAX_FREE];
        for (int j = 0; j < c->at.p; j++) far[j] = side * most * dx[j];
        if (try_along(s, data, v, far, length, fmax(fall, GSLFIT_FALL), used) < length) return 1;
    }
    return 0;
}

/* Newton's step, or where that leads nowhere a direction of little or no curvature. Where there is next to none, and that bends down,
 * chi-square does not tell what J seems to tell: such a direction is followed first, and far (but of a loss that grows by a line, whose
 * costs hardly bend anywhere). Returns whether a lower point was found. */
static int step(local *c, polisher *s, const polish_data *data, double *v, const double *size, double length, int *used) {
    double z[MAX_FREE] = {0}, weakest = INFINITY;
    const double fall = fmax(1e-13, GSLFIT_ROUNDING * fmax(s->model, 1e-300) / length * 1e-2);
    for (int i = 0; i < c->at.rank; i++) weakest = fmin(weakest, fabs(gsl_vector_get(c->values, i)));
    for (int i = 0; i < c->at.rank && weakest < LEAST; i++) {
        const double value = gsl_vector_get(c->values, i);
        for (int k = 0; k < c->at.rank; k++) z[k] = gsl_matrix_get(c->vectors, k, i);
        if (data->points->loss || !(value > -LEAST && value < -noise_along(c, z))) continue;
        if (step_beside(c, s, data, v, size, z, PLATEAU, 0, length, fall, used)) return 1;
    }
    if (newton_step(c, s, data, v, length, LEAST, fall, used)) return 1;
    if (weakest < LEAST && newton_step(c, s, data, v, length, LITTLE, fall, used)) return 1;
    for (int i = 0; i < 2 * c->at.rank; i++) {
        const int m = i - c->at.rank;  /* then coordinates whose curvature is not known */
        if (m < 0 ? !(gsl_vector_get(c->values, i) < STIFF) : !(c->noise[m] > STIFF)) continue;
        const double value = m < 0 ? gsl_vector_get(c->values, i) : 0;
        for (int k = 0; k < c->at.rank; k++) z[k] = m < 0 ? gsl_matrix_get(c->vectors, k, i) : k == m;
        /* where chi-square bends down for sure, a standard error is not too far, whatever that is beside the variables */
        if (step_beside(c, s, data, v, size, z, 1, value <= -STIFF, length, fall, used)) return 1;
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

void gslfit_curvature_unseen(polished *end, double ratio) {
    end->unseen = 1;
    end->cosine *= fmax(1, ratio);
}

int gslfit_curvature_descend(polisher *s, const polish_data *data, double *v, const double *size, int most, double *ratio,
                             polished *end) {
    double last[MAX_FREE];
    int used = 0;
    for (int turn = 0; turn < TURNS; turn++) {
        local c;
        double q[MAX_FREE], newton = 0, promised = 0;  /* where the curvature is not steep, by Gauss-Newton */
        used++;
        if (!look_or_go_back(s, data, v, turn ? last : NULL, end) || s->rank < 1 || end->length == 0) return used;
        memcpy(last, v, s->p * sizeof *v);
        if (used + 2 * s->rank > most) {
            gslfit_curvature_unseen(end, *ratio);
            return used;
        }
        for (int k = 0; k < s->rank; k++) q[k] = s->J[(long)s->p * s->n + k];
        int lower = 0, positive = 0;
        if (!local_new(&c, s, end)) {
            local_free(&c);
            return -1;
        }
        if (measure(&c, s, v, size, end->length, &used)) {
            positive = 1;
            for (int i = 0; i < c.at.rank; i++) {
                double slope = 0;
                for (int k = 0; k < c.at.rank; k++) slope += gsl_matrix_get(c.vectors, k, i) * q[k];
                gsl_vector_set(c.slopes, i, slope);
                positive &= gsl_vector_get(c.values, i) >= STIFF;
                const double steep = steep_along(&c, s, v, size, i, &used), value = steep > 0 ? steep : gsl_vector_get(c.values, i);
                positive &= isfinite(steep) != 0;
                if (!(steep > 0)) promised = hypot(promised, slope / end->counted);
                newton += slope / end->counted * (slope / end->counted) / fmax(fabs(value), LEAST);
            }
            if (end->cosine > 0) *ratio = fmax(*ratio, sqrt(newton) / end->cosine); /* it goes up and down on the way */
            lower = step(&c, s, data, v, size, end->length, &used);
        }
        local_free(&c);
        if (lower) continue;
        used++;
        gslfit_polish_look(s, data, v, NULL, end);
        if (positive) {
            end->disputed = (end->rank < s->left ? end->cosine : promised) > GSLFIT_CLOSE;
            end->cosine = sqrt(newton);
            end->gradient = fmin(end->gradient, end->cosine);
        }
        return used;
    }
    look_or_go_back(s, data, v, last, end);
    gslfit_curvature_unseen(end, *ratio);
    return used + 1;
}
