/* How a fit ended, as C and Python both have it: the one table. Name, number, whether it is a success, MINPACK's ier, prose.
 *
 * The numbers are stored in files of batches: none is ever given to something else. `gslfit.errors.FitStatus` is made from this table.
 */
#ifndef GSLFIT_STATUS_H
#define GSLFIT_STATUS_H

#define FIT_STATUSES(X)                                                                                                                   \
    /* what a row of a batch ends with */                                                                                                 \
    X(NOT_RUN, 0, 0, 0, "not run: the batch was stopped before")                                                                          \
    X(CONVERGED, 1, 1, 1, "converged")                                                                                                    \
    X(CONVERGED_BY_GSL, 2, 1, 1, "converged, by GSL's solver after the lanes were in doubt")                                              \
    X(MAX_NFEV, 3, 0, 5, "the limit of evaluations (max_nfev) was reached; these are the best values so far")                             \
    X(NO_PROGRESS, 4, 0, 7, "no step lowers chi-square any more, and the gradient is not zero")                                           \
    X(SINGULAR, 5, 0, 7, "a parameter has no effect on the residual that is left: it never had one, or lost it where the fit ran off to") \
    X(AT_BOUND, 6, 1, 2, "converged with a parameter at its bound, where it has no standard error")                                       \
    X(BAD_DATA, 7, 0, 0, "bad data: a NaN or an infinity among the data, or a model that is not finite at the start")                     \
    X(TOO_FEW_POINTS, 8, 0, 0, "fewer points than parameters")                                                                            \
    X(RANK_DEFICIENT, 9, 1, 1, "converged to a minimum that does not determine every parameter: those have no standard error")            \
    /* which test ended an iteration at a minimum */                                                                                      \
    X(GRADIENT, 10, 1, 4, "the gradient is zero")                                                                                         \
    X(STEP, 11, 1, 2, "the parameters no longer change")                                                                                  \
    X(CHISQUARE, 12, 1, 1, "chi-square no longer decreases")                                                                              \
    X(EXACT, 13, 1, 3, "the residual is zero")                                                                                            \
    X(PRECISION, 14, 1, 4, "double precision allows no further decrease of chi-square")                                                   \
    X(POLISHED, 15, 1, 3, "the parameters no longer change")                                                                              \
    /* why it ended elsewhere */                                                                                                          \
    X(MAX_ITER, 16, 0, 5, "the limit of iterations (max_iter) was reached")                                                               \
    X(NONFINITE, 17, 0, 7, "the Jacobian is not finite there")                                                                            \
    X(STOPPED, 18, 0, -1, "the iteration callback stopped it")                                                                            \
    X(INTERRUPTED, 19, 0, -1, "it was interrupted; these are the best values so far")                                                     \
    X(FAILED, 20, 0, 7, "the solver or the caller's function failed")                                                                     \
    X(NO_EFFECT, 21, 0, 7, "no parameter has an effect on the residual at the start values; start elsewhere")                             \
    X(LOST_EFFECT, 22, 0, 7, "a parameter that had an effect on the residual at the start has none any more")                             \
    X(SILENCED, 23, 0, 7, "a parameter at its bound leaves others without effect")                                                        \
    X(FLAT, 24, 0, 7, "the fit ran off: chi-square stays as it is however far parameters go on")                                          \
    X(SLOW, 25, 0, 6, "chi-square falls too slowly, by less than one per cent in dozens of steps")                                        \
    X(SADDLE, 26, 0, 7, "it is at a saddle, from where chi-square falls to either side")                                                  \
    X(FAINT, 27, 0, 7, "the residual has shrunk to the rounding of what it was, and no further step is sure")               \
    X(NOT_POSITIVE, 28, 0, 7, "the model of counts is zero or negative at the start, where counts have no likelihood")      \
    X(OUT_OF_SIGHT, 29, 0, 7, "no more points are in the loss's sight than parameters can meet: it explains none of the others")

#define FIT_STATUS_NAME(name, number, success, ier, prose) FIT_##name = number,
typedef enum { FIT_STATUSES(FIT_STATUS_NAME) FIT_STATUS_COUNT } fit_status;
#undef FIT_STATUS_NAME

typedef struct {
    const char *name;
    int number, success, ier;
    const char *prose;
} fit_status_fact;

#define FIT_STATUS_FACT(name, number, success, ier, prose) [number] = {#name, number, success, ier, prose},

extern const fit_status_fact gslfit_fit_status_facts[FIT_STATUS_COUNT]; /* by number */

/* Whether it is a minimum. */
static inline int gslfit_well_ended(fit_status status) { return gslfit_fit_status_facts[status].success; }

#endif
