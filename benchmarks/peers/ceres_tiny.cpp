// Ceres' TinySolver in a loop, exact Jacobian, sizes known to the compiler, parameter_tolerance 1e-8.
#include <ceres/tiny_solver.h>
#include "models.h"

template <int which, int points, int p>
struct Curve {
    using Scalar = double;
    enum { NUM_RESIDUALS = points, NUM_PARAMETERS = p };
    const double *x, *z, *y;
    long n;
    int NumResiduals() const { return n; }
    bool operator()(const double *v, double *f, double *J) const {
        if (J)
            for (long i = 0; i < n; i++) f[i] = model(which, v, x[i], z ? z[i] : 0, J + i, n) - y[i];
        else
            for (long i = 0; i < n; i++) f[i] = model(which, v, x[i], z ? z[i] : 0, nullptr, 1) - y[i];
        return true;
    }
};

template <int which, int points, int p>
static void fit(long fits, long n, const double *x, const double *z, const double *y, const double *start, double *out) {
    using F = Curve<which, points, p>;
    ceres::TinySolver<F> solver;
    solver.options.gradient_tolerance = 0;
    solver.options.function_tolerance = 0;
    solver.options.cost_threshold = 0;
    solver.options.parameter_tolerance = 1e-8;
    solver.options.max_num_iterations = 200;
    for (long k = 0; k < fits; k++) {
        F curve{x, z, y + k * n, n};
        typename ceres::TinySolver<F>::Parameters v;
        for (int j = 0; j < p; j++) v[j] = start[k * p + j];
        solver.Solve(curve, &v);
        for (int j = 0; j < p; j++) out[k * p + j] = v[j];
    }
}

extern "C" int run(int which, long fits, long n, const double *x, const double *z, const double *y, const double *start, double *out) {
    if (which == PEAKS && n == 50) fit<PEAKS, 50, 4>(fits, n, x, z, y, start, out);
    else if (which == DECAYS && n == 100) fit<DECAYS, 100, 3>(fits, n, x, z, y, start, out);
    else if (which == SPOTS && n == 121) fit<SPOTS, 121, 5>(fits, n, x, z, y, start, out);
    else if (which == LONG_CURVE) fit<LONG_CURVE, Eigen::Dynamic, 6>(fits, n, x, z, y, start, out);
    else return -1;
    return 0;
}
