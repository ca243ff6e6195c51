"""Values of wrong kinds, drawn at random; and what a caller's own objects raise."""

import datetime
import decimal
import fractions
import random

import numpy as np


class Own(Exception):
    """What the caller's own functions and objects raise."""


class Hostile:
    """An object whose every use raises."""

    def __array__(self, *args, **kws):
        raise Own

    __float__ = __int__ = __index__ = __len__ = __iter__ = __getitem__ = __call__ = __bool__ = __array__
    __add__ = __sub__ = __mul__ = __eq__ = __lt__ = __array__
    __hash__ = object.__hash__


class Sized:
    """An object that claims to have an enormous length."""

    def __len__(self):
        return 2**62

    def __getitem__(self, index):
        raise IndexError


def raises(*args, **kws):
    """Raise an error."""
    raise Own


INTEGERS = (
    0,
    1,
    -1,
    2,
    3,
    7,
    64,
    65,
    2**31 - 1,
    2**31,
    -(2**31),
    2**32,
    2**53 + 1,
    2**63 - 1,
    2**63,
    2**64,
    -(2**63),
    -(2**63) - 1,
    10**400,
    -(10**400),
)
NUMBERS = (
    0.0,
    -0.0,
    1.0,
    0.5,
    -3.7,
    1e-8,
    1e-300,
    5e-324,
    1e300,
    1.7e308,
    float("nan"),
    float("inf"),
    float("-inf"),
    1 + 2j,
    complex("nan"),
    True,
    False,
    fractions.Fraction(1, 3),
    decimal.Decimal("1e400"),
    decimal.Decimal("NaN"),
    np.float32(2),
    np.int8(3),
    np.longdouble("1e4000"),
    np.uint64(2**64 - 1),
    np.float64("nan"),
    np.bool_(True),
    np.datetime64("2020-01-01"),
    np.timedelta64(3, "s"),
)
TEXTS = (
    "",
    " ",
    "a",
    "x",
    "y",
    "tau",
    "a*exp(-x/tau) + c",
    "a*x",
    "a*",
    "((",
    ")" * 50,
    "(" * 300 + "a" + ")" * 300,
    "a*exp(-x",
    "lambda: 1",
    "__import__('os')",
    "a.b",
    "a[0]",
    "1/0",
    "0**-1",
    "10**400*a",
    "9" * 5000,
    "a**" * 40 + "a",
    "\0",
    "é",
    "\ud800",
    "a\nb",
    "1e999*a*x",
    "gamma(a*x)",
    "sqrt(-1)",
    "if",
    "lmsder",
    "auto",
    "omit",
    "raise",
    "mark",
    "leastsq",
    "nelder",
    "not a method",
    "{}",
    "[1, 2",
    '{"a": 1' + "0" * 400 + "}",
    "/nonexistent/file",
    "a" * 100_000,
    "max(a, x)",
    "inf",
    "nan*a",
    "-" * 3000 + "a",
    "a+" * 3000 + "a",
    "x if a else c",
    "a % 0",
    "a // 0",
    "exp(exp(exp(exp(a))))",
    "factorial(a)",
    "log(0)*a",
    "1e400",
    "a << 3",
)
OTHERS = (
    None,
    ...,
    NotImplemented,
    object(),
    type,
    int,
    len,
    print,
    range(5),
    range(2**62),
    slice(None),
    b"bytes",
    bytearray(b"x"),
    memoryview(b"abc"),
    [],
    [[]],
    [1, 2, [3]],
    [None],
    ["a", "b"],
    (),
    (1,),
    {},
    {"a": 1},
    {1: 2},
    {"a": None},
    {"x": [1, 2]},
    {"a": 10**400},
    set(),
    {1, 2},
    frozenset(),
    Hostile(),
    Sized(),
    raises,
    lambda: None,
    lambda *a, **k: None,
    lambda *a, **k: float("nan"),
    lambda *a, **k: "text",
    lambda *a, **k: np.zeros(0),
    lambda *a, **k: np.zeros((3, 3)),
    lambda x, a: a * x,
    lambda x, a, b: a * np.exp(-b * x),
    lambda p: [1.0, 2.0, 3.0],
    lambda p: None,
    datetime.date(2020, 1, 1),
    Exception("x"),
    iter([1, 2]),
    (k for k in range(3)),
    [10**400] * 40,
    [1e308] * 40,
    [2**63] * 3,
    ["nan"] * 40,
    [True] * 40,
    [1 + 1j] * 40,
)


def array(rng: random.Random):
    """Return an array of some shape, kind, order and content."""
    shape = rng.choice(
        [
            (),
            (0,),
            (1,),
            (2,),
            (3,),
            (39,),
            (40,),
            (41,),
            (0, 40),
            (40, 0),
            (1, 40),
            (3, 40),
            (40, 1),
            (40, 40),
            (2, 3, 40),
            (1,) * 8 + (40,),
            (3, 3),
        ]
    )
    kind = rng.choice(
        [
            "f8",
            "f8",
            "f8",
            "f4",
            "f2",
            "g",
            "i1",
            "u1",
            "i4",
            "i8",
            "u8",
            "?",
            "c16",
            ">f8",
            ">i4",
            "O",
            "U3",
            "S2",
            "M8[s]",
            "m8[s]",
            "V4",
            "f8,i4",
        ]
    )
    size = int(np.prod(shape))
    values = np.random.default_rng(rng.randrange(2**32)).normal(1, 1, size)
    if size and rng.random() < 0.3:
        values[rng.randrange(size)] = rng.choice([np.nan, np.inf, -np.inf, 1e308, 0])
    if rng.random() < 0.2:
        values[:] = rng.choice([0, 1, np.nan, 1e300, 1e-300])
    with np.errstate(all="ignore"):
        try:
            made = (
                np.zeros(shape, kind)
                if kind in ("V4", "f8,i4")
                else values.reshape(shape).astype("i8" if kind[0] in "Mm" else kind).astype(kind)
            )
        except (ValueError, OverflowError):
            made = np.zeros(shape)
    if kind == "O" and size and rng.random() < 0.5:
        made.flat[rng.randrange(size)] = rng.choice([None, "a", 10**400, Hostile(), [1]])
    form = rng.random()
    if form < 0.1:
        made = np.ma.masked_array(made, mask=rng.random() < 0.5)
    elif form < 0.2 and made.ndim:
        made = made[::-1]
    elif form < 0.3:
        made = np.asfortranarray(made)
    elif form < 0.4:
        made.flags.writeable = False
    elif form < 0.45 and made.ndim and made.dtype.kind == "f":
        return made.tolist()
    elif form < 0.5:
        made = np.broadcast_to(made, (2, *made.shape))
    return made


def junk(rng: random.Random):
    """Anything."""
    which = rng.random()
    if which < 0.15:
        return rng.choice(INTEGERS)
    if which < 0.35:
        return rng.choice(NUMBERS)
    if which < 0.5:
        return rng.choice(TEXTS)
    if which < 0.7:
        return rng.choice(OTHERS)
    if which < 0.8:
        return "".join(rng.choice("ax+-*/()., 01e[]'\"=<>%!&|^~:;\n") for _ in range(rng.randrange(1, 20)))
    return array(rng)
