/* Internals of errors of robust fits: everything [number][lane], matrices by rows. */
#ifndef GSLFIT_SANDWICH_STATE_H
#define GSLFIT_SANDWICH_STATE_H

#include "lane_state.h"
#include "sandwich.h"

struct sandwich {
    workspace *space;
    lane_state *state;              /* for where the elements of J^T J are among the sums */
    int p;
    lane_vector *curved, *squared;  /* the sums: by the cost's curvature, and by its slope's square */
    lane_vector *A, *B, *room;      /* p x p; A becomes the inverse of L in A = L D L^T, B the sandwich */
    lane_vector *flagged;           /* 1 for a variable that has no errors */
    lane_vector *scale, *inverse;   /* what makes A's diagonal ones, 0 where it can't be; 1/D */
    lane_vector *deviations, *correlations;
    lane_vector *more;              /* n/(n - p), NaN where there are too few points */
};

#endif
