"""NaN and infinity in each place, by each route, under each policy: {total} cells, of which {green} are green and {faulty} are wrong today
and strict xfails (`parity.known_faults`). `nan_policy` speaks of y, x and the model's values; a weight that is not finite is an error
under every policy, and a start that is not finite spoils its own row.
"""
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from itertools import product
from typing import Any

import numpy as np
import pytest

import gslfit
from gslfit.compat import lmfit
from gslfit.errors import InputError, NonFiniteError
from parity.cells import ids, settle
from parity.entries import number, of_batch, of_result
from parity.expected import Answer, Expected, Marked, Right
from parity.inputs import decay
from parity.known_faults import NAN_FAULTS
from parity.oracle import Par, interval, truth

VALUES = {"NaN": np.nan, "infinity": np.inf}
PLACES = ("y", "x", "weights", "start", "model")
START = {"a": 1.5, "b": 0.7, "c": 0.3}
PARS = {name: Par(value) for name, value in START.items()}
AT = 7              # the point that is not finite
SHORT, LONG = 40, 5000


def with_root(x, a, b, c):
    """Return a curve that is NaN at its first points."""
    return decay(x, a, b, c) + 0.1*np.sqrt(x - 0.2)


def with_pole(x, a, b, c):
    """Return a curve that is infinite at its first point, where x is 0."""
    return decay(x, a, b, c) + 0.1/x


TEXTS = {decay: "a*exp(-b*x) + c", with_root: "a*exp(-b*x) + c + 0.1*sqrt(x - 0.2)", with_pole: "a*exp(-b*x) + c + 0.1/x"}


@dataclass(frozen=True)
class Case:
    """One curve and its neighbour, the one flawed in one place."""

    place: str
    x: np.ndarray
    curve: Callable[..., np.ndarray]
    y: np.ndarray                   # (2, n)
    flawed_x: np.ndarray
    weights: np.ndarray | None
    start: dict[str, float]

    @property
    def kept(self) -> np.ndarray:
        """The points that are finite."""
        with np.errstate(all="ignore"):
            values = self.curve(self.x, 2.0, 1.0, 0.5)
        good = np.isfinite(self.y[0]) & np.isfinite(self.flawed_x) & np.isfinite(values)
        return good if self.weights is None else good & np.isfinite(self.weights)


@lru_cache
def case(place: str, value: str, n: int = SHORT) -> Case:
    """Return the case of a value in a place."""
    x = np.linspace(0, 5, n)
    curve = decay if place != "model" else with_root if value == "NaN" else with_pole
    with np.errstate(all="ignore"):
        clean = np.array([curve(x, 2.0, 1.0, 0.5), curve(x, 2.5, 0.8, 0.4)])
    y = np.where(np.isfinite(clean), clean, 1.0) + np.random.default_rng(4).normal(0, 0.02, clean.shape)
    flawed, weights, start = x.copy(), None, START
    if place == "y":
        y[0, AT] = VALUES[value]
    elif place == "x":
        flawed[AT] = VALUES[value]
    elif place == "weights":
        weights = np.where(np.arange(n) == AT, VALUES[value], 1.0)
    elif place == "start":
        start = START | {"a": VALUES[value]}
    return Case(place, x, curve, y, flawed, weights, start)


# -- routes


def parameters(kind: Any, start: dict[str, float]) -> Any:
    """Parameters that vary freely."""
    out = kind()
    for name, value in start.items():
        out.add(name, value)
    return out


def by_calls(curve: Callable[..., Any]) -> Callable[..., Any]:
    """Return the same function so that it can't be traced."""
    def called(x, a, b, c):
        return curve(x, float(a), float(b), float(c))
    return called


def weighed(given: Case) -> dict[str, Any]:
    return {} if given.weights is None else {"weights": given.weights}


def by_fit(given: Case, policy: str) -> list[Answer]:
    return of_result(gslfit.fit(TEXTS[given.curve], given.y[0], x=given.flawed_x, start=given.start, nan_policy=policy, **weighed(given)))


def by_batch(n: int = SHORT, called: bool = False, **how: Any) -> Callable[[Case, str], list[Answer]]:
    """Return a batch of the curve and its neighbour."""
    def ask(given: Case, policy: str) -> list[Answer]:
        formula = by_calls(given.curve) if called else TEXTS[given.curve]
        start = {name: np.array([value, START[name]]) for name, value in given.start.items()}
        return of_batch(gslfit.fit_batch(formula, given.y, x=np.stack([given.flawed_x, given.x]), start=start, nan_policy=policy,
                                         **weighed(given), **how), 2, differences=called)
    ask.n = n
    return ask


def by_curve_fit(with_jac: bool) -> Callable[[Case, str], list[Answer]]:
    """SciPy's call, with the caller's Jacobian or without; the weights' inverses are its sigma."""
    def jac(x, a, b, c):
        return np.stack([np.exp(-b*x), -a*x*np.exp(-b*x), np.ones_like(x)], axis=1)

    def ask(given: Case, policy: str) -> list[Answer]:
        how = {"f": by_calls(given.curve), "jac": jac} if with_jac else {"f": given.curve}
        with np.errstate(divide="ignore"):
            sigma = {} if given.weights is None else {"sigma": 1/given.weights}
        popt, pcov, info, message, ier = gslfit.curve_fit(xdata=given.flawed_x, ydata=given.y[0], p0=list(given.start.values()),
                                                          nan_policy=policy, full_output=True, **sigma, **how)
        fvec = info["fvec"][np.isfinite(info["fvec"])]
        return [Answer(dict(zip(START, popt.tolist(), strict=True)), dict(zip(START, map(number, np.sqrt(np.diag(pcov))), strict=True)),
                       fvec.size, float(fvec @ fvec), ier in (1, 2, 3, 4), message)]
    return ask


def by_conf_interval(given: Case, policy: str) -> list[Answer]:
    """`minimize`, then `conf_interval`, whose limits are judged here."""
    x, y, curve = given.flawed_x, given.y[0], given.curve

    def residual(p):
        return curve(x, *(p[name].value for name in START)) - y
    fitted = gslfit.minimize(residual, parameters(gslfit.Parameters, given.start), nan_policy=policy)
    limits = [limit for _, limit in gslfit.conf_interval(fitted, p_names=["b"], sigmas=[0.95])["b"]]
    answer, = of_result(fitted, differences=True)
    right = interval(given.curve, PARS, given.x[given.kept], given.y[0, given.kept], "b", 0.95)
    assert np.allclose([limits[0], limits[2]], right, rtol=0, atol=1e-5*answer.stderr["b"])
    return [answer]


def by_compat(given: Case, policy: str) -> list[Answer]:
    params = parameters(lmfit.Parameters, given.start)
    return of_result(lmfit.Model(given.curve).fit(given.y[0], params, x=given.flawed_x, nan_policy=policy, **weighed(given)))


ROUTES = {
    "fit": by_fit, "fit_batch": by_batch(), "fit_batch, long": by_batch(LONG), "fit_batch, called": by_batch(called=True),
    "fit_batch, GSL": by_batch(method="lmsder"), "curve_fit": by_curve_fit(False), "curve_fit with jac": by_curve_fit(True),
    "conf_interval": by_conf_interval, "compat Model.fit": by_compat}


# -- what is right


@dataclass(frozen=True)
class Error(Expected):
    """An error of a class or one of its children, that names the culprit; or, where that does as well, an answer."""

    kind: type[Exception]
    words: str
    otherwise: Expected | None = None

    def refused(self, error: Exception) -> None:
        if not isinstance(error, self.kind):
            raise error
        assert re.search(self.words, str(error)), f"{self.words!r} is not in the message: {error}"

    def judge(self, answer: Answer) -> None:
        assert self.otherwise is not None, f"expected an error, and there is {answer}"
        self.otherwise.judge(answer)


NAMES = {"y": r"\b(y|ydata|data)\b", "x": r"\b(x|xdata)\b", "model": "", "weights": r"\b(weights|sigma|yerr|residual)\b", "start": r"\ba\b"}


def right(given: Case, row: int, keep: np.ndarray) -> Right:
    """Return the oracle's answer for the points kept of a row."""
    return Right(truth(given.curve, PARS, given.x[keep], given.y[row, keep]), quiet=False)


def expected(route: str, place: str, value: str, policy: str) -> list[Expected]:
    """Return what must come back of the curve and, in a batch, of its neighbour."""
    given = case(place, value, getattr(ROUTES[route], "n", SHORT))
    keep = given.kept
    every = keep if place == "model" else np.ones_like(keep)
    batch = route.startswith("fit_batch")
    spoilt = Marked(keep.size if place in ("start", "model") else int(keep.sum()))      # the data's points that are finite
    if place == "weights":
        if route == "compat Model.fit":         # lmfit's policy speaks of the weighted residual
            return [right(given, 0, keep) if policy == "omit" else Error(NonFiniteError, NAMES[place])]
        return [Error(InputError, NAMES[place])]
    if place == "start":
        if not batch:
            return [Error(InputError, NAMES[place])]
        return [spoilt if policy != "raise" else Error(InputError, NAMES[place], spoilt), right(given, 1, every)]
    if policy == "raise":
        return [Error(NonFiniteError, NAMES[place])]
    if policy == "mark":
        return [spoilt, spoilt if place == "model" else right(given, 1, every)]
    return [right(given, 0, keep), right(given, 1, every)] if batch else [right(given, 0, keep)]


def has_meaning(route: str, place: str, value: str, policy: str) -> bool:
    """Whether a cell can be asked for: only a batch has rows to mark, and a residual shows no weights, and no infinite x of a decay."""
    hidden = place == "weights" or (place, value) == ("x", "infinity")
    return (policy != "mark" or route.startswith("fit_batch")) and not (route == "conf_interval" and hidden)


CELLS = [cell for cell in product(ROUTES, PLACES, VALUES, ("mark", "omit", "raise")) if has_meaning(*cell)]
__doc__ = __doc__.format(total=len(CELLS), green=len(CELLS) - len(NAN_FAULTS), faulty=len(NAN_FAULTS))


def judge(route, place, value, policy):
    """Assert what a route gives."""
    given = case(place, value, getattr(ROUTES[route], "n", SHORT))
    rights = expected(route, place, value, policy)
    try:
        answers = ROUTES[route](given, policy)
    except Exception as error:
        rights[0].refused(error)
        return
    for own, answer in zip(rights, answers, strict=False):
        own.judge(answer)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("route", "place", "value", "policy"), ids(CELLS))
def test_cell(route, place, value, policy):
    """A route gives the oracle's answer, a row marked, or an error that names the culprit."""
    cell = route, place, value, policy
    settle({"": NAN_FAULTS[cell]} if cell in NAN_FAULTS else {}, {"": lambda: judge(*cell)})


def test_table_names_cells():
    """The table of faults names cells."""
    assert set(NAN_FAULTS) <= set(CELLS), set(NAN_FAULTS) - set(CELLS)
