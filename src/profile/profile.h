/* Profiles of chi-square, many fits at once: where they cross given levels.
 *
 * A lane is one side of the profile of one parameter of one row of data; it goes from the minimum outward, level by level. A step moves
 * the parameter and the others together, to where chi-square's quadratic model (J^T J) has the level on the profile (D. J. Venzon,
 * S. H. Moolgavkar, Applied Statistics 37 (1988) 87); the parameter's own move is a step of Newton's in the root of chi-square's rise, or
 * a cubic's through the points known, for the root is nearly straight (D. M. Bates, D. G. Watts, Nonlinear Regression Analysis and Its
 * Applications, 1988, chapter 6). What this can't vouch for is said to be in doubt, for others to look at: a bent profile, one that is not
 * reached, a jump, another parameter's points that lie below it, parameters that can change roles within reach.
 */
#ifndef GSLFIT_PROFILE_H
#define GSLFIT_PROFILE_H

#include "batch/batch.h"

enum { MAX_LEVELS = 64, LIMIT_TURNS = 14 /* evaluations that a limit may take */ };

/* Of a limit; the numbers are those of gslfit.confidence.limit_status. */
typedef enum { LIMIT_NONE, LIMIT_FOUND, LIMIT_BEYOND_BOUND, LIMIT_IN_DOUBT } limit_status;

typedef struct {
    const program *program;
    long rows;
    row_source source;             /* a row for each fit */
    const strided_array *inputs;   /* per-fit inputs of the program */
    const double *low, *high;      /* bounds (p), infinite for none; of each row (rows, p) where `own` is not 0 */
    int own;
    const double *best;            /* (rows, p): the minima */
    int count;                     /* of levels */
    const double *rises;           /* (rows, count): of chi-square in units of what one standard error adds; they increase. A row whose
                                    * first is NaN has no limits */
    int known;                     /* whether that unit is 1; else it is the reduced chi-square */
    int profiled;                  /* parameters whose profiles are wanted */
    const int *which;              /* (profiled) */
    double straight;               /* relative deviation of a profile's root from its tangent at the minimum: more is bent */
    double lower;                  /* units: a point by so much lower is another minimum */
    double beyond;                 /* times the outermost limit's distance that other branches may lie within */
    int exchanges;                 /* of parameters that leave the model as it is */
    const int *orders;             /* (exchanges, p) */
    /* out */
    double *limits;                /* (rows, profiled, 2, count) */
    int8_t *status;                /* the same: limit_status. One that is in doubt has all of its row in doubt */
    int64_t evaluations;           /* of the model, by all lanes */
} profile_job;

/* 0, or -1 without memory. */
int gslfit_profile_run(profile_job *job);

/* Refits of one row with some parameters held. */
typedef struct {
    const program *program;
    row_source source;
    const strided_array *inputs;   /* per-fit inputs of the program */
    const double *low, *high;
    uint64_t held;                 /* a bit for each parameter that is, */
    const uint64_t *holds;         /* or (count): of each start; else NULL */
    double enough, share;          /* a promised decrease of chi-square, or a share of its rise above `floor`, that is not worth a step */
    double floor;
    long count;
    double *v;                     /* (count, p): starts, then where chi-square is lowest */
    double *chisqr;                /* (count): there; NaN where the model isn't finite at the start */
    int8_t *settled;               /* (count): whether it was found */
} refit_job;

int gslfit_profile_refit(refit_job *job);

#endif
