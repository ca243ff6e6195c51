/* How one fit of a batch ended, as C and Python both have it: name, number, whether it is a success, MINPACK's ier, prose. */
#ifndef GSLFIT_STATUS_H
#define GSLFIT_STATUS_H

#define FIT_STATUSES(X)                                                                                                                   \
    X(NOT_RUN, 0, 0, 0, "not run: the batch was stopped before")                                                                          \
    X(CONVERGED, 1, 1, 1, "converged")                                                                                                    \
    X(CONVERGED_BY_GSL, 2, 1, 1, "converged, by GSL's solver after the lanes were in doubt")                                              \
    X(MAX_NFEV, 3, 0, 5, "the limit of evaluations (max_nfev) was reached; these are the best values so far")                             \
    X(NO_PROGRESS, 4, 0, 7, "no step lowers chi-square any more, and the gradient is not zero")                                           \
    X(SINGULAR, 5, 0, 7, "a parameter has no effect on the residual that is left: it never had one, or the fit ran off to where it lost it") \
    X(AT_BOUND, 6, 1, 2, "converged with a parameter at its bound, where it has no standard error")                                       \
    X(BAD_DATA, 7, 0, 0, "bad data: a NaN or an infinity among the data, or a model that is not finite at the start")                     \
    X(TOO_FEW_POINTS, 8, 0, 0, "fewer points than parameters")                                                                            \
    X(RANK_DEFICIENT, 9, 1, 1, "converged to a minimum that does not determine every parameter: those have no standard error")

#define FIT_STATUS_NAME(name, number, success, ier, prose) FIT_##name = number,
typedef enum { FIT_STATUSES(FIT_STATUS_NAME) FIT_STATUS_COUNT } fit_status;
#undef FIT_STATUS_NAME

typedef struct {
    const char *name;
    int number, success, ier;
    const char *prose;
} fit_status_fact;

extern const fit_status_fact gslfit_fit_status_facts[FIT_STATUS_COUNT];  /* by number */

#endif
