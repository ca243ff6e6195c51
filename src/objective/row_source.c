#include "row_source.h"

void gslfit_source_find(const row_source *s, long id, source_row *row) {
    row->y = gslfit_strided_row(&s->y, id);
    if (s->weighted) row->weights = gslfit_strided_row(&s->weights, id);
    if (s->masked) row->mask = gslfit_strided_row(&s->mask, id);
    for (int j = 0; j < s->nx; j++) row->x[j] = gslfit_strided_row(s->x + j, id);
}

void gslfit_source_weights(const row_source *s, const source_row *row, long first, long count, double *out, double *room) {
    if (s->weighted) gslfit_strided_read(&s->weights, row->weights, first, count, out, 1);
    else for (long i = 0; i < count; i++) out[i] = 1;
    if (s->weighted == 2)
        for (long i = 0; i < count; i++) out[i] = out[i] > 0 ? 1 / out[i] : NAN;
    if (!s->masked) return;
    gslfit_strided_read(&s->mask, row->mask, first, count, room, 1);
    for (long i = 0; i < count; i++) out[i] = room[i] != 0 ? 0.0 : out[i];
}

row_source gslfit_source_part(const row_source *s, long first, long count) {
    row_source part = *s;
    part.points = count;
    part.y.data += first * s->y.step;
    if (s->weighted) part.weights.data += first * s->weights.step;
    if (s->masked) part.mask.data += first * s->mask.step;
    for (int j = 0; j < s->nx; j++) part.x[j].data += first * s->x[j].step;
    return part;
}

double gslfit_source_scale(const row_source *s, long id) {
    double scale = 1;
    if (s->loss && s->loss != LOSS_POISSON) gslfit_strided_read(&s->scale, gslfit_strided_row(&s->scale, id), 0, 1, &scale, 1);
    return scale;
}

long gslfit_source_gather(const row_source *s, long id, double *const *x, double *y, double *weights, double *room) {
    source_row row;
    gslfit_source_find(s, id, &row);
    gslfit_strided_read(&s->y, row.y, 0, s->points, y, 1);
    for (int j = 0; j < s->nx; j++) gslfit_strided_read(s->x + j, row.x[j], 0, s->points, x[j], 1);
    gslfit_source_weights(s, &row, 0, s->points, weights, room);
    long used = 0;
    if (!has_weights(s)) return s->points;
    for (long i = 0; i < s->points; i++) {
        double sum = y[i];
        for (int j = 0; j < s->nx; j++) sum += x[j][i];
        if (!takes_part(s, weights[i], sum)) continue;
        y[used] = y[i];
        weights[used] = weights[i];
        for (int j = 0; j < s->nx; j++) x[j][used] = x[j][i];
        used++;
    }
    return used;
}
