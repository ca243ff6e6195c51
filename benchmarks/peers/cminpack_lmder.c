/* cminpack's lmder in a loop, exact Jacobian by columns, xtol 1e-8. */
#include <cminpack.h>
#include <stdlib.h>
#include "models.h"

typedef struct {
    int which;
    const double *x, *z, *y;
} curve;

#define RESIDUAL(m) for (int i = 0; i < n; i++) f[i] = model(m, v, c->x[i], c->z ? c->z[i] : 0, NULL, 1) - c->y[i]
#define SLOPES(m) for (int i = 0; i < n; i++) model(m, v, c->x[i], c->z ? c->z[i] : 0, J + i, ld)

static int both(void *data, int n, int p, const double *v, double *f, double *J, int ld, int flag) {
    const curve *c = data;
    const int which = c->which;
    (void)p;
    if (flag == 1) SPECIALISED(RESIDUAL)
    if (flag == 2) SPECIALISED(SLOPES)
    return 0;
}

int run(int which, long fits, long n, const double *x, const double *z, const double *y, const double *start, double *out) {
    const int p = parameters_of[which];
    double *f = malloc(n * sizeof *f), *J = malloc(n * p * sizeof *J), *last = malloc(n * sizeof *last);
    double diag[8], qtf[8], w1[8], w2[8], w3[8];
    int pivots[8], nfev, njev;
    curve c = {which, x, z, y};
    for (long k = 0; k < fits; k++) {
        double *v = out + k * p;
        c.y = y + k * n;
        for (int j = 0; j < p; j++) v[j] = start[k * p + j];
        lmder(both, &c, n, p, v, f, J, n, 1e-15, 1e-8, 0, 1000, diag, 1, 100, 0, &nfev, &njev, pivots, qtf, w1, w2, w3, last);
    }
    free(f), free(J), free(last);
    return 0;
}
