/* The rows of losses for the points of one fit, side by side: see objective/losses.h. */
#ifndef GSLFIT_LOSS_POINTS_H
#define GSLFIT_LOSS_POINTS_H

#include "program.h"

/* Make the numbers of objective/losses.h of the model's values (n): the slopes go where they are, the curvatures (n) beside. Returns the
 * cost. */
double gslfit_points_rows(const fit_points *p, loss_rows rows, double *values, double *curvatures);

/* Turn the model's values (n) into the residuals of a step; what multiplies the model's derivatives goes into factors (n). Returns the
 * cost. */
double gslfit_points_step(const fit_points *p, double *values, double *factors);

/* Turn the model's values (n) into residuals whose squares are the cost; `room` is for n numbers. */
void gslfit_points_bend(const fit_points *p, double *values, double *room);

/* The length of the data, in units of the residuals'. `room` is for n numbers. */
double gslfit_points_data(const fit_points *p, double *room);

#endif
