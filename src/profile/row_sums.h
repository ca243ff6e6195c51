/* One row of data in all lanes: chi-square, J^T r and J^T J of LANES points of its parameter space at once. */
#ifndef GSLFIT_ROW_SUMS_H
#define GSLFIT_ROW_SUMS_H

#include "lanes/lane_state.h"
#include "objective/row_source.h"

typedef struct {
    const program *program;
    const row_source *source;
    const strided_array *inputs;   /* per-fit inputs of the program */
    workspace *space;
    lane_state *state;             /* for where the elements are among the sums */
    double *memory, *y, *weights, *room, *x[MAX_VARIABLES];            /* the row's points that take part */
    double *wide_y, *wide_weights, *wide_x[MAX_VARIABLES];             /* [point][lane]; of a long row a block at a time */
    long points, rows;             /* that take part; that are evaluated */
    int whole, weighted;           /* whether the row is spread over the lanes once; whether its residuals have weights */
    double square;                 /* the sum of their weighted data's squares */
    double chisqr[LANES];          /* of the last evaluation; of counts the deviance */
    double g[LANES][MAX_FREE];     /* J^T r */
    double H[LANES][TRIANGLE(MAX_FREE)];
} row_sums;

/* 0, or -1 without memory; to be freed in either case. */
int gslfit_row_sums_new(row_sums *t, const program *code, const row_source *source, const strided_array *inputs);
void gslfit_row_sums_free(row_sums *t);

/* Take a row. Returns 0 where its numbers are not all finite, or there are none. */
int gslfit_row_sums_load(row_sums *t, long id);

/* Put parameters (p) into a lane. */
void gslfit_row_sums_set(row_sums *t, int lane, const double *v);

/* Evaluate what is in the lanes. */
void gslfit_row_sums_evaluate(row_sums *t);

/* Whether all numbers of a lane are finite. */
int gslfit_row_sums_finite(const row_sums *t, int lane);

#endif
