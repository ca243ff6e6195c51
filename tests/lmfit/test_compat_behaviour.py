"""A broad sample of lmfit's public behaviour, run on both packages by the same lines; each difference is a row of the porting page."""
import importlib.util
import inspect
from pathlib import Path

import lmfit
import lmfit_fits
import lmfit_further
import lmfit_kinds
import lmfit_models
import lmfit_parameters
import numpy as np
import pytest
from lmfit_cases import CASES, outcome, unlike

from gslfit.compat import lmfit as ours

assert lmfit_parameters and lmfit_fits and lmfit_models and lmfit_further and lmfit_kinds                     # they fill CASES


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_same(case, monkeypatch):
    """A behaviour is the same, or differs as the porting page says: of lmfit without numdifftools, which nobody needs for it."""
    for module in (lmfit.minimizer, lmfit.printfuncs):
        monkeypatch.setattr(module, "HAS_NUMDIFFTOOLS", False)
    here, there = outcome(case, ours), outcome(case, lmfit)
    difference = unlike(here, there, case.rtol, case.atol)
    if case.differs:
        assert difference, f"nothing differs any more: drop {case.differs!r} here and in the table"
    else:
        assert not difference, difference


def test_table_has_every_difference_and_no_other():
    """The rows of the porting page are the behaviours that differ."""
    page = (Path(__file__).parents[2]/"docs"/"porting-lmfit.md").read_text()
    rows = [line.split("|")[1].strip() for line in page.splitlines() if line.startswith("| ")][1:]
    assert sorted(rows) == sorted({case.differs for case in CASES if case.differs})
    assert len(CASES) >= 400


def test_public_names():
    """Every public name of lmfit and of its submodules that scripts import is there."""
    for name in ("Model", "CompositeModel", "Minimizer", "MinimizerException", "Parameter", "Parameters", "ci_report", "conf_interval",
                 "conf_interval2d", "create_params", "fit_report", "lineshapes", "minimize", "models", "report_ci", "report_fit"):
        assert hasattr(ours, name) and hasattr(lmfit, name), name
    for name in vars(lmfit.models):
        assert not name.endswith("Model") or hasattr(ours.models, name), name
    assert list(ours.models.lmfit_models) == list(lmfit.models.lmfit_models)
    page = (Path(__file__).parents[2]/"docs"/"porting-lmfit.md").read_text()
    for module in ("model", "models", "lineshapes", "parameter", "minimizer", "confidence", "printfuncs"):
        theirs, mine = getattr(lmfit, module), getattr(ours, module)
        for name, value in vars(theirs).items():
            if getattr(value, "__module__", "") == theirs.__name__ and not name.startswith("_"):
                assert hasattr(mine, name) or f"`{name}`" in page, f"{module}.{name}"
    for name in vars(lmfit.Minimizer):
        assert name.startswith("_") or hasattr(ours.Minimizer, name), name
    for name in vars(lmfit.Parameters).keys() | vars(lmfit.Parameter).keys():
        assert name.startswith("_") or hasattr(ours.Parameters, name) or hasattr(ours.Parameter, name), name


@pytest.mark.parametrize("name", lmfit.lineshapes.functions)
def test_lineshapes(name):
    """Line shapes have lmfit's arguments and values."""
    mine, theirs = getattr(ours.lineshapes, name), getattr(lmfit.lineshapes, name)
    arguments = inspect.signature(theirs).parameters
    assert [(each.name, each.default) for each in inspect.signature(mine).parameters.values()] == [
        (each.name, each.default) for each in arguments.values()]
    rng = np.random.default_rng(3)
    x = np.linspace(.1 if name in ("powerlaw", "lognormal") else -3, 8, 101)
    forms = {"step": ("erf", "logistic", "atan", "arctan", "linear"), "rectangle": ("erf", "logistic", "atan", "arctan", "linear"),
             "thermal_distribution": ("bose", "maxwell", "fermi")}.get(name, (None,))
    for form in forms:
        values = {key: rng.uniform(.2, 3) for key in arguments if key not in ("x", "y", "form")} | ({"form": form} if form else {})
        want = theirs(x.copy(), **values)
        np.testing.assert_allclose(mine(x, **values), want, rtol=1e-12, atol=1e-12*np.max(np.abs(want)))


@pytest.mark.parametrize("form", ["erf", "logistic", "atan", "arctan", "linear"])
@pytest.mark.parametrize("sigma", [-.7, 0., 1e-300, -1e-300])
def test_widths_of_steps(form, sigma):
    """A step falls where its width is negative; widths of next to nothing have lmfit's values, too."""
    x = np.linspace(-3, 8, 101)
    want = lmfit.lineshapes.step(x.copy(), 2., 1.3, sigma, form)
    np.testing.assert_allclose(ours.lineshapes.step(x, 2., 1.3, sigma, form), want, rtol=1e-12, atol=1e-12)


def test_lognormal_leaves_x_alone():
    """This used to write into the caller's array."""
    x = np.array([-1., 0., 1.])
    ours.lineshapes.lognormal(x)
    assert x.tolist() == [-1, 0, 1]


PICKLED = '{"__class__": "Callable", "pyversion": "3.11", "value": "gASVIgAAAAAAAACMBXBvc2l4lIwGc3lzdGVtlJOUjAdlY2hvIGhplIWUUpQu"}'
HOSTILE = ("open('x', 'w')", "().__class__", "__import__('os')", "[a for a in (1, 2)]")


@pytest.mark.parametrize("text", [
    f'{{"unique_symbols": {{"f": {PICKLED}}}, "params": [["a", 1, true, null, 0, 1, null, null, null, 1, null]]}}',
    *(f'{{"unique_symbols": {{}}, "params": [["a", 1, true, "{text}", 0, 1, null, null, null, 1, null]]}}' for text in HOSTILE)])
def test_hostile_json_runs_nothing(text, monkeypatch):
    """Pickled functions in a file are left alone; expressions in it are held to the grammar."""
    monkeypatch.setattr("os.system", lambda *args: pytest.fail("ran"))
    try:
        params = ours.Parameters().loads(text)
    except ValueError:
        return
    assert params["a"].expr is None


def test_json_of_lmfit_is_read_and_the_other_way():
    """Parameters go to and fro as JSON."""
    theirs, mine = lmfit.Parameters(), ours.Parameters()
    for params in (theirs, mine):
        params.add("a", 1.5, min=0)
        params.add("b", expr="2*a")
    assert ours.Parameters().loads(theirs.dumps()).valuesdict() == {"a": 1.5, "b": 3.}
    assert lmfit.Parameters().loads(mine.dumps()).valuesdict() == {"a": 1.5, "b": 3.}


@pytest.mark.parametrize("last", range(2, 8))
def test_stop_at_any_evaluation(last):
    """This used to let an exception of gslfit's own escape while the Jacobian was checked."""
    model, params = lmfit_models.made(ours)
    for options in ({"iter_cb": lambda params, count, *args, **kws: count >= last}, {"max_nfev": last}):
        result = model.fit(lmfit_models.PEAK, params, x=lmfit_models.x, **options)
        assert not result.success and result.aborted and not result.errorbars
        assert result.params["g_amplitude"].stderr is None


@pytest.mark.parametrize("options", [{}, {"is_weighted": False}])
def test_emcee(options):
    """The chain of a seed is lmfit's; without emcee it says so."""
    from lmfit_cases import wave, wave_params
    start = lmfit.minimize(wave, wave_params(lmfit)).params
    if importlib.util.find_spec("emcee") is None:
        with pytest.raises(NotImplementedError, match="emcee"):
            ours.minimize(wave, wave_params(ours), method="emcee")
        return
    chains = []
    for module in (ours, lmfit):
        params = wave_params(module)
        for name, par in start.items():
            params[name].value = par.value
        mini = module.Minimizer(wave, params)
        chains.append(mini.emcee(steps=40, burn=10, nwalkers=20, seed=1, progress=False, **options))
    mine, theirs = chains
    np.testing.assert_allclose(mine.chain, theirs.chain, rtol=1e-9)
    np.testing.assert_allclose(mine.lnprob, theirs.lnprob, rtol=1e-9)
    assert mine.chisqr == pytest.approx(theirs.chisqr, rel=1e-9)
    for name, par in theirs.params.items():
        assert (mine.params[name].value, mine.params[name].stderr) == pytest.approx((par.value, par.stderr), rel=1e-9)


def test_expressions_that_run_are_in_no_file():
    """What asteval runs comes back from a pickle, and is refused by JSON; what compiles goes through both."""
    import pickle
    model = ours.models.ExpressionModel("bump(x, a) + gaussian(x, b, c, d)", init_script="def bump(x, a):\n    return a*x*x\n")
    again = pickle.loads(pickle.dumps(model))
    values = {"a": 2., "b": 1., "c": 0., "d": 1.}
    np.testing.assert_array_equal(again.eval(x=np.arange(4.), **values), model.eval(x=np.arange(4.), **values))
    for each in (model, model + ours.models.LinearModel()):
        with pytest.raises(ValueError, match="a file can't hold"):
            each.dumps()
    plain = ours.models.ExpressionModel("a*x + b")
    assert plain.loads(plain.dumps()).param_names == ["a", "b"]
    assert pickle.loads(pickle.dumps(plain.loads(plain.dumps()))).native
    for bad in ("def f(x:", "1/0", "open('x', 'w')"):
        with pytest.raises(ValueError, match="can't be run"):
            ours.models.ExpressionModel("a*x", init_script=bad)


def test_bounds_given_in_the_call():
    """Bounds that a keyword of `Model.fit` sets are those of lmfit's Parameters: put in order, and never alike."""
    x = np.linspace(0, 5, 30)
    y = 2*np.exp(-x) + .01*np.cos(9*x)
    model = ours.Model(lambda x, A, k: A*np.exp(-k*x))
    result = model.fit(y, x=x, A={"value": 1, "min": 5, "max": 0}, k=1.)
    assert (result.params["A"].min, result.params["A"].max) == (0, 5)
    assert result.best_values["A"] == pytest.approx(2, rel=.01)
    with pytest.raises(ValueError, match=r"'A' has min == max \(1.*vary=False"):
        model.fit(y, x=x, A={"value": 1, "min": 1, "max": 1}, k=1.)
