/* What the caller sees of a fit: values within bounds, standard errors, expressions; and where a fit starts.
 *
 * The lanes step in the variables themselves and stop at bounds; GSL's solvers, which know of none, step in what the transforms of bounds.h
 * make of them.
 */
#ifndef GSLFIT_FIT_TRANSFORM_H
#define GSLFIT_FIT_TRANSFORM_H

#include "parameters/bounds.h"
#include "lanes/lanes.h"
#include "objective/strided_array.h"

typedef struct {
    int p;                 /* free variables */
    int bounded;           /* whether any has bounds */
    const double *low, *high;            /* their bounds, infinite for none */
    const strided_array *lows, *highs;   /* (p) each: the bounds of each fit, rows of one number; NULL where all have the same */
    double inside, beside, share, alike, widest, wide, out;  /* bounds.py's INSIDE, NEAR, SHARE, ALIKE, WIDEST, WIDE and FAR */
    const strided_array *starts;  /* one for each of them: rows of one number */
    int scaled;            /* whether covariances are multiplied by the reduced chi-square */
    int derived;              /* expressions: programs without independent variables, of the free variables */
    const program *const *expressions;
    double *redchi;                     /* (fits) */
    double *derived_values, *derived_errors;  /* (fits, derived) */
} fit_transform;

/* A fit's bounds (p): those that all have, or a row of `room` (2p), which they are read into. */
typedef struct {
    const double *low, *high;
} fit_box;
fit_box gslfit_transform_box(const fit_transform *o, long id, double *room);

/* A fit's start as the caller gave it, and strictly interior where it lies on a bound. */
void gslfit_transform_start(const fit_transform *o, long id, double *given, double *v);

/* How far inside a variable that the caller put on a bound is to begin: `gslfit_bound_step_inside` of bounds.h. */
double gslfit_transform_step_inside(const fit_transform *o, double given, double start, double residual, double column);

/* Workspaces of the expressions, NULL where there is none or no memory. */
workspace **gslfit_transform_spaces(const fit_transform *o);
void gslfit_transform_free(const fit_transform *o, workspace **spaces);

/* The derivatives (p) of expression `which` where gslfit_transform_derive was last asked. */
void gslfit_transform_slopes(const fit_transform *o, workspace *const *spaces, int which, double *slopes);

/* The expressions of one fit: by its values, inputs, standard errors, and correlations (element (i, j) at correlations[ELEMENT(i, j)]). */
void gslfit_transform_derive(const fit_transform *o, workspace **spaces, long id, const double *values, const double *inputs,
                             const unsigned char *flags, const double *errors, const double *correlations);

#endif
