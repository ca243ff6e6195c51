/* Rows on their way into the lanes: found where they lie or converted, looked at, weighted, spread. */
#ifndef GSLFIT_LOAD_H
#define GSLFIT_LOAD_H

#include "worker.h"

#include <math.h>

/* What multiplies the residuals of points first to first + count: 1, or the weights, or one over the standard deviations of a row; 0 where
 * a point takes no part by the caller's own words: where the mask says so, the weight is 0 or the error infinite; NaN for an error that is
 * none. The rows are not looked at where there are none; `room` is for count numbers, where there is a mask. */
void gslfit_gather_weights(const batch *b, const char *weights, const char *mask, long first, long count, double *out, double *room);

/* Whether a point takes part: it has a weight, and where points that are not finite are left out, its numbers are (so is their sum). A
 * weight that is not finite spoils its row in any case. */
static inline int takes_part(const batch *b, double weight, double sum) { return weight != 0 && (!b->omit || isfinite(sum)); }

/* Whether all numbers are finite, in four parts that don't wait for each other. */
static inline int all_finite(const double *y, long n) {
    double s[4] = {0, 0, 0, 0};
    long i = 0;
    for (; i + 4 <= n; i += 4)
        for (int k = 0; k < 4; k++) s[k] += y[i + k] * 0.0;
    for (; i < n; i++) s[0] += y[i] * 0.0;
    return (s[0] + s[1]) + (s[2] + s[3]) == 0;
}

/* Whether residuals have weights of their own, if only to leave points out. */
static inline int has_weights(const batch *b) { return b->weighted || b->masked || b->omit; }

/* Spread a variable's row (the first, where fits have rows of their own) over all lanes, and note whether all fits share it and it is
 * finite. */
void gslfit_gather_shared(thread *t, int j);

/* Read a row into a lane. Returns whether its numbers are finite. */
int gslfit_row_load(thread *t, long id, int lane, next_fit *fit);

#endif
