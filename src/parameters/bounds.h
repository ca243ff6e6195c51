/* The transform that keeps one parameter within its bounds while a solver moves freely: gslfit/bounds.py has its mathematics. */
#ifndef GSLFIT_BOUNDS_H
#define GSLFIT_BOUNDS_H

typedef enum {
    BOUND_FREE, BOUND_ONE, BOUND_TWO,
    BOUND_WIDE,  /* two bounds, the far one out of sight */
    BOUND_OUT    /* every bound out of sight */
} bound_kind;

typedef struct {
    bound_kind kind;
    double near, size, far;  /* the bound counted from (OUT: the lower one); ONE and WIDE: the start's distance from it, TWO: the far one's */
} fit_bound;

/* The transform for a start strictly between its bounds (infinite for none); wide and out are bounds.py's WIDE and FAR. */
void gslfit_bound_set(fit_bound *b, double start, double low, double high, double wide, double out);

double gslfit_bound_internal(const fit_bound *b, double value);
double gslfit_bound_external(const fit_bound *b, double v, double *slope);  /* and its derivative */

#endif
