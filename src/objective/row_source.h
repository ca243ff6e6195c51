/* Where fits get their points from: rows of arrays as they come, what weighs them, and which of them take part.
 *
 * The lanes, a fit over many points and GSL's refit read rows by these functions alone: a point takes part in all of them, or in none.
 */
#ifndef GSLFIT_ROW_SOURCE_H
#define GSLFIT_ROW_SOURCE_H

#include <math.h>
#include "points.h"
#include "strided_array.h"

typedef struct {
    long points;               /* of a row */
    int nx;
    strided_array x[MAX_VARIABLES], y, weights, mask;
    int weighted;              /* 0: no weights; 1: factors of the residuals; 2: standard deviations */
    int masked;                /* whether there is a mask: not 0 where a point is left out */
    int omit;                  /* points that are not finite are left out; else they spoil their row */
    loss_kind loss;            /* what residuals cost */
    strided_array scale;       /* of the loss, rows of one number; where it has one */
    strided_array response;    /* of each fit, where the program's has no numbers (program.h) */
    const double *factor;      /* what whitens the residuals of a row, see fit_points; NULL for nothing. All points take part then */
} row_source;

/* The points first to first + count of all rows. */
row_source gslfit_source_part(const row_source *s, long first, long count);

/* Where one fit's numbers begin. */
typedef struct {
    const char *x[MAX_VARIABLES], *y, *weights, *mask;
} source_row;

/* What there isn't is left as it is. */
void gslfit_source_find(const row_source *s, long id, source_row *row);

/* What multiplies the residuals of points first to first + count: 1, or the weights, or one over the standard deviations of a row; 0 where
 * a point takes no part by the caller's own words: where the mask says so, the weight is 0 or the error infinite; NaN for an error that is
 * none. `room` is for count numbers, where there is a mask. */
void gslfit_source_weights(const row_source *s, const source_row *row, long first, long count, double *out, double *room);

/* Whether a point takes part: it has a weight, and where points that are not finite are left out, its numbers are (so is their sum). A
 * weight that is not finite spoils its row in any case. */
static inline int takes_part(const row_source *s, double weight, double sum) { return weight != 0 && (!s->omit || isfinite(sum)); }

/* Whether residuals have weights of their own, if only to leave points out. */
static inline int has_weights(const row_source *s) { return s->weighted || s->masked || s->omit; }

/* The scale of a row's loss; 1 where it has none. */
double gslfit_source_scale(const row_source *s, long id);

/* Read the points that take part into arrays side by side. How many there are. */
long gslfit_source_gather(const row_source *s, long id, double *const *x, double *y, double *weights, double *room);

#endif
