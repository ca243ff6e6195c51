/* A program's value and derivatives folded with a measured response, over the whole grid of its points (program.h). */
#ifndef GSLFIT_FOLDING_H
#define GSLFIT_FOLDING_H

#include "objective/strided_array.h"
#include "workspace.h"

struct folding {
    const measured_response *response;
    double *memory;
    double *numbers;         /* of the response, [number][lane] */
    double *taps, *slopes;   /* where it is moved: as it is then, and its derivative by the shift, [tap][lane] */
    double *grid;            /* x, [point][lane] */
    double *plain, *folded;  /* [column][point][lane]: the value, the columns that vary, that of ones; folded, besides, that of the shift */
    double *ones, *beside, *slid;  /* where it is moved: columns of ones, of what is folded apart, and of what the slopes give */
    double *turned;          /* for points in the lanes: the taps of lane 0, and their slopes, from the last to the first */
    int moves;               /* whether the response is moved, */
    int shifts;              /* and whether by a free variable */
    int apart;               /* and that has no column in the formula, which has a derivative by it where an expression has it, too; */
    const double *level;     /* where that is the same at all points; NULL for 0 */
    int columns;             /* that are folded, with the value */
    long steps[LANES];       /* of the grid, that the response is moved by */
    convolution present;     /* by the taps as they are */
};

/* Have a workspace fold, where its program has a response. Returns 0, or -1 without memory. */
int gslfit_folding_new(workspace *w);
void gslfit_folding_free(folding *f);

/* The sums (sums.h) of the fits in the lanes over the points of the grid, or with `squared` those of gslfit_workspace_errors. */
void gslfit_folded_sums(workspace *w, const double *y, const double *weights, double *sums, double *squared);

/* What gslfit_workspace_evaluate does: at points of the grid, whichever. */
void gslfit_folded_evaluate(workspace *w, const double *v, const double *inputs, const double *x, long n, double *value, double *jacobian,
                            long row, long column);

/* Whether each fit has a response of its own, to be read by gslfit_workspace_respond. */
static inline int gslfit_own_responses(const program *p) { return p->response && !p->response->numbers; }

/* The number of a point of the grid. */
long gslfit_response_index(const measured_response *r, double x);

/* Read a fit's own response, a row of numbers, into a lane; into all of them where that is -1. */
void gslfit_workspace_respond(workspace *w, int lane, const strided_array *responses, long row);

#endif
