"""What an option may be: a number, a whole number, one of several names, a path. Each answer is given here, for every entry.

A check returns the value as its kind, or raises an error that names the option. What a caller's own object raises meanwhile is not caught.
"""
from __future__ import annotations

import operator
from collections.abc import Callable, Collection, Iterable, Mapping
from functools import wraps
from math import inf, isnan
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from gslfit.errors import InputError, InputTypeError

if TYPE_CHECKING:
    from pathlib import Path

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


def shown(value: Any) -> str:
    """Return a value for a message, cut short."""
    try:
        text = repr(value)
    except ValueError:              # an integer of thousands of digits
        text = f"an integer of {value.bit_length()} bits"
    return text if len(text) <= 60 else f"{text[:50]}... ({type(value).__name__})"


def as_float(name: str, value: Any) -> float:
    """Return a number, which may be NaN or infinite."""
    try:
        if isinstance(value, (str, bytes, bytearray)):
            raise TypeError
        return float(value)
    except (TypeError, ValueError):
        raise InputTypeError(f"{name} is {shown(value)}, which is not a number") from None
    except OverflowError:
        raise InputError(f"{name} is a number beyond the range of floats") from None


def real(name: str, value: Any, least: float = -inf, most: float = inf) -> float:
    """Return a number between `least` and `most`, both included.

    Raises
    ------
    InputTypeError
        The value is no number.
    InputError
        It is NaN or outside.
    """
    found = as_float(name, value)
    if isnan(found) or not least <= found <= most:
        limits = f"at least {least:g}" if most == inf else f"at most {most:g}" if least == -inf else f"between {least:g} and {most:g}"
        raise InputError(f"{name} is {shown(value)}: it must be {'a number' if least == -inf and most == inf else limits}")
    return found


def tolerance(name: str, value: Any) -> float:
    """Return a tolerance: finite and not negative."""
    found = None if value is None else as_float(name, value)
    if found is None or not 0 <= found < inf:
        raise InputError(f"{name} is {shown(value)}: a tolerance must be a number that is not negative")
    return found


def positive(name: str, value: Any) -> float:
    """Return a number that is finite and greater than 0."""
    found = as_float(name, value)
    if not 0 < found < inf:
        raise InputError(f"{name} is {shown(value)}: a positive number is needed")
    return found


def is_integer(value: Any) -> bool:
    """Return whether a value is an integer of Python's or NumPy's, and neither a truth value nor a time."""
    try:
        operator.index(value)
    except TypeError:
        return False
    return not isinstance(value, bool)


def whole(name: str, value: Any, least: int, most: int = 2**31 - 1) -> int:
    """Return a whole number of at least `least`; one above `most` becomes `most`.

    Raises
    ------
    InputTypeError
        The value is no whole number.
    InputError
        It is below `least`.
    """
    try:
        found = operator.index(value)
    except (TypeError, ValueError):
        number = real(name, value, -inf, inf)
        if number not in (inf, -inf) and number != int(number):
            raise InputError(f"{name} is {shown(value)}: it must be a whole number") from None
        found = most if number > most else int(max(number, least - 1))
    if found < least:
        raise InputError(f"{name} is {shown(value)}: it must be at least {least}")
    return min(found, most)


def count_if_given(name: str, value: Any) -> int | None:
    """Return a whole number from 1 on; None where none is given."""
    return None if value is None else whole(name, value, 1)


def choice(name: str, value: Any, known: Collection[str]) -> str:
    """Return one of the names that are known, a `str` itself for what is a subclass's; or raise InputError that lists them."""
    if not isinstance(value, str) or value not in known:
        raise InputError(f"{name}={shown(value)} is not one of {', '.join(map(repr, known))}")
    return value if type(value) is str else next(each for each in known if each == value)


def truth(name: str, value: Any) -> bool:
    """Return whether a value is true, or raise InputTypeError for one that doesn't say, such as a text: "False" would be true."""
    if isinstance(value, (str, bytes)):
        raise InputTypeError(f"{name} must be True or False, not {shown(value)}")
    return filled(name, value)


def filled(name: str, value: Any) -> bool:
    """Return whether a value, such as a text, is there and not empty, or raise InputTypeError for one that doesn't say."""
    try:
        return bool(value)
    except (TypeError, ValueError):
        raise InputTypeError(f"{name} must be True or False, not {shown(value)}") from None


def text(name: str, value: Any) -> str:
    """Return a text, or raise InputTypeError."""
    if not isinstance(value, str):
        raise InputTypeError(f"{name} must be a text, not {shown(value)}")
    return value


def text_or(name: str, value: Any, default: str) -> str:
    """Return a text, or the default for None and an empty one."""
    return default if value is None else text(name, value) or default


def function(name: str, value: Any) -> Any:
    """Return a function, or None for none; anything else is an InputTypeError."""
    if value is not None and not callable(value):
        raise InputTypeError(f"{name} must be a function, not {shown(value)}")
    return value


def is_sequence(value: Any) -> bool:
    """Return whether a value has items: no text, no bytes, and no array of a single number."""
    if type(value) is tuple or type(value) is list:         # asked most often, and an abstract class takes long to answer
        return True
    return isinstance(value, Iterable) and not isinstance(value, (str, bytes, bytearray)) and getattr(value, "shape", None) != ()


def words(name: str, value: Any) -> list[str]:
    """Return names: those of a sequence, or a single one."""
    if isinstance(value, str):
        return [value]
    found = list(value) if is_sequence(value) else None
    if found is None or not all(isinstance(each, str) for each in found):
        raise InputTypeError(f"{name} must be a name or a sequence of names, not {shown(value)}")
    return found


def as_name(name: Any) -> Any:
    """Return a name as Python reads it: letters that are written in several ways are one (NFKC); what is no name as it is.

    Examples
    --------
    >>> as_name("\u00b5") == "\u03bc"      # the micro sign and the Greek letter
    True
    """
    if not isinstance(name, str) or name.isascii() or not name.isidentifier():
        return name
    from unicodedata import normalize
    return normalize("NFKC", name)


def identifiers(name: str, value: Any) -> list[str]:
    """Return names of variables or parameters as `words` does, each as Python reads it."""
    return [as_name(each) for each in words(name, value)]


def mapping(name: str, value: Any) -> dict[Any, Any]:
    """Return a dict of its own, empty for None."""
    if value is None:
        return {}
    if type(value) is not dict and not isinstance(value, Mapping):      # an abstract class takes long to answer
        raise InputTypeError(f"{name} must be a dict, not {shown(value)}")
    return dict(value)


def by_name(name: str, value: Any) -> dict[Any, Any]:
    """Return a dict by names of variables or parameters, each as Python reads it; empty for None.

    Raises
    ------
    InputTypeError
        If the value is no mapping.
    InputError
        If two of its names are one.
    """
    given = mapping(name, value)
    if _all_plain(given):
        return given
    found = {as_name(key): each for key, each in given.items()}
    if len(found) < len(given):
        twice = next(key for key in given if as_name(key) != key and as_name(key) in given)
        raise InputError(f"{name} has {twice!r} and {as_name(twice)!r}, which Python reads as one name: leave one of them out")
    return found


def as_keywords(values: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return keywords of a call as they are, or by their names as Python reads them, where they were put in as ``**{...}``."""
    return values if not values or _all_plain(values) else by_name("the call", values)


def _all_plain(names: Iterable[Any]) -> bool:
    """Return whether all names are texts that Python reads as they are."""
    try:
        return "".join(names).isascii()
    except TypeError:
        return False


def json_tree(text: Any, **kws: Any) -> Any:
    """Return what a JSON text holds; a text that is none, or an integer in it that no float holds, is an InputError.

    Parameters
    ----------
    text : str
    **kws
        For `json.loads`.
    """
    import json
    try:
        return json.loads(text, **{"parse_int": _integer, **kws})
    except (TypeError, ValueError, RecursionError) as error:
        raise InputError(f"this is no JSON text: {error}") from None


def _integer(digits: str) -> int:
    """Return the integer of a text, if a float holds its size."""
    found = int(digits)
    as_float(f"an integer of {len(digits)} digits", found)
    return found


def path(name: str, value: Any) -> Path:
    """Return a path of the file system; one that no file system can have is an InputError."""
    from os import fsencode
    from pathlib import Path  # a third of what an import of gslfit would cost otherwise
    try:
        found = Path(value)
        encoded = fsencode(found)
    except TypeError:
        raise InputTypeError(f"{name} must be a path, not {shown(value)}") from None
    except UnicodeEncodeError as error:
        raise InputError(f"{name} is {value!r:.60}, and no path can hold it: {error.reason}") from None
    if b"\0" in encoded:
        raise InputError(f"{name} is {value!r:.60}, and no path can hold a null character")
    return found


def pickles(value: Any) -> bool:
    """Return whether a value can be pickled: a lambda, what is defined in a function, and an open file can't."""
    import pickle
    try:
        pickle.dumps(value)
    except Exception:       # whatever an object's own pickling raises
        return False
    return True


def width(name: str, value: Any) -> int:
    """Return a number of characters or digits, of at most 300."""
    return whole(name, value, 0, 300)


def package(module: str, extra: str, what: str) -> Any:
    """Import a module of a package that only one extra of gslfit needs.

    Parameters
    ----------
    module : str
        The module, with dots.
    extra : str
        The extra of gslfit that installs it.
    what : str
        What needs it, for the message.

    Raises
    ------
    ImportError
        If it is not installed; the message names the extra.
    """
    from importlib import import_module
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        top = module.partition(".")[0]
        if error.name is None or error.name.partition(".")[0] != top:
            raise
        raise ImportError(f"{what} needs {top}, which is not installed: pip install 'gslfit[{extra}]'", name=top) from None


def names_once(starts: str) -> Callable[[Callable[Arguments, Result]], Callable[Arguments, Result]]:
    """Return a decorator of an entry: an argument that is given by position and by name is an InputError, not Python's TypeError.

    Parameters
    ----------
    starts : str
        Where the start of a parameter goes that has an argument's name, `{name}`.
    """
    def decorate(entry: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
        code = entry.__code__  # type: ignore[attr-defined]
        by_place = code.co_varnames[:code.co_argcount]
        names = frozenset(by_place)

        @wraps(entry)
        def call(*args: Arguments.args, **kws: Arguments.kwargs) -> Result:
            if names.isdisjoint(kws):
                return entry(*args, **kws)
            for name, value in zip(by_place, args):             # noqa: B905  (fewer may be given)
                if name in kws:
                    raise InputError(f"{name} is given twice, by position ({type(value).__name__}) and by name ({shown(kws[name])}): if "
                                     f"{name!r} is a parameter, its start goes into {starts.format(name=name)}")
            return entry(*args, **kws)
        return call
    return decorate


def checked_workers(name: str, value: Any) -> Any:
    """Return what an option says of workers: None, a number of processes, an executor, or a function like `map`.

    Raises
    ------
    InputError, InputTypeError
        If it is none of these.
    """
    if value is None or callable(value) or hasattr(value, "submit") or hasattr(value, "imap"):
        return value
    if not is_integer(value):
        raise InputTypeError(f"{name} is a number of processes, -1 for one each core, an executor of concurrent.futures, a pool or a "
                             f"function like map, not {shown(value)}")
    number = whole(name, value, -1)
    if not number:
        raise InputError(f"{name} must be a number of processes from 1, or -1 for one each core, not 0")
    return None if number == 1 else number
