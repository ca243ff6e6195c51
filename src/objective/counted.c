#include "counted.h"

#include <float.h>

/* A power of 8 further than the greater half of the numbers that are not 0 is in sight. */
enum { FURTHER = 2 };

void gslfit_sizes_add(gslfit_sizes *s, const double *numbers, long n) {
    const double near = GSLFIT_OUT_OF_SIGHT * s->scale;
    const int least = ilogb(near);
    for (long i = 0; i < n; i++) {
        const double size = fabs(numbers[i]);
        if (!(size > 0 && size < INFINITY)) continue;
        const int place = size <= near ? 0 : 1 + (ilogb(size) - least) / 3, last = place < GSLFIT_SIZES ? place : GSLFIT_SIZES - 1;
        s->count[last]++;
        s->square[last] += size * size;
    }
}

double gslfit_sizes_most(const gslfit_sizes *s) {
    double all = 0, below = 0;
    int place = -1, last = 0;
    for (int k = 0; k < GSLFIT_SIZES; k++) {
        all += s->count[k];
        if (s->count[k] > 0) last = k;
    }
    while (place < last && !(2 * below > all)) below += s->count[++place];
    const int most = place > 0 ? place + FURTHER : 0;
    return last > most ? ldexp(GSLFIT_OUT_OF_SIGHT * s->scale, 3 * most) : INFINITY;
}

double gslfit_sizes_square(const gslfit_sizes *s, double square) {
    const double most = gslfit_sizes_most(s);
    double sum = 0;
    for (int k = 0; k < GSLFIT_SIZES; k++) sum += fmin(s->square[k], most * most * s->count[k]);
    return most < INFINITY ? sum : square;
}

double gslfit_square_in_sight(loss_kind loss, double scale, double square, const double *numbers, long n) {
    gslfit_sizes sizes = {.scale = scale};
    if (!gslfit_may_be_out_of_sight(loss, scale, square)) return square;
    gslfit_sizes_add(&sizes, numbers, n);
    return gslfit_sizes_square(&sizes, square);
}

double gslfit_bring_near(loss_kind loss, double scale, double most, double *y, const double *weights, long n) {
    double taken = 0;
    if (loss == LOSS_CAUCHY) return 0;
    for (long i = 0; i < n; i++) {
        const double weight = weights ? weights[i] : 1, size = fabs(y[i] * weight);
        if (!(size > most && size < INFINITY)) continue;
        y[i] = copysign(most / fabs(weight), y[i]);
        taken += gslfit_is_bounded(loss) ? DBL_MIN : 2 * scale * (size - most);
    }
    return taken;
}
