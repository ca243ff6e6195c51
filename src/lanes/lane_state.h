/* The inside of a lane Levenberg-Marquardt: everything [row][lane]; triangles by rows, element (i, j <= i) at i*(i+1)/2 + j. */
#ifndef GSLFIT_LANE_STATE_H
#define GSLFIT_LANE_STATE_H

#include "lanes.h"
#include "program/engine.h"
#include "program/workspace.h"

#define TRIANGLE(p) ((p) * ((p) + 1) / 2)
#define ELEMENT(i, j) (TRIANGLE(i) + (j))

#if defined(__GNUC__)
typedef double row[LANES] __attribute__((aligned(64)));
#else
typedef double row[LANES];
#endif

/* One element of g or H among the sums of a block: the sum's number and the constant columns that it is to be multiplied by. */
typedef struct {
    int sum, count;
    const double *factors[2];
} source;

/* Fits that have ended, until LANES of them have come together: their covariances are then worked out side by side. */
typedef struct {
    row *v, *start, *H, *g, *D, *covariance, *L;
    row *last;           /* the last point that was evaluated: v has the step from it, which is not checked any more */
    row gain;            /* what that step was counted to take off chi-square */
    row square_of[MAX_FREE], scale[MAX_FREE];  /* a column's length squared, and what it is multiplied by: 0 where held */
    row held[MAX_FREE];  /* where there are bounds: -1 on the lower one and pushed against it, 1 on the upper one, else 0 */
    row chisqr, first, square;
    row decrement;       /* what an undamped Gauss-Newton step from the last point promises to remove of chi-square */
    row slope;           /* the greatest cosine between the residual and a column that isn't held */
    row worst, least;    /* the greatest inflation of a variance by the others; the least pivot */
    row silent;          /* 1 where a parameter may have lost its effect */
    fit_result ends[LANES];
    int count;
} waiting;

struct lane_state {
    int p;
    int nsum;
    double sigmas;                     /* how near to its minimum a fit must be, in standard errors */
    row *sums;
    source *g_from, *H_from;
    row *v, *dx, *g, *H, *D, *L;       /* at the last accepted point; the step from it */
    row *trial, *start;                /* the program's free variables; where the fit began */
    const double *low, *high;          /* bounds (p); NULL where there are none */
    row *u;                            /* room for the step that bounds cut short */
    row chisqr, lambda, nu;
    row gain, length, last_length;     /* chi-square's predicted decrease by dx; dx^T H dx; that of the step before */
    row share, rate;                   /* what part of the Gauss-Newton step dx has; length over last_length, the root */
    row count, square;                 /* points that take part, and the sum of their squares */
    row first;                         /* chi-square at the start */
    row spoilt;                        /* 1 where the last trial was not finite: the next stops short of a bound */
    row wary;                          /* 1 where a step within a standard error of the minimum was refused */
    row damped;                        /* how many steps were short by their damping alone */
    row over_dof, rounding;            /* 1/(points - p); a variance that is the rounding of the data: a perfect fit has errors too */
    row fresh;                         /* 1 in the first evaluation of a fit */
    row end;                           /* a fit_status once the fit has ended */
    row noise;                         /* 1 where it ended because the step changes nothing that can be seen */
    long id[LANES];
    int nfev[LANES];
    waiting done;
};

#endif
