/* GSL's lmder and lmsder with linear algebra of their own, for fits of few points by the thousand.
 *
 * The method is GSL's, which is MINPACK's (Moré, Lecture Notes in Mathematics 630 (1978) 105), step for step and to the same endings. But J
 * is decomposed by columns with the residual beside them, and lengths are those of common/linalg.h: GSL's go by rows, by reference BLAS,
 * and cost several times what a formula of a hundred points does. */
#ifndef GSLFIT_LMDER_H
#define GSLFIT_LMDER_H

#include <gsl/gsl_multifit_nlin.h>

/* Types for gslfit_fdfsolver_alloc; without weights. */
extern const gsl_multifit_fdfsolver_type gslfit_lmder, gslfit_lmsder;

#endif
