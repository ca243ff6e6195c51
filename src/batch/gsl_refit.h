/* One fit by GSL's own solvers, by QR: the referee of fits that the lanes did not bring to an end, or not to a good one. */
#ifndef GSLFIT_REFEREE_H
#define GSLFIT_REFEREE_H

#include "batch.h"
#include "program/curve.h"

typedef struct referee referee;

/* A referee for fits of up to `points` points, within the bounds that lane 0 of the boxes has by then (NULL for none); NULL without memory. */
referee *referee_new(const program *p, long points, const lane_box *boxes);
void referee_free(referee *r);

/* The arrays to be filled with a curve's points before it is judged: variable j, data, weights. */
double *referee_x(referee *r, int j);
double *referee_y(referee *r);
double *referee_weights(referee *r);

/* Fit n points from a start (as the lanes have it); fills end but its id and count. The covariance's elements are LANES apart, and last until
 * the second fit after. */
void referee_fit(referee *r, long n, const double *start, const double *inputs, fit_method method, const fit_options *options,
                 int (*check)(void *who), void *who, outcome *end);

#endif
