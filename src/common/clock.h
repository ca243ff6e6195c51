/* A clock that is never set back. */
#ifndef GSLFIT_CLOCK_H
#define GSLFIT_CLOCK_H

#include <time.h>

/* Seconds since some moment. */
static inline double gslfit_seconds(void) {
    struct timespec t;
#ifdef CLOCK_MONOTONIC
    clock_gettime(CLOCK_MONOTONIC, &t);
#else
    timespec_get(&t, TIME_UTC);
#endif
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

#endif
