/* Ways down far along J's null space.
 *
 * Where J's columns are dependent to rounding, a part of the model is too small to be seen beside another: a beam whose waist is 1e-12 of
 * its width, a step of whose edge one point is seen. Such parts grow along a straight line, in proportion, and it may take a step of 1e10
 * times the variables for one to be seen: the line is followed by strides that grow, for as long as chi-square stays as it is.
 */
#ifndef GSLFIT_RAYS_H
#define GSLFIT_RAYS_H

#include "polish.h"

/* After a look at v (`end` is what it found): whether chi-square falls far along J's null space, in at most `most` evaluations; their
 * number is added to `used`. Where it falls, v is moved to the lower point. `size` is that of the variables, `rounding` that of the
 * residual's length. */
int gslfit_rays_descend(polisher *s, const polish_data *data, double *v, const double *size, double rounding, int most,
                        const polished *end, int *used);

#endif
