"""Pictures of resampled fits show what was found."""
import matplotlib

matplotlib.use("Agg")
import numpy as np
import pytest
from matplotlib import pyplot as plt
from resampled import NAMES, bounded, decay

import gslfit
from gslfit.errors import InputError
from gslfit.report.plots import plot_bootstrap


@pytest.fixture(autouse=True)
def closed():
    """Close the figures of a test."""
    yield
    plt.close("all")


def test_histograms():
    """Each parameter has its replicates, its best fit and its interval."""
    boot = decay().bootstrap(4000, seed=1)
    for ax, name in zip(boot.plot(level=.9), NAMES, strict=True):
        best, *limits = (line.get_xdata()[0] for line in ax.lines if len(line.get_xdata()) == 2)
        assert best == boot.best[name]
        assert tuple(limits) == boot.percentile(.9)[name]
        share = sum(bar.get_height()*bar.get_width() for bar in ax.patches)
        assert share == pytest.approx(1)
        assert ax.get_xlabel() == name
    _, ax = plt.subplots()
    assert plot_bootstrap(boot, "tau", ax=ax)[0] is ax


def test_clouds():
    """With pairs there is a square of panels, the upper half of it empty."""
    boot = gslfit.fit("A*exp(-x/tau) + c", decay().data, bounded(), x=np.linspace(0, 6, 40)).bootstrap(500, seed=1)
    found = plot_bootstrap(boot, pairs=True)
    assert found.shape == (3, 3)
    assert [[ax is None for ax in row] for row in found] == np.triu(np.ones((3, 3), bool), 1).tolist()
    assert np.array_equal(found[2, 0].lines[0].get_xdata(), boot.values["A"])
    assert np.array_equal(found[2, 0].lines[0].get_ydata(), boot.values["rate"])
    ax = found[0, 0]
    for how, words in (({"names": "gamma"}, "no 'gamma'"), ({"pairs": True, "ax": ax}, "takes no axes"), ({"ax": ax}, "3 axes")):
        with pytest.raises(InputError, match=words):
            plot_bootstrap(boot, **how)


def test_influence():
    """Residuals stand over leverages, and Cook's distances over x; the points that move the fit most are named."""
    fit = decay()
    found = fit.influence()
    left, right = fit.plot_influence()
    points = left.lines[0]
    assert np.array_equal(points.get_xdata(), found.leverage)
    assert np.array_equal(points.get_ydata(), found.studentized)
    assert right.get_xlabel() == "x"
    assert {text.get_text() for text in right.texts} == {str(place[0]) for place in found.worst(3)}
    line = left.lines[1]
    h, t = (np.asarray(each) for each in (line.get_xdata(), line.get_ydata()))
    assert t**2*h/(1 - h)/3 == pytest.approx(.5)
    _, axes = plt.subplots(1, 2)
    assert found.plot(axes)[1] is axes[1]
