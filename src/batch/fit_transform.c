#include "fit_transform.h"

#include <math.h>
#include <stdlib.h>
#include "lanes/lane_state.h"

/* ---- bounds ---- */

void box_prepare(box *b, double inside, double beside) {
    for (int side = 0; side < 2; side++) {
        const double bound = side ? b->high : b->low, step = inside * (bound != 0 ? fabs(bound) : 1);
        b->beside[side] = isfinite(bound) ? beside * fabs(bound) : -1;
        b->step[side] = fmin(step, inside * fabs(b->high - b->low));
    }
    b->width = b->far - b->near;
    b->per_root = 1 / sqrt(fabs(b->width));
}

/* A start that lies on a bound or next to it, moved inside. */
static double step_inside(const box *b, double value) {
    if (fabs(value - b->low) <= b->beside[0]) value = b->low + b->step[0];
    if (fabs(value - b->high) <= b->beside[1]) value = b->high - b->step[1];
    return value;
}

/* Between two bounds v is an angle, twice the arc sine of a root; those of one fit are worked out together. */
typedef struct {
    row root;
    row beyond;  /* the middle: 1 where the angle is counted from the far bound, pi there */
    int variable[LANES], count;
} angles;

static void end_angles(angles *a, double *v) {
    const double pi = 3.14159265358979323846;
    if (a->count) current_isa()->angles(a->root, a->count);
    for (int i = 0; i < a->count; i++)  /* no branches: which of the bounds is nearer is chance */
        v[a->variable[i]] = pi * a->beyond[i] + (1 - 2 * a->beyond[i]) * a->root[i];
    a->count = 0;
}

/* A quotient of roots: a small distance below a huge bound is not lost. */
static void add_angle(angles *a, const box *b, double value, int k, double *v) {
    if (a->count == LANES) end_angles(a, v);
    const double near = fabs(value - b->near), far = fabs(b->far - value);
    a->beyond[a->count] = far < near;
    a->root[a->count] = sqrt(far < near ? far : near) * b->per_root;
    a->variable[a->count++] = k;
}

static double start_of(const outside *o, int k, long id) {
    const rows_view *v = o->starts + k;
    const char *row = rows_find(v, id);
    const double *in_place = rows_in_place(v, row);
    double value;
    if (in_place) return *in_place;
    rows_read(v, row, 0, 1, &value, 1);
    return value;
}

/* Put one variable's bounds into a lane, and the start that stands for `value` into v[k], or among the angles. */
static void enter(const outside *o, int k, double value, lane_box *to, int lane, double *v, angles *a) {
    const box *b = o->boxes + k;
    const double at = step_inside(b, value), distance = at - b->near, below = at - b->low, above = b->high - at;
    const int parabola = o->bounds[k] == 1 || fabs(distance) < o->wide * fabs(b->width);
    const int out = (below < above ? below : above) > o->out * (at != 0 ? fabs(at) : 1);
    to->near = b->near;
    to->far = b->far;
    to->size[lane] = parabola ? distance : b->width;
    to->wide[lane] = o->bounds[k] == 2 && parabola;
    to->out[lane] = out;
    to->any_wide |= to->wide[lane] != 0;
    to->any_out |= out;
    if (out) v[k] = at;
    else if (!parabola) add_angle(a, b, at, k, v);
    else v[k] = isfinite(distance) && distance != 0 ? sqrt(3) : NAN;
}

void outside_start(const outside *o, long id, double *given, double *v, lane_box *boxes, int lane) {
    angles a;
    a.count = 0;
    for (int k = 0; k < o->p; k++) {
        const double value = start_of(o, k, id);
        if (given) given[k] = value;
        if (o->bounds[k]) enter(o, k, value, boxes + k, lane, v, &a);
        else v[k] = value;
    }
    end_angles(&a, v);
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
