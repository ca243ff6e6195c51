#include "loss_points.h"

#include <math.h>
#include <string.h>
#include "common/linalg.h"
#include "isa.h"
#include "objective/counted.h"

double gslfit_points_rows(const fit_points *p, loss_rows rows, double *values, double *curvatures) {
    _Alignas(64) double value[BLOCK], y[BLOCK], weights[BLOCK], slopes[BLOCK], curved[BLOCK];
    _Alignas(64) double scale[LANES], least[LANES], stage[LANES] = {0}, pull[LANES], cost[LANES] = {0}, parts[3 * LANES] = {0};
    const loss_block block = {p->loss, value, y, weights, scale, least, stage, pull, slopes, curved, cost, parts};
    double sum = 0;
    for (int l = 0; l < LANES; l++) scale[l] = p->scale, least[l] = GSLFIT_LEAST_CURVATURE, pull[l] = parts[l] = 1;
    for (long first = 0; first < p->n; first += BLOCK) {
        const long count = p->n - first < BLOCK ? p->n - first : BLOCK;
        for (long i = 0; i < count; i++) {
            value[i] = values[first + i];
            y[i] = p->y ? p->y[first + i] : 0;
            weights[i] = p->weights ? p->weights[first + i] : 1;
        }
        for (long i = count; i % LANES; i++) {
            value[i] = value[count - 1];
            y[i] = y[count - 1];
            weights[i] = 0;
        }
        gslfit_current_isa()->rows(&block, rows, (count + LANES - 1) / LANES);
        memcpy(values + first, slopes, count * sizeof *slopes);
        memcpy(curvatures + first, curved, count * sizeof *curved);
    }
    if (p->n) gslfit_current_isa()->end_rows(&block);
    for (int l = 0; l < LANES; l++) sum += cost[l];
    return sum;
}

double gslfit_points_step(const fit_points *p, double *values, double *factors) {
    const double cost = gslfit_points_rows(p, ROWS_STEP, values, factors), most = GSLFIT_LONGEST * p->scale;
    const int robust = gslfit_is_robust(p->loss);
    for (long i = 0; i < p->n; i++) {
        factors[i] = sqrt(factors[i]);
        if (robust) factors[i] = fmax(factors[i], fabs(values[i]) / most);  /* a residual that is far larger leaves others no digits */
        values[i] = values[i] == 0 ? 0 : values[i] / factors[i];
    }
    return cost;
}

void gslfit_points_bend(const fit_points *p, double *values, double *room) {
    if (p->loss) gslfit_points_rows(p, ROWS_BENT, values, room);
    else gslfit_points_residuals(p, values);
}

double gslfit_points_data(const fit_points *p, double *room) {
    if (!p->y) return 0;
    for (long i = 0; i < p->n; i++) room[i] = p->loss == LOSS_POISSON ? sqrt(p->y[i]) : p->y[i];
    gslfit_points_weigh(p, room, 1);
    const double square = gslfit_dot(room, room, p->n), seen = gslfit_square_in_sight(p->loss, p->scale, square, room, p->n);
    return seen < square ? sqrt(seen) : gslfit_norm(square, room, p->n, 1);
}
