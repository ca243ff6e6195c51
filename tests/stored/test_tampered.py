"""Files whose members are others than gslfit writes are read, or refused by a FitError that says why: every member, every wrong kind."""
import copy
import json

import numpy as np
import pytest

import gslfit
from gslfit.errors import FitError
from gslfit.models import GaussianModel, Model

X = np.linspace(0, 8, 15)
Y = 4*np.exp(-(X - 3)**2/.8) + .03*np.sin(9*X)
DIGITS = (400, 5000)
WRONG = ["400 digits", "5000 digits", 0, -1, 2**63, 1e308, True, None, "", "a", "\0", "nan", "__import__", [], [1], [[1, 2], [3]],
         ["400 digits"], {}, {"a": 1}, {"array": ["400 digits"], "shape": [1]}, {"array": [1, 2], "shape": [2**70]},
         {"array": [1], "shape": "x"}, {"complex": [1]}]
LONG = 100_000      # brackets: deeper than any reader goes


def parameters():
    """Parameters with all that they may have."""
    params = gslfit.Parameters(usersyms={"scale": 2.0})
    params.add("a", 1.5, min=-3.0, max=7.0, brute_step=2.5)
    params.add("b", expr="scale*a")
    params["a"].stderr, params["a"].correl, params["a"].init_value = 0.25, {"b": 0.125}, 1.25
    return params


def result():
    """Return a model's result."""
    return GaussianModel().fit(Y, x=X, weights=np.full(15, 2.0), amplitude=5, center=2.8, sigma=.7)


RESULT = result()       # takes one result after another out of texts
WRITTEN = {
    "Parameters": (lambda: parameters().dumps(), lambda text: gslfit.Parameters().loads(text).dumps()),
    "Model": (lambda: Model("a*x + b").dumps(), lambda text: Model("a*x").loads(text).fit(Y, x=X, a=1, b=1)),
    "library": (lambda: GaussianModel(prefix="p_").dumps(), lambda text: Model("a*x").loads(text).dumps()),
    "composite": (lambda: (GaussianModel() + Model("c*x")).dumps(), lambda text: Model("a*x").loads(text).dumps()),
    "ModelResult": (lambda: result().dumps(), lambda text: RESULT.loads(text).fit_report()),
}


def places(tree, path=()):
    """Yield the paths of all members of a JSON tree; of a long list the first two."""
    yield path
    items = tree.items() if isinstance(tree, dict) else enumerate(tree[:2]) if isinstance(tree, list) else ()
    for key, value in items:
        yield from places(value, (*path, key))


def with_member(tree, path, value):
    """Return a tree with another member at a path; what lies beside the path is that of the tree given."""
    if not path:
        return value
    changed = copy.copy(tree)
    changed[path[0]] = with_member(tree[path[0]], path[1:], value)
    return changed


def without_member(tree, path):
    """Return a tree without a member; what lies beside it is that of the tree given."""
    above = tree
    for key in path[:-1]:
        above = above[key]
    above = copy.copy(above)
    del above[path[-1]]
    return with_member(tree, path[:-1], above)


def written(tree):
    """JSON text, with integers of many digits where a word stands for them."""
    found = json.dumps(tree)
    for digits in DIGITS:
        found = found.replace(f'"{digits} digits"', "9"*digits)
    return found


@pytest.mark.parametrize("kind", WRITTEN)
def test_members_of_wrong_kinds(kind):
    """Each member in turn is each wrong thing, or missing; then what was read is used."""
    write, use = WRITTEN[kind]
    tree, refused, wrong = json.loads(write()), 0, []
    use(written(tree))
    for path in places(tree):
        for changed in [*(with_member(tree, path, value) for value in WRONG), *([without_member(tree, path)] if path else [])]:
            try:
                use(written(changed))
            except FitError:
                refused += 1
            except Exception as error:
                wrong.append(f"{path}: {type(error).__name__}: {str(error)[:100]}")
    assert not wrong, "\n".join(wrong)
    assert refused > 100


@pytest.mark.parametrize("kind", WRITTEN)
@pytest.mark.parametrize("text", ["["*LONG, '{"a": '*LONG, "", "nan", "\ud800", "9"*5000, "[" + "9"*5000 + "]"])
def test_texts_that_are_no_json(kind, text):
    """What is no JSON, or nested without end, is refused."""
    with pytest.raises(FitError):
        WRITTEN[kind][1](text)


def test_members_of_a_batch(tmp_path):
    """So are the arrays and the head of a stored batch, and files that are cut off or changed in the middle."""
    path = tmp_path / "batch.npz"
    gslfit.fit_batch("a*exp(-x/tau)", np.array([Y, Y + 1]), x=X, a=1.0, tau=2.0).save(path)
    with np.load(path) as stored:
        arrays = dict(stored)
    head = json.loads(str(arrays["head"]))

    def use(content):
        np.savez(path, **content)
        attempt()

    def attempt():
        try:
            found = gslfit.BatchResult.load(path)
            found.summary() if hasattr(found, "summary") else repr(found)
            return found.success, found[0].params, found.best_fit(), found.stderr
        except FitError:
            return None

    for name in arrays:
        for value in (np.array(2**63), np.zeros(0), np.zeros((3, 3)), np.array("a"), np.array([1 + 1j]), np.full(2, 99), np.full(2, np.nan),
                      np.array(["x", "y"]), np.array(b"\0"), np.zeros(2, "M8[s]")):
            use(arrays | {name: value})
        use({key: value for key, value in arrays.items() if key != name})
    for key in head:
        for value in WRONG:
            use(arrays | {"head": np.array(written(head | {key: value}))})
    gslfit.fit_batch("a*exp(-x/tau)", np.array([Y, Y + 1]), x=X, a=1.0, tau=2.0).save(path)
    whole = path.read_bytes()
    rng = np.random.default_rng(3)
    for _ in range(300):
        damaged = bytearray(whole[:rng.integers(len(whole))] if rng.random() < 0.3 else whole)
        for _ in range(rng.integers(1, 4) if damaged else 0):
            damaged[rng.integers(len(damaged))] = rng.integers(256)
        path.write_bytes(bytes(damaged))
        attempt()
