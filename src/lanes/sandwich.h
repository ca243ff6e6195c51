/* Errors of fits by a robust loss: the sandwich A^-1 B A^-1 n/(n - p), A the sum over points of the cost's curvature times J J^T, B that of
 * its slope's square (Huber, Robust Statistics, 1981, section 7.6). They need no scale of the data's errors. A fit in each lane, or one fit
 * whose points are dealt to the lanes.
 */
#ifndef GSLFIT_SANDWICH_H
#define GSLFIT_SANDWICH_H

#include "program/program.h"

typedef struct sandwich sandwich;

sandwich *gslfit_sandwich_new(const program *code, loss_kind loss);  /* NULL without memory */
void gslfit_sandwich_free(sandwich *s);
workspace *gslfit_sandwich_space(sandwich *s);  /* for the scales of the lanes */

/* Take up a fit of `count` points that has ended at v; a variable with a flag has no errors. Slopes of the cost are about as large as
 * `pull`: what is summed are squares of numbers of about 1 times those of weighted derivatives, whatever the unit of the residuals. */
void gslfit_sandwich_take(sandwich *s, int lane, const double *v, const double *inputs, const unsigned char *flags, double count,
                          double pull);

/* Have a lane do what the first one does. */
void gslfit_sandwich_repeat(sandwich *s, int lane);

/* Sum over the points of the fits in the lanes, [point][lane]; weights may be NULL. */
void gslfit_sandwich_sum(sandwich *s, const double *const *x, const double *y, const double *weights, long points);

/* The same for one fit that all lanes have taken up, points by points: begin, add them, take the total. */
void gslfit_sandwich_begin(sandwich *s);
void gslfit_sandwich_add(sandwich *s, const fit_points *points);
void gslfit_sandwich_total(sandwich *s);

/* Work out the errors from the sums. */
void gslfit_sandwich_end(sandwich *s);

/* Read a lane's: deviations (p) and correlations (a triangle by rows) of the variables without a flag, NaN where the cost has no minimum in
 * them. Returns the squared residual. */
double gslfit_sandwich_read(const sandwich *s, int lane, double *deviations, double *correlations);

#endif
