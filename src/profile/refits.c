#include "profile_state.h"

#include <math.h>
#include <string.h>
#include "common/subnormals.h"

enum { STEPS = 40, HALVINGS = 8 };
static const double SAME = 1e-13;   /* chi-squares that differ by less are equal: rounding */

typedef struct {
    long id;                        /* -1 for an idle lane */
    int steps, halvings;
    last_section last;
    double chisqr, x[MAX_FREE], trial[MAX_FREE];
} refit;

static void end(refit_job *job, refit *r, int settled) {
    const int p = job->program->nfree;
    memcpy(job->v + r->id * p, r->x, p * sizeof *r->x);
    job->chisqr[r->id] = r->chisqr;
    job->settled[r->id] = (int8_t)settled;
    r->id = -1;
}

/* Take the trial, or go half the way; then the next step, or the end. */
static void go_on(refit_job *job, const row_sums *t, int lane, refit *r) {
    const int p = job->program->nfree;
    section s;
    if (!gslfit_row_sums_finite(t, lane) || !(t->chisqr[lane] <= r->chisqr * (1 + SAME))) {
        if (isinf(r->chisqr) || ++r->halvings > HALVINGS) {
            if (isinf(r->chisqr)) r->chisqr = NAN;
            end(job, r, 0);
            return;
        }
        r->last.known = 0;
        for (int i = 0; i < p; i++) r->trial[i] = 0.5 * (r->x[i] + r->trial[i]);
        return;
    }
    r->chisqr = t->chisqr[lane];
    r->halvings = 0;
    memcpy(r->x, r->trial, p * sizeof *r->x);
    if (++r->steps > STEPS || !gslfit_section(t, lane, r->x, job->low, job->high, job->holds ? job->holds[r->id] : job->held, -1, &s)) {
        end(job, r, 0);
        return;
    }
    if (s.fall <= fmax(job->enough, job->share * (r->chisqr - job->floor))) {
        end(job, r, 1);
        return;
    }
    double step[MAX_FREE];
    gslfit_section_step(t, lane, r->x, &s, 0, &r->last, step);
    for (int i = 0; i < p; i++) r->trial[i] = fmin(job->high[i], fmax(job->low[i], r->x[i] + step[i]));
}

static void begin(refit_job *job, long id, refit *r) {
    const int p = job->program->nfree;
    *r = (refit){.id = id, .chisqr = INFINITY};
    memcpy(r->x, job->v + id * p, p * sizeof *r->x);
    memcpy(r->trial, r->x, p * sizeof *r->x);
}

void gslfit_refits_run(refit_job *job, row_sums *t) {
    refit lanes[LANES];
    long next = 0, running;
    for (int l = 0; l < LANES; l++) lanes[l].id = -1;
    do {
        running = 0;
        for (int l = 0; l < LANES; l++) {
            if (lanes[l].id < 0 && next < job->count) begin(job, next++, lanes + l);
            if (lanes[l].id < 0) continue;
            running++;
            gslfit_row_sums_set(t, l, lanes[l].trial);
        }
        if (running) gslfit_row_sums_evaluate(t);
        for (int l = 0; l < LANES; l++)
            if (lanes[l].id >= 0) go_on(job, t, l, lanes + l);
    } while (running);
}

int gslfit_profile_refit(refit_job *job) {
    row_sums t;
    const int memory = gslfit_row_sums_new(&t, job->program, &job->source, job->inputs);
    if (!memory) {
        const gslfit_float_mode mode = gslfit_flush_subnormals();
        if (gslfit_row_sums_load(&t, 0)) gslfit_refits_run(job, &t);
        else
            for (long id = 0; id < job->count; id++) job->chisqr[id] = NAN, job->settled[id] = 0;
        gslfit_float_mode_set(mode);
    }
    gslfit_row_sums_free(&t);
    return memory;
}
