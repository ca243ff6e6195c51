/* A fit over many points: the points dealt to the lanes, and in chunks to a thread pool. */
#ifndef GSLFIT_TALL_FIT_H
#define GSLFIT_TALL_FIT_H

#include "worker.h"

long_fit *gslfit_long_fit_new(thread *t);  /* sets up the thread's worker too; NULL without memory */
void gslfit_long_fit_free(long_fit *f);
int gslfit_long_fit_load(thread *t, long id, next_fit *fit);  /* turn to a row; whether its numbers are finite */

#endif
