"""Every example of the lmfit 0.5 manual, as printed but for the import and Python 3's print, on data with fixed noise."""
import matplotlib
import numpy as np
import pytest
from numpy import exp, pi, sign, sin

import gslfit as lmfit
from gslfit import Minimizer, Parameter, Parameters, minimize
from gslfit.printfuncs import *  # noqa: F403
from gslfit.printfuncs import report_ci, report_errors

matplotlib.use("Agg")
import matplotlib.pyplot as plt

X = np.linspace(0, 20, 201)


def decaying_wave(amp=7., shift=.4, omega=2.9, decay=.008):
    """Return data for the examples of chapter 2."""
    return amp*np.sin(X*omega + shift)*np.exp(-X*X*decay) + .2*np.random.default_rng(7).normal(size=X.size)


def close(params, within=4, **truth):
    """Whether the fitted values are the true ones within so many standard errors."""
    return all(abs(params[name].value - value) < within*params[name].stderr for name, value in truth.items())


def test_section_2_1():
    """Parameters instead of variables, bounds and fixing at once or later."""
    x, data = X, decaying_wave()

    def residual(params, x, data):
        amp = params['amp'].value
        pshift = params['phase'].value
        freq = params['frequency'].value
        decay = params['decay'].value

        model = amp * sin(x * freq + pshift) * exp(-x*x*decay)

        return (data-model)

    params = Parameters()
    params.add('amp', value=10)
    params.add('decay', value=0.007)
    params.add('phase', value=0.2)
    params.add('frequency', value=3.0)

    out = minimize(residual, params, args=(x, data))
    assert out.success
    assert out.errorbars
    assert close(params, amp=7, decay=.008, phase=.4, frequency=2.9)

    params = Parameters()
    params.add('amp', value=10, vary=False)
    params.add('decay', value=0.007, min=0.0)
    params.add('phase', value=0.2)
    params.add('frequency', value=3.0, max=10)
    minimize(residual, params, args=(x, data))
    assert params['amp'].value == 10
    assert params['decay'].value >= 0
    assert params['frequency'].value <= 10

    params['amp'].vary = True
    params['decay'].max = 0.10
    out = minimize(residual, params, args=(x, data))
    assert out.nvarys == 4
    assert close(params, amp=7, decay=.008, phase=.4, frequency=2.9)


def test_section_2_2():
    """What a Parameter has after a fit."""
    x, data = X, decaying_wave()
    params = Parameters()
    params.add_many(('amp', 10), ('decay', .007), ('phase', .2), ('frequency', 3.))
    minimize(lambda p: p['amp']*np.sin(x*p['frequency'] + p['phase'])*np.exp(-x*x*p['decay']) - data, params)
    amp = params['amp']
    assert amp.stderr > 0
    assert amp.correl.keys() == {'decay', 'phase', 'frequency'}
    assert amp.correl['decay'] == pytest.approx(params['decay'].correl['amp'])
    assert amp.init_value == 10


def test_section_2_3():
    """The Parameters class: keys, values, add, add_many."""
    p = Parameters()
    p.add('myvar', value=1, vary=True)
    assert (p['myvar'].value, p['myvar'].vary) == (1, True)
    with pytest.raises(KeyError):
        p.add('lambda', value=1)
    with pytest.raises(ValueError, match="must be a Parameter"):
        p['other'] = 1

    p = Parameters()
    #      (Name,   Value,   Vary,   Min,   Max,   Expr)
    p.add_many(('amp1',    10,   True, None, None, None),
               ('cen1',    1.2,   True,  0.5,  2.0, None),
               ('wid1',    0.8,   True,  0.1, None, None),
               ('amp2',    7.5,   True, None, None, None),
               ('cen2',    1.9,   True,  1.0,  3.0, None),
               ('wid2',   None, False, None, None, '2*wid1/3'))
    assert p['wid2'].value == pytest.approx(2*.8/3)
    x = np.linspace(0, 3, 120)

    def peaks(p):
        return sum(p[f'amp{i}']*np.exp(-((x - p[f'cen{i}'])/p[f'wid{i}'])**2) for i in (1, 2))
    truth = Parameters()
    truth.add_many(('amp1', 9), ('cen1', 1.), ('wid1', .6), ('amp2', 8), ('cen2', 2.), ('wid2', .4))
    data = peaks(truth) + .05*np.random.default_rng(1).normal(size=x.size)
    minimize(lambda p: peaks(p) - data, p)
    assert close(p, **truth.valuesdict())
    assert p['wid2'].stderr == pytest.approx(2*p['wid1'].stderr/3)


def test_section_2_4(capsys):
    """The simple example, which formats every parameter's error, the fixed one's too."""
    x, data = X, decaying_wave()

    def residual(params, x, data=None):
        amp = params['amp'].value
        shift = params['phase_shift'].value
        omega = params['omega'].value
        decay = params['decay'].value

        model = amp * sin(x * omega + shift) * exp(-x*x*decay)

        return (data-model)

    params = Parameters()
    params.add('amp', value=10)
    params.add('decay', value=0.007, vary=False)
    params.add('phase_shift', value=0.2)
    params.add('omega', value=3.0)

    result = minimize(residual, params, args=(x, data))

    print(result.chisqr)
    print('Best-Fit Values:')
    for name, par in params.items():
        print(' %s = %.4f +/- %.4f ' % (name, par.value, par.stderr))  # noqa: UP031
    lines = capsys.readouterr().out.splitlines()
    assert float(lines[0]) == pytest.approx(np.sum(residual(params, x, data)**2))
    assert lines[3] == ' decay = 0.0070 +/- 0.0000 '
    assert len(lines) == 6


def section_3_2(pars, x, data=None):
    """Return the residual function of section 3.2, as printed."""
    # unpack parameters:
    # extract .value attribute for each parameter
    amp = pars['amp'].value
    period = pars['period'].value
    shift = pars['shift'].value
    decay = pars['decay'].value

    if abs(shift) > pi/2:
        shift = shift - sign(shift)*pi

    if abs(period) < 1.e-10:
        period = sign(period)*1.e-10

    model = amp * sin(shift + x/period) * exp(-x*x*decay*decay)

    if data is None:
        return model
    return (model - data)


def section_3_2_params():
    """Start values for it; the period as a Parameter put in by key."""
    params = Parameters()
    params.add('amp', value=13.)
    params.add('shift', value=.1)
    params.add('decay', value=.03)
    params['period'] = Parameter(value=2, min=1.e-10)
    return params


def section_3_2_data(x):
    """Return data for it."""
    truth = Parameters()
    truth.add_many(('amp', 14), ('period', 2.2), ('shift', .123), ('decay', .032))
    return truth, section_3_2(truth, x) + .3*np.random.default_rng(2).normal(size=x.size)


def test_section_3_2():
    """A fitting function with an optional argument, and a Parameter put in by key."""
    x = np.linspace(0, 30, 301)
    truth, data = section_3_2_data(x)
    params = section_3_2_params()
    assert params['period'].name == 'period'
    out = minimize(section_3_2, params, args=(x,), kws={'data': data})
    assert out.success
    assert close(params, **truth.valuesdict())


@pytest.mark.parametrize("engine", ["leastsq", "lbfgsb", "anneal"])
def test_section_3_3(engine):
    """The engines by name, and by their methods."""
    if engine == "anneal":
        pytest.importorskip("gslfit.solvers._siman")
    x = np.linspace(0, 30, 301)
    truth, data = section_3_2_data(x)
    params = section_3_2_params()
    out = minimize(section_3_2, params, args=(x, data), engine=engine)
    assert out.success
    assert close(params, **truth.valuesdict())
    fitter = Minimizer(section_3_2, section_3_2_params(), fcn_args=(x, data))
    getattr(fitter, engine)()
    assert fitter.params['period'].value == pytest.approx(params['period'].value, rel=1e-5)


def test_section_3_4():
    """The table of fit results."""
    x = np.linspace(0, 30, 301)
    _, data = section_3_2_data(x)
    fit = minimize(section_3_2, section_3_2_params(), args=(x, data))
    assert fit.nfev > 4
    assert fit.success is True
    assert fit.errorbars is True
    assert "converged" in fit.message
    assert fit.ier in (1, 2, 3, 4)
    assert isinstance(fit.lmdif_message, str)
    assert (fit.nvarys, fit.ndata, fit.nfree) == (4, 301, 297)
    assert fit.chisqr == pytest.approx(np.sum(fit.residual**2))
    assert fit.redchi == pytest.approx(fit.chisqr/297)


def test_section_3_5():
    """prepare_fit, then the function by hand, then the fit."""
    x = np.linspace(0, 30, 301)
    my_residual, params = section_3_2, section_3_2_params()
    truth, data = section_3_2_data(x)
    myfit = Minimizer(my_residual, params, fcn_args=(x,), fcn_kws={'data': data})

    myfit.prepare_fit()
    p_fit = myfit.params
    init = my_residual(p_fit, x)
    plt.plot(x, init, 'b--')
    plt.close()
    assert init == pytest.approx(13*np.sin(.1 + x/2)*np.exp(-x*x*.03**2))

    myfit.leastsq()
    assert close(params, **truth.valuesdict())


def test_sections_4_2_and_4_3(capsys):
    """The sessions of the chapter on confidence intervals."""
    noise = np.random.default_rng(1)
    x = np.linspace(0.3, 10, 100)
    y = 1/(0.1*x)+2+0.1*noise.normal(size=x.size)
    p = lmfit.Parameters()
    p.add_many(('a', 0.1), ('b', 1))

    def residual(p):
        a = p['a'].value
        b = p['b'].value
        return 1/(a*x)+b-y

    mi = lmfit.minimize(residual, p)
    assert mi.leastsq() is True
    lmfit.printfuncs.report_errors(mi.params)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("  a:      0.0")
    assert lines[0].endswith("(initial= 0.100000)")
    assert lines[1].endswith("(initial= 1.000000)")
    assert lines[2] == "Correlations:"
    assert lines[3].startswith("  C(a, b)                                = 0.60")
    ci = lmfit.conf_interval(mi)
    lmfit.printfuncs.report_ci(ci)
    head, a, b = capsys.readouterr().out.splitlines()
    assert head.split() == "99.70% 95.00% 67.40% 0.00% 67.40% 95.00% 99.70%".split()  # noqa: SIM905
    for name, line in (("a", a), ("b", b)):
        numbers = [float(word) for word in line.split()[1:]]
        assert numbers == sorted(numbers)
        # the errors are almost the same: "it is not necessary to calculate ci's for this problem"
        assert numbers[4] - numbers[3] == pytest.approx(mi.params[name].stderr*.987, rel=.06)

    y = 3*np.exp(-x/2.)-5*np.exp(-x/10.)+0.2*noise.normal(size=x.size)
    p = lmfit.Parameters()
    p.add_many(('a1', 5), ('a2', -5), ('t1', 2), ('t2', 5))

    def residual(p):
        a1, a2, t1, t2 = [i.value for i in p.values()]
        return a1*np.exp(-x/t1)+a2*np.exp(-x/t2)-y

    mi = lmfit.minimize(residual, p)
    assert mi.leastsq() is True
    lmfit.printfuncs.report_errors(mi.params, show_correl=False)
    lines = capsys.readouterr().out.splitlines()
    assert [line.partition("(")[2] for line in lines] == ["initial= 5.000000)", "initial= -5.000000)", "initial= 2.000000)",
        "initial= 5.000000)"]
    ci, trace = lmfit.conf_interval(mi, sigmas=[0.68, 0.95], trace=True, verbose=0)
    lmfit.printfuncs.report_ci(ci)
    assert capsys.readouterr().out.splitlines()[0].split() == ["95.00%", "68.00%", "0.00%", "68.00%", "95.00%"]
    # "the regular estimate is too small"
    assert ci['a1'][4][1] - ci['a1'][0][1] > 4*p['a1'].stderr

    x, y, grid = lmfit.conf_interval2d(mi, 'a1', 't2', 30, 30)
    plt.contourf(x, y, grid, np.linspace(0, 1, 11))
    plt.xlabel('a1')
    plt.colorbar()
    plt.ylabel('t2')
    assert grid.shape == (30, 30)
    assert grid.min() < .1

    x, y, prob = trace['a1']['a1'], trace['a1']['t2'], trace['a1']['prob']
    x2, y2, prob2 = trace['t2']['t2'], trace['t2']['a1'], trace['t2']['prob']
    plt.scatter(x, y, c=prob, s=30)
    plt.scatter(x2, y2, c=prob2, s=30)
    plt.close()
    assert x.shape == y.shape == prob.shape


def test_section_4_4(capsys):
    """The examples in the documentation of the methods."""
    x = np.linspace(0, 3, 60)
    y = 2*np.exp(-x) + .02*np.random.default_rng(3).normal(size=x.size)
    params = Parameters()
    params.add_many(('para1', 1), ('not_para1', 2))

    def some_func(params):
        return params['para1']*np.exp(-params['not_para1']*x) - y
    mini = minimize(some_func, params)
    assert mini.leastsq() is True
    report_errors(params)
    ci = lmfit.conf_interval(mini)
    report_ci(ci)
    assert len(capsys.readouterr().out.splitlines()) == 7
    ci, trace = lmfit.conf_interval(mini, sigmas=(0.25, 0.5, 0.75, 0.999), trace=True)
    fixed = trace['para1']['para1']
    free = trace['para1']['not_para1']
    prob = trace['para1']['prob']
    assert fixed.shape == free.shape == prob.shape
    x, y, gr = lmfit.conf_interval2d(mini, 'para1', 'not_para1')
    plt.contour(x, y, gr)
    plt.close()
    assert gr.shape == (10, 10)


def test_section_5_1():
    """Two fractions that add to one."""
    pars = Parameters()
    pars.add('frac_curve1', value=0.5, min=0, max=1)
    pars.add('frac_curve2', expr='1-frac_curve1')
    x = np.linspace(0, 10, 101)
    one, other = np.exp(-x), np.exp(-x/4)
    data = .3*one + .7*other + .01*np.random.default_rng(4).normal(size=x.size)
    minimize(lambda p: p['frac_curve1']*one + p['frac_curve2']*other - data, pars)
    assert close(pars, frac_curve1=.3, frac_curve2=.7)
    assert pars['frac_curve1'].value + pars['frac_curve2'].value == pytest.approx(1, abs=1e-15)
    assert pars['frac_curve2'].stderr == pytest.approx(pars['frac_curve1'].stderr)


def test_section_5_2():
    """Expressions over parameters, one of them added later than the expression that names it; Python's one-line if."""
    pars = Parameters()
    pars.add('amp_1', value=0.5, min=0, max=1)
    pars.add('cen_1', value=2.2)
    pars.add('wid_1', value=0.2)

    pars.add('amp_2', expr='(2.0 - amp_1**2)')
    pars.add('cen_2', expr='cen_1 * wid_2 / max(wid_1, 0.001)')
    pars.add('wid_2', expr='sqrt(pi)*wid_1')
    assert pars.valuesdict() == pytest.approx({'amp_1': .5, 'cen_1': 2.2, 'wid_1': .2, 'amp_2': 1.75, 'cen_2': 2.2*pi**.5,
        'wid_2': .2*pi**.5})

    pars.add('param_a', value=1.)
    pars.add('param_b', value=2.)
    pars.add('test_val', value=150.)
    pars.add('bounded', expr='param_a if test_val/2. > 100 else param_b')
    assert pars['bounded'].value == 2
    pars['test_val'].value = 300
    assert pars['bounded'].value == 1

    x = np.linspace(0, 6, 200)

    def peaks(p):
        return sum(p[f'amp_{i}']*np.exp(-((x - p[f'cen_{i}'])/p[f'wid_{i}'])**2) for i in (1, 2))
    truth = pars.copy()
    truth['amp_1'].value, truth['cen_1'].value, truth['wid_1'].value = .7, 2.3, .25
    data = peaks(truth) + .01*np.random.default_rng(5).normal(size=x.size)
    for name in ('param_a', 'param_b', 'test_val'):
        pars[name].vary = False
    out = minimize(lambda p: peaks(p) - data, pars)
    assert out.nvarys == 3
    assert close(pars, **{name: truth[name].value for name in ('amp_1', 'cen_1', 'wid_1', 'amp_2', 'cen_2', 'wid_2')})


def test_section_5_3():
    """A function of one's own in expressions, by the Minimizer's interpreter."""
    def lorentzian(x, amp, cen, wid):
        "lorentzian function: wid = half-width at half-max"
        return (amp / (1 + ((x-cen)/wid)**2))

    fitter = Minimizer()
    fitter.asteval.symtable['lorentzian'] = lorentzian
    fitter.params.add_many(('amp', 3.), ('cen', 1.), ('wid', .5))
    fitter.params.add('top', expr='lorentzian(1.5, amp, cen, wid)')
    assert fitter.params['top'].value == 1.5

    x = np.linspace(-4, 6, 101)
    data = lorentzian(x, 2.5, 1.2, .8) + .02*np.random.default_rng(6).normal(size=x.size)
    params = Parameters()
    params.add_many(('amp', 3.), ('cen', 1.), ('wid', .5, True, 0),
                    ('side', None, False, None, None, 'lorentzian(cen + 2*wid, amp, cen, wid)'))
    fitter = Minimizer(lambda p: lorentzian(x, p['amp'].value, p['cen'].value, p['wid'].value) - data, params)
    with pytest.raises(lmfit.FitError, match="no function 'lorentzian'"):
        fitter.leastsq()
    fitter.asteval.symtable['lorentzian'] = lorentzian
    assert fitter.leastsq()
    assert close(params, amp=2.5, cen=1.2, wid=.8, side=.5)
    assert params['side'].stderr == pytest.approx(params['amp'].stderr/5, rel=1e-6)

    # the interpreter goes along when the Minimizer is given other parameters
    other = Parameters()
    other.add_many(('amp', 3.), ('cen', 1.), ('wid', .5, True, 0),
                    ('side', None, False, None, None, 'lorentzian(cen + 2*wid, amp, cen, wid)'))
    fitter.params = other
    assert fitter.leastsq()
    assert other['side'].value == pytest.approx(params['side'].value, rel=1e-6)


def test_a_plain_dict_of_parameters():
    """The manual's `params (dict)`: a plain dictionary works, again and again, and its Parameter objects hold the results."""
    x = np.linspace(0, 3, 60)
    y = 2*np.exp(-x)
    params = {'a': Parameter(value=1), 'b': Parameter(value=2)}
    for start in (1., 1.5):
        params['a'].value = start
        minimize(lambda p: p['a'].value*np.exp(-p['b'].value*x) - y, params)
        assert params['a'].value == pytest.approx(2)
        assert params['a'].init_value == start
        assert params['a'].name == 'a'
