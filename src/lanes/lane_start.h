#ifndef GSLFIT_LANE_START_H
#define GSLFIT_LANE_START_H

#include "lane_state.h"

/* Where lane l is to begin instead (program/linear_start.h), by the sums at its trial values. Returns whether it is; start (p) is filled
 * then. */
int gslfit_lane_start(const lane_state *s, const program *p, int l, double *start);

#endif
