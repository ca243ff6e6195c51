/* What the caller sees of a fit, where the program has free variables: values within bounds, standard errors, expressions.
 *
 * The transforms between the two are those of gslfit/bounds.py, which has their mathematics and its constants.
 */
#ifndef GSLFIT_OUTSIDE_H
#define GSLFIT_OUTSIDE_H

#include "lanes.h"
#include "rows.h"

/* The bounds of one free variable, as the program has them. */
typedef struct {
    int bounds;       /* how many: 0, 1 or 2 */
    double low, high; /* infinite for none */
    double near, far; /* the bound counted from, and the other one */
} box;

typedef struct {
    int p;                 /* free variables */
    const box *boxes;      /* one for each of them */
    int bounded, sizes;    /* whether any has bounds; how many have one: the program's last inputs are their starts' distances from it */
    double inside, beside; /* bounds.py's INSIDE and NEAR */
    const rows_view *starts;  /* one for each of them: rows of one number */
    int scaled;            /* whether covariances are to be multiplied by the reduced chi-square */
    int tied;              /* expressions: programs without independent variables, of the free variables' outer values */
    const program *const *expressions;
    double *redchi;                     /* (fits) */
    double *tied_values, *tied_errors;  /* (fits, tied) */
} outside;

/* A fit's start: the inner values (v may be NULL), and the sizes of the variables with one bound. */
void outside_start(const outside *o, long id, double *v, double *sizes);

/* Turn a fit's inner values into outer ones, and give the slopes of the one by the other. */
void outside_values(const outside *o, const double *sizes, double *v, double *slopes);

/* Workspaces of the expressions, NULL where there is none or no memory. */
workspace **outside_spaces(const outside *o);
void outside_free(const outside *o, workspace **spaces);

/* The expressions of one fit: its outer values, inputs, and covariance (element (i, j) at covariance[ELEMENT(i, j)], by outer values). */
void outside_tie(const outside *o, workspace **spaces, long id, const double *values, const double *inputs, const double *covariance);

#endif
