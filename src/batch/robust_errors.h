/* Errors of fits by robust losses: those of LANES ended fits are worked out side by side, and long fits' one by one. */
#ifndef GSLFIT_ROBUST_ERRORS_H
#define GSLFIT_ROBUST_ERRORS_H

#include "worker.h"

robust_errors *gslfit_robust_new(thread *t);  /* NULL without memory */
void gslfit_robust_free(robust_errors *r);

/* Take up a fit that has ended; it is put down with its errors, now or with others. */
void gslfit_robust_take(robust_errors *r, const fit_result *end);

/* Put down those that are still waiting. */
void gslfit_robust_conclude(robust_errors *r);

#endif
