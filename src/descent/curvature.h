/* Chi-square to second order about a point where Gauss-Newton steps do not contract, or may have led to a saddle: Newton's steps there.
 *
 * With J = Q R over the columns that count, scaled to length 1, the coordinates z = R D (x - x0) measure moves by what they do to the
 * residual. In them half the Hessian of chi-square is I + R^-T D^-1 T D^-1 R^-1, T the sum of r_i times its second derivatives; it is
 * measured by central differences of the gradient, two evaluations for each coordinate. A direction in which it is not clearly positive is
 * tried, to both sides: whether chi-square falls there decides, not the measured number.
 */
#ifndef GSLFIT_CURVATURE_H
#define GSLFIT_CURVATURE_H

#include "common/rare.h"
#include "polish.h"

/* Step from v (p) to lower points for as long as there are any, in at most `most` evaluations; `size` (p) is what a variable's own size is.
 * Afterwards `end` is what is known at v. Its cosine is that of Newton's step where the Hessian is positive; `unseen` where the evaluations
 * ended before, or the steps led on. `ratio` is that of Newton's step to Gauss-Newton's, in what they promise, the greatest so far;
 * 1 before. Returns the evaluations used. */
GSLFIT_RARE
int gslfit_curvature_descend(polisher *s, const polish_data *data, double *v, const double *size, int most, double *ratio,
                             polished *end);

/* The curvature at the end is not known, but what it was at the last step, which led there: how much more a Newton step promised. */
void gslfit_curvature_unseen(polished *end, double ratio);

#endif
