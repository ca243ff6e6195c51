/* A formula's program: instructions over scalars (one value a lane) and point registers (POINTS x LANES values), and their evaluator.
 *
 * Scalars S: free variables, then per-fit inputs, then constants, then temporaries of the prologue. Registers R: independent variables,
 * then temporaries. The prologue has scalar operands only and runs once a step. In the body an operand >= 0 is a register, an operand
 * < 0 is scalar ~operand. The first `nvalue` instructions of the body compute the value, the others the derivatives.
 *
 * A block is laid out [point][lane]. A lane is a fit of its own, or every LANES-th point of one fit.
 */
#ifndef GSLFIT_PROGRAM_H
#define GSLFIT_PROGRAM_H

#include <stddef.h>
#include <stdint.h>
#include "objective/points.h"
#include "opcodes.h"

enum {
    LANES = 8,              /* fits side by side */
    POINTS = 16,            /* points of a block, at most */
    BLOCK = LANES * POINTS,
    MAX_FREE = 64,          /* free variables of a fit */
    MAX_OPERANDS = 1 << 15, /* scalars, and registers */
    MAX_PAIRS = 16          /* sums that second derivatives need */
};

typedef struct {
    int32_t op, out, a, b, c;
} instruction;

typedef struct {
    const char *name;
    int arity;
    const char *meaning;
} opcode_fact;

extern const opcode_fact gslfit_opcode_facts[OPCODE_COUNT];

/* A measured response that a model of one variable is folded with: point i is the sum over j of numbers[j] times the model at point
 * i + centre - j of an even grid, and nothing outside of it. */
typedef struct {
    long n;                   /* points of the grid */
    const double *x;          /* (n) */
    double step;              /* from one to the next */
    long count, centre;
    const double *numbers;    /* (count); NULL where each fit has its own */
    int shift;                /* the scalar, a free variable or an input, by which it is moved along x, between its numbers on straight */
    double moved;             /* lines; or -1, and by so much */
} measured_response;

/* Of a program, what Newton's steps need: the sums over the points of the residual times each second derivative. They are functions of
 * the parameters, of J^T r and of sums of r times products of two registers. */
typedef struct {
    int nfurther;                   /* instructions of the body, behind its `nbody`, that compute these registers */
    int npair, nepilogue;
    const int32_t *pairs;           /* two operands of the body each, both registers; the second may be GSLFIT_NOTHING */
    const instruction *epilogue;    /* over scalars: those of the program, then the elements of J^T r, the sums of the pairs, temporaries */
    const int32_t *elements;        /* such scalars, a triangle by rows; GSLFIT_NOTHING for 0 */
    int nscalar;                    /* filled in by gslfit_program_check */
} second_derivatives;

#define GSLFIT_NOTHING INT32_MIN

typedef struct {
    int nx, nfree, ninput, nconstant;
    int nprologue, nbody, nvalue;
    const double *constants;
    const instruction *prologue, *body;
    const int32_t *outputs;   /* 1 + nfree body operands: the value, its derivatives */
    int nscalar, nregister;   /* filled in by gslfit_program_check */
    uint64_t linear;          /* a bit for each free variable: the value is linear in all that have one, together */
    uint64_t amplitudes;      /* those of them that multiply what depends on others */
    const measured_response *response;  /* what value and derivatives are folded with; NULL for nothing */
    const second_derivatives *second;   /* NULL where there are none */
} program;

/* Whether the value is linear in all free variables together. */
static inline int gslfit_is_linear(const program *p) { return p->nfree < 64 && p->linear == (UINT64_C(1) << p->nfree) - 1; }

/* Mark (1) the free variables that the value isn't linear in. */
static inline void gslfit_nonlinear(const program *p, unsigned char *which) {
    for (int k = 0; k < p->nfree; k++) which[k] = !(p->linear >> k & 1);
}

/* Whether the value has operations at which derivatives may jump. */
int gslfit_may_have_kinks(const program *p);

/* Count scalars and registers, and see to it that no instruction reads or writes outside them. Returns 0, or -1 and a message. */
int gslfit_program_check(program *p, char *message, size_t size);

/* The memory that evaluating a program takes, for one thread. */
typedef struct workspace workspace;
workspace *gslfit_workspace_new(const program *p);
void gslfit_workspace_free(workspace *w);

/* Value (n) and Jacobian, either may be NULL, of one fit at n points (of the grid, where there is a response); x[j] is variable j (n),
 * inputs may be NULL when there are none. jacobian[i*row + j*column] is the derivative of point i by free variable j. */
void gslfit_workspace_evaluate(workspace *w, const double *v, const double *inputs, const double *const *x, long n, double *value,
                               double *jacobian, long row, long column);

/* The instruction set in use; choosing one by name ("v4", "v3", "base", NULL for the best) returns 0, or -1 where there is no such. */
const char *gslfit_isa_name(void);
int gslfit_isa_choose(const char *name);

#endif
