/* The sandwich of a fit in each lane from its sums, compiled once for each instruction set: see sandwich.h. */
#ifndef GSLFIT_ENCLOSE_H
#define GSLFIT_ENCLOSE_H

#include "lanes/sandwich_state.h"
#include "program/simd.h"

static const double DEFINITE = 1e-14;  /* a pivot of a diagonal of ones: less is rounding */

/* An element of J^T J, weighted by what the sums are of. */
static inline vd weighted_element(const sandwich *s, const lane_vector *sums, int k, int h) {
    const source *from = s->state->H_from + k;
    vd sum = load(sums[from->sum] + h);
    for (int i = 0; i < from->count; i++) sum *= load(from->factors[i] + h);
    return sum;
}

/* Both matrices, A scaled to a diagonal of ones, and what scales it. What has a flag is by itself: row and column are those of the identity
 * in A, and 0 in B. */
static void find_matrices(sandwich *s, const int p, int h) {
    for (int i = 0; i < p; i++) {
        const vm flagged = load(s->flagged[i] + h) != 0.0;
        for (int j = 0; j <= i; j++) store(s->A[i * p + j] + h, weighted_element(s, s->curved, ELEMENT(i, j), h));
        const vd own = load(s->A[i * p + i] + h);
        const vm scaled = BOTH(own > 0.0, INVERT(flagged));
        const vd scale = choose(scaled, 1.0 / vsqrt(choose(scaled, own, SPLAT(1.0))), SPLAT(0.0));
        store(s->scale[i] + h, scale);
        for (int j = 0; j <= i; j++) {
            const vd both = scale * load(s->scale[j] + h), B = both * weighted_element(s, s->squared, ELEMENT(i, j), h);
            store(s->A[i * p + j] + h, load(s->A[i * p + j] + h) * both);
            store(s->B[i * p + j] + h, B);
            store(s->B[j * p + i] + h, B);
        }
        store(s->A[i * p + i] + h, choose(scaled, load(s->A[i * p + i] + h), truth(flagged)));
    }
}

/* A = L D L^T, and the inverse of L in A's place. Where A is positive definite. */
static vm factorise(sandwich *s, const int p, int h) {
    vd u[MAX_FREE];
    vm sound = TRUE_MASK;
    for (int i = 0; i < p; i++) {
        vd pivot = load(s->A[i * p + i] + h);
        for (int j = 0; j < i; j++) {
            u[j] = load(s->A[i * p + j] + h);
            for (int k = 0; k < j; k++) u[j] -= u[k] * load(s->A[j * p + k] + h);
            const vd l = u[j] * load(s->inverse[j] + h);
            store(s->A[i * p + j] + h, l);
            pivot -= u[j] * l;
        }
        sound = BOTH(sound, pivot > DEFINITE);
        store(s->inverse[i] + h, 1.0 / choose(sound, pivot, SPLAT(1.0)));
    }
    for (int i = 0; i < p; i++)
        for (int j = 0; j < i; j++) {
            vd t = load(s->A[i * p + j] + h);
            for (int k = j + 1; k < i; k++) t += load(s->A[i * p + k] + h) * load(s->A[k * p + j] + h);
            store(s->A[i * p + j] + h, -t);
        }
    return sound;
}

/* B becomes A^-1 B A^-1, with M the inverse of L: M^T D^-1 (M B M^T) D^-1 M. */
static void enclose(sandwich *s, const int p, int h) {
    for (int i = 0; i < p; i++)
        for (int j = 0; j < p; j++) {  /* M B */
            vd t = load(s->B[i * p + j] + h);
            for (int k = 0; k < i; k++) t += load(s->A[i * p + k] + h) * load(s->B[k * p + j] + h);
            store(s->room[i * p + j] + h, t);
        }
    for (int i = 0; i < p; i++)
        for (int j = 0; j <= i; j++) {  /* D^-1 (M B M^T) D^-1 */
            vd t = load(s->room[i * p + j] + h);
            for (int k = 0; k < j; k++) t += load(s->room[i * p + k] + h) * load(s->A[j * p + k] + h);
            t *= load(s->inverse[i] + h) * load(s->inverse[j] + h);
            store(s->B[i * p + j] + h, t);
            store(s->B[j * p + i] + h, t);
        }
    for (int i = 0; i < p; i++)
        for (int j = 0; j < p; j++) {  /* M^T that */
            vd t = load(s->B[i * p + j] + h);
            for (int k = i + 1; k < p; k++) t += load(s->A[k * p + i] + h) * load(s->B[k * p + j] + h);
            store(s->room[i * p + j] + h, t);
        }
    for (int i = 0; i < p; i++)
        for (int j = 0; j <= i; j++) {
            vd t = load(s->room[i * p + j] + h);
            for (int k = j + 1; k < p; k++) t += load(s->room[i * p + k] + h) * load(s->A[k * p + j] + h);
            store(s->B[i * p + j] + h, t);
        }
}

static void enclose_lanes(sandwich *s) {
    const int p = s->p;
    for (int h = 0; h < LANES; h += WIDTH) {
        const vd more = load(*s->more + h);
        find_matrices(s, p, h);
        const vm sound = BOTH(factorise(s, p, h), more == more);
        enclose(s, p, h);
        for (int i = 0; i < p; i++) {
            const vd variance = load(s->B[i * p + i] + h), scale = load(s->scale[i] + h);
            const vm known = BOTH(sound, scale > 0.0);
            store(s->deviations[i] + h, choose(known, vsqrt(variance * more) * scale, SPLAT(NAN)));
            store(s->inverse[i] + h, choose(known, 1.0 / vsqrt(variance), SPLAT(NAN)));
            for (int j = 0; j <= i; j++)
                store(s->correlations[ELEMENT(i, j)] + h, load(s->B[i * p + j] + h) * load(s->inverse[i] + h) * load(s->inverse[j] + h));
        }
    }
}

#endif
