"""The Python peers: each a function of a workload's name, the workload and how many fits, giving values, ndarray (fits, p)."""
import numpy as np


def points(work):
    """Return the independent variables, a list of arrays."""
    return [*work["x"].values()] if isinstance(work["x"], dict) else [work["x"]]


# the workloads' formulas in NumPy with their derivatives, parameters first, broadcasting over fits
def peaks(v, x):
    """Return a peak: value and derivatives."""
    y0, a, x0, var = v
    t = x - x0
    e = np.exp(-t**2 / (2 * var))
    return y0 + a * e, [np.ones_like(e), e, a * e * t / var, .5 * a * e * (t / var)**2]


def decays(v, x):
    """Return a decay: value and derivatives."""
    y0, a, b = v
    e = np.exp(-b * x)
    return y0 + a * e, [np.ones_like(e), e, -a * x * e]


def spots(v, x, y):
    """Return a spot: value and derivatives."""
    a, x0, y0, s, b = v
    t, u = x - x0, y - y0
    d = t**2 + u**2
    e = np.exp(-d / (2 * s**2))
    return a * e + b, [e, a * e * t / s**2, a * e * u / s**2, a * e * d / s**3, np.ones_like(e)]


MODELS = {"peaks": peaks, "decays": decays, "spots": spots}


def scipy_curve_fit(name, work, fits):
    """scipy.optimize.curve_fit, one at a time, with the Jacobian."""
    from scipy.optimize import curve_fit
    model, x = MODELS[name], np.array(points(work))
    x = x if len(x) > 1 else x[0]

    def f(x, *v):
        return model(v, *np.atleast_2d(x))[0]

    def jac(x, *v):
        return np.stack(model(v, *np.atleast_2d(x))[1], axis=1)

    return np.array([curve_fit(f, x, work["y"][k], work["start"][k], jac=jac, xtol=1e-8, ftol=1e-15, gtol=1e-15)[0] for k in range(fits)])


def lmfit_model(name, work, fits):
    """lmfit.Model.fit, one at a time, as its manual shows it."""
    import lmfit
    names, x = work["names"], points(work)
    independent = [*work["x"]] if isinstance(work["x"], dict) else ["x"]
    scope = {"np": np}
    text = work["formula"].replace("exp", "np.exp")
    exec(f"def f({', '.join([*independent, *names])}): return {text}", scope)   # lmfit reads the names of the arguments
    model = lmfit.Model(scope["f"], independent_vars=independent)
    found = []
    for k in range(fits):
        start = dict(zip(names, work["start"][k], strict=True))
        result = model.fit(work["y"][k], **dict(zip(independent, x, strict=True)), **start, fit_kws={"xtol": 1e-8, "ftol": 1e-14})
        found.append([result.params[each].value for each in names])
    return np.array(found)


def numpy_batched(name, work, fits):
    """Levenberg-Marquardt over all fits at once in NumPy: normal equations, Nielsen's damping."""
    model, x = MODELS[name], points(work)
    v = work["start"][:fits].copy()
    y, p = work["y"][:fits], v.shape[1]
    lam, nu = np.full(fits, 1e-3), np.full(fits, 2.)

    def look(v, y):
        value, columns = model(v.T[:, :, None], *x)
        r, J = value - y, np.stack(columns, axis=1)
        return (r**2).sum(1), (J @ J.transpose(0, 2, 1)), (J @ r[:, :, None])[:, :, 0]

    alive = np.arange(fits)
    chi, H, g = look(v, y)
    diagonal = np.arange(p)
    for _ in range(200):
        damped = H.copy()
        D = H[:, diagonal, diagonal]
        damped[:, diagonal, diagonal] += lam[alive, None] * D
        dx = -np.linalg.solve(damped, g[:, :, None])[:, :, 0]
        trial = v[alive] + dx
        chi_t, H_t, g_t = look(trial, y[alive])
        gain = (dx * (lam[alive, None] * D * dx - g)).sum(1)
        better = chi_t <= chi
        rho = (chi - chi_t) / gain
        lam[alive] = np.where(better, lam[alive] * np.maximum(1 / 3, 1 - (2 * rho - 1)**3), lam[alive] * nu[alive])
        nu[alive] = np.where(better, 2, 2 * nu[alive])
        v[alive[better]] = trial[better]
        chi, H, g = (np.where(better.reshape(-1, *[1] * (a.ndim - 1)), b, a) for a, b in ((chi, chi_t), (H, H_t), (g, g_t)))
        going = ~(np.abs(dx) <= 1e-8 * np.abs(trial) + 1e-12).all(1)
        alive, chi, H, g = alive[going], chi[going], H[going], g[going]
        if not alive.size:
            break
    return v


def lumafit_core(name, work, fits):
    """lumafit (numba), its core in a compiled loop, with the Jacobian."""
    import lumafit
    from numba import njit
    x = np.array(points(work))
    value, slopes = lumafit_models()[name]

    @njit(fastmath=True)
    def loop(start, y, x, out):
        for k in range(len(start)):
            out[k] = lumafit.levenberg_marquardt_core(value, start[k], y[k], None, 200, 1e-12, 1e-8, 1e-16, 1e-2, 3., 2., 1e-8, True,
                                                      slopes, (x,))[0]

    key = name, "loop"
    loop = COMPILED.setdefault(key, loop)
    out = np.empty((fits, work["start"].shape[1]))
    loop(work["start"][:fits], work["y"][:fits], x, out)
    return out


COMPILED = {}


def lumafit_models():
    """Return the workloads' formulas for numba."""
    if "models" in COMPILED:
        return COMPILED["models"]
    from numba import njit
    fast = njit(fastmath=True)

    @fast
    def peaks_f(v, x):
        return v[0] + v[1] * np.exp(-(x[0] - v[2])**2 / (2 * v[3]))

    @fast
    def peaks_j(v, x):
        J = np.empty((x.shape[1], 4))
        for i in range(x.shape[1]):
            t = x[0, i] - v[2]
            e = np.exp(-t**2 / (2 * v[3]))
            J[i, 0], J[i, 1], J[i, 2], J[i, 3] = 1, e, v[1] * e * t / v[3], .5 * v[1] * e * (t / v[3])**2
        return J

    @fast
    def decays_f(v, x):
        return v[0] + v[1] * np.exp(-v[2] * x[0])

    @fast
    def decays_j(v, x):
        J = np.empty((x.shape[1], 3))
        for i in range(x.shape[1]):
            e = np.exp(-v[2] * x[0, i])
            J[i, 0], J[i, 1], J[i, 2] = 1, e, -v[1] * x[0, i] * e
        return J

    @fast
    def spots_f(v, x):
        return v[0] * np.exp(-((x[0] - v[1])**2 + (x[1] - v[2])**2) / (2 * v[3]**2)) + v[4]

    @fast
    def spots_j(v, x):
        J = np.empty((x.shape[1], 5))
        for i in range(x.shape[1]):
            t, u = x[0, i] - v[1], x[1, i] - v[2]
            d = t * t + u * u
            e = np.exp(-d / (2 * v[3]**2))
            a = v[0] * e / v[3]**2
            J[i, 0], J[i, 1], J[i, 2], J[i, 3], J[i, 4] = e, a * t, a * u, a * d / v[3], 1
        return J

    COMPILED["models"] = {"peaks": (peaks_f, peaks_j), "decays": (decays_f, decays_j), "spots": (spots_f, spots_j)}
    return COMPILED["models"]


# name -> function, and the share of a workload's fits that it is given, so that it takes about as long as the others
PEERS = {"NumPy, batched": (numpy_batched, .2), "lumafit, numba": (lumafit_core, .2), "SciPy curve_fit": (scipy_curve_fit, .01),
         "lmfit Model.fit": (lmfit_model, .001)}
