#include "null_space.h"

#include <float.h>
#include <math.h>
#include <string.h>
#include "common/extremes.h"
#include "polisher.h"

/* evaluations of a refit beside the point; where that is to tell Newton from Gauss-Newton, in digits that both just see */
enum { MOST_BESIDE = 12, MOST_DISPUTED = 24 };
static const double SHARES[] = {0.5, 0.05};  /* of a variable, or of its size, that it is moved by */
static const double VAST = 10;           /* times a variable's size that its error may be, and it counts as determined */
static const double SHRUNK = 1e-4;       /* of a variable's size at the start: one that has shrunk to less is measured by itself */
static const double STAYS = 1e-8;        /* share by which the residual's length rises at least where it does not stay */
static const double VISIBLE = 1e-2;      /* of the residual's length: what a move changes it by, were the others not refitted */
static const double FALLS = 1e-10;       /* share by which it falls at least where it does fall, ... */
static const double TOLD = 2.5e-8;       /* ... and of the residual in standard errors, by their number: a lesser fall is none */
static const double STRIDE = 1e3;        /* factor by which variables that chi-square leaves open together are changed at a time */
static const double GROWN = 8;           /* times what it was that |J_j| |x_j| may be there: beyond, terms only cancel */
enum { STRIDES = 4 };                    /* to either side */

static double within(const polish_data *d, int j, double v) { return d->low ? gslfit_between(v, d->low[j], d->high[j]) : v; }

int gslfit_null_space_has(const polished *end, int k, double sigma, double value, double size) {
    const double error = sigma * end->deviations[k];
    if (!(end->norms[k] > 0)) return 0;
    if (end->bounds[k] && fabs(end->slopes[k]) <= GSLFIT_FAINT) return 1;  /* nothing to speak of holds it there */
    return end->open[k] || error > VAST * size || (value < SHRUNK * size && error > VAST * value);
}

/* The greatest |J_j| |x_j|. */
static double largest_term(const polished *at, const double *v, int p) {
    double most = 0;
    for (int k = 0; k < p; k++) most = gslfit_larger(most, at->norms[k] * fabs(v[k]));
    return most;
}

/* Change variables that J leaves open together by great factors, as a product's or a quotient's parts can be: where the parts are small
 * beside what bends the curve, only that shows. Returns whether there is a lower point, v. */
static int falls_far_away(polisher *s, const polish_data *data, double *v, double least, double rounding, int most, int *used) {
    const int p = s->p;
    double size[MAX_FREE], shares[MAX_FREE], x[MAX_FREE], base[MAX_FREE];
    unsigned char flags[MAX_FREE];
    polished here, there;
    here.residual = there.residual = NULL;
    memcpy(base, v, p * sizeof *base);
    for (int k = 0; k < p; k++) size[k] = fabs(v[k]);
    for (int which = 0; *used + 1 < most; which++) {
        ++*used;
        if (!gslfit_polish_look(s, data, base, NULL, &here) || !gslfit_polish_null(s, which, size, shares)) return 0;
        const double terms = GROWN * fmax(largest_term(&here, base, p), here.length);
        int lead = 0;
        for (int k = 0; k < p; k++) shares[k] = base[k] != 0 ? shares[k] / base[k] : 0;
        for (int k = 0; k < p; k++) lead = fabs(shares[k]) > fabs(shares[lead]) ? k : lead;
        for (int turn = 0; turn < 2 * STRIDES && shares[lead] != 0; turn++) {
            const double far = (turn & 1 ? -1 : 1) * (turn / 2 + 1) * log(STRIDE) / shares[lead];
            int spent;
            if (*used + MOST_BESIDE + 1 > most) return 0;
            for (int k = 0; k < p; k++) x[k] = within(data, k, base[k] * exp(far * shares[k]));
            memset(flags, 0, p);
            flags[lead] = GSLFIT_HELD;
            const double found = gslfit_polish_beside(s, data, x, flags, MOST_BESIDE, &spent);
            *used += spent;
            if (!(found < least - rounding)) continue;
            ++*used;
            if (!gslfit_polish_look(s, data, x, NULL, &there) || !(largest_term(&there, x, p) <= terms)) continue;
            memcpy(v, x, p * sizeof *v);
            return 1;
        }
    }
    return 0;
}

null_space_slope gslfit_null_space_follow(polisher *s, const polish_data *data, double *v, const double *size, double rounding, int most,
                                          const polished *end, int *used) {
    const int p = s->p;
    const double dof = s->n > p ? s->n - p : 1, length = end->length, plain = length * (1 + STAYS) + rounding;
    const double least = length * (1 - fmax(FALLS, TOLD / dof)) - rounding, sigma = length / sqrt(dof);
    unsigned char open[MAX_FREE], flags[MAX_FREE];
    const int refit = end->disputed ? MOST_DISPUTED : MOST_BESIDE;
    null_space_slope slope = NULL_SPACE_RISES;
    for (int k = 0; k < p; k++)
        open[k] = gslfit_null_space_has(end, k, sigma, fabs(v[k]), size[k]) || (end->disputed && end->deviations[k] != 0);
    for (int way = 0; way < 16; way++)
        for (int k = 0; k < p; k++) {
            if (!open[k]) continue;
            const double spans[] = {fabs(v[k]), size[k], length / end->norms[k], sigma * end->deviations[k]}, span = spans[way >> 2];
            double x[MAX_FREE];
            int spent;
            if (!(span > 0) || (way >= 4 && span == fabs(v[k])) || (way >= 12 && !(end->disputed && span < size[k]))) continue;
            if (*used + refit > most) return way < 2 || end->disputed ? NULL_SPACE_UNSEEN : slope;
            memcpy(x, v, p * sizeof *x);
            x[k] = within(data, k, v[k] + (way & 1 ? span : -span) * SHARES[way >> 1 & 1]);
            if (x[k] == v[k]) continue;
            memset(flags, 0, p);
            flags[k] = GSLFIT_HELD;
            const double found = gslfit_polish_beside(s, data, x, flags, refit, &spent);
            *used += spent;
            if (found < least) {
                memcpy(v, x, p * sizeof *v);
                return NULL_SPACE_FALLS;
            }
            if (found <= plain && end->open[k] && end->norms[k] * fabs(x[k] - v[k]) > VISIBLE * length) slope = NULL_SPACE_FLAT;
        }
    if (slope == NULL_SPACE_FLAT && falls_far_away(s, data, v, least, rounding, most, used)) return NULL_SPACE_FALLS;
    return slope;
}
