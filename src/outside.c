#include "outside.h"

#include <math.h>
#include <stdlib.h>
#include "lane_state.h"

/* ---- bounds ---- */

/* A start that lies on a bound or next to it, moved inside. */
static double step_inside(const outside *o, const box *b, double value) {
    for (int side = 0; side < 2; side++) {
        const double bound = side ? b->high : b->low;
        if (!isfinite(bound) || !(fabs(value - bound) <= o->beside * fabs(bound))) continue;
        const double step = fmin(o->inside * (bound != 0 ? fabs(bound) : 1), o->inside * fabs(b->high - b->low));
        value = side ? bound - step : bound + step;
    }
    return value;
}

/* A quotient of roots: a small distance below a huge bound is not lost. */
static double inner(const box *b, double value) {
    const double width = sqrt(fabs(b->far - b->near));
    if ((value - b->near) / (b->far - b->near) <= 0.5) return 2 * asin(sqrt(fabs(value - b->near)) / width);
    return 3.14159265358979323846 - 2 * asin(sqrt(fabs(b->far - value)) / width);
}

static double start_of(const outside *o, int k, long id) {
    const rows_view *v = o->starts + k;
    const char *row = rows_find(v, id);
    double value;
    const double *in_place = rows_in_place(v, row);
    if (in_place) return *in_place;
    rows_read(v, row, 0, 1, &value, 1);
    return value;
}

void outside_start(const outside *o, long id, double *v, double *sizes) {
    for (int k = 0; k < o->p; k++) {
        const box *b = o->boxes + k;
        if (!v && b->bounds != 1) continue;
        const double value = start_of(o, k, id), at = b->bounds ? step_inside(o, b, value) : value;
        if (b->bounds == 1) *sizes++ = at - b->near;
        if (v) v[k] = b->bounds == 0 ? at : b->bounds == 2 ? inner(b, at) : isfinite(at) && at != b->near ? sqrt(3) : NAN;
    }
}

void outside_values(const outside *o, const double *sizes, double *v, double *slopes) {
    for (int k = 0; k < o->p; k++) {
        const box *b = o->boxes + k;
        const double at = v[k];
        slopes[k] = 1;
        if (b->bounds == 1) {
            const double size = *sizes++, root = hypot(at, 1);
            v[k] = b->near + size * at * (at / (root + 1));
            slopes[k] = size * (at / root);
        } else if (b->bounds == 2) {  /* beyond the middle count from the far bound: no value passes it by a rounding error */
            const double width = b->far - b->near, s = sin(0.5 * at), c = cos(0.5 * at);
            v[k] = fabs(s) <= fabs(c) ? b->near + s * (width * s) : b->far - c * (width * c);
            slopes[k] = width * s * c;
        }
    }
}

/* ---- expressions ---- */

workspace **outside_spaces(const outside *o) {
    if (!o->tied) return NULL;
    workspace **spaces = calloc(o->tied, sizeof *spaces);
    int made = 0;
    while (spaces && made < o->tied && (spaces[made] = workspace_new(o->expressions[made]))) made++;
    if (made == o->tied) return spaces;
    outside_free(o, spaces);
    return NULL;
}

void outside_free(const outside *o, workspace **spaces) {
    for (int k = 0; spaces && k < o->tied; k++) workspace_free(spaces[k]);
    free(spaces);
}

/* An output of a program without independent variables: a scalar. */
static double output(const workspace *w, int k) { return w->scalars[(long)~w->program->outputs[k] * LANES]; }

void outside_tie(const outside *o, workspace **spaces, long id, const double *values, const double *inputs, const double *covariance) {
    for (int t = 0; t < o->tied; t++) {
        double variance = 0;
        workspace_set(spaces[t], values, inputs);
        for (int i = 0; i < o->p; i++) {
            const double slope = output(spaces[t], 1 + i);
            if (slope == 0) continue;
            for (int j = 0; j < o->p; j++) {
                const double other = output(spaces[t], 1 + j);
                if (other != 0) variance += slope * other * covariance[i > j ? ELEMENT(i, j) : ELEMENT(j, i)];
            }
        }
        o->tied_values[id * o->tied + t] = output(spaces[t], 0);
        o->tied_errors[id * o->tied + t] = sqrt(variance > 0 || isnan(variance) ? variance : 0);
    }
}
