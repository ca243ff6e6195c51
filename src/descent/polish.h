/* The last digits of one fit: Gauss-Newton steps by QR on columns of length 1, each from a new Jacobian, until they are down to rounding.
 *
 * Normal equations, as the lanes solve them, lose half the digits of an ill-conditioned fit; the steps here lose none, since each begins
 * from a residual that is exact. Near a minimum they contract at the rate at which the residual bends. A variable that lies on a bound and
 * is pushed against it is held there; the steps are in the others. What is known at the end is what judgement.h asks for.
 */
#ifndef GSLFIT_POLISH_H
#define GSLFIT_POLISH_H

#include "common/judgement.h"
#include "program/program.h"

/* One fit: inputs may be NULL where there are none, low and high (p) where nothing is bounded. */
typedef struct {
    const fit_points *points;
    const double *inputs, *low, *high;
} polish_data;

typedef struct {
    int settled;      /* the steps contracted down to rounding, at full rank of what is not held */
    int nfev;
    double chisqr;
    double gradient;  /* the greatest cosine between the residual and a column that is not held; no more than Newton's, where that counts */
    double *residual; /* in: NULL, or where the residuals (n) at the end go */
    /* evidence at the end; see gslfit_evidence */
    double length, model, data, cosine;  /* |r|, |weighted model|, |weighted data| in sight */
    double counted;                      /* |r| as far as it counts (objective/counted.h): what slopes and cosines are measured by */
    double promised;                     /* the cosine of the Gauss-Newton step, where `cosine` is that of Newton's */
    int rank;                            /* of the columns that count */
    int disputed;                        /* the cosine is that of Newton's step, though a Gauss-Newton step promises more */
    int unseen;                          /* chi-square's curvature was to be looked at, and there were not enough evaluations */
    int kinked;                          /* cosine and gradient are those of derivatives on both sides of a kink (kinks.h) */
    /* slopes: of a variable on a bound, what is left where the others have taken their step (its Lagrange multiplier) */
    double norms[MAX_FREE], slopes[MAX_FREE];
    signed char bounds[MAX_FREE];
    unsigned char open[MAX_FREE];        /* 1 where the columns don't determine a variable */
    double deviations[MAX_FREE];         /* roots of (J^T J)^-1's diagonal; NaN where open, 0 where held */
} polished;

typedef struct polisher polisher;

polisher *gslfit_polisher_new(const program *code, long points);  /* for curves of up to so many points; NULL without memory */
void gslfit_polisher_free(polisher *s);
workspace *gslfit_polisher_space(polisher *s);  /* what it evaluates with */

/* Move v (p) to the minimum, in at most `most` evaluations, and say what is known there. */
void gslfit_polish_curve(polisher *s, const polish_data *data, double *v, int most, polished *end);

/* What is known at v, without the columns that have a flag (NULL for none). Returns whether residual and Jacobian are finite. */
int gslfit_polish_look(polisher *s, const polish_data *data, const double *v, const unsigned char *flags, polished *end);

/* Where a fit is to begin instead of at v (program/linear_start.h), start (p). Returns whether it is. */
int gslfit_polish_linear_start(polisher *s, const polish_data *data, const program *code, const double *v, double *start);

/* After either: the correlations of what is determined, element (i, j <= i) at i*(i+1)/2 + j; 0 with what is held, NaN with what is
 * open. */
void gslfit_polish_correlations(const polisher *s, const polished *end, double *correlations);

/* After either: the root of what (J^T J)^-1 gives for the direction `slopes` (p), a standard deviation, as far as the columns that count
 * determine it: NaN where the direction has a part along one in which J is deficient. What was left out or is held adds nothing. */
double gslfit_polish_deviation(const polisher *s, const double *slopes);

/* After either: the directions in which J is deficient (`which` from 0), as changes of v of about the variables' own size; 0 past the
 * last. */
int gslfit_polish_null(const polisher *s, int which, const double *size, double *direction);

/* How `gslfit_polish_beside` steps: all columns together; the first step by what the model is linear in alone; or, where a step leads
 * astray, without the columns that depend most on the others. */
typedef enum { STEP_TOGETHER, STEP_STRAIGHT, STEP_FEWER } beside_step;

/* Move v, but its variables with a flag, by Gauss-Newton steps, shortened where chi-square would rise, in at most `most` evaluations. One
 * that shortens the residual by no more than a share `gain` is the last. Returns the residual's length there. */
double gslfit_polish_beside(polisher *s, const polish_data *data, double *v, const unsigned char *flags, beside_step how, double gain,
                            int most, int *used);

/* Residual's length at v; NaN or infinite where the model is. */
double gslfit_polish_length(polisher *s, const polish_data *data, const double *v);

/* All of it for one curve: v (p) is moved to the minimum; correlations (p*p) are those there. Where the fit began (`start`, or NULL) tells
 * what may be left open for all that J says; that is not settled. Returns 0, or -1 without memory. */
int gslfit_polish(const program *code, const double *start, double *v, const polish_data *data, int most, double *correlations,
                  polished *end);

#endif
