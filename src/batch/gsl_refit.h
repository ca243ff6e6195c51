/* One fit by GSL's own solvers, and by QR: refits of fits that the lanes did not bring to an end, or not to a good one.
 *
 * A solver's end is polished (polish.h) and judged (judgement.h); GSL steps in the transforms of bounds.h, the polish in the variables
 * themselves.
 */
#ifndef GSLFIT_REFEREE_H
#define GSLFIT_REFEREE_H

#include "common/rare.h"
#include "batch.h"
#include "program/curve.h"

typedef struct gsl_refit gsl_refit;

enum { MOST_FOR_START = 3, MOST_FOR_HIDDEN = 24 };  /* evaluations that gslfit_refit_step_inside and gslfit_refit_unhide take */

/* A refit by GSL for fits of up to `points` points within the bounds of the transform (NULL for none); NULL without memory. */
gsl_refit *gslfit_refit_new(const program *p, long points, const fit_transform *o);
void gslfit_refit_free(gsl_refit *r);

/* Read the points of a fit that take part, for what follows, by a robust loss with those near that are out of its sight, unless they are
 * wanted as they are. How many there are, and how many of them are finite. */
long gslfit_refit_read(gsl_refit *r, const row_source *source, long id, int as_it_is);
long gslfit_refit_count_finite(const gsl_refit *r);  /* r may be NULL */

/* What was taken off the cost of the row that was read by bringing data near (objective/counted.h), and whether the model comes near those
 * at v: then it is the minimum of other data's cost. */
double gslfit_refit_taken(const gsl_refit *r);
GSLFIT_RARE
int gslfit_refit_comes_near(gsl_refit *r, const double *v, const double *inputs);

/* Whether the model is finite at all points that were read. */
int gslfit_refit_is_finite(gsl_refit *r, const double *v, const double *inputs);

/* The fits that follow begin at a start strictly inside its bounds; check(who) stops them. `given`: where the caller had them begin. */
typedef struct {
    const double *start, *given, *inputs;
    fit_box box;  /* where the transform is bounded */
    const fit_options *options;
    int (*check)(void *who);
    void *who;
} refit_case;

/* The bound that variable k of a fit that began at `started` has come next to: -1 the lower, 1 the upper one, else 0. Next to it is a small
 * part of the start's distance. */
int gslfit_beside_bound(const fit_box *box, const double *started, int k, double value);

/* Whether memory ended during a fit: then what came of it means nothing. */
int gslfit_refit_out_of_memory(const gsl_refit *r);

/* Take up a case. Returns whether residual and Jacobian are finite at the start. */
int gslfit_refit_begin(gsl_refit *r, const refit_case *which);

/* Of a fit that the caller has begin at `given` (p) and that begins at `start` (p), inside its box, in the row that has been read: move
 * what the caller put on a bound to where it changes the residual by a share of its length, if that is far from where it is. How far
 * inside it is was a guess, which knows no units. Returns what counts as evaluations: MOST_FOR_START, or 0 where nothing is to be moved,
 * which a batch may know without one (shared_start.h): a row's count must not hang on its neighbours. */
int gslfit_refit_step_inside(gsl_refit *r, const double *given, const double *inputs, const fit_box *box, double *start);

/* Move `start` (p), the case's own, where amplitudes are far too small beside the data, and take the case up again from there. Returns
 * whether residual and Jacobian are finite there. */
GSLFIT_RARE
int gslfit_refit_warm(gsl_refit *r, double *start);

/* Move `start` (p), the case's own, where variables hide each other on the bounds that the caller's start lies on (an amplitude and a rate
 * of 0), and nothing tells how far inside the guess should have put them: of a hundred times as far, and so on, and as near, that
 * is taken beside which what the model is linear in fits best. Adds the evaluations to `used`. Returns whether residual and Jacobian are
 * finite there. */
GSLFIT_RARE
int gslfit_refit_unhide(gsl_refit *r, double *start, int *used);

/* Move `start` (p), the case's own, further inside from the bounds that the caller's start lies on, or nearer to them, to where more
 * variables are seen: what begins on a bound has been moved inside by guess. Adds the evaluations to `used`. Returns whether residual and
 * Jacobian are finite there. */
GSLFIT_RARE
int gslfit_refit_further_inside(gsl_refit *r, double *start, int *used);

/* Fit from the start by one method, in at most `most` evaluations. Fills end but its id and count; its arrays last until the next fit or
 * look, or, if it is kept, until another one is. */
void gslfit_refit_fit(gsl_refit *r, fit_method method, int most, fit_result *end);

void gslfit_refit_keep(gsl_refit *r, fit_result *end);

/* Judge the end that somebody else came to, after a polish. */
void gslfit_refit_settle(gsl_refit *r, const double *v, int most, fit_result *end);

/* After a fit: whether a variable has gone so far that it turned the curve round and round (a sine's frequency of 1e10): for all that the
 * end's derivatives say it may be determined, but there are as good places about it, and its last digits lead from one to the next. */
GSLFIT_RARE
int gslfit_refit_turns_round(gsl_refit *r, const fit_result *end);

/* After a fit: whether it ended before chi-square's curvature was known. */
int gslfit_refit_unseen(const gsl_refit *r);

/* Look at v, without the variables that have a flag, in the row that has been read. Returns whether J is deficient there. */
int gslfit_refit_look(gsl_refit *r, const double *v, const double *inputs, const unsigned char *flags);

/* After that: the standard deviation, in units of the residual's, of what has the derivatives `slopes` (p), NaN where J leaves it open. */
double gslfit_refit_deviation(const gsl_refit *r, const double *slopes);

/* An end where what is held at a bound silences others is looked at again: from inside the bound, with the silenced ones where the
 * residual is largest. The end becomes a lower one, or "at bound" where there is none. */
GSLFIT_RARE
void gslfit_refit_look_again(gsl_refit *r, fit_method method, int most, fit_result *end);

#endif
