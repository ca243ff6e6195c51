"""GSL's nonlinear least-squares solvers as Python classes."""
cimport gsl

# GSL's handler aborts the process on an error. It is process-wide; every call's status is checked here instead.
gsl.gsl_set_error_handler_off()


def version():
    """Return the version of the GSL library that is loaded."""
    return gsl.gsl_version.decode()
