/* Internals of a batch: what one thread has. */
#ifndef GSLFIT_WORKER_H
#define GSLFIT_WORKER_H

#include "batch.h"
#include "gsl_refit.h"
#include "lanes/sandwich.h"

typedef struct long_fit long_fit;

typedef struct thread_pool thread_pool;

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
    long_fit *long_fit;
    sandwich *sandwich;           /* of robust losses, with room for what their errors are worked out from */
    double *sandwich_room;
    double *memory;
    double *y, *weights, *x[MAX_VARIABLES];               /* [point][lane] */
    double *row_y, *row_weights, *room, *row_x_room[MAX_VARIABLES];  /* one row */
    const double *row_x[MAX_VARIABLES];
    char finite_x[MAX_VARIABLES]; /* whether a variable that all fits share is finite everywhere */
    char patched[LANES];          /* lanes whose variables are not, or not all, those that all fits share */
    fit_options in_lanes;         /* the lanes leave some of the evaluations allowed to GSL */
    double robust_deviations[MAX_FREE], robust_correlations[MAX_FREE * (MAX_FREE + 1) / 2];
    double box[2 * MAX_FREE];     /* bounds of the fit that is to begin */
    double errors[MAX_FREE], *correlations;  /* of one fit, as the caller sees them */
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

#endif
