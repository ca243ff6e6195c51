/* Is this point a minimum? The one answer, for every entry and every row: fit_batch's lanes and GSL refits, fit, minimize, GSL's objects.
 *
 * A minimum is a point from which no way down is found, within rounding; at infinity there is none (LOST_EFFECT). The first of these that
 * applies decides:
 *
 *   (a) EXACT           The residual is at rounding: at most ROUNDING times `scale`. Nothing below it can be seen, so it is a success
 *                       whatever the rank of J. (`scale` is the length of the weighted data, or a sixteenth of the greatest |J_j| |x_j|
 *                       at the end where terms cancel, up to CANCELLED of the data. Where the data are all zero it is ZEROS of the
 *                       weighted model at the start; where only residuals are known, the greatest |J_j| |x_j| at the end, or the
 *                       start's |r| if that is 0, or if the residual does not follow J and some parameter still changes it. The start
 *                       does not count otherwise: from 1e20 times too large, any residual would be rounding.)
 *   (d) NO_EFFECT       No parameter has an effect, at the start and at the end, or no step changed the model: nothing was fitted.
 *                       Not where the model is linear in all of them and J of full rank: there a way down that J doesn't show is none,
 *                       however small the parameters are (their answer may be 0, and a fit begin at what another one made of that).
 *   (c) LOST_EFFECT     A parameter that had an effect at the start has none at the end, and residual is left: it ran off to a plain. Or J
 *                       determined all parameters at the start, and at the end leaves some open along which chi-square stays as it is (a
 *                       peak that has narrowed onto one point); or it leaves more of them open than at the start, or one that is AFAR
 *                       times its start; or it leaves open, or as good as that, what the model is linear in, by a hundred times the data,
 *                       beside a vast error of what curves it. So has one run off that is a million times its start, and so far out turned
 *                       the curve round and round that a move by a few times its start, or by its last digits, changes its column (an
 *                       angle of 1e10: derivatives vanish there in one place or another). The same where chi-square was seen to fall
 *                       along what is open, and where J still tells all, but some by an error of VAGUE times their size, beside which
 *                       Gauss-Newton promises more than is left to fall (two decays on their way to become one, by amplitudes of 1e4 of
 *                       both signs): at a minimum it does not. Not where chi-square rises to both sides of it by its second derivative
 *                       (`bent`: d in d**2 at 0): that is no plain, but a parameter that J does not determine, (b).
 *       SILENCED        The same where a parameter lies on a bound, which may be what silences it (an amplitude of 0 silences centre and
 *                       width, a temperature of 0 itself: nothing pushes it there). A doubt: the caller steps inside, where the silenced
 *                       parameters make the residual's largest part fall, and some of the way back to the start, and fits again. It is
 *                       (f) where chi-square falls from a place on the bound that is as low, even if that leads to no end. Only
 *                       where that finds nothing lower, it sets `looked` and asks again; then it is (e), unless
 *                       nothing at all has an effect any more, or chi-square falls inwards for all that the slope is zero (`runs_off`).
 *   (f) NOT_MINIMUM     A way down is left: the undamped Gauss-Newton step promises to remove more of chi-square than can be rounding or
 *                       tolerance, a bound is pushed away from, or J's null space leads further down. A damped step, however short, is no
 *                       evidence: its length says how large the damping is. Or the evaluations ended before chi-square's curvature was
 *                       known, and the Gauss-Newton step, which may be far from Newton's, is not next to nothing.
 *   (e) AT_BOUND        At least one parameter is held at a bound that chi-square pushes it against; the others are at their minimum.
 *   (b) RANK_DEFICIENT  At the minimum of what J determines, and J's columns are dependent, or a parameter has no effect and had none. One
 *                       that has no column is moved first, to both sides, as far as can be seen, and the others refitted beside it: it may
 *                       have no slope where it starts (b of b**2 at 0), and give others theirs (the factors of a product that are both 0).
 *       MINIMUM         At a minimum, J of full rank.
 *
 * Everything is measured in the parameters themselves (not in what a bounds transform steps in), and in the weighted residual.
 *
 * The evidence is free of scale: the cosine between the residual and the span of J's columns is the root of the share of chi-square that an
 * undamped Gauss-Newton step promises to remove (Bates and Watts 1981); the distance from the minimum in standard errors is that cosine
 * times the root of the degrees of freedom. A cosine cannot be known better than to the rounding of the residual itself,
 * ROUNDING * scale / |r|, and that much is always allowed.
 *
 * A parameter is without effect (`silent`) where its column is zero, or where its whole size, max(|x|, |start|), changes the residual by
 * less than a share NEGLIGIBLE of it (or by rounding), which it did at the start, and its column has fallen below FALLEN of the
 * start's, relative to the residual, or below NEGLIGIBLE of it. The last condition keeps apart a parameter whose value merely is 0: its
 * column is as long as ever. A parameter that has been tiny all along (1e-20, where data of 1 are fitted) is not without
 * effect: its slope says that there is a way down. Where the residual is at rounding, (a), there is no other measure than that: a parameter
 * that the model isn't linear in is silent where its whole size changes the data by rounding (the place of a peak whose amplitude is
 * 1e-17), whatever it did at the start. The column of one that it is linear in doesn't hang on its size.
 *
 * A parameter that enters squared is 0 at its minimum but for the root of rounding, where its column may seem to tell it (to a million
 * times its size). So one whose whole size changes the residual by less than a share EVEN, and which chi-square bends up at, has no
 * error, and the others' are those without it (`gslfit_is_even`). Where its size is not known, it is how far it has to go for the residual
 * to rise visibly (`gslfit_way`).
 *
 * Plain C, no state; other units and Cython call it without the GIL.
 */
#ifndef GSLFIT_JUDGEMENT_H
#define GSLFIT_JUDGEMENT_H

#include <float.h>
#include <math.h>

#define GSLFIT_ROUNDING 1.42108547152020037e-14 /* 64 * 2^-52: what a model of some dozens of operations loses, relative to its size */
#define GSLFIT_CLOSE 1e-5                       /* a cosine below it is a minimum's: chi-square would fall by 1e-10 of itself */
#define GSLFIT_SURE 0.4                         /* of a minimum's cosine where curvature is not known, a sixth of J^T J's perhaps */
#define GSLFIT_FALL 1e-10                       /* share by which the residual falls at least where it does: CLOSE squared */
#define GSLFIT_LOWER 1e-12                      /* share by which one end's residual is less than another's where it is lower */
#define GSLFIT_UNTOLD 5e-9                      /* half the fall of chi-square, in reduced ones, that is none: 1e-4 of a standard error */
#define GSLFIT_NEGLIGIBLE 1e-7                  /* share of the residual below which a change is none */
#define GSLFIT_CANCELLED 1e6                    /* times the data: terms that cancel may be as large, further ones are nonsense */
#define GSLFIT_ZEROS 0.5                        /* of the model at the start: what stands for data that are zero */
#define GSLFIT_VAGUE 1e4                        /* times itself that a parameter's error is, and it may have run out onto a plain */
#define GSLFIT_AFAR 1e8                         /* times its start that a parameter that is open gets to where it has run off */
#define GSLFIT_FALLEN 1e-3                      /* of what a column was beside the residual at the start */
#define GSLFIT_EVEN 1e-5                        /* share of the residual below which a column is next to none where chi-square bends up */
#define GSLFIT_SEEN 1e-6                        /* share by which the residual rises, where that is seen in its digits ... */
#define GSLFIT_FAR 1e-2                         /* ... and by which it does further away than is needed */

typedef enum {
    GSLFIT_NOT_MINIMUM, GSLFIT_NO_EFFECT, GSLFIT_LOST_EFFECT, GSLFIT_SILENCED, GSLFIT_AT_BOUND, GSLFIT_RANK_DEFICIENT, GSLFIT_EXACT_FIT,
    GSLFIT_MINIMUM
} gslfit_verdict;

enum { GSLFIT_HELD = 1, GSLFIT_SILENT = 2, GSLFIT_LOST = 4, GSLFIT_UNDETERMINED = 8 };  /* of each parameter; the last by who has errors */

/* What is known at an end. Arrays have p elements. */
typedef struct {
    int p;
    double residual, first_residual;    /* |r| at the end and at the start */
    double scale;                       /* what rounding is measured by: see (a) */
    double tolerance;                   /* a cosine that the caller's own tolerances let pass, where that is more than CLOSE; else 0 */
    double cosine;                      /* of r and the span of the columns that count (neither held nor silent); < 0: not known */
    int rank;                           /* of those columns, scaled to length 1 */
    const double *x, *start;            /* the parameters at the end and at the start */
    const double *norms, *first_norms;  /* |J_j| there; first_norms NULL where they are not known */
    const double *slopes;               /* J_j.r / (|J_j| |r|), with its sign; 0 where the column is zero */
    const unsigned char *bent;          /* 1 where chi-square bends up at a lost parameter (gslfit_bends); NULL: not known */
    const unsigned char *bending;       /* 1 for a parameter that the model is known not to be linear in; NULL: not known */
    const signed char *bounds;          /* -1 on its lower bound, 1 on its upper one, else 0; NULL: no bounds */
    int linear;                         /* the model is linear in all parameters together */
    int unmoved;                        /* no step changed the model */
    int looked;                         /* a SILENCED was looked at again, and nothing lower was found */
    int runs_off;                       /* chi-square falls along J's null space, or from a bound inwards, beyond rounding */
    int unseen;                         /* the curvature was to be looked at, and is not known */
    int plain;                          /* J was of full rank at the start, is not here, and chi-square stays along its null space */
} gslfit_evidence;

/* Say of each parameter whether it is held or silent (flags, p). How many columns are left: those whose cosine and rank are to be known. */
int gslfit_sort_columns(const gslfit_evidence *e, unsigned char *flags);

/* The verdict. The flags (p) are filled as by gslfit_sort_columns. Errors are to be had of parameters without a flag, where J has full
 * rank. */
gslfit_verdict gslfit_judge(const gslfit_evidence *e, unsigned char *flags);

/* Whether a verdict is a success: (a), (e), (b) and a minimum. */
static inline int gslfit_is_success(gslfit_verdict verdict) { return verdict >= GSLFIT_AT_BOUND; }

/* Whether chi-square bends up at a parameter that J says nothing of, over the whole way: where a peak has narrowed onto a point, it rises
 * to a plain when the peak leaves it. By the residual's length there, and `beside` at this share of the parameter's size, below and above,
 * and at half of it, below and above; rounding is that of a length. */
#define GSLFIT_BESIDE 1e-3
#define GSLFIT_NEXT 0.05    /* of the way to those places: nearer to a bound it counts as on it */
int gslfit_bends(double length, const double beside[4], double rounding);

/* Those places: within bounds (infinite where there are none), on one of them, or next to it, all inwards. Returns whether there are
 * such. */
static inline int gslfit_places_beside(double x, double reach, double low, double high, double places[4]) {
    const int below = x - reach >= low, above = x + reach <= high;
    if (!(below && above) && !(below ? high - x <= GSLFIT_NEXT * reach : above && x - low <= GSLFIT_NEXT * reach)) return 0;
    for (int i = 0; i < 4; i++) {
        const int up = below && above ? i & 1 : above;
        places[i] = x + (up ? reach : -reach) * (i & 2 ? 0.5 : 1);
    }
    return 1;
}

/* Whether a column's part in how chi-square bends up at its parameter is next to none, by the parameter's size and the residual's
 * length. */
static inline int gslfit_is_even(double norm, double size, double length) { return norm * size <= GSLFIT_EVEN * length; }

/* How far to go from the value of a parameter for the residual to rise by a share between SEEN and FAR, where its own size doesn't tell: it
 * began at 0, or next to it. No further than its column says that the residual changes by a share EVEN: a parameter along which it rises
 * there is even in its size, which is that way, and one along which it stays isn't. */
typedef struct {
    double lost, far;  /* a way that is not seen, and one that is too long: 0 while there is none */
    double trial;      /* the one to look at; in the end the one that was found, 0 if there is none */
    int left;
} gslfit_way;

gslfit_way gslfit_way_begin(double norm, double size, double length);

/* Take the share by which the residual rises over the trial; NaN or infinite where that is no way to go. Whether there is another one. */
int gslfit_way_next(gslfit_way *way, double rise);

/* Whether such a way tells anything of a parameter that is lost: it has come nearer to 0 than it began, or began where its column was none.
 * One that has gone out is on a plain, whatever is beyond it. */
static inline int gslfit_came_in(double x, double start, double first_norm, double first_length) {
    return fabs(x) < fabs(start) || gslfit_is_even(first_norm, fabs(start), first_length);
}

/* Whether a verdict may be another one once it is known which parameters are bent. */
static inline int gslfit_may_be_bent(gslfit_verdict verdict) { return verdict == GSLFIT_LOST_EFFECT || verdict == GSLFIT_SILENCED; }

/* How far to move a parameter that has gone to a million times its start, to see whether it has turned the curve round and round: a few
 * times its start, a good turn of what turned with it there, or by its last digits; 0 where it has not gone so far. Over neither is a model
 * another one, and a column changes by less than TURNED_BY of itself. */
#define GSLFIT_TURNED_BY 0.1
#define GSLFIT_ROUND 1e6
static inline double gslfit_next_turn(double x, double start) {
    return start != 0 && fabs(x) > GSLFIT_ROUND * fabs(start) ? fmax(3 * fabs(start), 64 * DBL_EPSILON * fabs(x)) : 0;
}

/* What rounding is measured by, from the length of the data (not zero) and the greatest |J_j| |x_j|. */
double gslfit_scale(double data, double within);

/* Whether a step moves a parameter by its last digit at most. One that a Gauss-Newton step moves by no more stays as it is, and the cosine
 * is that of the others: no number is nearer to the minimum. */
static inline int gslfit_is_last_digit(double step, double x) { return step != 0 && fabs(step) <= DBL_EPSILON * fabs(x); }

/* The greatest cosine that a minimum may have here. */
double gslfit_cosine_bound(double residual, double scale, double tolerance);

#endif
