/* The points of a fit and a program, as a residual in GSL's signatures, with its Jacobian by the free variables. */
#ifndef GSLFIT_CURVE_H
#define GSLFIT_CURVE_H

#include <gsl/gsl_matrix.h>
#include <gsl/gsl_vector.h>
#include "parameters/bounds.h"
#include "program.h"

typedef struct {
    workspace *space;
    const fit_points *points;
    const double *inputs;
    double *room;             /* for 2 n numbers; where there is a loss */
    const fit_bound *bounds;  /* NULL, or transforms: v is then what the program's variables are functions of */
} curve;

int gslfit_curve_f(const gsl_vector *v, void *which, gsl_vector *f);
int gslfit_curve_df(const gsl_vector *v, void *which, gsl_matrix *J);

#endif
