#include "polisher.h"
#include "common/linalg.h"
#include "common/qr.h"
#include "objective/counted.h"
#include "program/linear_start.h"
#include "program/loss_points.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_TURNS = 40 };
static const double BESIDE = 1e-5;      /* share by which a refit beside a minimum may still be too long */
static const double INDEPENDENT = 1e-10; /* length of what is left of a column of length 1 beside others, and tells more than rounding */
static const double LOST = 1e-6;         /* part of a direction along what is not determined above which it has no error */
static const double ROUNDING = 4e-16;  /* steps below this share of residual or model move nothing */

static double norm(const double *a, long n) { return gslfit_norm(gslfit_dot(a, a, n), a, n, 1); }

void gslfit_polisher_free(polisher *s) {
    if (!s) return;
    gslfit_workspace_free(s->space);
    free(s->memory);
    free(s);
}

workspace *gslfit_polisher_space(polisher *s) { return s->space; }

polisher *gslfit_polisher_new(const program *code, long points) {
    polisher *s = calloc(1, sizeof *s);
    if (!s) return NULL;
    const size_t p = code->nfree, n = points;
    s->p = code->nfree;
    s->points = points;
    s->space = gslfit_workspace_new(code);
    s->memory = malloc((n * (p + 3) + p * p + 2 * p + 1) * sizeof(double));
    if (!s->space || !s->memory) {
        gslfit_polisher_free(s);
        return NULL;
    }
    s->J = s->memory;
    s->inverse = s->J + n * (p + 1);
    s->step = s->inverse + p * p;
    s->trial = s->step + p;
    s->room = s->trial + p;
    s->factors = s->room + n;
    gslfit_nonlinear(code, s->bending);
    s->some_bend = code->linear && !gslfit_is_linear(code);
    return s;
}

/* ---- residual and Jacobian ---- */

/* The length of a number of each point, weighted. */
static double weighted_norm(polisher *s, const fit_points *points, const double *numbers) {
    if (!points->weights && !points->factor) return norm(numbers, points->n);
    memcpy(s->room, numbers, points->n * sizeof *numbers);
    gslfit_points_weigh(points, s->room, 1);
    return norm(s->room, points->n);
}

/* Turn the model's values into the residuals of a step, at v. Returns what multiplies the Jacobian's rows. */
static fit_points take_residuals(polisher *s, double *r) {
    const long n = s->n;
    fit_points weighed = *s->data->points;
    if (!weighed.loss) {
        s->model = weighted_norm(s, &weighed, r);
        gslfit_points_residuals(&weighed, r);
        s->residual = s->counted = norm(r, n);
        return weighed;
    }
    memcpy(s->room, r, n * sizeof *r);
    s->residual = sqrt(gslfit_points_step(&weighed, r, s->factors));
    s->counted = fmin(s->residual, sqrt(gslfit_counted_cost(weighed.loss, weighed.scale, n)));
    weighed.weights = s->factors;
    gslfit_points_weigh(&weighed, s->room, 1);
    s->model = norm(s->room, n);
    return weighed;
}

/* Residual and Jacobian at v, weighted, columns scaled to length 1 (a column of zeros stays one). Returns whether all is finite. */
int gslfit_polisher_take(polisher *s, const double *v) {
    const polish_data *d = s->data;
    const long n = s->n;
    double *r = s->J + s->p * n;
    gslfit_workspace_evaluate(s->space, v, d->inputs, d->points->x, n, r, s->J, 1, n);
    const fit_points weighed = take_residuals(s, r);
    for (int j = 0; j < s->p; j++) {
        gslfit_points_weigh(&weighed, s->J + j * n, 1);
        const double length = s->lengths[j] = norm(s->J + j * n, n);
        if (!isfinite(length)) return 0;
        if (length < DBL_MIN) s->lengths[j] = 0;  /* subnormal numbers have no digits: as good as zeros */
        for (long i = 0; i < n && length > 0; i++) s->J[j * n + i] = length < DBL_MIN ? 0 : s->J[j * n + i] / length;
    }
    return isfinite(s->residual);
}

double gslfit_polish_length(polisher *s, const polish_data *d, const double *v) {
    const long n = d->points->n;
    double *r = s->J + s->p * n;
    gslfit_workspace_evaluate(s->space, v, d->inputs, d->points->x, n, r, NULL, 0, 0);
    gslfit_points_bend(d->points, r, s->factors);
    return norm(r, n);
}

/* Which columns count: neither flagged nor zero nor held at a bound. */
static void sort_columns(polisher *s, const double *v, const unsigned char *flags, polished *end) {
    const polish_data *d = s->data;
    const double *r = s->J + s->p * s->n;
    s->left = s->held = 0;
    end->gradient = 0;
    for (int j = 0; j < s->p; j++) {
        const double own = s->residual > 0 ? gslfit_dot(s->J + j * s->n, r, s->n) / s->counted : 0;
        const double slope = s->released[j] ? s->multipliers[j] : own;
        end->norms[j] = s->lengths[j];
        end->slopes[j] = slope;
        end->bounds[j] = !d->low ? 0 : v[j] <= d->low[j] ? -1 : v[j] >= d->high[j];
        end->open[j] = !(s->lengths[j] > 0) || (flags && flags[j] & GSLFIT_SILENT);
        if (flags && flags[j]) continue;
        if (end->bounds[j] && !(slope * end->bounds[j] > 0)) {
            if (s->lengths[j] > 0) s->pushed[s->held++] = j;
            continue;
        }
        end->gradient = fmax(end->gradient, fabs(slope));
        if (s->lengths[j] > 0) s->order[s->left++] = j;
    }
}

/* ---- decomposition ---- */

/* QR of the scaled columns that count, the residual carried along, and the columns of what is held: R and the rank. */
static void decompose(polisher *s) {
    double *carried[MAX_FREE + 1];
    for (int k = 0; k < s->left; k++) s->R[k] = s->J + s->order[k] * s->n;
    for (int k = 0; k < s->held; k++) carried[k] = s->J + s->pushed[k] * s->n;
    carried[s->held] = s->J + s->p * s->n;
    s->rank = gslfit_qr(s->R, s->order, s->left, s->n, (double)s->n * DBL_EPSILON, carried, s->held + 1);
}

/* The multipliers of what is held: the part of its column, and of the residual, that the columns that count don't span. Where J's columns
 * are nearly dependent, the slope itself is next to 0 and has the sign of what the others still have to go. Returns whether one, beyond
 * rounding, leads inside: it counts from now on, and what is decomposed is to be taken again. */
static int release(polisher *s, polished *end) {
    const double *rest = s->J + s->p * s->n + s->rank;
    const long n = s->n - s->rank;
    int any = 0;
    for (int k = 0; k < s->held; k++) {
        const int j = s->pushed[k];
        const double *column = s->J + j * s->n + s->rank;
        const double beside = norm(column, n), push = gslfit_dot(column, rest, n);
        if (!(beside > INDEPENDENT)) continue;
        const double inwards = push * end->bounds[j], seen = GSLFIT_ROUNDING * (s->model * beside + s->counted);
        s->released[j] = inwards > fmax(GSLFIT_CLOSE * beside * s->counted, seen);
        s->multipliers[j] = end->slopes[j] = inwards > 0 && !s->released[j] ? 0 : push / s->counted;
        any |= s->released[j];
    }
    return any;
}

/* The step -R^-1 Q^T r in scaled variables, by number of the variable; returns the length of the change of the residual that it
 * promises. */
static double solve(polisher *s) {
    const double *q = s->J + s->p * s->n;
    double step[MAX_FREE], promised = 0;
    for (int k = s->rank - 1; k >= 0; k--) {
        step[k] = -q[k];
        promised = hypot(promised, q[k]);
    }
    gslfit_solve_upper(s->R, s->rank, step);
    for (int j = 0; j < s->p; j++) s->step[j] = 0;
    for (int k = 0; k < s->rank; k++) s->step[s->order[k]] = step[k];
    return promised;
}

/* The same without the variables that are marked (by place); s->inverse is room. What of Q^T r these would remove is taken from it. */
static double solve_without(polisher *s, const unsigned char *marked) {
    double *q = s->J + s->p * s->n, *columns[MAX_FREE], step[MAX_FREE], *carried = step, promised = 0;
    int order[MAX_FREE], count = 0;
    memcpy(step, q, s->rank * sizeof *q);
    for (int k = 0; k < s->rank; k++) {
        s->step[s->order[k]] = 0;
        if (marked[k]) continue;
        columns[count] = s->inverse + count * s->p;
        memset(columns[count], 0, s->rank * sizeof(double));
        memcpy(columns[count], s->R[k], (k + 1) * sizeof(double));
        order[count++] = s->order[k];
    }
    const int rank = gslfit_qr(columns, order, count, s->rank, (double)s->n * DBL_EPSILON, &carried, 1);
    gslfit_solve_upper(columns, rank, step);
    for (int k = 0; k < rank; k++) s->step[order[k]] = -step[k];
    for (int i = 0; i < s->rank; i++) {
        q[i] = 0;
        for (int k = i; k < s->rank; k++) q[i] -= s->R[k][i] * s->step[s->order[k]];
        promised = hypot(promised, q[i]);
    }
    return promised;
}

/* A variable that the step moves by its last digit at most stays as it is (a centre 1e12 widths from 0, whose digits the residual
 * sees); the step is that of the others. Returns what it promises. */
static double leave_last_digits(polisher *s, const double *v, double promised) {
    unsigned char stays[MAX_FREE] = {0};
    for (int any = 1; any && promised > GSLFIT_CLOSE * s->counted;) {
        any = 0;
        for (int k = 0; k < s->rank; k++) {
            const int j = s->order[k];
            if (stays[k] || !gslfit_is_last_digit(s->step[j] / s->lengths[j], v[j])) continue;
            stays[k] = any = 1;
        }
        if (any) promised = solve_without(s, stays);
    }
    return promised;
}

/* R^-1 of the independent columns, and which variables the dependent ones leave open. */
static void invert(polisher *s, polished *end) {
    double share[MAX_FREE];
    gslfit_invert_upper(s->R, s->rank, s->inverse, s->p);
    for (int j = s->rank; j < s->left; j++) {
        end->open[s->order[j]] = 1;
        gslfit_dependence(s->R, s->rank, j, share);
        for (int i = 0; i < s->rank; i++)
            if (fabs(share[i]) > 1e-6) end->open[s->order[i]] = 1;
    }
}

/* What is known at v, the columns taken and sorted: their decomposition and all that follows from it. */
static double settle(polisher *s, const double *v, polished *end) {
    decompose(s);
    const double whole = solve(s), promised = leave_last_digits(s, v, whole);
    end->length = s->residual;
    end->counted = s->counted;
    end->chisqr = s->residual * s->residual;
    end->model = s->model;
    end->rank = s->rank;
    end->cosine = end->promised = s->residual > 0 ? promised / s->counted : 0;
    if (promised != whole) end->gradient = fmin(end->gradient, end->cosine);
    return promised;
}

static void find_deviations(polisher *s, polished *end) {
    invert(s, end);
    for (int j = 0; j < s->p; j++) end->deviations[j] = end->open[j] ? NAN : 0;
    for (int i = 0; i < s->rank; i++) {
        const int j = s->order[i];
        double sum = 0;
        for (int k = i; k < s->rank; k++) sum += s->inverse[i * s->p + k] * s->inverse[i * s->p + k];
        if (!end->open[j]) end->deviations[j] = sqrt(sum) / s->lengths[j];
    }
}

/* Sort and decompose the columns taken at v, with what turns out to be held the wrong way. Returns whether all is finite. */
static int sort_and_settle(polisher *s, const double *v, const unsigned char *flags, polished *end, double *promised) {
    memset(s->released, 0, s->p);
    for (int turn = 0; turn <= s->p; turn++) {
        sort_columns(s, v, flags, end);
        if (!turn && end->residual) memcpy(end->residual, s->J + s->p * s->n, s->n * sizeof(double));
        *promised = settle(s, v, end);
        if (!(s->held && s->residual > 0 && release(s, end))) break;
        if (!gslfit_polisher_take(s, v)) return 0;
    }
    return 1;
}

static void begin(polisher *s, const polish_data *data, polished *end) {
    s->data = data;
    s->n = data->points->n;
    end->data = gslfit_points_data(data->points, s->room);
    end->settled = end->nfev = end->rank = end->disputed = end->unseen = end->kinked = 0;
    s->left = s->held = s->rank = 0;
    memset(s->released, 0, s->p);
    end->chisqr = end->gradient = end->length = end->counted = end->cosine = end->promised = NAN;
}

int gslfit_polish_look(polisher *s, const polish_data *data, const double *v, const unsigned char *flags, polished *end) {
    begin(s, data, end);
    end->nfev = 1;
    const int finite = gslfit_polisher_take(s, v);
    sort_columns(s, v, flags, end);
    end->length = s->residual;
    end->counted = s->counted;
    end->model = s->model;
    if (!finite) {
        s->left = s->held = 0; /* nothing of them is known */
        return 0;
    }
    double promised;
    if (!sort_and_settle(s, v, flags, end, &promised)) return 0;
    find_deviations(s, end);
    return 1;
}

int gslfit_polish_linear_start(polisher *s, const polish_data *data, const program *code, const double *v, double *start) {
    if (!code->amplitudes) return 0;
    s->data = data;
    s->n = data->points->n;
    return gslfit_polisher_take(s, v) &&
           gslfit_linear_start_of(code, s->n, s->J + s->p * s->n, s->J, s->lengths, v, data->low, data->high, start);
}

static double within(const polish_data *d, int j, double v) { return d->low ? fmin(d->high[j], fmax(d->low[j], v)) : v; }

/* ---- the steps ---- */

void gslfit_polish_curve(polisher *s, const polish_data *data, double *v, int most, polished *end) {
    const int p = s->p;
    double before = INFINITY;
    begin(s, data, end);
    if (most < 1 || !gslfit_polisher_take(s, v)) return;
    for (end->nfev = 1; end->nfev <= MOST_TURNS; end->nfev++) {
        const double residual = s->residual, counted = s->counted;
        int cut = 0;
        double promised, greatest = 0;
        if (!sort_and_settle(s, v, NULL, end, &promised)) return;
        const double least = ROUNDING * fmax(counted, s->model);
        for (int j = 0; j < p; j++) {
            const double full = v[j] + (s->step[j] != 0 ? s->step[j] / s->lengths[j] : 0);
            s->trial[j] = within(data, j, full);
            cut |= s->trial[j] != full;
            greatest = fmax(greatest, fabs(s->trial[j] - v[j]) / fmax(fabs(v[j]), 1e-300));
        }
        const int small = promised <= least || greatest <= 1e-15;
        if (small || (promised >= 0.8 * before && before <= 1e-11 * counted + 64 * least)) { /* down to rounding */
            end->settled = s->rank == s->left && s->left > 0;
            find_deviations(s, end);
            return;
        }
        if (promised >= 0.9 * before || end->nfev >= most) {
            find_deviations(s, end);
            return;
        }
        before = cut ? INFINITY : promised;
        if (!gslfit_polisher_take(s, s->trial) || s->residual > residual * (1 + 1e-10) + 16 * least) break;
        memcpy(v, s->trial, p * sizeof *v);
    }
    const int used = end->nfev;
    gslfit_polish_look(s, data, v, NULL, end);
    end->nfev = used + 1;
}

/* Take the step of what the model is linear in, which is as good however far that is off. */
static void step_straight(polisher *s, const polish_data *data, double *v, const unsigned char *flags, polished *at) {
    unsigned char out[MAX_FREE];
    double promised;
    for (int j = 0; j < s->p; j++) out[j] = flags[j] ? flags[j] : s->bending[j] ? GSLFIT_HELD : 0;
    if (!gslfit_polisher_take(s, v) || !sort_and_settle(s, v, out, at, &promised)) return;
    for (int j = 0; j < s->p; j++)
        if (!out[j] && s->step[j] != 0) v[j] = within(data, j, v[j] + s->step[j] / s->lengths[j]);
}

/* Try the step, and shorter ones, until the residual is shorter than `length`; x is where the last one led, its residual's length is
 * returned. */
static double try_step(polisher *s, const polish_data *data, const double *v, const unsigned char *flags, double length, int most,
                       int *used, double *x) {
    double found = INFINITY;
    for (double share = 1; share > 1e-2 && *used < most && !(found < length); share /= 4) {
        for (int j = 0; j < s->p; j++) {
            const double step = s->step[j] != 0 ? s->step[j] / s->lengths[j] : 0;
            x[j] = flags[j] ? v[j] : within(data, j, v[j] + share * step);
        }
        found = gslfit_polish_length(s, data, x);
        ++*used;
    }
    return found;
}

double gslfit_polish_beside(polisher *s, const polish_data *data, double *v, const unsigned char *flags, beside_step how, double gain,
                            int most, int *used) {
    const int p = s->p;
    double x[MAX_FREE];
    polished at;
    double length = INFINITY;
    at.residual = NULL;
    begin(s, data, &at);
    *used = how == STEP_STRAIGHT;
    if (how == STEP_STRAIGHT) step_straight(s, data, v, flags, &at);
    while (*used < most) {
        ++*used;
        if (!gslfit_polisher_take(s, v)) return length;
        length = s->residual;
        double promised;
        if (!sort_and_settle(s, v, flags, &at, &promised)) return length;
        if (promised <= BESIDE * length) return length;
        double kept[MAX_FREE], *q = s->J + p * s->n;
        memcpy(kept, q, s->rank * sizeof *q); /* a look at a residual writes over it */
        double found = try_step(s, data, v, flags, length, most, used, x);
        while (how == STEP_FEWER && s->rank > 1 && *used < most && !(found < length)) {
            memcpy(q, kept, --s->rank * sizeof *q);
            solve(s);
            found = try_step(s, data, v, flags, length, most, used, x);
        }
        if (!(found < length)) return length;
        memcpy(v, x, p * sizeof *v);
        if (found > length * (1 - gain)) return found;
        length = found;
    }
    return length;
}

void gslfit_polish_correlations(const polisher *s, const polished *end, double *correlations) {
    const int p = s->p;
    int place[MAX_FREE];
    for (int j = 0; j < p; j++) place[j] = -1;
    for (int i = 0; i < s->rank; i++) place[s->order[i]] = i;
    for (int i = 0; i < p; i++)
        for (int j = 0; j <= i; j++) {
            double sum = 0;
            const int a = place[i], b = place[j];
            for (int k = a > b ? a : b; a >= 0 && b >= 0 && k < s->rank; k++) sum += s->inverse[a * p + k] * s->inverse[b * p + k];
            const double scale = end->deviations[i] * s->lengths[i] * (end->deviations[j] * s->lengths[j]);
            correlations[i * (i + 1) / 2 + j] = isnan(scale) ? NAN : scale > 0 ? sum / scale : 0;
        }
}

double gslfit_polish_deviation(const polisher *s, const double *slopes) {
    const int rank = s->rank, p = s->p;
    double scaled[MAX_FREE], share[MAX_FREE], size = 0, most = 0, sum = 0;
    for (int k = 0; k < s->left; k++) {
        scaled[k] = slopes[s->order[k]] / s->lengths[s->order[k]];
        most = fmax(most, fabs(scaled[k]));
    }
    if (!(most > 0 && isfinite(most))) return most == 0 ? 0 : NAN;
    for (int k = 0; k < s->left; k++) size += scaled[k] / most * (scaled[k] / most);
    for (int c = rank; c < s->left; c++) { /* the null vector is (-share, 1) */
        double along = scaled[c] / most, square = 1;
        gslfit_dependence(s->R, rank, c, share);
        for (int i = 0; i < rank; i++) {
            along -= share[i] * (scaled[i] / most);
            square += share[i] * share[i];
        }
        if (!(fabs(along) <= LOST * sqrt(size * square))) return NAN;
    }
    for (int k = 0; k < rank; k++) {
        double part = 0;
        for (int i = 0; i <= k; i++) part += scaled[i] / most * s->inverse[i * p + k];
        sum += part * part;
    }
    return most * sqrt(sum);
}

int gslfit_polish_null(const polisher *s, int which, const double *size, double *direction) {
    const int p = s->p, rank = s->rank, place = rank + which;
    if (place >= s->left) return 0;
    for (int j = 0; j < p; j++) direction[j] = 0;
    double most = 0, share[MAX_FREE];
    const int extra = s->order[place];
    direction[extra] = 1 / s->lengths[extra];
    gslfit_dependence(s->R, rank, place, share);
    for (int i = 0; i < rank; i++) direction[s->order[i]] = -share[i] / s->lengths[s->order[i]];
    for (int j = 0; j < p; j++) most = fmax(most, fabs(direction[j]) / (size[j] > 0 ? size[j] : 1));
    for (int j = 0; j < p; j++) direction[j] /= most;
    return most > 0 && isfinite(most);
}

/* Whether the residual is at rounding, and a variable's whole size too: it may be without effect (judgement.h, `silent`). */
static int may_be_silent(const program *code, const double *v, const polished *end) {
    const double rounding = GSLFIT_ROUNDING * end->data;
    int any = 0;
    for (int k = 0; k < code->nfree; k++) any |= end->norms[k] * fabs(v[k]) <= rounding;
    return any && end->length <= rounding && !gslfit_is_linear(code);
}

/* Whether a parameter that began at `start` may be one that J does not determine (judgement.h, `gslfit_is_even`). */
static int may_be_even(const polisher *s, const double *start, const double *v, const polished *end) {
    int any = 0;
    for (int k = 0; k < s->p; k++) any |= s->bending[k] && gslfit_is_even(end->norms[k], fmax(fabs(start[k]), fabs(v[k])), end->length);
    return any;
}

int gslfit_polish(const program *code, const double *start, double *v, const polish_data *data, int most, double *correlations,
                  polished *end) {
    const int p = code->nfree;
    double triangle[MAX_FREE * (MAX_FREE + 1) / 2];
    polisher *s = gslfit_polisher_new(code, data->points->n);
    if (!s) return -1;
    end->settled = end->nfev = 0;
    if (data->points->n >= p) gslfit_polish_curve(s, data, v, most, end);
    end->settled = end->settled && s->left == p && !may_be_silent(code, v, end) && !(start && may_be_even(s, start, v, end));
    if (end->settled) {
        gslfit_polish_correlations(s, end, triangle);
        for (int i = 0; i < p; i++)
            for (int j = 0; j <= i; j++) correlations[i * p + j] = correlations[j * p + i] = triangle[i * (i + 1) / 2 + j];
    }
    gslfit_polisher_free(s);
    return 0;
}
