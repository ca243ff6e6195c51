/* Rows on their way into the lanes: found where they lie or converted, looked at, weighted, spread. */
#ifndef GSLFIT_LOAD_H
#define GSLFIT_LOAD_H

#include "worker.h"

/* Read a row into a lane. Returns whether its numbers are finite. */
int row_load(thread *t, long id, int lane, next_fit *fit);

#endif
