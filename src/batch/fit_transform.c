#include "fit_transform.h"

#include <math.h>
#include <stdlib.h>
#include "lanes/lane_state.h"

/* ---- starts ---- */

static double start_of(const fit_transform *o, int k, long id) {
    const strided_array *v = o->starts + k;
    const char *row = gslfit_strided_row(v, id);
    const double *in_place = gslfit_strided_in_place(v, row);
    double value;
    if (in_place) return *in_place;
    gslfit_strided_read(v, row, 0, 1, &value, 1);
    return value;
}

void gslfit_transform_start(const fit_transform *o, long id, double *given, double *v) {
    for (int k = 0; k < o->p; k++) {
        const double value = start_of(o, k, id);
        if (given) given[k] = value;
        v[k] = o->bounded ? gslfit_bound_interior(value, o->low[k], o->high[k], o->inside, o->beside) : value;
    }
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

/* The length of sum over i of slope_i error_i e_i, where e_i.e_j is the correlation. A parameter without an error spoils what depends
 * on it. */
static double spread_of(const workspace *w, int p, const double *errors, const double *correlations) {
    double parts[MAX_FREE], most = 0, sum = 0;
    for (int i = 0; i < p; i++) {
        const double slope = output(w, 1 + i);
        parts[i] = slope != 0 ? slope * errors[i] : 0;
        if (isnan(parts[i])) return NAN;
        most = gslfit_larger(fabs(parts[i]), most);
    }
    if (most == 0 || isinf(most)) return most;
    for (int i = 0; i < p; i++)
        for (int j = 0; j < p && parts[i] != 0; j++)
            if (parts[j] != 0)
                sum += parts[i] / most * (parts[j] / most) * (i == j ? 1 : correlations[i > j ? ELEMENT(i, j) : ELEMENT(j, i)]);
    return most * sqrt(sum < 0 ? 0 : sum);
}

void gslfit_transform_derive(const fit_transform *o, workspace **spaces, long id, const double *values, const double *inputs,
                             const double *errors, const double *correlations) {
    for (int t = 0; t < o->derived; t++) {
        gslfit_workspace_set(spaces[t], values, inputs);
        o->derived_values[id * o->derived + t] = output(spaces[t], 0);
        o->derived_errors[id * o->derived + t] = spread_of(spaces[t], o->p, errors, correlations);
    }
}
