/* Internals of a batch: what one thread has. */
#ifndef GSLFIT_WORKER_H
#define GSLFIT_WORKER_H

#include "batch.h"
#include "gsl_refit.h"
#include "shared_start.h"

typedef struct long_fit long_fit;
typedef struct robust_errors robust_errors;

typedef struct thread_pool thread_pool;

/* A row in each lane, [point][lane]. */
typedef struct {
    double *memory;
    double *y, *weights, *x[MAX_VARIABLES];
    char patched[LANES];          /* lanes whose variables are not, or not all, those that all fits share */
    workspace *space;             /* what they are for: it is told the scales of their losses */
} lane_rows;

typedef struct {
    batch *batch;
    worker worker;
    int number;                   /* 0 is the thread that called */
    int sharing;                     /* threads that a long fit's points may be shared among, this one included */
    pthread_t handle;
    thread_pool *all;
    long first, last;             /* the run of fits that it has taken */
    atomic_long done;             /* fits; only this thread adds to it */
    double pulsed;                /* when it last asked its caller */
    int patience, asked;          /* it looks at the clock one time in so many */
    workspace **expressions;      /* of the derived parameters */
    gsl_refit *refit;               /* made when first needed */
    shared_start *begun;          /* the same; where rows begin on a bound */
    long_fit *long_fit;
    robust_errors *robust;        /* where the loss is a robust one */
    lane_rows rows;               /* those under way */
    double *memory;
    double *row_y, *row_weights, *room, *row_x_room[MAX_VARIABLES];  /* one row */
    const double *row_x[MAX_VARIABLES], *row_data;
    char finite_x[MAX_VARIABLES]; /* whether a variable that all fits share is finite everywhere */
    fit_options in_lanes;         /* the lanes leave some of the evaluations allowed to GSL */
    double box[2 * MAX_FREE];     /* bounds of the fit that is to begin */
    double *correlations;         /* of one fit, as the caller sees them */
    char apart[64];               /* from the next thread's */
} thread;

/* The threads of a batch. */
struct thread_pool {
    thread *threads;
    int count, started;           /* as many as are wanted; as many as could be had */
    atomic_int running, failed;   /* those at work; those that had no memory */
    pthread_mutex_t lock;
    pthread_cond_t ended;
};

int gslfit_thread_check(thread *t);

/* What a fit is given beside its variables. */
void gslfit_batch_inputs(const batch *b, long id, double *inputs);

/* Write the results of a fit whose errors are known. */
void gslfit_thread_put(thread *t, const fit_result *end);

#endif
