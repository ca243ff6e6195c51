"""The transforms that keep a parameter within its bounds while the solver moves freely.

MINUIT's transforms (F. James, M. Roos, Computer Physics Communications 10 (1975) 343), written so that no digit is lost. With both bounds,
MINUIT's ``min + (sin v + 1)(max - min)/2`` is, with ``v = u - pi/2``,

    x = near + (far - near) sin(u/2)^2,

where `near` is the bound of smaller magnitude: near it, where a parameter may be tiny against the width, u holds all its digits. With one
bound, MINUIT's ``min - 1 + sqrt(v^2 + 1)`` takes a size of 1 for granted, and a parameter of 1e-20 vanishes in it. Here

    x = near + size*(sqrt(v^2 + 1) - 1) = near + size*v^2/(sqrt(v^2 + 1) + 1),

with `size` the distance of the start from the bound, negative for an upper bound: the same curve at every scale.

The same serves two bounds where the start's distance from the near one is less than `WIDE` of the width: the far one is then there for
form's sake, the sine would be a steep parabola, and values beyond the far bound are held there.

Bounds that lie farther from the start than `FAR` times what counts as a change of the parameter (its own size, or what changes the
residual by its own length, whichever is larger) are there for form's sake altogether: a sine a million times too wide, or a distance from
such a bound, leaves no digits to the parameter. It moves freely then, and is held where it would pass them.

On a bound the slope of either is 0, and a solver that starts there stays there. A start on a bound is moved strictly inside, by `INSIDE` of
the bound's magnitude (of 1, where the bound is 0; of the width, if that is smaller), and so is one that differs from it by no more than
last digits, `NEAR` of its magnitude. One that lies beside it is the caller's: at a time stamp a billionth of it is a second.
That is a guess: of starts within `DOUBT` of a bound's magnitude, or `DOUBT_ZERO` of a bound of 0, the residual is asked
(`gslfit.minimizer.start_interior`; of those on a bound `gslfit_refit_step_inside` of `src/batch/gsl_refit.h`). The step that counts is the
one that changes it by `SHARE` of its length; the guess stays where it is within a factor `ALIKE` of that.
"""
FREE, ONE, TWO = 0, 1, 2
INSIDE = 0.01
SHARE = 0.1
ALIKE = 30.
WIDEST = 0.25     # of the distance between two bounds that a start on one of them is moved inside at most
NEAR = 2.0**-50    # a few last digits
WIDE = 1e-6
FAR = 1e3
DOUBT_ZERO, DOUBT = 1e-3, 1e-6
