/* The rows of losses (objective/losses.h), compiled once for each instruction set: a function for each loss. */
#ifndef GSLFIT_LOSS_ROWS_H
#define GSLFIT_LOSS_ROWS_H

#include "isa.h"
#include "simd.h"
#include "vmath.h"

static const double FAR_OFF = 1e70;     /* a residual of as many scales is as far off as any: powers of it stay in range */
static const double NEAREST = 1e-290;   /* an argument of rho below which rho is the argument */
static const double NO_COUNTS = 1e-150; /* a mean below which there are none */
static const double NO_RATIO = 1e-100;  /* a ratio of a count to its mean below which it is next to none */
static const double LOW = 1e-2;         /* a mean of rho by which a product that it is taken from has lost digits */
static const double RIGHT_ANGLE = 1e15; /* a tangent that is as good as infinite, and whose powers of POINTS are in range */

/* What the numbers of one vector of points are; the cost in the units of its loss. */
typedef struct {
    vd slope, curvature, cost;
    vd factor;  /* z, where rho is summed up by way of a product */
} row;

/* ---- robust losses: rho(z), its first derivative, and the cost's second one in units of least squares; z is u^2 ---- */

typedef struct {
    vd rho, slope, curvature;
} bent;

static inline bent bend_SOFT_L1(vd u, vd z) {
    const vd inverse = vrsqrt(1.0 + z), root = (1.0 + z) * inverse;
    return (bent){2.0 * z * vreciprocal(root + 1.0), inverse, inverse * inverse * inverse};
}

static inline bent bend_HUBER(vd u, vd z) {
    const vd near = vmin(SPLAT(1.0), u);
    const vm far = u > 1.0;
    return (bent){near * (2.0 * u - near), choose(far, vreciprocal(u), SPLAT(1.0)), choose(far, SPLAT(0.0), SPLAT(1.0))};
}

static inline bent bend_CAUCHY(vd u, vd z) {
    const vd slope = vreciprocal(1.0 + z);
    return (bent){vlog1p(z), slope, (1.0 - z) * (slope * slope)};
}

static inline bent bend_ARCTAN(vd u, vd z) {
    const vd slope = vreciprocal(1.0 + z * z);
    return (bent){vatan(z), slope, (1.0 - 3.0 * (z * z)) * (slope * slope)};
}

static inline bent bend_TUKEY(vd u, vd z) {
    const vd inside = vmax(SPLAT(0.0), 1.0 - z);
    return (bent){(1.0 - inside * inside * inside) * (1.0 / 3.0), inside * inside, inside * (1.0 - 5.0 * z)};
}

/* Points whose values are `off` the data, and their weights w. The cost, in squares of the scale, is NaN where a residual is not finite. */
static inline __attribute__((always_inline)) row robust_row(bent (*bend)(vd, vd), loss_rows rows, vd off, vd w, vd scale, vd inverse,
                                                            vd least, vm early) {
    const vd r = off * w, u = vmin(SPLAT(FAR_OFF), vabs(r * inverse)), z = u * u;
    bent b = bend(u, z);
    if (rows == ROWS_STEP && bend == bend_TUKEY) {
        /* Huber's, which only leads the way */
        const vd near = vmin(SPLAT(1.0), u), slope = vmin(SPLAT(1.0), vrough_reciprocal(vmax(u, SPLAT(0.5))));
        b = (bent){choose(early, near * (2.0 * u - near), b.rho), choose(early, slope, b.slope),
                   choose(early, choose(u > 1.0, SPLAT(0.0), SPLAT(1.0)), b.curvature)};
    }
    const vd slope = b.slope * r * w;
    vd cost = b.rho + 0.0 * r, factor = SPLAT(0.0);
    if (rows == ROWS_STEP && (bend == bend_CAUCHY || bend == bend_ARCTAN)) {
        factor = z;
        cost = 0.0 * r;
    }
    if (rows == ROWS_STEP) return (row){slope, vmax(b.curvature, least * b.slope) * (w * w), cost, factor};
    if (rows == ROWS_ERRORS) return (row){slope * slope, b.curvature * (w * w), r * r, factor};
    const vd share = choose(z < NEAREST, SPLAT(1.0), vsqrt(b.rho / vmax(z, SPLAT(NEAREST)))), root = scale * vsqrt(b.rho);
    return (row){choose(z < NEAREST, r, choose(r < 0.0, -root, root)), w * (b.slope / share), cost, factor};
}

/* ---- counts ---- */

/* Half the deviance of counts y of means m: with y/m = 2^k y/M, y/M between the roots of 1/2 and 2, it is M - y + y log(y/M) + (m - M) +
 * k log(2) y; and by t = (y - M)/(y + M), the first three terms are (y + M) t^2 (1 + (1 + t) (artanh(t) - t)/t^2), where nothing cancels.
 * (artanh(t) - t)/t^3 is its minimax polynomial in t^2. A ratio that is none to speak of, that of no counts, is as good as t = -1. */
static inline vd half_deviance(vd m, vd y, vd ratio) {
    const vd k = vexponent(vmax(SPLAT(NO_RATIO), ratio * M_SQRT2)), M = vscale(m, k), t = (y - M) * vreciprocal(y + M), u = t * t;
    vd sum = u * 0x1.2b5900de53b32p-4 + 0x1.39fe51a7c18f9p-4;
    sum = sum * u + 0x1.7462b51cb66b1p-4;
    sum = sum * u + 0x1.c71c62e3f11e6p-4;
    sum = sum * u + 0x1.2492492df281ap-3;
    sum = sum * u + 0x1.99999999952d7p-3;
    sum = sum * u + 0x1.5555555555558p-2;
    return (y + M) * u * (1.0 + (t + u) * sum) + ((m - M) + k * 0x1.62e42fefa39efp-1 * y);
}

/* Counts y whose means are m. The cost, half the deviance, is NaN where there is no such mean. A mean that is as good as 0 has a slope and
 * next to no curvature, since what it comes from has vanished with it. */
static inline __attribute__((always_inline)) row poisson_row(loss_rows rows, vd m, vd y) {
    const vd inverse = vreciprocal(m), apart = y - m;
    row found = {-apart * inverse, inverse, half_deviance(m, y, y * inverse), SPLAT(0.0)};
    const vm few = INVERT(m > NO_COUNTS);
    if (any(few)) {
        const vm none = BOTH(BOTH(few, y < NO_COUNTS), m >= 0.0), sound = EITHER(none, m > 0.0);
        const vd cost = choose(few, y * vlog(choose(BOTH(sound, y > 0.0), y / m, SPLAT(1.0))) - apart, found.cost);
        found.slope = choose(none, SPLAT(1.0), choose(few, -apart / m, found.slope));
        found.curvature = choose(none, SPLAT(1.0), choose(few, 1.0 / m, found.curvature));
        found.cost = choose(sound, choose(none, m, cost), SPLAT(NAN));
    }
    if (rows == ROWS_BENT) {
        const vd root = vsqrt(2.0 * vmax(SPLAT(0.0), found.cost));
        const vd slope = choose(root < NEAREST, vsqrt(inverse), vabs(found.slope) / root);
        found.slope = choose(m < y, -root, root);
        found.curvature = choose(few, SPLAT(0.0), slope);
    }
    return found;
}

/* ---- sums of rho by way of products ---- */

/* log(1 + z) of many points is the logarithm of a product, and atan(z) the angle of a product of 1 + iz: a few operations for each point,
 * and the function once for all of them. Losses without a product leave it at 0. */
typedef struct {
    vd a, b, count;
} product;

#define NO_PRODUCT(NAME)                                                  \
    enum { BY_PRODUCT_##NAME = 0 };                                        \
    static inline product factor_##NAME(product p, vd z) { return p; }    \
    static inline vd taken_##NAME(product p) { return SPLAT(0.0); }       \
    static inline vd exact_##NAME(vd z) { return SPLAT(0.0); }
NO_PRODUCT(SOFT_L1) NO_PRODUCT(HUBER) NO_PRODUCT(TUKEY) NO_PRODUCT(POISSON)

enum { BY_PRODUCT_CAUCHY = 1, BY_PRODUCT_ARCTAN = 1 };

static inline product factor_CAUCHY(product p, vd z) {
    const vd whole = p.a * (1.0 + z);
    return (product){vmantissa(whole), p.b, p.count + vexponent(whole)};
}

static inline vd taken_CAUCHY(product p) { return vlog(p.a) + p.count * 0x1.62e42fefa39efp-1; }

static inline vd exact_CAUCHY(vd z) { return vlog1p(z); }

static inline product factor_ARCTAN(product p, vd z) {
    const vd tangent = vmin(SPLAT(RIGHT_ANGLE), z), a = p.a - p.b * tangent, b = p.b + p.a * tangent;
    const vm over = a <= 0.0;  /* a quarter of a turn is taken away */
    return (product){choose(over, b, a), choose(over, -a, b), p.count + truth(over)};
}

static inline vd taken_ARCTAN(product p) { return vatan(p.b / p.a) + p.count * M_PI_2; }

static inline vd exact_ARCTAN(vd z) { return vatan(z); }

/* ---- blocks ---- */

/* `unit` is what the costs of points are in. A point of weight 0 takes no part, whatever its numbers are. */
#define LOSS_ROWS(NAME, of_points, unit)                                                                                                   \
    /* what a product has lost */                                                                                                          \
    static __attribute__((noinline)) vd small_##NAME(const loss_block *b, long points, int h) {                                            \
        const vd inverse = 1.0 / load(b->scale + h);                                                                                       \
        vd sum = SPLAT(0.0);                                                                                                               \
        for (long i = h; i < points * LANES; i += LANES) {                                                                                 \
            vd u = (load(b->value + i) - load_loose(b->y + i)) * inverse;                                                                  \
            if (b->weights) u *= load_loose(b->weights + i);                                                                               \
            sum += exact_##NAME(u * u);                                                                                                    \
        }                                                                                                                                  \
        return sum;                                                                                                                        \
    }                                                                                                                                      \
    static inline __attribute__((always_inline)) void points_##NAME(const loss_block *b, const loss_rows rows, const int weighted,         \
                                                                    long points) {                                                         \
        for (int h = 0; h < LANES; h += WIDTH) {                                                                                           \
            const vd scale = load(b->scale + h), inverse = 1.0 / scale, least = load(b->least + h);                                        \
            const vm early = load(b->stage + h) != 0.0;                                                                                    \
            vd sum = SPLAT(0.0);                                                                                                           \
            product all = {SPLAT(1.0), SPLAT(0.0), SPLAT(0.0)};                                                                            \
            for (long i = h; i < points * LANES; i += LANES) {                                                                             \
                const vd value = load(b->value + i), y = load_loose(b->y + i);                                                             \
                const vd w = weighted ? load_loose(b->weights + i) : SPLAT(1.0);                                                           \
                row found = of_points;                                                                                                     \
                if (weighted) {                                                                                                            \
                    const vm out = w == 0.0;                                                                                               \
                    found = (row){choose(out, SPLAT(0.0), found.slope), choose(out, SPLAT(0.0), found.curvature),                          \
                                  choose(out, SPLAT(0.0), found.cost), choose(out, SPLAT(0.0), found.factor)};                             \
                }                                                                                                                          \
                sum += found.cost;                                                                                                         \
                if (BY_PRODUCT_##NAME && rows == ROWS_STEP) all = factor_##NAME(all, found.factor);                                        \
                store(b->slope + i, found.slope);                                                                                          \
                store(b->curvature + i, found.curvature);                                                                                  \
            }                                                                                                                              \
            if (BY_PRODUCT_##NAME && rows == ROWS_STEP) {                                                                                  \
                vd more = taken_##NAME(all);                                                                                               \
                const vm low = more < LOW * points;                                                                                        \
                if (any(low)) more = choose(low, small_##NAME(b, points, h), more);                                                        \
                sum += more;                                                                                                               \
            }                                                                                                                              \
            store(b->cost + h, load(b->cost + h) + (unit) * sum);                                                                          \
            (void)inverse, (void)least, (void)scale, (void)early;                                                                          \
        }                                                                                                                                  \
    }                                                                                                                                      \
    static void rows_##NAME(const loss_block *b, const loss_rows rows, long points) {                                                      \
        if (rows != ROWS_STEP) points_##NAME(b, rows, b->weights != NULL, points);                                                         \
        else if (b->weights) points_##NAME(b, ROWS_STEP, 1, points);                                                                       \
        else points_##NAME(b, ROWS_STEP, 0, points);                                                                                       \
    }
#define ROBUST_ROWS(NAME)                                                                                            \
    LOSS_ROWS(NAME, robust_row(bend_##NAME, rows, value - y, w, scale, inverse, least, early),                       \
              rows == ROWS_ERRORS ? SPLAT(1.0) : scale * scale)
ROBUST_ROWS(SOFT_L1) ROBUST_ROWS(HUBER) ROBUST_ROWS(CAUCHY) ROBUST_ROWS(ARCTAN) ROBUST_ROWS(TUKEY)
LOSS_ROWS(POISSON, poisson_row(rows, value, y), SPLAT(2.0))

static void rows_of_block(const loss_block *b, loss_rows rows, long points) {
    static void (*const of[LOSS_COUNT])(const loss_block *, const loss_rows, long) = {
        [LOSS_SOFT_L1] = rows_SOFT_L1, [LOSS_HUBER] = rows_HUBER, [LOSS_CAUCHY] = rows_CAUCHY,
        [LOSS_ARCTAN] = rows_ARCTAN, [LOSS_TUKEY] = rows_TUKEY, [LOSS_POISSON] = rows_POISSON};
    of[b->kind](b, rows, points);
}

#endif
