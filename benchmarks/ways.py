"""The same fits by other calls, bounds and an expression among them, and one small fit from end to end."""
import statistics
import time
from functools import partial
from operator import truediv

import numpy as np
import workloads

import gslfit
from gslfit.curves import pipeline as fitting

TIGHT = {"xtol": 1e-12, "ftol": 1e-12, "gtol": 1e-12}
SAMPLE = 20   # fits that lmfit does too


def peak(x, y0, A, x0, var):
    """Return the formula of `workloads.peaks` as a function of NumPy operations."""
    return y0 + A * np.exp(-(x - x0)**2 / (2 * var))


def parameters(work, bounds, exprs=(), module=gslfit):
    """Return the workload's parameters with bounds by name, and expressions by name."""
    params = module.Parameters()
    for name in work["names"]:
        if name not in dict(exprs):
            low, high = bounds.get(name, (-np.inf, np.inf))
            params.add(name, value=1.0, min=low, max=high)
    for name in bounds:
        if name not in work["names"]:
            params.add(name, value=1.0, min=bounds[name][0], max=bounds[name][1])
    for name, expr in dict(exprs).items():
        params.add(name, expr=expr)
    return params


FAR = {"A": (0, np.inf), "var": (0, 100)}
FARTHER = {"y0": (-50, 50), "x0": (-20, 20), **FAR}
LAST = "Parameters, three bounded, one an expr"
TIED = {"A": (0, np.inf), "x0": (-5, 5), "sigma": (.1, 5)}, {"var": "sigma**2"}


def ways(work):
    """name -> a fit_batch call of all fits, options to be added."""
    formula, x, y = gslfit.Formula(work["formula"]), work["x"], work["y"]
    start = dict(zip(work["names"], work["start"].T, strict=True))
    other = {**start, "sigma": np.sqrt(start["var"])}
    del other["var"]
    asked = {"text": (formula, None, start), "traced NumPy function": (peak, None, start),
             "Parameters, two bounded, none at its bound": (formula, parameters(work, FAR), start),
             "Parameters, all four bounded, none at its bound": (formula, parameters(work, FARTHER), start),
             LAST: (formula, parameters(work, *TIED), other)}
    return {name: partial(gslfit.fit_batch, source, y, params, x=x, start=begin, threads=1)
            for name, (source, params, begin) in asked.items()}


def against_lmfit(work, found):
    """Return the worst difference from lmfit of a sample of fits with bounds and an expression, relative; None without lmfit."""
    try:
        import lmfit
    except ImportError:
        return None
    x, worst = work["x"], 0.0
    for k in range(SAMPLE):
        params = parameters(work, *TIED, module=lmfit)
        for name, value in zip(work["names"], work["start"][k], strict=True):
            if name != "var":
                params[name].set(value=value)
        params["sigma"].set(value=np.sqrt(work["start"][k][3]))
        y = work["y"][k]
        result = lmfit.minimize(lambda p, y=y: peak(x, *(p[name].value for name in work["names"])) - y, params, "least_squares",
                                jac="3-point", xtol=1e-15, ftol=1e-15, gtol=1e-15)
        for name in work["names"]:
            value = found.values[name][k]
            worst = max(worst, abs(result.params[name].value - value) / max(abs(value), found.stderr[name][k]))
    return worst


def small_fit(repeats):
    """Microseconds of one fit of 100 points and 4 parameters: all of it, and what passes inside the C core."""
    rng = np.random.default_rng(0)
    x = np.linspace(-5, 5, 100)
    y = peak(x, 1, 8, .3, .8) + rng.normal(0, .3, x.size)
    formula = gslfit.Formula("y0 + A*exp(-(x - x0)**2/(2*var))")
    spent = [0.0]

    def timing(function):
        def timed(*args, **kws):
            begun = time.perf_counter()
            try:
                return function(*args, **kws)
            finally:
                spent[0] += time.perf_counter() - begun
        return timed

    def once():
        return gslfit.fit(formula, y, x=x, y0=1.2, A=7., x0=.2, var=1.).params["var"].value

    def least(look):
        best = np.inf
        for _ in range(60 * repeats):
            spent[0], begun = 0.0, time.perf_counter()
            for _ in range(20):
                once()
            best = min(best, (spent[0] if look else time.perf_counter() - begun) / 20)
        return best * 1e6

    whole, own = least(False), (fitting.run, fitting.polish)
    fitting.run, fitting.polish = map(timing, own)
    try:
        return whole, least(True)
    finally:
        fitting.run, fitting.polish = own


def table(repeats):
    """Lines of Markdown."""
    work = workloads.peaks()
    calls = ways(work)
    times, results = {name: [] for name in calls}, {}
    for _ in range(6 * repeats):
        for name, call in calls.items():
            begun = time.process_time()
            results[name] = call()
            times[name].append(time.process_time() - begun)
    lines = ["## The same fits by other calls", "",
             "peaks, one thread. Differences are relative to the value or, if larger, its standard error.", "",
             "| how | fits/s | part of the speed of the text | greatest difference from it |", "|---|---:|---:|---:|"]
    plain = results["text"]
    for name, found in results.items():
        seconds, part = statistics.median(times[name]), statistics.median(map(truediv, times["text"], times[name]))
        away = max(np.max(np.abs(found.values[each] - plain.values[each]) / np.maximum(np.abs(plain.values[each]), plain.stderr[each]))
                   for each in work["names"])
        lines.append(f"| {name} | {len(work['y']) / seconds:,.0f} | {part:.2f} | {away:.0e} |")
    worst = against_lmfit(work, calls[LAST](**TIGHT))
    if worst is not None:
        lines += ["", f"The last of these against lmfit on {SAMPLE} fits: {worst:.0e} apart at most."]
    whole, inside = small_fit(repeats)
    said = "One fit of 100 points and 4 parameters by `gslfit.fit`, the least of many: "
    return [*lines, "", f"{said}{inside:.0f} microseconds inside the C core, {whole:.0f} from the call to the result's Parameters.", ""]


if __name__ == "__main__":
    print("\n".join(table(5)))
