"""NIST's files are read to the last digit, and the 27 formulas are the ones NIST certified."""
import nist
import numpy as np
import pytest
from nist_jacobian import jacobian

NAMES = list(nist.FORMULAS)


def test_all_27():
    """There is a formula for every file, and a file for every formula."""
    assert len(NAMES) == 27
    assert sorted(path.stem for path in nist.FOLDER.glob("*.dat")) == NAMES
    levels = [data.level for data in nist.datasets()]
    assert [levels.count(level) for level in ("Lower", "Average", "Higher")] == [8, 11, 8]


@pytest.mark.parametrize("name", NAMES)
def test_certified_sums(name):
    """The model at the certified values gives the certified sum of squares and residual standard deviation."""
    data = nist.read(name)
    n, p = data.y.size, len(data.names)
    assert data.starts.shape == (2, p)
    assert data.dof == n - p
    rss = np.sum(nist.residual(name)(data.certified)**2)
    # Lanczos1 is exact to 14 digits: its sum of squares is all rounding
    assert rss == pytest.approx(data.rss, rel=1e-9 if name != "Lanczos1" else .5)
    assert np.sqrt(data.rss / data.dof) == pytest.approx(data.rsd, rel=1e-9)


@pytest.mark.parametrize("name", NAMES)
def test_certified_errors(name):
    """The exact Jacobian at the certified values gives the certified standard deviations."""
    data = nist.read(name)
    jac = jacobian(name)(data.certified)
    scale = np.linalg.norm(jac, axis=0)
    r = np.linalg.qr(jac / scale, mode="r")
    stderr = np.linalg.norm(np.linalg.inv(r), axis=1) / scale * np.sqrt(data.rss / data.dof)
    assert stderr == pytest.approx(data.stderr, rel=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_jacobian_against_differences(name):
    """The symbolic Jacobian is the derivative of the residual, at both starts."""
    data, r = nist.read(name), nist.residual(name)
    for start in data.starts:
        for k, column in enumerate(jacobian(name)(start).T):
            step = np.zeros(start.size)
            step[k] = 1e-6 * abs(start[k])
            difference = (r(start + step) - r(start - step)) / (2 * step[k])
            assert difference == pytest.approx(column, rel=1e-4, abs=1e-4 * np.abs(column).max() + 1e-8)


def test_nelson_is_fitted_to_the_logarithm():
    """Nelson has two predictors and a logarithmic response."""
    nelson = nist.read("Nelson")
    assert nelson.predictors == ("x1", "x2")
    assert nelson.x.shape == (2, 128)
    assert nelson.y[0] == np.log(15.0)
    assert list(nelson.columns()["x2"][:5]) == [180, 180, 180, 180, 225]


def test_damaged_files_are_refused():
    """A file that lacks a part or rows is refused with what is wrong."""
    text = (nist.FOLDER / "Misra1a.dat").read_text()
    with pytest.raises(ValueError, match="rows of 2 numbers do not fit"):
        nist.parse("Misra1a", "\n".join(text.splitlines()[:-2]))
    with pytest.raises(ValueError, match="no line 'Number of Observations:'"):
        nist.parse("Misra1a", text.replace("Number of Obs", "Count of Obs"))
    with pytest.raises(ValueError, match="not one of NIST's"):
        nist.parse("Misra1a", "nothing")
    with pytest.raises(ValueError, match="'Thurbre' is not one of"):
        nist.read("Thurbre")


def test_digits():
    """Digits are -log10 of the relative error, cut at 11."""
    assert nist.digits([1.0, 1 + 1e-6, np.nan, -1.0], 1.0) == pytest.approx([11, 6, 0, 0], abs=1e-3)
