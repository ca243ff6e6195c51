"""`minimize` and `Minimizer`: named parameters and a residual function, brought to GSL's solvers.

The conventions are those of lmfit 0.5: `minimize` updates the parameters it is given and returns the fitted `Minimizer`, whose attributes
are the fit's results; each method of fitting is a method that can be called again.
"""
import contextlib
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from gslfit.checks import mapping, pickles, shown, truth
from gslfit.errors import ExpressionError, FitStatus, InputError, InputTypeError, warn
from gslfit.minimizer._descent import Differences
from gslfit.minimizer.answers import Answers, Passes
from gslfit.minimizer.least_squares import VANISHED, Descent, Problem, Solution, minimise
from gslfit.minimizer.options import MINIMIZE, FitOptions, named
from gslfit.minimizer.precision import precision_of
from gslfit.minimizer.residual import Aborted, OutOfCalls, Residual
from gslfit.minimizer.result import FitResult
from gslfit.minimizer.uncertainty import NOTHING_VARIES, ParameterUncertainties, Uncertainty, doubts, information, message
from gslfit.objective._loss import BOUNDED
from gslfit.objective.loss import Loss
from gslfit.parameters.collection import Parameters
from gslfit.parameters.given import as_parameters

if TYPE_CHECKING:
    from gslfit.minimizer.jacobian import UserJacobian


def _limit(options: FitOptions, nvarys: int) -> int:
    """Return how many evaluations of the residual a fit of so many parameters may take."""
    return 1000*(nvarys + 1) if options.max_nfev is None else options.max_nfev


class Setup:
    """One fit, prepared: its free variables, its residual, its problem."""

    jac: "UserJacobian | None" = None

    def __init__(self, minimizer: "Minimizer", options: FitOptions, begin: Mapping[str, float] | None = None, all_count: bool = False,
                 checks: bool = True) -> None:
        self.options = options
        self.starts: dict[str, float] = {}
        self.bent: Any = None
        if options.loss != "linear":
            from gslfit.minimizer.robust import BentResidual
            self.bent = BentResidual(minimizer.function, Loss(options.loss, float(options.f_scale)), all_count)
        params = self._bind_finite(minimizer)
        if begin:
            self._begin_at(minimizer, params, begin)
        if self.free.doubtful:
            self._step_inside(minimizer, params)
        self._begin_warm(minimizer, getattr(minimizer.function, "linear_start", None))
        if options.epsfcn:
            self.residual.precision = max(self.residual.precision, float(options.epsfcn))
        if options.jac is not None and self.free.names:
            from gslfit.minimizer.jacobian import UserJacobian
            jac = options.jac
            if self.bent is not None:
                from gslfit.minimizer.robust import BentJacobian
                jac = BentJacobian(jac, self.bent, options.col_deriv)
            self.jac = UserJacobian(jac, self.residual, options.col_deriv)
            differences = Differences(self.residual, self.lower, self.upper, self.residual.precision, 1 / self.residual.scale)
            # where no calls are left for it, none are left for the fit, which will say so
            if np.isfinite(self.r0).all():                    # else it is the residual that is wrong
                with contextlib.suppress(OutOfCalls, Aborted):
                    if self.bent is not None or not self.jac.derived:
                        if checks:
                            self._check_jacobian(differences)
                    elif not self.jac.in_range(self.x0, self.r0):
                        self.jac = None
        self.problem = self.start_from(self.x0, self.r0)

    def _check_jacobian(self, differences: Differences) -> None:
        """Compare the caller's Jacobian with differences at the start, by a scale of a loss beside which that has no kinks."""
        assert self.jac is not None
        if self.bent is None:
            self.jac.check(self.x0, self.r0, differences)
            return
        with self.bent.wide() as other:
            self.jac.check(self.x0, self.residual(self.x0) if other else self.r0, differences)

    def _bind_finite(self, minimizer: "Minimizer") -> Parameters:
        """Bind the free variables, and return the parameters with the starts that were taken: a start on a bound, inside by guess, is taken
        nearer to it where fewer residuals are infinite there.
        """
        params, finite = minimizer.params, -1
        self._bind(minimizer, params)
        if not self.free.doubtful:
            self._evaluate()
            return params
        try:
            self._evaluate()
            finite = int(np.isfinite(self.r0).sum())
        except InputError:
            if self.residual.full < self.x0.size:
                raise
        if finite == self.residual.full:
            return params
        from gslfit.minimizer.start_interior import nearer
        for values in nearer(self.starts, dict(zip(self.free.names, self.x0.tolist(), strict=True))):
            if self.residual.nfev >= self.limit:
                break
            with contextlib.suppress(InputError):
                taken = self._begin_at(minimizer, params, values)
                if np.isfinite(self.r0).sum() > finite:
                    return taken
        return self._begin_at(minimizer, params, {})

    def _bind(self, minimizer: "Minimizer", params: Parameters) -> None:
        """Bind the free variables."""
        options, function, iter_cb = self.options, minimizer.function, self.options.iter_cb
        if self.bent is not None:
            function, iter_cb = self.bent, iter_cb and self.bent.reported(iter_cb, self)
        self.free = params.bind()
        p = len(self.free.names)
        if not p and not params:
            raise InputError("no parameter varies: there are none in params")
        self.lower, self.upper = self.free.bounds()
        self.limit = _limit(options, p)
        self.residual = Residual(function, self.free, minimizer.fcn_args, minimizer.fcn_kws, options.nan_policy, iter_cb, self.limit)
        self.starts = self.starts or self.free.starts()         # as the caller gave them
        self.x0 = self.free.origin

    def _evaluate(self) -> None:
        """Evaluate the residual at the start."""
        self.r0 = self.residual.first(self.x0)
        if self.bent is not None:
            self.residual.precision = max(self.residual.precision, precision_of(self.bent.last))

    def _step_inside(self, minimizer: "Minimizer", params: Parameters) -> None:
        """Begin further inside where a start lies on its bound or next to it."""
        from gslfit.minimizer.start_interior import strictly_interior
        given = [minimizer.params[name].value for name in self.free.names]
        try:
            better = strictly_interior(self.residual, given, self.x0, self.lower, self.upper)
        except (OutOfCalls, Aborted):           # the descent will meet it again, and report it
            return
        if better:
            self._begin_at(minimizer, params, {self.free.names[j]: value for j, value in better.items()})

    def _begin_warm(self, minimizer: "Minimizer", linear_start: Callable[[Parameters], Mapping[str, float]] | None) -> None:
        """Begin where amplitudes fit best that are far too small beside data without fill values, which a compiled residual knows."""
        if linear_start is None or (self.bent is not None and self.bent.far is not None):
            return
        self.free.put_external(self.x0)
        better = linear_start(self.free.params)
        if better:
            self._begin_at(minimizer, self.free.params, better)

    def _begin_at(self, minimizer: "Minimizer", params: Parameters, values: Mapping[str, float]) -> Parameters:
        """Begin with other values of some parameters, and return them with these; evaluations so far count."""
        params, spent = params.copy(), self.residual.nfev
        for name, value in values.items():
            params[name].value = value
        self._bind(minimizer, params)
        try:
            self._evaluate()
        finally:
            self.residual.nfev += spent
        return params

    def start_from(self, x: np.ndarray, r: np.ndarray) -> Problem:
        """Return the problem started from values x of the varying parameters and the residual there."""
        o = self.options
        return Problem(self.residual, self.jac, self.free, self.lower, self.upper, x, r, self.residual.precision,
                       1 / self.residual.scale, o.xtol, o.ftol, o.gtol)


class Minimizer(Answers, Passes):
    """A residual function with its parameters, and the methods that minimise its sum of squares.

    Parameters
    ----------
    function : callable
        ``function(params, *fcn_args, **fcn_kws) -> array``: the residuals, of either sign and any shape. Complex residuals count as pairs
        of real ones.
    params : Parameters or dict of str to Parameter
        Updated in place by each fit.
    fcn_args : tuple, optional
    fcn_kws : dict, optional
        Further arguments of `function`.
    **kws
        Options for every fit, those of `leastsq`.

    Raises
    ------
    InputTypeError
        `function` is not callable, `params` no mapping of Parameter objects, or an option does not exist.

    Notes
    -----
    After a fit the attributes of `FitResult` are attributes of the Minimizer: ``success``, ``message``, ``chisqr``, ``covar``, ...

    Examples
    --------
    >>> import numpy as np
    >>> import gslfit
    >>> x = np.linspace(0, 10, 50)
    >>> y = 3*np.exp(-0.5*x) + 1
    >>> params = gslfit.Parameters()
    >>> params.add_many(("amp", 2), ("rate", 1, True, 0), ("base", 0))
    >>> fitter = gslfit.Minimizer(lambda p, x: p["amp"]*np.exp(-p["rate"]*x) + p["base"] - y, params, fcn_args=(x,))
    >>> fitter.leastsq()
    True
    >>> print(f"{params['rate'].value:.6f}")
    0.500000
    """

    _leads = False          # to another fit, which has the caller's Jacobian checked

    def __init__(self, function: Callable | None = None, params: Any = None, fcn_args: tuple | None = None,
                 fcn_kws: Mapping[str, Any] | None = None, **kws: Any) -> None:
        if function is not None and not callable(function):
            raise InputTypeError(f"the residual function must be callable, not {type(function).__name__}")
        self._function = function
        self.params = Parameters() if params is None else as_parameters(params)
        self.fcn_args = as_arguments(fcn_args)
        self.fcn_kws = mapping("kws", fcn_kws)
        self.kws = MINIMIZE.checked(kws)
        self.result: FitResult | None = None
        self._interpreter: Any = None
        self._setup: Setup | None = None
        self._ended: dict[str, float] | None = None
        self._unset: tuple[str, ...] = ()       # parameters whose values are nobody's start

    @property
    def function(self) -> Callable:
        """The residual function."""
        if self._function is None:
            raise InputError("this Minimizer has no residual function: it was made without one; use Minimizer(function, params)")
        return self._function

    userfcn = function

    def __getattr__(self, name: str) -> Any:
        # only reached for what is no attribute of its own: the results of the last fit
        if name.startswith("__") or name not in RESULTS:
            raise AttributeError(f"'Minimizer' object has no attribute {name!r}")
        result = self.__dict__.get("result")
        if result is None:
            raise AttributeError(f"{name!r} is known after a fit: call leastsq() first")
        return getattr(result, name)

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *RESULTS})

    def __getstate__(self) -> dict[str, Any]:
        # what a fit was prepared with is of no use after it, and the parameters have the interpreter
        return {**self.__dict__, "_setup": None, "_interpreter": None}

    def __bool__(self) -> bool:
        return True

    def _repr_html_(self) -> str | None:
        return None if self.result is None else self.result._repr_html_()

    @property
    def asteval(self) -> Any:
        """The interpreter of expressions, an `asteval.Interpreter` made on first use.

        Once it exists, expressions may use what it alone understands: functions put into its ``symtable`` above all.
        """
        if self._interpreter is None:
            self._interpreter = self.params._symbols.interpreter
        if self._interpreter is None:
            from asteval import Interpreter
            self._interpreter = Interpreter()
            self.params.use_interpreter(self._interpreter)
        return self._interpreter

    # -- methods

    def leastsq(self, **kws: Any) -> bool:
        """Minimise by Levenberg-Marquardt, GSL's lmsder, to the last digits that the residual allows.

        Parameters
        ----------
        xtol, ftol : float, optional
            Relative tolerances of the parameters and of chi-square for the solver's own stopping test, 1e-7. The polish that follows goes
            further, so that they matter only where it finds no hold.
        gtol : float, optional
            Tolerance of the scale-free gradient, 0.
        max_nfev : int, optional
            Largest number of evaluations of the residual, 1000 (p + 1) for p varying parameters. Also `maxfev`.
        jac : callable, optional
            ``jac(params, *args, **kws)``: derivatives of the residual, see `UserJacobian`. Also `Dfun`. Without it differences serve.
        col_deriv : bool, optional
            `jac` returns the transpose.
        scale_covar : bool, optional
            Scale errors by the reduced chi-square, True.
        iter_cb : callable, optional
            ``iter_cb(params, nfev, residual, *args, **kws)`` after every evaluation; stops the fit by returning True.
        nan_policy : {"raise", "omit", "propagate"}, optional
        epsfcn : float, optional
            Relative precision of the residual, if it is less precise than its type.
        covar : bool, optional
            False leaves the errors out. Also `calc_covar`.
        loss : {"linear", "soft_l1", "huber", "cauchy", "arctan", "tukey"}, optional
            What is minimised: least squares, or ``1/2 sum f_scale^2 rho((r/f_scale)^2)`` with SciPy's names, and Tukey's biweight; "arctan"
            and "tukey" begin at Huber's end. Errors are the sandwich's then, whatever `scale_covar` says.
        f_scale : float or "mad", optional
            About where a residual begins to be an outlier, 1; "mad" takes it from the residuals themselves.
        starts : int or "auto", optional
            How many starts are tried, the parameters' values as the first of them: roughly, and the best to the end, each with at most
            `max_nfev` evaluations. The others are Sobol's points over `ranges`, or else between a parameter's bounds; where there are
            neither, from a tenth to ten times the values. "auto": 100 where the fit from the values is in doubt: without success, without
            errors, at a bound, with a chi-square that known errors make improbable, or residuals that are no white noise. `minima` has
            all that was found.
        ranges : dict of str to (float, float), optional
            Where starts are placed; they are no bounds. A parameter that has a range needs no value. In the logarithm where both ends
            have one sign and differ a hundredfold. Without `starts`: 100 of them.

        Returns
        -------
        bool
            `success`.

        Raises
        ------
        InputError, InputTypeError, NonFiniteError
            What is wrong with the parameters, the residual, its data or its Jacobian.
        """
        return self._least_squares("leastsq", "lmsder", kws)

    def lmder(self, **kws: Any) -> bool:
        """Minimise by GSL's lmder, Levenberg-Marquardt without scaling of the variables; options as `leastsq`."""
        return self._least_squares("lmder", "lmder", kws)

    def lbfgsb(self, **kws: Any) -> bool:
        """Minimise chi-square by SciPy's L-BFGS-B, bounds handled by itself; errors from the Jacobian at the end.

        Parameters
        ----------
        m, factr, pgtol, maxfun, maxiter
            As `scipy.optimize.fmin_l_bfgs_b` takes them.
        **kws
            Options of `leastsq`.

        Returns
        -------
        bool
            `success`.
        """
        from gslfit.minimizer import global_methods
        own = {name: kws.pop(name) for name in global_methods.LBFGSB_OPTIONS if name in kws}
        setup = self.prepare_fit(**kws)
        if not setup.free.names:
            return self._stay("lbfgsb", setup)
        try:
            found = [global_methods.lbfgsb(setup, **own)]
        except KeyboardInterrupt:
            self._interrupt("lbfgsb", setup)
            raise
        return self._conclude("lbfgsb", setup, found)

    def anneal(self, **kws: Any) -> bool:
        """Look for the global minimum by simulated annealing, GSL's `gsl_siman`, then descend from the best point found.

        Parameters
        ----------
        seed : int, optional
            Seed of the random numbers, 0.
        iters_fixed_T, step_size, k, t_initial, mu_t, t_min
            GSL's schedule; temperatures are in units of chi-square at the start.
        **kws
            Options of `leastsq`; `max_nfev` is by default 500,000 here.

        Returns
        -------
        bool
            `success`.
        """
        from gslfit.minimizer import global_methods
        own = {name: kws.pop(name) for name in global_methods.ANNEAL_OPTIONS if name in kws}
        setup = self.prepare_fit(**kws)
        if not setup.free.names:
            return self._stay("anneal", setup)
        # a walk takes far more calls than a descent; its schedule ends it
        if setup.options.max_nfev is None and setup.residual.stopped is OutOfCalls:
            setup.limit = setup.residual.limit = global_methods.ANNEAL_CALLS
        try:
            found = global_methods.anneal(setup, **own)
        except KeyboardInterrupt:
            self._interrupt("anneal", setup)
            raise
        return self._conclude("anneal", setup, found)

    def minimize(self, engine: str = "leastsq", *, method: str | None = None, **kws: Any) -> "Minimizer":
        """Fit by a method, given by its name, and return the Minimizer."""
        method_of(engine if method is None else method)(self, **kws)
        return self

    # -- the parts of a fit

    def prepare_fit(self, **kws: Any) -> Setup:
        """Check and bind everything that a fit needs; evaluate the residual at the start.

        Methods do this themselves. Afterwards the parameters' expressions are evaluated, so that `function` can be called by hand.

        Raises
        ------
        InputError, InputTypeError, NonFiniteError
            As `leastsq`.
        """
        if self._interpreter is not None:       # params may be others than when it was made
            self.params.use_interpreter(self._interpreter)
        changed = self.kws | MINIMIZE.checked(kws) if kws else self.kws
        options = MINIMIZE.defaults._replace(**changed) if changed else MINIMIZE.defaults
        if options.starts is not None or options.ranges is not None:
            raise InputError("starts and ranges are for the methods leastsq and lmder; anneal and lbfgsb begin at the parameters' values")
        setup = Setup(self, options, checks=not self._leads) if options.loss == "linear" else self._prepare_robust(options)
        self._setup = setup
        return setup

    def _prepare_robust(self, options: FitOptions) -> Setup:
        """Prepare a fit by a robust loss: others may come before it, for its scale or for its start."""
        from gslfit.minimizer.robust import at_start, beginning, begins_near
        if options.loss == "poisson":
            raise InputError('loss="poisson" is for counts, which a residual does not show: fit them with gslfit.fit or Model.fit')

        known = options.f_scale != "mad"
        setup = Setup(self, options if known else options._replace(f_scale=1.0), checks=not self._leads)
        if known and options.loss not in BOUNDED and (self._leads or begins_near(setup)):
            return setup

        def fitted(told: FitOptions, begin: Mapping[str, float]) -> Minimizer:
            other = Minimizer(self.function, self.params.copy(), self.fcn_args, self.fcn_kws)
            for name, value in begin.items():
                other.params[name].value = value
            other._leads = True
            other.leastsq(**MINIMIZE.values(told._replace(covar=False)))
            return other
        nvarys = len(self.params.bind().names)
        options, begin, spent, lost = beginning(options, fitted, _limit(options, nvarys), nvarys, at_start(setup))
        setup = self._further(options, begin, setup.residual.nfev + spent)
        setup.bent.scale_is_lost = lost
        return setup

    def _further(self, options: FitOptions, begin: Mapping[str, float], spent: int, all_count: bool = False) -> Setup:
        """Return a fit prepared to begin where others ended, whose evaluations count; the caller's Jacobian was checked at the start."""
        setup = Setup(self, options, begin, all_count, False)
        setup.residual.nfev += spent
        return setup

    def _least_squares(self, method: str, solver: str, kws: Mapping[str, Any]) -> bool:
        if not MANY.isdisjoint(kws) or not MANY.isdisjoint(self.kws):
            options = self.kws | MINIMIZE.checked(kws)
            if MINIMIZE.defaults._replace(**options).several:
                from gslfit.minimizer import descents
                return descents.from_many(self, method, options, self._unset)
        setup = self.prepare_fit(**kws)
        if not setup.free.names:
            return self._stay(method, setup)
        good = self._descend(method, solver, setup)
        ended = self._setup
        assert ended is not None
        if good or ended.bent is None or not ended.bent.is_open or ended.residual.stopped is Aborted or ended.residual.nfev >= ended.limit:
            return good
        # by a robust loss from the start anew, with points that are far off: they may be what is to be fitted
        begin = dict(zip(ended.free.names, ended.x0.tolist(), strict=True))
        again = self._setup = self._further(ended.options, begin, ended.residual.nfev, True)
        again.starts = ended.starts
        return self._descend(method, solver, again)

    def _descend(self, method: str, solver: str, setup: Setup) -> bool:
        """Fit what is prepared, and conclude; return whether that is a success."""
        try:
            solution, tried = minimise(setup.problem, solver)
            if setup.residual.scale < 1 and 0 < solution.norm <= VANISHED:
                # the start was so far off that nothing can be told of what is left: it is fitted anew, in its own unit
                end = dict(zip(setup.free.names, solution.x.tolist(), strict=True))
                setup = self._setup = self._further(setup.options, end, setup.residual.nfev)
                solution, tried = minimise(setup.problem, solver)
        except KeyboardInterrupt:
            self._interrupt(method, setup)
            raise
        return self._conclude(method, setup, [solution, *(other for other in tried if other is not solution)], tried)

    def _stay(self, method: str, setup: Setup) -> bool:
        """Take the parameters as they are for the result of a fit in which none varies."""
        none = np.zeros(0)
        self._conclude(method, setup, [Solution(none, setup.r0, np.zeros((setup.r0.size, 0)), none, (), (), (), True, FitStatus.CONVERGED,
                                                method, np.zeros((0, 0)), none)])
        assert self.result is not None
        self.result.message = f"{method}: {NOTHING_VARIES}"
        return True

    def conclude_at(self, values: Mapping[str, float], status: FitStatus, **kws: Any) -> bool:
        """Take the end of a fit from these parameters that another solver came to, and judged, as this one's.

        Parameters
        ----------
        values : mapping of str to float
            Where the varying parameters ended.
        status : FitStatus
            What that is.
        **kws
            Options of `leastsq`.

        Returns
        -------
        bool
            `success`.
        """
        setup = self.prepare_fit(**kws)
        x = np.array([values[name] for name in setup.free.names])
        return self._conclude("leastsq", setup, [Descent(setup.problem).known(x, status)])

    @property
    def left_in(self) -> np.ndarray | None:
        """Which of the residuals that the function returns the last fit was made to, by `nan_policy`; None for all."""
        return None if self._setup is None else self._setup.residual._keep

    def _interrupt(self, method: str, setup: Setup) -> None:
        """Leave the best point seen as the result where the user interrupts a fit."""
        self._conclude(method, setup, [Descent(setup.problem, method).stop(FitStatus.INTERRUPTED)])

    def _conclude(self, method: str, setup: Setup, found: list[Solution], tried: list[Solution] | None = None) -> bool:
        """Turn the solution kept, the first of those found, into results."""
        solution, free, options = found[0], setup.free, setup.options
        names, robust = list(free.names), None
        if setup.bent is not None:
            from gslfit.minimizer.robust import RobustEnd
            stopped = solution.reason in (FitStatus.INTERRUPTED, FitStatus.STOPPED, FitStatus.MAX_NFEV)
            robust = RobustEnd(setup, solution, not stopped)
            solution = robust.solution
        said = [] if robust is None else robust.said
        free.put_external(solution.x)
        told = options.covar and solution.reason != FitStatus.INTERRUPTED       # by then there is no Jacobian
        said += doubts(solution, names, setup.problem, options.scale_covar) if told else []
        known: Any = None
        if told and names and (solution.residual.size > len(names) or not options.scale_covar):
            known = Uncertainty(solution, setup.residual.scale, options.scale_covar) if robust is None else robust.errors()
            share = getattr(self.function, "share", None)       # of counts
            if share is not None:
                known = self._information(setup, solution, share(free.params), known)
        start, values = setup.starts, dict(free._space)
        # a fit taken up again where the last one ended is still the one that began at the first start
        began = {name: par.init_value for name, par in self.params.items()} if start == self._ended else start
        self.params.conclude(values, began, ParameterUncertainties(free, values, known))
        self._ended = values
        success = solution.converged
        self.result = FitResult(
            params=self.params, method=method, success=success, errorbars=(known is not None and known.complete) or not names,
            message=message(method, solution, tried or found, setup.limit, said), status=solution.status,
            nfev=setup.residual.nfev, var_names=names,
            residual=solution.residual / setup.residual.scale if setup.residual.scale != 1 else solution.residual,
            covar=known.covar if known is not None else None if names or not told else np.zeros((0, 0)),
            init_vals=[start[name] for name in names], aborted=solution.reason in (FitStatus.STOPPED, FitStatus.INTERRUPTED),
            call_kws=MINIMIZE.values(options))
        self.result._determined = None if known is None else known.determined
        if robust is not None:
            self.result.residual = robust.residual
        self.result._source = ResidualSource(self.function, self.fcn_args, self.fcn_kws)
        return success


    def _information(self, setup: Setup, solution: Solution, share: np.ndarray, otherwise: Any) -> Any:
        """Return the errors of counts, by Fisher's information; those by the deviance residuals where no calls are left."""
        fun = setup.residual
        differences = Differences(fun, setup.lower, setup.upper, fun.precision, 1/fun.scale)
        try:
            jacobian = differences.central(solution.x, solution.residual)
        except (OutOfCalls, Aborted):
            return otherwise
        return information(solution, jacobian, fun.scale, share if fun._keep is None else share[fun._keep])


class ResidualSource:
    """A residual function with its arguments, as a result keeps it.

    Parameters
    ----------
    function : callable
    args : tuple
    kws : dict
    """

    def __init__(self, function: Callable, args: tuple, kws: Mapping[str, Any]) -> None:
        self.function, self.args, self.kws = function, args, kws

    def minimizer(self, result: FitResult) -> Minimizer:
        """Return a Minimizer that has `result` for its result."""
        options = {name: value for name, value in named(result.call_kws).items() if name in MINIMIZE.takes}
        return fitted_as(result, self.function, self.args, self.kws, **options)

    def keeps(self) -> bool:
        """Return whether the function can be pickled."""
        return pickles(self.function)


def fitted_as(result: FitResult, function: Callable, args: tuple = (), kws: Mapping[str, Any] | None = None, **options: Any) -> Minimizer:
    """Return a Minimizer of a residual function that has a fit's result for its own.

    Parameters
    ----------
    result : FitResult
        Its parameters become the Minimizer's.
    function, args, kws, **options
        As `Minimizer` takes them.
    """
    made = Minimizer(function, result.params, args, kws, **options)
    made.result = result
    return made


RESULTS = frozenset({*FitResult.__dataclass_fields__, *(name for name, value in vars(FitResult).items() if isinstance(value, property))})

MANY = frozenset(["starts", "ranges"])

METHODS: dict[str, Callable[..., bool]] = {
    "leastsq": Minimizer.leastsq, "lmder": Minimizer.lmder, "lbfgsb": Minimizer.lbfgsb, "anneal": Minimizer.anneal}


def method_of(name: str) -> Callable[..., bool]:
    """Return the method of a name.

    Raises
    ------
    InputError
        There is none.
    """
    if not isinstance(name, str) or name not in METHODS:
        raise InputError(f"there is no method {shown(name)}; there are {', '.join(METHODS)}")
    return METHODS[name]


def as_arguments(args: Any) -> tuple:
    """Return positional arguments as a tuple; a single array is one argument, not as many as it has elements."""
    if args is None:
        return ()
    if isinstance(args, (tuple, list)):
        return tuple(args)
    raise InputTypeError(f"args must be a tuple of arguments, not {type(args).__name__}: for a single one write (x,)")


def minimize(function: Callable, params: Any, args: Any = None, kws: Mapping[str, Any] | None = None, engine: str = "leastsq", *,
             method: str | None = None, compiled: bool = False, **options: Any) -> Minimizer:
    """Fit parameters so that the sum of squares of a residual function is smallest.

    Parameters
    ----------
    function : callable
        ``function(params, *args, **kws) -> array``, see `Minimizer`.
    params : Parameters or dict of str to Parameter
        Start values, bounds, expressions; updated in place with the best values, errors and correlations.
    args : tuple, optional
    kws : dict, optional
        Further arguments of `function`. A string as third argument is taken as the `method`, as lmfit 1.3's order has it.
    engine : {"leastsq", "lmder", "lbfgsb", "anneal"}
        Also `method`.
    compiled : bool
        Trace the function once with symbolic parameters and run the compiled program instead, with exact derivatives. Only on request,
        since a residual function may count its calls, or print. Where it can't be traced, a warning says why.
    **options
        Options of the method, see `Minimizer.leastsq`.

    Returns
    -------
    Minimizer
        The fitted one: its attributes are the results.

    Raises
    ------
    InputError, InputTypeError, NonFiniteError
        What is wrong, as `Minimizer.leastsq` says.

    Examples
    --------
    >>> import numpy as np
    >>> from gslfit import Parameters, minimize
    >>> x = np.linspace(0, 5, 30)
    >>> data = 2*np.sin(1.5*x)
    >>> params = Parameters()
    >>> params.add("amp", value=1.5, min=0)
    >>> params.add("freq", value=1.4)
    >>> out = minimize(lambda p: p["amp"]*np.sin(p["freq"]*x) - data, params)
    >>> out.success, round(params["amp"].value, 6), round(params["freq"].value, 6)
    (True, 2.0, 1.5)
    """
    if isinstance(args, str):
        # lmfit 1.3's order: minimize(fcn, params, method, args, kws)
        method, args, kws = args, kws, None if isinstance(engine, str) else engine
        engine = method
    run = method_of(engine if method is None else method)
    fitter = Minimizer(function, params, fcn_args=args, fcn_kws=kws)
    if truth("compiled", compiled):
        fitter, options = _compiled(fitter, options)
    run(fitter, **options)
    return fitter


def _compiled(fitter: Minimizer, options: dict[str, Any]) -> tuple[Minimizer, dict[str, Any]]:
    """Return the same fit by the program that its residual function traces to, with exact derivatives; or a warning that says why not."""
    from gslfit.formula.program_residual import compiled_residual
    params = fitter.params
    if not MANY.isdisjoint(options):
        from gslfit.minimizer import descents, multistart
        asked = MINIMIZE.defaults._replace(**MINIMIZE.checked(options))
        params = descents.filled(params, multistart.placed(asked, descents.boxes_of(params), [*params]))
    try:
        residual, jacobian = compiled_residual(fitter.function, params, fitter.fcn_args, fitter.fcn_kws)
    except ExpressionError as error:
        warn(f"compiled=True: {error}")
        return fitter, options
    return Minimizer(residual, fitter.params), {"jac": jacobian, **named(options)}
