/* Many fits of one program, or a few long ones: rows in, results out, threads, and refits by GSL.
 *
 * Short fits (up to SHORT points) go side by side through the lanes of each thread. The points of a long one are dealt to the lanes of one
 * register instead, and when there are fewer long fits than threads to the threads, in chunks whose size and order of summing depend on
 * the number of points alone. So a fit's result never depends on its neighbours, its place, or the number of threads.
 */
#ifndef GSLFIT_BATCH_H
#define GSLFIT_BATCH_H

#include <pthread.h>
#include <stdatomic.h>
#include "fit_transform.h"
#include "objective/row_source.h"

enum { SHORT = 4096, MAX_INPUTS = 64 };

typedef enum { METHOD_AUTO, METHOD_LANES, METHOD_LMSDER, METHOD_LMDER, METHOD_TRUST } fit_method;

typedef struct {
    const program *program;
    fit_options options;
    fit_method method;
    long fits;
    row_source source;         /* a row for each fit */
    strided_array inputs[MAX_INPUTS];
    int threads;
    const fit_transform *transform;    /* what the caller sees in place of free variables and their covariances, or NULL */
    const double *reached;     /* (fits, p), as the lanes have variables: where fits ended elsewhere, to be judged there; or NULL */
    /* out, each may be NULL but v, status, chisqr, nfev and count */
    double *v;                 /* (fits, p): the starts (where there is no transform), then the results */
    double *variance;          /* (fits, p): the diagonal of (J^T J)^-1; with a transform the standard errors */
    double *covariance;        /* (fits, p, p): all of it, without a transform */
    double *correlations;      /* (fits, p, p): with one; 0 with what is held at a bound, NaN with what is not determined */
    double *chisqr, *gradient; /* (fits) */
    double *cost;              /* (fits): where there is a loss, half of what its points cost */
    int32_t *nfev, *count;     /* (fits) */
    int8_t *status;            /* (fits) */
    /* asked about twenty times a second by the thread that called; not 0 stops the work */
    int (*pulse)(void *who, long done);
    void *who;
    /* what all threads write or read while they work, on lines of the cache of their own */
    _Alignas(64) atomic_long next;
    _Alignas(64) atomic_int stop;
    atomic_int out_of_memory;
} batch;

/* Whether the points of a fit are dealt to the lanes. What is folded with a response is evaluated as a whole, however long. */
static inline int gslfit_is_long(const batch *b) { return b->source.points > SHORT && !b->program->response; }

/* Whether the work must end early: the caller asked for it, or memory ended. */
static inline int gslfit_stopped(const batch *b) { return atomic_load_explicit(&b->stop, memory_order_relaxed); }

/* 0, or -1 where memory ended, or 1 when it was stopped; rows that were not fitted say so. */
int gslfit_batch_run(batch *b);

#endif
