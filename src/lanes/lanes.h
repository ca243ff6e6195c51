/* Levenberg-Marquardt over a program in LANES lanes, each lane a fit of its own.
 *
 * A step solves (J^T J + lambda D) dx = -J^T r by a Cholesky factorisation without roots, D the greatest diagonal of J^T J so far (More's
 * scaling), lambda by Nielsen's rule (Madsen, Nielsen & Tingleff 2004, section 3.2). A finished lane is given the next fit at once.
 *
 * When is a fit finished? The step dx from the last point is known before the model is evaluated there, and so is its length in standard
 * errors, d = sqrt(dx^T J^T J dx / s^2) >= max |dx_i|/stderr_i (Cauchy-Schwarz), s^2 the reduced chi-square. Near the minimum each step is
 * shorter than the one before by a ratio, and Anderson's acceleration of depth 2 makes dx of the last three; so the step that would follow
 * is at most about ratio*dx. When that is less than xtol of every parameter and a small part of the standard errors, dx is taken without
 * another evaluation, and chi-square lowered by what dx gains.
 */
#ifndef GSLFIT_LANES_H
#define GSLFIT_LANES_H

#include "common/judgement.h"
#include "program/program.h"
#include "common/status.h"

typedef struct {
    double xtol, ftol, gtol;  /* relative step; distance from the minimum in standard errors; cosine of the gradient */
    int max_nfev;
    int covariance;  /* whether the whole of it is wanted, not only its diagonal */
} fit_options;

/* How one fit ended. The covariance is (J^T J)^-1, lower triangle by rows, or its diagonal; not yet times the reduced chi-square. */
typedef struct {
    long id;
    fit_status status;
    int nfev;
    int doubtful;  /* ill conditioned: worth a look by QR */
    int nearly;    /* whether an undamped Gauss-Newton step promises to remove next to nothing of chi-square */
    gslfit_verdict verdict;
    unsigned char flags[MAX_FREE];  /* of judgement.h: held, silent, undetermined; such parameters have no error */
    double chisqr, gradient, count, scale;  /* scale: what rounding is measured by, a length; see judgement.h */
    double start[MAX_FREE];    /* where it began in the lanes */
    double v[MAX_FREE];        /* the program's variables, within their bounds, as is their covariance */
    const double *covariance;  /* element k at covariance[k*LANES]; or NULL, and instead: */
    const double *correlations;  /* a triangle, which neither over- nor underflows */
    const double *deviations;  /* roots of the covariance's diagonal; those of parameters with flags mean nothing */
    double taken;              /* off chi-square, by data that were brought near (objective/counted.h); 0 where none were */
    double length, counted;    /* the root of chi-square, and as far as that counts (objective/counted.h) */
} fit_result;

/* The status that a verdict is, `converged` for a minimum of full rank. The flags (p) and the rank tell what an exact fit leaves open. */
fit_status gslfit_status_of_verdict(gslfit_verdict verdict, const unsigned char *flags, int p, int rank, fit_status converged);

/* A fit to be begun: its number, or -1 when there are no more; its points that take part, the sum of their squares, what their cost
 * counts for at most, and what was taken off that (objective/counted.h); its start, and the evaluations that finding it took; its bounds
 * (p each, infinite for none), which nobody reads where nothing is bounded. */
typedef struct {
    long id;
    double count, square, most, taken;
    double start[MAX_FREE];
    int nfev;
    const double *low, *high;
} next_fit;

typedef struct worker worker;
typedef struct lane_state lane_state;

/* One thread's work: the block of fits under way and where they come from and go to. */
struct worker {
    const program *program;
    const fit_options *options;
    workspace *space;
    lane_state *state;
    int lanes;               /* 8, or 1 when the lanes are points of one fit */
    long points;
    const double *x[MAX_VARIABLES], *y, *weights;  /* [point][lane] */
    void (*evaluate)(worker *);                     /* the sums at the trial values of every lane */
    void (*next)(worker *, int lane, next_fit *fit); /* load the next fit into a lane */
    void (*finish)(worker *, fit_result *);
    int (*check)(worker *);                          /* asked once in a while; not 0 stops the work */
    void *context;
};

lane_state *gslfit_lanes_new(workspace *space, int bounded);  /* bounded: fits have bounds */
void gslfit_lanes_loss(lane_state *state, workspace *space);  /* once the workspace has a loss */
int gslfit_lanes_second(lane_state *state, workspace *space); /* have steps be Newton's near the end; -1 without memory */
void gslfit_lanes_free(lane_state *state);
void gslfit_lanes_evaluate(worker *w);  /* a worker's evaluate for a fit in each lane */
void gslfit_lanes_run(worker *w);

#endif
