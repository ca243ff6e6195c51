/* Cold starts: amplitudes far too small beside the data, as 1 for counts of a million.
 *
 * There the first steps of the other variables are too long by as much as the amplitudes are too small, and lead into other minima. So the
 * variables that a program is linear in begin where they fit best beside the others' starts: the normal equations of the first
 * evaluation know where. Their signs and bounds stay what the caller said: where the linear fit would have it otherwise, a variable begins
 * at its share of what would fit best without the other ones. Too large an amplitude does no harm.
 */
#ifndef GSLFIT_LINEAR_START_H
#define GSLFIT_LINEAR_START_H

#include "program.h"

#define GSLFIT_COLD 4.0  /* times itself that a variable is too small */

/* The first evaluation of a fit; of variables that the program isn't linear in nothing is asked. */
typedef struct {
    const program *program;
    double chisqr;
    double value[MAX_FREE], slope[MAX_FREE], square[MAX_FREE];  /* where they begin, J^T r, the square of a column's length */
    const double *low, *high;                                   /* bounds (p); NULL where nothing is bounded */
    double (*product)(const void *who, int i, int j);           /* of columns i and j < i */
    const void *who;
} linear_evidence;

/* Where the variables that the program is linear in are to begin instead, if amplitudes are far too small beside the data. Returns whether
 * they are; start[k] is filled then for each of those variables. */
int gslfit_linear_start(const linear_evidence *e, double *start);

/* The same from the residual (n) at v (p) and its Jacobian, columns of n numbers brought to length 1, and what their lengths were.
 * start (p) is v but for those variables. */
int gslfit_linear_start_of(const program *code, long n, const double *r, const double *J, const double *lengths, const double *v,
                           const double *low, const double *high, double *start);

/* A linear fit of the `count` variables `which`, in which the program is linear together, the others at v (p; 0 for these), to points with
 * their weights. found and lengths (count): their values, and the lengths of their columns; *length is that of what is fitted. Returns 1;
 * 0 where a number isn't finite, or a column is zero or next to dependent; -1 where there is no memory. */
int gslfit_linear_fit(const program *code, const fit_points *data, const double *v, const double *inputs, const int *which, int count,
                      double *found, double *lengths, double *length);

#endif
