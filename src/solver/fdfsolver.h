/* GSL's older solver and its covariance, made so that a failed allocation is no more than that.
 *
 * `gsl_multifit_fdfsolver_alloc` (GSL 2.5 to 2.8) hands a solver to `gsl_multifit_fdfsolver_free` when the method's own allocation fails.
 * The method has freed what it had by then, without forgetting it, so that its memory is freed twice. */
#ifndef GSLFIT_FDFSOLVER_H
#define GSLFIT_FDFSOLVER_H

#include <gsl/gsl_multifit_nlin.h>

/* A solver of n residuals and p parameters, for `gsl_multifit_fdfsolver_free`; NULL without memory. */
gsl_multifit_fdfsolver *gslfit_fdfsolver_alloc(const gsl_multifit_fdfsolver_type *type, size_t n, size_t p);

/* (J^T J)^-1 as `gsl_multifit_covar` has it, which works with NULL where there is no memory; GSL_ENOMEM here. */
int gslfit_covar(const gsl_matrix *J, double epsrel, gsl_matrix *covar);

#endif
