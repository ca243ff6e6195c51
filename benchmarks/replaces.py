"""What stands before the fit itself, against what gslfit replaces: functions, guesses, intervals, a wide model.

    python benchmarks/replaces.py [--write]

`make bench` writes the table into docs/benchmarks-replaces.md. Pinned to one core; the two contenders of a line in turns in one process,
in processor time; the medians, and the median of the ratios. Evaluations of a caller's residual are counted, not timed.
"""
import cProfile
import os
import pstats
import statistics
import time
import warnings
from pathlib import Path

import lmfit
import numpy as np
from pages import pin, write
from scipy.optimize import curve_fit, leastsq

import gslfit

OUT = Path(__file__).parents[1] / "docs" / "benchmarks-replaces.md"
RNG = np.random.default_rng(20)
T = np.linspace(0, 4, 100)
DECAY = 2.5*np.exp(-1.3*T) + .5 + .05*RNG.normal(size=T.size)
X = np.linspace(0, 10, 200)
PEAK = 5*np.exp(-(X - 4.2)**2/2/.8**2) + .1*RNG.normal(size=X.size)
FIRST = [1.0, 1.0, 1.0]
PEAK_START = {"amplitude": 10.0, "center": 4.0, "sigma": 1.0}


def decay(x, a, b, c):
    """Return a decay on a constant."""
    return a*np.exp(-b*x) + c


def residual(p, x, y):
    """Return its residual."""
    return decay(x, p["a"], p["b"], p["c"]) - y


def parameters(module, names="abc"):
    """Return Parameters that start at 1."""
    params = module.Parameters()
    for name in names:
        params.add(name, value=1.0)
    return params


class Axes:
    """Axes of which no two are the same: nothing that was kept for one serves the next."""

    def __init__(self):
        self.count = 0

    def __call__(self):
        """Return the next."""
        self.count += 1
        return X*(1 + 1e-6*self.count)


def timed():
    """Return the lines in time: name -> (ours, theirs, who they are, rounds)."""
    own, other = gslfit.models.GaussianModel(), lmfit.models.GaussianModel()
    model, same, axes = gslfit.Model(decay), lmfit.Model(decay), Axes()
    wide, batch = Wide(), Called()
    return {
        "`curve_fit(f)`": (lambda: gslfit.curve_fit(decay, T, DECAY, FIRST), lambda: curve_fit(decay, T, DECAY, FIRST), "SciPy", 300),
        "`curve_fit` of a new lambda": (lambda: gslfit.curve_fit(lambda x, a, b, c: a*np.exp(-b*x) + c, T, DECAY, FIRST),
                                        lambda: curve_fit(lambda x, a, b, c: a*np.exp(-b*x) + c, T, DECAY, FIRST), "SciPy", 300),
        "`curve_fit` without p0": (lambda: gslfit.curve_fit(decay, T, DECAY), lambda: curve_fit(decay, T, DECAY), "SciPy", 300),
        "`Model(f).fit`, a new Model": (lambda: gslfit.Model(decay).fit(DECAY, x=T, a=1., b=1., c=1.),
                                        lambda: lmfit.Model(decay).fit(DECAY, x=T, a=1., b=1., c=1.), "lmfit", 60),
        "`Model.fit`, the same Model": (lambda: model.fit(DECAY, x=T, a=1., b=1., c=1.),
                                        lambda: same.fit(DECAY, x=T, a=1., b=1., c=1.), "lmfit", 60),
        "`minimize(compiled=True)`": (lambda: gslfit.minimize(residual, parameters(gslfit), args=(T, DECAY), compiled=True),
                                      lambda: lmfit.minimize(residual, parameters(lmfit), args=(T, DECAY)), "lmfit", 60),
        "`guess` of a Gaussian": (lambda: own.guess(PEAK, x=X), lambda: other.guess(PEAK, x=X), "lmfit", 300),
        "`guess` of a Gaussian, each x met for the first time": (lambda: own.guess(PEAK, x=axes()), lambda: other.guess(PEAK, x=axes()),
                                                                 "lmfit", 100),
        "`Model.fit` without starts": (lambda: own.fit(PEAK, x=X), lambda: (own.fit(PEAK, x=X, **PEAK_START), own.guess(PEAK, x=X)),
                                       "`fit` from starts, and `guess`", 200),
        "12 tied pseudo-Voigts, 37 variables, 2950 points": (wide.ours, wide.theirs, "lmfit", 1),
        "the same, refitted from its result": (wide.again, wide.ours, "the first fit", 3),
        "`fit_batch(f)`, 1000 curves": (batch.traced, batch.formula, "the formula as text", 20),
        "`fit_batch` of a called function, 1000 curves": (batch.together, batch.alone, "each alone", 1),
        "the same": (batch.together, batch.theirs, "lmfit", 1),
    }


PLANES = [(0, 8, 0), (1, 0, 4), (0, 3, 0), (1, 1, 0), (1, 1, 1), (1, 1, 4), (1, 1, 9), (1, 3, 0), (1, 3, 4), (1, 4, 0), (1, 4, 1),
          (0, 11, 0)]


# -- functions that are called


def called(x, a, b, c):
    """Return a decay by way of bytes, which no tracer follows."""
    out = decay(x, a, b, c)
    return np.frombuffer(np.asarray(out).tobytes()).reshape(np.shape(out))


class Called:
    """A thousand curves of a function that can't be compiled."""

    def __init__(self):
        rng = np.random.default_rng(6)
        truth = np.array([2.5, 1.3, .5])*(1 + .2*rng.uniform(-1, 1, (1000, 3)))
        self.y = decay(T, *truth.T[:, :, None]) + .05*rng.normal(size=(1000, T.size))
        self.model = lmfit.Model(called)

    def fit(self, count, **options):
        """Fit some of them as a batch."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")         # that Python is called
            return gslfit.fit_batch(called, self.y[:count], x=T, start=dict(zip("abc", FIRST, strict=True)), **options)

    def together(self):
        """Fit all, rows together."""
        self.fit(1000)

    def alone(self):
        """Fit each alone."""
        self.fit(1000, vectorized=False)

    def traced(self):
        """Fit the function that can be compiled."""
        gslfit.fit_batch(decay, self.y, x=T, start=dict(zip("abc", FIRST, strict=True)))

    def formula(self):
        """Fit its formula."""
        gslfit.fit_batch("a*exp(-b*x) + c", self.y, x=T, start=dict(zip("abc", FIRST, strict=True)))

    def theirs(self):
        """Fit each by lmfit."""
        for y in self.y:
            self.model.fit(y, x=T, a=1., b=1., c=1.)


def many_called():
    """Yield seconds of 10,000 curves of a called function, by the way they are fitted, and how far `progress=` counts."""
    batch = Called()
    batch.y = np.tile(batch.y, (10, 1))
    for way, options in (("rows together", {}), ("each alone", {"vectorized": False}),
                         ("each alone, two processes", {"vectorized": False, "workers": 2})):
        told = []
        begun = time.perf_counter()
        batch.fit(len(batch.y), progress=told.append, **options)
        yield way, time.perf_counter() - begun, len(told), told[-1]


LONG = np.linspace(0, 4, 1_000_000)
LONG_DECAY = decay(LONG, 2.5, 1.3, .5) + .05*np.random.default_rng(0).normal(size=LONG.size)
LONG_VOIGTS = np.linspace(0, 40, 1_000_000)


def own_work():
    """Yield what `minimize` and leastsq add to the time that a residual of many points takes itself: name, ours, theirs, in its time."""
    truth = np.array([8., 14., 2., .4, .1, 5., 25., 3., .6, -.1, 2., .05])
    data = voigts(LONG_VOIGTS, truth) + .1*np.random.default_rng(1).normal(size=LONG_VOIGTS.size)
    start = truth*(1 + .03*np.random.default_rng(0).uniform(-1, 1, truth.size))
    cases = (("a decay, 3 parameters, 1,000,000 points", lambda v: decay(LONG, *v) - LONG_DECAY, np.ones(3)),
             ("two Voigts and a background, 12 parameters, 1,000,000 points", lambda v: voigts(LONG_VOIGTS, v) - data, start))
    for name, missed, begin in cases:
        shares = []
        for who in (by_minimize, by_leastsq):
            spent = [0.]

            def timed_residual(v, missed=missed, spent=spent):
                begun = time.process_time()
                r = missed(v)
                spent[0] += time.process_time() - begun
                return r
            found = []
            for _ in range(5):
                spent[0], begun = 0., time.process_time()
                who(timed_residual, begin)
                found.append((time.process_time() - begun - spent[0])/spent[0])
            shares.append(statistics.median(found))
        yield f"`minimize`, {name}", *shares


def by_minimize(missed, begin):
    """Fit by gslfit."""
    params = gslfit.Parameters()
    for k, value in enumerate(begin):
        params.add(f"v{k}", value)
    gslfit.minimize(lambda p: missed(np.array([each.value for each in p.values()])), params)


def by_leastsq(missed, begin):
    """Fit by MINPACK."""
    leastsq(missed, begin, full_output=True)


class Wide:
    """Twelve peaks whose centres follow from three lattice constants."""

    def __init__(self):
        self.x = np.linspace(31, 90, 2950)
        self.models = {module: self.model(module) for module in (gslfit, lmfit)}
        model, params = self.models[gslfit]
        rng = np.random.default_rng(8)
        clean = model.eval(params, x=self.x) + 20
        self.y = rng.poisson(clean) - 20.0
        self.weights = 1/np.sqrt(np.maximum(self.y + 20, 1))
        for _, each in self.models.values():
            each["sic_a"].set(value=4.35)
            each["zn_a"].set(value=2.67)
        self.found = None

    @staticmethod
    def model(module):
        """Return a package's model, and its Parameters."""
        model = module.models.ConstantModel()
        for i in range(len(PLANES)):
            model = model + module.models.PseudoVoigtModel(prefix=f"p{i}_")
        params = model.make_params(c=0)
        params.add_many(("sic_a", 4.359), ("zn_a", 2.6693), ("zn_c", 4.924))
        rng = np.random.default_rng(8)
        for i, (hexagonal, a, b) in enumerate(PLANES):
            sine = f"sqrt({4*a}/3/zn_a**2 + {b}/zn_c**2)" if hexagonal else f"sqrt({a})/sic_a"
            params[f"p{i}_center"].set(expr=f"360/pi*asin({sine}*1.54051/2)")
            params[f"p{i}_sigma"].set(value=0.14, min=0.01)
            params[f"p{i}_amplitude"].set(value=float(rng.uniform(40, 400)), min=0)
        return model, params

    def fit(self, module, params):
        """Fit by a package."""
        return self.models[module][0].fit(self.y, params, x=self.x, weights=self.weights)

    def ours(self):
        """Fit by gslfit."""
        self.found = self.fit(gslfit, self.models[gslfit][1])

    def again(self):
        """Fit from where the last fit ended."""
        if self.found is None:
            self.ours()
        self.fit(gslfit, self.found.params)

    def theirs(self):
        """Fit by lmfit."""
        self.fit(lmfit, self.models[lmfit][1])


def in_turns(ours, theirs, rounds):
    """Return medians of seconds of both, and of their ratios; a first round, which fills caches, doesn't count."""
    taken = []
    for turn in range(rounds + (rounds > 1)):
        begun = time.process_time()
        ours()
        between = time.process_time()
        theirs()
        if turn or rounds == 1:
            taken.append((between - begun, time.process_time() - between))
    own, other = zip(*taken, strict=True)
    return statistics.median(own), statistics.median(other), statistics.median(a/b for a, b in taken)


# -- evaluations


MILD = {
    "a peak on a constant": (lambda x, a, b, c, d: a*np.exp(-(x - b)**2/2/c**2) + d, (3., 5., 1., .3), .1),
    "a damped sine": (lambda x, a, b, c, d: a*np.sin(b*x + c)*np.exp(-d*x), (3., 2., .5, .1), .2),
    "a dose-response curve": (lambda x, a, b, c, d: a + (b - a)/(1 + (x/c)**d), (1., 5., 4., 3.), .1)}


def voigts(x, v):
    """Return two pseudo-Voigts on a parabola, of twelve parameters."""
    def peak(a, c, s, f, skew):
        u = (x - c)/(s*(1 + skew*(x - c)/50))
        return a*(f/(1 + u*u) + (1 - f)*np.exp(-u*u*np.log(2)))
    return peak(*v[:5]) + peak(*v[5:10]) + v[10] + v[11]*x


def counted():
    """Yield lines in evaluations: name, ours, theirs, who they are."""
    for name, (model, truth, noise) in MILD.items():
        x = np.linspace(.1, 10, 100)
        y = model(x, *truth) + noise*np.random.default_rng(3).normal(size=x.size)

        def missed(p, x, model=model, y=y):
            return model(x, *[p[each].value for each in "abcd"]) - y
        found = {}
        for module in (gslfit, lmfit):
            calls, params = [], parameters(module, "abcd")
            for each, value in zip("abcd", truth, strict=True):
                params[each].value = 1.1*value

            def call(p, x, missed=missed, calls=calls):
                calls.append(1)
                return missed(p, x)
            if module is gslfit:
                fitted = gslfit.minimize(call, params, args=(x,))
                calls.clear()
                gslfit.conf_interval(fitted)
            else:
                mini = lmfit.Minimizer(call, params, fcn_args=(x,))
                result = mini.minimize()
                calls.clear()
                lmfit.conf_interval(mini, result, sigmas=(.674, .95, .997))
            found[module] = len(calls)
        yield f"`conf_interval`, {name}: 4 parameters, 3 levels", found[gslfit], found[lmfit], "lmfit"
    x, truth = np.linspace(0, 40, 1000), np.array([8., 14., 2., .4, .1, 5., 25., 3., .6, -.1, 2., .05])
    y = voigts(x, truth) + .1*np.random.default_rng(1).normal(size=x.size)
    for seed in range(3):
        start = truth*(1 + .1*np.random.default_rng(seed).uniform(-1, 1, truth.size))
        theirs = leastsq(lambda v: voigts(x, v) - y, start, full_output=True)[2]["nfev"]
        params = gslfit.Parameters()
        for k, value in enumerate(start):
            params.add(f"v{k}", value)
        ours = gslfit.minimize(lambda p: voigts(x, np.array([each.value for each in p.values()])) - y, params).nfev
        yield f"`minimize`, two Voigts and a background, start {seed + 1}: 12 parameters, 1000 points", ours, theirs, "MINPACK's leastsq"


# -- many parameters


def peaks_apart(count, gap, n, rows=32):
    """Return a formula of so many peaks on a constant, curves of it, and starts: what `fit_batch` is called with."""
    text = " + ".join(f"A{i}*exp(-(x - c{i})**2/(2*s{i}**2))" for i in range(count)) + " + b"
    formula, x = gslfit.Formula(text), np.linspace(0, gap*(count + 1), n)
    truth = {"b": 1.}
    for i in range(count):
        truth |= {f"A{i}": 3. + i % 3, f"c{i}": gap*(i + 1.), f"s{i}": 1 + .1*(i % 4)}
    rng = np.random.default_rng(1)
    y = formula(x=x, **truth) + .02*rng.normal(size=(rows, n))
    starts = {name: value + .05*rng.uniform(-1, 1) for name, value in truth.items()}
    return {"formula": formula, "y": y, "x": x, "start": starts, "method": "lanes", "threads": 1}


def evaluation(fit):
    """Return nanoseconds of processor time for each point and evaluation of a batch of curves."""
    found = []
    for _ in range(5):
        begun = time.process_time()
        result = gslfit.fit_batch(**fit)
        taken = time.process_time() - begun
        assert result.success.all()
        found.append(1e9*taken/(result.nfev.sum()*fit["x"].size))
    return statistics.median(found)


def of_many_parameters():
    """Yield lines of sums of peaks: parameters, nanoseconds, the same by the square of the parameters, and with the peaks far apart."""
    first = None
    for count in (4, 8, 12, 16):
        near, apart = (evaluation(peaks_apart(count, gap, 100*count)) for gap in (4, 80))
        p = 3*count + 1
        first = first or near/p**2
        yield p, near, near/p**2/first, apart/near


# -- where the time goes


def calls():
    """Return the calls that are profiled, by what they are called."""
    text, model, params = "a*exp(-b*x) + c", gslfit.Model("a*exp(-b*x) + c"), parameters(gslfit)
    return {
        "`fit`": lambda: gslfit.fit(text, DECAY, x=T, a=1., b=1., c=1.),
        "`Model.fit`": lambda: model.fit(DECAY, x=T, a=1., b=1., c=1.),
        "`minimize`": lambda: gslfit.minimize(residual, params.copy(), args=(T, DECAY)),
    }


FIT = ("curves/pipeline.py", "minimizer/least_squares.py")      # where what is compiled is called from


def profiled(call, rounds=400):
    """Return microseconds of a call, and those of the files that take most of them, as cProfile shares them out."""
    taken = []
    for _ in range(rounds):
        begun = time.perf_counter()
        call()
        taken.append(time.perf_counter() - begun)
    whole = 1e6*statistics.median(taken)
    profile = cProfile.Profile()
    profile.enable()
    for _ in range(rounds):
        call()
    profile.disable()
    files = {}
    for (file, _, _), (_, _, own, _, _) in pstats.Stats(profile).stats.items():
        path = file.replace(os.sep, "/")
        place = ("the residual" if path == __file__.replace(os.sep, "/") else path.rpartition("/gslfit/")[2] if "/gslfit/" in path else
                 "NumPy" if "/numpy/" in path else "built-in functions" if path == "~" else "Python's library")
        files[place] = files.get(place, 0.0) + own
    total = sum(files.values())
    return whole, sorted(((whole*own/total, place) for place, own in files.items()), reverse=True)


HEAD = """# What stands before the fit

The fit itself is in [the benchmarks](benchmarks.md). Here is what people meet before it: a function that is to be a program, start values,
intervals by a residual that is called, a model of many tied parameters. Both contenders of a line run in turns, in one process, pinned to
one core, in processor time; evaluations are counted. Below 1 gslfit is the faster, or asks less. Written by `make bench`.

"""


def main():
    """Print the tables, and write them."""
    many = list(many_called())          # processes need all cores
    pin()
    lines = ["| what | gslfit | against | ratio |", "|---|---:|---|---:|"]
    for name, (ours, theirs, who, rounds) in timed().items():
        own, other, ratio = in_turns(ours, theirs, rounds)
        lines.append(f"| {name} | {1e3*own:.3g} ms | {who}: {1e3*other:.3g} ms | {ratio:.2f} |")
        print(lines[-1], flush=True)
    lines += ["", "| evaluations of a residual | gslfit | against | ratio |", "|---|---:|---|---:|"]
    for name, own, other, who in counted():
        lines.append(f"| {name} | {own} | {who}: {other} | {own/other:.2f} |")
        print(lines[-1], flush=True)
    lines += ["", "| its own work, in units of the time in the residual | gslfit | MINPACK's leastsq | ratio |", "|---|---:|---:|---:|"]
    for name, own, other in own_work():
        lines.append(f"| {name} | {own:.2f} | {other:.2f} | {own/other:.2f} |")
        print(lines[-1], flush=True)
    lines += ["", "| 10,000 curves of a called function | seconds | calls of `progress=` | the last one says |", "|---|---:|---:|---:|"]
    for way, seconds, told, done in many:
        lines.append(f"| {way} | {seconds:.2f} | {told} | {done} |")
        print(lines[-1], flush=True)
    lines += ["", "## Many parameters", "",
              "Sums of peaks on a constant by `fit_batch`: nanoseconds for each point and evaluation, errors included; what that is by",
              "the square of the parameters, that of 13 being 1; and as a multiple the same with the peaks 80 widths apart, where most",
              "of their values would be subnormal numbers.", "",
              "| parameters | ns | by their square | far apart |", "|---:|---:|---:|---:|"]
    for p, near, squared, apart in of_many_parameters():
        lines.append(f"| {p} | {near:.1f} | {squared:.2f} | {apart:.2f} |")
        print(lines[-1], flush=True)
    lines += ["", "## Where the time of a small fit goes", "",
              "100 points, 3 parameters; microseconds by file, as cProfile shares out the time of a call. What is compiled counts where it",
              "is called from: the lanes and the polish, which are the fit itself, in `curves/pipeline.py`, the descent in",
              "`minimizer/least_squares.py`. The caller's residual has a line of its own. The rest, reading what is handed over and making",
              "a result, is what is left to win.", "",
              "| call | whole | the fit | the residual | left to win | the files that take most |", "|---|---:|---:|---:|---:|---|"]
    for name, call in calls().items():
        whole, files = profiled(call)
        fit = sum(own for own, place in files if place in FIT)
        residuals = sum(own for own, place in files if place == "the residual")
        lines.append(f"| {name} | {whole:.0f} us | {fit:.0f} | {residuals:.0f} | {whole - fit - residuals:.0f} | "
                     f"{', '.join(f'{place} {own:.1f}' for own, place in files[:8])} |")
        print(lines[-1], flush=True)
    write(OUT, HEAD + "\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
