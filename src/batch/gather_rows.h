/* Rows on their way into the lanes: found where they lie or converted, looked at, weighted, spread. */
#ifndef GSLFIT_GATHER_ROWS_H
#define GSLFIT_GATHER_ROWS_H

#include "worker.h"

/* Whether all numbers are finite, in four parts that don't wait for each other. */
static inline int all_finite(const double *y, long n) {
    double s[4] = {0, 0, 0, 0};
    long i = 0;
    for (; i + 4 <= n; i += 4)
        for (int k = 0; k < 4; k++) s[k] += y[i + k] * 0.0;
    for (; i < n; i++) s[0] += y[i] * 0.0;
    return (s[0] + s[1]) + (s[2] + s[3]) == 0;
}

/* Room for a row in each lane. Variables are spread over the lanes (their first row, where fits have rows of their own), and noted which of
 * them all fits share and are finite. Returns 0, or -1 without memory. */
int gslfit_lane_rows_new(thread *t, lane_rows *rows, workspace *space);

/* Read a row into a lane. Returns whether its numbers are finite. */
int gslfit_row_load(thread *t, long id, int lane, next_fit *fit);

/* Read a row whose numbers are finite into a lane of other rows than those under way. */
void gslfit_row_reload(thread *t, lane_rows *to, long id, int lane);

#endif
