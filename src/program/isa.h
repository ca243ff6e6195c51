/* What the parts of the C core share that are compiled once for each instruction set (isa_*.c) and those that are compiled once. */
#ifndef GSLFIT_ISA_H
#define GSLFIT_ISA_H

#include "objective/losses.h"
#include "program.h"

#if defined(__x86_64__) && defined(__GNUC__) && !defined(GSLFIT_PLAIN_C) && !defined(GSLFIT_BASE_ISA)
#define ISA_X86  /* programs and lanes are compiled for AVX-512 and AVX2 too */
#endif

typedef struct bound_instruction bound_instruction;
typedef struct worker worker;      /* of lanes/, which is above this, */
typedef struct sandwich sandwich;  /* as this is */
typedef void (*kernel)(const bound_instruction *, long points);

/* An instruction with its operands found: kernels for each kind of operands, bit k of the kind set where operand k is a scalar. */
struct bound_instruction {
    kernel run;
    double *out;
    const double *a, *b, *c;
};

enum { KINDS = 8 };

/* The columns of a block that sums are taken over: the residual's parts, the Jacobian's columns that vary from point to point. */
typedef struct {
    const double *value, *y, *weights;  /* weights may be NULL */
    const double *const *columns;
    int count;                          /* of columns */
    int ones;                           /* whether a column of ones is summed too */
    double *scratch;                    /* (count + 3) blocks */
} block_columns;

/* A block of points of a loss (objective/losses.h), and where its numbers go. */
typedef struct {
    loss_kind kind;
    const double *value, *y, *weights;  /* weights may be NULL */
    const double *scale;                /* of the loss in each lane */
    const double *least;                /* GSLFIT_LEAST_CURVATURE, or what else a lane has in its place */
    const double *stage;                /* not 0 where Huber's loss leads the way to another's minimum: for steps alone */
    const double *pull;                 /* for errors: what slopes are divided by before they are squared, about as large as they are */
    double *slope, *curvature;          /* a block each */
    double *cost;                       /* of each lane: what these points cost is added, */
    double *parts;                      /* or kept here in the meantime, for steps: 3 numbers of each lane, at first 1, 0, 0 */
} loss_block;

/* How columns of n points are folded: point i of the outcome is the sum of taps[t], [tap][lane], times point i + centre - t. */
typedef struct {
    const double *taps;
    long count, centre, n;
} convolution;

/* Broyden's update of a Jacobian J, columns of n numbers one after the other, over a step: u = r - before - J step is what J missed, and
 * J + u share^T the new one. */
typedef struct {
    const double *J, *r, *before, *step, *share;
    double *updated;
    int p;
} broyden;

enum { GSLFIT_TRIANGLE_ROOM = 3072 };  /* numbers that `triangle` works in: 16 rows of 192 columns at least, 24 kB */

/* What is compiled for one instruction set. */
typedef struct {
    const char *name;
    const kernel (*kernels)[KINDS];
    void (*sum)(const block_columns *, long points, double *sums);
    void (*sum_pairs)(const block_columns *, const double *const *a, const double *const *b, int count, long points, double *sums);
    double (*dot)(const double *a, const double *b, long n);  /* the scalar product */
    void (*rows)(const loss_block *, loss_rows, long points);
    void (*end_rows)(const loss_block *);  /* once the blocks of a step are done: adds what was kept to the cost */
    void (*bent_sum)(const block_columns *, const double *slopes, const double *curvatures, long points, double *sums);
    void (*whiten)(const double *factor, long n, double *const *columns, int count);  /* columns of n points, in place */
    void (*convolve)(const convolution *, const double *in, double *out, int count);  /* columns, [column][point][lane] */
    /* As gslfit_forward and gslfit_central (descent/quotients.h), for long columns and a width that has an inverse. */
    double (*forward)(const double *value, const double *r, double width, long n, double *column, double *slope);
    double (*central)(const double *ahead, const double *behind, const double *r, double width, long n, double *column, double *slope,
                      double *bend, double *along);
    void (*products)(const double *columns, int count, const double *r, long n, double *sums);  /* J^T r, columns one after the other */
    /* The triangle R of `count` columns of n numbers, each divided by its length (0 for a column that counts as zeros), without pivoting:
     * column j at R + j*count, zeros below the diagonal. It is Cholesky's of J^T J where columns are far enough from dependent that all
     * digits are there; else each block of rows is joined to the triangle of those before (LAPACK's tpqrt; Demmel, Grigori, Hoemmen and
     * Langou 2012). count <= 192. */
    void (*triangle)(const double *const *columns, const double *lengths, int count, long n, double *R, double *work);
    /* Gives too: u.J_j of the old columns, then of the new ones their squares and their products with r, then u.u: 3p + 1 sums. */
    void (*update)(const broyden *, long n, double *sums);
    void (*fit)(worker *);
    void (*enclose)(sandwich *);
} isa;

extern const isa *const gslfit_isas[];  /* the best first, NULL at the end: those that were compiled */
const isa *gslfit_current_isa(void);

#endif
