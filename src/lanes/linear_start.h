#ifndef GSLFIT_LINEAR_START_H
#define GSLFIT_LINEAR_START_H

#include "lane_state.h"

/* Where lane l is to begin instead, if the variables that its program is linear in are far too small beside its data at the trial values,
 * whose sums are known. Returns whether they are; start (p) is filled then. */
int gslfit_linear_start(const lane_state *s, const program *p, int l, double *start);

#endif
