"""A model that is folded with a measured response: what `Model.fit` fits where one is given."""
from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from gslfit.checks import text_or
from gslfit.curves.job import start_shift
from gslfit.data.fits import Fits
from gslfit.data.numbers import read
from gslfit.errors import InputError
from gslfit.formula.formula import Formula
from gslfit.formula.memory import Memory
from gslfit.formula.response import ConvolvedFormula, Response, read_response
from gslfit.models.arguments import number, plain, with_values
from gslfit.models.guess.points import points_of
from gslfit.models.model import Model
from gslfit.models.serialization import Reading, common_state, reads
from gslfit.parameters.collection import Parameters


class ConvolvedModel(Model):
    """A model folded with a response; all but its values is that of the model.

    Parameters
    ----------
    base : Model
        One with a formula that compiles, and one independent variable.
    response : Response

    Raises
    ------
    InputError
        If it has none, or the parameter that moves the response is one of its own.
    """

    def __init__(self, base: Model, response: Response) -> None:
        self.base, self.response = base, response
        self._convolved: Memory[Formula, Formula] = Memory()
        self._formula({})

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or name in ("base", "response"):
            raise AttributeError(name)
        return getattr(self.base, name)

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in super().__getstate__().items() if name != "_convolved"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, _convolved=Memory())

    @property
    def conventions(self) -> Any:  # type: ignore[override]
        """Those of the model."""
        return self.base.conventions

    @property
    def independent_vars(self) -> list[str]:
        """The independent variables."""
        return self.base.independent_vars

    @independent_vars.setter
    def independent_vars(self, names: Sequence[str]) -> None:
        self.base.independent_vars = names  # type: ignore[assignment]

    @property
    def _more(self) -> list[str]:
        """The parameter that moves the response, where there is one."""
        return [] if self.response.shift is None else [self.response.shift]

    @property
    def param_names(self) -> list[str]:
        """The parameters, with prefix; that of a shift last."""
        return [*self.base.param_names, *self._more]

    @property
    def components(self) -> list[Model]:  # type: ignore[override]
        """The models that it is made of, each folded."""
        parts = self.base.components
        return [self] if len(parts) == 1 else [ConvolvedModel(part, self.response) for part in parts]

    def _reprstring(self, long: bool = True) -> str:
        return f"{self.base._reprstring(long)[:-1]}, folded with a response)"

    def _formula(self, options: Mapping[str, Any]) -> Formula:
        base = self.base._formula(options)
        if base not in self._convolved:
            self._convolved[base] = ConvolvedFormula(base, self.response)
        return self._convolved[base]

    def _symbols(self) -> set[str]:
        """Return the operators that join its parts."""
        return self.base._symbols() if hasattr(self.base, "_symbols") else set()

    def _fill(self, params: Parameters, values: Mapping[str, Any]) -> None:
        self.base._fill(params, values)
        for name in self._more:
            given = values.get(name)
            if isinstance(given, dict):
                params[name].set(**given) if name in params else params.add(name, **given)
            elif given is not None:
                params[name].set(value=number(given)) if name in params else params.add(name, number(given))
            start_shift(params, name)

    def _eval(self, params: Any, values: Mapping[str, Any]) -> Any:
        formula = self._formula({name: values[name] for name in self.opts if name in values})
        own = {name: number(values[name]) for name in self._more if name in values}
        own |= {name: number(params[name]) for name in formula.names if name in params}
        points = {name: plain(values[name]) for name in formula.independent if name in values}
        return formula(**points, **own)

    def eval_components(self, params: Any = None, **values: Any) -> dict[str, np.ndarray]:
        """Evaluate each component, folded: by prefix, or by name where there is none."""
        known = with_values(params, values, self)
        return {part._prefix or part._name: part._eval(known, values) for part in self.components}

    def make_funcargs(self, params: Any = None, kwargs: Mapping[str, Any] | None = None, strip: bool = True) -> dict[str, Any]:
        """Return the arguments that the model's function is called with, and the shift."""
        found = self.base.make_funcargs(params, kwargs, strip)
        return found | {name: number(params[name]) for name in self._more if params is not None and name in params}

    def _make_all_args(self, params: Any = None, **values: Any) -> dict[str, Any]:
        found = self.base._make_all_args(params, **values)
        return found | {name: number(params[name]) for name in self._more if params is not None and name in params}

    def guess(self, data: Any, x: Any = None, *, mask: Any = None, **values: Any) -> Parameters:
        """Estimate start values from data; see `Model.guess`."""
        y, variables = points_of(self, data, x, mask, values)
        return self._guesses(y, variables.get(self.independent_vars[0]), **values)[0]

    def _guesses(self, data: Any, x: Any = None, **values: Any) -> list[Any]:
        from gslfit.models.guess.convolved import guess_convolved
        points = self.response.x if x is None else x
        own = values.pop(self.independent_vars[0], points) if x is None else points
        return guess_convolved(self, data, own, values)

    @property
    def _patience(self) -> int:
        return self.base._patience

    def post_fit(self, result: Any) -> None:
        """Call that of the model."""
        self.base.post_fit(result)

    def copy(self, prefix: str | None = None) -> ConvolvedModel:
        """Return a model of its own."""
        return ConvolvedModel(self.base.copy(text_or("prefix", prefix, "") or None), self.response)

    def _file_state(self) -> dict[str, Any]:
        r = self.response
        return {**common_state(self), "base": self.base._file_state(),
                "response": {"numbers": r.numbers.tolist(), "x": r.x.tolist(), "centre": r.centre, "shift": r.shift}}


@reads("ConvolvedModel")
def _read_convolved(reading: Reading) -> ConvolvedModel:
    base, own = reading.part("base"), reading.typed("response", dict)
    name, *others = base.independent_vars
    if others or own.keys() != {"numbers", "x", "centre", "shift"}:
        raise InputError("the model's response is none")
    found = read_response(own["numbers"], own["centre"], own["shift"], {name: read("x", own["x"]).array}, Fits(()))
    return ConvolvedModel(base, found)
