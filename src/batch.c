#include "batch.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "lane_state.h"
#include "long_fit.h"
#include "referee.h"
#include "thread.h"

enum { CLAIM = 64, REFEREE_BYTES = 48 << 20 };
static const double TINY = 1e-280, HUGE_SUM = 1e280;  /* sums of squares outside these have lost digits, or will */
static const double PULSE = 0.05;

/* ---- one thread ---- */

/* The next fit to do, claimed in runs so that threads seldom meet; -1 when there are none. */
static long claim(thread *t) {
    batch *b = t->batch;
    if (t->first == t->last) {
        const long run = b->points > SHORT ? 1 : CLAIM;
        if (atomic_load_explicit(&b->stop, memory_order_relaxed)) return -1;
        t->first = atomic_fetch_add(&b->next, run);
        if (t->first >= b->fits) t->first = t->last = b->fits;
        else t->last = t->first + run < b->fits ? t->first + run : b->fits;
    }
    return t->first < t->last ? t->first++ : -1;
}

static double seconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

/* Whether the work is to stop; the calling thread asks its caller now and then. */
int thread_check(thread *t) {
    batch *b = t->batch;
    if (t->number == 0 && b->pulse) {
        const double now = seconds();
        if (now - t->pulsed >= PULSE) {
            t->pulsed = now;
            if (b->pulse(b->who, atomic_load(&b->done))) atomic_store(&b->stop, 1);
        }
    }
    return atomic_load_explicit(&b->stop, memory_order_relaxed);
}

static int check_worker(worker *w) { return thread_check(w->context); }
static int check_thread(void *t) { return thread_check(t); }

/* ---- results ---- */

static void put(batch *b, const outcome *end) {
    const int p = b->program->nfree, whole = b->options.covariance;
    const long id = end->id;
    b->status[id] = (int8_t)end->status;
    b->nfev[id] = end->nfev;
    b->count[id] = (int32_t)end->count;
    b->chisqr[id] = end->chisqr;
    if (b->gradient) b->gradient[id] = end->gradient;
    for (int i = 0; i < p; i++) {
        b->v[id * p + i] = end->v[i];
        if (b->variance) b->variance[id * p + i] = end->covariance[(whole ? ELEMENT(i, i) : i) * LANES];
        for (int j = 0; b->covariance && j <= i; j++)
            b->covariance[(id * p + i) * p + j] = b->covariance[(id * p + j) * p + i] = end->covariance[ELEMENT(i, j) * LANES];
    }
    atomic_fetch_add_explicit(&b->done, 1, memory_order_relaxed);
}

/* A row that can't be fitted at all. */
static void put_nothing(thread *t, long id, fit_status status, double count) {
    outcome end = {.id = id, .status = status, .chisqr = NAN, .gradient = NAN, .count = count, .covariance = t->nothing};
    for (int k = 0; k < t->batch->program->nfree; k++) end.v[k] = NAN;
    put(t->batch, &end);
}

static void find_inputs(const batch *b, long id, double *inputs) {
    for (int k = 0; k < b->program->ninput; k++) rows_read(b->inputs + k, rows_find(b->inputs + k, id), 0, 1, inputs + k, 1);
}

static int referee_fits(const batch *b) {
    return (double)b->points * (2 * b->program->nfree + b->program->nx + 4) * sizeof(double) < REFEREE_BYTES;
}

/* Whether a parameter has come to have no effect (the centre of a peak of no height, say): the rounding of the data alone moves it by a good
 * part of itself. Columns of length 1 don't show that. */
static int flat(const batch *b, const outcome *end, int triangle) {
    const double *start = b->v + end->id * b->program->nfree;
    const double rounding = 1e-15 * sqrt(end->square / end->count);
    for (int k = 0; k < b->program->nfree; k++) {
        const double scale = fmax(fabs(end->v[k]), fabs(start[k]));
        if (scale > 0 && !(rounding * sqrt(end->covariance[(triangle ? ELEMENT(k, k) : k) * LANES]) < 1e-3 * scale)) return 1;
    }
    return 0;
}

/* Fit a row by GSL. The points that are left out are left out of its arrays. */
static int refer(thread *t, long id, const double *start, outcome *end) {
    batch *b = t->batch;
    double inputs[MAX_INPUTS];
    if (!t->referee && !(t->referee = referee_new(b->program, b->points))) return -1;
    const long n = b->points;
    double *y = referee_y(t->referee), *weights = referee_weights(t->referee);
    rows_read(&b->y, rows_find(&b->y, id), 0, n, y, 1);
    for (int j = 0; j < b->program->nx; j++) rows_read(b->x + j, rows_find(b->x + j, id), 0, n, referee_x(t->referee, j), 1);
    if (b->weighted) rows_read(&b->weights, rows_find(&b->weights, id), 0, n, weights, 1);
    long used = 0;
    for (long i = 0; i < n; i++) {
        double w = b->weighted == 2 ? 1 / weights[i] : b->weighted ? weights[i] : 1.0, sum = y[i] + w;
        for (int j = 0; j < b->program->nx; j++) sum += referee_x(t->referee, j)[i];
        if (b->omit && !isfinite(sum)) continue;
        y[used] = y[i];
        weights[used] = w;
        for (int j = 0; j < b->program->nx; j++) referee_x(t->referee, j)[used] = referee_x(t->referee, j)[i];
        used++;
    }
    find_inputs(b, id, inputs);
    end->id = id;
    end->count = (double)used;
    referee_fit(t->referee, used, start, inputs, b->method > METHOD_LANES ? b->method : METHOD_LMSDER, &b->options, check_thread, t, end);
    if (b->method == METHOD_AUTO && (end->status == FIT_NO_PROGRESS || end->status == FIT_SINGULAR)) {
        outcome again = *end;  /* lmder, which doesn't scale, now and then finds a way out that lmsder doesn't (NIST's BoxBOD) */
        referee_fit(t->referee, used, start, inputs, METHOD_LMDER, &b->options, check_thread, t, &again);
        again.nfev += end->nfev;
        if (again.status == FIT_CONVERGED_BY_GSL) *end = again;
    }
    end->square = 0;
    for (long i = 0; i < used; i++) end->square += weights[i] * weights[i] * y[i] * y[i];
    if (end->status == FIT_CONVERGED_BY_GSL && end->square > TINY && end->square < HUGE_SUM && flat(b, end, 1)) end->status = FIT_SINGULAR;
    return 0;
}

/* The referee's arrays have the covariance's triangle; where only its diagonal is asked for, hand over that. */
static void put_referee(thread *t, outcome *end) {
    const int p = t->batch->program->nfree;
    if (!t->batch->options.covariance)
        for (int i = 0; i < p; i++) t->diagonal[i * LANES] = end->covariance[ELEMENT(i, i) * LANES];
    if (!t->batch->options.covariance) end->covariance = t->diagonal;
    put(t->batch, end);
}

static int better(const outcome *gsl, const outcome *lanes) {
    if (gsl->status == FIT_CONVERGED_BY_GSL) return lanes->status != FIT_CONVERGED || gsl->chisqr <= lanes->chisqr * (1 + 1e-12);
    if (lanes->status == FIT_CONVERGED) return 0;
    return gsl->chisqr < lanes->chisqr * (1 - 1e-12) || !isfinite(lanes->chisqr);
}

/* A fit has ended in the lanes: take it, or have it looked at by QR from its own start. */
static void finish(worker *w, outcome *end) {
    thread *t = w->context;
    batch *b = t->batch;
    if (end->status == FIT_CONVERGED && flat(b, end, b->options.covariance)) end->status = FIT_SINGULAR;
    const int doubtful = end->status != FIT_CONVERGED || end->doubtful;
    if (b->method == METHOD_AUTO && doubtful && end->status != FIT_BAD_DATA && referee_fits(b)) {
        outcome second;
        if (!refer(t, end->id, b->v + end->id * b->program->nfree, &second) && better(&second, end)) {
            second.nfev += end->nfev;
            put_referee(t, &second);
            return;
        }
    }
    put(b, end);
}

/* ---- rows into lanes ---- */

/* Sum of squares, in four parts that don't wait for each other; NaN or infinite when any of the numbers is. */
static double sum_of_squares(const double *y, long n) {
    double s[4] = {0, 0, 0, 0};
    long i = 0;
    for (; i + 4 <= n; i += 4)
        for (int k = 0; k < 4; k++) s[k] += y[i + k] * y[i + k];
    for (; i < n; i++) s[0] += y[i] * y[i];
    return (s[0] + s[1]) + (s[2] + s[3]);
}

static int all_finite(const double *y, long n) {
    double sum = 0;
    for (long i = 0; i < n; i++) sum += y[i] * 0.0;
    return sum == 0;
}

static void spread(double *lane, const double *from, long n) {
    for (long i = 0; i < n; i++) lane[i * LANES] = from[i];
}

/* A row's doubles, where they are or converted. */
static const double *doubles(const rows_view *v, long id, long n, double *room) {
    const char *row = rows_find(v, id);
    const double *in_place = rows_in_place(v, row);
    if (!in_place) rows_read(v, row, 0, n, room, 1);
    return in_place ? in_place : room;
}

/* Weights of a row into t->row_weights. */
static void read_weights(thread *t, long id) {
    const batch *b = t->batch;
    const double *given = b->weighted ? doubles(&b->weights, id, b->points, t->room) : NULL;
    for (long i = 0; i < b->points; i++) t->row_weights[i] = !given ? 1.0 : b->weighted == 2 ? 1 / given[i] : given[i];
}

/* Give points that are not finite the weight 0, and the numbers of a sound point. How many points take part. */
static long leave_out(thread *t, const double **y) {
    const int nx = t->batch->program->nx;
    const long n = t->batch->points;
    long used = 0, sound = -1;
    for (long i = 0; i < n; i++) {
        double sum = (*y)[i] + t->row_weights[i];
        for (int j = 0; j < nx; j++) sum += t->row_x[j][i];
        t->room[i] = isfinite(sum) ? 1.0 : 0.0;
        if (isfinite(sum) && ++used == 1) sound = i;
    }
    if (used == n || sound < 0) return used;
    for (long i = 0; i < n; i++) {
        const long from = t->room[i] != 0 ? i : sound;
        if (from != i) t->row_weights[i] = 0;
        t->row_y[i] = (*y)[from];
        for (int j = 0; j < nx; j++) t->row_x_room[j][i] = t->row_x[j][from];
    }
    *y = t->row_y;
    for (int j = 0; j < nx; j++) t->row_x[j] = t->row_x_room[j];
    return used;
}

/* Weighted residuals' data, for the sum of their squares. */
static double weighted_square(thread *t, const double *y, long n) {
    for (long i = 0; i < n; i++) t->room[i] = y[i] * t->row_weights[i];
    return sum_of_squares(t->room, n);
}

/* Why a row can't be fitted in lanes: a status, FIT_NOT_RUN for one that GSL must do, or FIT_CONVERGED where nothing is wrong. */
static fit_status row_state(const batch *b, const next_fit *fit) {
    for (int k = 0; k < b->program->nfree; k++)
        if (!isfinite(fit->start[k])) return FIT_BAD_DATA;
    if (fit->count < b->program->nfree || fit->count < 1) return FIT_TOO_FEW_POINTS;
    if (fit->square != 0 && !(fit->square > TINY && fit->square < HUGE_SUM)) return FIT_NOT_RUN;
    return FIT_CONVERGED;
}

/* Read a row into a lane. Returns whether its numbers are finite. */
static int load_row(thread *t, long id, int lane, next_fit *fit) {
    batch *b = t->batch;
    const long n = b->points;
    const double *y = doubles(&b->y, id, n, t->row_y);
    int sound = 1;
    for (int j = 0; j < b->program->nx; j++) {
        if (!b->x[j].axes && !b->omit) continue;
        t->row_x[j] = doubles(b->x + j, id, n, t->row_x_room[j]);
        sound &= b->omit || all_finite(t->row_x[j], n);
    }
    fit->count = (double)n;
    if (b->weighted || b->omit) {
        read_weights(t, id);
        if (b->omit && (fit->count = (double)leave_out(t, &y)) == 0) return 0;
        sound &= all_finite(t->row_weights, n);
        fit->square = weighted_square(t, y, n);
        spread(t->weights + lane, t->row_weights, n);
    } else {
        fit->square = sum_of_squares(y, n);
    }
    if (!isfinite(fit->square) && !all_finite(y, n)) sound = 0;
    if (!sound) return 0;
    spread(t->y + lane, y, n);
    for (int j = 0; j < b->program->nx; j++)
        if (b->x[j].axes || b->omit) spread(t->x[j] + lane, t->row_x[j], n);
    return 1;
}

/* Fit a row by GSL from the first, and put it down. */
static void refer_row(thread *t, long id, const double *start) {
    outcome end;
    if (refer(t, id, start, &end)) put_nothing(t, id, FIT_NO_PROGRESS, 0);
    else put_referee(t, &end);
}

static next_fit next_row(worker *w, int lane) {
    thread *t = w->context;
    batch *b = t->batch;
    const int p = b->program->nfree;
    next_fit fit;
    while ((fit.id = claim(t)) >= 0) {
        memcpy(fit.start, b->v + fit.id * p, p * sizeof(double));
        if (!(t->long_fit ? long_fit_load(t, fit.id, &fit) : load_row(t, fit.id, lane, &fit))) {
            put_nothing(t, fit.id, FIT_BAD_DATA, fit.count);
            continue;
        }
        const fit_status state = row_state(b, &fit);
        if (state == FIT_CONVERGED) break;
        if (state == FIT_NOT_RUN) refer_row(t, fit.id, fit.start);
        else put_nothing(t, fit.id, state, fit.count);
    }
    if (fit.id < 0) return fit;
    double inputs[MAX_INPUTS];
    find_inputs(b, fit.id, inputs);
    for (int k = 0; k < b->program->ninput; k++) w->space->scalars[(p + k) * LANES + lane] = inputs[k];
    return fit;
}

/* ---- the threads ---- */

static void thread_free(thread *t) {
    workspace_free(t->worker.space);
    lanes_free(t->worker.state);
    referee_free(t->referee);
    long_fit_free(t->long_fit);
    free(t->memory);
}

static double *room(double **memory, long count) {
    double *start = *memory;
    *memory += (count + 7) / 8 * 8;
    return start;
}

/* Room for the rows on their way into the lanes. Shared variables are spread over the lanes once and for all. */
static int rows_room(thread *t) {
    batch *b = t->batch;
    const int nx = b->program->nx;
    const long n = b->points, wide = (n + 7) / 8 * 8;
    if (posix_memalign((void **)&t->memory, 64, (size_t)wide * (LANES * (nx + 2) + nx + 3) * sizeof(double) + 64)) return -1;
    double *memory = t->memory;
    t->y = room(&memory, n * LANES);
    t->weights = room(&memory, n * LANES);
    t->row_y = room(&memory, n);
    t->row_weights = room(&memory, n);
    t->room = room(&memory, n);
    memset(t->y, 0, n * LANES * sizeof(double));
    memset(t->weights, 0, n * LANES * sizeof(double));
    for (int j = 0; j < nx; j++) {
        t->x[j] = room(&memory, n * LANES);
        t->row_x_room[j] = room(&memory, n);
        for (int l = 0; l < LANES; l++) rows_read(b->x + j, b->x[j].data, 0, n, t->x[j] + l, LANES);
        t->worker.x[j] = t->x[j];
    }
    t->worker.y = t->y;
    t->worker.weights = b->weighted || b->omit ? t->weights : NULL;
    return 0;
}

static int thread_init(thread *t, batch *b, int number) {
    worker *w = &t->worker;
    t->batch = b;
    t->number = number;
    for (int k = 0; k < TRIANGLE(b->program->nfree); k++) t->nothing[k * LANES] = NAN;
    *w = (worker){.program = b->program, .options = &b->options, .points = b->points, .finish = finish, .check = check_worker, .context = t};
    w->space = workspace_new(b->program);
    if (!w->space || !(w->state = lanes_new(w->space))) return -1;
    w->next = next_row;
    if (b->points > SHORT) return (t->long_fit = long_fit_new(t)) ? 0 : -1;
    w->lanes = LANES;
    w->evaluate = lanes_evaluate;
    return rows_room(t);
}

/* All fits by GSL, where the caller wants it so. */
static void refer_all(thread *t) {
    const batch *b = t->batch;
    const int p = b->program->nfree;
    for (long id; !thread_check(t) && (id = claim(t)) >= 0;) {
        double start[MAX_FREE];
        memcpy(start, b->v + id * p, p * sizeof(double));
        refer_row(t, id, start);
    }
}

static void *thread_main(void *which) {
    thread *t = which;
    if (t->batch->method > METHOD_LANES) refer_all(t);
    else lanes_run(&t->worker);
    atomic_fetch_sub(t->running, 1);
    return NULL;
}

/* Wait for the others, and go on asking the caller. */
static void wait_for(thread *t, atomic_int *running) {
    while (atomic_load(running) > 0) {
        const struct timespec nap = {0, 200000};
        nanosleep(&nap, NULL);
        thread_check(t);
    }
}

int batch_run(batch *b) {
    atomic_int running;
    const long most = b->points > SHORT ? b->fits : (b->fits + CLAIM - 1) / CLAIM;
    int threads = b->threads > most ? (int)(most > 0 ? most : 1) : b->threads, made = 0, failed = 0;
    thread *all = calloc(threads, sizeof *all);
    if (!all) return -1;
    atomic_store(&b->next, 0);
    atomic_store(&b->done, 0);
    atomic_store(&b->stop, 0);
    for (int k = 0; k < threads && !failed; k++, made++) {
        all[k].crew = b->threads / threads;
        all[k].running = &running;
        failed = thread_init(all + k, b, k);
    }
    atomic_store(&running, threads);
    int started = 1;
    for (; !failed && started < threads; started++)
        if (pthread_create(&all[started].handle, NULL, thread_main, all + started)) break;
    atomic_fetch_sub(&running, threads - started);
    if (!failed) {
        thread_main(all);
        wait_for(all, &running);
        for (int k = 1; k < started; k++) pthread_join(all[k].handle, NULL);
    }
    for (int k = 0; k < made; k++) thread_free(all + k);
    free(all);
    return failed ? -1 : atomic_load(&b->stop);
}
