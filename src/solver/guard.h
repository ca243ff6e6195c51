/* The guard between GSL's least-squares solvers and the caller's functions.
   Plain C: it can't touch the interpreter, so it runs without its lock whenever the caller's functions are C. */
#ifndef GSLFIT_GUARD_H
#define GSLFIT_GUARD_H

#include <gsl/gsl_cblas.h>
#include <gsl/gsl_matrix.h>
#include <gsl/gsl_multifit_nlinear.h>
#include <gsl/gsl_multilarge_nlinear.h>
#include <gsl/gsl_vector.h>
#include <gsl/gsl_version.h>

/* GSL 2.5 has its modified Cholesky solver under the name that the plain one has since 2.6. */
#if GSL_MAJOR_VERSION == 2 && GSL_MINOR_VERSION < 6
#define GSLFIT_MCHOLESKY(family) gsl_##family##_nlinear_solver_cholesky
#else
#define GSLFIT_MCHOLESKY(family) gsl_##family##_nlinear_solver_mcholesky
#endif

/* The caller's functions, in GSL's own signatures. Extension modules hand this struct to each other. */
typedef struct {
    int (*f)(const gsl_vector *x, void *params, gsl_vector *f);
    int (*df)(const gsl_vector *x, void *params, gsl_matrix *J);                              /* NULL: differences of f */
    int (*fvv)(const gsl_vector *x, const gsl_vector *v, void *params, gsl_vector *fvv);      /* NULL: differences of f */
    int (*product)(CBLAS_TRANSPOSE_t transpose, const gsl_vector *x, const gsl_vector *u, void *params, gsl_vector *v,
                   gsl_matrix *JTJ);                                                          /* NULL: by way of df */
    void *params;
    size_t n, p;
} gslfit_function;

enum { GSLFIT_BAD_SQUARE = 2 };

/* What stands between GSL and those functions. It counts and limits the calls, stops calling after a failure, turns a residual
   that is not finite into a step that GSL rejects, weighs, keeps the sizes of residuals and of Jacobians far from overflow, makes
   Jacobians by differences, and looks for interrupts. */
typedef struct {
    gslfit_function fn;
    const double *root_weights;     /* NULL, or n factors */
    int normalise;                  /* scale the residuals to about 1 at the start, always; else only where they are extreme */
    double scale;                   /* a power of two: what GSL sees is scale * root_weights * f */
    double size;                    /* the largest of these at the start */
    int scaled;                     /* parameters have units: */
    gsl_vector *units;              /* powers of two, by which GSL's parameters are multiplied to be the caller's */
    int even;                       /* the solver takes columns as they are: they are to be of one size */
    int centred;                    /* differences: 0 forward, 1 centred */
    double h, h_fvv;                /* their relative steps; h_fvv 0: chosen along the step */
    int accelerated;                /* the solver will ask for fvv */
    size_t nfev, njev, max_nfev;    /* max_nfev 0: no limit */
    size_t nfvv;                    /* calls of the caller's fvv */
    int started;                    /* 0 until the start has been evaluated: there a residual that is not finite is an error */
    int stop;                       /* the status that ended the calls; 0 while they go on */
    size_t rejected;                /* residuals that were not finite */
    long bad;                       /* index of the element that was not finite, where that ended the calls; else -1 */
    int bad_jacobian;               /* that element is one of the Jacobian, or (GSLFIT_BAD_SQUARE) of J^T J's diagonal */
    int (*pulse)(void *who);        /* called now and then while the functions run; not 0 ends the calls */
    void *who;
    double beat;                    /* when it was called last, in seconds */
    gsl_vector *x_seen, *f_seen;    /* where f was evaluated last, as the caller gave it (kept for differences only) */
    double largest;                 /* residual at the start, as the caller gave it: digits of f are measured by it */
    gsl_vector *least;              /* the least step of a parameter that began at 0: 0 until one is known; NaN for any other parameter */
    gsl_vector *x_work, *f_work, *f_work2;
    gsl_vector *x_own, *u_own;      /* GSL's parameters and a direction of theirs, as the caller has them */
    int kept_f;                     /* f_seen is f at the start, which was evaluated before the solver asked for it, ... */
    const gsl_matrix *kept_J;       /* ... and so was J, which is here */
    gsl_matrix *dense;              /* the Jacobian at x_dense, where products are asked of a function that has only df */
    gsl_vector *x_dense;
    int dense_known;
} gslfit_guard;

int gslfit_guard_init(gslfit_guard *g, size_t n, size_t p, int products);
void gslfit_guard_free(gslfit_guard *g);
void gslfit_guard_start(gslfit_guard *g);

/* Look at the start before the solver does, and choose units of the parameters where J has columns that the solver can't do with: some that
   are beyond the range of squares, and some that are zero, which it takes for columns of length 1. x is divided by them, and J kept in
   `room` (n, p) for the solver's first call; NULL where products are asked for. */
int gslfit_guard_prepare(gslfit_guard *g, gsl_vector *x, gsl_matrix *room);
int gslfit_guard_f(const gsl_vector *x, void *guard, gsl_vector *f);
int gslfit_guard_df(const gsl_vector *x, void *guard, gsl_matrix *J);
int gslfit_guard_fvv(const gsl_vector *x, const gsl_vector *v, void *guard, gsl_vector *fvv);
int gslfit_guard_product(CBLAS_TRANSPOSE_t transpose, const gsl_vector *x, const gsl_vector *u, void *guard, gsl_vector *v,
                         gsl_matrix *JTJ);

#endif
