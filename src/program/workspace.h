/* Internals of a workspace: a program with its operands found, and the registers. */
#ifndef GSLFIT_WORKSPACE_H
#define GSLFIT_WORKSPACE_H

#include "isa.h"

/* An operand that is an independent variable: its pointer moves with the block. */
typedef struct {
    const double **slot;
    int variable;
} fix;

/* What a workspace has of a loss: see loss_block. */
typedef struct {
    _Alignas(64) double scale[LANES];
    double least[LANES], stage[LANES], pull[LANES];
    double slopes[BLOCK], curvatures[BLOCK];
    double parts[3 * LANES];
} loss_room;

typedef struct folding folding;

struct workspace {
    const program *program;
    const isa *isa;
    double *scalars;    /* [scalar][lane] */
    double *registers;  /* [register][point][lane], the independent variables left out */
    double *spread;     /* registers for scalars that an operation wants point by point: operands a, b, c, and the value */
    double *scratch;    /* for the sums */
    bound_instruction *prologue, *body, *epilogue;
    int nbody, nvalue;  /* instructions bound, and those among them that the value needs */
    int nall;           /* with those of second derivatives */
    const double *pairs[2][MAX_PAIRS];  /* the registers of these */
    fix *fixes;
    int nfix;
    const double *value, *columns[MAX_FREE];
    int ncolumn, ones;  /* columns that vary; whether any is a scalar */
    int place[MAX_FREE];             /* of a free variable's column among those that vary, or -1 */
    const double *factor[MAX_FREE];  /* the scalar, where it is one */
    loss_kind loss;                  /* what the residuals of the sums cost */
    loss_room *room;                 /* NULL for least squares */
    const double *triangle;          /* what whitens the residuals of the sums, see gslfit_workspace_whiten; NULL for nothing */
    double *whitened;                /* and columns of all points: the residual, and those that vary */
    int spread_ones;                 /* whether the last of these is that of ones */
    folding *folding;                /* of a program with a response (folding.h); NULL for any other */
};

/* Have the sums be those of a loss. Returns 0, or -1 without memory. The scales are 1. */
int gslfit_workspace_loss(workspace *w, loss_kind loss);
void gslfit_workspace_scale(workspace *w, int lane, double scale);

/* Have the sums be those of correlated residuals, made independent by a lower triangle (points x points, zeros above the diagonal) that
 * must outlive the workspace; they are taken over all points at once then. No scalar is a column of its own any more. Returns 0, or -1
 * without memory. */
int gslfit_workspace_whiten(workspace *w, const double *triangle, long points);

/* Have every lane take its steps as the first one of another workspace does. */
void gslfit_workspace_stage(workspace *w, const workspace *other);

void gslfit_workspace_set(workspace *w, const double *v, const double *inputs);  /* the same values in every lane, and the prologue */
void gslfit_workspace_start(workspace *w);                                       /* the prologue */
void gslfit_workspace_block(workspace *w, const double *const *x, long offset, long points, int count);

/* The sums of a block whose value and columns lie elsewhere; with `squared` those of gslfit_workspace_errors. */
void gslfit_workspace_sum_columns(workspace *w, const block_columns *block, long points, double *sums, double *squared);

/* Add the sums over the `points` points of a block that has been evaluated; and after the last block what is added at the end. */
void gslfit_workspace_sum_block(workspace *w, const double *y, const double *weights, long points, double *sums);
void gslfit_workspace_end_sums(workspace *w, double *sums);

/* The same over `points` points for errors of a robust loss: products of columns by the cost's curvature, and by its slope's square. The
 * first of `curved` is the sum of the squared residuals. */
void gslfit_workspace_errors(workspace *w, const double *const *x, const double *y, const double *weights, long points, double *curved,
                             double *squared);

/* Add the sums over `points` points (see sums.h) of the fits in the lanes, or of the points in them. */
void gslfit_workspace_sums(workspace *w, const double *const *x, const double *y, const double *weights, long points, double *sums);

/* The same of least squares, and the sums of the pairs of second derivatives, to where the epilogue finds them. It finds J^T r behind the
 * program's own scalars, where the caller puts it before he ends the second derivatives. */
void gslfit_workspace_second(workspace *w, const double *const *x, const double *y, const double *weights, long points, double *sums);
void gslfit_workspace_end_second(workspace *w);

#endif
