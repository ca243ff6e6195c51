/* Vectors of WIDTH doubles, whatever the compiler offers for them.
 *
 * Included by the sources that are compiled once for each instruction set; WIDTH is 8, 4, 2 or 1 there. With WIDTH 1, or a compiler
 * without vector extensions, a vector is a double and everything below is plain C.
 */
#ifndef GSLFIT_SIMD_H
#define GSLFIT_SIMD_H

#include <math.h>
#include <stdint.h>
#include <string.h>

#if WIDTH > 1
typedef double vd __attribute__((vector_size(8 * WIDTH)));
typedef double vd_memory __attribute__((vector_size(8 * WIDTH), may_alias));
typedef double vd_loose __attribute__((vector_size(8 * WIDTH), may_alias, aligned(8)));
typedef int64_t vm __attribute__((vector_size(8 * WIDTH)));
#define SPLAT(x) ((double)(x) - (vd){0})
#define BITS(v) ((vm)(v))
#define FROM_BITS(m) ((vd)(m))
#define LANE(v, l) ((v)[l])
#define BOTH(m, n) ((m) & (n))
#define EITHER(m, n) ((m) | (n))
#define INVERT(m) (~(m))
#define EXPONENT(m) (((m) + 1023) << 52)
#define TRUE_MASK (~(vm){0})
#if WIDTH == 8
#include <immintrin.h>
static inline vd choose(vm m, vd yes, vd no) {
    return (vd)_mm512_mask_blend_pd(_mm512_movepi64_mask((__m512i)m), (__m512d)no, (__m512d)yes);
}
#else
static inline vd choose(vm m, vd yes, vd no) { return (vd)((m & (vm)yes) | (~m & (vm)no)); }
#endif
static inline vd truth(vm m) { return (vd)(m & (vm)SPLAT(1.0)); }
static inline vd load(const double *p) { return *(const vd_memory *)p; }
static inline vd load_loose(const double *p) { return *(const vd_loose *)p; }
static inline void store(double *p, vd v) { *(vd_memory *)p = v; }
static inline void store_loose(double *p, vd v) { *(vd_loose *)p = v; }
#else
typedef double vd;
typedef int64_t vm;
#define SPLAT(x) ((double)(x))
static inline int64_t BITS(double v) { int64_t m; memcpy(&m, &v, 8); return m; }
static inline double FROM_BITS(int64_t m) { double v; memcpy(&v, &m, 8); return v; }
#define LANE(v, l) (*(&(v) + (l)))
#define BOTH(m, n) ((m) && (n))
#define EITHER(m, n) ((m) || (n))
#define INVERT(m) (!(m))
#define EXPONENT(m) ((int64_t)((uint64_t)((m) + 1023) << 52))
#define TRUE_MASK ((vm)1)
static inline vd choose(vm m, vd yes, vd no) { return m ? yes : no; }
static inline vd truth(vm m) { return m ? 1.0 : 0.0; }
static inline vd load(const double *p) { return *p; }
static inline vd load_loose(const double *p) { return *p; }
static inline void store(double *p, vd v) { *p = v; }
static inline void store_loose(double *p, vd v) { *p = v; }
#endif

/* The greater and the smaller; where b is NaN, NaN. The compiler can't know that only this order of NaN matters, so x86 is told. */
#if WIDTH == 8
static inline vd vmax(vd a, vd b) { return (vd)_mm512_max_pd((__m512d)a, (__m512d)b); }
static inline vd vmin(vd a, vd b) { return (vd)_mm512_min_pd((__m512d)a, (__m512d)b); }
static inline vd vsqrt(vd a) { return (vd)_mm512_sqrt_pd((__m512d)a); }
static inline vd vscale(vd a, vd k) { return (vd)_mm512_scalef_pd((__m512d)a, (__m512d)k); }
static inline vd vfloor(vd a) { return (vd)_mm512_floor_pd((__m512d)a); }
static inline vd vceil(vd a) { return (vd)_mm512_ceil_pd((__m512d)a); }
static inline vd vrint(vd a) { return (vd)_mm512_roundscale_pd((__m512d)a, 0); }
#elif WIDTH == 4
#include <immintrin.h>
static inline vd vmax(vd a, vd b) { return (vd)_mm256_max_pd((__m256d)a, (__m256d)b); }
static inline vd vmin(vd a, vd b) { return (vd)_mm256_min_pd((__m256d)a, (__m256d)b); }
static inline vd vsqrt(vd a) { return (vd)_mm256_sqrt_pd((__m256d)a); }
static inline vd vfloor(vd a) { return (vd)_mm256_floor_pd((__m256d)a); }
static inline vd vceil(vd a) { return (vd)_mm256_ceil_pd((__m256d)a); }
static inline vd vrint(vd a) { return (vd)_mm256_round_pd((__m256d)a, 0); }
#else
static inline vd vmax(vd a, vd b) { return choose(a > b, a, b); }
static inline vd vmin(vd a, vd b) { return choose(a < b, a, b); }
/* a C function of one double, lane by lane */
#define LANEWISE(name, function)                                          \
    static inline vd name(vd a) {                                         \
        for (int l = 0; l < WIDTH; l++) LANE(a, l) = function(LANE(a, l)); \
        return a;                                                         \
    }
LANEWISE(vsqrt, sqrt)
LANEWISE(vfloor, floor)
LANEWISE(vceil, ceil)
LANEWISE(vrint, rint)
#undef LANEWISE
#endif

/* 1/a, and 1/sqrt(a) below, of numbers whose squares are in range; with AVX-512 by Newton's steps from an estimate, or the series of which
 * they are the first term, to a unit in the last place or so: half the time of a division, a third of a root's and a division's. */
static inline vd vreciprocal(vd a) {
#if WIDTH == 8
    vd x = (vd)_mm512_rcp14_pd((__m512d)a);
    x += x * (1.0 - a * x);
    return x + x * (1.0 - a * x);
#else
    return 1.0 / a;
#endif
}

/* 1/a to four digits or more. */
static inline vd vrough_reciprocal(vd a) {
#if WIDTH == 8
    return (vd)_mm512_rcp14_pd((__m512d)a);
#else
    return 1.0 / a;
#endif
}

static inline vd vrsqrt(vd a) {
#if WIDTH == 8
    vd x = (vd)_mm512_rsqrt14_pd((__m512d)a);
    const vd e = 1.0 - a * x * x;  /* less than 2^-13; (1 - e)^(-1/2) is a series */
    return x + x * e * (0.5 + e * (0.375 + e * 0.3125));
#else
    return 1.0 / vsqrt(a);
#endif
}

static inline vd vabs(vd a) {
#if WIDTH > 1
    return (vd)((vm)a & ((vm){0} + INT64_MAX));
#else
    return fabs(a);
#endif
}

/* a, its sign turned where b has one. */
static inline vd vturned(vd a, vd b) { return FROM_BITS(BITS(a) ^ (BITS(b) & BITS(SPLAT(-0.0)))); }

/* Adding and taking away this leaves the nearest whole number, and the sum has it in its low bits: 1.5 * 2**52. */
#define MAGIC 6755399441055744.0

#if WIDTH != 8
/* a * 2**k for whole k with abs(k) < 2046, in two factors that are both normal */
static inline vd vscale(vd a, vd k) {
    vd half = k * 0.5 + MAGIC;
    vm low = BITS(half);
    vm high = BITS((k - (half - MAGIC)) + MAGIC);
    return a * FROM_BITS(EXPONENT(low)) * FROM_BITS(EXPONENT(high));
}
#endif

/* A positive number's exponent, the whole part of its binary logarithm, and its mantissa between 1 and 2. */
#if WIDTH == 8
static inline vd vexponent(vd a) { return (vd)_mm512_getexp_pd((__m512d)a); }
static inline vd vmantissa(vd a) { return (vd)_mm512_getmant_pd((__m512d)a, _MM_MANT_NORM_1_2, _MM_MANT_SIGN_src); }
#else
static inline vd vexponent(vd a) { return FROM_BITS(BITS(SPLAT(MAGIC)) + (BITS(a) >> 52)) - (MAGIC + 1023); }
static inline vd vmantissa(vd a) { return choose(a < INFINITY, FROM_BITS((BITS(a) & 0xfffffffffffff) | 0x3ff0000000000000), a); }
#endif

static inline int any(vm m) {
#if WIDTH == 8
    return _mm512_movepi64_mask((__m512i)m) != 0;
#elif WIDTH == 4
    return _mm256_movemask_pd((__m256d)m) != 0;
#elif WIDTH > 1
    int64_t all = 0;
    for (int l = 0; l < WIDTH; l++) all |= m[l];
    return all != 0;
#else
    return m != 0;
#endif
}

#endif
