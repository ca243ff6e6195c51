/* Programs assembled by hand for the C tests and benchmarks: formula, scalars and registers are written beside each. */
#ifndef PROGRAMS_H
#define PROGRAMS_H

#include "program/program.h"

#define LENGTH(a) ((int)(sizeof(a) / sizeof(*(a))))
#define S(k) (~(k)) /* scalar k as an operand of the body */

/* y0 + A*exp(-(x - x0)**2/(2*var)); scalars y0 A x0 var | -0.5 0.5 1 | 7: 1/var, 8: -0.5/var, 9: A/var, 10: 0.5/var */
static const double peak_constants[] = {-0.5, 0.5, 1.0};
static const instruction peak_prologue[] = {{OP_RECIP, 7, 3, 0, 0}, {OP_MUL, 8, 4, 7, 0}, {OP_MUL, 9, 1, 7, 0}, {OP_MUL, 10, 5, 7, 0}};
static const instruction peak_body[] = {
    {OP_SUB, 1, 0, S(2), 0}, {OP_SQUAREEXP, 2, 1, S(8), 0}, {OP_FMA, 3, 2, S(1), S(0)},
    {OP_MULMUL, 4, 1, 2, S(9)}, {OP_MULMUL, 5, 4, 1, S(10)}};
static const int32_t peak_outputs[] = {3, S(6), 2, 4, 5};
static const program peak_program = {1, 4, 0, 3, LENGTH(peak_prologue), LENGTH(peak_body), 3, peak_constants, peak_prologue, peak_body,
                                     peak_outputs, 0, 0};

/* y0 + A*exp(-b*x); scalars y0 A b | 1 | 4: -b, 5: -A */
static const double decay_constants[] = {1.0};
static const instruction decay_prologue[] = {{OP_NEG, 4, 2, 0, 0}, {OP_NEG, 5, 1, 0, 0}};
static const instruction decay_body[] = {{OP_MULEXP, 1, 0, S(4), 0}, {OP_FMA, 2, 1, S(1), S(0)}, {OP_MULMUL, 3, 0, 1, S(5)}};
static const int32_t decay_outputs[] = {2, S(3), 1, 3};
static const program decay_program = {1, 3, 0, 1, LENGTH(decay_prologue), LENGTH(decay_body), 2, decay_constants, decay_prologue, decay_body,
                                      decay_outputs, 0, 0};

/* A*exp(-((x - x0)**2 + (y - y0)**2)/(2*s**2)) + b; scalars A x0 y0 s b | -0.5 1 | 7: 1/s, 8: 1/s^2, 9: -0.5/s^2, 10: A/s^2, 11: A/s^3 */
static const double spot_constants[] = {-0.5, 1.0};
static const instruction spot_prologue[] = {{OP_RECIP, 7, 3, 0, 0}, {OP_SQUARE, 8, 7, 0, 0}, {OP_MUL, 9, 5, 8, 0}, {OP_MUL, 10, 0, 8, 0},
                                            {OP_MUL, 11, 10, 7, 0}};
static const instruction spot_body[] = {
    {OP_SUB, 2, 0, S(1), 0}, {OP_SUB, 3, 1, S(2), 0}, {OP_SQUARE, 4, 3, 0, 0}, {OP_FMA, 4, 2, 2, 4}, {OP_MULEXP, 5, 4, S(9), 0},
    {OP_FMA, 6, 5, S(0), S(4)}, {OP_MULMUL, 7, 5, 2, S(10)}, {OP_MULMUL, 8, 5, 3, S(10)}, {OP_MULMUL, 9, 5, 4, S(11)}};
static const int32_t spot_outputs[] = {6, 5, 7, 8, 9, S(6)};
static const program spot_program = {2, 5, 0, 2, LENGTH(spot_prologue), LENGTH(spot_body), 6, spot_constants, spot_prologue, spot_body,
                                     spot_outputs, 0, 0};

#endif
