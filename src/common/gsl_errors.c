/* GSL's own error handler aborts the process. It is off as soon as an extension of gslfit is loaded, before anything can call GSL: each has
 * this file in it. Every status is checked where it is returned. */
#include <gsl/gsl_errno.h>

__attribute__((constructor)) static void leave_errors_to_the_caller(void) { gsl_set_error_handler_off(); }
