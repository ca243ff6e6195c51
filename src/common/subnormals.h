/* Numbers too small to be normal, below 2.2e-308: an operation with one of them takes up to a hundred times as long on many processors, and
 * the tails of peaks and decays are full of them. Where sums of squares are taken they are as good as 0, and a thread can have its results
 * flushed to 0 there. Never while a caller's code runs: its numbers are its own. */
#ifndef GSLFIT_SUBNORMALS_H
#define GSLFIT_SUBNORMALS_H

#if defined(__x86_64__) || defined(_M_X64)
#include <xmmintrin.h>

typedef unsigned gslfit_float_mode;

/* Flush this thread's subnormal results to 0; return how it was, for gslfit_float_mode_set. */
static inline gslfit_float_mode gslfit_flush_subnormals(void) {
    const unsigned mode = _mm_getcsr();
    _mm_setcsr(mode | _MM_FLUSH_ZERO_ON);
    return mode;
}

/* Let subnormal results be; return how it was. */
static inline gslfit_float_mode gslfit_keep_subnormals(void) {
    const unsigned mode = _mm_getcsr();
    _mm_setcsr(mode & ~(unsigned)_MM_FLUSH_ZERO_ON);
    return mode;
}

static inline void gslfit_float_mode_set(gslfit_float_mode mode) { _mm_setcsr(mode); }

#elif defined(__aarch64__) && defined(__GNUC__)
#include <stdint.h>

typedef uint64_t gslfit_float_mode;

static inline void gslfit_float_mode_set(gslfit_float_mode mode) { __asm__ volatile("msr fpcr, %0" : : "r"(mode)); }

static inline gslfit_float_mode gslfit_flush_subnormals(void) {
    uint64_t mode;
    __asm__ volatile("mrs %0, fpcr" : "=r"(mode));
    gslfit_float_mode_set(mode | (uint64_t)1 << 24);
    return mode;
}

static inline gslfit_float_mode gslfit_keep_subnormals(void) {
    uint64_t mode;
    __asm__ volatile("mrs %0, fpcr" : "=r"(mode));
    gslfit_float_mode_set(mode & ~((uint64_t)1 << 24));
    return mode;
}

#else
typedef int gslfit_float_mode;
static inline gslfit_float_mode gslfit_flush_subnormals(void) { return 0; }
static inline gslfit_float_mode gslfit_keep_subnormals(void) { return 0; }
static inline void gslfit_float_mode_set(gslfit_float_mode mode) { (void)mode; }
#endif

#endif
