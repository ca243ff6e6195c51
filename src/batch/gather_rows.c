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

static int all_finite(const double *y, long n) {
    double sum = 0;
    for (long i = 0; i < n; i++) sum += y[i] * 0.0;
    return sum == 0;
}

static void spread(double *lane, const double *from, long n) {
    for (long i = 0; i < n; i++) lane[i * LANES] = from[i];
}

/* A row's doubles, where they are or converted. */
static const double *doubles(const rows_view *v, long id, long n, double *room) {
    const char *row = rows_find(v, id);
    const double *in_place = rows_in_place(v, row);
    if (!in_place) rows_read(v, row, 0, n, room, 1);
    return in_place ? in_place : room;
}

/* Weights of a row into t->row_weights. */
static void read_weights(thread *t, long id) {
    const batch *b = t->batch;
    const double *given = b->weighted ? doubles(&b->weights, id, b->points, t->room) : NULL;
    for (long i = 0; i < b->points; i++) t->row_weights[i] = !given ? 1.0 : b->weighted == 2 ? 1 / given[i] : given[i];
}

/* Give points that are not finite the weight 0, and the numbers of a sound point. How many points take part. */
static long leave_out(thread *t, const double **y) {
    const int nx = t->batch->program->nx;
    const long n = t->batch->points;
    long used = 0, sound = -1;
    for (long i = 0; i < n; i++) {
        double sum = (*y)[i] + t->row_weights[i];
        for (int j = 0; j < nx; j++) sum += t->row_x[j][i];
        t->room[i] = isfinite(sum) ? 1.0 : 0.0;
        if (isfinite(sum) && ++used == 1) sound = i;
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

int row_load(thread *t, long id, int lane, next_fit *fit) {
    batch *b = t->batch;
    const long n = b->points;
    const double *y = doubles(&b->y, id, n, t->row_y);
    int sound = 1;
    for (int j = 0; j < b->program->nx; j++) {
        if (!b->x[j].axes && !b->omit) continue;
        t->row_x[j] = doubles(b->x + j, id, n, t->row_x_room[j]);
        sound &= b->omit || all_finite(t->row_x[j], n);
    }
    fit->count = (double)n;
    if (b->weighted || b->omit) {
        read_weights(t, id);
        if (b->omit && (fit->count = (double)leave_out(t, &y)) == 0) return 0;
        sound &= all_finite(t->row_weights, n);
        fit->square = weighted_square(t, y, n);
        spread(t->weights + lane, t->row_weights, n);
    } else {
        fit->square = sum_of_squares(y, n);
    }
    if (!isfinite(fit->square) && !all_finite(y, n)) sound = 0;
    if (!sound) return 0;
    spread(t->y + lane, y, n);
    for (int j = 0; j < b->program->nx; j++)
        if (b->x[j].axes || b->omit) spread(t->x[j] + lane, t->row_x[j], n);
    return 1;
}
