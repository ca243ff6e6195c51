/* The operations of a formula's program: each is declared here and nowhere else.
 *
 * OPCODES(X) calls X(NAME, name, arity, meaning) for each operation, in the order of their numbers. An instruction is (op, out, a, b, c);
 * operands beyond the arity are ignored. Truth values are 1.0 and 0.0; any number but 0 counts as true. Unless it says otherwise an
 * operation has NumPy's values at the edges of its domain (NaN, infinities), and NaN outside it.
 *
 * The operations of the first three groups have a kernel for each kind of operands (register or scalar), so a scalar operand costs
 * nothing. Those of the fourth broadcast a scalar operand first: hoist what depends on scalars alone.
 */
#ifndef GSLFIT_OPCODES_H
#define GSLFIT_OPCODES_H

#define OPCODES(X)                                                                                  \
    /* arithmetic */                                                                                \
    X(MOV, mov, 1, "a")                                                                             \
    X(ADD, add, 2, "a + b")                                                                         \
    X(SUB, sub, 2, "a - b")                                                                         \
    X(MUL, mul, 2, "a*b")                                                                           \
    X(DIV, div, 2, "a/b")                                                                           \
    X(NEG, neg, 1, "-a")                                                                            \
    X(ABS, abs, 1, "abs(a)")                                                                        \
    X(SQUARE, square, 1, "a*a")                                                                     \
    X(CUBE, cube, 1, "a*a*a")                                                                       \
    X(RECIP, recip, 1, "1/a")                                                                       \
    X(SQRT, sqrt, 1, "sqrt(a)")                                                                     \
    X(RSQRT, rsqrt, 1, "1/sqrt(a)")                                                                 \
    X(FMA, fma, 3, "a*b + c")                                                                       \
    X(FMS, fms, 3, "a*b - c")                                                                       \
    X(FNMA, fnma, 3, "c - a*b")                                                                     \
    X(MULMUL, mulmul, 3, "a*b*c")                                                                   \
    X(MULZ, mulz, 2, "a*b, and 0 where a is 0, whatever b")                                         \
    X(IFFINITE, iffinite, 2, "b where a is finite, else 0")                                         \
    X(ADDMUL, addmul, 3, "(a + b)*c")                                                               \
    X(SUBMUL, submul, 3, "(a - b)*c")                                                               \
    X(SUBSQUARE, subsquare, 2, "(a - b)*(a - b)")                                                   \
    X(SQUAREADD, squareadd, 2, "a*a + b")                                                           \
    X(MULEXP, mulexp, 2, "exp(a*b)")                                                                \
    X(SQUAREEXP, squareexp, 2, "exp(a*a*b)")                                                        \
    X(POWI, powi, 2, "a**b for a whole number b, a constant, abs(b) <= 1024")                       \
    /* rounding and parts */                                                                        \
    X(MIN, min, 2, "numpy.minimum(a, b)")                                                           \
    X(MAX, max, 2, "numpy.maximum(a, b)")                                                           \
    X(FLOOR, floor, 1, "floor(a)")                                                                  \
    X(CEIL, ceil, 1, "ceil(a)")                                                                     \
    X(TRUNC, trunc, 1, "trunc(a)")                                                                  \
    X(RINT, rint, 1, "numpy.rint(a)")                                                               \
    X(SIGN, sign, 1, "numpy.sign(a)")                                                               \
    X(COPYSIGN, copysign, 2, "copysign(a, b)")                                                      \
    X(STEP, step, 2, "numpy.heaviside(a, b): 0 below 0, b at 0, 1 above")                           \
    /* comparisons and logic */                                                                     \
    X(LT, lt, 2, "a < b")                                                                           \
    X(LE, le, 2, "a <= b")                                                                          \
    X(GT, gt, 2, "a > b")                                                                           \
    X(GE, ge, 2, "a >= b")                                                                          \
    X(EQ, eq, 2, "a == b")                                                                          \
    X(NE, ne, 2, "a != b")                                                                          \
    X(AND, and, 2, "a and b, a truth value")                                                        \
    X(OR, or, 2, "a or b, a truth value")                                                           \
    X(XOR, xor, 2, "bool(a) != bool(b)")                                                            \
    X(NOT, not, 1, "not a")                                                                         \
    X(SELECT, select, 3, "b if a else c")                                                           \
    X(ISNAN, isnan, 1, "a != a")                                                                    \
    X(ISINF, isinf, 1, "abs(a) is infinite")                                                        \
    X(ISFINITE, isfinite, 1, "a is finite")                                                         \
    /* functions */                                                                                 \
    X(EXP, exp, 1, "exp(a)")                                                                        \
    X(EXP2, exp2, 1, "2**a")                                                                        \
    X(EXPM1, expm1, 1, "exp(a) - 1")                                                                \
    X(LOG, log, 1, "log(a)")                                                                        \
    X(LOG2, log2, 1, "log2(a)")                                                                     \
    X(LOG10, log10, 1, "log10(a)")                                                                  \
    X(LOG1P, log1p, 1, "log(1 + a)")                                                                \
    X(CBRT, cbrt, 1, "cbrt(a)")                                                                     \
    X(SIN, sin, 1, "sin(a)")                                                                        \
    X(COS, cos, 1, "cos(a)")                                                                        \
    X(TAN, tan, 1, "tan(a)")                                                                        \
    X(ASIN, asin, 1, "asin(a)")                                                                     \
    X(ACOS, acos, 1, "acos(a)")                                                                     \
    X(ATAN, atan, 1, "atan(a)")                                                                     \
    X(SINH, sinh, 1, "sinh(a)")                                                                     \
    X(COSH, cosh, 1, "cosh(a)")                                                                     \
    X(TANH, tanh, 1, "tanh(a)")                                                                     \
    X(ASINH, asinh, 1, "asinh(a)")                                                                  \
    X(ACOSH, acosh, 1, "acosh(a)")                                                                  \
    X(ATANH, atanh, 1, "atanh(a)")                                                                  \
    X(ATAN2, atan2, 2, "atan2(a, b)")                                                               \
    X(HYPOT, hypot, 2, "hypot(a, b)")                                                               \
    X(POW, pow, 2, "a**b")                                                                          \
    X(FMOD, fmod, 2, "fmod(a, b), C's")                                                             \
    X(MOD, mod, 2, "numpy.mod(a, b): has the sign of b")                                            \
    X(EXPIT, expit, 1, "1/(1 + exp(-a))")                                                           \
    X(SINC, sinc, 1, "numpy.sinc(a): sin(pi*a)/(pi*a)")                                             \
    X(SINC_D, sinc_d, 1, "d sinc(a)/d a")                                                           \
    X(ERF, erf, 1, "erf(a)")                                                                        \
    X(ERFC, erfc, 1, "erfc(a)")                                                                     \
    X(ERFCX, erfcx, 1, "exp(a*a)*erfc(a)")                                                          \
    X(ERFCX_D, erfcx_d, 1, "d erfcx(a)/d a")                                                        \
    X(DAWSON, dawson, 1, "exp(-a*a) * integral of exp(t*t), t from 0 to a")                         \
    X(DAWSON_D, dawson_d, 1, "d dawson(a)/d a")                                                     \
    X(WOFZ_RE, wofz_re, 2, "real part of w(z), z = a + i*b, Faddeeva's function")                   \
    X(WOFZ_IM, wofz_im, 2, "imaginary part of w(z)")                                                \
    X(WOFZ_D_RE, wofz_d_re, 2, "real part of dw/dz: d Re w/d a, d Im w/d b")                        \
    X(WOFZ_D_IM, wofz_d_im, 2, "imaginary part of dw/dz: d Im w/d a, -d Re w/d b")                  \
    X(GAMMA, gamma, 1, "gamma(a)")                                                                  \
    X(LGAMMA, lgamma, 1, "log(abs(gamma(a)))")                                                      \
    X(DIGAMMA, digamma, 1, "d lgamma(a)/d a")                                                       \
    X(TRIGAMMA, trigamma, 1, "d digamma(a)/d a")                                                    \
    X(J0, j0, 1, "Bessel function of the first kind, order 0")                                      \
    X(J1, j1, 1, "order 1")                                                                         \
    X(J2, j2, 1, "order 2")                                                                         \
    X(Y0, y0, 1, "Bessel function of the second kind, order 0")                                     \
    X(Y1, y1, 1, "order 1")                                                                         \
    X(Y2, y2, 1, "order 2")                                                                         \
    X(I0, i0, 1, "modified Bessel function of the first kind, order 0")                             \
    X(I1, i1, 1, "order 1")                                                                         \
    X(I2, i2, 1, "order 2")                                                                         \
    X(K0, k0, 1, "modified Bessel function of the second kind, order 0")                            \
    X(K1, k1, 1, "order 1")                                                                         \
    X(K2, k2, 1, "order 2")                                                                         \
    X(I0E, i0e, 1, "exp(-abs(a))*i0(a)")                                                            \
    X(I1E, i1e, 1, "exp(-abs(a))*i1(a)")                                                            \
    X(I2E, i2e, 1, "exp(-abs(a))*i2(a)")                                                            \
    X(K0E, k0e, 1, "exp(a)*k0(a)")                                                                  \
    X(K1E, k1e, 1, "exp(a)*k1(a)")                                                                  \
    X(K2E, k2e, 1, "exp(a)*k2(a)")

typedef enum {
#define OPCODE_NUMBER(NAME, name, arity, meaning) OP_##NAME,
    OPCODES(OPCODE_NUMBER)
#undef OPCODE_NUMBER
    OPCODE_COUNT
} opcode;

#endif
