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

/* One element of g or H among the sums of a block: the sum's number and what it is to be multiplied by, constant columns and slopes. */
typedef struct {
    int sum, count;
    const double *factors[4];
} source;

/* One variable's bounds in the fits of the lanes: gslfit/parameters/bounds.py has the transforms, and src/parameters/bounds.pxi has them for
 * one number. */
struct lane_box {
    int bounds;             /* how many: 0, 1 or 2 */
    int any_wide, any_out;  /* whether a lane ever was wide or out */
    double near, far;       /* the bound counted from, and the other one */
    row size;               /* the start's distance from the near one, or the other's (two bounds) */
    row wide;               /* 1 where of two bounds the far one is out of sight: size is then the start's distance */
    row out;                /* 1 where no bound is in sight: the variable is v, held between near and far */
};

/* Fits that have ended, until LANES of them have come together: their covariances are then worked out side by side. */
typedef struct {
    row *v, *H, *g, *covariance, *L, scale[MAX_FREE];
    lane_box *boxes;   /* NULL where nothing is bounded, as below */
    row *before;       /* v without the last step, where there are bounds */
    row chisqr, cosine;
    row worst, least;  /* the greatest inflation of a variance by the others; the least pivot */
    outcome ends[LANES];
    int count;
} waiting;

struct lane_state {
    int p;
    int nsum;
    double sigmas;                     /* how near to its minimum a fit must be, in standard errors */
    row *sums;
    source *g_from, *H_from;
    row *v, *dx, *g, *H, *D, *L;       /* at the last accepted point; the step from it */
    row *trial;                        /* of the program's free variables, or where there are bounds, of what they are functions of */
    lane_box *boxes;                   /* the bounds, and the slopes of the program's variables at the trial; NULL where there are none */
    row *slope;
    row chisqr, lambda, nu;
    row gain, length, last_length;     /* chi-square's predicted decrease by dx; dx^T H dx; that of the step before */
    row share, rate;                   /* what part of the Gauss-Newton step dx has; length over last_length, the root */
    row count, square;                 /* points that take part, and the sum of their squares */
    row over_dof, rounding;            /* 1/(points - p); a variance that is the rounding of the data: a perfect fit has errors too */
    row fresh;                         /* 1 in the first evaluation of a fit */
    row end;                           /* a fit_status once the fit has ended */
    row noise;                         /* 1 where it ended because the step changes nothing that can be seen */
    long id[LANES];
    int nfev[LANES];
    waiting done;
};

#endif
