/* The kernels of the operations: each a loop over the points of a block.
 *
 * A register's operand steps from point to point, a scalar's is loaded once. The out register may be one of the operands.
 */
#ifndef GSLFIT_KERNELS_H
#define GSLFIT_KERNELS_H

#include "isa.h"
#include "vmath.h"

#define KERNEL(name, SA, SB, SC, expression)                              \
    static void name(const bound_instruction *q, long points) {                       \
        for (int h = 0; h < LANES; h += WIDTH) {                          \
            const double *pa = q->a + h, *pb = q->b + h, *pc = q->c + h;   \
            double *out = q->out + h;                                     \
            vd a = SPLAT(0.0), b = a, c = a;                              \
            if (SA == 1) a = load(pa);                                    \
            if (SB == 1) b = load(pb);                                    \
            if (SC == 1) c = load(pc);                                    \
            for (long i = 0; i < points * LANES; i += LANES) {            \
                if (SA == 2) a = load(pa + i);                            \
                if (SB == 2) b = load(pb + i);                            \
                if (SC == 2) c = load(pc + i);                            \
                store(out + i, expression);                               \
            }                                                             \
            (void)b; (void)c;                                             \
        }                                                                 \
    }

/* name_KIND for every kind but the one with scalars alone, which is the prologue's: there kind 0 does it, with one point. */
#define UNARY(name, expression) KERNEL(name##_0, 2, 0, 0, expression)
#define BINARY(name, expression)           \
    KERNEL(name##_0, 2, 2, 0, expression)  \
    KERNEL(name##_1, 1, 2, 0, expression)  \
    KERNEL(name##_2, 2, 1, 0, expression)
#define TERNARY(name, expression)          \
    KERNEL(name##_0, 2, 2, 2, expression)  \
    KERNEL(name##_1, 1, 2, 2, expression)  \
    KERNEL(name##_2, 2, 1, 2, expression)  \
    KERNEL(name##_3, 1, 1, 2, expression)  \
    KERNEL(name##_4, 2, 2, 1, expression)  \
    KERNEL(name##_5, 1, 2, 1, expression)  \
    KERNEL(name##_6, 2, 1, 1, expression)

/* Every operation's arity in kernels and its expression: FORM is UNARY, BINARY, TERNARY, or PAIR, a binary one with kind 0 alone. */
#define PAIR(name, expression) KERNEL(name##_0, 2, 2, 0, expression)
#define EXPRESSIONS(FORM1, FORM2, FORM3, FORMP)                                       \
    FORM2(ADD, a + b) FORM2(SUB, a - b) FORM2(MUL, a *b) FORM2(DIV, a / b)            \
    FORM1(NEG, -a) FORM1(ABS, vabs(a)) FORM1(SQUARE, a *a) FORM1(CUBE, a *a *a)       \
    FORM1(RECIP, 1.0 / a) FORM1(SQRT, vsqrt(a)) FORM1(RSQRT, 1.0 / vsqrt(a))          \
    FORM3(FMA, a *b + c) FORM3(FMS, a *b - c) FORM3(FNMA, c - a * b)                  \
    FORM2(MULZ, choose(a == 0.0, SPLAT(0.0), a *b))                                   \
    FORM2(IFFINITE, choose(vabs(a) < INFINITY, b, SPLAT(0.0)))                        \
    FORM3(MULMUL, a *b *c) FORM3(ADDMUL, (a + b) * c) FORM3(SUBMUL, (a - b) * c)      \
    FORM2(SUBSQUARE, (a - b) * (a - b)) FORM2(SQUAREADD, a *a + b)                    \
    FORM2(MULEXP, vexp(a *b)) FORM2(SQUAREEXP, vexp(a *a *b))                         \
    FORM2(MIN, choose(a != a, a, vmin(a, b))) FORM2(MAX, choose(a != a, a, vmax(a, b))) \
    FORM1(FLOOR, vfloor(a)) FORM1(CEIL, vceil(a)) FORM1(RINT, vrint(a))               \
    FORM1(TRUNC, choose(a < 0.0, vceil(a), vfloor(a)))                                \
    FORM1(SIGN, choose(a > 0.0, SPLAT(1.0), choose(a < 0.0, SPLAT(-1.0), a)))         \
    FORM2(COPYSIGN, FROM_BITS((BITS(a) & INT64_MAX) | (BITS(b) & INT64_MIN)))         \
    FORM2(STEP, choose(a < 0.0, SPLAT(0.0), choose(a > 0.0, SPLAT(1.0), choose(a == 0.0, b, a)))) \
    FORM2(LT, truth(a < b)) FORM2(LE, truth(a <= b)) FORM2(GT, truth(a > b))          \
    FORM2(GE, truth(a >= b)) FORM2(EQ, truth(a == b)) FORM2(NE, truth(a != b))        \
    FORM2(AND, truth(BOTH(a != 0.0, b != 0.0)))                                       \
    FORM2(OR, truth(EITHER(a != 0.0, b != 0.0)))                                      \
    FORM2(XOR, truth(EITHER(BOTH(a != 0.0, b == 0.0), BOTH(a == 0.0, b != 0.0))))     \
    FORM1(NOT, truth(a == 0.0)) FORM3(SELECT, choose(a != 0.0, b, c))                 \
    FORM1(ISNAN, truth(a != a)) FORM1(ISINF, truth(vabs(a) == INFINITY))              \
    FORM1(ISFINITE, truth(vabs(a) < INFINITY))                                        \
    FORM1(EXP, vexp(a)) FORM1(EXP2, vexp2(a)) FORM1(EXPM1, vexpm1(a))                 \
    FORM1(LOG, vlog(a)) FORM1(LOG2, vlog2(a)) FORM1(LOG10, vlog10(a))                 \
    FORM1(LOG1P, vlog1p(a)) FORM1(CBRT, vcbrt(a))                                     \
    FORM1(SIN, vsin(a)) FORM1(COS, vcos(a)) FORM1(TAN, vtan(a))                       \
    FORM1(ASIN, vasin(a)) FORM1(ACOS, vacos(a)) FORM1(ATAN, vatan(a))                 \
    FORM1(SINH, vsinh(a)) FORM1(COSH, vcosh(a)) FORM1(TANH, vtanh(a))                 \
    FORM1(ASINH, vasinh(a)) FORM1(ACOSH, vacosh(a)) FORM1(ATANH, vatanh(a))           \
    FORMP(ATAN2, vatan2(a, b)) FORMP(HYPOT, vhypot(a, b)) FORMP(POW, vpow(a, b))      \
    FORMP(FMOD, vfmod(a, b)) FORMP(MOD, vmod(a, b))                                   \
    FORM1(EXPIT, vexpit(a)) FORM1(SINC, vsinc(a)) FORM1(SINC_D, vsinc_d(a))           \
    FORM1(ERF, verf(a)) FORM1(ERFC, verfc(a))                                         \
    FORM1(ERFCX, verfcx(a)) FORM1(ERFCX_D, verfcx_d(a))                               \
    FORM1(DAWSON, vdawson(a)) FORM1(DAWSON_D, vdawson_d(a))                           \
    FORMP(WOFZ_RE, vwofz_re(a, b)) FORMP(WOFZ_IM, vwofz_im(a, b))                     \
    FORMP(WOFZ_D_RE, vwofz_d_re(a, b)) FORMP(WOFZ_D_IM, vwofz_d_im(a, b))             \
    FORM1(GAMMA, vgamma(a)) FORM1(LGAMMA, vlgamma(a))                                 \
    FORM1(DIGAMMA, vdigamma(a)) FORM1(TRIGAMMA, vtrigamma(a))                         \
    FORM1(J0, vj0(a)) FORM1(J1, vj1(a)) FORM1(J2, vj2(a))                             \
    FORM1(Y0, vy0(a)) FORM1(Y1, vy1(a)) FORM1(Y2, vy2(a))                             \
    FORM1(I0, vi0(a)) FORM1(I1, vi1(a)) FORM1(I2, vi2(a))                             \
    FORM1(K0, vk0(a)) FORM1(K1, vk1(a)) FORM1(K2, vk2(a))                             \
    FORM1(I0E, vi0e(a)) FORM1(I1E, vi1e(a)) FORM1(I2E, vi2e(a))                       \
    FORM1(K0E, vk0e(a)) FORM1(K1E, vk1e(a)) FORM1(K2E, vk2e(a))

EXPRESSIONS(UNARY, BINARY, TERNARY, PAIR)
KERNEL(MOV_0, 2, 0, 0, a)
KERNEL(MOV_1, 1, 0, 0, a)
KERNEL(POWI_0, 2, 0, 0, vpowi(a, (int)q->b[0]))

#define ENTRY1(name, expression) [OP_##name] = {name##_0},
#define ENTRY2(name, expression) [OP_##name] = {name##_0, name##_1, name##_2},
#define ENTRY3(name, expression) [OP_##name] = {name##_0, name##_1, name##_2, name##_3, name##_4, name##_5, name##_6},
static const kernel kernel_table[OPCODE_COUNT][KINDS] = {
    EXPRESSIONS(ENTRY1, ENTRY2, ENTRY3, ENTRY1)
    [OP_MOV] = {MOV_0, MOV_1},
    [OP_POWI] = {POWI_0, NULL, POWI_0},
};

#endif
