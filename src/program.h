/* A formula's program: instructions over scalars (one value a lane) and point registers (POINTS x LANES values), and their evaluator.
 *
 * Scalars S: free variables, then per-fit inputs, then constants, then temporaries of the prologue. Registers R: independent variables,
 * then temporaries. The prologue has scalar operands only and runs once a step. In the body an operand >= 0 is a register, an operand
 * < 0 is scalar ~operand. The first `nvalue` instructions of the body compute the value, the others the derivatives.
 */
#ifndef GSLFIT_PROGRAM_H
#define GSLFIT_PROGRAM_H

#include <stddef.h>
#include <stdint.h>
#include "opcodes.h"

#define LANES 8    /* fits side by side in one register of the machine, or in a few */
#define POINTS 16  /* points of a block, at most */

typedef struct {
    int32_t op, out, a, b, c;
} instruction;

typedef struct {
    const char *name;
    int arity;
    const char *meaning;
} opcode_fact;

extern const opcode_fact opcode_facts[OPCODE_COUNT];

#endif
