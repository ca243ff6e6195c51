/* Functions of vectors: our own exp, glibc's vector mathematics where there is one, else C's functions lane by lane.
 *
 * exp: a = k*log(2) + r, exp(a) = 2**k * exp(r); exp(r) is the minimax polynomial of degree 11 on abs(r) <= log(2)/2 (Remez; relative
 * error 3e-18), so that the result is good to about one unit in the last place. With AVX-512, a = k*log(2)/16 + r: two registers hold
 * 2**(k/16) for the 16 remainders of k, one instruction looks them up, and degree 6 is enough for abs(r) <= log(2)/32 (3e-17): as good.
 */
#ifndef GSLFIT_VMATH_H
#define GSLFIT_VMATH_H

#include "simd.h"
#include "special.h"

/* a, no further than where exp is 0 or infinite: what follows is for numbers that k can count */
static inline vd within_exp(vd a) {
    a = vmin(SPLAT(1100.0), vmax(SPLAT(-1100.0), a));
    return a;
}

#if WIDTH == 8
/* 2**(k/16), rounded */
static const double SIXTEENTHS[16] = {
    0x1.0000000000000p+0, 0x1.0b5586cf9890fp+0, 0x1.172b83c7d517bp+0, 0x1.2387a6e756238p+0, 0x1.306fe0a31b715p+0, 0x1.3dea64c123422p+0,
    0x1.4bfdad5362a27p+0, 0x1.5ab07dd485429p+0, 0x1.6a09e667f3bcdp+0, 0x1.7a11473eb0187p+0, 0x1.8ace5422aa0dbp+0, 0x1.9c49182a3f090p+0,
    0x1.ae89f995ad3adp+0, 0x1.c199bdd85529cp+0, 0x1.d5818dcfba487p+0, 0x1.ea4afa2a490dap+0};

static inline vd vexp(vd a) {
    const __m512d low = _mm512_loadu_pd(SIXTEENTHS), high = _mm512_loadu_pd(SIXTEENTHS + 8);
    a = within_exp(a);
    const vd shifted = a * 0x1.71547652b82fep+4 + MAGIC;  /* 16/log(2): the low four bits are k's remainder */
    const vd k = shifted - MAGIC;
    vd r = a - k * 0x1.62e42fee00000p-5;
    r = r - k * 0x1.a39ef35793c76p-37;
    const vd t = (vd)_mm512_permutex2var_pd(low, (__m512i)shifted, high);
    vd s = r * 0x1.6c17bb5ebddb4p-10 + 0x1.11120b03cd855p-7;
    s = s * r + 0x1.555555551946fp-5;
    s = s * r + 0x1.55555554dd388p-3;
    s = s * r + 0x1.0000000000000p-1;
    s = s * r + 1.0;
    s = (t * r) * s + t;
    return vscale(s, k * 0.0625);  /* by 2 to the floor of that */
}
#else
static inline vd vexp(vd a) {
    a = within_exp(a);
    vd shifted = a * 1.4426950408889634 + MAGIC;
    vd k = shifted - MAGIC;
    vd r = a - k * 6.93147180369123816490e-01;
    r = r - k * 1.90821492927058770002e-10;
    vd s = r * 0x1.ad6641c4613b1p-26 + 0x1.28b310d7b600bp-22;
    s = s * r + 0x1.71df4507fb317p-19;
    s = s * r + 0x1.a01992d216647p-16;
    s = s * r + 0x1.a01a0110631ddp-13;
    s = s * r + 0x1.6c16c18780a25p-10;
    s = s * r + 0x1.1111111130daep-7;
    s = s * r + 0x1.555555554f372p-5;
    s = s * r + 0x1.55555555554a2p-3;
    s = s * r + 0x1.0000000000010p-1;
    s = s * r + 1.0;
    s = s * r + 1.0;
    return vscale(s, k);
}
#endif

/* How vectors are passed to functions elsewhere: clang passes them in registers where all of the file is compiled for these, not where a
 * function's own target has them. */
#if defined(__clang__) && ((WIDTH == 8 && !defined(__AVX512F__)) || (WIDTH == 4 && !defined(__AVX__)))
#define VECTORS_IN_MEMORY
#endif

/* glibc 2.35 has vector forms of C's functions, under names that say the instruction set and the number of lanes. */
#if WIDTH > 1 && defined(__x86_64__) && defined(__GLIBC__) && !defined(GSLFIT_NO_VECTOR_LIBM) && !defined(VECTORS_IN_MEMORY)
#if __GLIBC_PREREQ(2, 35)
#define VECTOR_LIBM
#endif
#endif

#define LANEWISE1(name)                                               \
    static inline vd v##name(vd a) {                                  \
        for (int l = 0; l < WIDTH; l++) LANE(a, l) = name(LANE(a, l)); \
        return a;                                                     \
    }
#define LANEWISE2(name)                                                            \
    static inline vd v##name(vd a, vd b) {                                         \
        for (int l = 0; l < WIDTH; l++) LANE(a, l) = name(LANE(a, l), LANE(b, l)); \
        return a;                                                                  \
    }

#ifdef VECTOR_LIBM
#if WIDTH == 8
#define LIBM_NAME(kind, name) _ZGVeN8##kind##_##name
#elif WIDTH == 4
#define LIBM_NAME(kind, name) _ZGVdN4##kind##_##name
#else
#define LIBM_NAME(kind, name) _ZGVbN2##kind##_##name
#endif
#define LIBM1(name)                   \
    vd LIBM_NAME(v, name)(vd) __attribute__((const)); \
    static inline vd v##name(vd a) { return LIBM_NAME(v, name)(a); }
#define LIBM2(name)                   \
    vd LIBM_NAME(vv, name)(vd, vd) __attribute__((const)); \
    static inline vd v##name(vd a, vd b) { return LIBM_NAME(vv, name)(a, b); }
#else
#define LIBM1 LANEWISE1
#define LIBM2 LANEWISE2
#endif

LIBM1(exp2) LIBM1(expm1) LIBM1(log) LIBM1(log2) LIBM1(log10) LIBM1(log1p) LIBM1(cbrt)
LIBM1(sin) LIBM1(cos) LIBM1(tan) LIBM1(asin) LIBM1(acos) LIBM1(atan)
LIBM1(sinh) LIBM1(cosh) LIBM1(tanh) LIBM1(asinh) LIBM1(acosh) LIBM1(atanh)
LIBM1(erf) LIBM1(erfc)
LIBM2(atan2) LIBM2(hypot) LIBM2(pow)
LANEWISE2(fmod)

/* Python's and NumPy's remainder has the sign of b. */
static inline vd vmod(vd a, vd b) {
    vd m = vfmod(a, b);
    vm wrong = BOTH(m != 0.0, EITHER(BOTH(m < 0.0, b > 0.0), BOTH(m > 0.0, b < 0.0)));
    return choose(wrong, m + b, m);
}

static inline vd vexpit(vd a) {
    vd e = vexp(-vabs(a));
    vd tail = e / (1.0 + e);
    return choose(a < 0.0, tail, 1.0 - tail);
}

/* a**b for whole b by squaring: the squares multiplied for each bit of b */
static inline vd vpowi(vd a, int b) {
    vd power = SPLAT(1.0);
    for (unsigned k = b < 0 ? 0u - (unsigned)b : (unsigned)b; k; k >>= 1) {
        if (k & 1) power *= a;
        a *= a;
    }
    return b < 0 ? 1.0 / power : power;
}

#define SPECIAL1(name)                                                             \
    static inline vd v##name(vd a) {                                               \
        for (int l = 0; l < WIDTH; l++) LANE(a, l) = gslfit_special_##name(LANE(a, l));   \
        return a;                                                                  \
    }
SPECIAL_FUNCTIONS(SPECIAL1)

#include "faddeeva.h"

#endif
