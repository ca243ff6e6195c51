#include "tall_fit.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "common/clock.h"
#include "common/rare.h"
#include "common/subnormals.h"
#include "gather_rows.h"
#include "lanes/lane_state.h"
#include "objective/counted.h"

enum { CHUNK = 4096, MOST_CHUNKS = 1024, SURVEY = 3 };
static const double SPIN = 5e-5; /* seconds that a thread waits awake: between two steps it would hardly fall asleep before it is woken */

/* What each thread of the pool has to itself. */
typedef struct {
    double x[MAX_VARIABLES][BLOCK], y[BLOCK], weights[BLOCK], room[BLOCK];
    lane_vector *sums;
    workspace *space;
    long_fit *fit;
    pthread_t handle;
} member;

struct long_fit {
    thread *thread;
    batch *batch;
    int sharing, started;
    member **members;
    long chunk, chunks;
    int nsum, width;              /* sums of a chunk; what is kept of each chunk, at least SURVEY */
    double *partial;              /* [chunk][width]: summed in this order whoever filled them */
    source_row row;               /* of the fit under way */
    int some_out;                 /* whether there are points that take no part */
    long sound;                   /* one that does */
    atomic_long next;
    void (*task)(long_fit *, member *, long chunk);
    pthread_mutex_t lock;         /* held to change what follows */
    pthread_cond_t begin, end;
    atomic_long round;
    atomic_int busy, leave;
};

/* ---- a block of points ---- */

/* As many more of the last of `count` points as fill the register. */
static void fill_register(double *points, long count) {
    for (long i = count; i % LANES; i++) points[i] = points[count - 1];
}

/* Points first to first + count of a row, and as many more of the last as fill the register. */
static void read_block(const strided_array *v, const char *row, long first, long count, double *out) {
    gslfit_strided_read(v, row, first, count, out, 1);
    fill_register(out, count);
}

/* What multiplies the residuals of a block's points; 0 of those that fill the register. */
static void read_weights(const long_fit *f, member *m, long first, long count) {
    gslfit_source_weights(&f->batch->source, &f->row, first, count, m->weights, m->room);
    for (long i = count; i % LANES; i++) m->weights[i] = 0;
}

/* A sum of a point's numbers, not finite where one of them isn't. */
static double sum_at(const long_fit *f, const member *m, long i) {
    double sum = m->y[i];
    for (int j = 0; j < f->batch->source.nx; j++) sum += m->x[j][i];
    return sum;
}

/* Leave out what takes no part: weight 0, and the numbers of a point that does, also where the last one fills the register. */
static void leave_out(const long_fit *f, member *m, long count) {
    const row_source *s = &f->batch->source;
    for (long i = 0; i < count; i++) {
        if (takes_part(s, m->weights[i], sum_at(f, m, i))) continue;
        m->weights[i] = m->y[i] = 0;
        for (int j = 0; j < s->nx; j++) gslfit_strided_read(s->x + j, f->row.x[j], f->sound, 1, m->x[j] + i, 1);
    }
    fill_register(m->y, count);
    for (int j = 0; j < s->nx; j++) fill_register(m->x[j], count);
}

/* ---- the two tasks: a look at the data, and the sums of a step ---- */

/* The square of a point's data, in units of their error: of counts they are it themselves. */
static double square_of(const long_fit *f, double data) { return f->batch->source.loss == LOSS_POISSON ? data : data * data; }

/* Survey a block whose numbers are all finite, so that only a weight of 0 leaves a point out; return 0 for any other. */
static int survey_block(const long_fit *f, const member *m, long count, double *used, double *square) {
    double squares[LANES] = {0};
    long out = 0;
    if (!all_finite(m->y, count) || !all_finite(m->weights, count)) return 0;
    for (int j = 0; j < f->batch->source.nx; j++)
        if (!all_finite(m->x[j], count)) return 0;
    for (long i = 0; i < count; i += LANES)
        for (int l = 0; l < LANES; l++) {
            const double r = m->y[i + l] * m->weights[i + l], s = square_of(f, r);
            squares[l] += r == 0 ? 0 : s < DBL_MIN ? DBL_MIN : s;
        }
    for (long i = 0; i < count; i++) out += m->weights[i] == 0;
    for (int l = 1; l < LANES; l++) squares[0] += squares[l];
    *used += (double)(count - out);
    *square += squares[0];
    return 1;
}

static void survey_chunk(long_fit *f, member *m, long chunk) {
    const row_source *s = &f->batch->source;
    const long last = (chunk + 1) * f->chunk < s->points ? (chunk + 1) * f->chunk : s->points;
    double used = 0, square = 0, bad = 0;
    for (long first = chunk * f->chunk; first < last; first += BLOCK) {
        const long count = last - first < BLOCK ? last - first : BLOCK;
        read_block(&s->y, f->row.y, first, count, m->y);
        read_weights(f, m, first, count);
        for (int j = 0; j < s->nx; j++) read_block(s->x + j, f->row.x[j], first, count, m->x[j]);
        if (survey_block(f, m, count, &used, &square)) continue;
        for (long i = 0; i < count; i++) {
            const double r = m->y[i] * m->weights[i], sum = sum_at(f, m, i);
            const int in = takes_part(s, m->weights[i], sum), finite = isfinite(sum + m->weights[i]);
            used += in && finite;
            bad += in && !finite;
            if (in && finite) square += r == 0 ? 0 : fmax(square_of(f, r), DBL_MIN);
        }
    }
    double *out = f->partial + chunk * f->width;
    out[0] = used;
    out[1] = square;
    out[2] = bad;
}

static void sum_chunk(long_fit *f, member *m, long chunk) {
    const row_source *s = &f->batch->source;
    workspace *w = m->space;
    const long last = (chunk + 1) * f->chunk < s->points ? (chunk + 1) * f->chunk : s->points;
    const double *x[MAX_VARIABLES];
    for (int j = 0; j < s->nx; j++) x[j] = m->x[j];
    memset(m->sums, 0, f->nsum * sizeof(lane_vector));
    const double *y = f->some_out ? NULL : gslfit_strided_in_place(&s->y, f->row.y);
    for (long first = chunk * f->chunk; first < last; first += BLOCK) {
        const long count = last - first < BLOCK ? last - first : BLOCK, points = (count + LANES - 1) / LANES;
        const int ragged = count % LANES != 0, weighted = s->weighted || f->some_out || ragged;
        for (int j = 0; j < s->nx; j++) read_block(s->x + j, f->row.x[j], first, count, m->x[j]);
        if (!y || ragged) read_block(&s->y, f->row.y, first, count, m->y);
        if (weighted) read_weights(f, m, first, count);
        if (f->some_out) leave_out(f, m, count);
        gslfit_workspace_block(w, x, 0, points, w->nbody);
        gslfit_workspace_sum_block(w, y && !ragged ? y + first : m->y, weighted ? m->weights : NULL, points, m->sums[0]);
    }
    gslfit_workspace_end_sums(w, m->sums[0]);
    for (int k = 0; k < f->nsum; k++) {
        const double *sum = m->sums[k];
        f->partial[chunk * f->width + k] = ((sum[0] + sum[1]) + (sum[2] + sum[3])) + ((sum[4] + sum[5]) + (sum[6] + sum[7]));
    }
}

/* ---- the thread pool ---- */

static void take_chunks(long_fit *f, member *m, int leader) {
    for (;;) {
        const long chunk = atomic_fetch_add(&f->next, 1);
        if (chunk >= f->chunks || gslfit_stopped(f->batch)) return;
        if (leader && gslfit_thread_check(f->thread)) return;
        f->task(f, m, chunk);
    }
}

static void breathe(void) {
#if defined(__x86_64__) && defined(__GNUC__)
    for (int k = 0; k < 8; k++) __builtin_ia32_pause();
#endif
}

/* Wait a moment for the next round, or for the end of this one. */
static void await_round(const long_fit *f, long seen) {
    const double begun = gslfit_seconds();
    while (atomic_load(&f->round) == seen && !atomic_load(&f->leave) && gslfit_seconds() - begun < SPIN) breathe();
}

static void await_others(const long_fit *f) {
    for (const double begun = gslfit_seconds(); atomic_load(&f->busy) && gslfit_seconds() - begun < SPIN;) breathe();
}

static void *member_main(void *which) {
    member *m = which;
    long_fit *f = m->fit;
    long seen = 0;
    gslfit_flush_subnormals();  /* in a thread that does nothing else */
    for (;;) {
        await_round(f, seen);
        pthread_mutex_lock(&f->lock);
        while (f->round == seen && !f->leave) pthread_cond_wait(&f->begin, &f->lock);
        seen = f->round;
        const int leave = f->leave;
        pthread_mutex_unlock(&f->lock);
        if (leave) return NULL;
        take_chunks(f, m, 0);
        pthread_mutex_lock(&f->lock);
        if (!--f->busy) pthread_cond_signal(&f->end);
        pthread_mutex_unlock(&f->lock);
    }
}

/* Have a task done for every chunk. */
static void share(long_fit *f, void (*task)(long_fit *, member *, long)) {
    pthread_mutex_lock(&f->lock);
    f->task = task;
    atomic_store(&f->next, 0);
    f->busy = f->started;
    f->round++;
    pthread_cond_broadcast(&f->begin);
    pthread_mutex_unlock(&f->lock);
    take_chunks(f, f->members[0], 1);
    await_others(f);
    pthread_mutex_lock(&f->lock);
    while (f->busy) pthread_cond_wait(&f->end, &f->lock);
    pthread_mutex_unlock(&f->lock);
}

/* The chunks' first `count` numbers summed pairwise, in place: the sums are the first chunk's then. */
static const double *total(long_fit *f, int count) {
    for (long step = 1; step < f->chunks; step *= 2)
        for (long chunk = 0; chunk + step < f->chunks; chunk += 2 * step) {
            double *sums = f->partial + chunk * f->width;
            for (int k = 0; k < count; k++) sums[k] += sums[step * f->width + k];
        }
    return f->partial;
}

/* ---- as the lanes see it ---- */

static void evaluate(worker *w) {
    thread *t = w->context;
    long_fit *f = t->long_fit;
    const program *p = w->program;
    double v[MAX_FREE], inputs[MAX_INPUTS];
    for (int k = 0; k < p->nfree; k++) v[k] = w->space->scalars[k * LANES];
    for (int k = 0; k < p->ninput; k++) inputs[k] = w->space->scalars[(p->nfree + k) * LANES];
    for (int k = 0; k < f->sharing; k++) {
        gslfit_workspace_set(f->members[k]->space, v, inputs);
        if (w->space->loss) gslfit_workspace_stage(f->members[k]->space, w->space);
    }
    share(f, sum_chunk);
    const double *sums = total(f, f->nsum);
    for (int k = 0; k < f->nsum; k++)
        for (int l = 0; l < LANES; l++) w->state->sums[k][l] = sums[k];
}

/* The first point that takes part. */
static long find_sound(long_fit *f) {
    const row_source *s = &f->batch->source;
    for (long i = 0; i < s->points; i++) {
        double y, weight, x, sum, room;
        gslfit_strided_read(&s->y, f->row.y, i, 1, &y, 1);
        gslfit_source_weights(s, &f->row, i, 1, &weight, &room);
        sum = y;
        for (int j = 0; j < s->nx; j++) {
            gslfit_strided_read(s->x + j, f->row.x[j], i, 1, &x, 1);
            sum += x;
        }
        if (takes_part(s, weight, sum)) return i;
    }
    return 0;
}

/* By a robust loss: the squares without what is out of sight, which is rare, and what the cost counts for. */
GSLFIT_RARE static void count_in_sight(long_fit *f, double scale, next_fit *fit) {
    const row_source *s = &f->batch->source;
    member *m = f->members[0];
    gslfit_sizes sizes = {.scale = scale};
    fit->most = gslfit_counted_cost(s->loss, scale, fit->count);
    if (!gslfit_may_be_out_of_sight(s->loss, scale, fit->square)) return;
    for (long first = 0; first < s->points; first += BLOCK) {
        const long count = s->points - first < BLOCK ? s->points - first : BLOCK;
        read_block(&s->y, f->row.y, first, count, m->y);
        read_weights(f, m, first, count);
        for (long i = 0; i < count; i++) m->y[i] *= m->weights[i];
        gslfit_sizes_add(&sizes, m->y, count);
    }
    fit->square = gslfit_sizes_square(&sizes, fit->square);
}

int gslfit_long_fit_load(thread *t, long id, next_fit *fit) {
    long_fit *f = t->long_fit;
    gslfit_source_find(&f->batch->source, id, &f->row);
    share(f, survey_chunk);
    const double *sums = total(f, SURVEY);
    fit->count = sums[0];
    fit->square = sums[1];
    fit->taken = 0;
    if (sums[2] > 0) return 0;
    count_in_sight(f, gslfit_source_scale(&f->batch->source, id), fit);
    for (int k = 0; f->batch->source.loss && k < f->sharing; k++)
        for (int l = 0; l < LANES; l++) gslfit_workspace_scale(f->members[k]->space, l, gslfit_source_scale(&f->batch->source, id));
    if ((f->some_out = sums[0] < (double)f->batch->source.points)) f->sound = find_sound(f);
    return 1;
}

/* ---- coming and going ---- */

void gslfit_long_fit_free(long_fit *f) {
    if (!f) return;
    pthread_mutex_lock(&f->lock);
    f->leave = 1;
    pthread_cond_broadcast(&f->begin);
    pthread_mutex_unlock(&f->lock);
    for (int k = 1; k <= f->started; k++) pthread_join(f->members[k]->handle, NULL);
    for (int k = 0; k < f->sharing && f->members; k++) {
        if (!f->members[k]) continue;
        gslfit_workspace_free(f->members[k]->space);
        free(f->members[k]->sums);
        free(f->members[k]);
    }
    free(f->members);
    free(f->partial);
    pthread_mutex_destroy(&f->lock);
    pthread_cond_destroy(&f->begin);
    pthread_cond_destroy(&f->end);
    free(f);
}

static member *member_new(long_fit *f) {
    member *m = NULL;
    if (posix_memalign((void **)&m, 64, sizeof *m)) return NULL;
    memset(m, 0, sizeof *m);
    m->fit = f;
    m->space = gslfit_workspace_new(f->batch->program);
    if (posix_memalign((void **)&m->sums, 64, f->nsum * sizeof(lane_vector))) m->sums = NULL;
    if (m->space && gslfit_workspace_loss(m->space, f->batch->source.loss)) {
        gslfit_workspace_free(m->space);
        m->space = NULL;
    }
    return m;
}

long_fit *gslfit_long_fit_new(thread *t) {
    const long points = t->batch->source.points;
    long_fit *f = calloc(1, sizeof *f);
    if (!f) return NULL;
    f->thread = t;
    f->batch = t->batch;
    f->sharing = t->sharing > 1 ? t->sharing : 1;
    f->nsum = t->worker.state->nsum;
    f->width = f->nsum > SURVEY ? f->nsum : SURVEY;
    f->chunk = (points / MOST_CHUNKS + BLOCK) / BLOCK * BLOCK;
    if (f->chunk < CHUNK) f->chunk = CHUNK;
    f->chunks = (points + f->chunk - 1) / f->chunk;
    if (f->sharing > f->chunks) f->sharing = (int)f->chunks; /* nothing to do for more */
    pthread_mutex_init(&f->lock, NULL);
    pthread_cond_init(&f->begin, NULL);
    pthread_cond_init(&f->end, NULL);
    f->partial = calloc((size_t)f->chunks * f->width, sizeof(double));
    f->members = calloc(f->sharing, sizeof *f->members);
    int sound = f->partial && f->members;
    for (int k = 0; k < f->sharing && sound; k++) {
        f->members[k] = member_new(f);
        sound = f->members[k] && f->members[k]->space && f->members[k]->sums;
    }
    for (int k = 1; k < f->sharing && sound; k++, f->started++)
        if (pthread_create(&f->members[k]->handle, NULL, member_main, f->members[k])) break;
    if (!sound) {
        gslfit_long_fit_free(f);
        return NULL;
    }
    t->worker.lanes = 1;
    t->worker.evaluate = evaluate;
    return f;
}
