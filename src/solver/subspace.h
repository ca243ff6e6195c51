/* GSL's two-dimensional subspace method, made so that it ends.
 *
 * `subspace2D` finds a step by the roots of a quartic (`gsl_poly_complex_solve`), whose companion matrix is balanced without end where a
 * coefficient is infinite: a fit far from its minimum, in units of its own, then never returns. */
#ifndef GSLFIT_SUBSPACE_H
#define GSLFIT_SUBSPACE_H

#include <gsl/gsl_multifit_nlinear.h>
#include <gsl/gsl_multilarge_nlinear.h>

/* Methods to take in place of GSL's: a step whose quartic would overflow is refused, as any that lowers nothing. */
extern const gsl_multifit_nlinear_trs gslfit_multifit_subspace2D;
extern const gsl_multilarge_nlinear_trs gslfit_multilarge_subspace2D;

#endif
