/* The rows of losses (objective/losses.h), compiled once for each instruction set: a function for each loss. */
#ifndef GSLFIT_LOSS_ROWS_H
#define GSLFIT_LOSS_ROWS_H

#include "isa.h"
#include "simd.h"
#include "vmath.h"

static const double FAR_OFF = 1e70;     /* a residual of as many scales is as far off as any: powers of it stay in range */
static const double NEAREST = 1e-290;   /* an argument of rho below which rho is the argument */
static const double AS_IT_IS = -1e300;  /* the least curvature where it may be negative */
static const double NO_COUNTS = 1e-140; /* a mean below which there are none, */
static const double NO_END = 1e300;     /* and a square above which numbers are out of range */
static const double NO_RATIO = 1e-20;   /* a ratio of a count to its mean below which it is next to none */
static const double LOW = 1e-3;         /* a mean of rho by which a sum that it is taken from has lost digits */
static const double RIGHT_ANGLE = 1e15; /* a tangent that is as good as infinite, and whose powers of POINTS are in range */

/* What the numbers of one vector of points are; the cost in the units of its loss. */
typedef struct {
    vd slope, curvature, cost;
    vd part;  /* what rho is summed up by: see the sums below */
    vd size;  /* NaN or infinite where the cost is to be NaN, whatever it is */
} row;

/* ---- robust losses: z is u^2, u = abs(r)/scale ---- */

typedef struct {
    vd rho, slope;   /* rho(z), and its first derivative */
    vd pull;         /* the slope times r */
    vd curvature;    /* the cost's second derivative in units of least squares, at least `least` times the slope */
    vd part;
} bent;

/* soft_l1: rho = 2 (sqrt(1 + z) - 1), summed as it stands for steps */
static inline bent bend_SOFT_L1(loss_rows rows, vd r, vd u, vd z, vd scale, vd least) {
    const vd inverse = vrsqrt(1.0 + z), root = (1.0 + z) * inverse;
    const vd curvature = inverse * vmax(inverse * inverse, least);
    return (bent){2.0 * z * vreciprocal(root + 1.0), inverse, inverse * r, curvature, root - 1.0};
}

/* A step makes do with a rough curvature of what is far off. */
static inline bent bend_HUBER(loss_rows rows, vd r, vd u, vd z, vd scale, vd least) {
    const vd near = vmin(SPLAT(1.0), u), beyond = vmax(SPLAT(1.0), u), pull = vmax(-scale, vmin(scale, r));
    const vd slope = rows == ROWS_STEP ? vrough_reciprocal(beyond) : vreciprocal(beyond);
    const vd curvature = choose(u > 1.0, rows == ROWS_STEP ? least * slope : SPLAT(0.0), SPLAT(1.0));
    return (bent){near * (u + (u - near)), slope, pull, curvature, SPLAT(0.0)};
}

static inline bent bend_CAUCHY(loss_rows rows, vd r, vd u, vd z, vd scale, vd least) {
    const vd slope = vreciprocal(1.0 + z);
    return (bent){vlog1p(z), slope, slope * r, slope * vmax(slope + (slope - 1.0), least), z};
}

static inline bent bend_ARCTAN(loss_rows rows, vd r, vd u, vd z, vd scale, vd least) {
    const vd slope = vreciprocal(1.0 + z * z);
    return (bent){vatan(z), slope, slope * r, slope * vmax(4.0 * slope - 3.0, least), z};
}

/* rho as a polynomial of z: 1 - (1 - z)^3 has no digits left of what is near */
static inline bent bend_TUKEY(loss_rows rows, vd r, vd u, vd z, vd scale, vd least) {
    const vd inside = vmax(SPLAT(0.0), 1.0 - z), slope = inside * inside, near = vmin(SPLAT(1.0), z);
    const vd rho = near * (near * (near * (1.0 / 3.0) - 1.0) + 1.0);
    return (bent){rho, slope, slope * r, inside * vmax(5.0 * inside - 4.0, least * inside), SPLAT(0.0)};
}

/* Points whose values are `off` the data, and their weights w. The cost is in squares of the scale. */
static inline __attribute__((always_inline)) row robust_row(bent (*bend)(loss_rows, vd, vd, vd, vd, vd), loss_rows rows, vd off, vd w,
                                                            vd scale, vd inverse, vd least, vm early, vd pull) {
    const vd r = off * w, size = vabs(r * inverse), u = vmin(SPLAT(FAR_OFF), size), z = u * u, most = FAR_OFF * scale;
    /* a slope beyond FAR_OFF is that of there; steps see to it by blocks, where there is such a residual */
    const vd own = rows == ROWS_ERRORS ? vmax(-most, vmin(most, r)) : r;
    bent b = bend(rows, own, u, z, scale, rows == ROWS_STEP ? least : SPLAT(AS_IT_IS));
    if (rows == ROWS_STEP && (bend == bend_TUKEY || bend == bend_ARCTAN)) {
        const bent first = bend_HUBER(rows, r, u, z, scale, least);  /* which only leads the way */
        b.rho = choose(early, first.rho, bend == bend_TUKEY ? b.rho : SPLAT(0.0));  /* arctan's by parts */
        b.part = choose(early, SPLAT(0.0), b.part);
        b.pull = choose(early, first.pull, b.pull);
        b.curvature = choose(early, first.curvature, b.curvature);
    }
    if (rows == ROWS_STEP) return (row){b.pull * w, b.curvature * (w * w), b.rho, b.part, size};
    const vd part = b.pull / pull * w;
    if (rows == ROWS_ERRORS) return (row){part * part, b.curvature * (w * w), r * r, b.part, size};
    const vd share = choose(z < NEAREST, SPLAT(1.0), vsqrt(b.rho / vmax(z, SPLAT(NEAREST)))), root = scale * vsqrt(b.rho);
    return (row){choose(z < NEAREST, r, choose(r < 0.0, -root, root)), w * (b.slope / share), b.rho, b.part, size};
}

/* ---- counts ---- */

/* M - y + y log(y/M) for counts y of means M, by t = (y - M)/(y + M): (y + M) t^2 (1 + (1 + t) (artanh(t) - t)/t^2), where nothing cancels.
 * (artanh(t) - t)/t^3 is its minimax polynomial in t^2. */
static inline vd near_deviance(vd both, vd t) {
    const vd u = t * t;
    vd sum = u * 0x1.2b5900de53b32p-4 + 0x1.39fe51a7c18f9p-4;
    sum = sum * u + 0x1.7462b51cb66b1p-4;
    sum = sum * u + 0x1.c71c62e3f11e6p-4;
    sum = sum * u + 0x1.2492492df281ap-3;
    sum = sum * u + 0x1.99999999952d7p-3;
    sum = sum * u + 0x1.5555555555558p-2;
    return both * u * (1.0 + (t + u) * sum);
}

/* Counts y whose means are m. The cost, half the deviance m - y + y log(y/m), is NaN where there is no such mean. With M = 2^k m, between
 * the roots of 1/2 and 2 of y or so, it is M - y + y log(y/M) + (m - M) + k log(2) y; where there are no counts to speak of, M is as good
 * as infinite beside y. A mean that is as good as 0 has a slope and next to no curvature, since what it comes from has vanished with it.
 */
static inline __attribute__((always_inline)) row poisson_row(loss_rows rows, vd m, vd y) {
    const vd k = vexponent(vmax(SPLAT(NO_RATIO), y * M_SQRT2 * vrough_reciprocal(m)));
    const vd M = vscale(m, k), both = y + M, apart = y - m, square = m * both, product = 1.0 / square;
    vd inverse = product * both, part = product * m;    /* two reciprocals by way of one */
    if (any(INVERT(square < NO_END))) inverse = 1.0 / m, part = 1.0 / both;
    const vd cost = near_deviance(both, (y - M) * part) + ((m - M) + k * 0x1.62e42fefa39efp-1 * y);
    row found = {1.0 - y * inverse, inverse, cost, SPLAT(0.0), SPLAT(0.0)};
    const vm few = INVERT(m > NO_COUNTS);
    if (any(few)) {
        const vm none = BOTH(BOTH(few, y < NO_COUNTS), BOTH(m >= 0.0, m <= NO_COUNTS)), sound = EITHER(none, m > 0.0);
        const vd other = choose(few, y * vlog(choose(BOTH(sound, y > 0.0), y / m, SPLAT(1.0))) - apart, cost);
        found.slope = choose(none, SPLAT(1.0), choose(few, -apart / m, found.slope));
        found.curvature = choose(none, SPLAT(1.0), choose(few, 1.0 / m, found.curvature));
        found.cost = choose(sound, choose(none, m, other), SPLAT(NAN));
    }
    if (rows == ROWS_BENT) {
        found.slope = choose(few, found.slope, -apart * inverse);
        const vd root = vsqrt(2.0 * vmax(SPLAT(0.0), found.cost));
        const vd slope = choose(root < NEAREST, vsqrt(inverse), vabs(found.slope) / root);
        found.slope = choose(m < y, -root, root);
        found.curvature = choose(few, SPLAT(0.0), slope);
    }
    return found;
}

/* ---- sums of rho ---- */

/* For steps some rho are summed up by way of a part of each point: sqrt(1 + z) - 1 as it is; log(1 + z) is the logarithm of a product of
 * 1 + z, and atan(z) the angle of a product of 1 + iz: a few operations for each two points, and the function once for all. */
typedef struct {
    vd a, b, count;
} parts;

#define NO_PARTS(NAME)                                                        \
    enum { BY_PARTS_##NAME = 0 };                                              \
    static inline parts add_##NAME(parts all, vd one, vd other) { return all; } \
    static inline vd taken_##NAME(parts all) { return SPLAT(0.0); }            \
    static inline vd exact_##NAME(vd z) { return SPLAT(0.0); }
NO_PARTS(HUBER) NO_PARTS(TUKEY) NO_PARTS(POISSON)

enum { BY_PARTS_SOFT_L1 = 1, BY_PARTS_CAUCHY = 1, BY_PARTS_ARCTAN = 2, ANGLES = 2 };  /* angles keep their digits */

static inline parts add_SOFT_L1(parts all, vd one, vd other) { return (parts){all.a, all.b, all.count + (one + other)}; }
static inline vd taken_SOFT_L1(parts all) { return 2.0 * all.count; }
static inline vd exact_SOFT_L1(vd z) { return 2.0 * z / (vsqrt(1.0 + z) + 1.0); }

static inline parts add_CAUCHY(parts all, vd one, vd other) {
    const vd whole = all.a * ((1.0 + one) * (1.0 + other));
    return (parts){vmantissa(whole), all.b, all.count + vexponent(whole)};
}
static inline vd taken_CAUCHY(parts all) { return vlog(all.a) + all.count * 0x1.62e42fefa39efp-1; }
static inline vd exact_CAUCHY(vd z) { return vlog1p(z); }

/* Half turns are taken away and counted. */
static inline parts add_ARCTAN(parts all, vd one, vd other) {
    one = vmin(SPLAT(RIGHT_ANGLE), one), other = vmin(SPLAT(RIGHT_ANGLE), other);
    const vd real = 1.0 - one * other, imaginary = one + other;
    const vd a = all.a * real - all.b * imaginary, b = all.a * imaginary + all.b * real;
    return (parts){vturned(a, b), vabs(b), all.count + truth(b < 0.0)};
}
static inline vd taken_ARCTAN(parts all) {
    return vatan(all.b / (all.a + 0.0)) + (all.count + truth(all.a < 0.0)) * M_PI;
}
static inline vd exact_ARCTAN(vd z) { return vatan(z); }

static inline parts load_parts(const loss_block *b, int h) {
    return (parts){load(b->parts + h), load(b->parts + LANES + h), load(b->parts + 2 * LANES + h)};
}

static inline void store_parts(const loss_block *b, int h, parts all) {
    store(b->parts + h, all.a);
    store(b->parts + LANES + h, all.b);
    store(b->parts + 2 * LANES + h, all.count);
}

/* Bring a product of complex numbers back to the size of 1. */
static inline parts normalised(parts all) {
    const vd k = vexponent(vmax(vabs(all.a), all.b));
    return (parts){vscale(all.a, -k), vscale(all.b, -k), all.count};
}

/* ---- blocks ---- */

/* The slopes of residuals beyond FAR_OFF, which are products of numbers that aren't theirs: those of so many scales. */
static __attribute__((noinline)) void slopes_afar(const loss_block *b, long points, int h, double scales) {
    const vd scale = load(b->scale + h), most = FAR_OFF * scale;
    for (long i = h; i < points * LANES; i += LANES) {
        const vd w = b->weights ? load_loose(b->weights + i) : SPLAT(1.0), r = (load(b->value + i) - load_loose(b->y + i)) * w;
        const vd pull = scales * scale * w, slope = choose(r > most, pull, choose(r < -most, -pull, load(b->slope + i)));
        store(b->slope + i, slope);
    }
}

/* `unit` is what the costs of points are in, `afar` in how many scales the slopes of residuals beyond FAR_OFF are, if they aren't right as
 * they come (-1). A point of weight 0 takes no part, whatever its numbers are. */
#define LOSS_ROWS(NAME, of_points, unit, afar)                                                                                             \
    /* what a sum by parts has lost */                                                                                                     \
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
        vd part[POINTS + 1];                                                                                                               \
        for (int h = 0; h < LANES; h += WIDTH) {                                                                                           \
            const vd scale = load(b->scale + h), inverse = 1.0 / scale, least = load(b->least + h);                                        \
            const vm early = load(b->stage + h) != 0.0;                                                                                    \
            const vd pull = load(b->pull + h);                                                                                             \
            vd sum = SPLAT(0.0), total = sum, most = sum, *next = part;                                                                    \
            for (long i = h; i < points * LANES; i += LANES) {                                                                             \
                const vd value = load(b->value + i), y = load_loose(b->y + i);                                                             \
                const vd w = weighted ? load_loose(b->weights + i) : SPLAT(1.0);                                                           \
                row found = of_points;                                                                                                     \
                if (weighted) {                                                                                                            \
                    const vm out = w == 0.0;                                                                                               \
                    const vd none = SPLAT(0.0);                                                                                            \
                    found = (row){choose(out, none, found.slope), choose(out, none, found.curvature), choose(out, none, found.cost),       \
                                  choose(out, none, found.part), choose(out, none, found.size)};                                           \
                }                                                                                                                          \
                if (BY_PARTS_##NAME && rows == ROWS_STEP) total += *next++ = found.part;                                                   \
                if (BY_PARTS_##NAME != 1 || rows != ROWS_STEP) sum += found.cost;                                                          \
                most = vmax(most, found.size);                                                                                             \
                store(b->slope + i, found.slope);                                                                                          \
                store(b->curvature + i, found.curvature);                                                                                  \
            }                                                                                                                              \
            if (BY_PARTS_##NAME && rows == ROWS_STEP) {                                                                                    \
                const vm low = total < LOW * points;                                                                                       \
                const parts before = load_parts(b, h);                                                                                     \
                parts all = before;                                                                                                        \
                *next = SPLAT(0.0);                                                                                                        \
                for (long i = 0; i < points; i += 2) all = add_##NAME(all, part[i], part[i + 1]);                                          \
                if ((int)BY_PARTS_##NAME != ANGLES && any(low)) {                                                                          \
                    sum = choose(low, small_##NAME(b, points, h), sum);                                                                    \
                    all = (parts){choose(low, before.a, all.a), choose(low, before.b, all.b), choose(low, before.count, all.count)};       \
                }                                                                                                                          \
                store_parts(b, h, (int)BY_PARTS_##NAME == ANGLES ? normalised(all) : all);                                                 \
            }                                                                                                                              \
            if (rows == ROWS_STEP && (afar) >= 0 && any(most > FAR_OFF)) slopes_afar(b, points, h, afar);                                  \
            store(b->cost + h, load(b->cost + h) + (unit) * (sum + 0.0 * most));                                                           \
            (void)inverse, (void)least, (void)scale, (void)early, (void)pull, (void)total;                                                 \
        }                                                                                                                                  \
    }                                                                                                                                      \
    static void rows_##NAME(const loss_block *b, const loss_rows rows, long points) {                                                      \
        if (rows != ROWS_STEP) points_##NAME(b, rows, b->weights != NULL, points);                                                         \
        else if (b->weights) points_##NAME(b, ROWS_STEP, 1, points);                                                                       \
        else points_##NAME(b, ROWS_STEP, 0, points);                                                                                       \
    }                                                                                                                                      \
    static void end_##NAME(const loss_block *b) {                                                                                          \
        for (int h = 0; BY_PARTS_##NAME && h < LANES; h += WIDTH) {                                                                        \
            const vd scale = load(b->scale + h);                                                                                           \
            store(b->cost + h, load(b->cost + h) + scale * scale * taken_##NAME(load_parts(b, h)));                                        \
            store_parts(b, h, (parts){SPLAT(1.0), SPLAT(0.0), SPLAT(0.0)});                                                                \
        }                                                                                                                                  \
    }
#define ROBUST_ROWS(NAME, afar)                                                                                      \
    LOSS_ROWS(NAME, robust_row(bend_##NAME, rows, value - y, w, scale, inverse, least, early, pull),                 \
              rows == ROWS_ERRORS ? SPLAT(1.0) : scale * scale, afar)
ROBUST_ROWS(SOFT_L1, 1) ROBUST_ROWS(HUBER, -1) ROBUST_ROWS(CAUCHY, 0) ROBUST_ROWS(ARCTAN, -1) ROBUST_ROWS(TUKEY, -1)
LOSS_ROWS(POISSON, poisson_row(rows, value, y), SPLAT(2.0), -1)

static void rows_of_block(const loss_block *b, loss_rows rows, long points) {
    static void (*const of[LOSS_COUNT])(const loss_block *, const loss_rows, long) = {
        [LOSS_SOFT_L1] = rows_SOFT_L1, [LOSS_HUBER] = rows_HUBER, [LOSS_CAUCHY] = rows_CAUCHY,
        [LOSS_ARCTAN] = rows_ARCTAN, [LOSS_TUKEY] = rows_TUKEY, [LOSS_POISSON] = rows_POISSON};
    of[b->kind](b, rows, points);
}

static void end_rows(const loss_block *b) {
    static void (*const of[LOSS_COUNT])(const loss_block *) = {
        [LOSS_SOFT_L1] = end_SOFT_L1, [LOSS_HUBER] = end_HUBER, [LOSS_CAUCHY] = end_CAUCHY,
        [LOSS_ARCTAN] = end_ARCTAN, [LOSS_TUKEY] = end_TUKEY, [LOSS_POISSON] = end_POISSON};
    of[b->kind](b);
}

#endif
