/* What threads share, made to meet: exits with the number of failures. Built with the thread sanitizer, and without it but with delays, by
 * tests/c/test_races.py. Every batch has the results of one thread, to the last bit. */
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "batch/batch.h"
#include "programs.h"

enum { FITS = 1024, MANY = 24, P = 4, TALL = 9000, CREW = 4 };

static atomic_int failures;

static void check(int passed, const char *what, double got, double wanted) {
    if (passed) return;
    atomic_fetch_add(&failures, 1);
    printf("FAILED: %s: %.17g, wanted %.17g\n", what, got, wanted);
}

static unsigned long long seed = 88172645463325252ull;
static double uniform(double low, double high) {
    seed ^= seed << 13, seed ^= seed >> 7, seed ^= seed << 17;
    return low + (high - low) * (double)(seed >> 11) / 9007199254740992.0;
}

/* Peaks with noise; every fifth start is poor, so that GSL looks again; every eleventh row has a hole. */
typedef struct {
    double x[MANY], y[FITS * MANY], start[FITS * P];
} curves;

static curves *make_curves(void) {
    curves *c = calloc(1, sizeof *c);
    for (int i = 0; i < MANY; i++) c->x[i] = -5 + 10.0 * i / (MANY - 1);
    for (int k = 0; k < FITS; k++) {
        const double v[P] = {uniform(.5, 2), uniform(5, 15), uniform(-1.5, 1.5), uniform(.5, 2.5)};
        for (int i = 0; i < MANY; i++)
            c->y[k * MANY + i] = v[0] + v[1] * exp(-(c->x[i] - v[2]) * (c->x[i] - v[2]) / (2 * v[3])) + uniform(-.5, .5);
        for (int j = 0; j < P; j++) c->start[k * P + j] = v[j] * (k % 5 ? uniform(.85, 1.15) : uniform(.2, 3));
        if (k % 11 == 3) c->y[k * MANY + 7] = NAN;
    }
    return c;
}

typedef struct {
    double v[FITS * P], variance[FITS * P], chisqr[FITS], gradient[FITS], redchi[FITS], derived[FITS], derived_errors[FITS];
    int32_t nfev[FITS], count[FITS];
    int8_t status[FITS];
} results;

static strided_array doubles(const double *data, long rows, long n) {
    strided_array v = {.data = (const char *)data, .kind = KIND_F8, .axes = rows > 0, .step = sizeof(double)};
    v.shape[0] = rows;
    v.strides[0] = n * (long)sizeof(double);
    return v;
}


typedef struct {
    const curves *data;
    fit_method method;
    int bounded, threads, omit;
    results *out;
    int stop_after, asked;
} job;

static void nap(void) {
    const struct timespec moment = {0, 200000};
    nanosleep(&moment, NULL);
}

static int pulse(void *who, long done) {
    job *j = who;
    (void)done;
    nap();
    return j->stop_after && ++j->asked >= j->stop_after;
}

static int run(job *j) {
    static const double low[] = {-INFINITY, 0, -9, .01}, high[] = {INFINITY, INFINITY, 9, 1e3};
    program p = peak_program;
    char message[200];
    results *r = j->out;
    strided_array starts[P];
    if (gslfit_program_check(&p, message, sizeof message)) check(0, message, 0, 0);
    for (int k = 0; k < P; k++) starts[k] = doubles(j->data->start + k, FITS, P);
    const fit_transform o = {.p = P, .bounded = 1, .low = low, .high = high, .inside = .01, .beside = 1e-9, .wide = 1e-6, .out = 1e3, .starts = starts,
                       .scaled = 1, .redchi = r->redchi};
    batch b = {.program = &p, .options = {1e-8, 1e-8, 1e-8, 200, 0}, .method = j->method, .fits = FITS,
               .source = {.points = MANY, .nx = 1, .omit = j->omit},
               .threads = j->threads, .transform = j->bounded ? &o : NULL, .v = r->v, .variance = r->variance, .chisqr = r->chisqr,
               .gradient = r->gradient, .nfev = r->nfev, .count = r->count, .status = r->status, .pulse = pulse, .who = j};
    memcpy(r->v, j->data->start, sizeof r->v);
    b.source.x[0] = doubles(j->data->x, 0, MANY);
    b.source.y = doubles(j->data->y, FITS, MANY);
    return gslfit_batch_run(&b);
}

static int same(const double *one, const double *other, int count) {
    for (int k = 0; k < count; k++)
        if (!(one[k] == other[k] || (isnan(one[k]) && isnan(other[k])))) return 0;
    return 1;
}

static void compare(const results *one, const results *other, const char *what) {
    check(same(one->v, other->v, FITS * P), what, 0, 1);
    check(same(one->variance, other->variance, FITS * P), what, 0, 2);
    check(same(one->chisqr, other->chisqr, FITS), what, 0, 3);
    check(!memcmp(one->status, other->status, sizeof one->status), what, 0, 4);
    check(!memcmp(one->nfev, other->nfev, sizeof one->nfev), what, 0, 5);
}

static void *in_thread(void *which) {
    check(run(which) == 0, "a batch beside another", 0, 0);
    return NULL;
}

/* Two batches at once, each with a thread pool, in the process's first use of the C core: nothing has chosen an instruction set yet. */
static void test_two_at_once(const curves *c, results *one, results *other) {
    pthread_t handles[2];
    job jobs[2] = {{.data = c, .threads = CREW, .out = one}, {.data = c, .threads = CREW, .out = other, .bounded = 1}};
    for (int k = 0; k < 2; k++) pthread_create(handles + k, NULL, in_thread, jobs + k);
    for (int k = 0; k < 2; k++) pthread_join(handles[k], NULL);
}

static void test_methods(const curves *c, results *one, results *other) {
    for (int method = METHOD_AUTO; method <= METHOD_TRUST; method++)
        for (int bounded = 0; bounded < 2; bounded++) {
            job alone = {.data = c, .method = method, .bounded = bounded, .threads = 1, .omit = bounded, .out = one};
            job many = {.data = c, .method = method, .bounded = bounded, .threads = CREW, .omit = bounded, .out = other};
            check(run(&alone) == 0 && run(&many) == 0, "run", method, bounded);
            compare(one, other, bounded ? "within bounds" : "free");
        }
}

/* Stopped early or late, what has been done is right and the threads have ended. */
static void test_stops(const curves *c, results *whole, results *part) {
    job all = {.data = c, .threads = 1, .out = whole};
    run(&all);
    for (int after = 1; after < 12; after += 3) {
        memset(part, 0, sizeof *part);
        job some = {.data = c, .threads = CREW, .out = part, .stop_after = after};
        const int stopped = run(&some);
        check(stopped == 0 || stopped == 1, "stopped", stopped, 1);
        for (int k = 0; k < FITS; k++)
            if (part->status[k] == FIT_CONVERGED || part->status[k] == FIT_CONVERGED_BY_GSL)
                check(same(part->v + P * k, whole->v + P * k, P), "a fit before the stop", k, after);
    }
}

/* Tall fits: as many as threads, fewer, and one. */
static void test_tall(void) {
    program p = decay_program;
    char message[200];
    check(!gslfit_program_check(&p, message, sizeof message), message, 0, 0);
    double *x = malloc(TALL * sizeof *x), *y = malloc(3 * TALL * sizeof *y), v[2][9], chisqr[3];
    int32_t nfev[3], count[3];
    int8_t status[3];
    for (int i = 0; i < TALL; i++) x[i] = 10.0 * i / TALL;
    for (int i = 0; i < 3 * TALL; i++) y[i] = 1 + 5 * exp(-(.4 + i / TALL * .1) * x[i % TALL]) + uniform(-.2, .2);
    for (int fits = 1; fits <= 3; fits++)
        for (int threads = 1; threads <= CREW; threads++) {
            double *found = v[threads > 1];
            for (int k = 0; k < fits; k++) memcpy(found + 3 * k, (double[]){.8, 4, .5}, 3 * sizeof(double));
            batch b = {.program = &p, .options = {1e-8, 1e-8, 1e-8, 500, 0}, .fits = fits, .source = {.points = TALL, .nx = 1},
                       .threads = threads, .v = found,
                       .chisqr = chisqr, .nfev = nfev, .count = count, .status = status};
            b.source.x[0] = doubles(x, 0, TALL);
            b.source.y = doubles(y, fits, TALL);
            check(gslfit_batch_run(&b) == 0, "tall", fits, threads);
            check(!memcmp(v[0], found, 3 * fits * sizeof(double)), "tall fits in threads", fits, threads);
        }
    free(x);
    free(y);
}

int main(void) {
    curves *c = make_curves();
    results *one = calloc(1, sizeof *one), *other = calloc(1, sizeof *other);
    test_two_at_once(c, one, other);
    test_methods(c, one, other);
    test_stops(c, one, other);
    test_tall();
    free(c);
    free(one);
    free(other);
    printf("%d failures\n", atomic_load(&failures));
    return atomic_load(&failures) != 0;
}
