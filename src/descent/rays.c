#include "rays.h"

#include <math.h>
#include <string.h>
#include "polisher.h"

enum { STRIDES = 14 };               /* on each ray */
static const double LONGER = 8;      /* a stride than the one before */
static const double STAYS = 1e-8;    /* share by which the residual's length rises at least where it does not stay */
static const double FALLS = 1e-10;   /* share by which it falls at least where it does fall */

static double within(const polish_data *d, int j, double v) { return d->low ? fmin(d->high[j], fmax(d->low[j], v)) : v; }

/* Where a stride leads. Returns whether that is another place, and no variable is at a bound. */
static int stride_to(const polisher *s, const polish_data *d, const double *v, const double *ray, double far, double *x) {
    int moved = 0, free = 1;
    for (int j = 0; j < s->p; j++) {
        const double to = v[j] + far * ray[j];
        x[j] = within(d, j, to);
        moved |= x[j] != v[j];
        free &= x[j] == to;
    }
    return moved && free;
}

/* Follow one ray to the lowest of its strides. Returns whether chi-square falls; v is then moved. */
static int follow(polisher *s, const polish_data *d, double *v, const double *ray, double least, double plain, int most, int *used) {
    double x[MAX_FREE], best[MAX_FREE], lowest = least, far = 1;
    for (int stride = 0; stride < STRIDES && *used < most && stride_to(s, d, v, ray, far, x); stride++, far *= LONGER) {
        const double found = gslfit_polish_length(s, d, x);
        ++*used;
        if (found < lowest) {
            memcpy(best, x, s->p * sizeof *x);
            lowest = found;
        } else if (lowest < least || !(found <= plain)) break;
    }
    if (lowest < least) memcpy(v, best, s->p * sizeof *v);
    return lowest < least;
}

int gslfit_rays_descend(polisher *s, const polish_data *data, double *v, const double *size, double rounding, int most,
                        const polished *end, int *used) {
    double rays[MAX_FREE][MAX_FREE];
    int count = 0;
    const double least = end->length * (1 - FALLS) - rounding, plain = end->length * (1 + STAYS) + rounding;
    while (count < MAX_FREE && gslfit_polish_null(s, count, size, rays[count])) count++;
    for (int i = 0; i < 2 * count; i++) {
        double *ray = rays[i >> 1];
        if (follow(s, data, v, ray, least, plain, most, used)) return 1;
        for (int j = 0; j < s->p; j++) ray[j] = -ray[j];
    }
    return 0;
}
