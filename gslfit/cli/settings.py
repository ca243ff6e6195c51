"""What the options of a fit say about parameters, and what they do to a model: starts, bounds, fixed values, expressions."""
from __future__ import annotations

import math
import re
from collections.abc import Iterable
from typing import Any

from gslfit.checks import as_name
from gslfit.cli.endings import Refused, meant
from gslfit.parameters.parameter import is_name
from gslfit.records import Record

MOST_STARTS = 1_000_000
NEXT = re.compile(r"[\s,;]+(?=[^\W\d]\w*\s*=(?!=))")      # what stands between NAME=VALUE and a further one
APART = re.compile(r"[\s,;]+")


class Settings(Record):
    """What is said about parameters, by their names."""

    start: dict[str, float]
    bound: dict[str, tuple[float, float]]
    fix: dict[str, float | None]
    expr: dict[str, str]


def number(option: str, whole: str, text: str) -> float:
    """Return a finite number, or raise Refused."""
    try:
        value = float(text)
    except ValueError:
        raise Refused(f"{option} {whole}: {text!r} is not a number") from None
    if not math.isfinite(value):
        raise Refused(f"{option} {whole}: {text!r} is not a finite number")
    return value


def interval(option: str, whole: str, text: str) -> tuple[float, float]:
    """Return the limits of LOW:HIGH, infinite where one is left out.

    Examples
    --------
    >>> interval("--xlim", "2:", "2:")
    (2.0, inf)
    """
    low, colon, high = text.partition(":")
    if not colon or not (low.strip() or high.strip()):
        raise Refused(f"{option} {whole}: LOW:HIGH is needed, of which one may be left out")
    limits = (number(option, whole, low) if low.strip() else -math.inf, number(option, whole, high) if high.strip() else math.inf)
    if limits[0] >= limits[1]:
        raise Refused(f"{option} {whole}: the lower limit is not below the upper one")
    return limits


def pairs(option: str, texts: Iterable[str], value: str, alone: bool = False) -> dict[str, tuple[str, str | None]]:
    """Return NAME=VALUE by name, as the whole text and the value; None for a name without value, where that may be."""
    found: dict[str, tuple[str, str | None]] = {}
    for text in texts:
        name, sign, said = text.partition("=")
        name, said = as_name(name.strip()), said.strip()
        several = (APART if alone else NEXT).split(text)
        if len(several) > 1 and all(is_name(as_name(each.partition("=")[0].strip())) for each in several):
            raise Refused(f"{option} {text}: {option} is given once for each parameter, {' '.join(f'{option} {each}' for each in several)}")
        if not is_name(name) or (sign and not said) or not (sign or alone):
            raise Refused(f"{option} {text}: NAME={value} is needed{', or NAME' if alone else ''}")
        if name in found:
            raise Refused(f"{option} {text}: {name!r} is given twice")
        found[name] = text, said if sign else None
    return found


def read_settings(start: Iterable[str], bound: Iterable[str], fix: Iterable[str], expr: Iterable[str]) -> Settings:
    """Read the options ``--start``, ``--bound``, ``--fix`` and ``--expr``.

    Raises
    ------
    Refused
        If one is not written as it must be, or a parameter is given two roles.
    """
    found = Settings({name: number("--start", text, said or "") for name, (text, said) in pairs("--start", start, "VALUE").items()},
                     {name: interval("--bound", text, said or "") for name, (text, said) in pairs("--bound", bound, "LOW:HIGH").items()},
                     {name: None if said is None else number("--fix", text, said)
                      for name, (text, said) in pairs("--fix", fix, "VALUE", alone=True).items()},
                     {name: said or "" for name, (_, said) in pairs("--expr", expr, "EXPRESSION").items()})
    for name in found.expr:
        for option, others in (("--start", found.start), ("--fix", found.fix)):
            if name in others:
                raise Refused(f"{name!r} can't have both --expr and {option}")
    for name, value in found.fix.items():
        if value is not None and name in found.start:
            raise Refused(f"{name!r} can't have both --start and --fix {name}=VALUE")
    return found


def read_starts(starts: str | None, ranges: Iterable[str], words: tuple[str, ...]) -> dict[str, Any]:
    """Read the options ``--starts`` and ``--ranges``, as `Model.fit` and `Model.fit_batch` take them; only those that are given.

    Raises
    ------
    Refused
        If one is not written as it must be; `words` are what may stand in place of a number.
    """
    found: dict[str, Any] = {}
    if starts is not None:
        if starts not in words and not (starts.isdigit() and 1 <= int(starts) <= MOST_STARTS):
            raise Refused(f"--starts {starts}: a number of starts is needed, from 1 to {MOST_STARTS}, or {' or '.join(words)}")
        found["starts"] = starts if starts in words else int(starts)
    given = {name: (text, *interval("--ranges", text, said or "")) for name, (text, said) in pairs("--ranges", ranges, "LOW:HIGH").items()}
    for text, low, high in given.values():
        if not (math.isfinite(low) and math.isfinite(high)):
            raise Refused(f"--ranges {text}: both ends are needed, LOW:HIGH")
    return found | ({"ranges": {name: (low, high) for name, (_, low, high) in given.items()}} if given else {})


def read_loss(text: str | None) -> dict[str, Any]:
    """Read the option ``--loss``, LOSS or LOSS:SCALE, as fits take it; nothing where it is not given.

    Raises
    ------
    Refused
        If there is no such loss, or its scale is no scale.

    Examples
    --------
    >>> read_loss("huber:mad")
    {'loss': 'huber', 'f_scale': 'mad'}
    """
    if text is None:
        return {}
    from gslfit.objective.loss import LOSSES, ROBUST
    loss, colon, scale = text.partition(":")
    if loss not in LOSSES:
        raise Refused(f"--loss {text}: there is no loss {loss!r}{meant(loss, LOSSES)}; there are {', '.join(LOSSES)}")
    if not colon:
        return {"loss": loss}
    if loss not in ROBUST:
        raise Refused(f"--loss {text}: {loss} has no scale; {', '.join(ROBUST)} have one")
    if scale == "mad":
        return {"loss": loss, "f_scale": scale}
    f_scale = number("--loss", text, scale)
    if f_scale <= 0:
        raise Refused(f"--loss {text}: a positive scale is needed, or mad")
    return {"loss": loss, "f_scale": f_scale}


def read_errors(known_errors: bool, yerr: str | None) -> dict[str, Any]:
    """Read the option ``--known-errors``, as fits take it: where it is not given, they do what is usual for their loss.

    Raises
    ------
    Refused
        If no errors are given.
    """
    if known_errors and yerr is None:
        raise Refused("--known-errors says that the errors of the data are known, and --yerr doesn't say which column or file they are in")
    return {"scale_covar": False} if known_errors else {}


def replicates(text: str | None, seed: int | None) -> tuple[int, str | None] | None:
    """Read the option ``--bootstrap``, N or N:KIND; None where it is not given.

    Raises
    ------
    Refused
        If it isn't written so, or there is a seed without it.
    """
    if text is None:
        if seed is not None:
            raise Refused("--seed is that of --bootstrap, which is not given")
        return None
    from gslfit.resampling.draws import KINDS
    count, colon, kind = text.partition(":")
    if not count.strip().isdecimal() or int(count) < 2:
        raise Refused(f"--bootstrap {text}: how many replicates, 2 or more, is needed, such as 10000 or 10000:pairs")
    if colon and kind not in KINDS:
        raise Refused(f"--bootstrap {text}: there is no {kind!r}{meant(kind, KINDS)}; there are {', '.join(KINDS)}")
    return int(count), kind or None


def apply(settings: Settings, model: Any) -> None:
    """Write what is said about parameters into the hints of a model.

    Raises
    ------
    Refused
        If a parameter is unknown, or a value lies outside its bounds.
    """
    known = [*model.param_names, *(each for each in model.make_params() if each not in model.param_names)]
    for option, names in (("--start", settings.start), ("--bound", settings.bound), ("--fix", settings.fix)):
        for name in names:
            if name not in (known if option == "--bound" else model.param_names) and name not in settings.expr:
                raise Refused(f"{option} {name}: the model has no parameter {name!r}{meant(name, known)}; it has "
                              f"{', '.join(model.param_names)}")
    for name, (low, high) in settings.bound.items():
        limits = {"min": low, "max": high}
        model.set_param_hint(name, **{key: value for key, value in limits.items() if math.isfinite(value)})
    for name, value in settings.start.items():
        model.set_param_hint(name, value=value, vary=True)
    for name, fixed in settings.fix.items():
        model.set_param_hint(name, vary=False, **({} if fixed is None else {"value": fixed}))
    for name, text in settings.expr.items():
        model.set_param_hint(name, expr=text)
    _check_within(settings, model)


def _check_within(settings: Settings, model: Any) -> None:
    """Raise Refused for a start or a fixed value outside the bounds of its parameter."""
    limits: dict[str, dict[str, Any]] = {}
    for part in (*model.components, model):
        for root, hint in part.param_hints.items():
            known = {key: limit for key, limit in hint.items() if limit is not None}
            limits.setdefault(part.prefix + root, {}).update(known)
    given: list[tuple[str, str, float | None]] = [("--start", *each) for each in settings.start.items()]
    given += [("--fix", *each) for each in settings.fix.items()]
    for option, name, value in given:
        own = limits.get(name, {})
        low, high = own.get("min", -math.inf), own.get("max", math.inf)
        if value is not None and not low <= value <= high:
            raise Refused(f"{option} {name}={value:g} is outside the bounds of {name!r}, {low:g} to {high:g}")
