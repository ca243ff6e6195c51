"""Parameter and Parameters: what the lmfit manual promises, what today's lmfit users expect, and what is refused."""
import copy
import gc
import io
import json
import pickle
import weakref

import lmfit
import numpy as np
import pytest

from gslfit import Parameter, Parameters
from gslfit.errors import ExpressionError, InputError, InputTypeError, NonFiniteError, ParameterError, ParameterNameError


def test_inputs_become_attributes():
    """Every input reads back, in the manual's order and by name."""
    p = Parameter(2, True, 1, 3, "a")
    assert (p.value, p.vary, p.min, p.max, p.name, p.expr) == (2, True, 1, 3, "a", None)
    p = Parameter(expr="2*b", name="c", brute_step=.1, user_data=[1])
    assert (p.value, p.vary, p.expr, p.brute_step, p.user_data) == (None, False, "2*b", .1, [1])
    p = Parameter()
    assert (p.value, p.vary, p.min, p.max, p.name, p.expr, p.stderr, p.correl, p.init_value) == (None, True, *[None]*7)


def test_name_first():
    """A string in front is the name, as in lmfit 1.3."""
    p = Parameter("a", 2, False, 1, 3)
    assert (p.name, p.value, p.vary, p.min, p.max) == ("a", 2, False, 1, 3)
    assert Parameter("a", value=7).value == 7


@pytest.mark.parametrize("call", [lambda: Parameter(1, value=2), lambda: Parameter(colour=3), lambda: Parameter(*range(9)),
                                  lambda: Parameter("a", name="b")])
def test_bad_inputs(call):
    """An input too many is named."""
    with pytest.raises(InputTypeError, match=r"twice|has no input 'colour'|at most"):
        call()


def test_name_from_key():
    """A Parameter without a name gets its key's."""
    params = Parameters()
    params["period"] = Parameter(value=2, min=1e-10)
    assert params["period"].name == "period"


@pytest.mark.parametrize("value", ["1", b"1", 1j, [1], np.array([1., 2.]), object()])
def test_value_is_a_real_number(value):
    """Something else than a number is refused by name."""
    p = Parameter(name="a")
    with pytest.raises(InputTypeError, match=r"'a'.*real number"):
        p.value = value


@pytest.mark.parametrize("value", [1, True, np.float32(1), np.int64(1), np.array(1.), Parameter(1)])
def test_numbers_of_all_kinds(value):
    """Every kind of real scalar becomes a float."""
    p = Parameter(value)
    assert type(p.value) is float
    assert p.value == 1


@pytest.mark.parametrize(("low", "high", "words"), [(3, 1, "min = 3.0 is above max = 1.0"), (1, 1, "vary=False"), (float("nan"), 1,
    "min is NaN"),
                                                    (0, float("nan"), "max is NaN"), (float("inf"), None, "min is inf")])
def test_bad_bounds(low, high, words):
    """Bounds that leave no room are refused at once, however they are set."""
    with pytest.raises(ParameterError, match=words):
        Parameter(1, name="a", min=low, max=high)
    p = Parameter(1, name="a")
    with pytest.raises(ParameterError, match="'a'"):
        p.set(min=low, max=high)
    with pytest.raises(ParameterError, match="'a'"):
        p.min, p.max = low, high


def test_bounds_read_back():
    """None for no bound; an infinite one is none."""
    p = Parameter(1, min=-np.inf, max=np.inf)
    assert p.min is None
    assert p.max is None
    p.min = 0
    assert p.min == 0
    p.set(min=5, max=6)
    assert (p.min, p.max) == (5, 6)


def test_expression_and_vary():
    """An expression fixes; varying or a value clears it."""
    p = Parameters()
    p.add("a", 3)
    p.add("b", expr="2*a")
    assert p["b"].vary is False
    assert p["b"].value == 6
    p["b"].vary = True
    assert p["b"].expr is None
    assert p["b"].value == 6
    p["b"].expr = "a + 1"
    assert (p["b"].vary, p["b"].value) == (False, 4)
    p["b"].value = 9
    assert (p["b"].expr, p["b"].vary, p["b"].value) == (None, False, 9)
    p["b"].set(expr="a", vary=None)
    assert p["b"].value == 3
    p["b"].expr = ""
    assert (p["b"].expr, p["b"].value) == (None, 3)


def test_expressions_follow():
    """A read sees the values of now, through several expressions."""
    p = Parameters()
    p.add_many(("a", 1), ("b", None, False, None, None, "2*a"), ("c", None, False, None, None, "b + a"))
    assert p["c"].value == 3
    p["a"].value = 10
    assert p["c"].value == 30
    assert p["b"].value == 20
    p["b"].value = 0
    assert p["c"].value == 10
    p["a"] = Parameter(4)
    assert p["c"].value == 4


def test_names_added_later():
    """The manual's own order: cen_2 before the wid_2 that it names."""
    p = Parameters()
    p.add("cen_2", expr="cen_1 * wid_2 / max(wid_1, 0.001)")
    p.add("wid_2", expr="sqrt(pi)*wid_1")
    with pytest.raises(ExpressionError, match=r"'cen_2'.*no parameter 'cen_1'"):
        p["cen_2"].value      # noqa: B018
    p.add("cen_1", 2.2)
    p.add("wid_1", .2)
    assert p["cen_2"].value == pytest.approx(2.2*np.sqrt(np.pi))


def test_bad_expression_at_once():
    """What the grammar can't have is refused when it is set."""
    p = Parameters()
    for text in ("a +", "a.b", "().__class__", "__import__('os').system('true')", "[x for x in (1,)]"):
        with pytest.raises(ExpressionError):
            p.add("b", expr=text)
        with pytest.raises(ExpressionError):
            Parameter(expr=text)
    assert not p


def test_nan_is_an_error():
    """A NaN is named, not handed on."""
    p = Parameters()
    p.add("a", -1)
    p.add("b", expr="sqrt(a)")
    with pytest.raises(NonFiniteError, match=r"'b'.*'sqrt\(a\)'.*a = -1"):
        p["b"].value      # noqa: B018
    assert "?" in repr(p)
    assert "<table " in p._repr_html_()
    p.pretty_print()


def test_parameter_without_value():
    """An expression over a parameter that was given no value says so."""
    p = Parameters()
    p.add("a")
    p.add("b", expr="2*a")
    with pytest.raises(ParameterError, match="'a' has no value"):
        p["b"].value      # noqa: B018
    with pytest.raises(ParameterError, match=r"'a'.*no value"):
        2*p["a"]


def test_arithmetic():
    """A Parameter acts as its value, in every operation that lmfit's has, with NumPy too."""
    ours, theirs = Parameter(name="a", value=-2.5), lmfit.Parameter("a", -2.5)
    other, their_other = Parameter(name="b", value=3.), lmfit.Parameter("b", 3.)
    for act in (lambda a, b: 2*a, lambda a, b: a*2, lambda a, b: a + b, lambda a, b: 1 - a, lambda a, b: a - 1, lambda a, b: a/b,
        lambda a, b: 1/a,
                lambda a, b: a // 2, lambda a, b: 7 // a, lambda a, b: a % 2, lambda a, b: 7 % b, lambda a, b: a**2, lambda a, b: 2**a,
                lambda a, b: -a, lambda a, b: +a, lambda a, b: abs(a), lambda a, b: float(a), lambda a, b: int(a), lambda a, b: bool(a),
                lambda a, b: divmod(7, 2) and a < b, lambda a, b: a <= -2.5, lambda a, b: a > b, lambda a, b: a <= 0, lambda a,
                b: a == -2.5,
                lambda a, b: a != b, lambda a, b: np.sin(a), lambda a, b: np.hypot(a, b), lambda a, b: np.array([1., 2])*a,
                lambda a, b: a*np.array([1., 2]), lambda a, b: np.exp(-np.arange(3)/b), lambda a, b: np.array([a.value, b]),
                lambda a, b: b**np.arange(3), lambda a, b: round(a.value), lambda a, b: np.add(a, np.ones(2))):
        assert np.array_equal(act(ours, other), act(theirs, their_other))
        assert type(act(ours, other)) is type(act(theirs, their_other))
    assert ours == Parameter(-2.5)
    assert Parameter() != 3


@pytest.mark.parametrize("name", ["1a", "a b", "a-b", "", "lambda", "None", "x²", "a\n", "a.b"])
def test_bad_names(name):
    """A name that can't be is a KeyError and a ValueError that shows it."""
    p = Parameters()
    for put in (lambda: p.add(name, 1), lambda: p.__setitem__(name, Parameter(1)), lambda: Parameter(1, name=name)):
        with pytest.raises(ParameterNameError) as caught:
            put()
        assert repr(name) in str(caught.value)
    assert issubclass(ParameterNameError, KeyError)
    assert issubclass(ParameterNameError, ValueError)
    with pytest.raises(ParameterNameError, match="string"):
        p[3] = Parameter()


def test_values_are_parameters():
    """Anything else as a value is refused."""
    p = Parameters()
    for thing in (3, None, "1"):
        with pytest.raises((TypeError, ValueError), match="must be a Parameter"):
            p["a"] = thing
    with pytest.raises(ValueError, match="must be a Parameter"):
        p["a"] = 3


def test_missing_key():
    """A wrong name is answered by near ones."""
    p = Parameters()
    p.add("amplitude", 1)
    with pytest.raises(KeyError, match="no parameter 'amplitud'; did you mean 'amplitude'"):
        p["amplitud"]


def test_add_many():
    """Tuples in the manual's order, short ones too, Parameters among them."""
    p = Parameters()
    p.add_many(("amp1", 10, True, None, None, None), ("cen1", 1.2, True, .5, 2.0, None), ("wid2", None, False, None, None, "2*wid1/3"),
               ("wid1", .8), Parameter(3, name="x"))
    assert [*p] == ["amp1", "cen1", "wid2", "wid1", "x"]
    assert p["wid2"].value == pytest.approx(1.6/3)
    assert (p["cen1"].min, p["cen1"].max) == (.5, 2)
    q = Parameters()
    q.add_many([("a", 1), ("b", 2)])
    assert q.valuesdict() == {"a": 1, "b": 2}
    with pytest.raises(InputError, match="has 9"):
        q.add_many(tuple("abcdefghi"))


def test_add_a_parameter():
    """The whole object may be handed over, if it has a name."""
    p = Parameters()
    par = Parameter("a", 1)
    p.add(par)
    assert p["a"] is par
    with pytest.raises(ParameterNameError, match="must have a name"):
        p.add(Parameter(1))


def test_one_owner():
    """A Parameter of other Parameters is copied on the way in."""
    p, q = Parameters(), Parameters()
    p.add("a", 1)
    q["a"] = p["a"]
    p["b"] = p["a"]
    q["a"].value = 5
    p["b"].value = 6
    assert p["a"].value == 1
    assert p["b"].name == "b"


def full():
    """Parameters with something of everything."""
    p = Parameters(usersyms={"half": .5})
    p.add_many(("a", 1.5, True, 0), ("b", 2, False), ("c", None, False, None, None, "half*a + b"))
    p["a"].stderr, p["a"].correl, p["a"].init_value, p["a"].user_data = .1, {"b": .2}, 1., [1, 2]
    return p


def same(p, q):
    """Whether all there is to see is the same."""
    return [par.__getstate__() for par in p.values()] == [par.__getstate__() for par in q.values()]


@pytest.mark.parametrize("duplicate", [lambda p: p.copy(), copy.copy, copy.deepcopy, lambda p: pickle.loads(pickle.dumps(p)),
                                       lambda p: Parameters().loads(p.dumps()), lambda p: p + Parameters(), lambda p: p | Parameters()],
                         ids=["copy", "copy.copy", "deepcopy", "pickle", "json", "plus", "or"])
def test_duplicates(duplicate):
    """Every kind of copy is equal and independent."""
    p = full()
    q = duplicate(p)
    assert same(p, q)
    assert type(q) is Parameters
    q["a"].value = 7
    q["a"].correl["b"] = 9
    assert p["a"].value == 1.5
    assert p["a"].correl == {"b": .2}
    assert q["c"].value == 5.5
    assert p["c"].value == 2.75


def test_deepcopy_of_user_data():
    """copy shares user_data, deepcopy doesn't."""
    p = full()
    assert p.copy()["a"].user_data is p["a"].user_data
    assert copy.deepcopy(p)["a"].user_data is not p["a"].user_data


def test_copies_of_one_parameter():
    """A Parameter alone copies and pickles too."""
    p = full()
    for q in (copy.copy(p["a"]), copy.deepcopy(p["a"]), pickle.loads(pickle.dumps(p["a"]))):
        assert q.__getstate__() == p["a"].__getstate__()
        q.value = 0
    assert p["a"].value == 1.5


def test_files():
    """dump and load."""
    file = io.StringIO()
    p = full()
    assert p.dump(file) > 0
    file.seek(0)
    assert same(Parameters().load(file), p)


@pytest.mark.parametrize("text", ["", "3", "[]", "{}", '{"params": 3}', '{"params": [{}]}', '{"params": [{"name": "a", "value": "1"}]}',
                                  '{"params": [{"name": "a", "value": [1]}]}', '{"params": [{"name": "__class__.x", "value": 1}]}',
                                  '{"params": [{"name": "a", "expr": "__import__(\'os\').system(\'touch hacked\')"}]}',
                                  '{"params": [{"name": "a", "expr": "().__class__"}]}',
                                  '{"params": [{"name": "a", "min": 3, "max": 1}]}',
                                  '{"params": [{"name": "a", "correl": "b"}]}', '{"params": [], "constants": {"f": "print"}}'])
def test_hostile_json(text, tmp_path, monkeypatch):
    """What isn't ours is refused, nothing runs, and what was there stays."""
    monkeypatch.chdir(tmp_path)
    p = full()
    with pytest.raises((InputError, InputTypeError)):
        p.loads(text)
    assert same(p, full())
    assert not [*tmp_path.iterdir()]


def test_json_of_todays_lmfit():
    """The numbers are plain JSON."""
    content = json.loads(full().dumps(indent=1))
    assert content["params"][0]["value"] == 1.5
    assert content["params"][2]["expr"] == "half*a + b"


def test_dictionary_methods():
    """update, |=, pop, popitem, setdefault, del, clear keep names and expressions right."""
    p, q = full(), Parameters()
    q.add_many(("b", 5), ("d", 6))
    p.update(q)
    assert p["c"].value == 5.75
    p |= q
    p += q
    assert [*p] == ["a", "b", "c", "d"]
    assert p.pop("d").value == 6
    assert p.pop("d", None) is None
    with pytest.raises(KeyError, match="'d'"):
        p.pop("d")
    del p["b"]
    with pytest.raises(ExpressionError, match="no parameter 'b'"):
        p["c"].value      # noqa: B018
    assert p.setdefault("b", Parameter(1)).value == 1
    assert p["c"].value == 1.75
    assert p.popitem()[0] == "b"
    p.clear()
    assert not p
    assert isinstance(p, dict)


def test_set_and_eval():
    """Several at once, and an expression on the spot."""
    p = full()
    p.set(a=3, b={"value": 4, "max": 9}, c="a*b")
    assert p["c"].value == 12
    assert p["b"].max == 9
    assert p.eval("c + half") == 12.5
    with pytest.raises(KeyError, match="no parameter 'q'"):
        p.set(q=1)


def test_pretty_print(capsys):
    """lmfit's table."""
    p = Parameters()
    p.add_many(("amp", 1.23456, True, 0), ("wid", 2, False))
    p.add("b", expr="2*amp")
    p.pretty_print()
    theirs = lmfit.Parameters()
    theirs.add("amp", 1.23456, True, 0)
    theirs.add("wid", 2., False)
    theirs.add("b", expr="2*amp")
    ours = capsys.readouterr().out
    theirs.pretty_print()
    assert sorted(line.split() for line in ours.splitlines()) == sorted(line.split() for line in capsys.readouterr().out.splitlines())


def test_html_is_escaped():
    """An expression's '<' doesn't become markup."""
    p = Parameters()
    p.add("a", 1)
    p.add("b", expr="1 if a < 2 else 3")
    assert "a &lt; 2" in p._repr_html_()


def test_no_leak():
    """Parameters without expressions are freed at once, those with them by the collector."""
    p = Parameters()
    p.add("a", 1)
    gone = weakref.ref(p)
    del p
    assert gone() is None
    p = full()
    gone, kept = weakref.ref(p), p["c"]
    del p
    assert kept.value == 2.75
    del kept
    gc.collect()
    assert gone() is None


def test_long_chain():
    """A thousand expressions in a row."""
    p = Parameters()
    p.add("p0", 1)
    for i in range(1000):
        p.add(f"p{i + 1}", expr=f"p{i} + 1")
    assert p["p1000"].value == 1001
    b = p.bind()
    b.put(b.start + 1)
    assert b.params["p1000"].value == 1002
    assert b.dependents()[1][-1] == 1


def test_a_value_that_is_a_string_is_named_rightly():
    """This used to take the value for the name: add('w', 'one') complained of parameter 'one'."""
    with pytest.raises(InputTypeError, match="parameter 'w': a value is a real number, not str: 'one'"):
        Parameters().add("w", "one")


def test_an_array_of_parameters_is_their_values():
    """Expressions too; one without a value is an error, as its float is."""
    params = Parameters()
    params.add_many(("a", 3), ("b", 4))
    params.add("c", expr="a + b")
    found = np.array(params)
    assert found.dtype == np.float64
    assert found.tolist() == [3, 4, 7]
    assert np.asarray(params, np.float32).dtype == np.float32
    params.add("d")
    with pytest.raises(ParameterError, match="'d'.*no value"):
        np.array(params)
