/* What chi-square does along what J does not determine.
 *
 * Where J's columns are dependent, a step along its null space is a step along a bent valley: the variables that are open are moved one
 * at a time, by parts of themselves, and the others refitted. Chi-square may rise to either side, which is a minimum for all that J says;
 * fall, which is none; or stay, which is a plain: a peak that has narrowed onto one point is as good with any width.
 *
 * The same valleys are followed where J determines everything, but barely, and chi-square bends so much that Newton's step is a part of
 * Gauss-Newton's (`disputed`): there the quadratic is good for no more than its own step, and says nothing of where the valley leads.
 *
 * So do they say where a fit has run out onto a plain while J still tells all variables apart: Gauss-Newton then promises much, as at no
 * minimum, some errors are vast, and chi-square stays when such variables move by half of themselves.
 *
 * Where the columns are dependent to rounding, and were at the start, a part of the model may be too small to be seen beside another: a
 * beam whose waist is 1e-12 of its width, a step of whose edge one point is seen. Such parts grow along a straight line, and it may take
 * 1e10 times the variables for one to be seen: the line is followed by strides that grow, for as long as chi-square stays as it is.
 */
#ifndef GSLFIT_NULL_SPACE_H
#define GSLFIT_NULL_SPACE_H

#include "common/rare.h"
#include "polish.h"

typedef enum { NULL_SPACE_RISES, NULL_SPACE_FLAT, NULL_SPACE_FALLS, NULL_SPACE_UNSEEN } null_space_slope;

/* Whether J leaves variable k open, or next to it: its error, where residuals have the error sigma, is many times its size. */
int gslfit_null_space_has(const polished *end, int k, double sigma, double value, double size);

/* After a look at v (`end` is what it found): the slope, in at most `most` evaluations; their number is added to `used`. UNSEEN: they
 * didn't suffice. Where it falls, v is moved to the lower point. Where it stays, it is followed on, unless `full`: J determined all at the
 * start, and that it stays is enough to know. `rounding` is that of the residual's length. */
GSLFIT_RARE
null_space_slope gslfit_null_space_follow(polisher *s, const polish_data *data, double *v, const double *size, int full, double rounding,
                                          int most, const polished *end, int *used);

/* After a look at v: whether chi-square falls along a variable whose column is next to none, for all that its derivatives say nothing, the
 * others refitted, or along two of them together; v is then moved. How far each goes for the length of the residual to rise by itself is
 * said in `moves` (p), 0 for all others, and for a single one with a size unless a reach `goes_on` from it. The flags are those of
 * judgement.h. The polisher is elsewhere afterwards, if any were `used`. */
GSLFIT_RARE
int gslfit_null_space_wake(polisher *s, const polish_data *data, double *v, const double *size, int goes_on, double rounding, int most,
                           const polished *end, const unsigned char *flags, double *moves, int *used);

/* After a look at v: whether chi-square falls far along straight lines in J's null space, in at most `most` evaluations; their number is
 * added to `used`. What has `moves` may bend it down there: where an amplitude that is open has the other sign. Where it falls, v is moved
 * to the lowest place found. The polisher is elsewhere afterwards. */
GSLFIT_RARE
int gslfit_null_space_reach(polisher *s, const polish_data *data, double *v, const double *size, const double *moves, double rounding,
                            int most, const polished *end, int *used);

#endif
