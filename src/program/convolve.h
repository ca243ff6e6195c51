/* Columns of points folded with a response in each lane: out[i] = sum over t of taps[t] in[i + centre - t], nothing outside of the points.
 *
 * HIGH rows and two columns at a time: their sums stay in registers of the machine. Each sum is taken in the order of the points.
 */
#ifndef GSLFIT_CONVOLVE_H
#define GSLFIT_CONVOLVE_H

#include "isa.h"
#include "simd.h"

enum { HIGH = 4 };

/* Add the products of point m where a row has a tap for it. */
static inline __attribute__((always_inline)) void convolve_edge(const convolution *c, long first, long m, int h, const double *const *in,
                                                                vd *s, const int height, const int width) {
    for (int k = 0; k < height; k++) {
        const long t = first + k + c->centre - m;
        if (t < 0 || t >= c->count) continue;
        for (int j = 0; j < width; j++) s[j * HIGH + k] += load(c->taps + t * LANES + h) * load(in[j] + m * LANES + h);
    }
}

/* Rows `first` to first + height of `width` columns. */
static inline __attribute__((always_inline)) void convolve_tile(const convolution *c, long first, const double *const *in,
                                                                double *const *out, const int height, const int width) {
    const long begin = first + c->centre - c->count + 1 > 0 ? first + c->centre - c->count + 1 : 0;
    const long end = first + height + c->centre < c->n ? first + height + c->centre : c->n;
    /* the points for which all rows have a tap */
    long from = first + height + c->centre - c->count, to = first + c->centre + 1;
    from = from > begin ? from : begin;
    to = to < end ? to : end;
    if (from >= to) from = to = end;
    for (int h = 0; h < LANES; h += WIDTH) {
        vd s[2 * HIGH];
#pragma GCC unroll 8
        for (int k = 0; k < 2 * HIGH; k++) s[k] = SPLAT(0.0);
        for (long m = begin; m < from; m++) convolve_edge(c, first, m, h, in, s, height, width);
        for (long m = from; m < to; m++) {
            const double *taps = c->taps + (first + c->centre - m) * LANES + h;
            vd number[2];
#pragma GCC unroll 2
            for (int j = 0; j < width; j++) number[j] = load(in[j] + m * LANES + h);
#pragma GCC unroll 4
            for (int k = 0; k < height; k++) {
                const vd tap = load(taps + k * LANES);
#pragma GCC unroll 2
                for (int j = 0; j < width; j++) s[j * HIGH + k] += tap * number[j];
            }
        }
        for (long m = to; m < end; m++) convolve_edge(c, first, m, h, in, s, height, width);
#pragma GCC unroll 2
        for (int j = 0; j < width; j++)
#pragma GCC unroll 4
            for (int k = 0; k < height; k++) store(out[j] + (first + k) * LANES + h, s[j * HIGH + k]);
    }
}

static void convolve_rows(const convolution *c, long first, const double *const *in, double *const *out, int height, int width) {
    if (height == HIGH && width == 2) convolve_tile(c, first, in, out, HIGH, 2);
    else if (height == HIGH) convolve_tile(c, first, in, out, HIGH, 1);
    else
        for (int k = 0; k < height; k++)
            for (int j = 0; j < width; j++) convolve_tile(c, first + k, in + j, out + j, 1, 1);
}

static void convolve_columns(const convolution *c, const double *in, double *out, int count) {
    for (int j = 0; j < count; j += 2)
        for (long first = 0; first < c->n; first += HIGH) {
            const double *const from[2] = {in + j * c->n * LANES, in + (j + 1) * c->n * LANES};
            double *const to[2] = {out + j * c->n * LANES, out + (j + 1) * c->n * LANES};
            convolve_rows(c, first, from, to, c->n - first < HIGH ? (int)(c->n - first) : HIGH, count - j > 1 ? 2 : 1);
        }
}

#endif
