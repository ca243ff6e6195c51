"""Sampling of the posterior by the package `emcee`, where it is installed."""
import math
from typing import Any

import numpy as np

from gslfit.compat.lmfit.objective import AbortFitException, coerce_float64, some_residuals
from gslfit.compat.lmfit.result import MinimizerResult
from gslfit.errors import InputError
from gslfit.parameters.given import some_free

LN_SIGMA = "__lnsigma"
ONE_SIGMA = (15.87, 50., 84.13)        # percentiles


class Posterior:
    """The logarithm of the posterior density, with a prior that is flat within the bounds.

    Parameters
    ----------
    minimizer : Minimizer
    result : MinimizerResult
    is_weighted : bool
        Whether residuals are divided by the data's uncertainty; otherwise its logarithm is sampled too.
    float_behavior : {"posterior", "chi2"}
        What a function that returns a number returns.
    """

    def __init__(self, minimizer: Any, result: MinimizerResult, is_weighted: bool, float_behavior: str) -> None:
        if float_behavior not in ("posterior", "chi2"):
            raise InputError(f"float_behavior={float_behavior!r} must be either 'posterior' or 'chi2'")
        self.minimizer, self.result, self.is_weighted, self.float_behavior = minimizer, result, is_weighted, float_behavior
        pars = [result.params[name] for name in result.var_names]
        self.low, self.high = np.array([par.min for par in pars]), np.array([par.max for par in pars])
        self.free = result.params.bind()

    def __call__(self, theta: np.ndarray) -> float:
        """Evaluate at values of the varying parameters."""
        if (theta < self.low).any() or (theta > self.high).any():
            return -np.inf
        fit, result = self.minimizer, self.result
        self.free.put_external(theta)
        out = fit.userfcn(self.free.params, *fit.userargs, **fit.userkws)
        result.nfev += 1
        if callable(fit.iter_cb) and fit.iter_cb(self.free.params, result.nfev, out, *fit.userargs, **fit.userkws):
            result.residual = coerce_float64(out, "propagate")
            raise AbortFitException("fit aborted by user.")
        r = coerce_float64(out, fit.nan_policy)
        if r.size == 0:
            return -1e100
        if r.size == 1:
            return float(r[0]) if self.float_behavior == "posterior" else -.5*float(r[0])
        if self.is_weighted or LN_SIGMA not in self.free.params:
            return -.5*float(r @ r)
        ln_sigma = self.free.params[LN_SIGMA].value
        return -.5*float((r/math.exp(ln_sigma)) @ (r/math.exp(ln_sigma))) - .5*r.size*(math.log(2*math.pi) + 2*ln_sigma)


def emcee(minimizer: Any, params: Any = None, steps: int = 1000, nwalkers: int = 100, burn: int = 0, thin: int = 1, ntemps: int = 1,
          pos: Any = None, reuse_sampler: bool = False, workers: Any = 1, float_behavior: str = "posterior", is_weighted: bool = True,
          seed: int | None = None, progress: bool = True, run_mcmc_kwargs: dict[str, Any] | None = None) -> MinimizerResult:
    """Sample the posterior of the varying parameters.

    Parameters
    ----------
    minimizer : Minimizer
    params : Parameters, optional
        Start values.
    steps, nwalkers, burn, thin : int
        Samples of each walker, walkers, samples dropped at the beginning, and every how manieth is kept.
    ntemps : int
        Must be 1.
    pos : array_like, shape (nwalkers, nvarys), optional
        Where the walkers begin.
    reuse_sampler : bool
        Whether to go on with the sampler of the last call.
    workers : int or pool
        Processes.
    float_behavior : {"posterior", "chi2"}
        What a function that returns a number returns.
    is_weighted : bool
        Whether residuals are divided by the data's uncertainty; otherwise ``__lnsigma`` is sampled too.
    seed : int, optional
        Of the random numbers.
    progress : bool
        Whether emcee shows a progress bar.
    run_mcmc_kwargs : dict, optional
        Further arguments of ``EnsembleSampler.run_mcmc``.

    Raises
    ------
    NotImplementedError
        If emcee isn't installed.
    InputError
        If an argument doesn't fit.
    DeprecationWarning
        If `ntemps` isn't 1.
    """
    try:
        from emcee import EnsembleSampler
    except ImportError:
        raise NotImplementedError("emcee version 3 is required: install emcee") from None
    if ntemps > 1:
        raise DeprecationWarning("'ntemps' has no effect anymore: emcee 3 has no parallel tempering")
    if reuse_sampler and not hasattr(minimizer, "sampler"):
        raise InputError("You wanted to use an existing sampler, but it hasn't been created yet")
    result = minimizer.prepare_fit(None if reuse_sampler else params)
    first = coerce_float64(minimizer.userfcn(result.params, *minimizer.userargs, **minimizer.userkws), "propagate")
    some_residuals(first)
    if first.size > 1 and not is_weighted and LN_SIGMA not in result.params:
        result.params.add(LN_SIGMA, value=.01)
        result = minimizer.prepare_fit(result.params)
    result.method = "emcee"
    some_free(result.var_names)
    posterior = Posterior(minimizer, result, is_weighted, float_behavior)
    rng = np.random.RandomState(seed)
    if reuse_sampler:
        sampler, start = minimizer.sampler, minimizer._lastpos
        if start.shape[-1] != result.nvarys:
            raise InputError("You cannot reuse the sampler if the number of varying parameters has changed")
    else:
        start = np.array(result.init_vals)*(1 + 1e-4*rng.randn(nwalkers, result.nvarys))
        with _pool(workers) as pool:
            sampler = minimizer.sampler = EnsembleSampler(nwalkers, result.nvarys, posterior, pool=pool)
            return _run(minimizer, result, sampler, _placed(start, pos), seed, rng, steps, burn, thin, progress, run_mcmc_kwargs)
    return _run(minimizer, result, sampler, start, seed, rng, steps, burn, thin, progress, run_mcmc_kwargs)


class _pool:
    """The pool of processes that `workers` stands for; one made here ends here."""

    def __init__(self, workers: Any) -> None:
        self.own = None
        self.pool = workers if hasattr(workers, "map") else None
        if isinstance(workers, int) and workers > 1:
            from multiprocessing import Pool
            self.pool = self.own = Pool(workers)

    def __enter__(self) -> Any:
        return self.pool

    def __exit__(self, *exc: Any) -> None:
        if self.own is not None:
            self.own.terminate()


def _placed(start: np.ndarray, pos: Any) -> np.ndarray:
    """Return where walkers begin: positions given, or the last ones of a chain."""
    if pos is None:
        return start
    pos = np.asarray(pos, float)
    if pos.shape != start.shape and pos.shape[-1] == start.shape[-1]:
        pos = pos[-1]
    if pos.shape != start.shape:
        raise InputError(f"pos should have shape (nwalkers, nvarys) = {start.shape}, not {pos.shape}")
    return pos


def _run(minimizer: Any, result: MinimizerResult, sampler: Any, start: np.ndarray, seed: int | None, rng: Any, steps: int, burn: int,
         thin: int, progress: bool, run_mcmc_kwargs: dict[str, Any] | None) -> MinimizerResult:
    """Run the sampler and take its chain: medians, half widths of one sigma, correlations."""
    if seed is not None:
        sampler.random_state = rng.get_state()
    try:
        state = sampler.run_mcmc(start, steps, progress=progress, **(run_mcmc_kwargs or {}))
        minimizer._lastpos = state.coords
    except AbortFitException:
        result.aborted, result.success = True, False
        result.message = "Fit aborted by user callback."
        result.measure()
        return result
    chain, lnprob = sampler.get_chain(thin=thin, discard=burn), sampler.get_log_prob(thin=thin, discard=burn)
    flat = chain.reshape(-1, result.nvarys)
    low, middle, high = np.percentile(flat, ONE_SIGMA, axis=0)
    for name, value in zip(result.var_names, middle.tolist(), strict=True):
        result.params[name].value = value
    result.spread(np.atleast_2d(np.cov(flat.T)))
    for name, error in zip(result.var_names, ((high - low)/2).tolist(), strict=True):
        result.params[name].stderr = error
    result.chain, result.lnprob, result.sampler = chain, lnprob, sampler
    result.nfev = steps*start.shape[0]                        # a sample of each walker at each step, as lmfit counts
    result.acceptance_fraction = sampler.acceptance_fraction
    try:
        result.acor = sampler.get_autocorr_time()
    except Exception as error:
        if type(error).__name__ != "AutocorrError":
            raise
    result.residual = coerce_float64(minimizer.userfcn(result.params, *minimizer.userargs, **minimizer.userkws), minimizer.nan_policy)
    if result.residual.size > 1 and LN_SIGMA in result.params:    # then the residual is in units of the sampled uncertainty
        result.residual = result.residual/math.exp(result.params[LN_SIGMA].value)
    result.measure()
    result.success, result.errorbars = True, True
    return result
