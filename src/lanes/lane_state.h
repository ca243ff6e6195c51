/* Internals of the lane Levenberg-Marquardt: everything [number][lane]; triangles by rows, element (i, j <= i) at i*(i+1)/2 + j. */
#ifndef GSLFIT_LANE_STATE_H
#define GSLFIT_LANE_STATE_H

#include "lanes.h"
#include "common/linalg.h"
#include "program/isa.h"
#include "program/workspace.h"

#if defined(__GNUC__)
typedef double lane_vector[LANES] __attribute__((aligned(64)));
#else
typedef double lane_vector[LANES];
#endif

/* One element of g or H among the sums of a block: the sum's number and the constant columns that it is multiplied by. */
typedef struct {
    int sum, count;
    const double *factors[2];
} source;

/* Fits that have ended, until LANES of them have come together: their covariances are then worked out side by side. */
typedef struct {
    lane_vector *v, *start, *H, *g, *D, *covariance, *L, *low, *high;
    lane_vector *last;           /* the last point that was evaluated: v has the step from it, which is not checked any more */
    lane_vector gain;            /* what that step was counted to take off chi-square */
    lane_vector *square_of, *scale;  /* a column's length squared, and what it is multiplied by: 0 where held */
    lane_vector *held;           /* where there are bounds: -1 on the lower one and pushed against it, 1 on the upper one, else 0 */
    double *deviations;          /* p of each fit */
    lane_vector chisqr, first, square;  /* chi-square as far as it counts, at the end and at the start; what rounding is measured by */
    lane_vector counted;         /* the length that a residual counts for at most */
    lane_vector decrement;       /* what an undamped Gauss-Newton step from the last point promises to remove of chi-square */
    lane_vector slope;           /* the greatest cosine between the residual and a column that isn't held */
    lane_vector worst, least;    /* the greatest inflation of a variance by the others; the least pivot */
    lane_vector silent;          /* 1 where a parameter may have lost its effect */
    lane_vector unsure;          /* 1 where what holds a parameter at its bound may be what the others have left to go */
    int count;
    fit_result ends[LANES];      /* the last: most of it is for more variables than there are, and nobody clears it */
} waiting;

struct lane_state {
    int p;
    int nsum;
    double sigmas;                     /* how near to its minimum a fit must be, in standard errors */
    double close, share;               /* the cosine that an end may have by the caller's tolerances; (sigmas / close)^2 */
    lane_vector *sums;
    source *g_from, *H_from;
    lane_vector *v, *dx, *g, *H, *D, *L;  /* at the last accepted point; the step from it */
    lane_vector *trial, *start;        /* the program's free variables; where the fit began */
    lane_vector *low, *high;           /* bounds; NULL where there are none */
    lane_vector *u;                    /* room for the step that bounds cut short */
    lane_vector *newton, *change, *way;  /* the last Gauss-Newton step; its difference from the one before, and that and the step between */
    lane_vector change_own, change_square;  /* products of that change with that step and with itself, in the norm of H */
    const double **bend_from;          /* the sums of r times second derivatives at the trial, a triangle; NULL for Gauss-Newton alone */
    lane_vector *bend;                 /* these at the last accepted point */
    lane_vector wanted, known;         /* 1 where the next evaluation is to find them; where they are known at the last accepted point */
    int asked, asks, found;            /* whether any lane has ever wanted them, does, and did before the last evaluation */
    lane_vector exact, before;         /* 1 where the last step was Newton's, and where the one before was */
    lane_vector cut;                   /* 1 where bounds cut the last step short */
    lane_vector steps;                 /* 1 where the last step was one of Gauss-Newton's that converge */
    lane_vector chisqr, lambda, nu;
    lane_vector gain, length;          /* chi-square's predicted decrease by dx; dx^T H dx */
    lane_vector rate;                  /* length over that of the step before, the root */
    lane_vector count, square;         /* points that take part, and the sum of their squares */
    lane_vector most, taken;           /* what their cost counts for at most, and what was taken off it */
    lane_vector first;                 /* chi-square at the start */
    lane_vector spoilt;                /* 1 where the last trial was not finite: the next stops short of a bound */
    lane_vector wary;                  /* 1 where a step within a standard error of the minimum was refused */
    lane_vector damped;                /* how many steps were short by their damping alone */
    lane_vector over_dof, rounding;    /* 1/(points - p); a variance that is the rounding of the data: a perfect fit has errors too */
    lane_vector fresh;                 /* 1 in the first evaluation of a fit */
    lane_vector end;                   /* a fit_status once the fit has ended */
    lane_vector noise;                 /* 1 where it ended because the step changes nothing that can be seen */
    long id[LANES];
    int nfev[LANES];
    char looked[LANES];                /* whether a fit's start has been looked at */
    int unseen;                        /* how many starts have not been */
    double *least, *stage;             /* of losses, in the workspace: see loss_block; NULL for least squares */
    lane_vector led;                   /* 1 where the first stage has done its part with the next step */
    waiting done;
};

#endif
