/* Functions of one double that C's mathematics lacks, or has on some systems only. NaN outside their domain. */
#ifndef GSLFIT_SPECIAL_H
#define GSLFIT_SPECIAL_H

#define SPECIAL_FUNCTIONS(X)                                      \
    X(sinc) X(sinc_d) X(gamma) X(lgamma) X(digamma) X(trigamma)   \
    X(j0) X(j1) X(j2) X(y0) X(y1) X(y2)                           \
    X(i0) X(i1) X(i2) X(k0) X(k1) X(k2)                           \
    X(i0e) X(i1e) X(i2e) X(k0e) X(k1e) X(k2e)

#define DECLARE_SPECIAL(name) double gslfit_special_##name(double a);
SPECIAL_FUNCTIONS(DECLARE_SPECIAL)

#endif
