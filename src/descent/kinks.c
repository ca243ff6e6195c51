#include "kinks.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "common/linalg.h"
#include "coordinates.h"

enum { TURNS = 40, BUNDLE = 24, EXCHANGES = 2000, SHORTER = 6, SHARPER = 3 };
static const double REACH = 2e-8;     /* of the residual's length, in z: where a gradient next to the point is taken */
static const double VISIBLE = 1e-14;  /* of a variable: the least that it is moved by */
static const double NEAR = 1e-6;      /* of the residual's length: beyond, a gradient is not next to the point any more */
static const double LEAST = 0.02;     /* share of a step down to which shorter ones are tried at least */
static const double BESIDE = 1e-4;    /* of the residual's length: what a variable that moves next to the point may change it by */
static const double OWN = 0.01;        /* of its size, what such a variable moves by at most: an inverse turns at a pole */
static const double BENT = 0.4;        /* of a gradient's change over a step: as far from half of it as this halfway is a jump, no bend */
static const double TURNED = 0.9;     /* of its length against itself that the shortest combination must lose by a new gradient */
static const double APART = 1e-6;      /* of a difference of two gradients: what others leave of it, and it tells more than they do */
static const double WAYS[] = {1, 1e-2, 1e-4};  /* standard errors by which each coordinate is tried in the end */

/* Gradients next to a point, in its coordinates, and weights of their shortest convex combination. */
typedef struct {
    coordinates at;
    int count;
    double gradients[BUNDLE][MAX_FREE], weights[BUNDLE], shortest[MAX_FREE], length;
    double here[BUNDLE];  /* half of chi-square at the point itself as each gradient has it from where it was taken */
    const double *size;  /* of each variable; 0: not known */
} bundle;

/* Find the shortest convex combination: weight goes from the gradient most along it to the one least along it (Mitchell, Demyanov and
 * Malozemov 1974). */
static void find_shortest(bundle *b) {
    const int rank = b->at.rank;
    for (int turn = 0;; turn++) {
        int low = 0, high = -1;
        double along[BUNDLE], change[MAX_FREE];
        for (int k = 0; k < rank; k++) {
            b->shortest[k] = 0;
            for (int i = 0; i < b->count; i++) b->shortest[k] += b->weights[i] * b->gradients[i][k];
        }
        b->length = gslfit_norm(gslfit_dot(b->shortest, b->shortest, rank), b->shortest, rank, 1);
        for (int i = 0; i < b->count; i++) {
            along[i] = gslfit_dot(b->gradients[i], b->shortest, rank);
            if (along[i] < along[low]) low = i;
            if (b->weights[i] > 0 && (high < 0 || along[i] > along[high])) high = i;
        }
        for (int k = 0; k < rank; k++) change[k] = b->gradients[high][k] - b->gradients[low][k];
        const double gap = along[high] - along[low], square = gslfit_dot(change, change, rank);
        if (turn == EXCHANGES || !(gap > 1e-12 * square)) return;
        const double part = fmin(gap / square, b->weights[high]);
        b->weights[high] = part < b->weights[high] ? b->weights[high] - part : 0;
        b->weights[low] += part;
    }
}

/* Add the gradient where the polisher has taken residual and Jacobian, at `at`, next to v. */
static void add(bundle *b, const polisher *s, const double *v, const double *at) {
    const double *r = s->J + s->p * s->n;
    gslfit_coordinates_gradient(&b->at, s, b->gradients[b->count]);
    b->here[b->count] = 0.5 * s->residual * s->residual;
    for (int j = 0; j < s->p; j++)
        if (at[j] != v[j]) b->here[b->count] -= s->lengths[j] * gslfit_dot(s->J + j * s->n, r, s->n) * (at[j] - v[j]);
    b->weights[b->count] = b->count == 0;
    b->count++;
    find_shortest(b);
}

static double within(const polish_data *d, int j, double v) { return d->low ? fmin(d->high[j], fmax(d->low[j], v)) : v; }

static void move(const polisher *s, const polish_data *d, const double *v, const double *dx, double share, double *to) {
    for (int j = 0; j < s->p; j++) to[j] = within(d, j, v[j] + share * dx[j]);
}

/* Whether the gradient, which changes over a step to where the polisher is, does so in a jump: halfway, where it has been taken into
 * `halfway`, a gradient that bends has changed by half as much, however narrow the valley. */
static int jumps(const bundle *b, const polisher *s, const double *halfway) {
    const int rank = b->at.rank;
    double there[MAX_FREE], change[MAX_FREE], off[MAX_FREE];
    gslfit_coordinates_gradient(&b->at, s, there);
    for (int k = 0; k < rank; k++) {
        change[k] = there[k] - b->gradients[0][k];
        off[k] = halfway[k] - b->gradients[0][k] - 0.5 * change[k];
    }
    return gslfit_norm(gslfit_dot(off, off, rank), off, rank, 1) > BENT * gslfit_norm(gslfit_dot(change, change, rank), change, rank, 1);
}

/* Whether a point is next to v: no variable has moved by much of itself, or by what changes the residual, and it is as long there. */
static int is_beside(const bundle *b, polisher *s, const polish_data *d, const double *v, const double *at, double length) {
    for (int j = 0; j < s->p; j++) {
        const double moved = fabs(at[j] - v[j]);
        if (!(b->at.lengths[j] * moved <= BESIDE * length) || (b->size[j] > 0 && moved > OWN * b->size[j])) return 0;
    }
    return gslfit_polish_length(s, d, at) <= length * (1 + NEAR);
}

/* Have the polisher take a step along dx, or one that is as much shorter as it must be to lead next to v: `at`. Returns whether there is a
 * kink on the way. */
static int look_behind(const bundle *b, polisher *s, const polish_data *d, const double *v, const double *dx, double near, double length,
                       double *at, int *left) {
    double halfway[MAX_FREE];
    for (int turn = 0; turn < SHORTER; turn++, near /= 8) {
        move(s, d, v, dx, near, at);
        --*left;
        if (!is_beside(b, s, d, v, at, length)) continue;
        move(s, d, v, dx, 0.5 * near, at);
        *left -= 2;
        if (!gslfit_polisher_take(s, at)) return 0;
        gslfit_coordinates_gradient(&b->at, s, halfway);
        move(s, d, v, dx, near, at);
        return gslfit_polisher_take(s, at) && jumps(b, s, halfway);
    }
    return 0;
}

/* Try v + dx, and shorter down to a share `least`. Where it is lower than `length` by more than rounding, v is moved: returns whether, or
 * -1 where no evaluation is left to say so. */
static int lower_along(polisher *s, const polish_data *d, double *v, const double *dx, double least, double length, double rounding,
                       int *left) {
    double at[MAX_FREE];
    for (double share = 1; share >= least; share /= 4) {
        if (*left <= 0) return -1;
        move(s, d, v, dx, share, at);
        --*left;
        if (!(gslfit_polish_length(s, d, at) < length - rounding)) continue;
        memcpy(v, at, s->p * sizeof *v);
        return 1;
    }
    return 0;
}

/* Whether a coordinate leads down after all, to either side; v is then moved. */
static int lower_beside(const bundle *b, polisher *s, const polish_data *d, double *v, double length, double rounding, int *left) {
    const double sigma = length / sqrt(s->n > b->at.rank ? s->n - b->at.rank : 1);
    double z[MAX_FREE] = {0}, dx[MAX_FREE];
    for (int m = 0; m < b->at.rank; m++)
        for (int way = 0; way < 6; way++) {
            z[m] = way & 1 ? -1 : 1;
            gslfit_coordinates_outwards(&b->at, z, 1, dx);
            for (int j = 0; j < s->p; j++) dx[j] *= WAYS[way >> 1] * sigma;
            if (lower_along(s, d, v, dx, 1, length, rounding, left)) return 1;
            z[m] = 0;
        }
    return 0;
}

/* Move v to where the smooth pieces meet whose gradients combine to zero next to it, if it is lower there. Each is straight as far as that;
 * of the steps to where all of them are alike it is the shortest. Returns whether v was moved. */
static int go_to_kink(const bundle *b, polisher *s, const polish_data *d, double *v, double length, double rounding, int *left) {
    double ways[MAX_FREE][MAX_FREE], along[MAX_FREE], z[MAX_FREE] = {0}, dx[MAX_FREE];
    const int rank = b->at.rank;
    int first = 0, count = 0;
    while (!(b->weights[first] > 0)) first++;
    for (int i = first + 1; i < b->count && count < rank; i++) {
        double *way = ways[count], rise = b->here[first] - b->here[i];
        if (!(b->weights[i] > 0)) continue;
        for (int k = 0; k < rank; k++) way[k] = b->gradients[i][k] - b->gradients[first][k];
        const double whole = gslfit_norm(gslfit_dot(way, way, rank), way, rank, 1);
        for (int m = 0; m < count; m++) {
            const double part = gslfit_dot(way, ways[m], rank);
            for (int k = 0; k < rank; k++) way[k] -= part * ways[m][k];
            rise -= part * along[m];
        }
        const double own = gslfit_norm(gslfit_dot(way, way, rank), way, rank, 1);
        if (!(own > APART * whole)) continue;
        for (int k = 0; k < rank; k++) way[k] /= own;
        along[count++] = rise / own;
    }
    for (int m = 0; m < count; m++)
        for (int k = 0; k < rank; k++) z[k] += along[m] * ways[m][k];
    if (!(gslfit_norm(gslfit_dot(z, z, rank), z, rank, 1) <= BESIDE * length)) return 0;
    gslfit_coordinates_outwards(&b->at, z, 1, dx);
    return lower_along(s, d, v, dx, 1, length, rounding, left) > 0;
}

typedef enum { STAYS, FALLS, SHARPENED } outcome;

/* From a point that has been looked at: move v down, or collect gradients until they combine to zero. Returns whether v was moved, or may
 * still have to be, and the bundle's length is then nothing (FALLS); or was moved from next to a kink's minimum onto it, if `sharper`. */
static outcome step(bundle *b, polisher *s, const polish_data *d, double *v, const polished *end, int sharper, int *left) {
    const double length = end->length, least = fmax(GSLFIT_CLOSE * end->counted, GSLFIT_ROUNDING * fmax(s->model, end->data));
    const double rounding = fmax(1e-13 * length, 1e-2 * GSLFIT_ROUNDING * s->model);
    double dx[MAX_FREE], at[MAX_FREE];
    b->count = 0;
    for (add(b, s, v, v); b->length > least && b->count < BUNDLE;) {
        if (*left <= 0) return FALLS;
        const double before = b->length;
        for (int k = 0; k < b->at.rank; k++) at[k] = -b->shortest[k];
        gslfit_coordinates_outwards(&b->at, at, 1, dx);
        const double near = gslfit_coordinates_visible(&b->at, v, dx, REACH * length / before, VISIBLE);
        if (!(near * before <= NEAR * length)) return STAYS;
        if (lower_along(s, d, v, dx, fmin(near, LEAST), length, rounding, left)) return FALLS;
        if (!look_behind(b, s, d, v, dx, near, length, at, left)) return STAYS;
        add(b, s, v, at);
        if (b->length > TURNED * before) return STAYS;  /* no kink: as steep behind it */
    }
    if (b->length > least || b->count < 2) return STAYS;
    if (lower_beside(b, s, d, v, length, rounding, left)) return FALLS;
    return sharper && go_to_kink(b, s, d, v, length, rounding, left) ? SHARPENED : STAYS;
}

int gslfit_kinks_descend(polisher *s, const polish_data *data, double *v, const double *size, int most, polished *end) {
    bundle *b = malloc(sizeof *b);
    int left = most, sharpened = 0;
    double least = 0, least_cosine = 0;  /* next to a kink, at what is a minimum of it */
    if (b) b->size = size;
    for (int turn = 0; b && turn < TURNS && left > 1; turn++) {
        left -= 2;
        if (!gslfit_polish_look(s, data, v, NULL, end) || s->rank < 1 || s->rank < s->left || end->length == 0) break;
        if (!gslfit_coordinates_keep(&b->at, s)) {
            gslfit_coordinates_free(&b->at);
            free(b);
            return -1;
        }
        /* the decomposition has overwritten the columns */
        const outcome found = gslfit_polisher_take(s, v) ? step(b, s, data, v, end, sharpened < SHARPER, &left) : FALLS;
        const int count = b->count;
        const double cosine = b->length / end->counted;
        gslfit_coordinates_free(&b->at);
        if (found == SHARPENED) {
            sharpened++;
            least = end->length * (1 - NEAR);
            least_cosine = cosine;
        }
        if (found != STAYS) continue;
        left--;
        gslfit_polish_look(s, data, v, NULL, end);
        if (count > 1 && cosine <= end->cosine) {
            end->kinked = 1;
            end->cosine = end->gradient = cosine;
        }
        break;
    }
    if (!b) return -1;
    free(b);
    if (sharpened && !end->kinked) { /* nobody has said so of the kink itself */
        left--;
        gslfit_polish_look(s, data, v, NULL, end);
        if (end->length >= least) {
            end->kinked = 1;
            end->cosine = end->gradient = least_cosine;
        }
    }
    return most - left;
}
