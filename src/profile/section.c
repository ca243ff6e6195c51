#include "section.h"

#include <math.h>
#include <string.h>

static const double DEPENDENT = 1e-11;  /* a pivot of columns of length 1: less is no basis for a limit */

static const double MOST_MIXED = 0.9;    /* of the last step's change, up or down, that the next takes into account */

static const double SLOW = 0.1;          /* of the last promise: a step that promises more converges slowly */

static double product(const double *H, int i, int j) { return i >= j ? H[ELEMENT(i, j)] : H[ELEMENT(j, i)]; }

/* Cholesky's decomposition of a matrix with a diagonal of ones, in place, the reciprocals on the diagonal. Whether it is sound. */
static int decompose(double *L, int m) {
    for (int i = 0; i < m; i++)
        for (int j = 0; j <= i; j++) {
            double sum = L[ELEMENT(i, j)];
            for (int k = 0; k < j; k++) sum -= L[ELEMENT(i, k)] * L[ELEMENT(j, k)];
            if (i == j) {
                if (!(sum > DEPENDENT)) return 0;
                L[ELEMENT(i, i)] = 1 / sqrt(sum);
            } else {
                L[ELEMENT(i, j)] = sum * L[ELEMENT(j, j)];
            }
        }
    return 1;
}

static void solve(const double *L, int m, double *b) {
    for (int i = 0; i < m; i++) {
        for (int k = 0; k < i; k++) b[i] -= L[ELEMENT(i, k)] * b[k];
        b[i] *= L[ELEMENT(i, i)];
    }
    for (int i = m - 1; i >= 0; i--) {
        for (int k = i + 1; k < m; k++) b[i] -= L[ELEMENT(k, i)] * b[k];
        b[i] *= L[ELEMENT(i, i)];
    }
}

int gslfit_section(const row_sums *t, int lane, const double *x, const double *low, const double *high, uint64_t held, int k, section *s) {
    const int p = t->program->nfree;
    const double *g = t->g[lane], *H = t->H[lane];
    double L[TRIANGLE(MAX_FREE)], scale[MAX_FREE], rest[MAX_FREE], pull[MAX_FREE];
    int free[MAX_FREE], m = 0;
    for (int i = 0; i < p; i++) {
        s->rest[i] = s->pull[i] = 0;
        if (held >> i & 1 || (x[i] <= low[i] && g[i] > 0) || (x[i] >= high[i] && g[i] < 0)) continue;
        if (!(H[ELEMENT(i, i)] > 0)) return 0;
        scale[m] = 1 / sqrt(H[ELEMENT(i, i)]);
        rest[m] = g[i] * scale[m];
        pull[m] = k < 0 ? 0 : product(H, i, k) * scale[m];
        free[m++] = i;
    }
    for (int i = 0; i < m; i++)
        for (int j = 0; j <= i; j++) L[ELEMENT(i, j)] = product(H, free[i], free[j]) * scale[i] * scale[j];
    if (!decompose(L, m)) return 0;
    double g_scaled[MAX_FREE], H_scaled[MAX_FREE];
    memcpy(g_scaled, rest, m * sizeof *rest);
    memcpy(H_scaled, pull, m * sizeof *pull);
    solve(L, m, rest);
    if (k >= 0) solve(L, m, pull);
    s->fall = 0;
    s->slope = k < 0 ? 0 : g[k];
    s->curvature = k < 0 ? 0 : H[ELEMENT(k, k)];
    for (int i = 0; i < m; i++) {
        s->fall += g_scaled[i] * rest[i];
        s->slope -= H_scaled[i] * rest[i];
        s->curvature -= H_scaled[i] * pull[i];
        s->rest[free[i]] = rest[i] * scale[i];
        s->pull[free[i]] = pull[i] * scale[i];
    }
    return k < 0 || s->curvature > DEPENDENT * H[ELEMENT(k, k)];
}

void gslfit_section_step(const row_sums *t, int lane, const double *x, const section *s, double move, last_section *last, double *step) {
    const int p = t->program->nfree;
    const double *H = t->H[lane];
    double across = 0, square = 0, share = 0;
    const int slow = last->known && s->fall > SLOW * last->fall;
    for (int i = 0; slow && i < p; i++) {
        const double change = last->rest[i] - s->rest[i], weight = H[ELEMENT(i, i)];
        across -= s->rest[i] * change * weight;
        square += change * change * weight;
    }
    if (square > 0) share = fmin(MOST_MIXED, fmax(-MOST_MIXED, across / square));
    for (int i = 0; i < p; i++) {
        step[i] = -s->rest[i];
        if (share != 0 && s->rest[i] != 0) step[i] -= share * (x[i] - last->x[i] + last->rest[i] - s->rest[i]);
        last->x[i] = x[i] - move * s->pull[i];
        last->rest[i] = s->rest[i];
    }
    last->known = 1;
    last->fall = s->fall;
}
