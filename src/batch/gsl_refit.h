/* One fit by GSL's own solvers, and by QR: the referee of fits that the lanes did not bring to an end, or not to a good one.
 *
 * A solver's end is polished (polish.h) and judged (judgement.h); GSL steps in the transforms of bounds.h, the polish in the variables themselves.
 */
#ifndef GSLFIT_REFEREE_H
#define GSLFIT_REFEREE_H

#include "batch.h"
#include "program/curve.h"

typedef struct referee referee;

/* A referee for fits of up to `points` points within the bounds of the outside (NULL for none); NULL without memory. */
referee *gslfit_referee_new(const program *p, long points, const outside *o);
void gslfit_referee_free(referee *r);

/* The arrays to be filled with a curve's points before it is judged: variable j, data, weights. */
double *gslfit_referee_x(referee *r, int j);
double *gslfit_referee_y(referee *r);
double *gslfit_referee_weights(referee *r);
double *gslfit_referee_room(referee *r);  /* for one number a point, while the arrays are filled */

/* The fits that follow are of n points and begin at a start strictly inside its bounds; check(who) stops them. */
typedef struct {
    long n;
    const double *start, *inputs;
    const fit_options *options;
    int (*check)(void *who);
    void *who;
} referee_case;

/* Whether memory ended during a fit: then what came of it means nothing. */
int gslfit_referee_out_of_memory(const referee *r);

/* Take up a case. Returns whether residual and Jacobian are finite at the start. */
int gslfit_referee_begin(referee *r, const referee_case *which);

/* Fit from the start by one method, in at most `most` evaluations. Fills end but its id and count; its arrays last until the next fit or look,
 * or, if it is kept, until another one is. */
void gslfit_referee_fit(referee *r, fit_method method, int most, outcome *end);

void gslfit_referee_keep(referee *r, outcome *end);

/* Judge the end that somebody else came to, after a polish. */
void gslfit_referee_settle(referee *r, const double *v, int most, outcome *end);

/* An end where what is held at a bound silences others is looked at again: from inside the bound, with the silenced ones where the residual is
 * largest. The end becomes a lower one, or "at bound" where there is none. */
void gslfit_referee_look_again(referee *r, fit_method method, int most, outcome *end);

#endif
