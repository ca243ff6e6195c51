#include "fit_transform.h"

#include <math.h>
#include <stdlib.h>
#include "lanes/lane_state.h"

/* ---- starts ---- */

fit_box gslfit_transform_box(const fit_transform *o, long id, double *room) {
    if (!o->lows) return (fit_box){o->low, o->high};
    for (int k = 0; k < o->p; k++) {
        room[k] = gslfit_strided_number(o->lows + k, id);
        room[o->p + k] = gslfit_strided_number(o->highs + k, id);
    }
    return (fit_box){room, room + o->p};
}

void gslfit_transform_start(const fit_transform *o, long id, double *given, double *v) {
    double room[2 * MAX_FREE];
    const fit_box box = gslfit_transform_box(o, id, room);
    for (int k = 0; k < o->p; k++) {
        const double value = gslfit_strided_number(o->starts + k, id);
        if (given) given[k] = value;
        v[k] = o->bounded ? gslfit_bound_interior(value, box.low[k], box.high[k], o->inside, o->beside) : value;
    }
}

double gslfit_transform_step_inside(const fit_transform *o, double given, double start, double residual, double column) {
    return gslfit_bound_step_inside(given, start, residual, column, o->share, o->alike);
}

/* ---- expressions ---- */

workspace **gslfit_transform_spaces(const fit_transform *o) {
    if (!o->derived) return NULL;
    workspace **spaces = calloc(o->derived, sizeof *spaces);
    int made = 0;
    while (spaces && made < o->derived && (spaces[made] = gslfit_workspace_new(o->expressions[made]))) made++;
    if (made == o->derived) return spaces;
    gslfit_transform_free(o, spaces);
    return NULL;
}

void gslfit_transform_free(const fit_transform *o, workspace **spaces) {
    for (int k = 0; spaces && k < o->derived; k++) gslfit_workspace_free(spaces[k]);
    free(spaces);
}

/* An output of a program without independent variables: a scalar. */
static double output(const workspace *w, int k) { return w->scalars[(long)~w->program->outputs[k] * LANES]; }

/* The length of sum over i of slope_i error_i e_i, where e_i.e_j is the correlation. A parameter that its bound holds adds nothing to it;
 * what depends on no other one has no error, and neither has what depends on a parameter without one: whether several such have one
 * together, a look by QR tells (batch.c). In Python the rule is gslfit/minimizer/propagation.py. */
static double spread_of(const workspace *w, int p, const unsigned char *flags, const double *errors, const double *correlations) {
    double parts[MAX_FREE], most = 0, sum = 0;
    int held = 0, moves = 0;
    for (int i = 0; i < p; i++) {
        const double slope = output(w, 1 + i);
        parts[i] = 0;
        if (slope == 0) continue;
        if (flags[i] & GSLFIT_HELD) {
            held = 1;
            continue;
        }
        moves = 1;
        parts[i] = slope * errors[i];
        if (isnan(parts[i])) return NAN;
        most = gslfit_larger(fabs(parts[i]), most);
    }
    if (held && !moves) return NAN;
    if (most == 0 || isinf(most)) return most;
    for (int i = 0; i < p; i++)
        for (int j = 0; j < p && parts[i] != 0; j++)
            if (parts[j] != 0)
                sum += parts[i] / most * (parts[j] / most) * (i == j ? 1 : correlations[i > j ? ELEMENT(i, j) : ELEMENT(j, i)]);
    return most * sqrt(sum < 0 ? 0 : sum);
}

void gslfit_transform_slopes(const fit_transform *o, workspace *const *spaces, int which, double *slopes) {
    for (int i = 0; i < o->p; i++) slopes[i] = output(spaces[which], 1 + i);
}

void gslfit_transform_derive(const fit_transform *o, workspace **spaces, long id, const double *values, const double *inputs,
                             const unsigned char *flags, const double *errors, const double *correlations) {
    for (int t = 0; t < o->derived; t++) {
        gslfit_workspace_set(spaces[t], values, inputs);
        o->derived_values[id * o->derived + t] = output(spaces[t], 0);
        o->derived_errors[id * o->derived + t] = spread_of(spaces[t], o->p, flags, errors, correlations);
    }
}
