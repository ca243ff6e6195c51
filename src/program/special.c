/* Special functions by GSL's forms that return a status (its error handler is never asked), or by libm. */
#include "special.h"

#include <gsl/gsl_errno.h>
#include <gsl/gsl_sf_bessel.h>
#include <gsl/gsl_sf_psi.h>
#include <math.h>

#define PI 3.14159265358979323846
#define EULER 0.57721566490153286061

/* A result that under- or overflowed is still a result. */
static double settled(int status, gsl_sf_result r) {
    return status == GSL_SUCCESS || status == GSL_EUNDRFLW || status == GSL_EOVRFLW || status == GSL_ELOSS ? r.val : NAN;
}

#define FROM_GSL(name, call)            \
    double gslfit_special_##name(double a) {   \
        gsl_sf_result r;                \
        if (a != a) return a;           \
        const int status = call;        \
        return settled(status, r);      \
    }

/* Functions of the second kind have a pole at 0, and no value below. Next to it they are the pole's first term, which GSL gives up too
 * soon. */
#define FROM_GSL_POSITIVE(name, pole, call)       \
    double gslfit_special_##name(double a) {             \
        gsl_sf_result r;                          \
        if (!(a > 1e-300)) return a >= 0 ? pole : NAN; \
        const int status = call;                  \
        return settled(status, r);                \
    }

/* The poles of the gamma function, where GSL sees the integers only as far as rounding lets it. */
static int is_pole(double a) { return a <= 0 && floor(a) == a; }

static double psi(double a) {
    gsl_sf_result r;
    const int status = gsl_sf_psi_e(a, &r);
    return settled(status, r);
}

static double psi_1(double a) {
    gsl_sf_result r;
    const int status = gsl_sf_psi_1_e(a, &r);
    return a > 1e8 ? 1 / a : settled(status, r);  /* to the last digit but 1/(2a) of it, and beyond GSL's range */
}

double gslfit_special_digamma(double a) { return a != a ? a : a == 0 ? -1 / a : is_pole(a) ? NAN : psi(a); }
double gslfit_special_trigamma(double a) { return a != a ? a : is_pole(a) ? INFINITY : psi_1(a); }

/* By the scaled forms, and e^|a| in two halves: GSL ends where e^|a| overflows, and these functions don't. */
static double unscaled(double scaled, double a) {
    const double half = exp(0.5 * fabs(a));
    return half == INFINITY ? half : scaled * half * half;
}


FROM_GSL(i0e, gsl_sf_bessel_I0_scaled_e(a, &r))
FROM_GSL(i1e, gsl_sf_bessel_I1_scaled_e(a, &r))
FROM_GSL(i2e, gsl_sf_bessel_In_scaled_e(2, a, &r))

double gslfit_special_i0(double a) { return unscaled(gslfit_special_i0e(a), a); }
double gslfit_special_i1(double a) { return copysign(unscaled(fabs(gslfit_special_i1e(a)), a), a); }
double gslfit_special_i2(double a) { return unscaled(gslfit_special_i2e(a), a); }

FROM_GSL_POSITIVE(k0, -log(0.5 * a) - EULER, gsl_sf_bessel_K0_e(a, &r))
FROM_GSL_POSITIVE(k1, 1 / a, gsl_sf_bessel_K1_e(a, &r))
FROM_GSL_POSITIVE(k2, 2 / a / a, gsl_sf_bessel_Kn_e(2, a, &r))
FROM_GSL_POSITIVE(k0e, -log(0.5 * a) - EULER, gsl_sf_bessel_K0_scaled_e(a, &r))
FROM_GSL_POSITIVE(k1e, 1 / a, gsl_sf_bessel_K1_scaled_e(a, &r))
FROM_GSL_POSITIVE(k2e, 2 / a / a, gsl_sf_bessel_Kn_scaled_e(2, a, &r))

double gslfit_special_gamma(double a) { return a == 0 ? copysign(INFINITY, a) : tgamma(a); }
double gslfit_special_lgamma(double a) { return lgamma(a); }
double gslfit_special_j0(double a) { return j0(a); }
double gslfit_special_j1(double a) { return j1(a); }
double gslfit_special_j2(double a) { return jn(2, a); }
double gslfit_special_y0(double a) { return a == 0 ? -INFINITY : a < 0 ? NAN : y0(a); }
double gslfit_special_y1(double a) { return a == 0 ? -INFINITY : a < 0 ? NAN : y1(a); }
double gslfit_special_y2(double a) { return a == 0 ? -INFINITY : a < 0 ? NAN : yn(2, a); }

/* sin(pi*a) of the exact product: whole turns are taken off a first */
static double sine_of_pi(double a) { return sin(PI * (a - 2 * rint(0.5 * a))); }
static double cosine_of_pi(double a) { return cos(PI * (a - 2 * rint(0.5 * a))); }

double gslfit_special_sinc(double a) { return a == 0 ? 1.0 : fabs(a) == INFINITY ? 0.0 : sine_of_pi(a) / (PI * a); }

double gslfit_special_sinc_d(double a) {
    if (fabs(a) == INFINITY) return 0.0;
    if (fabs(a) > 0.4) return (cosine_of_pi(a) - gslfit_special_sinc(a)) / a;
    const double square = PI * PI * a * a;  /* d/dt sin(t)/t = sum of (-1)^k 2k t^(2k-1)/(2k+1)! */
    double term = -PI * PI * a / 3, sum = 0;
    for (int k = 1; k < 14; k++) {
        sum += term;
        term *= -square / ((2 * k) * (2 * k + 3));
    }
    return sum;
}
