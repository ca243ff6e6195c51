/* The inside of a batch: what one thread has. */
#ifndef GSLFIT_THREAD_H
#define GSLFIT_THREAD_H

#include "batch.h"
#include "referee.h"

typedef struct long_fit long_fit;

typedef struct {
    batch *batch;
    worker worker;
    int number;                   /* 0 is the thread that called */
    int crew;                     /* threads that a long fit's points may be shared among, this one included */
    pthread_t handle;
    atomic_int *running;
    long first, last;             /* the run of fits that it has claimed */
    double pulsed;                /* when it last asked its caller */
    referee *referee;             /* made when first needed */
    long_fit *long_fit;
    double *memory;
    double *y, *weights, *x[MAX_VARIABLES];               /* [point][lane] */
    double *row_y, *row_weights, *room, *row_x_room[MAX_VARIABLES];  /* one row */
    const double *row_x[MAX_VARIABLES];
    double nothing[MAX_FREE * (MAX_FREE + 1) / 2 * LANES], diagonal[MAX_FREE * LANES];
} thread;

int thread_check(thread *t);

#endif
