#include "folding.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const double FAR_AWAY = 1e15;  /* steps of the grid: a response that is moved further has left it */

void gslfit_folding_free(folding *f) {
    if (!f) return;
    free(f->memory);
    free(f);
}

static double *part(double **memory, size_t count) {
    double *start = *memory;
    *memory += (count + 7) / 8 * 8;
    return start;
}

static int room(folding *f, int outcomes) {
    const measured_response *r = f->response;
    const size_t n = (size_t)r->n, count = (size_t)r->count, taps = f->moves ? 2 * n : 0, most = f->moves ? 2 * n : count;
    const size_t beside = f->moves ? n : 0;
    const size_t size = LANES * (count + 2 * taps + n + n * (f->columns + outcomes) + 3 * beside) + 2 * most + 11 * 8;
    if (posix_memalign((void **)&f->memory, 64, size * sizeof(double))) return -1;
    double *memory = memset(f->memory, 0, size * sizeof(double));
    f->numbers = part(&memory, count * LANES);
    f->taps = part(&memory, taps * LANES);
    f->slopes = part(&memory, taps * LANES);
    f->grid = part(&memory, n * LANES);
    f->plain = part(&memory, n * LANES * f->columns);
    f->folded = part(&memory, n * LANES * outcomes);
    f->turned = part(&memory, 2 * most);
    f->ones = part(&memory, beside * LANES);
    f->beside = part(&memory, beside * LANES);
    f->slid = part(&memory, beside * LANES);
    return 0;
}

/* The derivative of the plain value by the variable that moves the response, where it is the same at all points; NULL for 0. */
static const double *level_of(const workspace *w, int shift) {
    const program *p = w->program;
    const int constant = ~p->outputs[1 + shift] - p->nfree - p->ninput;
    return constant >= 0 && constant < p->nconstant && p->constants[constant] == 0 ? NULL : w->factor[shift];
}

/* Where columns go: constant ones share that of ones, and a variable that moves the response has one of its own: that of its derivative in
 * the formula, where an expression has it there too. */
static void place_columns(workspace *w, folding *f) {
    const int varying = w->ncolumn, shift = f->shifts ? f->response->shift : -1;
    f->apart = f->shifts && w->place[shift] < 0;
    f->level = f->apart ? level_of(w, shift) : NULL;
    w->spread_ones = 0;
    for (int j = 0; j < w->program->nfree; j++) w->spread_ones |= w->place[j] < 0 && j != shift;
    for (int j = 0; j < w->program->nfree; j++)
        if (w->place[j] < 0) w->place[j] = j == shift ? varying + w->spread_ones : varying;
    if (f->shifts) w->factor[shift] = NULL;
    w->ncolumn += w->spread_ones + f->apart;
    w->ones = 0;
}

int gslfit_folding_new(workspace *w) {
    const measured_response *r = w->program->response;
    folding *f = w->folding = calloc(1, sizeof *f);
    if (!f) return -1;
    f->response = r;
    f->shifts = r->shift >= 0 && r->shift < w->program->nfree;
    f->moves = r->shift >= 0 || r->moved != 0;
    place_columns(w, f);
    f->columns = 1 + w->ncolumn - f->apart;
    if (room(f, 1 + w->ncolumn)) return -1;
    for (long i = 0; i < r->n; i++)
        for (int l = 0; l < LANES; l++) f->grid[i * LANES + l] = r->x[i];
    for (long i = 0; w->spread_ones && i < r->n * LANES; i++) f->plain[(f->columns - 1) * r->n * LANES + i] = 1;
    for (long i = 0; f->moves && i < r->n * LANES; i++) f->ones[i] = 1;
    for (long i = 0; r->numbers && i < r->count; i++)
        for (int l = 0; l < LANES; l++) f->numbers[i * LANES + l] = r->numbers[i];
    f->present = (convolution){f->numbers, r->count, r->centre, r->n};
    return 0;
}

long gslfit_response_index(const measured_response *r, double x) {
    const double place = rint((x - r->x[0]) / r->step);
    return place > 0 ? place < (double)r->n ? (long)place : r->n - 1 : 0;
}

void gslfit_workspace_respond(workspace *w, int lane, const strided_array *responses, long row) {
    folding *f = w->folding;
    const long count = f->response->count;
    gslfit_strided_read(responses, gslfit_strided_row(responses, row), 0, count, f->numbers + (lane < 0 ? 0 : lane), LANES);
    for (long i = 0; lane < 0 && i < count; i++)
        for (int l = 1; l < LANES; l++) f->numbers[i * LANES + l] = f->numbers[i * LANES];
}

/* ---- a response that is moved ---- */

/* Of a shift, in steps of the grid, the whole part; and the rest, NaN where it is no number. */
static long whole_steps(double shift, double *rest) {
    const double within = shift > FAR_AWAY ? FAR_AWAY : shift < -FAR_AWAY ? -FAR_AWAY : shift, steps = floor(within);
    *rest = within - steps;
    return isfinite(within) ? (long)steps : 0;
}

/* The taps of each lane at its present shift, and their slopes, over all that any lane needs of them. */
static void move(workspace *w) {
    folding *f = w->folding;
    const measured_response *r = f->response;
    long *steps = f->steps, first = r->centre + r->n, last = r->centre - r->n;
    double rest[LANES];
    if (!f->moves) return;
    for (int l = 0; l < LANES; l++) {
        steps[l] = whole_steps((r->shift < 0 ? r->moved : w->scalars[r->shift * LANES + l]) / r->step, rest + l);
        first = steps[l] < first ? steps[l] : first;
        last = steps[l] + r->count > last ? steps[l] + r->count : last;
    }
    first = first > r->centre - r->n + 1 ? first : r->centre - r->n + 1;
    last = last < r->centre + r->n - 1 ? last : r->centre + r->n - 1;
    for (int l = 0; l < LANES; l++)
        for (long t = first; t <= last; t++) {
            const long at = t - steps[l];
            const double here = at >= 0 && at < r->count ? f->numbers[at * LANES + l] : 0;
            const double before = at > 0 && at <= r->count ? f->numbers[(at - 1) * LANES + l] : 0;
            f->taps[(t - first) * LANES + l] = (1 - rest[l]) * here + rest[l] * before;
            f->slopes[(t - first) * LANES + l] = (before - here) / r->step;
        }
    f->present = (convolution){f->taps, last >= first ? last - first + 1 : 0, r->centre - first, r->n};
}

/* ---- a fit in each lane ---- */

static long limited(long place, long count) {
    return place < 0 ? 0 : place < count ? place : count;
}

static int any_not_finite(const double *in, long n, int lane) {
    for (long i = 0; i < n; i++)
        if (!isfinite(in[i * LANES + lane])) return 1;
    return 0;
}

/* Fold columns by taps, or slopes. Where a lane has numbers that aren't finite, it is folded by its own taps alone: the others of its
 * neighbours are 0 in it, and 0 times infinity is no number. */
static void fold_columns(const workspace *w, const double *taps, const double *in, double *out, int count) {
    const folding *f = w->folding;
    const long n = f->response->n, first = f->response->centre - f->present.centre, apart = n * LANES;
    convolution all = f->present;
    all.taps = taps;
    w->isa->convolve(&all, in, out, count);
    for (int l = 0; f->moves && l < LANES; l++) {
        const long begin = limited(f->steps[l] - first, all.count), end = limited(f->steps[l] - first + f->response->count + 1, all.count);
        if (end - begin == all.count) continue;
        const convolution own = {taps + begin * LANES, end - begin, all.centre - begin, n};
        for (int j = 0; j < count; j++) {
            if (!any_not_finite(in + j * apart, n, l)) continue;
            w->isa->convolve(&own, in + j * apart, f->beside, 1);
            for (long i = 0; i < n; i++) out[j * apart + i * LANES + l] = f->beside[i * LANES + l];
        }
    }
}

/* The column of the variable that moves the response: what its slopes give, and what the formula's own derivative does. */
static void fold_shift(const workspace *w) {
    const folding *f = w->folding;
    const long apart = f->response->n * LANES;
    double *own = f->folded + (w->place[f->response->shift] + 1) * apart, *slid = f->level || !f->apart ? f->slid : own;
    if (f->level) fold_columns(w, f->present.taps, f->ones, own, 1);
    fold_columns(w, f->slopes, f->plain, slid, 1);
    for (long i = 0; slid != own && i < apart; i++) own[i] = (f->level ? f->level[i % LANES] : 1) * own[i] + slid[i];
}

/* Value and columns of all points of the grid, folded. */
static void fold(workspace *w) {
    folding *f = w->folding;
    const long n = f->response->n, apart = n * LANES;
    const double *x[1] = {f->grid};
    const int varying = f->columns - 1 - w->spread_ones;
    for (long first = 0; first < n; first += POINTS) {
        const long offset = first * LANES, size = (n - first < POINTS ? n - first : POINTS) * LANES;
        gslfit_workspace_block(w, x, offset, size / LANES, w->nbody);
        memcpy(f->plain + offset, w->value, size * sizeof(double));
        for (int j = 0; j < varying; j++) memcpy(f->plain + (j + 1) * apart + offset, w->columns[j], size * sizeof(double));
    }
    move(w);
    fold_columns(w, f->present.taps, f->plain, f->folded, f->columns);
    if (f->shifts) fold_shift(w);
}

/* A point that takes no part is 0, whatever the model is there. */
static void leave_out(workspace *w, const double *weights) {
    folding *f = w->folding;
    const long apart = f->response->n * LANES;
    for (long i = 0; weights && i < apart; i++)
        for (int j = 0; weights[i] == 0 && j <= w->ncolumn; j++) f->folded[j * apart + i] = 0;
}

void gslfit_folded_sums(workspace *w, const double *y, const double *weights, double *sums, double *squared) {
    const folding *f = w->folding;
    const long n = f->response->n;
    const double *columns[MAX_FREE + 1];
    fold(w);
    leave_out(w, weights);
    for (long first = 0; first < n; first += POINTS) {
        const long offset = first * LANES;
        for (int j = 0; j < w->ncolumn; j++) columns[j] = f->folded + (j + 1) * n * LANES + offset;
        const block_columns block = {f->folded + offset, y + offset, weights ? weights + offset : NULL, columns, w->ncolumn, 0, w->scratch};
        gslfit_workspace_sum_columns(w, &block, n - first < POINTS ? n - first : POINTS, sums, squared);
    }
    if (!squared) gslfit_workspace_end_sums(w, sums);
}

/* ---- the points of one fit in the lanes ---- */

/* Value and columns of all points of the grid, not folded, each column side by side. */
static void evaluate_grid(workspace *w, int all) {
    folding *f = w->folding;
    const measured_response *r = f->response;
    const int varying = f->columns - 1 - w->spread_ones;
    _Alignas(64) double points[BLOCK];
    const double *x[1] = {points};
    for (long first = 0; first < r->n; first += BLOCK) {
        const long count = r->n - first < BLOCK ? r->n - first : BLOCK;
        memcpy(points, r->x + first, count * sizeof(double));
        for (long i = count; i % LANES; i++) points[i] = points[count - 1];
        gslfit_workspace_block(w, x, 0, (count + LANES - 1) / LANES, all ? w->nbody : w->nvalue);
        memcpy(f->plain + first, w->value, count * sizeof(double));
        for (int j = 0; all && j < varying; j++)
            memcpy(f->plain + (j + 1) * r->n * LANES + first, w->columns[j], count * sizeof(double));
    }
}

static void turn(double *out, const double *taps, long count) {
    for (long t = 0; t < count; t++) out[t] = taps[(count - 1 - t) * LANES];
}

/* Point i of a column, folded with taps from the last to the first. */
static double folded_at(const workspace *w, const double *turned, const double *column, long i) {
    const convolution *c = &w->folding->present;
    const long end = i + c->centre < c->n ? i + c->centre + 1 : c->n, from = i + c->centre - c->count + 1, begin = from > 0 ? from : 0;
    return end > begin ? w->isa->dot(column + begin, turned + (begin - from), end - begin) : 0;
}

void gslfit_folded_evaluate(workspace *w, const double *v, const double *inputs, const double *x, long n, double *value, double *jacobian,
                            long row, long column) {
    folding *f = w->folding;
    const long apart = f->response->n * LANES;
    gslfit_workspace_set(w, v, inputs);
    evaluate_grid(w, jacobian != NULL);
    move(w);
    double *taps = f->turned, *slopes = f->turned + f->present.count;
    turn(taps, f->present.taps, f->present.count);
    if (f->shifts) turn(slopes, f->slopes, f->present.count);
    for (long k = 0; k < n; k++) {
        const long i = gslfit_response_index(f->response, x[k]);
        if (value) value[k] = folded_at(w, taps, f->plain, i);
        for (int j = 0; jacobian && j < w->program->nfree; j++) {
            const int moves = f->shifts && j == f->response->shift;
            double found = moves ? folded_at(w, slopes, f->plain, i) : 0;
            if (moves && f->level) found += folded_at(w, taps, f->ones, i) * f->level[0];
            if (!moves || !f->apart) found += folded_at(w, taps, f->plain + (w->place[j] + 1) * apart, i);
            jacobian[k * row + j * column] = w->factor[j] ? found * w->factor[j][0] : found;
        }
    }
}
