"""One object, used again with something changed: each fit has what is its own, and nothing of the one before."""
import itertools

import numpy as np
import pytest

import gslfit
from gslfit import Formula, Minimizer, Model, Parameters, fit, fit_batch, models

X = np.linspace(0, 6, 40)
Y = 4*np.exp(-X/1.7) + .6 + .03*np.cos(13*X)
TEXT = "a*exp(-x/tau) + c"
START = {"a": 3.0, "tau": 1.2, "c": .2}


def same(one, other):
    """Whether two fits ended alike: values and errors."""
    for name, par in other.params.items():
        assert one.params[name].value == pytest.approx(par.value, rel=1e-9)
        assert one.params[name].stderr == pytest.approx(par.stderr, rel=1e-6)
    assert one.chisqr == pytest.approx(other.chisqr, rel=1e-10)


def parameters(**changes):
    """Parameters of the decay; `changes` are inputs of each."""
    params = Parameters()
    for name, value in START.items():
        params.add(name, value, **changes.get(name, {}))
    return params


@pytest.mark.parametrize("entry", ["fit", "fit_batch"])
def test_another_constant(entry):
    """A formula with a parameter fixed at one value, then at another, then free, fits each time what was asked for."""
    formula = Formula(TEXT)

    def run(source, c):
        params = parameters(c={"vary": False}) if c is not None else parameters()
        if c is not None:
            params["c"].value = c
        return fit(source, Y, params, x=X) if entry == "fit" else fit_batch(source, Y[None], params, x=X)[0]

    found = {c: run(formula, c) for c in (.2, .6, None, .2, 0.0, -0.0)}
    for c, result in found.items():
        same(result, run(Formula(TEXT), c))
        assert c is None or result.params["c"].value == c
    assert found[.2].chisqr > 2*found[.6].chisqr


def tied(expr, high):
    """Parameters whose offset follows the others, and whose amplitude may have a bound."""
    params = Parameters()
    params.add("a", 2.0, max=high)
    params.add("tau", 1.2)
    params.add("c", expr=expr)
    return params


def test_another_expression():
    """Expressions and bounds that change from fit to fit are each fit's own."""
    formula = Formula(TEXT)
    for expr, high in itertools.product(("tau/4", "a/7", "0.1*a*tau"), (None, 2.5)):
        one, other = fit(formula, Y, tied(expr, high), x=X), fit(Formula(TEXT), Y, tied(expr, high), x=X)
        assert one.params["c"].value == pytest.approx(one.params.eval(expr), rel=1e-12)
        assert one.chisqr == pytest.approx(other.chisqr, rel=1e-10)
        assert high is None or one.params["a"].value <= high


def test_another_order_of_parameters():
    """Parameters in another order give the same fit, with names and covariances in their own order."""
    formula = Formula(TEXT)
    results = []
    for order in itertools.permutations(START):
        params = Parameters()
        for name in order:
            params.add(name, START[name])
        result = fit(formula, Y, params, x=X)
        assert result.var_names == list(order)
        np.testing.assert_allclose(np.sqrt(np.diag(result.covar)), [result.params[name].stderr for name in order], rtol=1e-12)
        results.append(result)
    for result in results[1:]:
        same(result, results[0])


def test_another_order_of_inputs():
    """Values of each fit's own, for one parameter and then for another, reach the parameter that they are of."""
    formula = Formula(TEXT)
    tau, c = np.linspace(1.5, 1.9, 5), np.linspace(.5, .7, 5)
    rows = np.array([4*np.exp(-X/t) + o for t, o in zip(tau, c, strict=True)])
    held = parameters(tau={"vary": False}, c={"vary": False})
    for start in ({"tau": tau, "c": c}, {"c": c, "tau": tau}):
        found = fit_batch(formula, rows, held, x=X, start=start)
        np.testing.assert_allclose(found.values["a"], 4, rtol=1e-8)
    np.testing.assert_allclose(fit_batch(formula, rows, parameters(c={"vary": False}), x=X, start={"c": c}).values["tau"], tau, rtol=1e-7)
    np.testing.assert_allclose(fit_batch(formula, rows, parameters(tau={"vary": False}), x=X, start={"tau": tau}).values["c"], c, rtol=1e-7)


def test_another_order_of_variables():
    """Two independent variables given in either order, and under each other's names, are told apart."""
    u, v = np.linspace(1, 5, 30), np.cos(np.linspace(0, 7, 30))
    formula = Formula("a*u + b*v", ("u", "v"))
    z = 2*u - 3*v
    for x in ({"u": u, "v": v}, {"v": v, "u": u}):
        found = fit(formula, z, x=x, a=1, b=1).params.valuesdict()
        assert found == pytest.approx({"a": 2, "b": -3}, rel=1e-9)
    turned = Formula("a*u + b*v", ("v", "u"))
    assert fit(turned, z, x={"u": u, "v": v}, a=1, b=1).params.valuesdict() == pytest.approx({"a": 2, "b": -3}, rel=1e-9)
    assert fit("a*u + b*v", z, x={"v": u, "u": v}, a=1, b=1).params.valuesdict() == pytest.approx({"a": -3, "b": 2}, rel=1e-9)


def residual(params):
    """Return a decay less its data."""
    v = params.valuesdict()
    return v["a"]*np.exp(-X/v["tau"]) + v["c"] - Y


def test_a_call_over_the_minimizer():
    """An option of the call is above the Minimizer's, for that call alone."""
    plain = gslfit.minimize(residual, parameters())
    fitter = Minimizer(residual, parameters(), scale_covar=False, calc_covar=True)
    fitter.leastsq()
    unscaled = fitter.params["a"].stderr
    assert unscaled == pytest.approx(plain.params["a"].stderr/np.sqrt(plain.redchi), rel=1e-5)
    fitter.leastsq(scale_covar=True)
    assert fitter.params["a"].stderr == pytest.approx(plain.params["a"].stderr, rel=1e-5)
    fitter.leastsq()
    assert fitter.params["a"].stderr == pytest.approx(unscaled, rel=1e-5)
    fitter.leastsq(calc_covar=False)
    assert fitter.params["a"].stderr is None and fitter.covar is None
    fitter.leastsq()
    assert fitter.params["a"].stderr == pytest.approx(unscaled, rel=1e-5)


def test_a_limit_of_the_call():
    """A limit of evaluations, by either name, is that of its call."""
    fitter = Minimizer(residual, parameters(), maxfev=3)
    assert not fitter.leastsq()
    assert fitter.nfev <= 3
    assert fitter.leastsq(max_nfev=500)
    fitter.params = parameters()
    assert not fitter.leastsq()


def test_symbols_between_fits():
    """A user's function or constant that is changed between fits is used as it is then."""
    params = Parameters(usersyms={"share": lambda a: a/7, "unit": 1.0})
    params.add("a", 3.0)
    params.add("tau", 1.2)
    params.add("c", expr="unit*share(a)")
    fitter = Minimizer(residual, params)
    fitter.leastsq()
    assert params["c"].value == pytest.approx(params["a"].value/7, rel=1e-12)
    before = params["c"].value
    other = Parameters(usersyms={"share": lambda a: a/5, "unit": 2.0})
    for name, par in params.items():
        other.add(name, par.value if par.expr is None else None, expr=par.expr)
    fitter.params = other
    fitter.leastsq()
    assert other["c"].value == pytest.approx(2*other["a"].value/5, rel=1e-12)
    assert params["c"].value == before


def test_interpreter_between_fits():
    """What is put into an interpreter's table between two fits is what the second one uses."""
    fitter = Minimizer(residual, Parameters())
    for name in ("a", "tau"):
        fitter.params.add(name, START[name])
    fitter.asteval.symtable["share"] = lambda a: a/7
    fitter.params.add("c", expr="share(a)")
    fitter.leastsq()
    assert fitter.params["c"].value == pytest.approx(fitter.params["a"].value/7, rel=1e-12)
    fitter.asteval.symtable["share"] = lambda a: a/5
    fitter.leastsq()
    assert fitter.params["c"].value == pytest.approx(fitter.params["a"].value/5, rel=1e-12)


def test_a_function_reads_what_is_there_now():
    """A traced function whose closure has changed is traced again."""
    factor = [1.0]

    def model(x, a, tau):
        return factor[0]*a*np.exp(-x/tau)

    y = 4*np.exp(-X/1.7)
    for scale in (1.0, 2.0, .5):
        factor[0] = scale
        assert fit(model, y, x=X, a=3., tau=1.).params["a"].value == pytest.approx(4/scale, rel=1e-9)


def test_models_used_again():
    """A model whose hints, prefix or options change between fits fits with what it has then."""
    model = Model(TEXT)
    first = model.fit(Y, x=X, **START)
    model.set_param_hint("c", value=.3, vary=False)
    held = model.fit(Y, x=X, a=3., tau=1.2)
    assert held.params["c"].value == .3 and held.nvarys == 2
    model.set_param_hint("c", vary=True)
    same(model.fit(Y, x=X, **START), first)
    model.prefix = "d_"
    assert list(model.fit(Y, x=X, d_a=3., d_tau=1.2, d_c=.2).best_values) == ["d_a", "d_tau", "d_c"]
    step = models.StepModel(form="erf")
    data = step.eval(x=X, amplitude=2, center=3, sigma=.6)
    assert step.fit(data, x=X, amplitude=1.8, center=2.9, sigma=.5).best_values["sigma"] == pytest.approx(.6, rel=1e-6)
    assert step.fit(data, x=X, amplitude=1.8, center=2.9, sigma=.5, form="logistic").chisqr > 1e-5


def test_a_result_fitted_again():
    """A result's second fit starts where the first ended, with other data, other weights, then its own again."""
    result = Model(TEXT).fit(Y, x=X, **START)
    first = {name: par.value for name, par in result.params.items()}
    chisqr = result.chisqr
    result.fit(2*Y)
    assert result.params["a"].value == pytest.approx(2*first["a"], rel=1e-8)
    result.fit(Y, weights=np.full(X.size, 3.0))
    assert result.params["a"].value == pytest.approx(first["a"], rel=1e-8)
    assert result.chisqr == pytest.approx(9*chisqr, rel=1e-8)
