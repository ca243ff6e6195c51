/* What the rows of a batch see where all of them begin: the model and its derivatives there, evaluated once.
 *
 * A start on a bound is moved inside by as much as a residual sees (gsl_refit.h). Most rows of a batch begin at one place and are placed
 * well: that is told here without evaluating anything.
 */
#ifndef GSLFIT_SHARED_START_H
#define GSLFIT_SHARED_START_H

#include "batch.h"

typedef struct shared_start shared_start;

/* For where the first row begins, by rows that share their variables, which are finite; NULL without memory. */
shared_start *gslfit_shared_start_new(const batch *b);
void gslfit_shared_start_free(shared_start *s);

/* Whether a row that the caller has begin at `given` (p), with these inputs, and that begins at `start` (p) is well placed there by its
 * data and weights (NULL for none); 0 where it is not, or begins elsewhere than the first. */
int gslfit_shared_start_serves(const shared_start *s, const double *given, const double *inputs, const double *start, const double *y,
                               const double *weights);

#endif
