/* Shapes of a formula: what start values are looked for among.
 *
 * Once a program's inputs are known it is linear in its free variables: value = base + sum_j v_j column_j. For each shape, a row of inputs,
 * the columns are brought to an orthonormal basis q and a triangle r, column_j = sum_(i <= j) r_ij q_i, so that the best v for any data,
 * and chi-square there, follow from the data's products with q.
 */
#ifndef GSLFIT_SHAPES_H
#define GSLFIT_SHAPES_H

#include "program.h"

/* What shapes are, and what is kept of them. Arrays that are NULL are not wanted. */
typedef struct {
    double *base;     /* (count, n), zeros before: the value where the free variables are 0, b */
    double *q;        /* (nfree, count, n) */
    double *r;        /* (count, nfree, nfree), zeros before */
    double *across;   /* (nfree, count): q.b */
    double *square;   /* (count): b.b */
    double *products; /* (nfree, fits, count): q.y, y being `fits` rows of n data */
    double *along;    /* (fits, count): b.y */
    unsigned char *good; /* (count): every number is finite, and the columns are not zero and not dependent; else the rest means nothing */
} shape_set;

/* Evaluate `count` shapes, inputs (count, ninput), at n points x of the one independent variable. Returns whether a base is anywhere other
 * than 0; -1 where there is no memory. */
int gslfit_shapes(const program *p, const double *inputs, long count, const double *x, long n, const double *y, long fits,
                  const shape_set *s);

/* How well each shape of a program with one free variable fits one curve y: score (count) is what it takes off the sum of y's squares, -inf
 * for one that is no good, as `good` of gslfit_shapes has it but for rounding, and value (count) the free variable. Returns 0; -1 where
 * there is no memory. */
int gslfit_shapes_score(const program *p, const double *inputs, long count, const double *x, long n, const double *y, double *score,
                        double *value);

#endif
