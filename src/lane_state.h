/* The inside of a lane Levenberg-Marquardt: everything [row][lane]; triangles by rows, element (i, j <= i) at i*(i+1)/2 + j. */
#ifndef GSLFIT_LANE_STATE_H
#define GSLFIT_LANE_STATE_H

#include "engine.h"
#include "workspace.h"

#define TRIANGLE(p) ((p) * ((p) + 1) / 2)
#define ELEMENT(i, j) (TRIANGLE(i) + (j))

#if defined(__GNUC__)
typedef double row[LANES] __attribute__((aligned(64)));
#else
typedef double row[LANES];
#endif

/* One element of g or H among the sums of a block: the sum's number and the constant columns it is to be multiplied by. */
typedef struct {
    int sum;
    const double *first, *second;
} source;

/* Fits that have ended, until LANES of them have come together: their covariances are then worked out side by side. */
typedef struct {
    row *H, *g, *covariance, *L, scale[MAX_FREE];
    row chisqr, cosine;
    row worst, least;  /* the greatest inflation of a variance by the others; the least pivot */
    outcome ends[LANES];
    int count;
} waiting;

struct lane_state {
    int p;
    int nsum;
    row *sums;
    source *g_from, *H_from;
    row *v, *dx, *g, *H, *D, *L;       /* at the last accepted point; the step from it */
    row *trial;                        /* the program's free variables */
    row chisqr, lambda, nu;
    row gain, length, last_length;     /* chi-square's predicted decrease by dx; dx^T H dx; that of the step before */
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
