# GSL's declarations as its headers have them: verbatim names, no logic.

cdef extern from "gsl/gsl_errno.h" nogil:
    ctypedef void gsl_error_handler_t(const char *reason, const char *file, int line, int gsl_errno)
    gsl_error_handler_t *gsl_set_error_handler_off()
    const char *gsl_strerror(int gsl_errno)

cdef extern from "gsl/gsl_version.h" nogil:
    const char *gsl_version
