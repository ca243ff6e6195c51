#include "robust_errors.h"

#include <math.h>
#include <stdlib.h>
#include "common/subnormals.h"
#include "gather_rows.h"
#include "lanes/sandwich.h"
#include "program/workspace.h"

struct robust_errors {
    thread *thread;
    sandwich *sandwich;
    lane_rows rows;            /* of the fits that wait, where fits are short */
    double *room;              /* for points of a long one, SHORT at a time */
    fit_result ends[LANES];
    int count;
};

void gslfit_robust_free(robust_errors *r) {
    if (!r) return;
    gslfit_sandwich_free(r->sandwich);
    free(r->rows.memory);
    free(r->room);
    free(r);
}

robust_errors *gslfit_robust_new(thread *t) {
    const row_source *source = &t->batch->source;
    robust_errors *r = calloc(1, sizeof *r);
    if (!r) return NULL;
    r->thread = t;
    r->sandwich = gslfit_sandwich_new(t->batch->program, source->loss);
    int sound = r->sandwich != NULL;
    if (sound && t->long_fit) sound = (r->room = malloc(SHORT * (source->nx + 3) * sizeof(double))) != NULL;
    else if (sound) sound = !gslfit_lane_rows_new(t, &r->rows, gslfit_sandwich_space(r->sandwich));
    if (sound) return r;
    gslfit_robust_free(r);
    return NULL;
}

/* Put down a fit with the errors of a lane. */
static void put(robust_errors *r, fit_result *end, int lane) {
    double deviations[MAX_FREE], correlations[MAX_FREE * (MAX_FREE + 1) / 2];
    end->chisqr = gslfit_sandwich_read(r->sandwich, lane, deviations, correlations);
    end->covariance = NULL;
    end->deviations = deviations;
    end->correlations = correlations;
    gslfit_thread_put(r->thread, end);
}

/* The sums over a long fit's points. */
static void sum_long(robust_errors *r, long id) {
    const row_source *source = &r->thread->batch->source;
    fit_points points = {.loss = source->loss};
    double *x[MAX_VARIABLES], *y = r->room + source->nx * SHORT, *weights = y + SHORT;
    for (int j = 0; j < source->nx; j++) points.x[j] = x[j] = r->room + j * SHORT;
    points.y = y, points.weights = weights;
    for (long first = 0; first < source->points; first += SHORT) {
        const long left = source->points - first;
        const row_source part = gslfit_source_part(source, first, left < SHORT ? left : SHORT);
        points.n = gslfit_source_gather(&part, id, x, y, weights, weights + SHORT);
        gslfit_sandwich_add(r->sandwich, &points);
    }
}

void gslfit_robust_conclude(robust_errors *r) {
    const row_source *source = &r->thread->batch->source;
    const double *x[MAX_VARIABLES];
    if (!r->count) return;
    const gslfit_float_mode mode = gslfit_flush_subnormals();
    for (int j = 0; j < source->nx; j++) x[j] = r->rows.x[j];
    for (int l = r->count; l < LANES; l++) gslfit_sandwich_repeat(r->sandwich, l);
    gslfit_sandwich_sum(r->sandwich, x, r->rows.y, has_weights(source) ? r->rows.weights : NULL, source->points);
    gslfit_float_mode_set(mode);
    gslfit_sandwich_end(r->sandwich);
    for (int l = 0; l < r->count; l++) put(r, r->ends + l, l);
    r->count = 0;
}

void gslfit_robust_take(robust_errors *r, const fit_result *end) {
    thread *t = r->thread;
    const batch *b = t->batch;
    const int lane = r->count++;
    double inputs[MAX_INPUTS];
    r->ends[lane] = *end;
    gslfit_batch_inputs(b, end->id, inputs);
    const double scale = gslfit_source_scale(&b->source, end->id), typical = end->length / sqrt(end->count);
    gslfit_sandwich_take(r->sandwich, lane, end->v, inputs, end->flags, end->count, typical < scale ? typical : scale);
    if (!t->long_fit) {
        gslfit_row_reload(t, &r->rows, end->id, lane);
        if (r->count == LANES) gslfit_robust_conclude(r);
        return;
    }
    gslfit_workspace_scale(gslfit_sandwich_space(r->sandwich), lane, scale);
    for (int l = 1; l < LANES; l++) gslfit_sandwich_repeat(r->sandwich, l);
    const gslfit_float_mode mode = gslfit_flush_subnormals();
    gslfit_sandwich_begin(r->sandwich);
    sum_long(r, end->id);
    gslfit_sandwich_total(r->sandwich);
    gslfit_float_mode_set(mode);
    gslfit_sandwich_end(r->sandwich);
    put(r, r->ends, 0);
    r->count = 0;
}
