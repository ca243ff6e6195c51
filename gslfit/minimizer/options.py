"""Options of a fit: one record, whose names, defaults, checks and synonyms are known here alone.

An `Entry` is one way into a fit: which options it takes, and what they are if nothing is said. Other packages' names for them
(`SYNONYMS`) are understood wherever an option is read; inside they have one name each.
"""
from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar, TypeVar

from gslfit.checks import by_name, checked_workers, choice, count_if_given, real, shown, tolerance, truth, whole
from gslfit.constraints.grammar import close
from gslfit.errors import InputError, InputTypeError
from gslfit.objective.loss import LOSSES, f_scale_of
from gslfit.records import Record

Function = TypeVar("Function", bound=Callable[..., Any])


class FitOptions(Record):
    """The options of a fit.

    Attributes
    ----------
    method : str
        Who fits.
    xtol, ftol, gtol : float
        Tolerances of the parameters, of chi-square and of the gradient.
    max_nfev : int or None
        Most evaluations of the model.
    nan_policy : str
        What a NaN or an infinity does.
    scale_covar, covar : bool
        Scale errors by the reduced chi-square; work them out, or keep them, at all.
    threads : int or None
    jac : callable or None
        The caller's derivatives.
    col_deriv : bool
        Whether these are transposed.
    iter_cb : callable or None
        Called after each evaluation.
    epsfcn : float or None
        Relative precision of the residual.
    on_interrupt : str
        Whether an interrupted batch is an error, or its result is what is done.
    workers : None, int, Executor, pool or callable
        Who fits the rows of a batch whose function is called.
    vectorized : bool or None
        Whether such a function broadcasts over rows; None to find out.
    loss : str
        What a residual costs.
    f_scale : float or str
        About where a residual begins to be an outlier.
    starts : int, str or None
        How many starts are tried; "auto": several where a first fit is in doubt; "neighbours": of a map, those of the fits around.
    ranges : dict of str to (float, float), or None
        Where starts are placed, by parameter.
    """

    method: str = "auto"
    xtol: float = 1e-8
    ftol: float = 1e-8
    gtol: float = 1e-8
    max_nfev: int | None = None
    nan_policy: str = "raise"
    scale_covar: bool = True
    covar: bool = True
    threads: int | None = None
    jac: Callable[..., Any] | None = None
    col_deriv: bool = False
    iter_cb: Callable[..., Any] | None = None
    epsfcn: float | None = None
    on_interrupt: str = "raise"
    workers: Any = None
    vectorized: bool | None = None
    loss: str = "linear"
    f_scale: float | str = 1.0
    starts: int | str | None = None
    ranges: dict[str, tuple[float, float]] | None = None

    @property
    def several(self) -> bool:
        """Whether more than one start is asked for."""
        return self.starts is not None or self.ranges is not None


SYNONYMS = {"maxfev": "max_nfev", "Dfun": "jac", "engine": "method", "calc_covar": "covar"}
UNSUPPORTED = {
    "diag": "GSL's lmsder chooses the scaling of the variables itself, lmder uses none",
    "factor": "GSL fixes the first step bound at 100 times the scaled start",
    "full_output": "all results are attributes of the Minimizer",
}
COMPILED = ("auto", "lanes", "lmsder", "lmder", "trust")
TOLERANCES = ("xtol", "ftol", "gtol")
COUNTS = ("max_nfev", "threads")
FLAGS = ("scale_covar", "covar", "col_deriv")
INTERRUPTS = ("raise", "partial")
NEIGHBOURS = "neighbours"
MOST_STARTS = 1_000_000
LARGEST = 1.7e308       # what is not infinite
PLAIN = frozenset((bool, float, int, str, type(None)))      # of values that are what they are: options of these are read once
MOST_READ = 256         # calls that are remembered


def named(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return options by gslfit's own names; one that is given by two names is an InputTypeError."""
    found: dict[str, Any] = {}
    for name, value in given.items():
        own = SYNONYMS.get(name, name)
        if own in found:
            raise InputTypeError(f"{own} is given twice, as {' and '.join(each for each in given if SYNONYMS.get(each, each) == own)}")
        found[own] = value
    return found


class Entry:
    """One way into a fit.

    Parameters
    ----------
    defaults : FitOptions
    takes : tuple of str
        The options that it has.
    methods, policies : tuple of str
        What `method` and `nan_policy` may be; `methods` is empty where they are looked up elsewhere.
    starts : str
        Where the start of a parameter goes that has an option's name, `{name}`.
    several : tuple of str
        What the option `starts` may be besides a number.

    Attributes
    ----------
    name : str
        Of the entry's function.
    arguments, keywords : frozenset of str
        The names of all arguments of the entry's function, and of those that are keywords; see `entered`.
    everywhere : set of str
        What any entry takes.
    """

    everywhere: ClassVar[set[str]] = set()

    def __init__(self, defaults: FitOptions, takes: tuple[str, ...], methods: tuple[str, ...] = (),
                 policies: tuple[str, ...] = ("raise", "omit", "propagate"), starts: str = "", several: tuple[str, ...] = ("auto",)):
        self.defaults, self.takes, self.methods, self.policies, self.starts = defaults, takes, methods, policies, starts
        self.several = several
        self._plain = {name: getattr(defaults, name) for name in takes}
        self._read: dict[tuple[Any, ...], FitOptions] = {}
        self.name = ""
        self.everywhere.update(takes, (name for name, own in SYNONYMS.items() if own in takes))
        self.arguments: frozenset[str] = frozenset()
        self.keywords: frozenset[str] = frozenset()

    def entered(self, function: Function) -> Function:
        """Note the names of the arguments of the entry's function, and return it: a decorator."""
        code = function.__code__  # type: ignore[attr-defined]
        self.arguments = frozenset(code.co_varnames[:code.co_argcount + code.co_kwonlyargcount])
        self.keywords = frozenset(code.co_varnames[code.co_argcount:code.co_argcount + code.co_kwonlyargcount])
        self.name = function.__name__  # type: ignore[attr-defined]
        self.everywhere.update(self.keywords)
        return function

    def foreign(self, name: str) -> str:
        """Return what an error adds about a keyword that other entries take and this one doesn't, or nothing."""
        return f"; {self.name} has no option {name!r}" if name not in self.keywords and name in self.everywhere else ""

    def hint(self, name: str, known: Iterable[str]) -> str:
        """Return what an error adds about a keyword that is none: `foreign`, and what may be meant of names known and of those taken."""
        return self.foreign(name) + close(name, [*known, *sorted(self.keywords)])

    def checked(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Return options by gslfit's own names.

        Raises
        ------
        InputTypeError
            If there is no such option here.
        InputError
            If an option can't have that value.
        """
        found: dict[str, Any] = {}
        if not given:
            return found
        for name, value in given.items():
            own = SYNONYMS.get(name, name)
            if name in UNSUPPORTED:
                if truth(name, value):
                    raise InputTypeError(f"the option {name!r} is not available: {UNSUPPORTED[name]}")
                continue
            if own not in self.takes:
                known = [*self.takes, *(each for each, inside in SYNONYMS.items() if inside in self.takes)]
                raise InputTypeError(f"there is no option {name!r}; there are {', '.join(known)}")
            found[name] = self._checked(name, own, value)
        return named(found)

    def read(self, given: Mapping[str, Any]) -> FitOptions:
        """Return the options of a call: those given, checked, over the defaults. Most calls change nothing, or what one before did."""
        if _same(given, self._plain):
            return self.defaults
        values = tuple(given.values())
        kinds = tuple(map(type, values))
        said = (*given, *kinds, *values) if PLAIN.issuperset(kinds) else None
        found = None if said is None else self._read.get(said)
        if found is None:
            changed = self.changed(given)
            found = self.defaults._replace(**self.checked(changed)) if changed else self.defaults
            if said is not None and len(self._read) < MOST_READ:
                self._read[said] = found
        return found

    def values(self, options: FitOptions) -> dict[str, Any]:
        """Return the options that the entry takes, by name."""
        return dict(self._plain) if options is self.defaults else {name: getattr(options, name) for name in self.takes}

    def changed(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Return the options that aren't what they are by default, by gslfit's own names; nothing is checked."""
        found, defaults = {}, self.defaults
        for name, value in given.items():
            default = getattr(defaults, SYNONYMS.get(name, name), ...)
            if value is not default and not _same(value, default):
                found[name] = value
        return named(found) if found else found

    def _checked(self, name: str, own: str, value: Any) -> Any:
        """Return an option with its type, or raise InputError for a value that it can't have; `name` is what the caller calls it."""
        known = {"method": self.methods, "nan_policy": self.policies, "on_interrupt": INTERRUPTS}.get(own, ())
        try:
            if known:
                return choice(name, value, known)
            if own in TOLERANCES:
                return tolerance(name, value)
            if own in COUNTS:
                return count_if_given(name, value)
            if own == "workers":
                return checked_workers(name, value)
            if own == "vectorized":
                return None if value is None else truth(name, value)
            if own == "loss":
                return choice(name, value, LOSSES)
            if own == "f_scale":
                return f_scale_of(value)
            if own == "starts":
                return self._starts(name, value)
            if own == "ranges":
                return None if value is None else as_ranges(value)
            return truth(name, value) if own in FLAGS else value
        except (InputError, InputTypeError) as error:
            if not self.starts:
                raise
            raise type(error)(f"{error}; if {name!r} is a parameter, its start goes into {self.starts.format(name=name)}") from None

    def _starts(self, name: str, value: Any) -> int | str | None:
        """Return how many starts are tried, or the word that says it."""
        if value is None or (isinstance(value, str) and value in self.several):
            return value
        if isinstance(value, str):
            words = " or ".join(repr(each) for each in self.several)
            only = ": only the fits of a batch have neighbours" if value == NEIGHBOURS else ""
            raise InputError(f"{name} is {shown(value)}, which is neither a number of starts nor {words}{only}")
        return whole(name, value, 1, MOST_STARTS)


def as_ranges(value: Any) -> dict[str, tuple[float, float]]:
    """Return ranges by name: pairs of finite numbers, the lower first.

    Raises
    ------
    InputError, InputTypeError
        If a range is none; the message names its parameter.
    """
    found = {}
    for key, given in by_name("ranges", value).items():
        name = f"ranges[{shown(key)}]"
        try:
            low, high = given
        except (TypeError, ValueError):
            raise InputTypeError(f"{name} is {shown(given)}: a pair of numbers (low, high) is needed") from None
        ends = real(name, low, -LARGEST, LARGEST), real(name, high, -LARGEST, LARGEST)
        if not ends[0] < ends[1]:
            raise InputError(f"{name} is {shown(given)}: the lower end comes first, and the upper one lies above it")
        found[key] = ends
    return found


def _same(value: Any, default: Any) -> bool:
    """Return whether an option has its default; what can't be compared with it, as an array, hasn't."""
    try:
        return bool(value == default)
    except (TypeError, ValueError, ArithmeticError):
        return False


COMPILED_OPTIONS = ("method", "xtol", "ftol", "gtol", "max_nfev", "nan_policy", "threads", "scale_covar", "loss", "f_scale", "starts",
                    "ranges")
"""What the lanes and their polish understand."""

STARTS = "start={{{name!r}: ...}} or Parameters"
FIT = Entry(FitOptions(), COMPILED_OPTIONS, COMPILED, ("mark", "omit", "raise"), STARTS)
BATCH = Entry(FitOptions(nan_policy="mark", covar=False), (*COMPILED_OPTIONS, "covar", "on_interrupt", "workers", "vectorized"), COMPILED,
              ("mark", "omit", "raise"), STARTS, ("auto", NEIGHBOURS))
SHARED = Entry(FitOptions(nan_policy="mark"), ("max_nfev", "nan_policy", "threads", "scale_covar", "loss", "f_scale"), (),
               ("mark", "omit", "raise"), STARTS)
MINIMIZE = Entry(FitOptions(method="leastsq", xtol=1e-7, ftol=1e-7, gtol=0.0),
                 ("xtol", "ftol", "gtol", "max_nfev", "jac", "col_deriv", "scale_covar", "iter_cb", "nan_policy", "epsfcn", "covar", "loss",
                  "f_scale", "starts", "ranges"))
MODEL = Entry(FitOptions(method="leastsq"), ("method", *MINIMIZE.takes),
              starts="make_params({name}=...), and these into fit(data, params)")
CURVE_FIT = Entry(FitOptions(), ("max_nfev", "ftol", "xtol", "gtol", "loss", "f_scale"))
