#include "null_space.h"

#include <math.h>
#include <string.h>
#include "polisher.h"

/* evaluations of a refit beside the point; where that is to tell Newton from Gauss-Newton, in digits that both just see */
enum { MOST_BESIDE = 12, MOST_DISPUTED = 24 };
/* of a variable, or of its size, that it is moved by, to both sides; no number of them leads to 0, where what enters squared is silent */
static const double SHARES[] = {0.5, 0.19, 0.05};
enum { WAYS = 6 };                       /* for each span: shares and sides */
enum { SLOWLY = 1, MOST_MOVES = 8 };     /* a share that is taken so often where chi-square stays over less than can be seen: a step that
                                          * sharpens for ever */
enum { SCALES = 11, UNIT = 6 };          /* of a way of a variable that has no column, and no size; which of them is 1 */
static const double FINEST = 0x1p-36, WIDER = 64;               /* the first one (64^-6), and each by what it is longer than the last */
static const double TOGETHER[] = {0.1, 1e-2, 1e-3};     /* roots of the share by which the residual's length rises over a move */
enum { STRIDES = 14 };                   /* along each side of a ray, */
static const double LONGER = 8;          /* each longer than the last by this */
static const double VAST = 10;           /* times a variable's size that its error may be, and it counts as determined */
static const double SHRUNK = 1e-4;       /* of a variable's size at the start: one that has shrunk to less is measured by itself */
static const double STAYS = 1e-8;        /* share by which the residual's length rises at least where it does not stay */
static const double ROUGHLY = 1e-5;      /* share by which each step of a refit shortens it, where nobody asks whether it stays */
static const double VISIBLE = 1e-2;      /* of the residual's length: what a move changes it by, were the others not refitted */
static const double ROSE = 1e-3;         /* share of it that is more than a move along a flat valley ought to cost */

static double within(const polish_data *d, int j, double v) { return d->low ? fmin(d->high[j], fmax(d->low[j], v)) : v; }

int gslfit_null_space_has(const polished *end, int k, double sigma, double value, double size) {
    const double error = sigma * end->deviations[k];
    return end->norms[k] > 0 && (end->open[k] || error > VAST * size || (value < SHRUNK * size && error > VAST * value));
}

/* Refit the others beside x, whose variables with a flag stay, in at most `most` evaluations, or twice that if as many are `left`; say
 * how long the residual is then. A move along a valley that is bent by powers of e leaves amplitudes off by as many, and Gauss-Newton
 * steps of all together lead astray: where chi-square seems to rise, it is refitted once more, and what the model is linear in goes
 * first. Where it rises by next to nothing along what may have run off (`runs`), the refit goes on until that is sure. */
static double refitted(polisher *s, const polish_data *data, double *x, const unsigned char *flags, int open, int runs, double length,
                       int most, int left, int *spent) {
    const double gain = open ? STAYS / 10 : ROUGHLY;
    double other[MAX_FREE];
    int more;
    memcpy(other, x, s->p * sizeof *x);
    const double found = gslfit_polish_beside(s, data, x, flags, open ? STEP_FEWER : STEP_TOGETHER, gain, most, spent);
    if (runs && found > length * (1 + STAYS) && found <= length * (1 + ROSE) && *spent + most <= left) {
        const double closer = gslfit_polish_beside(s, data, x, flags, STEP_TOGETHER, STAYS / 10, most, &more);
        *spent += more;
        return closer;
    }
    if (!open || !s->some_bend || found <= length * (1 + ROSE) || *spent + most > left) return found;
    const double again = gslfit_polish_beside(s, data, other, flags, STEP_STRAIGHT, gain, most, &more);
    *spent += more;
    if (!(again < found) && isfinite(found)) return found;
    memcpy(x, other, s->p * sizeof *x);
    return again;
}

null_space_slope gslfit_null_space_follow(polisher *s, const polish_data *data, double *v, const double *size, int full, double rounding,
                                          int most, const polished *end, int *used) {
    const int p = s->p;
    const double length = end->length, least = length * (1 - GSLFIT_FALL) - rounding, plain = length * (1 + STAYS) + rounding;
    unsigned char open[MAX_FREE], runs[MAX_FREE], flags[MAX_FREE];
    const int refit = end->disputed ? MOST_DISPUTED : MOST_BESIDE;
    null_space_slope slope = NULL_SPACE_RISES;
    const double sigma = length / sqrt(s->n > p ? s->n - p : 1);
    for (int k = 0; k < p; k++) {
        open[k] = gslfit_null_space_has(end, k, sigma, fabs(v[k]), size[k]) || (end->disputed && end->deviations[k] != 0);
        /* at a minimum that is far from certain, Gauss-Newton promises no more than Newton; out on a plain it promises much */
        runs[k] = full && end->promised > GSLFIT_CLOSE && sigma * end->deviations[k] > GSLFIT_VAGUE * size[k];
    }
    for (int way = 0; way < 4 * WAYS; way++)
        for (int k = 0; k < p; k++) {
            if (!open[k]) continue;
            const double spans[] = {fabs(v[k]), size[k], length / end->norms[k], sigma * end->deviations[k]}, span = spans[way / WAYS];
            const int which = way / WAYS, share = way % WAYS / 2, times = share == SLOWLY && which < 2 && end->open[k] ? MOST_MOVES : 1;
            double x[MAX_FREE];
            int spent;
            if (!(span > 0) || (which >= 1 && span == fabs(v[k])) || (which >= 3 && !(end->disputed && span < size[k]))) continue;
            memcpy(x, v, p * sizeof *x);
            memset(flags, 0, p);
            flags[k] = GSLFIT_HELD;
            for (int time = 0; time < times; time++) {
                if (*used + refit > most) return NULL_SPACE_UNSEEN;
                const double before = x[k];
                x[k] = within(data, k, before + (way & 1 ? span : -span) * SHARES[share]);
                if (x[k] == before) break;
                const double found = refitted(s, data, x, flags, end->open[k], runs[k], length, refit, most - *used, &spent);
                *used += spent;
                if (found < least) {
                    memcpy(v, x, p * sizeof *v);
                    return NULL_SPACE_FALLS;
                }
                if (!(found <= plain)) break;
                if (full && (runs[k] || end->open[k]) && end->norms[k] * fabs(x[k] - v[k]) > VISIBLE * length) {
                    slope = NULL_SPACE_FLAT;
                    break;
                }
            }
        }
    return slope;
}

/* Where a stride leads. Returns whether that is another place, and no variable is kept back by a bound. */
static int stride_to(const polisher *s, const polish_data *data, const double *v, const double *ray, double far, double *x) {
    int moved = 0, free = 1;
    for (int j = 0; j < s->p; j++) {
        const double to = v[j] + far * ray[j];
        x[j] = within(data, j, to);
        moved |= x[j] != v[j];
        free &= x[j] == to;
    }
    return moved && free;
}

/* What rounding of the variables leaves of the residual's length where the polisher has taken it: the parts of columns that cancel. */
static double left_to_rounding(const polisher *s, const double *x) {
    double most = 0;
    for (int j = 0; j < s->p; j++) most = fmax(most, s->lengths[j] * fabs(x[j]));
    return GSLFIT_ROUNDING * most;
}

/* Whether x with variables i and j moved by such parts of their `moves` is lower; it is then `best`. */
static int try_moved(polisher *s, const polish_data *data, const double *x, const double *moves, int i, double by_i, int j, double by_j,
                     double *lowest, double *best) {
    double at[MAX_FREE];
    memcpy(at, x, s->p * sizeof *x);
    at[i] = within(data, i, x[i] + by_i * moves[i]);
    at[j] = within(data, j, x[j] + by_j * moves[j]);
    const double found = gslfit_polish_length(s, data, at);
    if (!(found < *lowest)) return 0;
    memcpy(best, at, s->p * sizeof *x);
    *lowest = found;
    return 1;
}

/* Whether chi-square falls where one variable that has `moves` leaves x, or where two do (`pairs`). */
static int bends_down(polisher *s, const polish_data *data, const double *x, const double *moves, int pairs, double *lowest, int most,
                      int *used, double *best) {
    int falls = 0;
    for (int i = 0; i < s->p; i++)
        for (int j = pairs ? i + 1 : i; moves[i] > 0 && j < (pairs ? s->p : i + 1); j++)
            for (int m = 0; moves[j] > 0 && m < 2 * (int)(sizeof TOGETHER / sizeof *TOGETHER) && *used < most; m++, ++*used) {
                const double by = (m & 1 ? -1 : 1) * TOGETHER[m / 2];
                falls |= try_moved(s, data, x, moves, i, pairs ? fabs(by) : by, j, by, lowest, best);
            }
    return falls;
}

/* Whether chi-square is less than `lowest`, and how much it then is, at `best`, where variable k stays where it is in x and all others are
 * refitted: not where one of them runs off, by a column that is next to nothing. */
static int falls_refitted(polisher *s, const polish_data *data, const double *x, const double *size, int k, const polished *end, int most,
                          int *used, double *lowest, double *best) {
    unsigned char flags[MAX_FREE] = {0};
    double at[MAX_FREE];
    int spent = 0;
    if (*used + MOST_BESIDE > most) return 0;
    memcpy(at, x, s->p * sizeof *x);
    flags[k] = GSLFIT_HELD;
    const double found = refitted(s, data, at, flags, 0, 0, end->length, MOST_BESIDE, most - *used, &spent);
    *used += spent;
    for (int j = 0; j < s->p; j++) {
        const double reach = fmax(size[j], end->norms[j] > 0 ? end->length / end->norms[j] : 0);
        if (!(fabs(at[j] - x[j]) <= (reach > 0 ? GSLFIT_VAGUE * reach : 1 / FINEST))) return 0;
    }
    if (!(found < *lowest)) return 0;
    memcpy(best, at, s->p * sizeof *x);
    *lowest = found;
    return 1;
}

/* How far variable k goes for the length of the residual to rise by itself, if it goes on as it begins: it has no column, so it goes as far
 * as can be seen, by shares of its size, or of 1 where that is not known. 0 where it isn't; -1 where chi-square falls, at `best`: the
 * lowest place, or else the first where it falls once the others are refitted, to which it may give columns (factors that are both 0). */
static double move_of(polisher *s, const polish_data *data, const double *v, const double *size, int k, const polished *end, double least,
                      int most, int *used, double *best) {
    const int scales = size[k] > 0 ? 3 : SCALES;
    double far = size[k] > 0 ? size[k] / (WIDER * WIDER) : FINEST, lowest = least, seen = 0, x[MAX_FREE], rises[SCALES], places[SCALES];
    int count = 0, falls = 0;
    memcpy(x, v, s->p * sizeof *v);
    for (; count < scales && *used + 2 <= most; far *= WIDER, count++) {
        rises[count] = 0;
        for (int side = -1; side <= 1; side += 2) {
            x[k] = within(data, k, v[k] + side * far);
            const double found = gslfit_polish_length(s, data, x);
            ++*used;
            rises[count] = fmax(rises[count], found / end->length - 1);
            if (!(found < lowest)) continue;
            memcpy(best, x, s->p * sizeof *x);
            lowest = found;
            falls = 1;
        }
        places[count] = x[k];
        if (!(seen > 0) && rises[count] > GSLFIT_SEEN && isfinite(rises[count])) seen = far / sqrt(rises[count]);
    }
    /* the others then, from the known size, or 1, to either side */
    for (int which = 0, scale = size[k] > 0 ? 2 : UNIT; which < 2 * SCALES && !falls; scale += ++which & 1 ? -which : which) {
        if (scale < 0 || scale >= count || !(rises[scale] < 1)) continue;
        x[k] = places[scale];
        falls = falls_refitted(s, data, x, size, k, end, most, used, &lowest, best);
    }
    return falls ? -1 : seen;
}

int gslfit_null_space_wake(polisher *s, const polish_data *data, double *v, const double *size, int goes_on, double rounding, int most,
                           const polished *end, const unsigned char *flags, double *moves, int *used) {
    double lowest = end->length * (1 - GSLFIT_FALL) - rounding, best[MAX_FREE];
    unsigned char inert[MAX_FREE];
    int falls = 0, count = 0;
    for (int k = 0; k < s->p; k++) {
        moves[k] = 0;
        inert[k] = !(flags[k] & (GSLFIT_HELD | GSLFIT_LOST)) && !end->bounds[k] && gslfit_is_even(end->norms[k], size[k], end->length) &&
                   (s->bending[k] || end->norms[k] == 0);
        count += inert[k];
    }
    for (int k = 0; k < s->p && !falls; k++) {
        if (!inert[k] || (size[k] > 0 && count == 1 && !goes_on)) continue;  /* over its size it has been looked at */
        moves[k] = move_of(s, data, v, size, k, end, lowest, most, used, best);
        falls = moves[k] < 0;
    }
    if (falls || bends_down(s, data, v, moves, 1, &lowest, most, used, best)) {
        memcpy(v, best, s->p * sizeof *v);
        return 1;
    }
    return 0;
}

/* Go along a ray to the lowest of its strides, and beside them by `moves`. Returns whether chi-square falls; v is then moved. */
static int go_along(polisher *s, const polish_data *data, double *v, const double *ray, const double *moves, double least, double plain,
                    int most, int *used) {
    double x[MAX_FREE], best[MAX_FREE], lowest = least, far = 1;
    int falls = 0;
    for (int stride = 0; stride < STRIDES && *used < most && stride_to(s, data, v, ray, far, x); stride++, far *= LONGER) {
        const double found = gslfit_polisher_take(s, x) ? s->residual : INFINITY, rounding = left_to_rounding(s, x);
        ++*used;
        if (found < lowest - rounding) {
            memcpy(best, x, s->p * sizeof *x);
            lowest = found;
            falls = 1;
        } else if (falls || !(found <= plain + rounding) || rounding > plain) break;
        else {
            double lower = lowest - rounding;
            falls = bends_down(s, data, x, moves, 0, &lower, most, used, best);
            if (falls) break;
        }
    }
    if (falls) memcpy(v, best, s->p * sizeof *v);
    return falls;
}

int gslfit_null_space_reach(polisher *s, const polish_data *data, double *v, const double *size, const double *moves, double rounding,
                            int most, const polished *end, int *used) {
    const double least = end->length * (1 - GSLFIT_FALL) - rounding, plain = end->length * (1 + STAYS) + rounding;
    double rays[MAX_FREE][MAX_FREE];
    int count = 0;
    while (count < MAX_FREE && gslfit_polish_null(s, count, size, rays[count])) count++;  /* before the polisher goes elsewhere */
    for (int which = 0; which < count; which++)
        for (int side = 0; side < 2; side++) {
            if (go_along(s, data, v, rays[which], moves, least, plain, most, used)) return 1;
            for (int j = 0; j < s->p; j++) rays[which][j] = -rays[which][j];
        }
    return 0;
}
