"""The classes of the library: one for each entry of its tables."""
from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from gslfit.checks import identifiers, is_integer, shown, text_or, whole
from gslfit.errors import InputError
from gslfit.formula.formula import Formula
from gslfit.models.definition import Definition
from gslfit.models.guess.points import points_of
from gslfit.models.library.entry import Entry
from gslfit.models.library.further_entries import LAB
from gslfit.models.library.lmfit_entries import TABLE
from gslfit.models.library.special import ComplexConstantModel, ExpressionModel, SplineModel
from gslfit.models.model import Model
from gslfit.models.serialization import Reading, common_state, reads
from gslfit.parameters.collection import Parameters

if TYPE_CHECKING:
    from gslfit.models.guess.shapes import GuessRecipe

ENTRIES: dict[str, Entry] = {entry.cls: entry for entry in (*TABLE, *LAB)}


@lru_cache(maxsize=256)
def definition(cls: str, form: str | None) -> Definition:
    """Return the definition of an entry's form; all models of it share its programs."""
    entry = ENTRIES[cls]
    text = entry.text(form)
    formula = Formula(text, entry.independent)
    names = tuple(name for name in entry.defaults if name in formula.names)
    found = Definition(formula, names=names)
    found.defaults = {name: value for name, value in entry.defaults.items() if name in names and isinstance(value, float)}
    return found


class LibraryModel(Model):
    """A model of the library; see its class's docstring for the formula.

    Parameters
    ----------
    independent_vars : sequence of str, optional
        Names for the independent variables.
    prefix : str
    nan_policy : {"raise", "omit", "propagate"}
    name : str, optional
    form : str, optional
        Which of its forms, where it has several.
    **hints
        A Parameter, dict or number by the name of a parameter.
    """

    entry: Entry

    def __init__(self, independent_vars: Sequence[str] | None = None, prefix: str = "", nan_policy: str = "raise",
                 name: str | None = None, form: str | None = None, **hints: Any) -> None:
        entry = self.entry
        if entry.forms:
            form = form if form is not None else entry.forms[0]
            if not isinstance(form, str) or form not in entry.forms:
                raise InputError(f"{entry.cls} has no form {shown(form)}; it has {', '.join(entry.forms)}")
        elif form is not None:
            raise InputError(f"{entry.cls} has one form only, and form={form!r} was given")
        self.form = form
        self._definition = definition(entry.cls, form)
        asked = entry.independent if independent_vars is None else independent_vars
        given = identifiers("independent_vars", asked) or list(entry.independent)
        given = [each for each in given if each != "form"]
        if tuple(given) != entry.independent:
            if len(given) != len(entry.independent):
                raise InputError(f"{entry.cls} has {len(entry.independent)} independent variables, not {len(given)}")
            raise InputError(f"{entry.cls} calls its independent variables {', '.join(entry.independent)}; "
                             f"Model({entry.text(form)!r}, ...) takes other names")
        self.func = self._definition.source
        unknown = [key for key in hints if key not in self._definition.names]
        if unknown:
            raise InputError(f"{unknown[0]!r} is no parameter of {entry.cls}; it has {', '.join(self._definition.names)}")
        self._begin(nan_policy, prefix, text_or("name", name, entry.name), {})
        self._hint_entry()
        for key, value in hints.items():
            self._hint_from(key, value)
        if form is not None:
            self.opts = {"form": form}

    def _hint_entry(self) -> None:
        """Set the hints of the entry: bounds and derived parameters."""
        entry = self.entry
        self.param_hints = deepcopy({key: dict(value) for key, value in entry.hints.items()})
        for key, value in entry.defaults.items():
            if isinstance(value, str):
                self.param_hints.setdefault(key, {})["expr"] = value
        for key, expression in entry.derived.items():
            self.param_hints[key] = {"expr": expression}

    def _formula(self, options: Mapping[str, Any]) -> Formula:
        form = options.get("form")
        if form is None or form == self.form:
            return super()._formula({name: value for name, value in options.items() if name != "form"})
        return type(self)(prefix=self._prefix, form=form)._formula({})

    def _eval(self, params: Any, values: Mapping[str, Any]) -> Any:
        form = values.get("form")
        if form is not None and form != self.form:
            return type(self)(prefix=self._prefix, form=form)._eval(params, {key: each for key, each in values.items() if key != "form"})
        return super()._eval(params, values)

    def guess(self, data: Any, x: Any = None, *, mask: Any = None, **values: Any) -> Parameters:
        """Estimate start values from data: see `Model.guess`."""
        from gslfit.models.guess.estimators import guess_model
        y, variables = points_of(self, data, x, mask, values)
        x = variables.pop(self.independent_vars[0], None)
        return guess_model(self, y, x, variables | values)

    def _guesses(self, data: Any, x: Any = None, **values: Any) -> list[Any]:
        if not self._own_guess:
            return super()._guesses(data, x, **values)
        from gslfit.models.guess.estimators import candidates
        return candidates(self, data, x, values)

    @property
    def _own_guess(self) -> bool:
        """Whether its guess is the library's; a subclass of the caller's may have another."""
        return type(self).guess.__module__.startswith("gslfit.")

    @property
    def _recipe(self) -> GuessRecipe | None:
        """How its start is found, if that is the library's own way."""
        from gslfit.models.guess.estimators import plan_for
        return plan_for(self) if self._own_guess else None

    @property
    def _searches(self) -> bool:
        return self._recipe is not None and self._recipe.search is not None

    @property
    def _tries_limits(self) -> bool:
        return self._recipe is not None and self._recipe.beside is not None

    @property
    def _patience(self) -> int:
        return 1 if self._recipe is None else self._recipe.patience

    @property
    def valid_forms(self) -> tuple[str, ...]:  # type: ignore[override]
        """The names of its forms."""
        return self.entry.forms

    def _file_state(self) -> dict[str, Any]:
        return common_state(self) | {"form": self.form}

    def __reduce__(self) -> tuple:
        return _rebuilt, (type(self).__name__, self._arguments(), self._prefix, self.nan_policy, self._name, self.param_hints)

    def _arguments(self) -> dict[str, Any]:
        """Return what the class is called with, beside what all have."""
        return {} if self.form is None else {"form": self.form}


def _rebuilt(cls: str, arguments: Mapping[str, Any], prefix: str, policy: str, name: str, hints: dict[str, Any]) -> Model:
    model = CLASSES[cls](prefix=prefix, nan_policy=policy, name=name, **arguments)
    model.param_hints = hints
    return model


class PolynomialModel(LibraryModel):
    """See the table."""

    MAX_DEGREE = 7

    def __init__(self, degree: int = 7, independent_vars: Sequence[str] | None = None, prefix: str = "", nan_policy: str = "raise",
                 name: str | None = None, form: Any = None, **hints: Any) -> None:
        short = isinstance(form, str) and form.isdigit() and len(form) < 9
        degree = degree if form is None else whole("form", int(form) if short else form, 0)
        if not is_integer(degree) or not 0 <= degree <= self.MAX_DEGREE:
            raise PolynomialDegree(f"degree={shown(degree)} is not a whole number from 0 to {self.MAX_DEGREE}")
        self.poly_degree = int(degree)
        super().__init__(independent_vars, prefix, nan_policy, name, form=str(degree), **hints)
        self.opts = {}


class PolynomialDegree(InputError, TypeError):
    """Refuse a polynomial of an invalid degree."""


def _docstring(entry: Entry) -> str:
    """Return a class's docstring, from its entry."""
    text = entry.text().replace("\n", "; ") or "(called)"
    names = ", ".join(f"{name} = {value}" for name, value in entry.defaults.items())
    parts = [entry.about, "", f"``{text}``", "", "Parameters", "----------",
             "independent_vars, prefix, nan_policy, name, form, **hints", "    As `LibraryModel` takes them.", "", "Notes", "-----",
             f"Parameters and start values: {names or 'one for each knot'}."]
    if entry.forms:
        parts.append(f"Forms: {', '.join(entry.forms)}.")
    if entry.derived:
        parts.append(f"Derived: {', '.join(entry.derived)}.")
    if entry.slow:
        parts.append(f"Not compiled: {entry.slow}.")
    if entry.reference:
        parts += ["", "References", "----------", entry.reference]
    return "\n    ".join(parts)


def make(entry: Entry, base: type = LibraryModel) -> type[Model]:
    """Return the class of an entry."""
    return type(entry.cls, (base,), {"entry": entry, "__doc__": _docstring(entry), "__module__": "gslfit.models"})


def _classes() -> dict[str, type[Model]]:
    own: dict[str, type] = {"PolynomialModel": PolynomialModel}
    found: dict[str, type[Model]] = {"ComplexConstantModel": ComplexConstantModel, "SplineModel": SplineModel}
    for name, entry in ENTRIES.items():
        if name not in found:
            found[name] = make(entry, own.get(name, LibraryModel))
    found["ExpressionModel"] = ExpressionModel
    return {**{name: found[name] for name in ENTRIES}, "ExpressionModel": ExpressionModel}


CLASSES = _classes()
"""Every model of the library by the name of its class."""


@reads(*(name for name, cls in CLASSES.items() if issubclass(cls, LibraryModel)))
def _read_entry(reading: Reading) -> Model:
    """Return a model of the library, in one of its forms."""
    cls, form = CLASSES[reading.typed("class", str)], reading.state.get("form")
    if issubclass(cls, PolynomialModel):
        return cls(int(form) if isinstance(form, str) and form.isdigit() else 7, prefix=reading.prefix, **reading.common)
    return cls(prefix=reading.prefix, **reading.common, **({"form": form} if isinstance(form, str) else {}))  # type: ignore[arg-type]
