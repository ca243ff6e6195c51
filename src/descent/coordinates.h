/* The coordinates z = R D (x - x0) about a point, D^-1 the lengths of J's columns that count, J D^-1 = Q R: they measure moves by what they
 * do to the residual.
 */
#ifndef GSLFIT_COORDINATES_H
#define GSLFIT_COORDINATES_H

#include "polisher.h"

typedef struct {
    int p, rank, order[MAX_FREE];
    double lengths[MAX_FREE];
    double *inverse;  /* R^-1, rank x rank in rows of p */
} coordinates;

/* Keep the coordinates of the point that the polisher has just looked at. Returns 0 without memory. */
int gslfit_coordinates_keep(coordinates *c, const polisher *s);

void gslfit_coordinates_free(coordinates *c);

/* The change of the variables for a step z (rank, `stride` apart): D^-1 R^-1 z. */
void gslfit_coordinates_outwards(const coordinates *c, const double *z, size_t stride, double *dx);

/* Half the gradient of chi-square in z, where the polisher has taken residual and Jacobian. */
void gslfit_coordinates_gradient(const coordinates *c, const polisher *s, double *g);

/* How far along dx a step of the length h in z must go at least for a variable at v to change by this share; h where that is more. */
double gslfit_coordinates_visible(const coordinates *c, const double *v, const double *dx, double h, double share);

#endif
