"""Fits whose chi-square is least at infinity: no entry calls where they stop a minimum, and none where there is one a failure.

Each of the problems has an infimum that no finite parameters reach: the formula tends to a line, a step, a Gaussian or an exponential as
some of them grow without end, and the data are on the far side of that.
"""
import math
import re
from pathlib import Path

import numpy as np
import pytest
from guess_accuracy import CASES, draw

import gslfit
from gslfit import Parameters
from gslfit.curves._batch import instruction_set
from gslfit.errors import InputError
from gslfit.minimizer import curvature, kinks, least_squares

N = 41
X, WIDE = np.linspace(0, 4, N), np.linspace(-5, 5, N)
RIGHT = X[1:]


def noisy(y, size, seed=0):
    return y + size*np.random.default_rng(seed).normal(size=N)[N - len(y):]


PROBLEMS = {
    # a step between two points: as sharp as one likes
    "tanh": ("a*tanh(k*(x - m)) + c", X, noisy(np.sign(X - 2.03), .02), {"a": .8, "k": 3., "m": 1.9, "c": .1}),
    "erf": ("a*erf((x - m)/w) + c", X, noisy(np.sign(X - 2.03), .02), {"a": .8, "w": .3, "m": 1.9, "c": .1}),
    "logistic": ("a/(1 + exp(-k*(x - m))) + c", X, noisy((X > 2.03)*1., .02), {"a": .8, "k": 3., "m": 1.9, "c": .1}),
    "hill": ("t/(1 + (k/x)**h)", RIGHT, noisy((RIGHT > 2.05)*2., .02), {"t": 1.5, "h": 3., "k": 1.8}),
    "stretched": ("a*exp(-(x/t)**b)", RIGHT, noisy((RIGHT < 2.05)*2., .02), {"a": 1.5, "b": 3., "t": 1.8}),
    # lines bent the wrong way round
    "saturation": ("a*(1 - exp(-b*x))", X, noisy(2*X + .1*X**2, .01), {"a": 3., "b": 1.}),
    "decay": ("a*exp(-b*x) + c", X, noisy(1 - .5*X - .05*X**2, .01), {"a": 2., "b": 1., "c": 0.}),
    "sine": ("a*sin(b*x)", X, noisy(X + .05*X**3, .01), {"a": 2., "b": .4}),
    # growth that slows down nowhere, tails lighter than a power's, a decay faster than one
    "growth": ("a/(1 + exp(-k*(x - m)))", X, noisy(np.exp(.2*X**2), .05), {"a": 60., "k": 1.5, "m": 3.}),
    "gompertz": ("a*exp(-b*exp(-k*x))", X, noisy(.1*np.exp(.3*X**2), .01), {"a": 5., "b": 4., "k": .5}),
    "moffat": ("a/(1 + ((x - c)/w)**2)**b", WIDE, noisy(3*np.exp(-WIDE**2/2), .02), {"a": 2., "c": .3, "w": 2., "b": 2.}),
    "power": ("a*(1 + b*x)**(-c)", X, noisy(3*np.exp(-X - .05*X**2), .01), {"a": 2., "b": .5, "c": 2.}),
}
QUICK = "tanh", "erf", "logistic", "decay"
FUNCTIONS = {"tanh": np.tanh, "exp": np.exp, "sin": np.sin, "erf": np.vectorize(math.erf)}


def called(formula, names):
    found: dict = dict(FUNCTIONS)
    exec(f"def model(x, {', '.join(names)}): return {formula}", found)
    return found["model"]


def successes(formula, x, y, start):
    """Return what each entry says."""
    model = called(formula, start)
    found = {"fit": gslfit.fit(formula, y, x=x, **start).success, "Model": gslfit.Model(model).fit(y, x=x, **start).success}
    for method in ("auto", "lmsder", "trust"):
        found[method] = bool(gslfit.fit_batch(formula, np.array([y, y]), x=x, method=method, **start).success[1])
    for method in ("leastsq", "lmder"):
        params = Parameters()
        params.add_many(*start.items())
        with np.errstate(all="ignore"):
            found[method] = gslfit.minimize(lambda p: model(x, *[np.float64(p[name].value) for name in start]) - y, params,
                                            method=method).success
    try:
        gslfit.curve_fit(formula, x, y, p0=[*start.values()])
        found["curve_fit"] = True
    except RuntimeError:
        found["curve_fit"] = False
    return found


@pytest.mark.parametrize("problem", [each if each in QUICK else pytest.param(each, marks=pytest.mark.slow) for each in PROBLEMS])
@pytest.mark.filterwarnings("ignore")
def test_a_minimum_at_infinity_is_no_success_by_any_entry(problem):
    assert not any(successes(*PROBLEMS[problem]).values()), successes(*PROBLEMS[problem])


@pytest.mark.parametrize("name", ["v3", "base"])
@pytest.mark.parametrize("problem", ["tanh", "logistic"])
def test_a_minimum_at_infinity_is_no_success_by_any_instruction_set(problem, name):
    formula, x, y, start = PROBLEMS[problem]
    best = instruction_set()
    try:
        instruction_set(name)
        assert not gslfit.fit(formula, y, x=x, **start).success
        assert not gslfit.fit_batch(formula, y[None], x=x, **start).success.any()
    except InputError:
        pytest.skip(f"no {name} here")
    finally:
        instruction_set(best)


# curves of models of the library whose chi-square falls towards infinity all along, by Newton's steps in 70 digits: two decays become one,
# a decay becomes a straight line or a part of the response, a peak a Gaussian, the foot of a curve an exponential
RUN_OFF = {"TriexponentialModel": (36, 42, 44, 46, 48, 111, 198), "BiexponentialModel": (62, 88, 283),
           "BiexponentialResponseModel": (14, 18, 72, 98), "MoffatModel": (32, 40, 46, 69), "FiveParameterLogisticModel": (8, 24, 26)}


@pytest.mark.parametrize("name", ["v4", "v3", "base"])
@pytest.mark.parametrize("model", RUN_OFF)
@pytest.mark.filterwarnings("ignore")
def test_what_ran_off_is_no_success_while_j_tells_all_apart(model, name):
    """At amplitudes of 1e4 J is still of full rank, and chi-square as good as flat."""
    fitted, x, _, y = draw(next(case for case in CASES if case.cls == model), 300, 5)
    best = instruction_set()
    try:
        instruction_set(name)
        assert not fitted.fit_batch(y[list(RUN_OFF[model])], x=x).success.any()
    except InputError:
        pytest.skip(f"no {name} here")
    finally:
        instruction_set(best)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("problem", ["tanh", "erf", "logistic", "stretched"])
@pytest.mark.filterwarnings("ignore")
def test_steps_of_other_noise(problem, seed):
    formula, x, y, start = PROBLEMS[problem]
    assert not any(successes(formula, x, noisy(np.round(y), .02, seed), start).values())


@pytest.mark.filterwarnings("ignore")
def test_with_a_minimum_the_same_formulas_are_successes():
    """A step of five points, and a bend the right way round."""
    for formula, x, y, start in (
            ("a*tanh(k*(x - m)) + c", X, noisy(np.tanh(4*(X - 2.03)), .02), {"a": .8, "k": 3., "m": 1.9, "c": .1}),
            ("a*erf((x - m)/w) + c", X, noisy(np.tanh(4*(X - 2.03)), .02), {"a": .8, "w": .3, "m": 1.9, "c": .1}),
            ("a*exp(-b*x) + c", X, noisy(2*np.exp(-.5*X), .01), {"a": 2., "b": 1., "c": 0.})):
        assert all(successes(formula, x, y, start).values())


@pytest.mark.parametrize("sign", [1, -1])
def test_what_is_too_small_to_be_seen_grows_until_it_is(sign):
    """From a start on two bounds a beam is all divergence, its waist 1e-8 of what it is: J is deficient, and the answer far along, up or
    down.
    """
    x, truth = np.linspace(2e8, 1.8e10, 35), (3.3, 8.05e9, 3.4e8)
    y = truth[0]*np.hypot(1, (x - truth[1])/truth[2]) + .02*np.random.default_rng(3).normal(size=(8, 35))
    params, start = Parameters(), dict(zip(("w0", "z0", "zR"), (sign*truth[0], truth[1], sign*truth[2]), strict=True))
    for name in start:
        params.add(name, 8.1e9 if name == "z0" else 0.)
        if name != "z0":
            params[name].set(**{"min" if sign > 0 else "max": 0.})
    text = f"{sign}*w0*sqrt(1 + ((x - z0)/zR)**2)"
    found = gslfit.fit_batch(text, y, params, x=x)
    near = gslfit.fit_batch(text, y, params, x=x, start=start)
    assert found.success.all() and near.success.all()
    for name, value in start.items():
        assert found.values[name] == pytest.approx(near.values[name], rel=1e-6)
        assert found.values[name] == pytest.approx(value, rel=.02)
    flat = gslfit.fit_batch("a*b*exp(-x)", np.exp(-X)[None] + .01*np.sin(9*X), x=X, a=2., b=3.)     # nothing to be found: no failure
    assert flat.success.all()


def test_a_function_of_python_s_numbers_that_overflows_on_the_way():
    """Python's ** raises where NumPy's is infinite: such a step is refused, as one to infinite values is."""
    y, params = noisy((RIGHT > 2.05)*2., .02), Parameters()
    params.add_many(("t", 1.5), ("h", 3.), ("k", 1.8))
    with np.errstate(all="ignore"):
        found = gslfit.minimize(lambda p: p["t"].value*RIGHT**p["h"].value/(p["k"].value**p["h"].value + RIGHT**p["h"].value) - y, params)
    assert not found.success and params["h"].value > 50
    params["h"].value = 5000.
    with pytest.raises(OverflowError):      # at the start it is the caller's error
        gslfit.minimize(lambda p: p["k"].value**p["h"].value - y, params)


def test_moves_are_those_of_the_c_core():
    """Programs and functions are looked at by the same moves: the numbers of `minimizer/curvature.py` are in `src/descent/null_space.c`,
    and by how much chi-square falls in `src/common/judgement.h`."""
    text, judgement = ((Path(__file__).parents[2]/"src"/file).read_text() for file in ("descent/null_space.c", "common/judgement.h"))
    shares = [float(each) for each in re.search(r"SHARES\[\] = \{(.*?)\}", text)[1].split(",")]
    assert [sign*each for each in shares for sign in (1, -1)] == list(curvature.SHARES)
    slowly, moves = (int(re.search(rf"{name} = (\d+)", text)[1]) for name in ("SLOWLY", "MOST_MOVES"))
    assert (shares[slowly], moves) == (curvature.SLOWLY, curvature.MOVES)
    for name in ("VISIBLE", "STAYS", "LONGER", "STRIDES"):
        assert float(re.search(rf"{name} = ([\d.e-]+)", text)[1]) == getattr(curvature, name)
    assert float(re.search(r"GSLFIT_FALL ([\d.e-]+)", judgement)[1]) == curvature.FALLS
    assert float(re.search(r"GSLFIT_AFAR ([\d.e-]+)", judgement)[1]) == least_squares.AFAR
    text = (Path(__file__).parents[2]/"src/descent/kinks.c").read_text()
    for name in ("OWN", "BENT", "TURNED"):
        assert float(re.search(rf"{name} = ([\d.e-]+)", text)[1]) == getattr(kinks, name)
