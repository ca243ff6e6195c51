/* The rows of losses (objective/losses.h), compiled once for each instruction set: a function for each loss. */
#ifndef GSLFIT_LOSS_ROWS_H
#define GSLFIT_LOSS_ROWS_H

#include "isa.h"
#include "simd.h"
#include "vmath.h"

static const double FAR_OFF = 1e70;     /* a residual of as many scales is as far off as any: powers of it stay in range */
static const double NEAREST = 1e-290;   /* an argument of rho below which rho is the argument */
static const double NO_COUNTS = 1e-200; /* a mean below which there are none */
static const double FEW = 4e-3;         /* share of its mean by which a count may be off for a short series to give its cost */

/* What the numbers of one vector of points are. */
typedef struct {
    vd slope, curvature, cost;
} row;

/* ---- robust losses: rho(z), its first derivative, and the cost's second one in units of least squares ---- */

typedef struct {
    vd rho, slope, curvature;
} bent;

static inline bent bend_SOFT_L1(vd z) {
    const vd inverse = 1.0 / vsqrt(1.0 + z), root = (1.0 + z) * inverse;
    return (bent){2.0 * z / (root + 1.0), inverse, inverse * inverse * inverse};
}

static inline bent bend_HUBER(vd z) {
    const vm far = z > 1.0;
    if (!any(far)) return (bent){z, SPLAT(1.0), SPLAT(1.0)};
    const vd root = vsqrt(z);
    return (bent){choose(far, 2.0 * root - 1.0, z), choose(far, 1.0 / root, SPLAT(1.0)), choose(far, SPLAT(0.0), SPLAT(1.0))};
}

static inline bent bend_CAUCHY(vd z) {
    const vd slope = 1.0 / (1.0 + z);
    return (bent){vlog1p(z), slope, (1.0 - z) * slope * slope};
}

static inline bent bend_ARCTAN(vd z) {
    const vd slope = 1.0 / (1.0 + z * z);
    return (bent){vatan(z), slope, (1.0 - 3.0 * z * z) * slope * slope};
}

static inline bent bend_TUKEY(vd z) {
    const vd u = vmax(SPLAT(0.0), 1.0 - z);
    return (bent){(1.0 - u * u * u) * (1.0 / 3.0), u * u, u * (1.0 - 5.0 * z)};
}

/* Points whose values are `off` the data, and their weights w. The cost is NaN where a residual is not finite. */
static inline __attribute__((always_inline)) row robust_row(bent (*bend)(vd), loss_rows rows, vd off, vd w, vd scale, vd inverse) {
    const vd r = off * w, u = vmin(SPLAT(FAR_OFF), vabs(r * inverse)), z = u * u;
    const bent b = bend(z);
    const vd cost = scale * scale * b.rho + 0.0 * r, slope = b.slope * r * w;
    if (rows == ROWS_STEP) return (row){slope, vmax(b.curvature, GSLFIT_LEAST_CURVATURE * b.slope) * (w * w), cost};
    if (rows == ROWS_BENT) {
        const vd share = choose(z < NEAREST, SPLAT(1.0), vsqrt(b.rho / vmax(z, SPLAT(NEAREST)))), root = scale * vsqrt(b.rho);
        return (row){choose(z < NEAREST, r, choose(r < 0.0, -root, root)), w * (b.slope / share), cost};
    }
    if (rows == ROWS_PLAIN) return (row){r * w, w * w, r * r};
    if (rows == ROWS_CURVED) return (row){SPLAT(0.0), b.curvature * (w * w), cost};
    return (row){SPLAT(0.0), slope * slope, r * r};
}

/* ---- counts ---- */

/* The deviance of counts y of means m, `off` = y/m - 1: 2 m ((1 + off) log(1 + off) - off), to its last digits where counts are many. */
static inline vd deviance(vd m, vd y, vd inverse, vd off) {
    const vm far = INVERT(vabs(off) < FEW);
    vd sum = off * (-1.0 / 72.0) + 1.0 / 56.0;
    sum = sum * off - 1.0 / 42.0;
    sum = sum * off + 1.0 / 30.0;
    sum = sum * off - 1.0 / 20.0;
    sum = sum * off + 1.0 / 12.0;
    sum = sum * off - 1.0 / 6.0;
    sum = sum * off + 0.5;
    const vd near = m * (off * off) * sum;
    if (!any(far)) return 2.0 * near;
    const vd ratio = y * inverse, lost = ratio * m - y;  /* what rounding made of the ratio */
    const vd some = y * vlog(choose(y > 0.0, ratio, SPLAT(1.0))) - lost + (m - y);
    return 2.0 * choose(far, some, near);
}

/* Counts y whose means are m; w is 0 where a point takes no part. The cost is NaN where there is no such mean. A mean that is as good as 0
 * has a slope and next to no curvature, since what it comes from has vanished with it. */
static inline __attribute__((always_inline)) row poisson_row(loss_rows rows, vd m, vd y, vd w) {
    const vd inverse = 1.0 / m, off = (y - m) * inverse;
    row found = {-off, inverse, deviance(m, y, inverse, off)};
    const vm few = INVERT(m > NO_COUNTS);
    if (any(few)) {
        const vm none = BOTH(BOTH(few, y < NO_COUNTS), m >= 0.0), sound = EITHER(none, m > 0.0);
        found.slope = choose(none, SPLAT(1.0), found.slope);
        found.curvature = choose(none, SPLAT(1.0), found.curvature);
        found.cost = choose(sound, choose(none, 2.0 * m, found.cost), SPLAT(NAN));
    }
    if (rows == ROWS_BENT) {
        const vd root = vsqrt(vmax(SPLAT(0.0), found.cost)), slope = choose(root < NEAREST, vsqrt(inverse), vabs(found.slope) / root);
        found.slope = choose(m < y, -root, root);
        found.curvature = choose(few, SPLAT(0.0), slope);
    }
    return found;
}

/* ---- blocks ---- */

#define LOSS_ROWS(name, of_points)                                                                  \
    static void rows_##name(const loss_block *b, const loss_rows rows, long points) {              \
        for (int h = 0; h < LANES; h += WIDTH) {                                                    \
            const vd scale = load(b->scale + h), inverse = 1.0 / scale;                             \
            vd sum = load(b->cost + h), w = SPLAT(1.0);                                             \
            for (long i = h; i < points * LANES; i += LANES) {                                      \
                const vd value = load(b->value + i), y = load_loose(b->y + i);                      \
                if (b->weights) w = load_loose(b->weights + i);                                     \
                row found = of_points;                                                              \
                if (b->weights) {                                                                   \
                    const vm out = w == 0.0;                                                        \
                    found = (row){choose(out, SPLAT(0.0), found.slope), choose(out, SPLAT(0.0), found.curvature), \
                                  choose(out, SPLAT(0.0), found.cost)};                             \
                }                                                                                   \
                sum += found.cost;                                                                  \
                store(b->slope + i, found.slope);                                                   \
                store(b->curvature + i, found.curvature);                                           \
            }                                                                                       \
            store(b->cost + h, sum);                                                                \
            (void)inverse;                                                                          \
        }                                                                                           \
    }
#define ROBUST_ROWS(NAME) LOSS_ROWS(NAME, robust_row(bend_##NAME, rows, value - y, w, scale, inverse))
ROBUST_ROWS(SOFT_L1) ROBUST_ROWS(HUBER) ROBUST_ROWS(CAUCHY) ROBUST_ROWS(ARCTAN) ROBUST_ROWS(TUKEY)
LOSS_ROWS(POISSON, poisson_row(rows, value, y, w))

static void rows_of_block(const loss_block *b, loss_rows rows, long points) {
    static void (*const of[LOSS_COUNT])(const loss_block *, const loss_rows, long) = {
        [LOSS_SOFT_L1] = rows_SOFT_L1, [LOSS_HUBER] = rows_HUBER, [LOSS_CAUCHY] = rows_CAUCHY,
        [LOSS_ARCTAN] = rows_ARCTAN, [LOSS_TUKEY] = rows_TUKEY, [LOSS_POISSON] = rows_POISSON};
    of[b->kind](b, rows, points);
}

#endif
