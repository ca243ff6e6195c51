"""The shapes that guesses try: as the formula has them, orthonormal, and kept for the points that they were made for."""
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from gslfit import models
from gslfit.formula import Formula
from gslfit.models.guess import projection_match as matching
from gslfit.models.guess.curves import Curves
from gslfit.models.guess.estimators import plan_for
from gslfit.models.guess.shapes import Axis, GuessRecipe, places

X = np.linspace(0.5, 9, 40)


MODELS = {name: model for name, model in ((name, getattr(models, name)()) for name in dir(models) if name.endswith("Model") and hasattr(
    getattr(models, name), "entry")) if (recipe := plan_for(model)) and not recipe.search}


@pytest.mark.parametrize("name", MODELS)
def test_shapes_are_the_formulas(name):
    """Each column, and what is left without the linear parameters, is the formula's own value; columns times triangles are the columns."""
    recipe = plan_for(MODELS[name])
    formula = Formula(recipe.formula) if recipe.formula else MODELS[name]._definition.own
    linear = tuple(each for each in recipe.linear if each in formula.names)
    shapes = recipe.shapes(Axis.of(X))
    book = matching.ShapeGrid(formula, linear, shapes, X).dictionary()
    assert len(book.triangles)
    for g in {0, len(book.triangles)//2, len(book.triangles) - 1}:
        own = {each: values[g] for each, values in book.shapes.items() if each in formula.names}
        base = formula(X, **own, **dict.fromkeys(linear, 0.0))
        assert np.allclose(0 if book.base is None else book.base[g], base, rtol=1e-13, atol=0)
        columns = [formula(X, **own, **{each: float(each == one) for each in linear}) - base for one in linear]
        columns = np.array(columns).reshape(-1, X.size)
        q = book.columns[:, g]
        assert np.allclose(q @ q.T, np.eye(len(linear)), atol=1e-9)
        scale = np.abs(columns).max(axis=1, keepdims=True)
        assert np.allclose(book.triangles[g].T @ q/scale, columns/scale, rtol=1e-9, atol=1e-12)


def test_shapes_without_a_number_are_left_out():
    """A shape that is not finite somewhere, or zero everywhere, or whose columns are the same."""
    shapes = {"b": np.array([1.0, 0.0, -1.0, np.nan, 2.0])}
    book = matching.ShapeGrid(Formula("a*sqrt(b*x)"), ("a",), shapes, X).dictionary()
    assert book.shapes["b"].tolist() == [1.0, 2.0]
    book = matching.ShapeGrid(Formula("a + c*x**b"), ("a", "c"), shapes, X).dictionary()
    assert book.shapes["b"].tolist() == [1.0, -1.0, 2.0]


def test_shapes_are_kept_for_their_points(monkeypatch):
    """They are kept once points come again; of points that are known nothing is made anew; and what is kept has a limit."""
    made, passed = [], []
    dictionary, scores = matching.ShapeGrid.dictionary, matching.ShapeGrid.scores
    monkeypatch.setattr(matching.ShapeGrid, "dictionary", lambda self: made.append(1) or dictionary(self))
    monkeypatch.setattr(matching.ShapeGrid, "scores", lambda self, y: passed.append(1) or scores(self, y))
    monkeypatch.setattr(matching, "BOOKS", matching.Books())
    model = models.GaussianModel()

    def guessed(x, center):
        y = np.exp(-(x - center)**2)
        return model.guess(y, x=x).valuesdict()
    first = guessed(X, 3.0)
    assert (len(made), len(passed)) == (0, 1)
    for center in (4.0, 5.0):
        assert abs(guessed(X.copy(), center)["center"] - center) < 0.3
    assert (len(made), len(passed)) == (1, 1)
    assert guessed(X, 3.0) == first             # to the last digit
    shifted = guessed(X + 10, 13.0)
    assert (len(made), len(passed)) == (1, 2)
    assert np.isclose(shifted["center"], first["center"] + 10)
    models.LorentzianModel().guess(np.exp(-(X - 4)**2), x=X)
    assert (len(made), len(passed)) == (1, 3)
    many = np.exp(-(X - np.linspace(3, 4, 3)[:, None])**2)
    model.guess(many, x=X + 20)
    assert (len(made), len(passed)) == (2, 3)
    for k in range(40):
        for _ in range(2):
            guessed(np.linspace(0, 10 + k, 300), 3.0)
    assert 0 < sum(book.size for book in matching.BOOKS.known.values() if book) <= matching.MOST_BYTES
    monkeypatch.setattr(matching, "MOST_AXES", 3)
    for k in range(5):
        guessed(X + 100*k, 100*k + 3.0)
    assert len(matching.BOOKS.known) == 3
    recipe, most = GuessRecipe(lambda axis: {"b": np.linspace(1, 2, 30)}), matching.MOST_BYTES
    monkeypatch.setattr(matching, "MOST_BYTES", 10)
    books = matching.Books()
    for _ in range(2):
        scores, = books.scores(Formula("amplitude*x**b"), ("amplitude",), recipe, Curves(X, X[None]), {})
        assert scores.score.shape == (1, 30)
    assert not any(books.known.values())
    assert most > 10


def residual_squares(formula, linear, shapes, y):
    """Return the linear parameters that fit best by NumPy, and what they take off the sum of squares."""
    base = np.broadcast_to(formula(X, **shapes, **dict.fromkeys(linear, 0.0)), X.shape)
    columns = np.array([formula(X, **shapes, **{each: float(each == one) for each in linear}) - base for one in linear]).reshape(-1, X.size)
    scale = np.abs(columns).max(axis=1, keepdims=True)
    found = np.linalg.lstsq((columns/scale).T, y - base, rcond=None)[0]/scale[:, 0]
    return found, y @ y - np.sum((y - base - found @ columns)**2)


@pytest.mark.parametrize("name", MODELS)
def test_scores_without_a_dictionary_are_the_same(name):
    """Data matched with shapes that are not kept: as with those that are, and as NumPy fits them."""
    recipe = plan_for(MODELS[name])
    formula = Formula(recipe.formula) if recipe.formula else MODELS[name]._definition.own
    linear = tuple(each for each in recipe.linear if each in formula.names)
    grid = matching.ShapeGrid(formula, linear, recipe.shapes(Axis.of(X)), X)
    y = np.random.default_rng(3).normal(size=(3, X.size))
    book = grid.dictionary()
    kept = book.scores(y)
    for rows in (y, y[:1]):
        passed = grid.scores(rows)
        assert all(np.array_equal(kept.shapes[each], passed.shapes[each]) for each in kept.shapes)
        size = np.abs(kept.score).max()
        assert np.allclose(kept.score[:len(rows)], passed.score, rtol=1e-9, atol=1e-10*size)
        assert np.allclose(kept.solved(None)[:len(rows)], passed.solved(None), rtol=1e-6, atol=0)
        best = matching.match(passed, linear, {})
        assert np.array_equal(passed.solved(best)[0], passed.solved(None)[np.arange(len(rows)), best[0]])
    count = kept.score.shape[1]
    for g in {0, count//2, count - 1}:
        own = {each: values[g] for each, values in kept.shapes.items() if each in formula.names}
        found, gain = residual_squares(formula, linear, own, y[0])
        assert np.isclose(kept.score[0, g], gain, rtol=1e-6, atol=1e-9*size)
        chosen = matching.ShapeGrid(formula, linear, {each: values[[g]] for each, values in kept.shapes.items()}, X)
        assert np.allclose(chosen.fitted(y[0])[0], found, rtol=1e-6)


def test_scores_beyond_squares():
    """Columns whose squares over- or underflow are matched as others are; of equal scores the first shape counts."""
    for unit in (1e-200, 1e200):
        grid = matching.ShapeGrid(Formula(f"a*{unit}*exp(-b*x)"), ("a",), {"b": np.array([0.1, 1.0, 2.0])}, X)
        scores = grid.scores(np.exp(-X)[None])
        assert matching.match(scores, ("a",), {}).tolist() == [[1]]
        assert np.isclose(grid.fitted(np.exp(-X))[1, 0], 1/unit)
    assert matching.highest(np.array([[0.0, 1.0, 1.0 + 1e-15], [2.0, 1.0, 2.0], [-1.0, -np.inf, -2.0]])).tolist() == [1, 0, 0]


def test_guesses_in_threads(monkeypatch):
    """Threads that guess on axes of their own, and on one that they share, find what one alone finds."""
    monkeypatch.setattr(matching, "BOOKS", matching.Books())
    monkeypatch.setattr(matching, "MOST_BYTES", 1_000_000)
    model = models.GaussianModel()
    jobs = [(X + k % 5, 3.0 + k % 5 + 0.01*k) for k in range(60)]

    def guessed(job):
        x, center = job
        return model.guess(np.exp(-(x - center)**2), x=x)["center"].value
    alone = [guessed(job) for job in jobs]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(guessed, jobs)) == alone


def test_skewed_peaks_have_their_tops_where_peaks_are_looked_for():
    """A Pearson IV's centre is beside its top, to which its shapes are shifted."""
    plan, axis = plan_for(models.Pearson4Model()), Axis.of(X)
    shapes, (tops, _) = plan.shapes(axis), places(axis)
    formula = Formula(plan.formula) if plan.formula else models.Pearson4Model()._definition.own
    for k in range(0, len(shapes["center"]), 7):
        own = {name: values[k] for name, values in shapes.items()}
        x = own["center"] + own["sigma"]*np.linspace(-3, 3, 6001)
        top = x[np.argmax(formula(x, **own, amplitude=1.))]
        assert np.abs(tops - top).min() < 2e-3*own["sigma"]
