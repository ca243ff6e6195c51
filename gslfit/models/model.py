"""`Model`: a formula with named parameters, to guess, fit and combine; `CompositeModel`: two of them, one formula, one program."""
from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from gslfit.checks import as_name, filled, mapping, names_once, shown, text_or, truth
from gslfit.curves.batch_result import BatchResult
from gslfit.curves.job import NO_RESPONSE, response_of, with_shift
from gslfit.errors import InputError, InputTypeError, NoGuessError, ParameterNameError, warn
from gslfit.formula.formula import Formula
from gslfit.formula.memory import Memory
from gslfit.minimizer.options import BATCH, MODEL, SHARED
from gslfit.models.arguments import with_values
from gslfit.models.fitting import RESPONSE, check_names, fit_curves, fit_model, folded_for
from gslfit.models.formulas import OPERATORS, SYMBOLS, Unjoined, combined
from gslfit.models.guess.points import points_of
from gslfit.models.model_function import ModelFunction, check_policy
from gslfit.models.result import ModelResult
from gslfit.objective.loss import scaled
from gslfit.parameters.collection import Parameters

if TYPE_CHECKING:
    from gslfit.shared.result import SharedResult


class Model(ModelFunction):
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

    # -- guesses and fits

    def guess(self, data: Any, x: Any = None, *, mask: Any = None, **values: Any) -> Parameters:
        """Estimate start values from data.

        Parameters
        ----------
        data : array_like, shape (..., n)
            One curve, or many. What numpy.ma masks, and NaN, isn't looked at.
        x : array_like, shape (n,) or (..., n)
        mask : array_like of bool, optional
            True where a point isn't looked at; broadcast against the data.
        **values
            Start values that are known; other independent variables.

        Returns
        -------
        Parameters, or dict of str to ndarray
            Of one curve Parameters; of many the start values, an array each, for `fit_batch(start=...)`. (Type checkers, which can't
            tell one from many, are told Parameters.)

        Raises
        ------
        NoGuessError
            This model has no estimator.
        """
        raise NoGuessError(f"guess() is not implemented for {type(self).__name__}: give start values to make_params or fit")

    def _guesses(self, data: Any, x: Any = None, **values: Any) -> list[Any]:
        """Return what `guess` finds, and further starts that may lead lower."""
        return [self.guess(data, x, **values)]

    @property
    def _searches(self) -> bool:
        """Whether a single start is next to the minimum."""
        return False

    @property
    def _tries_limits(self) -> bool:
        """Whether starts at limits may be among those that `_guesses` returns: which one leads lower, only whole fits tell."""
        return False

    @property
    def _patience(self) -> int:
        """How many times more evaluations than others a fit from a guess may take."""
        return 1

    def post_fit(self, result: Any) -> None:
        """Do nothing; a subclass may change a result after its fit."""

    @names_once(MODEL.starts)
    def fit(self, data: Any, params: Parameters | None = None, weights: Any = None, method: str = "leastsq",
            iter_cb: Callable[..., Any] | None = None, scale_covar: bool | None = None, verbose: bool = False,
            fit_kws: Mapping[str, Any] | None = None, nan_policy: str | None = None, calc_covar: bool = True, max_nfev: int | None = None,
            coerce_farray: bool = True, yerr: Any = None, mask: Any = None, loss: str = "linear", f_scale: float | str = 1.0,
            ycov: Any = None, prior: Mapping[str, Any] | None = None, starts: int | str | None = None,
            ranges: Mapping[str, tuple[float, float]] | None = None, response: Any = None, response_centre: int = 0,
            response_shift: str | None = None, **values: Any) -> ModelResult:
        """Fit to data.

        Parameters
        ----------
        data : array_like
            All of one fit. What numpy.ma masks takes no part. Results (`best_fit`, `residual`, bands) have their shape and labels, NaN
            where a point takes no part. Where an independent variable is labelled too (pandas, xarray), it is paired with them by label.
        params : Parameters, optional
            Left as they are; without them start values come from `values`, hints and defaults, and where these are not enough
            from `guess`.
        weights : array_like, optional
            Multiply data - model; a weight of 0 leaves its point out.
        method : {"leastsq", "lmder", "lbfgsb", "anneal"}
        iter_cb : callable, optional
            ``iter_cb(params, nfev, residual, *args, **kws)``; stops the fit by returning True.
        scale_covar : bool, optional
            Scale errors by the reduced chi-square; if not given, that is done unless `loss` is "poisson". The errors of robust losses
            need no scale.
        calc_covar : bool
            Compute errors at all.
        verbose : bool
            Print the parameters made.
        fit_kws : dict, optional
            Further options of the method.
        nan_policy : {"raise", "omit", "propagate"}, optional
        max_nfev : int, optional
        coerce_farray : bool
            Turn data and independent variables into arrays of floats; else functions get them as they are.
        yerr : array_like, optional
            Standard deviations of the data, instead of weights; an infinite one leaves its point out.
        mask : array_like of bool, optional
            True where a point takes no part, as numpy.ma has it.
        loss : {"linear", "soft_l1", "huber", "cauchy", "arctan", "tukey", "poisson"}
            What is minimised: least squares; a robust loss of the weighted residuals, by SciPy's names, and Tukey's biweight; or the
            deviance of counts.
        f_scale : float or "mad"
            About where a weighted residual begins to be an outlier; "mad" takes it from the residuals themselves.
        ycov : array_like, shape (n, n), optional
            The covariance of the data's errors, in place of `yerr`; the residual is that of independent errors of size 1 then.
        prior : mapping of str to (float, float), optional
            What is known beforehand: of a parameter, or an expression of parameters, the mean and the standard deviation. The errors of
            the data must be known: `yerr`, `ycov`, `weights` with ``scale_covar=False``, or counts.
        starts : int or "auto", optional
            How many starts are tried, as `gslfit.fit` has it; the first is the one given, or guessed.
        ranges : mapping of str to (float, float), optional
            Where starts are placed, by parameter; they are no bounds, and a parameter that has one needs no start.
        response : array_like, shape (k,), optional
            A measured response, which the model is folded with, on the even spacing of its one independent variable, as `gslfit.fit` has
            it. The result's `model` is folded too: it is known at these points alone.
        response_centre : int
            The place in `response` that stands for no delay.
        response_shift : str, optional
            A further parameter, which moves the response along x; it starts at 0, if no start is given.
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
        said = [response, response_centre, as_name(response_shift)]
        for k, name in enumerate(RESPONSE):     # one that an independent variable has, holds its points
            if name in self.independent_vars and said[k] is not NO_RESPONSE[k]:
                values[name], said[k] = said[k], NO_RESPONSE[k]
        model = self
        if response_of(*said) is not NO_RESPONSE:
            given = zip(RESPONSE, said, NO_RESPONSE, strict=True)
            check_names(self, params, {name: own for name, own, unsaid in given if own is not unsaid})
            model, params = folded_for(self, said, values, ycov, prior), with_shift(params, said[2])
        return fit_model(model, data, params, weights, yerr, mask, values, self.nan_policy if nan_policy is None else nan_policy,
                         truth("coerce_farray", coerce_farray), truth("verbose", verbose),
                         {"method": method, "iter_cb": iter_cb, "scale_covar": scaled(scale_covar, loss), "calc_covar": calc_covar,
                          "max_nfev": max_nfev, **MODEL.changed({"loss": loss, "f_scale": f_scale, "starts": starts, "ranges": ranges}),
                          **mapping("fit_kws", fit_kws)},
                         ycov, prior, scale_covar)

    @names_once(BATCH.starts)
    def fit_batch(self, data: Any, params: Parameters | None = None, *, x: Any = None, **options: Any) -> BatchResult:
        """Fit to many curves at once; see `gslfit.fit_batch`.

        Parameters
        ----------
        data : array_like, shape (..., n)
        params : Parameters, optional
            Bounds, expressions and start values; without start values `guess` finds them for each curve.
        x : array_like, shape (n,) or (..., n), or mapping
        **options
            As `gslfit.fit_batch` takes them: ``yerr``, ``weights``, ``start``, ``bounds``, ``vary``, ``covar``, ...; ``max_nfev`` is twice
            its own where starts are guessed.

        Returns
        -------
        BatchResult
        """
        return fit_curves(self, data, params, x, options)

    @names_once(SHARED.starts)
    def fit_shared(self, data: Any, params: Parameters | None = None, *, x: Any = None, shared: str | Sequence[str] = (),
                   **options: Any) -> SharedResult:
        """Fit to data sets that share parameters; see `gslfit.fit_shared`.

        Parameters
        ----------
        data : array_like, shape (m, n), or list of m arrays
        params : Parameters, optional
            Bounds, expressions and start values; without them `guess` finds start values of each data set, and shared parameters begin at
            their median.
        x : array_like, shape (n,) or (m, n), list or mapping
        shared : str or sequence of str
            The parameters that all data sets share.
        **options
            As `gslfit.fit_shared` takes them: ``yerr``, ``weights``, ``start``, ``bounds``, ``bad``, ``loss``, ...

        Returns
        -------
        SharedResult

        Examples
        --------
        >>> import numpy as np
        >>> from gslfit.models import GaussianModel
        >>> x = np.linspace(-5, 5, 80)
        >>> peaks = np.array([[2.0], [5.0]])*np.exp(-(x - 0.5)**2/2)
        >>> result = GaussianModel().fit_shared(peaks, x=x, shared=("center", "sigma"))
        >>> result.values["center"].round(6), result.values["height"].round(6)
        (np.float64(0.5), array([2., 5.]))
        """
        from gslfit.models.shared import fit_data_sets
        return fit_data_sets(self, data, params, x, {"shared": shared, **options})

    # -- combining

    def __add__(self, other: Model) -> Model:
        return self._joined(other, "+")

    def __sub__(self, other: Model) -> Model:
        return self._joined(other, "-")

    def __mul__(self, other: Model) -> Model:
        return self._joined(other, "*")

    def __truediv__(self, other: Model) -> Model:
        return self._joined(other, "/")

    def _joined(self, other: Any, symbol: str) -> Any:
        return CompositeModel(self, other, symbol) if isinstance(other, Model) else NotImplemented

    # -- files

    def _file_state(self) -> dict[str, Any]:
        """Return the model as a dict of plain things.

        Raises
        ------
        InputError
            If it holds what is no plain thing: an operator of the caller's, or an object as an option.
        """
        from gslfit.models.serialization import PLAIN, common_state
        definition = self._definition
        odd = [name for name, value in self.opts.items() if not isinstance(value, PLAIN)]
        if odd:
            raise InputError(f"the option {odd[0]}={self.opts[odd[0]]!r:.60} of {self._reprstring()} can't be written to JSON")
        state = common_state(self) | {
            "class": "Model", "param_names": list(definition.names), "options": dict(self.opts),
            "defaults": {name: float(value) for name, value in self.def_vals.items() if isinstance(value, (int, float))}}
        return state | ({"formula": definition.text} if definition.text else {"function": getattr(definition.source, "__name__", "")})

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


class CompositeModel(Model):
    """Two models joined by an operator.

    Parameters
    ----------
    left, right : Model
        With different names of parameters.
    op : {"+", "-", "*", "/"} or callable
        A function of two arrays, such as a convolution, is called by Python.
    **options
        ``nan_policy``, ``name``, ``independent_vars``.

    Raises
    ------
    ParameterNameError
        If both have a parameter of one name: give one a prefix.
    """

    def __init__(self, left: Model, right: Model, op: str | Callable[[Any, Any], Any], **options: Any) -> None:
        for side in (left, right):
            if not isinstance(side, Model):
                raise InputTypeError(f"a composite is made of two models, and {side!r} is none")
        if not (callable(op) or (isinstance(op, str) and op in OPERATORS)):
            raise InputTypeError(f"the operator {shown(op)} is neither one of {', '.join(OPERATORS)} nor callable")
        if filled("prefix", options.get("prefix")):
            warn("a composite has no prefix of its own: give it to its parts")
        self.left, self.right = left, right
        self.symbol = op if isinstance(op, str) else SYMBOLS.get(op, "")
        self.op = OPERATORS[self.symbol] if self.symbol else op
        twice = [name for name in left.param_names if name in right.param_names]
        if twice:
            raise TwiceNamed(f"both models have a parameter {twice[0]!r}: give one of them a prefix, {type(left).__name__}(prefix='a_')")
        self.func = None
        self._name = text_or("name", options.get("name"), "")
        self._prefix = ""
        self.nan_policy = options.get("nan_policy", left.nan_policy)
        check_policy(self.nan_policy)
        self.param_hints = {}
        self._independent = list(options.get("independent_vars") or np.unique([*left.independent_vars, *right.independent_vars]).tolist())
        self._memory: Memory[Any, Formula] = Memory()

    @property  # type: ignore[misc]
    def independent_vars(self) -> list[str]:
        """The independent variables of both."""
        return self._independent

    @property  # type: ignore[misc]
    def prefix(self) -> str:
        """Nothing: the parts have prefixes."""
        return ""

    @property
    def opts(self) -> dict[str, Any]:  # type: ignore[override]
        """The options of both."""
        return {**self.right.opts, **self.left.opts}

    @property
    def def_vals(self) -> dict[str, Any]:  # type: ignore[override]
        """The defaults of both."""
        return {**self.right.def_vals, **self.left.def_vals}

    @property
    def param_names(self) -> list[str]:
        """The parameters of both, with prefixes."""
        return [*self.left.param_names, *self.right.param_names]

    @property
    def components(self) -> list[Model]:
        """The models that it is made of, from left to right."""
        return [*self.left.components, *self.right.components]

    def _reprstring(self, long: bool = True) -> str:
        symbol = self.symbol or self.op
        return f"({self.left._reprstring(long)} {symbol} {self.right._reprstring(long)})"

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._reprstring()}: {self.describe()}>"

    def _formula(self, options: Mapping[str, Any]) -> Formula:
        left, right = self.left._formula(options), self.right._formula(options)
        key = (left, right)
        found = self._memory.get(key)
        if found is None:
            compiles = self.symbol and left.native and right.native
            found = self._memory[key] = combined(left, self.symbol, right) if compiles else Unjoined(self, left, right)
        return found

    def _fill(self, params: Parameters, values: Mapping[str, Any]) -> None:
        self.left._fill(params, values)
        self.right._fill(params, values)
        for name, hint in self.param_hints.items():
            inputs = {key: value for key, value in hint.items() if value is not None}
            if name in params:
                if inputs.get("expr"):
                    inputs = {key: value for key, value in inputs.items() if key in ("expr", "min", "max")}
                given = values.get(name)
                if given is not None and not isinstance(given, dict):
                    inputs.pop("value", None)
                params[name].set(**inputs)
            else:
                params.add(name, **inputs)

    def _eval(self, params: Any, values: Mapping[str, Any]) -> Any:
        left, right = self.left._eval(params, values), self.right._eval(params, values)
        return self.op(left, right)  # type: ignore[operator]

    def eval_components(self, params: Any = None, **values: Any) -> dict[str, np.ndarray]:
        """Evaluate each component: by prefix, or by name where there is none."""
        known = with_values(params, values, self)
        return {part._prefix or part._name: part._eval(known, values) for part in self.components}

    def make_funcargs(self, params: Any = None, kwargs: Mapping[str, Any] | None = None, strip: bool = True) -> dict[str, Any]:
        """Return the arguments that both are called with, by full name."""
        return {**self.right.make_funcargs(params, kwargs, False), **self.left.make_funcargs(params, kwargs, False)}

    def _make_all_args(self, params: Any = None, **values: Any) -> dict[str, Any]:
        left = self.left._make_all_args(params, **values)
        return {**left, **self.right._make_all_args(params, **values), **left}      # in the models' order; the left one's word counts

    def copy(self, prefix: str | None = None) -> CompositeModel:
        """Return a model of its own, of copies of its parts."""
        if text_or("prefix", prefix, ""):
            raise InputError("a composite has no prefix of its own: copy its parts with prefixes, and join these")
        new = CompositeModel(self.left.copy(), self.right.copy(), self.symbol or self.op, nan_policy=self.nan_policy, name=self._name)
        new.param_hints = {name: dict(hint) for name, hint in self.param_hints.items()}
        return new

    def guess(self, data: Any, x: Any = None, *, mask: Any = None, **values: Any) -> Parameters:
        """Estimate start values of a sum of peaks, steps and decays on constants, lines and parabolas; see `Model.guess`.

        Peaks are numbered from left to right.

        Raises
        ------
        NoGuessError
            It is no such sum.
        """
        from gslfit.models.guess.sums import guess_sum
        if {"+"} != self._symbols():
            raise NoGuessError(f"only sums are guessed, and this is {self._reprstring()}: give start values")
        y, variables = points_of(self, data, x, mask, values)
        return guess_sum(self, self.components, y, variables.get(self.independent_vars[0]), values)[0]

    def _guesses(self, data: Any, x: Any = None, **values: Any) -> list[Any]:
        from gslfit.models.guess.sums import guess_sum
        if {"+"} != self._symbols():
            return [self.guess(data, x, **values)]
        y, variables = points_of(self, data, x, None, values)
        found = guess_sum(self, self.components, y, variables.get(self.independent_vars[0]), values)
        peaks = [part for part in self.components if getattr(getattr(part, "entry", None), "kind", "") == "peak"]
        if len(peaks) > 2:      # a broad peak may take the place of several: once more without
                found += [guess_sum(self, self.components, data, x, values, widest/len(peaks))[0] for widest in (0.4, 0.15)]
        return found

    @property
    def _tries_limits(self) -> bool:
        from gslfit.models.guess.sums import has_sharp_edges
        return any(map(has_sharp_edges, self.components))

    def _file_state(self) -> dict[str, Any]:
        if not self.symbol:
            raise InputError(f"{self!r} joins its parts by a function, which a file can't hold")
        from gslfit.models.serialization import common_state
        return common_state(self) | {"left": self.left._file_state(), "op": self.symbol, "right": self.right._file_state()}

    def _symbols(self) -> set[str]:
        """Return the operators that join it."""
        found = {self.symbol}
        for side in (self.left, self.right):
            found |= side._symbols() if isinstance(side, CompositeModel) else set()
        return found

    def post_fit(self, result: Any) -> None:
        """Call that of both."""
        self.left.post_fit(result)
        self.right.post_fit(result)


class TwiceNamed(ParameterNameError, NameError):
    """Two models of a composite have a parameter of one name."""
