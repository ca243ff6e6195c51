"""With all parameters held every entry answers alike: chi-square of the values as they are, a success without errors."""
import numpy as np
import pytest

from gslfit import Model, Parameters, fit, fit_batch, minimize
from gslfit.compat import lmfit as compat
from gslfit.errors import NonFiniteError

pytestmark = pytest.mark.filterwarnings("ignore::gslfit.errors.FitWarning")
X = np.linspace(0.1, 4, 30)
Y = np.round(20*np.exp(-0.5*X) + 3)
MEAN = 18*np.exp(-0.6*X) + 3
SD = 0.5 + 0.1*X


def decay(x, a, k, c):
    return a*np.exp(-k*x) + c


def called(x, a, k, c):
    return np.array([a*float(np.exp(-k*each)) + c for each in x])


def held(kind=Parameters):
    params = kind()
    for name, value in (("a", 18.0), ("k", 0.6), ("c", 3.0)):
        params.add(name, value, vary=False)
    params.add("area", expr="a/k")
    return params


def by_minimize(f, method="leastsq", **options):
    return minimize(lambda p: (f(X, *(p[name].value for name in "akc")) - Y)/SD, held(), method=method, **options).result


ENTRIES = {
    "fit": lambda f: fit(f, Y, held(), x=X, yerr=SD, scale_covar=False),
    "fit, lanes": lambda f: fit(f, Y, held(), x=X, yerr=SD, method="lanes"),
    "fit, correlated": lambda f: fit(f, Y, held(), x=X, ycov=np.diag(SD**2)),
    "fit_batch": lambda f: fit_batch(f, np.array([Y, Y]), held(), x=X, yerr=SD)[1],
    "fit_batch, vary": lambda f: fit_batch(f, np.array([Y, Y]), x=X, yerr=SD, start={"a": 18.0, "k": 0.6, "c": 3.0},
                                           vary=dict.fromkeys("akc", False))[1],
    "fit_batch, vary of one fit": lambda f: fit_batch(f, np.array([Y, Y]), x=X, yerr=SD, start={"a": 18.0, "k": 0.6, "c": 3.0},
                                                      vary={name: [True, False] for name in "akc"})[1],
    "Model.fit": lambda f: Model(f).fit(Y, held(), x=X, yerr=SD),
    "Model.fit, lmder": lambda f: Model(f).fit(Y, held(), x=X, yerr=SD, method="lmder"),
    "Model.fit_batch": lambda f: Model(f).fit_batch(np.array([Y, Y]), held(), x=X, yerr=SD)[0],
    **{f"minimize, {method}": lambda f, method=method: by_minimize(f, method) for method in ("leastsq", "lmder", "lbfgsb", "anneal")},
    "minimize, jac": lambda f: by_minimize(f, jac=lambda p: np.zeros((X.size, 0))),
    "compat": lambda f: compat.Model(f).fit(Y, held(compat.Parameters), x=X, weights=1/SD),
}


@pytest.mark.parametrize("f", [decay, called])
@pytest.mark.parametrize("entry", ENTRIES)
def test_chi_square_is_that_of_the_values(entry, f):
    result = ENTRIES[entry](f)
    assert result.success and result.errorbars and result.nvarys == 0 and result.nfree == X.size
    assert result.chisqr == pytest.approx(np.sum(((MEAN - Y)/SD)**2), rel=1e-12)
    assert list(result.var_names) == []
    assert [par.value for par in result.params.values()] == pytest.approx([18, 0.6, 3, 30][:len(result.params)], rel=1e-14)
    assert [par.stderr for par in result.params.values()] == [0]*len(result.params)


@pytest.mark.parametrize("f", [decay, called])
@pytest.mark.parametrize("entry", [lambda f, **o: fit(f, Y, held(), x=X, **o),
                                   lambda f, **o: fit_batch(f, np.array([Y, Y]), held(), x=X, **o)[0],
                                   lambda f, **o: Model(f).fit(Y, held(), x=X, **o)])
def test_losses(entry, f):
    """The deviance of counts, and the residuals of a robust loss."""
    deviance = 2*np.sum(MEAN - Y + Y*np.log(Y/MEAN))
    assert entry(f, loss="poisson").chisqr == pytest.approx(deviance, rel=1e-10)
    robust = entry(f, loss="huber", f_scale=0.5)
    z = np.abs(MEAN - Y)/0.5
    cost = 0.25*np.sum(np.where(z <= 1, z**2, 2*z - 1))/2
    assert robust.success
    assert robust.cost == pytest.approx(cost, rel=1e-12)


def test_what_can_be_asked_afterwards():
    """Reports, bands and the like; a model of no free parameters is compared with one of some."""
    result = Model(decay).fit(Y, held(), x=X, yerr=SD)
    assert "no parameter varies" in result.message
    assert "(fixed)" in result.fit_report()
    for f in (decay, called):
        for each in (Model(f).fit(Y, held(), x=X, yerr=SD), fit(f, Y, held(), x=X, yerr=SD),
                     fit_batch(f, Y[None], held(), x=X, yerr=SD)[0]):
            assert each.eval_uncertainty() == pytest.approx(np.zeros(X.size))
    assert result.derived("a*k") == (pytest.approx(10.8), 0)
    assert result.covar.shape == (0, 0)
    free = Model(decay).fit(Y, x=X, yerr=SD, a=18, k=0.6, c=3)
    assert free.chisqr < result.chisqr
    with pytest.raises(NonFiniteError):
        fit("a*log(x - 1) + 0*k*c", Y, held(), x=X)
