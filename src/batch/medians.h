/* The medians of the absolute residuals of fits that have ended, which a robust loss takes its scale from. */
#ifndef GSLFIT_MEDIANS_H
#define GSLFIT_MEDIANS_H

#include "batch.h"

/* Of each fit of a batch, at its v: the median of what is finite of its weighted residuals, 0 where nothing is. Of the batch its program,
 * source, inputs, fits and v are read. Returns 0, or -1 without memory. */
int gslfit_median_residuals(const batch *b, double *medians);

#endif
