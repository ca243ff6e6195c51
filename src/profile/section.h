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

/* The point before and its section, for steps that learn from it. */
typedef struct {
    int known;
    double fall, x[MAX_FREE], rest[MAX_FREE];
} last_section;

/* The step of those not held, -rest; where steps converge slowly it is corrected by what the one before did: where the residual bends more
 * than J^T J says, Gauss-Newton goes back and forth (Anderson's acceleration of depth 1, Journal of the ACM 12 (1965) 547). The point and
 * its section are kept, moved by `move` of parameter k along the section, as the step to be taken moves it. */
void gslfit_section_step(const row_sums *t, int lane, const double *x, const section *s, double move, last_section *last, double *step);

#endif
