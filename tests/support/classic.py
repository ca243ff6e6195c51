"""The classic problems of nonlinear least squares: Moré, Garbow and Hillstrom (ACM Trans. Math. Softw. 7 (1981) 17) and Nielsen (2000).

Sizes, starts, solutions and tolerances are in data/classic_problems.json. Each residual is written once, over the functions of a
namespace: with numpy's it gives numbers, with sympy's the exact Jacobian.
"""
import json
from functools import cache, partial
from math import prod
from pathlib import Path

import numpy as np

DATA = json.loads((Path(__file__).parents[1] / "data" / "classic_problems.json").read_text())
Y = DATA["data"]


def bard(b, m):
    u = range(1, 16)
    return [y - (b[0] + i / (b[1] * (16 - i) + b[2] * min(i, 16 - i))) for i, y in zip(u, Y["bard_y"], strict=True)]


def beale(b, m):
    return [y - b[0] * (1 - b[1] ** i) for i, y in enumerate((1.5, 2.25, 2.625), 1)]


def box3d(b, m):
    t = [i / 10 for i in range(1, 11)]
    return [m.exp(-b[0] * s) - m.exp(-b[1] * s) - b[2] * (m.exp(-s) - m.exp(-10 * s)) for s in t]


def brown1(b, m):
    t = [i / 5 for i in range(1, 21)]
    return [(b[0] + b[1] * s - np.exp(s)) ** 2 + (b[2] + b[3] * np.sin(s) - np.cos(s)) ** 2 for s in t]


def brown2(b, m):
    return [b[i] + sum(b) - 6 for i in range(4)] + [prod(b) - 1]


def brown3(b, m):
    return [b[0] - 1e6, b[1] - 2e-6, b[0] * b[1] - 2]


def exp1(b, m):
    t = [0.02 * i for i in range(1, 46)]
    return [y - (b[2] * m.exp(b[0] * s) + b[3] * m.exp(b[1] * s)) for s, y in zip(t, Y["exp1_y"], strict=True)]


def gaussian(b, m):
    t = [(8 - i) / 2 for i in range(1, 16)]
    return [b[0] * m.exp(-b[1] * (s - b[2]) ** 2 / 2) - y for s, y in zip(t, Y["gauss_y"], strict=True)]


def lin1(b, m):
    return [(b[i] if i < 5 else 0) - 2 / 11 * sum(b) - 1 for i in range(11)]


def lin2(b, m):
    s = sum(j * v for j, v in enumerate(b, 1))
    return [i * s - 1 for i in range(1, 21)]


def lin3(b, m):
    s = sum(j * b[j - 1] for j in range(2, 10))
    return [-1 + 0 * s, *[(i - 1) * s - 1 for i in range(2, 50)], -1 + 0 * s]


def meyer(b, m):
    return [b[0] * m.exp(b[1] / (45 + 5 * i + b[2])) - y for i, y in enumerate(Y["meyer_y"], 1)]


def meyerscal(b, m):
    return [b[0] * m.exp(10 * b[1] / (0.45 + 0.05 * i + b[2]) - 13) - 1e-3 * y for i, y in enumerate(Y["meyer_y"], 1)]


def penalty1(b, m):
    return [*[np.sqrt(1e-5) * (v - 1) for v in b], sum(v**2 for v in b) - 0.25]


def powell1(b, m):
    return [b[0] + 10 * b[1], np.sqrt(5) * (b[2] - b[3]), (b[1] - 2 * b[2]) ** 2, np.sqrt(10) * (b[0] - b[3]) ** 2]


def powell3(b, m):
    return [1e4 * b[0] * b[1] - 1, m.exp(-b[0]) + m.exp(-b[1]) - 1.0001]


def rosenbrock(b, m):
    return [r for i in range(0, len(b), 2) for r in (10 * (b[i + 1] - b[i] ** 2), 1 - b[i])]


def vardim(b, m):
    s = sum(i * (v - 1) for i, v in enumerate(b, 1))
    return [*[v - 1 for v in b], s, s**2]


def wood(b, m):
    return [10 * (b[1] - b[0] ** 2), 1 - b[0], np.sqrt(90) * (b[3] - b[2] ** 2), 1 - b[2], np.sqrt(10) * (b[1] + b[3] - 2),
            (b[1] - b[3]) / np.sqrt(10)]


RESIDUALS = {function.__name__: function for function in (
    bard, beale, box3d, brown1, brown2, brown3, exp1, gaussian, lin1, lin2, lin3, meyer, meyerscal, penalty1, powell1, powell3,
    rosenbrock, vardim, wood)}
RESIDUALS["rosenbrocke"] = rosenbrock


class Problem:
    """One problem: n, p, starts, residual, exact Jacobian, and a check of what a solver found."""

    def __init__(self, facts):
        self.facts = facts
        self.name = facts["name"].split()[0]
        self.n, self.p, self.starts = facts["n"], facts["p"], facts["x0"]
        self.residuals = RESIDUALS[self.name]

    def f(self, x):
        """Return the residuals, ndarray, shape (n,)."""
        with np.errstate(all="ignore"):
            return np.array(self.residuals(x, np), dtype=float)

    @cache                                              # noqa: B019 the problems live as long as the process
    def symbolic(self):
        """Return the Jacobian, differentiated by sympy and compiled."""
        import sympy
        b = sympy.symbols(f"b:{self.p}")
        return sympy.lambdify([b], sympy.Matrix(self.residuals(b, sympy)).jacobian(b), "numpy", cse=True)

    def df(self, x):
        """Return the exact Jacobian, ndarray, shape (n, p)."""
        with np.errstate(all="ignore"):
            return np.array(self.symbolic()(x), dtype=float)

    def check(self, x, sumsq, epsrel):
        """Say what is wrong with a solution, to GSL's own tolerance; an empty list if it is one of the known ones."""
        wrong = [self.compare(known, x, sumsq, epsrel) for known in self.facts["solutions"]]
        return min(wrong, key=len)

    def compare(self, known, x, sumsq, epsrel):
        """Return what differs from one of the known solutions."""
        wrong = []
        if not close(sumsq, known["sumsq"], epsrel):
            wrong.append(f"sumsq {sumsq!r} is not {known['sumsq']!r}")
        for i, (found, exact) in enumerate(zip(x, known["x"] or [], strict=False)):
            if exact is not None and not close(found, exact, epsrel):
                wrong.append(f"x[{i}] {found!r} is not {exact!r}")
        rule = RULES.get((self.name, known["sumsq"]))
        if rule is not None and not close(*rule(x, self.n), epsrel):
            wrong.append(f"the rule of {self.name} gives {rule(x, self.n)}")
        return wrong


def close(found, exact, epsrel):
    """GSL's test: relative, absolute where the exact value is zero."""
    return abs(found - exact) <= epsrel * (abs(exact) or 1.0)


def _brown2(x, n):
    """p a^p - (p+1) a^(p-1) + 1 = 0 for the first p-1, and x_p = a^(1-p)."""
    a, p = x[0], len(x)
    return max(abs(p * a**p - (p + 1) * a ** (p - 1) + 1), abs(np.ptp(x[:-1])), abs(x[-1] - a ** (1 - p))), 0.0


# where the solution is not one point: (what is found, what it must be)
RULES = {
    ("lin2", DATA["problems"][9]["solutions"][0]["sumsq"]): lambda x, n: (sum(j * v for j, v in enumerate(x, 1)), 3 / (2 * n + 1)),
    ("lin3", DATA["problems"][10]["solutions"][0]["sumsq"]): lambda x, n: (sum(j * x[j - 1] for j in range(2, len(x))), 3 / (2 * n - 3)),
    ("brown2", 0.0): _brown2,
}

PROBLEMS = [Problem(facts) for facts in DATA["problems"]]


def case(problem, start):
    """Return the residual and Jacobian of a problem with its start, for tests."""
    return problem.f, problem.df, np.array(problem.starts[start], dtype=float)


CASES = {f"{problem.name}-{start}" if start else problem.name: (problem, partial(case, problem, start))
         for problem in PROBLEMS for start in range(len(problem.starts))}
