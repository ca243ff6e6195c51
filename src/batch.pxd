# batch.h, fit_transform.h, lanes.h, row_source.h and strided_array.h as their headers have them.
from libc.stdint cimport int8_t, int32_t

from program cimport program

cdef extern from "batch/batch.h" nogil:
    enum:
        MAX_AXES
        MAX_INPUTS
        SHORT
        METHOD_AUTO
        METHOD_LANES
        METHOD_LMSDER
        METHOD_LMDER
        METHOD_TRUST
        KIND_F8
        KIND_F4
        KIND_I1
        KIND_I2
        KIND_I4
        KIND_I8
        KIND_U1
        KIND_U2
        KIND_U4
        KIND_U8
    ctypedef struct strided_array:
        const char *data
        int kind
        int swapped
        int axes
        long *shape
        long *strides
        long step
    ctypedef struct row_source:
        long points
        int nx
        strided_array *x
        strided_array y
        strided_array weights
        strided_array mask
        int weighted, masked, omit, loss
        strided_array scale
        strided_array response
        const double *factor
    ctypedef struct fit_options:
        double xtol, ftol, gtol
        int max_nfev
        int covariance
    ctypedef struct fit_transform:
        int p, bounded
        const double *low
        const double *high
        const strided_array *lows
        const strided_array *highs
        double inside, beside, share, alike, widest, wide, out
        const strided_array *starts
        int scaled, derived
        const program *const *expressions
        double *redchi
        double *derived_values
        double *derived_errors
    ctypedef struct batch:
        const program *program
        fit_options options
        int method
        long fits
        row_source source
        strided_array *inputs
        int threads
        const fit_transform *transform
        const double *reached
        double *v
        double *variance
        double *covariance
        double *correlations
        double *chisqr
        double *gradient
        double *cost
        int32_t *nfev
        int32_t *count
        int8_t *status
        int (*pulse)(void *who, long done) noexcept nogil
        void *who
    int gslfit_batch_run(batch *b)

cdef extern from "batch/medians.h" nogil:
    int gslfit_median_residuals(const batch *b, double *medians)
