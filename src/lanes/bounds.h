/* Bounds in the lanes, compiled once for each instruction set: the transforms of gslfit/parameters/bounds.py, from what is
 * stepped in to the program's variables. The way in is fit_transform.c's; src/parameters/bounds.pxi has both ways for one number, for minimize. */
#ifndef GSLFIT_BOUNDS_IMPL_H
#define GSLFIT_BOUNDS_IMPL_H

#include "lane_state.h"
#include "program/simd.h"
#include "program/vmath.h"

#define INLINE static inline __attribute__((always_inline))

/* near + size*v^2/(root + 1), root = sqrt(v^2 + 1), and size*v/root; v may be large, its square's square is to be finite */
INLINE vd parabola(vd near, vd size, vd v, vd *slope) {
    v = vmin(SPLAT(1e75), vmax(SPLAT(-1e75), v));
    const vd root = vsqrt(v * v + 1.0), scaled = size * v, inverse = 1.0 / (root * (root + 1.0));
    *slope = scaled * ((root + 1.0) * inverse);
    return near + scaled * v * (root * inverse);
}

/* The program's variable for LANES values of v, and its slope. Beyond the middle between two bounds it counts from the far one: so it
 * passes neither by a rounding error, and keeps its digits there. */
static void outer(const lane_box *b, const double *in, double *value, double *slope) {
    for (int h = 0; h < LANES; h += WIDTH) {
        const vd v = load(in + h), near = SPLAT(b->near), far = SPLAT(b->far), size = load(b->size + h);
        vd x, d;
        if (b->bounds == 1) {
            x = parabola(near, size, v, &d);
        } else {
            vd s, c;
            const vm beyond = vturn(0.5 * v, &s, &c);
            const vd toward = choose(beyond, -size, size);
            x = choose(beyond, far, near) + s * (toward * s);
            d = toward * (s * c);
            if (b->any_wide) {  /* each lane has the one or the other, whatever its neighbours have */
                const vm wide = load(b->wide + h) != 0.0;
                vd slope_wide;
                const vd x_wide = parabola(near, size, v, &slope_wide);
                x = choose(wide, choose(vabs(x_wide - near) > vabs(far - near), far, x_wide), x);
                d = choose(wide, slope_wide, d);
            }
        }
        if (b->any_out) {
            const vm out = load(b->out + h) != 0.0;
            const vm above = v > vmax(near, far), below = v < vmin(near, far);
            x = choose(out, choose(above, vmax(near, far), choose(below, vmin(near, far), v)), x);
            d = choose(out, choose(EITHER(above, below), SPLAT(0.0), SPLAT(1.0)), d);
        }
        store(value + h, x);
        store(slope + h, d);
    }
}

static void angles(double *roots, int count) {
    for (int h = 0; h < count; h += WIDTH) store(roots + h, 2.0 * vasin(load(roots + h)));
}

/* The program's variables at the trial. */
static void outer_trial(worker *w) {
    lane_state *s = w->state;
    row *free = (row *)w->space->scalars;
    for (int k = 0; k < s->p; k++) {
        if (s->boxes[k].bounds) outer(s->boxes + k, s->trial[k], free[k], s->slope[k]);
        else memcpy(free[k], s->trial[k], sizeof(row));
    }
}

/* Whether the program's variable falls where v rises: its slope's sign. */
static int falls(const lane_box *b, int l, double v) {
    if (!b->bounds || b->out[l] != 0) return 0;
    const int rises = b->bounds == 1 || b->wide[l] != 0 || fabs(v) < 3;  /* there the slope has the sign of v */
    return (rises ? v : sin(v)) * (b->size[l] < 0 ? -1 : 1) < 0;
}

static void copy_box(lane_box *to, int l, const lane_box *from, int m) {
    to->near = from->near;
    to->far = from->far;
    to->size[l] = from->size[m];
    to->any_wide = from->any_wide;
    to->any_out = from->any_out;
    if (from->any_wide) to->wide[l] = from->wide[m];
    if (from->any_out) to->out[l] = from->out[m];
}

#endif
