/* What of data counts by a robust loss. A number that no model comes near (a fill value of 1e20) has next to no weight, or pulls at the
 * model no more than any other that is far off; yet it is as large as it is, and so may its cost be. What rounding is, and how near an end
 * is to its minimum, is therefore measured without the greater part of it.
 */
#ifndef GSLFIT_COUNTED_H
#define GSLFIT_COUNTED_H

#include <math.h>
#include "common/rare.h"
#include "losses.h"

/* In scales of the loss. A number is out of sight if it is larger and most others aren't; a residual counts for no more than so many. */
#define GSLFIT_OUT_OF_SIGHT 1e7
#define GSLFIT_FARTHEST 100
#define GSLFIT_LONGEST 1e4  /* a residual of a step */
#define GSLFIT_HARDLY 0.05  /* of a point: what those that are far off count for together, where none is met */
#define GSLFIT_ANOTHER 0.5  /* of a point, by which another one is out of sight */

/* Whether one of the weighted data whose squares' sum is `square` may be out of sight. */
static inline int gslfit_may_be_out_of_sight(loss_kind loss, double scale, double square) {
    const double near = GSLFIT_OUT_OF_SIGHT * scale;
    return gslfit_is_robust(loss) && square > near * near;
}

/* How many of some finite numbers are so large, and the sums of their squares: within sight, and by powers of 8 beyond. */
enum { GSLFIT_SIZES = 64 };
typedef struct {
    double scale, count[GSLFIT_SIZES], square[GSLFIT_SIZES];
} gslfit_sizes;

GSLFIT_RARE void gslfit_sizes_add(gslfit_sizes *s, const double *numbers, long n);

/* The size beyond which a number is out of sight; infinite where none is. */
GSLFIT_RARE double gslfit_sizes_most(const gslfit_sizes *s);

/* The sum of the squares of the numbers, none of which counts for more than that; `square`, which it is, where all are in sight. */
GSLFIT_RARE double gslfit_sizes_square(const gslfit_sizes *s, double square);

/* The same of n weighted data. */
GSLFIT_RARE double gslfit_square_in_sight(loss_kind loss, double scale, double square, const double *numbers, long n);

/* How many of so many points a fit explains, by its cost and a bounded loss: each that is met counts as one, each that is out of sight as
 * none, whatever it is. Infinite for other losses. */
static inline double gslfit_explained(loss_kind loss, double scale, double cost, double count) {
    return gslfit_is_bounded(loss) ? count - cost / ((loss == LOSS_TUKEY ? 1.0 / 3 : M_PI_2) * scale * scale) : INFINITY;
}

/* Whether these are as many as the parameters meet wherever they are, and others are out of sight: such a minimum tells nothing of the
 * data (of which there are more), and its errors, those of the points that are met, are rounding. */
static inline int gslfit_explains_nothing(double explained, double count, double parameters) {
    return count > parameters && explained <= parameters + GSLFIT_HARDLY && explained <= count - GSLFIT_ANOTHER;
}

/* Bring weighted data beyond that size to it. No model comes near there either, and they pull as they did, by all losses but Cauchy's,
 * whose costs are in no sum's way; what was lost of the others' beside theirs is there again. Returns what that takes off the cost of the
 * points in the loss's units, DBL_MIN at least where something has moved. `weights` may be NULL. */
GSLFIT_RARE double gslfit_bring_near(loss_kind loss, double scale, double most, double *y, const double *weights, long n);

/* What the cost of so many points counts for at most, where it says how far off a minimum is: the squares of slopes sum up to less. */
static inline double gslfit_counted_cost(loss_kind loss, double scale, double count) {
    const double most = GSLFIT_FARTHEST * scale;
    return gslfit_is_robust(loss) ? most * most * count : INFINITY;
}

#endif
