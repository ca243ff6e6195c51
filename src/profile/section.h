/* Chi-square's quadratic model round a point with some parameters held: where the others are lowest, and how that depends on one of those
 * held. By the normal equations on columns of one length; what they can't tell is said to be in doubt. */
#ifndef GSLFIT_SECTION_H
#define GSLFIT_SECTION_H

#include <stdint.h>
#include "row_sums.h"

/* With parameter k moved by t and the others by -(rest + t*pull), chi-square changes by -fall + 2*slope*t + curvature*t^2: the lowest. */
typedef struct {
    double fall, slope, curvature;
    double rest[MAX_FREE], pull[MAX_FREE];  /* 0 of those held */
} section;

/* The section at x (p), the point in a lane of t, with the parameters held that have a bit in `held`, k among them (or k = -1), and those
 * that chi-square pushes against their bound. Returns 0 where a parameter has no effect, or the columns depend on each other. */
int gslfit_section(const row_sums *t, int lane, const double *x, const double *low, const double *high, uint64_t held, int k, section *s);

#endif
