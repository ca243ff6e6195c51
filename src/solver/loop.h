/* The one iteration loop over GSL's least-squares solvers, with its stopping test. Plain C, as the guard. */
#ifndef GSLFIT_LOOP_H
#define GSLFIT_LOOP_H

#include "guard.h"
#include "common/status.h"

/* A solver as the loop sees it: one for each of GSL's families. The vectors are GSL's own. */
typedef struct {
    void *state;                                    /* GSL's own, handed to the functions below */
    int (*iterate)(void *solver);
    int (*jacobian)(void *solver, gsl_matrix *J);   /* copy the Jacobian; NULL where the solver has none */
    const gsl_vector *x, *dx, *f;
    const gsl_vector *g;                            /* J^T f; used with JTJ where there is no Jacobian */
    const gsl_matrix *JTJ;                          /* NULL where the solver has none */
    int (*product)(void *solver, CBLAS_TRANSPOSE_t transpose, const gsl_vector *u, gsl_vector *v);  /* J u, J^T u, where it has neither */
} gslfit_solver;

typedef struct {
    gslfit_solver solver;
    gslfit_guard *guard;
    double xtol, ftol, gtol;
    size_t max_iter;
    int started;                    /* 0 until the first run after a set: what is seen then is the start */
    int (*watch)(void *who);        /* called after each step; not 0 stops the fit */
    void *who;
    /* what comes out */
    fit_status ending;              /* how the iteration ended: a line of common/status.h */
    int code;                       /* GSL's status, where one mattered */
    size_t niter, rank;
    double fnorm;                   /* |f| as GSL sees it */
    double gradient;                /* max_j |J_j.f| / (|J_j| |f|) */
    double cosine;                  /* |projection of f on J's columns| / |f|; -1 until it was looked at */
    /* workspace */
    gsl_matrix *J, *A;              /* the Jacobian; its scaled columns, a row each */
    double **R;                     /* those in the order of the QR decomposition's pivots, and their numbers */
    int *order;
    double *column, *slope, *step, *x_before, *x_start, *column_start;
    double fnorm_start;
    unsigned char *flags;
    gsl_vector *along;              /* a direction or a residual (n) */
    gsl_vector *rest, *conjugate;   /* where J is known by its products alone: what a step leaves of f (n), a direction (p), ... */
    double *left, *direction;       /* ... the gradient there and the last direction, by columns of length 1 */
} gslfit_loop;

int gslfit_loop_init(gslfit_loop *l, size_t n, size_t p, int dense);
void gslfit_loop_free(gslfit_loop *l);
void gslfit_run(gslfit_loop *l);

#endif
