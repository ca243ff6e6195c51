/* Losses beside least squares: what a weighted residual r, or a count, costs, and what a step must know of it.
 *
 * The cost of all points is sum c^2 rho((r/c)^2), c the scale of the loss, in SciPy's notation and twice its cost; of counts y it is the
 * deviance sum 2 (m - y + y log(y/m)) of Poisson's distribution, m the model.
 */
#ifndef GSLFIT_LOSSES_H
#define GSLFIT_LOSSES_H

/* The numbers are those of gslfit.objective.loss. */
typedef enum { LOSS_LINEAR, LOSS_SOFT_L1, LOSS_HUBER, LOSS_CAUCHY, LOSS_ARCTAN, LOSS_TUKEY, LOSS_POISSON, LOSS_COUNT } loss_kind;

/* What numbers of points are for: a slope and a curvature of each point's cost by the model's value there, half of the first and the second
 * derivative. */
typedef enum {
    ROWS_STEP,    /* a step of a fit: a curvature that is never negative */
    ROWS_BENT,    /* least squares: a residual whose square is the cost, and its derivative by the model, in their places */
    ROWS_ERRORS   /* errors: the square of the slope, the curvature as it is, and the cost of least squares */
} loss_rows;

/* Whether a loss grows no further from some residual on: it has minima of its own round any few points, and Huber's leads the way. */
static inline int gslfit_is_bounded(int loss) { return loss == LOSS_ARCTAN || loss == LOSS_TUKEY; }

/* Whether a loss has a scale, beyond which residuals count for less. */
static inline int gslfit_is_robust(loss_kind loss) { return loss != LOSS_LINEAR && loss != LOSS_POISSON; }

/* A step counts on this share at least of the curvature that a robust loss has by its slope alone. */
#define GSLFIT_LEAST_CURVATURE 0.85

#endif
