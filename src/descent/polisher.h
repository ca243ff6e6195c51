/* Internals of a polisher. */
#ifndef GSLFIT_POLISHER_H
#define GSLFIT_POLISHER_H

#include "polish.h"

struct polisher {
    workspace *space;
    const polish_data *data;
    double *memory;
    long n, points;
    int p;
    double *J;       /* columns of n, and the residual as the last */
    double *step, *trial, *room;  /* room: for a number of each point */
    double *factors;              /* of each point's derivatives, where there is a loss */
    double *R[MAX_FREE]; /* columns of J that count, in their order: the triangle after a decomposition */
    double *inverse;     /* its inverse, below the rank: p x p */
    int order[MAX_FREE], left, rank;  /* the columns that count, the independent ones first */
    int pushed[MAX_FREE], held;       /* those of variables on a bound that chi-square pushes against it */
    double multipliers[MAX_FREE];     /* of a variable on a bound: its slope where the others are at their best; 0: not known */
    unsigned char released[MAX_FREE]; /* 1 where that leads inside, whatever the slope says */
    double lengths[MAX_FREE];         /* of the columns before they were scaled */
    double model, residual;
    double counted;                   /* the residual's length as far as it counts (objective/counted.h) */
    unsigned char bending[MAX_FREE];  /* 1 for a variable that the model isn't linear in */
    int some_bend;                    /* not all of them, and not none */
};

/* Residual and Jacobian at v, weighted, columns scaled to length 1 (a column of zeros stays one). Returns whether all is finite. */
int gslfit_polisher_take(polisher *s, const double *v);

#endif
