#include "lane_start.h"

#include "program/linear_start.h"

typedef struct {
    const lane_state *s;
    int l;
} lane;

static double element(const lane_state *s, const source *from, int l) {
    double sum = s->sums[from->sum][l];
    for (int k = 0; k < from->count; k++) sum *= from->factors[k][l];
    return sum;
}

static double product_of(const void *who, int i, int j) {
    const lane *at = who;
    return element(at->s, at->s->H_from + ELEMENT(i, j), at->l);
}

int gslfit_lane_start(const lane_state *s, const program *p, int l, double *start) {
    const lane here = {s, l};
    double low[MAX_FREE], high[MAX_FREE];
    linear_evidence e;
    e.program = p;
    e.chisqr = s->sums[0][l];
    e.low = s->low ? low : NULL;
    e.high = s->low ? high : NULL;
    for (int k = 0; s->low && k < s->p; k++) low[k] = s->low[k][l], high[k] = s->high[k][l];
    e.product = product_of;
    e.who = &here;
    for (int k = 0; k < s->p; k++) {
        if (!(p->linear >> k & 1)) continue;
        e.value[k] = s->trial[k][l];
        e.slope[k] = element(s, s->g_from + k, l);
        e.square[k] = element(s, s->H_from + ELEMENT(k, k), l);
    }
    if (!gslfit_linear_start(&e, start)) return 0;
    for (int k = 0; k < s->p; k++)
        if (!(p->linear >> k & 1)) start[k] = s->trial[k][l];
    return 1;
}
