"""Fit NIST's data sets without a start, and maps with wrong starts: `python benchmarks/starts.py [--write]`.

One core, one thread, processor time; the least of a few calls. The run fails where a certified minimum is missed from the near ranges, or
a pixel of the map.
"""
import sys
import time
from pathlib import Path

import numpy as np
from pages import write

import gslfit
from gslfit import nist

OUT = Path(__file__).parents[1]/"docs"/"benchmarks-starts.md"
STARTS, ROUNDS, NEAR, FAR = 200, 3, 10, 100
SAME = 1e-6             # of the certified sum of squares: nearer is the certified minimum
HEAD = f"""# Many starts: NIST's data sets and maps

Written by `python benchmarks/starts.py --write`, a part of `make bench`. No start is given, only ranges for every parameter, linear ones
included: from a tenth to ten times the certified value, and from a hundredth to a hundred times, with its sign. `starts={STARTS}`; one
core, one thread, the least processor time of {ROUNDS} calls. Found is a successful fit whose sum of squares is the certified one to
{SAME:g} (of Lanczos1 to the rounding of its data); "there" are the starts that were seen to lead to it. Bennett5's {STARTS} rough descents
are all far from their end; the lowest goes on.

| set | parameters | a tenth to ten times: found | there | minima | time, ms | a hundredth to a hundred: found | there | minima | time, ms |
|---|---:|---|---:|---:|---:|---|---:|---:|---:|
"""
MAPS = """
## Maps

100 x 100 curves of 100 points, `A*sin(2*pi*f*t + p)` with noise; f and A change slowly over the map. So many pixels begin at a frequency
drawn from 0.1 to 3: wrong is a pixel whose chi-square is higher than from the true start by more than 1e-6. Times are relative to those
from the true starts.

| pixels that begin wrongly | wrong without | wrong with `starts="neighbours"` | time, true starts | time, without | time, with |
|---:|---:|---:|---:|---:|---:|
"""


def timed(call, rounds=ROUNDS):
    """Return the least processor time of a call, and what it returned."""
    least, result = np.inf, None
    for _ in range(rounds):
        begun = time.process_time()
        result = call()
        least = min(least, time.process_time() - begun)
    return least, result


def certified(data, factor):
    """Return whether the certified minimum is found from so wide ranges, and what else there is to say."""
    ranges = {name: tuple(sorted((value/factor, value*factor))) for name, value in zip(data.names, data.certified, strict=True)}
    least, result = timed(lambda: gslfit.fit(data.formula, data.y, x=data.columns(), ranges=ranges, starts=STARTS, threads=1))
    found = result.success and abs(result.chisqr - data.rss) <= SAME*data.rss + 1e-20*float(data.y @ data.y)
    return found, result.minima[0].starts if result.success else 0, len(result.minima), least


def sets():
    """Return the rows of the table of NIST's sets, and its summary."""
    rows, count, slowest = [], {NEAR: 0, FAR: 0}, {NEAR: 0.0, FAR: 0.0}
    for data in nist.datasets():
        cells = [data.name, len(data.names)]
        for factor in (NEAR, FAR):
            found, starts, minima, least = certified(data, factor)
            count[factor] += found
            slowest[factor] = max(slowest[factor], least)
            cells += ["yes" if found else "no", starts, minima, f"{1e3*least:.1f}"]
        rows.append("| " + " | ".join(map(str, cells)) + " |")
    rows.append(f"| all 27 | | {count[NEAR]} | | | at most {1e3*slowest[NEAR]:.0f} | {count[FAR]} | | | at most {1e3*slowest[FAR]:.0f} |")
    return rows, count[NEAR] == len(nist.FORMULAS)


def maps():
    """Return the rows of the table of maps."""
    rng, t = np.random.default_rng(0), np.linspace(0, 10, 100)
    i, j = np.mgrid[:100, :100]
    true = {"A": 1 + .5*np.cos(i/20), "f": .8 + .6*i/100 + .3*np.sin(j/30), "p": np.full(i.shape, .3)}
    y = true["A"][..., None]*np.sin(2*np.pi*true["f"][..., None]*t + .3) + rng.normal(0, .1, (*i.shape, t.size))
    rows, good = [], True
    for share in (.01, .05, .2):
        wrong = rng.random(i.shape) < share
        start = {**true, "f": np.where(wrong, rng.uniform(.1, 3, i.shape), true["f"])}

        def fit(start, starts=None):
            return gslfit.fit_batch("A*sin(2*pi*f*t + p)", y, x={"t": t}, threads=1, start=start, starts=starts)
        first, right = timed(lambda: fit(true))
        second, without = timed(lambda start=start: fit(start))
        third, mended = timed(lambda start=start: fit(start, "neighbours"))
        lost = [int((~each.success | (each.chisqr > right.chisqr*(1 + 1e-6))).sum()) for each in (without, mended)]
        good = good and not lost[1]
        rows.append(f"| {wrong.mean():.1%} | {lost[0]} | {lost[1]} | {1e3*first:.0f} ms | {second/first:.1f} | {third/first:.1f} |")
    return rows, good


def main():
    """Run all, print it, and write the page."""
    found, all_sets = sets()
    pixels, all_pixels = maps()
    page = HEAD + "\n".join(found) + "\n" + MAPS + "\n".join(pixels) + "\n"
    print(page)
    write(OUT, page)
    sys.exit(0 if all_sets and all_pixels else 1)


if __name__ == "__main__":
    main()
