/* The points of one fit side by side, those that take no part left out: what the polish and GSL's solvers minimise over. */
#ifndef GSLFIT_POINTS_H
#define GSLFIT_POINTS_H

#include "losses.h"

enum { MAX_VARIABLES = 16 };  /* independent variables */

typedef struct {
    long n;
    const double *x[MAX_VARIABLES];  /* each n */
    const double *y, *weights;       /* n, or NULL: 0, and 1 */
    loss_kind loss;                  /* what the residuals cost */
    double scale;                    /* of the loss */
    const double *factor;            /* n x n, a lower triangle by rows: what makes correlated residuals independent; or NULL */
} fit_points;

/* Turn the model's values (n) into weighted residuals. */
void gslfit_points_residuals(const fit_points *p, double *values);

/* Weigh a number of each point, `stride` apart, and whiten them: derivatives of the model become those of the residuals. */
void gslfit_points_weigh(const fit_points *p, double *numbers, long stride);

#endif
