#include "gather_rows.h"
#include "common/rare.h"
#include "objective/counted.h"
#include "program/folding.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

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

static double sum_of(const double *y, long n) {
    double s[4] = {0, 0, 0, 0};
    long i = 0;
    for (; i + 4 <= n; i += 4)
        for (int k = 0; k < 4; k++) s[k] += y[i + k];
    for (; i < n; i++) s[0] += y[i];
    return (s[0] + s[1]) + (s[2] + s[3]);
}

static void spread(double *lane, const double *from, long n) {
    for (long i = 0; i < n; i++) lane[i * LANES] = from[i];
}

/* A row's doubles, where they are or converted. */
static const double *doubles(const strided_array *v, const char *row, long n, double *room) {
    const double *in_place = gslfit_strided_in_place(v, row);
    if (!in_place) gslfit_strided_read(v, row, 0, n, room, 1);
    return in_place ? in_place : room;
}

int gslfit_lane_rows_new(thread *t, lane_rows *rows, workspace *space) {
    const row_source *s = &t->batch->source;
    const size_t size = (size_t)s->points * LANES;
    if (posix_memalign((void **)&rows->memory, 64, (size * (s->nx + 2) + 1) * sizeof(double))) return -1;
    rows->space = space;
    rows->y = memset(rows->memory, 0, (has_weights(s) ? 2 : 1) * size * sizeof(double));
    rows->weights = rows->y + size;
    for (int j = 0; j < s->nx; j++) {
        const double *x = doubles(s->x + j, gslfit_strided_row(s->x + j, 0), s->points, t->row_x_room[j]);
        t->finite_x[j] = !s->x[j].axes && all_finite(x, s->points);
        rows->x[j] = rows->weights + (j + 1) * size;
        for (int l = 0; l < LANES; l++) spread(rows->x[j] + l, x, s->points);
    }
    return 0;
}

/* Weights of a row into t->row_weights. Whether some are 0. */
static int read_weights(thread *t, const source_row *row) {
    const row_source *s = &t->batch->source;
    double least[4] = {1, 1, 1, 1};
    gslfit_source_weights(s, row, 0, s->points, t->row_weights, t->room);
    for (long i = 0; i < s->points; i++) {
        const double size = fabs(t->row_weights[i]);
        least[i % 4] = size < least[i % 4] ? size : least[i % 4];
    }
    return least[0] == 0 || least[1] == 0 || least[2] == 0 || least[3] == 0;
}

/* Give points that take no part the weight 0, and the numbers of one that does. How many points take part. */
static long leave_out(thread *t, const double **y) {
    const row_source *s = &t->batch->source;
    const int nx = s->nx;
    const long n = s->points;
    long used = 0, sound = -1;
    for (long i = 0; i < n; i++) {
        double sum = (*y)[i];
        for (int j = 0; j < nx; j++) sum += t->row_x[j][i];
        const int in = takes_part(s, t->row_weights[i], sum);
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

/* The sum of counts: what the squares of the data sum up to in units of their errors. */
static double sum_of_counts(const thread *t, const double *y, long n) {
    if (!has_weights(&t->batch->source)) return sum_of(y, n);
    for (long i = 0; i < n; i++) t->room[i] = y[i] * t->row_weights[i];
    return sum_of(t->room, n);
}

/* Weighted residuals' data, for the sum of their squares. */
static double weighted_square(thread *t, const double *y, long n) {
    if (t->batch->source.loss == LOSS_POISSON) return sum_of_counts(t, y, n);
    for (long i = 0; i < n; i++) t->room[i] = y[i] * t->row_weights[i];
    return sum_of_squares(t->room, n);
}

/* The same of correlated residuals' data. */
static double whitened_square(thread *t, const double *y) {
    const row_source *s = &t->batch->source;
    const fit_points points = {.n = s->points, .weights = has_weights(s) ? t->row_weights : NULL, .factor = s->factor};
    for (long i = 0; i < s->points; i++) t->room[i] = y[i];
    gslfit_points_weigh(&points, t->room, 1);
    return sum_of_squares(t->room, s->points);
}

/* A row's weights, and its numbers without those of points that take no part. Whether it can be fitted at all. */
static int weigh(thread *t, const double **y, int some_out, next_fit *fit) {
    const row_source *s = &t->batch->source;
    fit->square = 0;
    if (some_out || s->omit) fit->count = (double)leave_out(t, y);
    if (fit->count == 0) return !s->omit;  /* too few points, not bad ones */
    fit->square = s->factor ? whitened_square(t, *y) : weighted_square(t, *y, s->points);
    return all_finite(t->row_weights, s->points);
}

/* Of a row that can't be fitted: how many of its points that take part are finite. */
static int spoilt(const thread *t, const double *y, next_fit *fit) {
    const row_source *s = &t->batch->source;
    fit->count = 0;
    for (long i = 0; i < s->points; i++) {
        const double weight = has_weights(s) ? t->row_weights[i] : 1.0;
        double sum = y[i] + weight;
        for (int j = 0; j < s->nx; j++) sum += t->finite_x[j] ? 0.0 : t->row_x[j][i];
        fit->count += weight != 0 && isfinite(sum);
    }
    return 0;
}

/* A row on its way into a lane. */
typedef struct {
    const double *y;
    int some_out, patch;  /* whether points have no weight; whether the lane may get other numbers than those that all fits share */
    int spread_x[MAX_VARIABLES];
} row_in;

static void find_row(thread *t, lane_rows *to, long id, int lane, row_in *in) {
    const row_source *s = &t->batch->source;
    source_row row;
    gslfit_source_find(s, id, &row);
    in->some_out = has_weights(s) && read_weights(t, &row);
    in->patch = in->some_out || s->omit;
    in->y = doubles(&s->y, row.y, s->points, t->row_y);
    for (int j = 0; j < s->nx; j++)
        if ((in->spread_x[j] = !t->finite_x[j] || in->patch || to->patched[lane]))
            t->row_x[j] = doubles(s->x + j, row.x[j], s->points, t->row_x_room[j]);
    to->patched[lane] = (char)in->patch;
    if (s->loss) gslfit_workspace_scale(to->space, lane, gslfit_source_scale(s, id));
    if (gslfit_own_responses(t->batch->program)) gslfit_workspace_respond(to->space, lane, &s->response, id);
}

static void spread_row(const thread *t, lane_rows *to, const row_in *in, int lane) {
    const row_source *s = &t->batch->source;
    if (has_weights(s)) spread(to->weights + lane, t->row_weights, s->points);
    spread(to->y + lane, in->y, s->points);
    for (int j = 0; j < s->nx; j++)
        if (in->spread_x[j]) spread(to->x[j] + lane, t->row_x[j], s->points);
}

/* By a robust loss: the squares without what is out of sight, and what the cost counts for. What weighs the data is in t->room. Returns the
 * data, with those near that are out of sight. */
GSLFIT_RARE static const double *count_in_sight(thread *t, const double *y, double scale, next_fit *fit) {
    const row_source *s = &t->batch->source;
    const double *data = has_weights(s) || s->factor ? t->room : y;
    gslfit_sizes sizes = {.scale = scale};
    fit->most = gslfit_counted_cost(s->loss, scale, fit->count);
    if (!gslfit_may_be_out_of_sight(s->loss, scale, fit->square)) return y;
    gslfit_sizes_add(&sizes, data, s->points);
    fit->square = gslfit_sizes_square(&sizes, fit->square);
    if (s->factor || !(gslfit_sizes_most(&sizes) < INFINITY)) return y;
    if (y != t->row_y) memcpy(t->row_y, y, s->points * sizeof *y);
    fit->taken = gslfit_bring_near(s->loss, scale, gslfit_sizes_most(&sizes), t->row_y, has_weights(s) ? t->row_weights : NULL, s->points);
    return t->row_y;
}

int gslfit_row_load(thread *t, long id, int lane, next_fit *fit) {
    const row_source *s = &t->batch->source;
    const long n = s->points;
    row_in in;
    int sound = 1;
    find_row(t, &t->rows, id, lane, &in);
    fit->count = (double)n;
    if (has_weights(s)) {
        if (!weigh(t, &in.y, in.some_out, fit)) return spoilt(t, in.y, fit);
    } else {
        fit->square = s->loss == LOSS_POISSON ? sum_of_counts(t, in.y, n) : s->factor ? whitened_square(t, in.y) : sum_of_squares(in.y, n);
    }
    for (int j = 0; j < s->nx; j++) sound &= t->finite_x[j] || all_finite(t->row_x[j], n);
    if (!isfinite(fit->square) && !all_finite(in.y, n)) sound = 0;
    if (!sound) return spoilt(t, in.y, fit);
    fit->most = INFINITY;
    fit->taken = 0;
    if (gslfit_is_robust(s->loss)) in.y = count_in_sight(t, in.y, gslfit_source_scale(s, id), fit);
    spread_row(t, &t->rows, &in, lane);
    t->row_data = in.y;
    return 1;
}

void gslfit_row_reload(thread *t, lane_rows *to, long id, int lane) {
    row_in in;
    find_row(t, to, id, lane, &in);
    if (in.patch) leave_out(t, &in.y);
    spread_row(t, to, &in, lane);
}
