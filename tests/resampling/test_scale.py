"""Resampling in any units: the same fit of data times a power of two has the same numbers, times that power where it has their unit."""
import numpy as np
import pytest

import gslfit

X = np.linspace(0, 5, 30)
Y = 2*np.exp(-X/1.5) + .02*np.random.default_rng(0).normal(size=30)
SCALES = [2.**-664, 2.**-498, 2.**498, 2.**664]       # 1e-200 to 1e200


def fitted(scale):
    return gslfit.fit("A*exp(-x/tau)", Y*scale, x=X, tau=1.)


def in_units(numbers, scale):
    """Return numbers of each parameter without the data's unit."""
    return {name: np.asarray(found)/(scale if name == "A" else 1) for name, found in numbers.items()}


def same(found, wanted):
    for name in wanted:
        assert found[name] == pytest.approx(wanted[name], rel=1e-7), name


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("kind", ["residual", "pairs", "parametric"])
@pytest.mark.filterwarnings("error")
def test_bootstrap(kind, scale):
    """Errors, intervals and correlations; a variance that is no number is infinite, never 0."""
    wanted, found = fitted(1).bootstrap(200, kind, seed=1), fitted(scale).bootstrap(200, kind, seed=1)
    same(in_units(found.stderr, scale), wanted.stderr)
    for interval in ("percentile", "bca"):
        same(in_units(getattr(found, interval)(.9), scale), getattr(wanted, interval)(.9))
    assert found.correlation == pytest.approx(wanted.correlation, rel=1e-6)
    if abs(np.log10(scale)) > 160:
        assert found.covar[0, 0] == np.inf
    else:
        assert found.covar[0, 0]/scale/scale == pytest.approx(wanted.covar[0, 0], rel=1e-6)


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.filterwarnings("error")
def test_jackknife(scale):
    wanted, found = fitted(1).jackknife(), fitted(scale).jackknife()
    same(in_units(found.stderr, scale), wanted.stderr)
    assert found.cooks_distance == pytest.approx(wanted.cooks_distance, rel=1e-6)


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.filterwarnings("error")
def test_influence(scale):
    wanted, found = fitted(1).influence(), fitted(scale).influence()
    for name in ("leverage", "standardized", "studentized", "cooks_distance", "dffits"):
        assert getattr(found, name) == pytest.approx(getattr(wanted, name), rel=1e-6)
    same(in_units(found.values, scale), wanted.values)


def test_moments_are_numpys():
    """The scatter of replicates as NumPy has it, where its squares are in range."""
    boot, jack = fitted(1).bootstrap(50, seed=2), fitted(1).jackknife()
    rows = np.array([boot.values[name] for name in ("A", "tau")])
    assert [boot.stderr[name] for name in ("A", "tau")] == pytest.approx(rows.std(axis=1, ddof=1), rel=1e-12)
    assert boot.covar == pytest.approx(np.cov(rows), rel=1e-12)
    assert boot.correlation == pytest.approx(np.corrcoef(rows), rel=1e-12)
    rows = np.array([jack.values[name] for name in ("A", "tau")])
    assert jack.covar == pytest.approx(29*np.cov(rows, bias=True), rel=1e-12)
    assert [jack.stderr[name] for name in ("A", "tau")] == pytest.approx(np.sqrt(29*rows.var(axis=1)), rel=1e-12)


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("entry", ["fit", "model", "minimizer's model"])
def test_prediction_band(entry, scale):
    """The band of a further measurement by the curve's own is of no unit."""
    def band(scale):
        if entry == "fit":
            found = fitted(scale)
        elif entry == "model":
            found = gslfit.Model(lambda x, A, tau: A*np.exp(-x/tau)).fit(Y*scale, x=X, A=2*scale, tau=1.)
        else:
            found = gslfit.fit_batch("A*exp(-x/tau)", Y[None]*scale, x=X, tau=1.)[0]
        confidence, predicted = found.eval_uncertainty(), found.eval_uncertainty(kind="prediction")
        return predicted/confidence, found.dely_predicted/found.dely
    for found, wanted in zip(band(scale), band(1), strict=True):
        assert found == pytest.approx(wanted, rel=1e-6)
        assert (wanted > 1.2).all()


@pytest.mark.parametrize("scale", SCALES)
def test_ci_report(scale):
    """Limits that decimals would make wide are written with an exponent, and say the same."""
    found, wanted = (gslfit.ci_report(fitted(each).conf_interval()).splitlines() for each in (scale, 1))
    assert max(map(len, found)) < 130
    limits, plain = (np.array(next(line for line in lines if line.startswith("A")).split()[1:], float) for lines in (found, wanted))
    assert limits/scale == pytest.approx(plain, abs=2e-5)
    assert len(gslfit.ci_report({"a": [(0, 1e-200)]})) < 80 and "inf" in gslfit.ci_report({"a": [(.9, -np.inf), (0, 1e200)]})
