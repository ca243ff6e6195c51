/* GSL's solver of a trust region's linear systems by singular values, made so that a failed allocation is no more than that.
 *
 * `gsl_linalg_bidiag_decomp` allocates a vector for each decomposition and works with NULL where there is no memory. The memory is known to
 * be there when it is called. */
#ifndef GSLFIT_SVD_H
#define GSLFIT_SVD_H

#include <gsl/gsl_multifit_nlinear.h>

extern const gsl_multifit_nlinear_solver gslfit_multifit_svd;

#endif
