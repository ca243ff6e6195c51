/* Errors of fits by a robust loss: the sandwich A^-1 B A^-1 n/(n - p), A the sum over points of the cost's curvature times J J^T, B that of
 * its slope's square (Huber, Robust Statistics, 1981, section 7.6). They need no scale of the data's errors.
 */
#ifndef GSLFIT_SANDWICH_H
#define GSLFIT_SANDWICH_H

#include "program/program.h"

typedef struct sandwich sandwich;

sandwich *gslfit_sandwich_new(const program *code, loss_kind loss);  /* NULL without memory */
void gslfit_sandwich_free(sandwich *s);

/* Take up a fit that has ended at v, add its points in one go or several, and conclude. */
void gslfit_sandwich_begin(sandwich *s, const double *v, const double *inputs, double scale);
void gslfit_sandwich_add(sandwich *s, const fit_points *points);

/* Deviations (p) and correlations (a triangle by rows) of the variables without a flag, NaN where the cost has no minimum in them; the
 * squared residual. */
void gslfit_sandwich_end(sandwich *s, const unsigned char *flags, double *deviations, double *correlations, double *square);

#endif
