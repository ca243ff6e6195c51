"""Write docs/errors.md from gslfit's own tables: `python docs/make_errors.py`. A test holds the page to them."""
from pathlib import Path

from gslfit import errors

PAGE = Path(__file__).with_name("errors.md")
HEAD = """# Errors and statuses

<!-- Written by docs/make_errors.py from the tables in gslfit/errors.py: change them there. -->

Whatever gslfit raises by itself is a `gslfit.errors.FitError`, and also the built-in exception one would expect, so that
`except ValueError` works. The message names the culprit (which parameter, which index, which shape) and what to do. An exception
that comes out of your own function reaches you as it is, KeyboardInterrupt and SystemExit included, and the next fit works.

A fit that ends without an answer is no exception: its `success` is False and its `message` says why. What is doubtful but has an
answer is a `FitWarning`.

```python
import gslfit.errors

try:
    gslfit.errors.check(21, "covar")
except ArithmeticError as error:
    print(type(error).__name__, error.code, error)
```

```text
SingularError 21 covar: a matrix is singular (GSL_ESING)
```
"""
SECTIONS = """
## Invalid input

| class | also a | means |
|---|---|---|
{inputs}

## Failures reported by GSL

`GSLError.code` has GSL's number. The codes that tell how an iteration ended (`CONTINUE`, `ENOPROG`, `ETOLF`, `ETOLX`, `ETOLG`) are
judged by the gradient and the step, so a fit that ends with one of them at the minimum is a success.

| code | GSL's name | class | also a | means |
|---|---|---|---|---|
{statuses}
"""


def also(kind):
    """Return the built-in exceptions that a class is besides being gslfit's."""
    return ", ".join(f"`{base.__name__}`" for base in kind.__mro__
                     if base.__module__ == "builtins" and base in (ValueError, TypeError, KeyError, *extra()))


def extra():
    """Return the built-in exceptions that the table of statuses mixes in."""
    return {base for status in errors.STATUSES.values() for base in status.error.__bases__ if base.__module__ == "builtins"}


def descendants(kind):
    """Yield a class and everything derived from it, depth first."""
    yield kind
    for child in kind.__subclasses__():
        yield from descendants(child)


def page():
    """Give the page as text."""
    inputs = [kind for kind in descendants(errors.FitError) if not issubclass(kind, errors.GSLError) and kind.__module__ == errors.__name__]
    rows = [f"| `{kind.__name__}` | {also(kind)} | {kind.__doc__.splitlines()[0]} |" for kind in inputs]
    statuses = [f"| {status.code} | `{status.name}` | {f'`{status.error.__name__}`' if status.error is not errors.GSLError else ''} "
                f"| {also(status.error)} | {status.prose} |" for status in errors.STATUSES.values()]
    return HEAD + SECTIONS.format(inputs="\n".join(rows), statuses="\n".join(statuses))


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
