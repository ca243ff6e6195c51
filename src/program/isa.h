/* What the parts of the C core share that are compiled once for each instruction set (isa_*.c) and those that are compiled once. */
#ifndef GSLFIT_ISA_H
#define GSLFIT_ISA_H

#include "objective/losses.h"
#include "program.h"

#if defined(__x86_64__) && defined(__GNUC__) && !defined(GSLFIT_PLAIN_C)
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
    double *slope, *curvature;          /* a block each */
    double *cost;                       /* of each lane: what these points cost is added, */
    double *parts;                      /* or kept here in the meantime, for steps: 3 numbers of each lane, at first 1, 0, 0 */
} loss_block;

/* How columns of n points are folded: point i of the outcome is the sum of taps[t], [tap][lane], times point i + centre - t. */
typedef struct {
    const double *taps;
    long count, centre, n;
} convolution;

/* What is compiled for one instruction set. */
typedef struct {
    const char *name;
    const kernel (*kernels)[KINDS];
    void (*sum)(const block_columns *, long points, double *sums);
    double (*dot)(const double *a, const double *b, long n);  /* the scalar product */
    void (*rows)(const loss_block *, loss_rows, long points);
    void (*end_rows)(const loss_block *);  /* once the blocks of a step are done: adds what was kept to the cost */
    void (*bent_sum)(const block_columns *, const double *slopes, const double *curvatures, long points, double *sums);
    void (*whiten)(const double *factor, long n, double *const *columns, int count);  /* columns of n points, in place */
    void (*convolve)(const convolution *, const double *in, double *out, int count);  /* columns, [column][point][lane] */
    void (*fit)(worker *);
    void (*enclose)(sandwich *);
} isa;

extern const isa *const gslfit_isas[];  /* the best first, NULL at the end: those that were compiled */
const isa *gslfit_current_isa(void);

#endif
