/* The sums of least squares of many rows at given parameters: for each the cost, J^T r and J^T J, J never stored.
 *
 * Rows lie packed as lanes have them, LANES of them side by side: what fits that share parameters are solved from, step by step.
 */
#ifndef GSLFIT_PACKED_ROWS_H
#define GSLFIT_PACKED_ROWS_H

#include "program/program.h"

typedef struct {
    const program *program;
    long rows;                        /* a multiple of LANES: the last block is filled up by rows of weight 0 */
    long points;                      /* of a row */
    const double *x[MAX_VARIABLES];   /* [block][point][lane], aligned to 64 bytes, or [point][lane] where all blocks share it */
    int own[MAX_VARIABLES];           /* whether each block has its own */
    const double *y, *weights;        /* [block][point][lane]; weights may be NULL */
    const double *response;           /* of each row, [block][number][lane], where the program's has no numbers; else NULL */
    loss_kind loss;
    const double *scale;              /* of a robust loss, (rows); else NULL */
    double least;                     /* share of the curvature by its slope that a robust loss has at least */
} packed_rows;

/* The sums of blocks first to last. v is (nfree, rows), inputs (ninput, rows), cost (rows), g (nfree, rows), H (triangle by rows, rows). */
typedef struct {
    const double *v, *inputs;
    double *cost, *g, *H;
    double *squared;                  /* NULL; or where the sums by the slopes' square go, as H; then H has curvatures as they are, g
                                         is left alone, and the cost is that of least squares */
} packed_sums;

/* Returns 0, or -1 without memory. */
int gslfit_packed_sums(const packed_rows *rows, const packed_sums *to, long first, long last);

#endif
