/* gslfit's own lanes with the formula and its sums written by hand in vectors of eight: what the interpreter is measured against.
 *
 * Everything but the evaluation is gslfit's: steps, tests, covariance. Built with -march=native from the C core's sources.
 */
#include <stdlib.h>
#include <string.h>
#include "models.h"

#if defined(__AVX512F__)
#define WIDTH 8
#elif defined(__AVX2__)
#define WIDTH 4
#else
#define WIDTH 2
#endif
#include "lanes/lane_state.h"
#include "program/vmath.h"

static int which_model;
static long next_id, all_fits;
static const double *data, *starts;
static double *block, *results, *errors;

/* ---- the sums of a step, in the order of sums.h, constant column first ---- */

static void sums_by_hand(worker *w) {
    lane_state *s = w->state;
    const long size = w->points * LANES;
    gslfit_workspace_start(w->space);
    for (int h = 0; h < LANES; h += WIDTH) {
#define V(k) load(s->trial[k] + h)
#define PUT(k, sum) store(s->sums[k] + h, sum)
        vd rr = SPLAT(0.0), r1 = rr, ra = rr, rb = rr, rc = rr, rd = rr, a1 = rr, b1 = rr, c1 = rr, d1 = rr;
        vd aa = rr, ab = rr, bb = rr, ac = rr, bc = rr, cc = rr, ad = rr, bd = rr, cd = rr, dd = rr;
        if (which_model == PEAKS) {
            const vd y0 = V(0), A = V(1), x0 = V(2), v = 1.0 / V(3), half = -.5 * v, Av = A * v, hv = .5 * v;
            for (long i = h; i < size; i += LANES) {
                vd t = load(w->x[0] + i) - x0, a = vexp(t * t * half), r = a * A + y0 - load(w->y + i), b = t * a * Av, c = b * t * hv;
                rr += r * r, r1 += r, ra += r * a, a1 += a, aa += a * a, rb += r * b, b1 += b, ab += a * b, bb += b * b;
                rc += r * c, c1 += c, ac += a * c, bc += b * c, cc += c * c;
            }
        } else if (which_model == DECAYS) {
            const vd y0 = V(0), A = V(1), k = -V(2), m = -A;
            for (long i = h; i < size; i += LANES) {
                vd x = load(w->x[0] + i), a = vexp(x * k), r = a * A + y0 - load(w->y + i), b = x * a * m;
                rr += r * r, r1 += r, ra += r * a, a1 += a, aa += a * a, rb += r * b, b1 += b, ab += a * b, bb += b * b;
            }
        } else {
            const vd A = V(0), x0 = V(1), y0 = V(2), s1 = 1.0 / V(3), w2 = s1 * s1, half = -.5 * w2, e0 = V(4), Aw = A * w2, As = Aw * s1;
            for (long i = h; i < size; i += LANES) {
                vd t = load(w->x[0] + i) - x0, u = load(w->x[1] + i) - y0, q = t * t + u * u, a = vexp(q * half);
                vd r = a * A + e0 - load(w->y + i), b = t * a * Aw, c = u * a * Aw, d = q * a * As;
                rr += r * r, r1 += r, ra += r * a, a1 += a, aa += a * a, rb += r * b, b1 += b, ab += a * b, bb += b * b;
                rc += r * c, c1 += c, ac += a * c, bc += b * c, cc += c * c, rd += r * d, d1 += d, ad += a * d, bd += b * d, cd += c * d, dd += d * d;
            }
        }
        const vd all[] = {rr, r1, SPLAT(w->points), ra, a1, aa, rb, b1, ab, bb, rc, c1, ac, bc, cc, rd, d1, ad, bd, cd, dd};
        for (int k = 0; k < s->nsum; k++) PUT(k, all[k]);
    }
}

/* ---- curves in, results out ---- */

static void next(worker *w, int lane, next_fit *fit) {
    fit->id = next_id < all_fits ? next_id++ : -1;
    if (fit->id < 0) return;
    const long n = w->points;
    const int p = w->program->nfree;
    const double *y = data + fit->id * n;
    double square[4] = {0};
    for (long i = 0; i < n; i++) block[i * LANES + lane] = y[i], square[i & 3] += y[i] * y[i];
    fit->count = n;
    fit->square = square[0] + square[1] + square[2] + square[3];
    memcpy(fit->start, starts + fit->id * p, p * sizeof(double));
}

static void finish(worker *w, fit_result *end) {
    const int p = w->program->nfree;
    for (int k = 0; k < p; k++) {
        results[end->id * p + k] = end->v[k];
        errors[end->id * p + k] = sqrt(end->covariance[k * LANES] * end->chisqr / (w->points - p));
    }
}

/* a program of the right shape: only its numbers of columns are used */
static program shape_of(int which) {
    static const double one[] = {1.0};
    static const instruction body[] = {{OP_MOV, 2, 0, 0, 0}};
    static const int32_t outputs[][6] = {{2, ~4, 2, 2, 2}, {2, ~3, 2, 2}, {2, 2, 2, 2, 2, ~5}};
    const int p = parameters_of[which];
    return (program){.nx = which == SPOTS ? 2 : 1, .nfree = p, .nconstant = 1, .nbody = 1, .nvalue = 1, .constants = one, .body = body,
                     .outputs = outputs[which]};
}

int run(int which, long fits, long n, const double *x, const double *z, const double *y, const double *start, double *out) {
    if (which == LONG_CURVE) return -1;
    const fit_options options = {1e-8, 1e-8, 1e-8, 1000, 0};
    program p = shape_of(which);
    char message[200];
    double *spread[2] = {NULL, NULL};
    const double *variables[2] = {x, z};
    if (gslfit_program_check(&p, message, sizeof message)) return -1;
    worker w = {.program = &p, .options = &options, .lanes = LANES, .points = n, .evaluate = sums_by_hand, .next = next, .finish = finish};
    w.space = gslfit_workspace_new(&p);
    w.state = gslfit_lanes_new(w.space, 0);
    if (posix_memalign((void **)&block, 64, n * LANES * sizeof *block)) return -1;
    for (int j = 0; j < p.nx; j++) {
        if (posix_memalign((void **)&spread[j], 64, n * LANES * sizeof *block)) return -1;
        for (long i = 0; i < n * LANES; i++) spread[j][i] = variables[j][i / LANES];
        w.x[j] = spread[j];
    }
    w.y = block;
    which_model = which, next_id = 0, all_fits = fits, data = y, starts = start, results = out;
    errors = malloc(fits * p.nfree * sizeof *errors);
    gslfit_lanes_run(&w);
    free(errors), free(block), free(spread[0]), free(spread[1]);
    gslfit_lanes_free(w.state), gslfit_workspace_free(w.space);
    return 0;
}
