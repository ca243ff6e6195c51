/* The last digits of one fit: Gauss-Newton steps by QR on columns of length 1, each from a new Jacobian, until they are down to rounding.
 *
 * Normal equations, as the lanes solve them, lose half the digits of an ill-conditioned fit; the steps here lose none, since each begins
 * from a residual that is exact. Near a minimum they contract at the rate at which the residual bends.
 */
#ifndef GSLFIT_POLISH_H
#define GSLFIT_POLISH_H

#include "program/program.h"

typedef struct {
    int settled;      /* the steps contracted down to rounding, at full rank */
    int nfev;
    double chisqr;
    double gradient;  /* the greatest cosine between the residual and a column */
    double *residual; /* in: NULL, or where the residuals (n) at the end go */
} polished;

/* v (p) is moved to the minimum; covariance (p*p) becomes (J^T J)^-1 there. y and weights may be NULL. Returns 0, or -1 without memory. */
int polish(const program *code, double *v, const double *inputs, const double *const *x, const double *y, const double *weights, long n,
           double *covariance, polished *end);

#endif
