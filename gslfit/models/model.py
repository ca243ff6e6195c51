"""`Model`: a formula with named parameters, their hints, and the ways to evaluate, guess, fit and combine it."""
from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from gslfit.errors import FitWarning, InputError, InputTypeError
from gslfit.formula.formula import Formula
from gslfit.models.arguments import HINTS, inputs_of, number, plain, with_values
from gslfit.models.definition import Definition
from gslfit.models.texts import is_text, prefixed, renamed
from gslfit.parameters.collection import Parameters
from gslfit.parameters.parameter import Parameter, check_name


class Model:
    """A model function with named parameters, to evaluate, to fit, and to combine with others.

    Parameters
    ----------
    func : str, Formula or callable
        A formula's text, a `Formula`, or a function of NumPy operations, which is traced where it can be and called where not.
    independent_vars : str or sequence of str, optional
        Independent variables; ``x`` of a text, the first argument of a function.
    param_names : sequence of str, optional
        The parameters in their order; all other names.
    nan_policy : {"raise", "omit", "propagate"}
        What a fit does with data that are NaN.
    prefix : str
        Put before every parameter's name.
    name : str, optional
        What reports call it.
    **options
        Values of a function's further arguments; or, by the name of a parameter, a Parameter, dict or number as its hint.

    Raises
    ------
    InputError, InputTypeError
        If a name is no argument of the function, or the prefix none.
    ExpressionError
        If the text is no formula.

    Examples
    --------
    >>> model = Model("a*exp(-x/tau) + c")
    >>> x = np.linspace(0, 5, 30)
    >>> result = model.fit(2*np.exp(-x/1.5) + 1, x=x, a=1, tau=1, c=0)
    >>> {name: round(value, 6) for name, value in result.best_values.items()}
    {'a': 2.0, 'tau': 1.5, 'c': 1.0}
    """

    valid_forms: tuple[str, ...] = ()

    def __init__(self, func: str | Formula | Callable[..., Any], independent_vars: Sequence[str] | str | None = None,
                 param_names: Sequence[str] | None = None, nan_policy: str = "raise", prefix: str = "", name: str | None = None,
                 **options: Any) -> None:
        self._definition = Definition(func, independent_vars, param_names, options)
        self.func: Any = self._definition._formulas[()] if isinstance(func, str) else func
        self._begin(nan_policy, prefix, name or _label(func), options)

    def _begin(self, nan_policy: str, prefix: str | None, name: str, options: Mapping[str, Any]) -> None:
        """Set what all models have."""
        check_policy(nan_policy)
        self.nan_policy, self._name = nan_policy, name
        self._prefix = check_prefix(prefix)
        self.param_hints: dict[str, dict[str, Any]] = {}
        self.opts: dict[str, Any] = dict(self._definition.options)
        self.def_vals: dict[str, Any] = dict(self._definition.defaults)
        for key, value in options.items():
            if key in self._definition.names:
                self._hint_from(key, value)

    # -- names

    @property
    def independent_vars(self) -> list[str]:
        """The independent variables."""
        return self._definition.independent

    @independent_vars.setter
    def independent_vars(self, names: Sequence[str]) -> None:
        self._definition.independent = list(names)

    @property
    def param_names(self) -> list[str]:
        """The parameters, with prefix."""
        return [self._prefix + name for name in self._definition.names]

    @property
    def prefix(self) -> str:
        """What is put before every parameter's name."""
        return self._prefix

    @prefix.setter
    def prefix(self, prefix: str) -> None:
        self._prefix = check_prefix(prefix)

    @property
    def name(self) -> str:
        """What reports call it."""
        return self._reprstring()

    @name.setter
    def name(self, name: str) -> None:
        self._name = name

    @property
    def components(self) -> list[Model]:
        """The models that it is made of."""
        return [self]

    def _reprstring(self, long: bool = True) -> str:
        shown = [self._name] + ([f"prefix='{self._prefix}'"] if self._prefix else [])
        shown += [f"{key}='{value}'" for key, value in self.opts.items()] if long else []
        return f"Model({', '.join(shown)})"

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._reprstring()[6:-1]}: {self.describe()}>"

    def describe(self) -> str:
        """The formula as text, or why there is none."""
        found = self.formula
        if is_text(found):
            return "; ".join(found.text.splitlines())
        return f"a function of {', '.join([*found.independent, *found.names])}" + (f", called: {found.reason}" if found.reason else "")

    # -- formulas

    @property
    def formula(self) -> Formula:
        """The formula that fits run, its parameters named with their prefix."""
        return self._formula({})

    def _formula(self, options: Mapping[str, Any]) -> Formula:
        """The formula with the function's options at these values."""
        chosen = {**self.opts, **options}
        base = self._definition.formula(chosen)
        if not self._prefix:
            return base
        key = ("prefix", self._prefix, tuple(sorted((name, repr(value)) for name, value in chosen.items())))
        found = self._definition._formulas.get(key)
        if found is None:
            found = self._definition._formulas[key] = prefix_formula(base, self._prefix)
        return found

    @property
    def native(self) -> bool:
        """Whether fits run the compiled program."""
        return self.formula.native

    def latex(self) -> str:
        """The formula in LaTeX."""
        return self.formula.latex()

    # -- parameters

    def set_param_hint(self, name: str, **hints: Any) -> None:
        """Set what `make_params` gives a parameter.

        Parameters
        ----------
        name : str
            Of the model, with or without prefix, or of a new parameter.
        **hints
            ``value``, ``vary``, ``min``, ``max``, ``expr``.
        """
        root = self._root(name)
        own = self.param_hints.setdefault(root, {})
        for key, value in hints.items():
            if key in HINTS:
                own[key] = value
            else:
                warnings.warn(f"{key!r} is no hint for parameter {root!r}; there are {', '.join(HINTS)}", FitWarning, stacklevel=2)

    def _hint_from(self, name: str, given: Any) -> None:
        """A hint from a Parameter, a dict or a number."""
        if isinstance(given, Parameter):
            given = {key: getattr(given, key) for key in HINTS if getattr(given, key) is not None}
        self.set_param_hint(name, **(given if isinstance(given, dict) else {"value": given}))

    def _root(self, name: str) -> str:
        """A name without the prefix."""
        return name[len(self._prefix):] if self._prefix and name.startswith(self._prefix) else name

    def print_param_hints(self, colwidth: int = 8) -> None:
        """Print the hints as a table."""
        width = max([4, *map(len, self.param_hints)])
        print(f"{'Name':{width}}  " + " ".join(f"{head:>{colwidth}}" for head in ("Value", "Min", "Max", "Vary")) + "    Expr")
        for name, hint in sorted(self.param_hints.items()):
            numbers = (hint.get("value", np.nan), hint.get("min", -np.inf), hint.get("max", np.inf))
            cells = [f"{np.nan if number is None else number:>{colwidth}g}" for number in numbers]
            print(f"{name:{width}}  {' '.join(cells)} {hint.get('vary', True)!s:>{colwidth}}    {hint.get('expr', '')}")

    def _expr(self, text: str) -> str:
        """A hint's expression with the prefix before the model's own names, where they don't have it yet."""
        if not self._prefix or not text:
            return text
        own = {*self._definition.names, *self.param_hints}
        try:
            return renamed(text, {name: self._prefix + name for name in own})
        except SyntaxError:
            return text

    def make_params(self, verbose: bool = False, **values: Any) -> Parameters:
        """Make the model's Parameters.

        Parameters
        ----------
        verbose : bool
            Print each name.
        **values
            Start values, or dicts of Parameter's inputs, by names with or without prefix.

        Returns
        -------
        Parameters
            With values from defaults, then hints, then `values`; derived parameters last.
        """
        params = Parameters()
        self._fill(params, values)
        if verbose:
            for name in params:
                print(f" - Adding parameter {name!r}")
        return params

    def _fill(self, params: Parameters, values: Mapping[str, Any]) -> None:
        """Add this model's parameters."""
        for root in dict.fromkeys([*self._definition.names, *self.param_hints]):
            name = self._prefix + root
            given = values[name] if name in values else values.get(root)
            inputs = {"value": self.def_vals.get(root), **self.param_hints.get(root, {})}
            if inputs.get("expr"):
                inputs["expr"] = self._expr(inputs["expr"])
            inputs |= inputs_of(name, given)
            if given is not None and not isinstance(given, dict) and inputs.get("expr"):
                inputs["expr"] = None   # a value of its own frees it
            if inputs.get("expr"):
                inputs.pop("vary", None)
                inputs.pop("value", None)
            params.add(Parameter(name=name, **inputs))

    # -- values

    def eval(self, params: Any = None, **values: Any) -> Any:
        """Evaluate.

        Parameters
        ----------
        params : Parameters, optional
        **values
            Independent variables, and values of parameters over those of `params`, with or without prefix.

        Returns
        -------
        ndarray or float
        """
        return self._eval(with_values(params, values, self), values)

    def _eval(self, params: Any, values: Mapping[str, Any]) -> Any:
        """Evaluate with parameters by full name."""
        definition = self._definition
        options = {**self.opts, **{name: values[name] for name in self.opts if name in values}}
        given = {name: plain(values[name]) for name in definition.independent if name in values}
        for root in definition.names:
            full = self._prefix + root
            if full in params:
                given[root] = number(params[full])
            elif root in self.def_vals:
                given[root] = self.def_vals[root]
        if definition.starred:
            given |= {name: plain(value) for name, value in values.items() if name not in given and self._root(name) not in given}
        missing = [name for name in (*definition.arrays(options), *definition.names) if name not in given and not definition.starred]
        if missing:
            given |= self._missing(missing, given)
        out = definition.value(given, options)
        return np.asarray(out)[()] if not isinstance(out, np.ndarray) else out

    def _missing(self, missing: list[str], given: Mapping[str, Any]) -> dict[str, Any]:
        """Values of parameters that follow others by a hint, such as a Voigt's gamma."""
        if all(name in self._definition.names for name in missing):
            params = self.make_params(**{name: value for name, value in given.items() if name in self._definition.names})
            found = {name: params[self._prefix + name].value for name in missing}
            if all(value is not None for value in found.values()):
                return found
        raise InputTypeError(f"no value for {', '.join(missing)} of {self._reprstring()}")

    def eval_components(self, params: Any = None, **values: Any) -> dict[str, Any]:
        """Evaluate each component: by prefix, or by name where there is none."""
        return {self._prefix or self._name: self.eval(params, **values)}

    def make_funcargs(self, params: Any = None, kwargs: Mapping[str, Any] | None = None, strip: bool = True) -> dict[str, Any]:
        """Return the arguments that the function is called with."""
        values = dict(kwargs or {})
        found = with_values(params, values, self)
        out = {**self.opts, **{name: values[name] for name in (*self.independent_vars, *self.opts) if name in values}}
        return out | {(root if strip else self._prefix + root): number(found[self._prefix + root])
                      for root in self._definition.names if self._prefix + root in found}

    def _make_all_args(self, params: Any = None, **values: Any) -> dict[str, Any]:
        """Parameters' values and options by full name."""
        return {self._prefix + name: value for name, value in self.make_funcargs(params, values).items()}

    # -- guesses and fits

    def guess(self, data: Any, x: Any = None, **values: Any) -> Any:
        """Estimate start values from data.

        Parameters
        ----------
        data : array_like, shape (..., n)
            One curve, or many.
        x : array_like, shape (n,) or (..., n)
        **values
            Start values that are known; other independent variables.

        Returns
        -------
        Parameters, or dict of str to ndarray
            Of one curve Parameters; of many the start values, an array each, for `fit_batch`.

        Raises
        ------
        NotImplementedError
            This model has no estimator.
        """
        raise NotImplementedError(f"guess() is not implemented for {type(self).__name__}: give start values to make_params or fit")

    def _guesses(self, data: Any, x: Any = None, **values: Any) -> list[Any]:
        """What `guess` finds, and further starts that may lead lower."""
        return [self.guess(data, x, **values)]

    @property
    def _searches(self) -> bool:
        """Whether a single start is next to the minimum."""
        return False

    def post_fit(self, result: Any) -> None:
        """Do nothing; a subclass may change a result after its fit."""

    def fit(self, data: Any, params: Parameters | None = None, weights: Any = None, method: str = "leastsq",
            iter_cb: Callable[..., Any] | None = None, scale_covar: bool = True, verbose: bool = False,
            fit_kws: Mapping[str, Any] | None = None, nan_policy: str | None = None, calc_covar: bool = True, max_nfev: int | None = None,
            coerce_farray: bool = True, yerr: Any = None, **values: Any) -> Any:
        """Fit to data.

        Parameters
        ----------
        data : array_like
        params : Parameters, optional
            Left as they are; without them start values come from `values`, hints and defaults, and where these are not enough
            from `guess`.
        weights : array_like, optional
            Multiply data - model.
        method : {"leastsq", "lmder", "lbfgsb", "anneal"}
        iter_cb : callable, optional
            ``iter_cb(params, nfev, residual, *args, **kws)``; stops the fit by returning True.
        scale_covar, calc_covar : bool
            Scale errors by the reduced chi-square; compute them at all.
        verbose : bool
            Print the parameters made.
        fit_kws : dict, optional
            Further options of the engine.
        nan_policy : {"raise", "omit", "propagate"}, optional
        max_nfev : int, optional
        coerce_farray : bool
            Turn data and independent variables into arrays of floats; else functions get them as they are.
        yerr : array_like, optional
            Standard deviations of the data, instead of weights.
        **values
            Independent variables; start values of parameters.

        Returns
        -------
        ModelResult

        Raises
        ------
        InputError
            If a parameter has no start value, an independent variable is missing, or lengths differ.
        NonFiniteError
            If data are NaN and `nan_policy` is "raise".
        """
        from gslfit.models.fitting import fit_model
        return fit_model(self, data, params, weights, yerr, values, nan_policy or self.nan_policy, coerce_farray, verbose,
                         {"method": method, "iter_cb": iter_cb, "scale_covar": scale_covar, "calc_covar": calc_covar, "max_nfev": max_nfev,
                          **(fit_kws or {})})

    def fit_batch(self, data: Any, params: Parameters | None = None, *, x: Any = None, **options: Any) -> Any:
        """Fit to many curves at once; see `gslfit.fit_batch`.

        Parameters
        ----------
        data : array_like, shape (..., n)
        params : Parameters, optional
            Bounds, expressions and start values; without start values `guess` finds them for each curve.
        x : array_like, shape (n,) or (..., n), or mapping
        **options
            As `gslfit.fit_batch` takes them: ``yerr``, ``weights``, ``start``, ``method``, ``covar``, ...; ``max_nfev`` is twice
            its own where starts are guessed.

        Returns
        -------
        BatchResult
        """
        from gslfit.models.fitting import fit_curves
        return fit_curves(self, data, params, x, options)

    # -- combining

    def __add__(self, other: Model) -> Model:
        return _composite(self, other, "+")

    def __sub__(self, other: Model) -> Model:
        return _composite(self, other, "-")

    def __mul__(self, other: Model) -> Model:
        return _composite(self, other, "*")

    def __truediv__(self, other: Model) -> Model:
        return _composite(self, other, "/")

    # -- copies and files

    def copy(self, prefix: str | None = None) -> Model:
        """Return a model of its own, with another prefix if one is given."""
        from copy import copy, deepcopy
        new = copy(self)
        new.param_hints, new.opts, new.def_vals = deepcopy(self.param_hints), dict(self.opts), dict(self.def_vals)
        if prefix is not None:
            new.prefix = prefix
        return new

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "_plan"}

    def dumps(self, **kws: Any) -> str:
        """Return the model as JSON text; formulas are texts in it, and no code."""
        from gslfit.models.serialization import model_text
        return model_text(self, **kws)

    def dump(self, file: Any, **kws: Any) -> int:
        """Write the model as JSON to an open file."""
        return file.write(self.dumps(**kws))

    def loads(self, text: str, funcdefs: Mapping[str, Callable[..., Any]] | None = None, **kws: Any) -> Model:
        """Return the model of a JSON text; functions are looked up in `funcdefs`, and nothing is run."""
        from gslfit.models.serialization import model_from_text
        return model_from_text(text, funcdefs, **kws)

    def load(self, file: Any, funcdefs: Mapping[str, Callable[..., Any]] | None = None, **kws: Any) -> Model:
        """Return the model of an open JSON file."""
        return self.loads(file.read(), funcdefs, **kws)


def _composite(left: Model, right: Any, symbol: str) -> Any:
    if not isinstance(right, Model):
        return NotImplemented
    from gslfit.models.composite import CompositeModel
    return CompositeModel(left, right, symbol)


def _label(func: Any) -> str:
    """A model's name from what it is made of."""
    if isinstance(func, str):
        return "_eval"
    return func.text if isinstance(func, Formula) and func.text else getattr(func, "__name__", type(func).__name__)


def check_prefix(prefix: Any) -> str:
    """Return a prefix that can begin a name.

    Raises
    ------
    InputError
        It can't.
    """
    if not isinstance(prefix, str) or not prefix:
        return ""
    try:
        check_name(prefix + "a")
    except ValueError:
        raise InputError(f"{prefix!r} can't be a prefix: a name of letters, digits and '_' can't begin with it") from None
    return prefix


def check_policy(policy: str) -> None:
    """Raise InputError for a nan_policy that is none."""
    if policy not in ("raise", "omit", "propagate"):
        raise InputError(f"nan_policy={policy!r} is not one of raise, omit, propagate")


def prefix_formula(formula: Formula, prefix: str) -> Formula:
    """Return a formula with a prefix before its parameters' names."""
    if not formula.native:
        return formula
    if is_text(formula):
        return Formula(prefixed(formula.text, formula.names, prefix), formula.independent)
    from gslfit.models.composite import renamed_graph
    names = {name: prefix + name for name in formula.names}
    return Formula.from_graph(renamed_graph(formula.graph, names), tuple(names.values()), f"graph of {formula!r} with {prefix}")
