# Ruby/GSL's own results, as reference data for tests/multifit/test_fits.py:  ruby tests/reference/ruby_gsl.rb > tests/data/ruby_gsl.json
# Needs Debian's ruby-gsl. All noise is from GSL's default generator (mt19937, seed 0), so the data are the same everywhere.
require 'gsl'
require 'json'

# --- the manual's first example: A exp(-lambda t) + b, by both methods, every step -----------------------------------------
def manual
  n = 40
  r = GSL::Rng.alloc
  t, y, sigma = Array.new(3) { GSL::Vector.alloc(n) }
  n.times do |i|
    t[i] = i
    y[i] = 1.0 + 5 * Math.exp(-0.1 * t[i]) + r.gaussian(0.1)
    sigma[i] = 0.1
  end
  procf = lambda do |x, t, y, sigma, f|
    n.times { |i| f[i] = (x[0] * Math.exp(-x[1] * t[i]) + x[2] - y[i]) / sigma[i] }
  end
  procdf = lambda do |x, t, y, sigma, jac|
    n.times do |i|
      e = Math.exp(-x[1] * t[i])
      jac.set(i, 0, e / sigma[i])
      jac.set(i, 1, -t[i] * x[0] * e / sigma[i])
      jac.set(i, 2, 1 / sigma[i])
    end
  end
  function = GSL::MultiFit::Function_fdf.alloc(procf, procdf, 3)
  function.set_data(t, y, sigma)
  runs = { 'lmsder' => GSL::MultiFit::FdfSolver::LMSDER, 'lmder' => GSL::MultiFit::FdfSolver::LMDER }.map do |name, method|
    solver = GSL::MultiFit::FdfSolver.alloc(method, n, 3)
    solver.set(function, GSL::Vector.alloc(1.0, 0.0, 0.0))
    steps = []
    loop do
      solver.iterate
      steps << { 'x' => solver.position.to_a, 'dx' => solver.dx.to_a }
      break if solver.test_delta(1e-4, 1e-4) == GSL::SUCCESS || steps.size == 500
    end
    covar = solver.covar(0.0)
    chisq = GSL.pow_2(solver.f.dnrm2)
    err = (0...3).map { |i| Math.sqrt(chisq / (n - 3) * covar[i, i]) }
    [name, { 'steps' => steps, 'covar' => covar.to_a, 'chisq' => chisq, 'err' => err }]
  end
  { 't' => t.to_a, 'y' => y.to_a, 'sigma' => sigma.to_a, 'runs' => runs.to_h }
end

# --- the built-in types: [type, x from, to, noise, coefficients, guess, model] -----------------------------------------------
BELL = ->(x, x0, var) { Math.exp(-(x - x0)**2 / 2 / var) }
TYPES = [
  ['gaussian', 0.1, 10, 0.1, [1, 2, 3, 0.5], [0, 1, 2, 1], ->(x, c) { c[0] + c[1] * BELL[x, c[2], c[3]] }],
  ['gaussian_2peaks', 0, 10, 0.1, [1, 2, 3, 0.5, 3, 7, 0.8], [0, 1, 2.5, 1, 1, 7.5, 1],
   ->(x, c) { c[0] + c[1] * BELL[x, c[2], c[3]] + c[4] * BELL[x, c[5], c[6]] }],
  ['exp', 0, 10, 0.1, [1, 5, 0.6], [0, 1, 1], ->(x, c) { c[0] + c[1] * Math.exp(-c[2] * x) }],
  ['dblexp', 0, 10, 0.01, [1, 5, 3, 4, 0.4], [0, 1, 5, 1, 0.5],
   ->(x, c) { c[0] + c[1] * Math.exp(-c[2] * x) + c[3] * Math.exp(-c[4] * x) }],
  ['sin', 0, 10, 0.1, [1, 2, 1.7, 0.5], [0, 1, 1.6, 0], ->(x, c) { c[0] + c[1] * Math.sin(c[2] * x + c[3]) }],
  ['lor', 0, 10, 0.1, [1, 3, 4, 0.7], [0, 1, 3.5, 1], ->(x, c) { c[0] + c[1] / ((x - c[2])**2 + c[3]) }],
  ['hill', 0.1, 20, 0.05, [1, 4, 5, 2.5], [0, 3, 4, 2], ->(x, c) { c[0] + (c[1] - c[0]) / (1 + (c[2] / x)**c[3]) }],
  ['sigmoid', -5, 10, 0.05, [1, 3, 2, 0.8], [0, 2, 1, 1], ->(x, c) { c[0] + c[1] / (1 + Math.exp((c[2] - x) / c[3])) }],
  ['power', 0.2, 10, 0.05, [1, 3, -1.3], [0, 1, -1], ->(x, c) { c[0] + c[1] * x**c[2] }],
  ['rayleigh', 0, 10, 0.05, [2, 4], [1, 3], ->(x, c) { c[0] * x * Math.exp(-x * x / 2 / c[1]) }],
  # Ruby/GSL's Jacobian of this one is wrong: its results are kept to show that gslfit's chi-square is lower
  ['lognormal', 0.01, 10, 0.1, [1, 2, 3, 0.5], [0, 3, 2, 1], ->(x, c) { c[0] + c[1] * Math.exp(-(Math.log(x / c[2]) / c[3])**2) }]
].freeze

def types(n = 100)
  TYPES.map do |name, from, to, noise, truth, guess, model|
    r = GSL::Rng.alloc
    x = GSL::Vector.linspace(from, to, n)
    y = GSL::Vector.alloc(n)
    w = GSL::Vector.alloc(n)
    n.times do |i|
      y[i] = model[x[i], truth] + r.gaussian(noise)
      w[i] = (1 + 0.5 * Math.sin(i)) / noise
    end
    fits = { 'plain' => [x, y], 'weighted' => [x, w, y] }.transform_values do |data|
      coef, err, chisq, dof = GSL::MultiFit::FdfSolver.fit(*data, name, guess)
      { 'coef' => coef.to_a, 'err' => err.to_a, 'chisq' => chisq, 'dof' => dof }
    end
    { 'type' => name, 'truth' => truth, 'guess' => guess, 'x' => x.to_a, 'y' => y.to_a, 'w' => w.to_a }.merge(fits)
  end
end

made = "ruby-gsl with GSL #{GSL::VERSION}, Ruby #{RUBY_VERSION}"
puts JSON.generate('made with' => made, 'manual' => manual, 'types' => types)
