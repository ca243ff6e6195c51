/* Faddeeva's function w(z) = exp(-z^2) erfc(-iz) and its derivative, in vectors, and what follows from them: erfcx, dawson, Voigt.
 *
 * w(z) = (i/pi) integral of exp(-t^2)/(z - t) by the trapezoidal rule of step h = sqrt(pi/12), with the residue of the pole at z added
 * where z is closer to the axis than pi/h (Matta & Reichel 1971, Math. Comp. 25, 339; Al Azah & Chandler-Wilde 2021, SIAM J. Numer. Anal.
 * 59, 2346, who bound the relative error). Nodes at k*h or at (k + 1/2)*h, whichever stay away from z. Nodes t and -t together give
 *
 *     w  ~ (i h/pi) sum 2z exp(-t^2)/(z^2 - t^2),    dw/dz ~ (i h/pi) sum -2 exp(-t^2) (z^2 + t^2)/(z^2 - t^2)^2,
 *
 * whose terms do not cancel where dw/dz = 2i/sqrt(pi) - 2zw would. For Im z < 0: w(z) = 2 exp(-z^2) - conj(w(conj(z))).
 */
#ifndef GSLFIT_FADDEEVA_H
#define GSLFIT_FADDEEVA_H

/* squares of the nodes, and exp(-t^2); the node 0 counts half */
static const double even_square[13] = {
    0x0.0p+0, 0x1.0c152382d7366p-2, 0x1.0c152382d7366p+0, 0x1.2d97c7f3321d2p+1, 0x1.0c152382d7366p+2,
    0x1.a2e1077c7044fp+2, 0x1.2d97c7f3321d2p+3, 0x1.9a805e60598b4p+3, 0x1.0c152382d7366p+4, 0x1.534ac0f19860dp+4,
    0x1.a2e1077c7044fp+4, 0x1.fad7f7235ee2cp+4, 0x1.2d97c7f3321d2p+5};
static const double even_weight[13] = {
    0x1.0000000000000p-1, 0x1.8a1195bf0aa84p-1, 0x1.6757859d664c8p-2, 0x1.843844e012c46p-4, 0x1.f0ea0d2fef993p-7,
    0x1.78c7fa70532d4p-10, 0x1.527a727b2a68fp-14, 0x1.6840851c9c3b5p-19, 0x1.c645a1d814484p-25, 0x1.5355ead05bd39p-31,
    0x1.2c509c01fe44ep-38, 0x1.3ae3b7284fc43p-46, 0x1.872d59d9a5cf5p-55};
static const double odd_square[13] = {
    0x1.0c152382d7366p-4, 0x1.2d97c7f3321d2p-1, 0x1.a2e1077c7044fp+0, 0x1.9a805e60598b4p+1, 0x1.534ac0f19860dp+2,
    0x1.fad7f7235ee2cp+2, 0x1.61f3e8e2c025cp+3, 0x1.d73d286bfe4d9p+3, 0x1.2ea3dd16b4f46p+4, 0x1.7a09cf13817bap+4,
    0x1.cdd06a2c64bcap+4, 0x1.14fbd730af5bbp+5, 0x1.473fcdd937b5ep+5};
static const double odd_weight[13] = {
    0x1.df90113a4786ep-1, 0x1.1c15f15a52bbcp-1, 0x1.8ec3e530c115fp-3, 0x1.4b94a0aaedabbp-5, 0x1.46a8be57e7a67p-8,
    0x1.7d458b47fb6f6p-12, 0x1.079eb0245734bp-16, 0x1.afe709cf13b26p-22, 0x1.a32d4137e44b9p-28, 0x1.e1fec0fee65d2p-35,
    0x1.4850e49975105p-42, 0x1.08f4fbff0bbb8p-50, 0x1.faaabee5e2a7ep-60};

static const double NODE_STEP = 0x1.05f8bd37c0e62p-1;  /* h */
static const double FAR = 1e8;                         /* w(z) = i/(sqrt(pi) z) to all digits; z^4 must not overflow */

typedef struct {
    vd re, im;
} complex_vd;

static inline complex_vd times(complex_vd a, complex_vd b) { return (complex_vd){a.re * b.re - a.im * b.im, a.re * b.im + a.im * b.re}; }

static inline complex_vd inverse_of(complex_vd a) {
    vd size = 1.0 / (a.re * a.re + a.im * a.im);
    return (complex_vd){a.re * size, -a.im * size};
}

/* exp(-z^2) */
static inline complex_vd gaussian(vd x, vd y) {
    vd size = vexp((y - x) * (y + x)), phase = 2.0 * x * y;
    return (complex_vd){size * vcos(phase), -size * vsin(phase)};
}

/* The residue's part: 2 exp(-z^2) q with q = 1/(1 -+ E), E = exp(-2 pi i z/h); and its derivative, 2 exp(-z^2) (-2z q + q'). */
static inline complex_vd residue(vd x, vd y, vd turn, vm odd, int derivative) {
    const vd sign = choose(odd, SPLAT(1.0), SPLAT(-1.0));
    vd size = vexp(y * (2.0 * M_PI / NODE_STEP)), phase = 2.0 * M_PI * turn;
    complex_vd E = {sign * size * vcos(phase), -sign * size * vsin(phase)};
    complex_vd below = {1.0 + E.re, E.im};
    /* 1 - cos is lost near 0, but there the other nodes are taken: cos(phase) has the sign that adds to 1 or is near 0 */
    complex_vd q = inverse_of(below);
    if (derivative) {
        complex_vd slope = times(times(E, q), q);  /* dE/dz = -(2 pi i/h) E, dq/dz = -q^2 dE/dz */
        complex_vd minus_2z = {-2.0 * x, -2.0 * y};
        complex_vd first = times(minus_2z, q);
        q.re = first.re - slope.im * (2.0 * M_PI / NODE_STEP);
        q.im = first.im + slope.re * (2.0 * M_PI / NODE_STEP);
    }
    complex_vd g = gaussian(x, y);
    g = times(g, q);
    return (complex_vd){2.0 * g.re, 2.0 * g.im};
}

/* w or dw/dz for y >= 0 */
static inline complex_vd faddeeva_above(vd x, vd y, int derivative) {
    vd turn = x / NODE_STEP;
    turn = turn - vrint(turn);                  /* distance to the nearest even node, in steps */
    const vm odd = vabs(turn) < 0.25;
    const vd a = (x - y) * (x + y), b = 2.0 * x * y, size = x * x + y * y;
    vd re = SPLAT(0.0), im = re;
    for (int k = 0; k < 13; k++) {
        vd t2 = choose(odd, SPLAT(odd_square[k]), SPLAT(even_square[k]));
        vd weight = choose(odd, SPLAT(odd_weight[k]), SPLAT(even_weight[k]));
        vd c = a - t2, below = 1.0 / (c * c + b * b);
        weight *= below;
        if (derivative) {
            weight *= below;
            vd c2 = c * c - b * b, s = a + t2;
            re += weight * b * (c2 - 2.0 * s * c);
            im -= weight * (s * c2 + 2.0 * b * b * c);
        } else {
            re += weight * y * (size + t2);
            im += weight * x * (size - t2);
        }
    }
    complex_vd w = {re * (2.0 * NODE_STEP / M_PI), im * (2.0 * NODE_STEP / M_PI)};
    vm near = y < M_PI / NODE_STEP;
    complex_vd extra = residue(x, vmin(SPLAT(M_PI / NODE_STEP), y), turn, odd, derivative);
    w.re = choose(near, w.re + extra.re, w.re);
    w.im = choose(near, w.im + extra.im, w.im);
    return w;
}

/* i/(sqrt(pi) z), and -i/(sqrt(pi) z^2): z is far away. Scaled first, so that nothing overflows on the way; 0 at infinity. */
static inline complex_vd faddeeva_far(vd x, vd y, int derivative) {
    vd scale = vmax(vabs(x), vabs(y));
    complex_vd u = inverse_of((complex_vd){x / scale, y / scale});
    u.re = choose(scale == INFINITY, SPLAT(0.0), u.re / scale);
    u.im = choose(scale == INFINITY, SPLAT(0.0), u.im / scale);
    if (derivative) u = times(u, u);
    vd c = SPLAT(derivative ? -0.5641895835477563 : 0.5641895835477563);
    return (complex_vd){-c * u.im, c * u.re};
}

static inline complex_vd faddeeva(vd x, vd y, int derivative) {
    vm below = y < 0.0, far = EITHER(vabs(x) > FAR, vabs(y) > FAR);
    vd up = vabs(y);
    complex_vd w = faddeeva_above(choose(far, SPLAT(1.0), x), choose(far, SPLAT(1.0), up), derivative);
    if (any(far)) {
        complex_vd f = faddeeva_far(x, up, derivative);
        w.re = choose(far, f.re, w.re);
        w.im = choose(far, f.im, w.im);
    }
    if (!any(below)) return w;
    complex_vd g = gaussian(x, y);  /* w(z) = 2 exp(-z^2) - conj(w(conj z)); its derivative likewise, with exp(-z^2)' = -2z exp(-z^2) */
    if (derivative) g = times(g, (complex_vd){-2.0 * x, -2.0 * y});
    return (complex_vd){choose(below, 2.0 * g.re - w.re, w.re), choose(below, 2.0 * g.im + w.im, w.im)};
}

static inline vd vwofz_re(vd x, vd y) { return faddeeva(x, y, 0).re; }
static inline vd vwofz_im(vd x, vd y) { return faddeeva(x, y, 0).im; }
static inline vd vwofz_d_re(vd x, vd y) { return faddeeva(x, y, 1).re; }
static inline vd vwofz_d_im(vd x, vd y) { return faddeeva(x, y, 1).im; }

/* erfcx(a) = w(ia); below -26.6 it overflows */
static inline vd verfcx(vd a) { return choose(a < -27.0, SPLAT(INFINITY) * vabs(a), faddeeva(SPLAT(0.0), a, 0).re); }
static inline vd verfcx_d(vd a) { return choose(a < -27.0, SPLAT(-INFINITY), -faddeeva(SPLAT(0.0), a, 1).im); }

/* dawson(a) = sqrt(pi)/2 Im w(a) */
static inline vd vdawson(vd a) { return 0.8862269254527580 * faddeeva(a, SPLAT(0.0), 0).im; }
static inline vd vdawson_d(vd a) { return 0.8862269254527580 * faddeeva(a, SPLAT(0.0), 1).im; }

#endif
