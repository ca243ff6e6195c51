"""Data sets whose centre lies so far from 0 (time stamps) that the residuals see its last digit: the minimum is that at 0."""
import numpy as np
import pytest

from gslfit import FitStatus, Formula, fit_shared

PEAK = "A*exp(-(x - m)**2/(2*s**2)) + c"
HOW = {"linear": {}, "huber": {"loss": "huber", "f_scale": .2}, "tukey": {"loss": "tukey", "f_scale": .2}}
EPS = np.finfo(float).eps


@pytest.mark.parametrize("bounded", [False, True])
@pytest.mark.parametrize("shared", [("m", "s"), ("s",), ("m",), ("c",)])
@pytest.mark.parametrize("loss", HOW)
def test_the_minimum_is_that_at_0(loss, shared, bounded):
    """To the centre's last digits, and so far as these move the others. It was a failure after all evaluations, from 1e10 widths on."""
    for centre in (1e8, 1e9, 1e10, 1e11, 1e12):
        at = (centre + np.linspace(-6, 8, 57)) - centre       # so that the points are the same
        rng = np.random.default_rng(int(np.log10(centre)))
        Y = np.array([Formula(PEAK)(x=at, A=3 + i, m=.3, s=1.2, c=.5) for i in range(4)]) + .05*rng.normal(size=(4, 57))

        def fitted(x, m, Y=Y):
            bounds = {"A": (0, None), "m": (m - 5, m + 5)} if bounded else None
            return fit_shared(PEAK, Y, x=x, shared=shared, start={"A": 2., "m": m + .6, "s": 1., "c": .2}, bounds=bounds, **HOW[loss])
        near, far = fitted(at, .3), fitted(centre + at, centre + .3)
        assert near.success and far.success and not far.left_out.size, far.message
        assert (far.status == FitStatus.CONVERGED).all() and far.nfev <= near.nfev + 60
        digits = 2*EPS*centre
        np.testing.assert_allclose(far.values["m"] - centre, near.values["m"], rtol=0, atol=digits)
        moved = 1e-5 + digits/np.min(near.stderr["m"])        # in standard errors
        for name in "Asc":
            assert (np.abs(np.abs(far.values[name]) - np.abs(near.values[name])) <= moved*near.stderr[name]).all()
        for name in "Amsc":
            np.testing.assert_allclose(far.stderr[name], near.stderr[name], rtol=1e-3 + moved)
