"""GSL's default random generator in NumPy, so that examples have the very noise of their C and Ruby originals.

`gsl_rng_default` is mt19937 with seed 0, which stands for 4357; `gsl_ran_gaussian` is the polar method of Box and Muller,
one deviate a pair. Source: GSL reference manual, chapters "Random Number Generation" and "Random Number Distributions".
"""
import math

import numpy as np


class Rng:
    """What `gsl_rng_alloc(gsl_rng_mt19937)` gives in C and `GSL::Rng.alloc` in Ruby."""

    def __init__(self, seed=0):
        self._bits = np.random.RandomState(seed or 4357)  # the same generator, seeded the same way

    def uniform_pos(self):
        """Draw from (0, 1)."""
        while True:
            bits = int(self._bits.randint(0, 2**32, dtype=np.uint32))
            if bits:
                return bits / 2**32

    def gaussian(self, sigma=1.0):
        """Draw a normal deviate."""
        while True:
            u, v = 2 * self.uniform_pos() - 1, 2 * self.uniform_pos() - 1
            r2 = u * u + v * v
            if 0 < r2 <= 1:
                return sigma * v * math.sqrt(-2 * math.log(r2) / r2)
