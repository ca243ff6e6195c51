/* The C core's own tests: exits with the number of failures. Built three ways by tests/c/test_c_core.py. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "batch/batch.h"
#include "lanes/lane_state.h"
#include "programs.h"
#include "program/workspace.h"

static int failures;

static void check(int passed, const char *what, double got, double wanted) {
    if (passed) return;
    failures++;
    printf("FAILED on %s: %s: %.17g, wanted %.17g\n", gslfit_isa_name(), what, got, wanted);
}

static void near(double got, double wanted, double tolerance, const char *what) {
    check(fabs(got - wanted) <= tolerance * (1 + fabs(wanted)), what, got, wanted);
}

static unsigned long long seed = 88172645463325252ull;
static double uniform(double low, double high) {
    seed ^= seed << 13, seed ^= seed >> 7, seed ^= seed << 17;
    return low + (high - low) * (double)(seed >> 11) / 9007199254740992.0;
}

static program checked(program p) {
    char message[200];
    if (gslfit_program_check(&p, message, sizeof message)) check(0, message, 0, 0);
    return p;
}

/* ---- evaluation ---- */

static double peak(double x, const double *v) { return v[0] + v[1] * exp(-(x - v[2]) * (x - v[2]) / (2 * v[3])); }

static void test_peak_value_and_slopes(void) {
    program p = checked(peak_program);
    workspace *w = gslfit_workspace_new(&p);
    enum { N = 300 };
    const double v[4] = {1, 10, .3, .8};
    double x[N], value[N], J[N * 4], alone[N];
    const double *columns[1] = {x};
    for (int i = 0; i < N; i++) x[i] = -5 + 10.0 * i / N;
    gslfit_workspace_evaluate(w, v, NULL, columns, N, value, J, 4, 1);
    gslfit_workspace_evaluate(w, v, NULL, columns, N, alone, NULL, 0, 0);
    for (int i = 0; i < N; i++) {
        const double t = x[i] - v[2], e = exp(-t * t / (2 * v[3]));
        near(value[i], peak(x[i], v), 1e-15, "peak");
        check(value[i] == alone[i], "the value alone", alone[i], value[i]);
        near(J[4 * i], 1, 0, "d/dy0");
        near(J[4 * i + 1], e, 1e-15, "d/dA");
        near(J[4 * i + 2], v[1] * e * t / v[3], 1e-15, "d/dx0");
        near(J[4 * i + 3], v[1] * e * t * t / (2 * v[3] * v[3]), 1e-15, "d/dvar");
    }
    for (int n = 1; n < 40; n++) {
        gslfit_workspace_evaluate(w, v, NULL, columns, n, alone, J, 4, 1);
        check(alone[n - 1] == value[n - 1], "few points", alone[n - 1], value[n - 1]);
    }
    gslfit_workspace_free(w);
}

/* every operation, with each kind of operands, has the same value */
static void test_kinds_of_operands(void) {
    const double constants[] = {0.7, 1.9, 2.0};
    for (int op = 0; op < OPCODE_COUNT; op++)
        for (int kind = 0; kind < 8; kind++) {
            const int arity = gslfit_opcode_facts[op].arity;
            if (kind >> arity || (op == OP_POWI && !(kind & 2))) continue;
            const instruction spread[] = {{OP_MOV, 3, S(0), 0, 0}, {OP_MOV, 4, S(1), 0, 0}, {OP_MOV, 5, S(2), 0, 0},
                                          {op, 6, kind & 1 ? S(0) : 3, kind & 2 ? S(op == OP_POWI ? 2 : 1) : 4, kind & 4 ? S(2) : 5}};
            const instruction once[] = {{op, 3, 0, op == OP_POWI ? 2 : 1, 2}};
            const int32_t body_output[] = {6}, prologue_output[] = {S(3)};
            program body = checked((program){3, 0, 0, 3, 0, 4, 4, constants, NULL, spread, body_output, 0, 0});
            program prologue = checked((program){3, 0, 0, 3, 1, 0, 0, constants, once, NULL, prologue_output, 0, 0});
            workspace *a = gslfit_workspace_new(&body), *b = gslfit_workspace_new(&prologue);
            double zero[3] = {0}, one[3], other[3];
            const double *x[] = {zero, zero, zero};
            gslfit_workspace_evaluate(a, NULL, NULL, x, 3, one, NULL, 0, 0);
            gslfit_workspace_evaluate(b, NULL, NULL, x, 3, other, NULL, 0, 0);
            if (!(one[2] != one[2] && other[2] != other[2])) near(one[2], other[2], 1e-15, gslfit_opcode_facts[op].name);
            gslfit_workspace_free(a);
            gslfit_workspace_free(b);
        }
}

static void test_faddeeva(void) {
    /* x, y, real and imaginary part of w: mpmath, 40 digits */
    static const double known[][4] = {{1.0, 1.0, 0.30474420525691259, 0.20821893820283163},
                                      {3.5, 1e-09, 4.7851708221819732e-6, 0.16882988857993421},
                                      {6.1, 1e-20, 6.9167697945510341e-17, 0.093786735791049},
                                      {-2.0, 0.3, 0.076395951675642117, -0.3098311071402927},
                                      {0.01, 12.0, 0.046854189028099495, 3.8778601084080106e-5},
                                      {40.0, 3.0, 0.001052913171037076, 0.01403010905344445},
                                      {1.5, -1.0, -0.77911178423175669, 0.31403409588864374},
                                      {7000000000.0, 2000000000.0, 2.1290172964066275e-11, 7.4515605374231962e-11}};
    const instruction code[] = {{OP_WOFZ_RE, 2, 0, 1, 0}, {OP_WOFZ_IM, 3, 0, 1, 0}};
    for (int k = 0; k < LENGTH(known); k++)
        for (int part = 0; part < 2; part++) {
            const int32_t output[] = {2 + part};
            program p = checked((program){2, 0, 0, 0, 0, 2, 2, NULL, NULL, code, output, 0, 0});
            workspace *w = gslfit_workspace_new(&p);
            const double *x[] = {&known[k][0], &known[k][1]};
            double value;
            gslfit_workspace_evaluate(w, NULL, NULL, x, 1, &value, NULL, 0, 0);
            near(value / known[k][2 + part], 1, 1e-13, "w(z)");
            gslfit_workspace_free(w);
        }
}

/* ---- the sums: any number of columns against plain loops ---- */

static void test_sums(void) {
    enum { N = 13 };
    static double data[70][POINTS * LANES] __attribute__((aligned(64))), scratch[70 * POINTS * LANES] __attribute__((aligned(64)));
    static double sums[3000 * LANES] __attribute__((aligned(64)));
    for (int k = 0; k < 70; k++)
        for (int i = 0; i < N * LANES; i++) data[k][i] = uniform(-1, 1);
    for (int q = 0; q <= 20; q++)
        for (int how = 0; how < 4; how++) {
            const double *columns[64];
            for (int j = 0; j < q; j++) columns[j] = data[3 + j];
            block_columns block = {data[0], data[1], how & 2 ? data[2] : NULL, columns, q, how & 1, scratch};
            memset(sums, 0, sizeof sums);
            gslfit_current_isa()->sum(&block, N, sums);
            long place = 0;
            const int ones = how & 1;
            for (int i = -1 - ones; i < q; i++)
                for (int j = -1 - ones; j <= i; j++) {
                    double sum = 0;
                    for (int k = 0; k < N; k++) {
                        const int at = k * LANES + 5;
                        double w = how & 2 ? data[2][at] : 1, r = (data[0][at] - data[1][at]) * w;
                        double a = i == -1 - ones ? r : i == -1 ? w : data[3 + i][at] * w;
                        double b = j == -1 - ones ? r : j == -1 ? w : data[3 + j][at] * w;
                        sum += a * b;
                    }
                    near(sums[place++ * LANES + 5], sum, 1e-14, "a sum");
                }
        }
}

/* ---- batches ---- */

enum { FITS = 211, MANY = 50 };

typedef struct {
    double x[MANY], y[FITS * MANY], start[FITS * 4], v[FITS * 4], variance[FITS * 4], chisqr[FITS], gradient[FITS];
    int32_t nfev[FITS], count[FITS];
    int8_t status[FITS];
} peaks;

static strided_array doubles(const double *data, long rows, long n) {
    strided_array v = {.data = (const char *)data, .kind = KIND_F8, .axes = rows > 0, .step = sizeof(double)};
    v.shape[0] = rows;
    v.strides[0] = n * (long)sizeof(double);
    return v;
}

static peaks *make_peaks(void) {
    peaks *d = calloc(1, sizeof *d);
    seed = 88172645463325252ull;
    for (int i = 0; i < MANY; i++) d->x[i] = -5 + 10.0 * i / (MANY - 1);
    for (int k = 0; k < FITS; k++) {
        const double v[4] = {uniform(.5, 2), uniform(5, 15), uniform(-1.5, 1.5), uniform(.5, 2.5)};
        for (int i = 0; i < MANY; i++) d->y[k * MANY + i] = peak(d->x[i], v) + uniform(-.5, .5);
        for (int j = 0; j < 4; j++) d->start[k * 4 + j] = v[j] * uniform(.85, 1.15);
    }
    return d;
}

static batch batch_of(const program *p, peaks *d, long fits, int threads) {
    batch b = {.program = p, .options = {1e-8, 1e-8, 1e-8, 500, 0}, .fits = fits, .source = {.points = MANY, .nx = 1},
               .threads = threads, .v = d->v,
               .variance = d->variance, .chisqr = d->chisqr, .gradient = d->gradient, .nfev = d->nfev, .count = d->count, .status = d->status};
    memcpy(d->v, d->start, sizeof d->v);
    b.source.x[0] = doubles(d->x, 0, MANY);
    b.source.y = doubles(d->y, fits, MANY);
    return b;
}

static void test_lanes_against_gsl(void) {
    program p = checked(peak_program);
    peaks *lanes = make_peaks(), *gsl = make_peaks();
    batch a = batch_of(&p, lanes, FITS, 1), b = batch_of(&p, gsl, FITS, 1);
    a.method = METHOD_LANES;
    b.method = METHOD_LMSDER;
    gslfit_batch_run(&a);
    gslfit_batch_run(&b);
    for (int k = 0; k < FITS; k++) {
        check(lanes->status[k] == FIT_CONVERGED, "status of lanes", lanes->status[k], FIT_CONVERGED);
        check(gsl->status[k] == FIT_CONVERGED_BY_GSL, "status of GSL", gsl->status[k], FIT_CONVERGED_BY_GSL);
        near(lanes->chisqr[k], gsl->chisqr[k], 1e-12, "chi-square");
        for (int j = 0; j < 4; j++) {
            const double error = sqrt(gsl->variance[4 * k + j] * gsl->chisqr[k] / (MANY - 4));
            near(lanes->v[4 * k + j] / error, gsl->v[4 * k + j] / error, 1e-6, "a parameter in standard errors");
            near(lanes->variance[4 * k + j] / gsl->variance[4 * k + j], 1, 3e-6, "a variance");
        }
    }
    free(lanes);
    free(gsl);
}

/* a fit's result has nothing to do with its place, its neighbours or the threads: to the last bit */
static void test_independence(void) {
    program p = checked(peak_program);
    peaks *whole = make_peaks(), *part = make_peaks();
    batch a = batch_of(&p, whole, FITS, 1);
    gslfit_batch_run(&a);
    for (int threads = 1; threads <= 3; threads++) {
        batch b = batch_of(&p, part, FITS - 7, threads);
        memmove(part->v, part->start + 7 * 4, (FITS - 7) * 4 * sizeof(double));
        b.source.y = doubles(part->y + 7 * MANY, FITS - 7, MANY);
        gslfit_batch_run(&b);
        check(!memcmp(whole->v + 28, part->v, (FITS - 7) * 4 * sizeof(double)), "values elsewhere", threads, 0);
        check(!memcmp(whole->chisqr + 7, part->chisqr, (FITS - 7) * sizeof(double)), "chi-squares elsewhere", threads, 0);
        check(!memcmp(whole->variance + 28, part->variance, (FITS - 7) * 4 * sizeof(double)), "variances elsewhere", threads, 0);
    }
    free(whole);
    free(part);
}

static void test_bad_rows(void) {
    program p = checked(peak_program);
    peaks *good = make_peaks(), *bad = make_peaks();
    batch a = batch_of(&p, good, FITS, 1);
    gslfit_batch_run(&a);
    for (int omit = 0; omit < 2; omit++) {
        batch b = batch_of(&p, bad, FITS, 2);
        bad->y[3 * MANY + 4] = NAN;
        for (int i = 0; i < MANY; i++) bad->y[5 * MANY + i] = INFINITY;
        bad->v[4 * 9] = NAN;
        b.source.omit = omit;
        gslfit_batch_run(&b);
        check(bad->status[3] == (omit ? FIT_CONVERGED : FIT_BAD_DATA), "one NaN", bad->status[3], omit);
        check(bad->status[5] == FIT_BAD_DATA, "all infinite", bad->status[5], FIT_BAD_DATA);
        check(bad->status[9] == FIT_BAD_DATA && isnan(bad->v[36]), "a start that is NaN", bad->status[9], FIT_BAD_DATA);
        check(bad->count[3] == MANY - omit || !omit, "points that take part", bad->count[3], MANY - omit);
        for (int k = 10; k < FITS * 4 - 36; k++)
            if (k / 4 != 3 && k / 4 != 5 && k / 4 != 9) check(bad->v[k] == good->v[k], "the others", bad->v[k], good->v[k]);
    }
    batch few = batch_of(&p, bad, FITS, 1);
    few.source.points = 3;
    gslfit_batch_run(&few);
    check(few.status[0] == FIT_TOO_FEW_POINTS, "three points", few.status[0], FIT_TOO_FEW_POINTS);
    free(good);
    free(bad);
}

static void test_weights_and_types(void) {
    program p = checked(peak_program);
    peaks *a = make_peaks(), *b = make_peaks();
    float *single = malloc(FITS * MANY * sizeof *single);
    double half[MANY];
    for (int i = 0; i < MANY; i++) half[i] = .5;
    for (int i = 0; i < FITS * MANY; i++) a->y[i] = single[i] = (float)a->y[i];
    batch plain = batch_of(&p, a, FITS, 1), other = batch_of(&p, b, FITS, 1);
    other.source.y.data = (const char *)single;
    other.source.y.kind = KIND_F4;
    other.source.y.step = sizeof(float);
    other.source.y.strides[0] = MANY * sizeof(float);
    other.source.weights = doubles(half, 0, MANY);
    other.source.weighted = 2;  /* standard deviations of a half: residuals twice as large, the same minimum to the last bit */
    gslfit_batch_run(&plain);
    gslfit_batch_run(&other);
    for (int k = 0; k < FITS; k++) {
        check(b->chisqr[k] == 4 * a->chisqr[k], "weighted chi-square", b->chisqr[k], 4 * a->chisqr[k]);
        check(b->v[4 * k + 2] == a->v[4 * k + 2], "weighted", b->v[4 * k + 2], a->v[4 * k + 2]);
    }
    free(single);
    free(a);
    free(b);
}

/* within bounds that are not reached a fit ends where it does without them: in the lanes, by GSL, and whatever the far bound */
/* Every way out of the bounds, by the formulas of gslfit/bounds.py: near a bound to its last digits, and many turns away. And back. */
static void test_transforms(void) {
    static const double at[] = {0, 1e-9, .3, 1.5707963267948966, 1.6, 3.14, 3.1415926, 3.5, 6, 40, 1e4, 1.9e5, 2.1e5, 1e12};
    static const fit_bound bounds[] = {{BOUND_TWO, -2, 7, 5}, {BOUND_ONE, -2, .25, INFINITY}, {BOUND_TWO, 7, -10, -3}, {BOUND_WIDE, -2, .25, 5}};
    for (int i = 0; i < 2 * LENGTH(at); i++)
        for (int k = 0; k < 4; k++) {
            const double v = i % 2 ? -at[i / 2] : at[i / 2], near_one = bounds[k].near, far = bounds[k].far;
            const long double s = sinl(v / 2), c = cosl(v / 2), root = sqrtl((long double)v * v + 1), size = bounds[k].size;
            const long double away = size * (k % 2 ? (long double)v * v / (root + 1) : s * s);
            const long double slope = size * (k % 2 ? v / root : s * c), left = size * c * c;
            const double x = gslfit_bound_external(bounds + k, v), slope_found = gslfit_bound_slope(bounds + k, v);
            if (k == 3 && away > 7) {
                check(x == 5, "held at the far bound", x, 5);
                continue;
            }
            check(fabsl(x - (near_one + away)) <= 1e-15 * fabsl(away) + 3e-16 * fabs(x), "within its bounds", x, v);
            check(k % 2 || (double)fabsl(x - far) <= (double)fabsl(left) * (1 + 1e-15) + 1e-15, "near the far bound", x, v);
            check(k % 2 || (x >= fmin(near_one, far) && x <= fmax(near_one, far)), "between", x, v);
            check(fabsl(slope_found - slope) <= 2e-15 * fabsl(slope) + 1e-300, "its slope", slope_found, (double)slope);
            if (v >= 1e-3 && v < 3.14) near(gslfit_bound_internal(bounds + k, x) / v, 1, 1e-9, "and back");
        }
}

static void test_bounds(void) {
    static const double low[] = {-9, 0, -INFINITY, .01}, high[] = {9, INFINITY, INFINITY, 1e9};
    program p = checked(peak_program);
    peaks *plain = make_peaks(), *within = make_peaks();
    double redchi[FITS];
    strided_array starts[4];
    const fit_transform o = {.p = 4, .bounded = 1, .low = low, .high = high, .inside = .01, .beside = 1e-9, .wide = 1e-6, .out = 1e3, .starts = starts,
                       .scaled = 1, .redchi = redchi};
    batch a = batch_of(&p, plain, FITS, 1);
    gslfit_batch_run(&a);
    for (int k = 0; k < 4; k++) starts[k] = doubles(within->start + k, FITS, 4);
    for (int method = METHOD_AUTO; method <= METHOD_TRUST; method++) {
        batch b = batch_of(&p, within, FITS, 2);
        b.transform = &o;
        b.method = (fit_method)method;
        gslfit_batch_run(&b);
        for (int k = 0; k < FITS; k++) {
            check(within->status[k] == FIT_CONVERGED || within->status[k] == FIT_CONVERGED_BY_GSL, "status within bounds", within->status[k], 1);
            for (int j = 0; j < 4; j++) {
                const double error = sqrt(plain->variance[4 * k + j] * plain->chisqr[k] / (MANY - 4));
                near(within->v[4 * k + j] / error, plain->v[4 * k + j] / error, 1e-6, "a bounded parameter in standard errors");
                near(within->variance[4 * k + j] / error, 1, 3e-6, "its standard error");
            }
        }
    }
    free(plain);
    free(within);
}

/* a long fit: sums don't depend on the threads, and the minimum is the lanes' */
static void test_long_fit(void) {
    enum { N = 30011 };
    program p = checked(decay_program);
    double *x = malloc(N * sizeof *x), *y = malloc(N * sizeof *y), v[3][3], chisqr, variance[3];
    int32_t nfev, count;
    int8_t status;
    for (int i = 0; i < N; i++) x[i] = 10.0 * i / N, y[i] = 1 + 5 * exp(-.4 * x[i]) + uniform(-.2, .2);
    for (int threads = 1; threads <= 3; threads++) {
        double *free_values = v[threads - 1];
        memcpy(free_values, (double[]){.8, 4, .5}, sizeof v[0]);
        batch b = {.program = &p, .options = {1e-8, 1e-8, 1e-8, 500, 0}, .fits = 1, .source = {.points = N, .nx = 1},
                   .threads = threads, .v = free_values,
                   .variance = variance, .chisqr = &chisqr, .nfev = &nfev, .count = &count, .status = &status};
        b.source.x[0] = doubles(x, 0, N);
        b.source.y = doubles(y, 0, N);
        gslfit_batch_run(&b);
        check(status == FIT_CONVERGED, "a long fit", status, FIT_CONVERGED);
        near(free_values[2], .4, 5e-3, "its decay");
        check(!memcmp(v[0], free_values, sizeof v[0]), "a long fit in threads", threads, 1);
    }
    free(x);
    free(y);
}

static int stop_at_once(void *who, long done) {
    (void)done;
    return ++*(int *)who > 0;
}

static void test_stop(void) {
    program p = checked(peak_program);
    peaks *d = make_peaks();
    int asked = 0;
    batch b = batch_of(&p, d, FITS, 1);      /* of two threads the other may be done before this one asks */
    b.pulse = stop_at_once;
    b.who = &asked;
    check(gslfit_batch_run(&b) == 1 && asked, "stopped", asked, 1);
    free(d);
}

static void test_programs_are_checked(void) {
    char message[200];
    const int32_t output[] = {1};
    const instruction wrong[] = {{OPCODE_COUNT, 1, 0, 0, 0}, {OP_ADD, 0, 0, 0, 0}, {OP_ADD, 1, 7, 0, 0}, {OP_ADD, 1, 0, S(9), 0},
                                 {OP_POWI, 1, 0, S(0), 0},   {OP_ADD, -1, 0, 0, 0}, {-1, 1, 0, 0, 0}};
    for (int k = 0; k < LENGTH(wrong); k++) {
        program p = {1, 0, 0, 0, 0, 1, 1, NULL, NULL, wrong + k, output, 0, 0};
        check(gslfit_program_check(&p, message, sizeof message) == -1, "a wrong program is refused", k, -1);
    }
}

int main(void) {
    static const char *const sets[] = {"v4", "v3", "base"};
    for (int k = 0; k < LENGTH(sets); k++) {
        if (gslfit_isa_choose(sets[k])) continue;
        test_peak_value_and_slopes();
        test_kinds_of_operands();
        test_faddeeva();
        test_sums();
        test_lanes_against_gsl();
        test_independence();
        test_bad_rows();
        test_weights_and_types();
        test_transforms();
        test_bounds();
        test_long_fit();
        test_stop();
        test_programs_are_checked();
        printf("%s: %d failures\n", gslfit_isa_name(), failures);
    }
    return failures > 255 ? 255 : failures;
}
