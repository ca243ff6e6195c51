"""How a model and data become a fit: which arguments are what, where start values come from, which solver fits."""
from __future__ import annotations

import inspect
from collections.abc import Collection, Mapping, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np

from gslfit.checks import as_keywords, by_name
from gslfit.constraints.grammar import close
from gslfit.curves.batch_result import BatchResult
from gslfit.curves.counts import check_factors_of
from gslfit.curves.fit_batch import batch_options, fit_batch, fit_inputs, with_covariances
from gslfit.curves.job import NO_RESPONSE, convolved, elsewhere, job_of, refuse_beside, response_of, with_shift
from gslfit.curves.keeping import Keeping, by_blocks, finished
from gslfit.curves.pipeline import FitPlan, by_lanes
from gslfit.curves.progress import Interrupted
from gslfit.data.fits import Fits
from gslfit.data.inputs import Factors, Inputs, inputs
from gslfit.data.layout import layout
from gslfit.data.lazy import is_lazy, read_batch, read_lazily
from gslfit.data.numbers import read
from gslfit.data.points import without_effect
from gslfit.errors import ExpressionError, InputError, warn
from gslfit.formula.formula import Formula
from gslfit.formula.parametrize import fold
from gslfit.minimizer.options import BATCH, FIT, MODEL, SYNONYMS, FitOptions
from gslfit.models.guess.points import without_left_out
from gslfit.models.model_function import ModelFunction, check_policy
from gslfit.models.result import BY_NAME, LazyStart, ModelResult
from gslfit.objective.loss import out_of_sight
from gslfit.objective.objective import Objective, are_finite
from gslfit.objective.residual import DATA_MINUS_MODEL
from gslfit.parameters.collection import Parameters
from gslfit.parameters.given import parameters_of
from gslfit.parameters.parameter import Parameter

if TYPE_CHECKING:
    from gslfit.curves.per_fit import PerFit
    from gslfit.formula.response import Response


def fit_model(model: Any, data: Any, params: Parameters | None, weights: Any, yerr: Any, mask: Any, values: Mapping[str, Any], policy: str,
              coerce: bool, verbose: bool, options: dict[str, Any], ycov: Any = None, prior: Any = None,
              scale_covar: bool | None = None) -> ModelResult:
    """Fit a model to one data set; see `Model.fit`."""
    factor = weights if weights is not None and "weights" in model.param_names and np.ndim(weights) == 0 else None
    if params is None and yerr is None and mask is None and ycov is None and prior is None and not verbose and values and factor is None:
        fast = _fast(model, data, weights, values, policy, options)
        if fast is not None:
            return fast
    values = as_keywords(values)
    check_policy(policy)
    if params is not None:
        parameters_of(params, BY_NAME)
    check_names(model, params, {"weights": factor, "yerr": yerr, "mask": mask, "ycov": ycov, "prior": prior, "verbose": verbose or None,
                                 **MODEL.changed(options)})
    variables = {name: values[name] for name in model.independent_vars if name in values}
    further = {name: values[name] for name in model.opts if name in values and name not in variables}
    given = {name: value for name, value in values.items() if name not in variables and name not in further}
    starts = _starts(model, given)
    absent = [name for name in model.independent_vars if name not in variables and name not in model.opts]
    if absent and not (params is not None and absent[0] in params):
        if absent[0] in inspect.signature(model.fit).parameters:
            raise InputError(f"the independent variable {absent[0]!r} has the name of an argument of fit: give it another name")
        raise InputError(f"no values for the independent variable {absent[0]!r}: fit(data, {absent[0]}=...)")
    kind = getattr(model, "result_class", ModelResult)
    result = kind(model, Parameters(), data, weights, fcn_kws={**variables, **further}, nan_policy=policy, **options)
    objective = result.prepare(yerr, mask, coerce, ycov)
    if params is None:
        params = _made(model, starts, objective, options)
        if verbose:
            print("\n".join(f" - Adding parameter {name!r}" for name in params))
    else:
        params = params.copy()
        for name, value in starts.items():
            _set(params, name, value)
    result._unset = _place(params, options)
    _check_params(model, params, _fill_linear(model, params, objective, options))
    if prior is not None:
        result._know(prior, params, scale_covar)
    result.params = params
    result.fit()
    return result


RESPONSE = "response", "response_centre", "response_shift"
GUESSED_NFEV = 200         # evaluations by parameters and one more: twice those of `fit_batch`, for starts that are further away
SOUGHT_NFEV = 100          # from a start next to the minimum: what takes longer walks along a valley that has no end
POLICIES = ("raise", "omit")
PLAIN = {name: getattr(MODEL.defaults, SYNONYMS.get(name, name)) for name in ("method", "iter_cb", "scale_covar", "calc_covar", "max_nfev")}
FAST = {"xtol", "ftol", "gtol", "max_nfev", "scale_covar"}        # options that the fast path understands


def _fast(model: Any, data: Any, weights: Any, values: Mapping[str, Any], policy: str, options: dict[str, Any]) -> ModelResult | None:
    """Return the fit of one flat array of float64 from numbers as starts; None where there is more to it."""
    if type(data) is not np.ndarray or data.ndim != 1 or data.dtype != np.float64:
        return None
    if weights is not None and not (_alike(weights, data) and (model.conventions.weightless or np.count_nonzero(weights) == weights.size)):
        return None
    changed = {} if options == PLAIN else MODEL.changed(options)
    if policy not in POLICIES or not changed.keys() <= FAST:
        return None
    plan = model_plan(model)
    if plan is None:
        return None
    variables: dict[str, Any] = {name: values.get(name) for name in plan.formula.independent}
    starts = dict(plan.values)
    for name, value in values.items():
        if name not in variables:
            if name not in starts or name in plan.fixed or not isinstance(value, (float, int)):
                return None
            starts[name] = float(value)
    if len(values) == len(variables) or not all(_alike(value, data) for value in variables.values()):
        return None
    if not are_finite(data, *variables.values(), *(() if weights is None else (weights,))):
        return None         # not finite, or enormous
    x, y, factors = list(variables.values()), data, weights
    if not (data.flags.c_contiguous and all(value.flags.c_contiguous for value in x) and (weights is None or weights.flags.c_contiguous)):
        x, y = [np.ascontiguousarray(value) for value in x], np.ascontiguousarray(data)
        factors = None if weights is None else np.ascontiguousarray(weights)
    told = FIT.defaults._replace(**MODEL.checked(changed)) if changed else FIT.defaults
    found = by_lanes(plan, starts, y, x, factors, told, MODEL.defaults.method, DATA_MINUS_MODEL)
    if found is None:
        return None
    result = ModelResult(model, LazyStart(plan, starts), data, weights, fcn_kws=variables, nan_policy=policy, **options)
    result._found = found
    model.post_fit(result)
    return result


def _alike(value: Any, data: np.ndarray) -> bool:
    """Return whether a value is a flat array of float64 as long as the data."""
    return type(value) is np.ndarray and value.dtype == np.float64 and value.shape == data.shape


def model_plan(model: ModelFunction) -> FitPlan | None:
    """Return the plan of a model's default parameters, made once for each state of its hints; None where it doesn't compile."""
    key = tuple((part._prefix, tuple(part.opts.items()), tuple(part.def_vals.items()),
                 tuple((name, *hint.items()) for name, hint in part.param_hints.items())) for part in (*model.components, model))
    known = model.__dict__.get("_plan")
    if known is not None and known[0] == key and (known[2] is None or known[2] is model.formula):
        return known[1]
    formula = model.formula
    try:
        plan = FitPlan.of(formula, model.make_params()) if formula.native else None
    except InputError:
        plan = None
    plan = None if plan is None or plan.folded is None else plan
    # what is made of a function may be another formula next time
    model.__dict__["_plan"] = key, plan, formula if any(part._definition.own is None for part in model.components) else None
    return plan


def _starts(model: Any, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return start values by full name; an unknown name is left aside, and said, as by lmfit."""
    known, starts = {*model.param_names, *(model._prefix + hint for hint in model.param_hints)}, {}
    for part in model.components:
        known |= {part._prefix + hint for hint in part.param_hints}
    for name, value in given.items():
        full = name if name in known else model._prefix + name
        if full in known:
            starts[full] = value
        elif not any(part._definition.starred for part in model.components):
            names = [*model.param_names, *model.independent_vars]
            warn(f"{name!r} is neither a parameter nor an independent variable of {model!r}, and is left aside; it has "
                 f"{', '.join(names)}{elsewhere(name) or close(name, [*names, *inspect.signature(model.fit).parameters])}")
    return starts


def _made(model: Any, starts: Mapping[str, Any], objective: Objective, options: Mapping[str, Any]) -> Parameters:
    """Return Parameters for a fit without any: guessed where no start was given, or where some have none."""
    params = model.make_params(**starts)
    blank = [name for name in model.param_names if params[name].value is None]
    if starts and not blank:
        return params
    told, data = options_of_loss(options), objective.narrowed(objective.given.y)
    far = out_of_sight(told.loss, told.f_scale, objective.y, objective.weights)
    if far is not None:
        data = np.where(far.reshape(data.shape), np.nan, data)      # which a guess doesn't look at
    try:
        found = model._guesses(data, **objective.arguments(), **{**hinted(model), **starts})
    except NotImplementedError as error:
        if starts or blank or model.conventions.defaults or not _of_table(model):
            return params
        raise InputError(f"{error}; for instance fit(data, {next(iter(params))}=...)") from None
    except InputError:
        if model.conventions.defaults or not _of_table(model):
            return params
        raise
    except TypeError:
        return params
    if len(found) > 1:
        from gslfit.curves.multistart import lowest
        own = [{name: par.value for name, par in each.items() if par.expr is None and par.vary} for each in found]
        best = lowest(own, lambda start, **how: fit_batch(model.formula, objective.y, found[0], x=objective.x, weights=objective.weights,
                                                          mask=far, start=start, **how), model._tries_limits)
        for name, value in best.items():
            found[0][name].value = float(value)
    return found[0]


def hinted(model: Any) -> dict[str, float]:
    """Return the start values that hints of the caller's give, by full name: a guess leaves them as they are."""
    found = {}
    for part in (*model.components, model):
        table = getattr(getattr(part, "entry", None), "hints", {})
        for root, hint in part.param_hints.items():
            value = hint.get("value")
            if value is not None and not hint.get("expr") and value != table.get(root, {}).get("value"):
                found[part._prefix + root] = value
    return {name: value for name, value in found.items() if name in model.param_names}


def _of_table(model: Any) -> set[str]:
    """Return the parameters that have the library's own defaults, which are nobody's start values."""
    return {part._prefix + name for part in model.components if hasattr(part, "entry")
            for name in part._definition.names}.difference(hinted(model))


def check_names(model: Any, params: Parameters | None, given: Mapping[str, Any], start: Collection[str] = ()) -> None:
    """Raise InputError for a parameter that has the name of an argument of the call, which was given in its place.

    So for a function that takes any keywords, whose parameters nobody has named.
    """
    if not model.param_names:
        for part in model.components:
            if part._definition.starred:
                label = getattr(part.func, "__name__", repr(part.func))
                raise InputError(f"{label} takes any keywords (**), and which parameters it has is not said: name them, "
                                 f"Model({label}, param_names=['a', 'b'])")
    for name, value in given.items():
        if value is not None and name in model.param_names and (params is None or name not in params) and name not in start:
            raise InputError(f"{name!r} is a parameter of {model._reprstring()} and an argument of fit: its start goes into "
                             f"make_params({name}=...), and these into fit(data, params)")


def _set(params: Parameters, name: str, value: Any) -> None:
    """Set a parameter's start as a keyword of the call gives it."""
    if isinstance(value, Parameter):
        params[name] = Parameter(name=name, value=value.value, vary=value.vary, min=value.min, max=value.max, expr=value.expr)
    elif isinstance(value, dict):
        params[name].set(**value)
    else:
        params[name].value = value


def _place(params: Parameters, options: Mapping[str, Any]) -> tuple[str, ...]:
    """Give parameters without a start the middle of where starts are placed; return which."""
    asked = MODEL.read({name: options[name] for name in ("starts", "ranges") if name in options})
    if not asked.several:
        return ()
    from gslfit.minimizer.descents import boxes_of
    from gslfit.minimizer.multistart import centre, placed
    places = placed(asked, boxes_of(params), [*params])
    blank = tuple(name for name in places if params[name].value is None)
    for name in blank:
        params[name].value = centre(places[name])
    return blank


def options_of_loss(options: Mapping[str, Any]) -> FitOptions:
    """Return the options of a call that say by which loss it fits."""
    return MODEL.read({name: options[name] for name in ("loss", "f_scale") if name in options})


def _fill_linear(model: Any, params: Parameters, objective: Objective, options: Mapping[str, Any]) -> tuple[str, ...]:
    """Set the starts of parameters that have none, where the model's formula is linear in them; return which need none."""
    blank = [name for name, par in params.items() if par.expr is None and par.vary and par.value is None]
    if not blank or model.conventions.defaults or not model.formula.native or any(name not in params for name in model.param_names):
        return ()
    try:
        folded = fold(model.formula, params, idle=True)
    except ExpressionError:
        return ()
    linear = folded.linearity.together(blank)
    if not set(blank) <= set(linear):
        return linear
    from gslfit.curves.linear_start import linear_starts
    own = {name: np.asarray(par.value, float) for name, par in params.items() if par.expr is None and par.value is not None}
    given = objective.given._replace(y=objective.y, x=objective.x, factors=None if objective.weights is None else
                                     Factors("weights", np.asarray(objective.weights)), mask=None, ycov=None)
    for name, value in linear_starts(folded, blank, given, own, options_of_loss(options)).items():
        params[name].value = float(value)
    return linear


def _check_params(model: Any, params: Parameters, linear: Sequence[str]) -> None:
    """Raise InputError for a parameter that is missing, or has no value and needs one: what the formula is linear in doesn't."""
    missing = [name for name in model.param_names if name not in params]
    if missing:
        raise InputError(f"the parameters lack {', '.join(missing)} of {model._reprstring()}; there are {', '.join(params) or 'none'}")
    blank = [name for name, par in params.items() if par.expr is None and par.value is None]
    others = [name for name in blank if name in linear]
    blank = [name for name in blank if name not in linear]
    if blank:
        from gslfit.curves.linear_start import remedy
        from gslfit.minimizer.multistart import remedy as of_ranges
        ways = "" if blank[0] in inspect.signature(model.fit).parameters else f"fit(data, {blank[0]}=...), or "
        raise InputError(f"no start value for {', '.join(blank)} of {model._reprstring()}: {ways}make_params({blank[0]}=...); "
                         f"{of_ranges(blank)}{remedy(others)}")


def fit_curves(model: Any, data: Any, params: Parameters | None, x: Any, options: dict[str, Any]) -> BatchResult:
    """Fit a model to many curves; see `Model.fit_batch`."""
    options = dict(as_keywords(options))
    formula = model._formula({name: options.pop(name) for name in model.opts if name in options})
    variables = _variables_of_batch(formula, x, options)
    start = by_name("start", options.pop("start", None))
    check_names(model, params, {name: options.get(name) for name in RESPONSE}, start)
    said = response_of(*(options.pop(name, default) for name, default in zip(RESPONSE, NO_RESPONSE, strict=True)))
    known = {*model.param_names, *(part._prefix + hint for part in model.components for hint in part.param_hints), *said[2:]}
    start |= {name: options.pop(name) for name in list(options) if name in known and name not in BATCH.keywords}
    keeping = Keeping(*(options.pop(name, default) for name, default in Keeping._field_defaults.items())).checked()
    prior, bounds, vary = (options.pop(name, None) for name in ("prior", "bounds", "vary"))
    given = curves_of(data, variables, options, model.conventions.weightless)
    fits = Fits.along(given.layout, given.labels, by_label=True)
    start = {name: fits.take(name, value) for name, value in start.items()}
    if said is not NO_RESPONSE:
        formula, given = convolved(formula, given, said, fits, prior)
        model, params = folded_with(model, formula.response), with_shift(params, said[2])
    settings = batch_options({name: value for name, value in options.items() if SYNONYMS.get(name, name) in BATCH.takes})
    own = model.make_params() if params is None else parameters_of(params, BY_NAME)
    if bounds is not None or vary is not None:
        from gslfit.curves.per_fit import read_per_fit
        given = given._replace(limits=read_per_fit(bounds, vary, fits, tuple(own)))
        if given.limits is not None:
            given.limits.applied(own)       # refuses what no fit can have
            values = {name for name, par in own.items() if par.value is not None}
            given.limits.check_held({*start, *values.difference(_of_table(model) if params is None else ())})
    if prior is not None:
        from gslfit.curves.priors import check_errors, read_priors
        given = given._replace(prior=read_priors(prior, fits, tuple(own)))
        if given.prior is not None:
            check_errors(given, settings.loss, options.get("scale_covar"))
            options["scale_covar"], settings = False, settings._replace(scale_covar=False)
    check_factors_of(settings.loss, given)
    settings = with_covariances(settings, given)
    if not by_blocks(given, settings, keeping):
        return finished(_fit_block(model, formula, given, params, start, options), given, keeping)
    from gslfit.curves.blocks import fit_parts
    from gslfit.curves.parts import batch_of
    progress = options.pop("progress", False)
    starts = {name: _of_shape(name, value, given.layout.shape, is_lazy(given.y)) for name, value in start.items()}
    template = _template(model, params, start)
    job = job_of(formula, template if given.limits is None else given.limits.applied(template), starts, given.layout.shape)
    recipe = model._reprstring() if params is None else ""
    fit = PartFit(model, formula, params, options)
    return fit_parts(fit, batch_of(job, given, settings, recipe), given, starts, settings, keeping, progress)


def folded_with(model: Any, response: Response) -> Any:
    """Return a model that is folded with a response."""
    return import_module("gslfit.models.convolved").ConvolvedModel(model, response)     # which is a model, and so made of what is here


def folded_for(model: Any, said: Sequence[Any], values: Mapping[str, Any], ycov: Any, prior: Any) -> Any:
    """Return a model that is folded with a response over the points that a call of `Model.fit` gives."""
    from gslfit.formula.response import read_response
    refuse_beside(ycov, prior)
    points = {name: np.ravel(read(name, values[name]).array) for name in model.independent_vars
              if values.get(name) is not None and name not in model.opts}
    absent = [name for name in model.independent_vars if name not in points and name not in model.opts]
    if absent:
        raise InputError(f"no values for the independent variable {absent[0]!r}: fit(data, {absent[0]}=...)")
    response, centre, shift = said
    return folded_with(model, read_response(response, centre, shift, points, Fits(())))


class PartFit:
    """The fit of a part of a batch: a function of its inputs, start values and progress function that can be pickled."""

    def __init__(self, model: Any, formula: Formula, params: Parameters | None, options: dict[str, Any]):
        self.model, self.formula, self.params, self.options = model, formula, params, options

    def __call__(self, part: Inputs, starts: Mapping[str, Any], report: Any) -> BatchResult:
        """Return the result of a part."""
        return _fit_block(self.model, self.formula, part, self.params, starts, {**self.options, "progress": report})

    def in_one_thread(self) -> PartFit:
        """Return the same that runs in one thread."""
        return PartFit(self.model, self.formula, self.params, {**self.options, "threads": 1})


def _of_shape(name: str, value: Any, shape: tuple[int, ...], lazily: bool) -> Any:
    """Return a start value as a number, or as an array of the batch's shape."""
    array = read_lazily(name, value).array if lazily else read(name, value).array
    try:
        return array if array.ndim == 0 else np.broadcast_to(array, shape)
    except ValueError:
        raise InputError(f"the start of {name!r} has the shape {array.shape}, and the batch {shape}") from None


def _template(model: Any, params: Parameters | None, start: Mapping[str, Any]) -> Parameters:
    """Return the Parameters of each fit of a batch, before start values are found."""
    made = model.make_params() if params is None else parameters_of(params, BY_NAME).copy()
    for name, par in made.items():
        if par.expr is not None and name in start:
            par.vary = True
        if par.value is None and par.expr is None:
            par.value = 0.0
    return made


def _fit_block(model: Any, formula: Formula, given: Inputs, params: Parameters | None, start: Mapping[str, Any],
               options: Mapping[str, Any]) -> BatchResult:
    """Fit curves in memory: find start values where there are none, and fit from the best."""
    starts, options = [dict(start)], dict(options)
    given = _with_weightless(given) if given.weightless and given.factors is not None else given
    if params is None:
        made = model.make_params()
        if any(name not in start for name in model.param_names if made[name].expr is None):
            try:
                starts = [{**found, **hinted(model), **start} for found in guessed(model, given, options)]
            except NotImplementedError:
                known = all(name in start or made[name].value is not None or made[name].expr for name in model.param_names)
                if known and not model.conventions.defaults and _of_table(model).difference(start):
                    raise
            if options.get("max_nfev") is None:
                most = SOUGHT_NFEV if model._searches and len(starts) == 1 else GUESSED_NFEV
                options["max_nfev"] = model._patience*most*(1 + sum(par.vary for par in made.values()))
    else:
        made = parameters_of(params, BY_NAME).copy()
    for name, value in starts[0].items():
        if made[name].expr is not None:
            made[name].vary = True
        if np.ndim(value) == 0:
            made[name].value = float(value)
        elif made[name].value is None:
            made[name].value = 0.0
    limits: PerFit | None = given.limits
    if limits is not None:
        made = limits.applied(made)
    starts = [{name: _within(made[name], value, limits) for name, value in each.items()} for each in starts]

    def fit(start: Mapping[str, Any], max_nfev: int | None = None, idle: np.ndarray | None = None, **more: Any) -> Any:
        if idle is not None:        # a curve of NaN is not fitted
            here = given._replace(y=np.where(idle[..., None], np.nan, given.y))
            policy = {"nan_policy": "mark"} if options.get("nan_policy") == "raise" else {}
            return fit_inputs(formula, here, made, start, **{**options, **more, **policy})
        limits = [each for each in (options.get("max_nfev"), max_nfev) if each is not None]
        own = {"max_nfev": min(limits)} if limits else {}
        return fit_inputs(formula, given, made, start, **{**options, **more, **own})
    if len(starts) == 1:
        return fit(starts[0])
    from gslfit.curves.multistart import lowest
    try:
        best = lowest(starts, fit, model._tries_limits)
    except Interrupted:
        raise KeyboardInterrupt from None       # what one of several starts has reached is no result yet
    return fit(best)


def _variables_of_batch(formula: Formula, x: Any, options: dict[str, Any]) -> dict[str, Any]:
    """Return the independent variables of a batch by name, as they were handed in; a parameter called x may be a keyword too."""
    variables: dict[str, Any] = {}
    if isinstance(x, Mapping):
        variables |= by_name("x", x)
    elif x is not None and "x" in formula.names and all(name in options for name in formula.independent):
        options["start"] = {**by_name("start", options.get("start")), "x": x}
    elif x is not None:
        variables[formula.independent[0]] = x
    for name in formula.independent:
        if name in options:
            if name in variables:
                raise InputError(f"{name!r} is given twice, in x and as a keyword")
            variables[name] = options.pop(name)
    absent = [name for name in formula.independent if name not in variables]
    if absent:
        raise InputError(f"no values for the independent variable {absent[0]!r}: fit_batch(data, {absent[0]}=...)")
    strange = [name for name in variables if name not in formula.independent]
    if strange:
        raise InputError(f"{strange[0]!r} is no independent variable of {formula!r}; it has {', '.join(formula.independent)}")
    return {name: variables[name] for name in formula.independent}


def curves_of(data: Any, variables: Mapping[str, Any], options: dict[str, Any], weightless: bool = False) -> Inputs:
    """Read the data of a batch and all that comes beside them; takes its options out of those of the call."""
    y = read_batch("data", data)
    reader = read_lazily if is_lazy(y.array) else read
    if y.array.ndim == 0:
        raise InputError("data has no axis: it must hold the points of a fit")
    where = layout(y, options.pop("axis", None), variables.values(), "data")
    beside = {name: options.pop(name, None) for name in ("yerr", "weights", "mask", "ycov")}
    x = {name: reader(name, value) for name, value in variables.items()}
    return inputs(y, where, x, **beside, by_label=True, weightless=weightless)


def _with_weightless(given: Inputs) -> Inputs:
    """Return inputs in which points of weight 0 that aren't finite have weight 1, since the C core doesn't look at those of weight 0."""
    assert given.factors is not None
    idle = without_effect(*given.factors)
    if idle is None:
        return given
    bad = ~np.logical_and.reduce(np.broadcast_arrays(np.isfinite(given.y), *map(np.isfinite, given.x.values())))
    return given._replace(factors=given.factors._replace(array=np.where(idle & bad, 1.0, given.factors.array)))


def guessed(model: Any, given: Inputs, options: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return start values of every curve, the best first; of one curve numbers. What the loss asked for doesn't see isn't looked at."""
    told, data = options_of_loss(options), without_left_out(given)
    far = out_of_sight(told.loss, told.f_scale, data, given.weights)
    found = model._guesses(data if far is None else np.where(far, np.nan, data), **given.x)
    return [{name: each[name].value for name in model.param_names if each[name].expr is None} if isinstance(each, Parameters) else each
            for each in found]


def _within(parameter: Parameter, value: Any, limits: PerFit | None) -> np.ndarray:
    """Return start values inside a parameter's bounds; a guess may lie a little outside."""
    if limits is not None and parameter.name in (*limits.bounds, *limits.vary):
        return limits.within(parameter, np.asarray(value, float))
    low, high = parameter.min, parameter.max
    return np.clip(np.asarray(value, float), -np.inf if low is None else low, np.inf if high is None else high)
