/* Internals of the profiles of a row: what `profile.c` finds, and `look_over.c` looks over. A side is twice a parameter's place among those
 * profiled, and one more for the upper one. */
#ifndef GSLFIT_PROFILE_STATE_H
#define GSLFIT_PROFILE_STATE_H

#include "profile.h"
#include "section.h"

/* A point of a profile: distance, root of chi-square's rise, and that root's slope. */
typedef struct {
    double distance, root, slope;
} known;

typedef struct {
    profile_job *job;
    row_sums sums;
    const double *low, *high;           /* this row's bounds */
    double best[MAX_FREE], minimum, unit;
    section first[MAX_FREE];            /* of each parameter profiled: the section at the minimum, */
    double tangent[MAX_FREE];           /* and the root's slope along the profile there; */
    double push[MAX_FREE];              /* of one that its bound holds half of chi-square's slope, else 0 */
    double roots[MAX_LEVELS];           /* of the levels' rises */
    known *found;                       /* (sides, count) */
    double *points;                     /* (sides, count, p): where */
    unsigned char *bent;                /* (sides): whether the profile is far from straight */
    int *reached;                       /* (sides): how many levels have a point there */
    double *limits;                     /* of this row */
    int8_t *status;
} profiler;

/* The refits of a job over the row that is loaded. */
void gslfit_refits_run(refit_job *job, row_sums *t);

static inline double gslfit_side_sign(int number) { return number % 2 ? 1 : -1; }

/* Whether bent sides are what they seem: followed back inward from their outermost points they are the same, beyond these they rise, and
 * random starts lead to nothing lower. Also 0 where that can't be told. */
int gslfit_look_over(profiler *t);

#endif
