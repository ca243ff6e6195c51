/* The one iteration loop over GSL's least-squares solvers, with its stopping test. Plain C, as the guard. */
#ifndef GSLFIT_LOOP_H
#define GSLFIT_LOOP_H

#include "guard.h"

#include <gsl/gsl_permutation.h>

/* How a fit ended. Positive: at a minimum. */
enum {
    GSLFIT_RUNNING = 0,
    GSLFIT_GRADIENT = 1,        /* the residual is at right angles to every column of J, to gtol */
    GSLFIT_STEP = 2,            /* the step is negligible, to xtol, and so would be the next */
    GSLFIT_CHISQUARE = 3,       /* chi-square did not fall, and won't, by more than ftol */
    GSLFIT_EXACT = 4,           /* the residual is zero */
    GSLFIT_PRECISION = 5,       /* at a minimum, to what double precision can tell */
    GSLFIT_MAX_ITER = -1,
    GSLFIT_MAX_NFEV = -2,
    GSLFIT_NO_PROGRESS = -3,    /* no step lowers chi-square, and this is no minimum */
    GSLFIT_NONFINITE = -4,      /* the Jacobian is not finite */
    GSLFIT_STOPPED = -5,        /* the watcher asked for it */
    GSLFIT_FAILED = -6,         /* GSL, or the caller's function, returned a status of failure */
    GSLFIT_END_NO_EFFECT = -7,      /* no parameter has an effect on the residual */
    GSLFIT_END_LOST_EFFECT = -8     /* a parameter that had an effect at the start has none any more, and a residual is left */
};

/* A solver as the loop sees it: one for each of GSL's families. The vectors are GSL's own. */
typedef struct {
    void *solver;
    int (*iterate)(void *solver);
    int (*jacobian)(void *solver, gsl_matrix *J);   /* copy the Jacobian; NULL where the solver has none */
    const gsl_vector *x, *dx, *f;
    const gsl_vector *g;                            /* J^T f; used with JTJ where there is no Jacobian */
    const gsl_matrix *JTJ;                          /* NULL where the solver has none */
    int (*product)(void *solver, const gsl_vector *u, gsl_vector *v);   /* v = J u; for solvers with neither */
} gslfit_engine;

typedef struct {
    gslfit_engine engine;
    gslfit_guard *guard;
    double xtol, ftol, gtol;
    size_t max_iter;
    int started;                    /* 0 until the first run after a set: what is seen then is the start */
    int (*watch)(void *who);        /* called after each step; not 0 stops the fit */
    void *who;
    /* what comes out */
    int ending, code;               /* one of the enum; GSL's status, where one mattered */
    size_t niter, rank;
    double fnorm;                   /* |f| as GSL sees it */
    double gradient;                /* max_j |J_j.f| / (|J_j| |f|) */
    double cosine;                  /* |projection of f on J's columns| / |f|; -1 until it was looked at */
    /* workspace */
    gsl_matrix *J, *A;
    double *column, *slope, *step, *x_before, *x_start, *column_start;
    double fnorm_start;
    unsigned char *flags;
    gsl_vector *along, *tau, *work; /* a direction or a residual (n); of QR (p) */
    gsl_permutation *order;
} gslfit_loop;

int gslfit_loop_init(gslfit_loop *l, size_t n, size_t p, int dense);
void gslfit_loop_free(gslfit_loop *l);
void gslfit_run(gslfit_loop *l);
const char *gslfit_ending_name(int ending);

#endif
