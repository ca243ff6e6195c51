#include "coordinates.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "common/linalg.h"

int gslfit_coordinates_keep(coordinates *c, const polisher *s) {
    const size_t size = (size_t)s->p * s->p * sizeof(double);
    c->p = s->p;
    c->rank = s->rank;
    memcpy(c->order, s->order, sizeof c->order);
    memcpy(c->lengths, s->lengths, sizeof c->lengths);
    c->inverse = malloc(size);
    if (!c->inverse) return 0;
    memcpy(c->inverse, s->inverse, size);
    return 1;
}

void gslfit_coordinates_free(coordinates *c) { free(c->inverse); }

void gslfit_coordinates_outwards(const coordinates *c, const double *z, size_t stride, double *dx) {
    for (int j = 0; j < c->p; j++) dx[j] = 0;
    for (int i = 0; i < c->rank; i++) {
        double sum = 0;
        for (int k = i; k < c->rank; k++) sum += c->inverse[i * c->p + k] * z[k * stride];
        dx[c->order[i]] = sum / c->lengths[c->order[i]];
    }
}

void gslfit_coordinates_gradient(const coordinates *c, const polisher *s, double *g) {
    const double *r = s->J + (long)s->p * s->n;
    double own[MAX_FREE];
    for (int i = 0; i < c->rank; i++) {
        const int j = c->order[i];
        own[i] = gslfit_dot(s->J + (long)j * s->n, r, s->n) * (s->lengths[j] / c->lengths[j]);
    }
    for (int k = 0; k < c->rank; k++) {
        g[k] = 0;
        for (int i = 0; i <= k; i++) g[k] += c->inverse[i * c->p + k] * own[i];
    }
}

double gslfit_coordinates_visible(const coordinates *c, const double *v, const double *dx, double h, double share) {
    double least = 0;
    for (int j = 0; j < c->p; j++) {
        if (dx[j] == 0 || v[j] == 0) continue;
        const double own = share * fabs(v[j] / dx[j]);
        least = least == 0 ? own : fmin(least, own);
    }
    return fmax(h, least);
}
