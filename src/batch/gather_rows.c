#include "gather_rows.h"

#include <float.h>
#include <math.h>

/* Where all squares are too small for a number, their sum stands for something that is not zero. */
static double not_zero(double sum, const double *y, long n) {
    for (long i = 0; sum == 0 && i < n; i++)
        if (y[i] != 0) return DBL_MIN;
    return sum;
}

/* Sum of squares, in four parts that don't wait for each other; NaN or infinite when any of the numbers is. */
static double sum_of_squares(const double *y, long n) {
    double s[4] = {0, 0, 0, 0};
    long i = 0;
    for (; i + 4 <= n; i += 4)
        for (int k = 0; k < 4; k++) s[k] += y[i + k] * y[i + k];
    for (; i < n; i++) s[0] += y[i] * y[i];
    return not_zero((s[0] + s[1]) + (s[2] + s[3]), y, n);
}

static void spread(double *lane, const double *from, long n) {
    for (long i = 0; i < n; i++) lane[i * LANES] = from[i];
}

/* A row's doubles, where they are or converted. */
static const double *doubles(const rows_view *v, long id, long n, double *room) {
    const char *row = gslfit_rows_find(v, id);
    const double *in_place = gslfit_rows_in_place(v, row);
    if (!in_place) gslfit_rows_read(v, row, 0, n, room, 1);
    return in_place ? in_place : room;
}

void gslfit_gather_shared(thread *t, int j) {
    const batch *b = t->batch;
    const double *x = doubles(b->x + j, 0, b->points, t->row_x_room[j]);
    t->finite_x[j] = !b->x[j].axes && all_finite(x, b->points);
    for (int l = 0; l < LANES; l++) spread(t->x[j] + l, x, b->points);
}

void gslfit_gather_weights(const batch *b, const char *weights, const char *mask, long first, long count, double *out, double *room) {
    if (b->weighted) gslfit_rows_read(&b->weights, weights, first, count, out, 1);
    else for (long i = 0; i < count; i++) out[i] = 1;
    if (b->weighted == 2)
        for (long i = 0; i < count; i++) out[i] = out[i] > 0 ? 1 / out[i] : NAN;
    if (!b->masked) return;
    gslfit_rows_read(&b->mask, mask, first, count, room, 1);
    for (long i = 0; i < count; i++) out[i] = room[i] != 0 ? 0.0 : out[i];
}

/* Weights of a row into t->row_weights. Whether some are 0. */
static int read_weights(thread *t, long id) {
    const batch *b = t->batch;
    double least[4] = {1, 1, 1, 1};
    gslfit_gather_weights(b, b->weighted ? gslfit_rows_find(&b->weights, id) : NULL,
                          b->masked ? gslfit_rows_find(&b->mask, id) : NULL, 0, b->points,
                          t->row_weights, t->room);
    for (long i = 0; i < b->points; i++) {
        const double size = fabs(t->row_weights[i]);
        least[i % 4] = size < least[i % 4] ? size : least[i % 4];
    }
    return least[0] == 0 || least[1] == 0 || least[2] == 0 || least[3] == 0;
}

/* Give points that take no part the weight 0, and the numbers of one that does. How many points take part. */
static long leave_out(thread *t, const double **y) {
    const int nx = t->batch->program->nx;
    const long n = t->batch->points;
    long used = 0, sound = -1;
    for (long i = 0; i < n; i++) {
        double sum = (*y)[i];
        for (int j = 0; j < nx; j++) sum += t->row_x[j][i];
        const int in = takes_part(t->batch, t->row_weights[i], sum);
        t->room[i] = in;
        if (in && ++used == 1) sound = i;
    }
    if (used == n || sound < 0) return used;
    for (long i = 0; i < n; i++) {
        const long from = t->room[i] != 0 ? i : sound;
        if (from != i) t->row_weights[i] = 0;
        t->row_y[i] = (*y)[from];
        for (int j = 0; j < nx; j++) t->row_x_room[j][i] = t->row_x[j][from];
    }
    *y = t->row_y;
    for (int j = 0; j < nx; j++) t->row_x[j] = t->row_x_room[j];
    return used;
}

/* Weighted residuals' data, for the sum of their squares. */
static double weighted_square(thread *t, const double *y, long n) {
    for (long i = 0; i < n; i++) t->room[i] = y[i] * t->row_weights[i];
    return sum_of_squares(t->room, n);
}

/* A row's weights, and its numbers without those of points that take no part. Whether it is to be fitted at all. */
static int weigh(thread *t, const double **y, int some_out, next_fit *fit) {
    const batch *b = t->batch;
    fit->square = 0;
    if (some_out || b->omit) fit->count = (double)leave_out(t, y);
    if (fit->count == 0) return !b->omit;  /* too few points, not bad ones */
    fit->square = weighted_square(t, *y, b->points);
    return all_finite(t->row_weights, b->points);
}

/* Of a row that can't be fitted: how many of its points that take part are finite. */
static int spoilt(const thread *t, const double *y, next_fit *fit) {
    const batch *b = t->batch;
    fit->count = 0;
    for (long i = 0; i < b->points; i++) {
        const double weight = has_weights(b) ? t->row_weights[i] : 1.0;
        double sum = y[i] + weight;
        for (int j = 0; j < b->program->nx; j++) sum += t->finite_x[j] ? 0.0 : t->row_x[j][i];
        fit->count += weight != 0 && isfinite(sum);
    }
    return 0;
}

int gslfit_row_load(thread *t, long id, int lane, next_fit *fit) {
    batch *b = t->batch;
    const long n = b->points;
    const int nx = b->program->nx, weights = has_weights(b), some_out = weights && read_weights(t, id);
    const int patch = some_out || b->omit;  /* the lane may get other numbers than those of the variables that all fits share */
    const double *y = doubles(&b->y, id, n, t->row_y);
    int sound = 1, spread_x[MAX_VARIABLES];
    for (int j = 0; j < nx; j++)
        if ((spread_x[j] = !t->finite_x[j] || patch || t->patched[lane])) t->row_x[j] = doubles(b->x + j, id, n, t->row_x_room[j]);
    t->patched[lane] = (char)patch;
    fit->count = (double)n;
    if (weights) {
        if (!weigh(t, &y, some_out, fit)) return spoilt(t, y, fit);
        spread(t->weights + lane, t->row_weights, n);
    } else {
        fit->square = sum_of_squares(y, n);
    }
    for (int j = 0; j < nx; j++) sound &= t->finite_x[j] || all_finite(t->row_x[j], n);
    if (!isfinite(fit->square) && !all_finite(y, n)) sound = 0;
    if (!sound) return spoilt(t, y, fit);
    spread(t->y + lane, y, n);
    for (int j = 0; j < nx; j++)
        if (spread_x[j]) spread(t->x[j] + lane, t->row_x[j], n);
    return 1;
}
