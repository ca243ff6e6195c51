"""Behaviours of fits: methods, options, callbacks, statistics, reports, confidence."""
import numpy as np
from lmfit_cases import WAVE, X, behaviour, summary, uncertainties, wave, wave_params


@behaviour()
def leastsq(M):
    return summary(M.minimize(wave, wave_params(M)))


@behaviour(rtol=1e-3)
def leastsq_errors(M):
    return uncertainties(M.minimize(wave, wave_params(M, twice=dict(expr="2*amp + decay"), held=dict(value=3, vary=False))))


@behaviour(atol=1e-3)
def leastsq_correlations(M):
    result = M.minimize(wave, wave_params(M, twice=dict(expr="2*amp + decay"), held=dict(value=3, vary=False)))
    return {name: par.correl for name, par in result.params.items()}


@behaviour()
def parameters_are_copied(M):
    params = wave_params(M)
    result = M.minimize(wave, params)
    return params, [par.stderr for par in params.values()], result.params is params, result.message


assert WAVE.size == X.size and np
