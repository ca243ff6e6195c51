"""The closed grammar: what it takes, what it refuses, and that nothing hostile gets through or hangs."""
import re
import sys
import time

import pytest

from gslfit.constraints.grammar import ANY_CALL, MAX_LENGTH, NUMERIC, parse
from gslfit.errors import ExpressionError

FUNCTIONS = {"exp": (1, 1), "max": (1, None), "log": (1, 2), "own": ANY_CALL}


def column(text, **kws):
    """Return the column of the error that a text gives."""
    with pytest.raises(ExpressionError) as caught:
        parse(text, functions=FUNCTIONS, **kws)
    return caught.value.column


def test_names_in_order_of_appearance():
    """Free names as they are first read, constants among them."""
    parsed = parse("b if a > pi else own(c, k=d) + b", functions=FUNCTIONS)
    assert parsed.names == ("b", "a", "pi", "c", "d")
    assert parsed.calls == ("own",)


def test_assignments():
    """Lines and semicolons; a target is no free name afterwards."""
    parsed = parse("t = (x - x0)/w; u = t**2\n  y0 + A*exp(-u*t)", functions=FUNCTIONS, assignments=True)
    assert parsed.names == ("x", "x0", "w", "y0", "A")
    assert [target for target, _ in parsed.lines] == ["t", "u", None]


def test_line_breaks_are_spaces():
    """An expression may run over lines."""
    assert parse("\n  a\n  + b\n", functions={}).names == ("a", "b")


@pytest.mark.parametrize(("text", "where", "words"), [
    ("a.b", 1, "attributes"), ("a + b[1]", 5, "subscripts"), ("a + (lambda: 1)", 6, "lambda"), ("[x for x in y]", 1, "comprehensions"),
    ("(y for y in x)", 1, "comprehensions"), ("{1: 2}", 1, "dictionaries"), ("{1, 2}", 1, "sets"), ("'text'", 1, "strings"),
    ("f'{a}'", 1, "strings"), ("b'a'", 1, "strings"), ("1 + 2j", 5, "complex"), ("exp(*a)", 5, "'*'"), ("own(**a)", 1, "'*'"),
    ("(a := 3)", 2, "':='"), ("None", 1, "None"), ("...", 1, "'...'"), ("a @ b", 1, "'@'"), ("1e999", 1, "too large"),
    ("9"*400, 1, "too large"), ("(a*b)(b)", 1, "only a function's name"), ("exp(1)(2)", 1, "only a function's name"),
    ("a.exp(1)", 1, "attributes"), ("exq(1)", 1, "did you mean 'exp'"), ("a + __import__('os')", 5, "no function"),
    ("exp()", 1, "takes 1 argument, not 0"), ("log(1, 2, 3)", 1, "1 to 2"), ("max()", 1, "at least 1"), ("max(1, key=2)", 1, "keyword"),
    ("", 1, "empty"), ("   ", 1, "empty"), ("a +", 4, "can't be read"), ("a = 1", 3, "can't be read"), ("1; 2", 2, "can't be read"),
    ("é + b.c", 5, "attributes"), ("a # b", 3, "'#'"), ("await x", 1, "await"), ("yield", 1, "can't be read"), ("import os", 1,
    "can't be read"),
    ("a\0b", None, "null bytes"), ("\ud800", None, "can't be read"), ("print", None, None)])
def test_refused(text, where, words):
    """Each refusal says what and where."""
    if words is None:
        assert parse(text, functions=FUNCTIONS).names == (text,)          # a bare name is only a name
        return
    with pytest.raises(ExpressionError, match=re.escape(words)) as caught:
        parse(text, functions=FUNCTIONS)
    assert where is None or caught.value.column == where


def test_caret():
    """The message shows the place."""
    with pytest.raises(ExpressionError) as caught:
        parse("a + b.c", functions={})
    assert str(caught.value).splitlines()[1:] == ["    a + b.c", "        ^"]
    assert caught.value.text == "a + b.c"


def test_caret_in_a_later_line():
    """Also where there are several lines."""
    with pytest.raises(ExpressionError, match=r"line 2, column 5") as caught:
        parse("t = x\n1 + t.y", functions={}, assignments=True)
    assert str(caught.value).splitlines()[1:] == ["    1 + t.y", "        ^"]


@pytest.mark.parametrize("text", ["a = 1", "a.b = 1; a", "a, b = 1; a", "a = b = 1; a", "for i in x: pass", "def f(): pass", "a += 1; a",
                                  "del a; a", "import os; os", "1; a", "class A: pass"])
def test_bad_assignments(text):
    """Only `name = expression`, then the value."""
    with pytest.raises(ExpressionError):
        parse(text, functions={}, assignments=True)


@pytest.mark.parametrize("text", ["a in (1, 2)", "a is b", "a ^ b", "a << 2", "[a]"])
def test_numeric_refuses(text):
    """What makes no sense over arrays is refused there, and taken elsewhere."""
    assert parse(text, functions={})
    column(text, nodes=NUMERIC)


HOSTILE = {
    "parentheses": "("*3000 + "1" + ")"*3000, "minus": "-"*9000 + "1", "not": "not "*2000 + "1", "power": "**".join("9"*3000),
    "sum": "+".join("a"*4000), "if": "1 if a else "*700 + "1", "calls": "exp("*1500 + "1" + ")"*1500, "digits": "9"*9000,
    "lists": "["*1500 + "]"*1500, "compare": "<".join("a"*4900), "tuple": "(" + "a,"*4900 + ")", "long": "a"*(MAX_LENGTH + 1),
    "lambda": "lambda:"*1200 + "1", "await": "await "*1500 + "x", "attributes": "a" + ".a"*4000, "subscripts": "a" + "[0]"*3000,
    "strings": "''"*4000, "braces": "{"*3000, "tilde": "~"*9999, "and": " and ".join("a"*1600), "newlines": "\n"*9999, "bom": "\ufeffa.b"}


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("assignments", [False, True])
def test_hostile_texts_end_quickly(name, assignments):
    """Nothing but an ExpressionError comes out, soon, however deep."""
    start = time.perf_counter()
    message = ""
    try:
        parse(HOSTILE[name], functions=FUNCTIONS, assignments=assignments)
    except ExpressionError as error:
        message = str(error)
    assert len(message) < 1000
    assert time.perf_counter() - start < 2


def test_near_the_recursion_limit():
    """Called deep down in someone's recursion, it still ends in an ExpressionError or a result."""
    def dive(depth):
        if depth:
            return dive(depth - 1)
        try:
            return parse("+".join(["a"]*150), functions={}).names
        except ExpressionError:
            return ("a",)
    assert dive(sys.getrecursionlimit() - 150) == ("a",)


@pytest.mark.parametrize("thing", [None, 3, b"a", ["a"]])
def test_not_a_text(thing):
    """Something else than a text is said to be so."""
    with pytest.raises(ExpressionError, match="is a text, not"):
        parse(thing, functions={})
