/* Cold starts: amplitudes far too small beside the data, as 1 for counts of a million.
 *
 * There the first steps of the other variables are too long by as much as the amplitudes are too small, and lead into other minima. So the
 * variables that a program is linear in begin where they fit best beside the others' starts: the normal equations of the first
 * evaluation know where. Their signs and bounds stay what the caller said: where the linear fit would have it otherwise, a variable begins
 * at its share of what would fit best without the other ones. Too large an amplitude does no harm.
 */
#include "linear_start.h"

#include <math.h>

static const double COLD = 4;          /* times itself that a variable is too small */
static const double MATTERS = 0.1;     /* of the data's length: a column that could take away less is of no matter */
static const double DEPENDENT = 1e-10; /* a pivot of columns of length 1 */

typedef struct {
    int count, which[MAX_FREE];
    double norm[MAX_FREE], slope[MAX_FREE], step[MAX_FREE];  /* of the columns' units: length, J^T r, and the linear fit's step */
} linear_part;

static double element(const lane_state *s, const source *from, int l) {
    double sum = s->sums[from->sum][l];
    for (int k = 0; k < from->count; k++) sum *= from->factors[k][l];
    return sum;
}

/* Whether an amplitude of lane l looks cold: its own best step is long, and takes much off chi-square; or all of them are zero. */
static int looks_cold(const lane_state *s, uint64_t amplitudes, int l) {
    const double chisqr = s->sums[0][l];
    int looks = 0, zeros = 1;
    if (!(chisqr > 0 && chisqr < INFINITY)) return 0;
    for (int k = 0; k < s->p; k++) {
        if (!(amplitudes >> k & 1)) continue;
        const double square = element(s, s->H_from + ELEMENT(k, k), l), slope = element(s, s->g_from + k, l), value = s->trial[k][l];
        const double own = (COLD - 1) * value * square;
        zeros &= value == 0;
        looks |= value != 0 && slope * slope > own * own && slope * slope > MATTERS * MATTERS * chisqr * square;
    }
    return looks || zeros;
}

/* The linear variables that have an effect. */
static void find_part(const lane_state *s, uint64_t linear, int l, linear_part *part) {
    part->count = 0;
    for (int k = 0; k < s->p; k++) {
        if (!(linear >> k & 1)) continue;
        const double square = element(s, s->H_from + ELEMENT(k, k), l);
        if (!(square > 0 && square < INFINITY)) continue;
        const int at = part->count++;
        part->which[at] = k;
        part->norm[at] = sqrt(square);
        part->slope[at] = element(s, s->g_from + k, l) / part->norm[at];
    }
}

/* The linear fit's steps, by L d L^T of the columns brought to length 1; 0 for a column that depends on those before it. */
static void solve_part(const lane_state *s, int l, linear_part *part) {
    double L[TRIANGLE(MAX_FREE)], pivot[MAX_FREE], z[MAX_FREE];
    for (int i = 0; i < part->count; i++) {
        pivot[i] = 1;
        z[i] = -part->slope[i];
        for (int j = 0; j < i; j++) {
            double u = element(s, s->H_from + ELEMENT(part->which[i], part->which[j]), l) / (part->norm[i] * part->norm[j]);
            for (int k = 0; k < j; k++) u -= L[ELEMENT(i, k)] * L[ELEMENT(j, k)] * pivot[k];
            L[ELEMENT(i, j)] = pivot[j] > 0 ? u / pivot[j] : 0;
            pivot[i] -= L[ELEMENT(i, j)] * L[ELEMENT(i, j)] * pivot[j];
            z[i] -= L[ELEMENT(i, j)] * z[j];
        }
        if (!(pivot[i] > DEPENDENT)) pivot[i] = 0;
    }
    for (int i = part->count - 1; i >= 0; i--) {
        part->step[i] = pivot[i] > 0 ? z[i] / pivot[i] : 0;
        for (int k = i + 1; k < part->count; k++) part->step[i] -= L[ELEMENT(k, i)] * part->step[k];
        if (!(pivot[i] > 0)) part->step[i] = 0;
    }
    for (int i = 0; i < part->count; i++) part->step[i] /= part->norm[i];
}

static int allowed(const lane_state *s, int k, double before, double value) {
    return before * value >= 0 && (!s->low || (value > s->low[k] && value < s->high[k]));
}

int gslfit_linear_start(const lane_state *s, const program *p, int l, double *start) {
    linear_part part;
    int cold = 0;
    if (!looks_cold(s, p->amplitudes, l)) return 0;
    const double length = sqrt(s->sums[0][l]);
    find_part(s, p->linear, l, &part);
    solve_part(s, l, &part);
    for (int k = 0; k < s->p; k++) start[k] = s->trial[k][l];
    for (int i = 0; i < part.count; i++) {
        const int k = part.which[i];
        const double before = start[k], fitted = before + part.step[i], alone = before - part.slope[i] / (part.norm[i] * part.count),
                     share = before + copysign(length / (2 * part.norm[i] * part.count), before);
        const double value = allowed(s, k, before, fitted)  ? fitted
                             : allowed(s, k, before, alone) ? alone
                             : allowed(s, k, before, share) ? share
                                                            : before;
        cold |= (p->amplitudes >> k & 1) && fabs(value) > COLD * fabs(before) && fabs(value) * part.norm[i] > MATTERS * length;
        start[k] = value;
    }
    return cold;
}
