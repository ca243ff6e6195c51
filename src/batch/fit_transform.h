/* What the caller sees of a fit: values within bounds, standard errors, expressions; and where a fit starts.
 *
 * Between a bounded variable of the program and what the lanes step in stand the transforms of gslfit/parameters/bounds.py, which has their
 * mathematics and its constants. The way out is bounds.h's, for all lanes at once; the way in is here.
 */
#ifndef GSLFIT_OUTSIDE_H
#define GSLFIT_OUTSIDE_H

#include "lanes/lanes.h"
#include "strided_array.h"

/* The bounds of one free variable. */
typedef struct {
    double low, high; /* infinite for none */
    double near, far; /* the bound counted from, and the other one */
    double beside[2], step[2], width, per_root; /* box_prepare's: how near to low or high is on it, the step inside; 1/sqrt of the width */
} box;

typedef struct {
    int p;                 /* free variables */
    int bounded;           /* whether any has bounds */
    const int *bounds;     /* how many each of them has: 0, 1 or 2 */
    const box *boxes;
    double wide, out;      /* bounds.py's WIDE and FAR */
    const rows_view *starts;  /* one for each of them: rows of one number */
    int scaled;            /* whether covariances are to be multiplied by the reduced chi-square */
    int tied;              /* expressions: programs without independent variables, of the free variables */
    const program *const *expressions;
    double *redchi;                     /* (fits) */
    double *tied_values, *tied_errors;  /* (fits, tied) */
} outside;

/* Work out what is the same for all fits; inside and beside are bounds.py's INSIDE and NEAR. */
void box_prepare(box *b, double inside, double beside);

/* A fit's start as the caller gave it, and as the lanes have it; its bounds go into a lane of the boxes (NULL where there are none). */
void outside_start(const outside *o, long id, double *given, double *v, lane_box *boxes, int lane);

/* Workspaces of the expressions, NULL where there is none or no memory. */
workspace **outside_spaces(const outside *o);
void outside_free(const outside *o, workspace **spaces);

/* The expressions of one fit: by its values, inputs, and covariance (element (i, j) at covariance[ELEMENT(i, j)]). */
void outside_tie(const outside *o, workspace **spaces, long id, const double *values, const double *inputs, const double *covariance);

#endif
