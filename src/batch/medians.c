#include "medians.h"

#include <gsl/gsl_statistics.h>
#include <math.h>
#include <stdlib.h>
#include "program/folding.h"
#include "worker.h"

/* The median of the absolute values of what is finite of n numbers, which are moved about. */
static double median_of(double *numbers, long n) {
    long used = 0;
    for (long i = 0; i < n; i++)
        if (isfinite(numbers[i])) numbers[used++] = fabs(numbers[i]);
    return used ? gsl_stats_median(numbers, 1, (size_t)used) : 0;
}

int gslfit_median_residuals(const batch *b, double *medians) {
    const long n = b->source.points;
    const int nx = b->program->nx;
    double inputs[MAX_INPUTS], *x[MAX_VARIABLES];
    workspace *space = gslfit_workspace_new(b->program);
    double *memory = malloc(((size_t)n * (nx + 4) + 1) * sizeof *memory);
    const int failed = !space || !memory;
    for (long id = 0; !failed && id < b->fits; id++) {
        double *y = memory, *weights = y + n, *room = weights + n, *residuals = room + n;
        for (int j = 0; j < nx; j++) x[j] = residuals + (j + 1) * n;
        gslfit_batch_inputs(b, id, inputs);
        if (gslfit_own_responses(b->program)) gslfit_workspace_respond(space, -1, &b->source.response, id);
        fit_points points = {.y = y, .weights = weights};
        points.n = gslfit_source_gather(&b->source, id, x, y, weights, room);
        for (int j = 0; j < nx; j++) points.x[j] = x[j];
        gslfit_workspace_evaluate(space, b->v + id * b->program->nfree, inputs, points.x, points.n, residuals, NULL, 0, 0);
        gslfit_points_residuals(&points, residuals);
        medians[id] = median_of(residuals, points.n);
    }
    free(memory);
    gslfit_workspace_free(space);
    return -failed;
}
