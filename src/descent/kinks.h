/* Minima at kinks: where derivatives jump (the end of a straight ramp that passes a data point), chi-square may be least at a point whose
 * gradient is zero on neither side.
 *
 * There 0 lies among the convex combinations of the gradients next to the point (Clarke 1983). They are collected one by one (Wolfe 1975;
 * Lemarechal 1977): against the shortest combination so far, a step leads down, or the gradient behind it joins the others. A kink that
 * bends down is none: a step leads down from there.
 */
#ifndef GSLFIT_KINKS_H
#define GSLFIT_KINKS_H

#include "common/rare.h"
#include "polish.h"

/* Step from v (p), variables of such sizes (p; 0: not known), to lower points for as long as there are any, in at most `most` evaluations;
 * returns those used, -1 without memory.
 * Afterwards `end` is what is known at v. At the minimum of a kink, if `most` was enough to make sure of it, `end->kinked` is set, and the
 * cosine and the greatest slope are those of the shortest combination. */
GSLFIT_RARE
int gslfit_kinks_descend(polisher *s, const polish_data *data, double *v, const double *size, int most, polished *end);

#endif
