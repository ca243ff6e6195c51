"""`ExpressionModel` as lmfit 1.3 has it: what gslfit's grammar doesn't know, line shapes and functions of an `init_script`, asteval runs.

A text of the grammar is compiled, as `gslfit.models.ExpressionModel` does. Any other is a Python function here: slower, called at every
evaluation, and no file can hold it.
"""
import ast
from collections.abc import Sequence
from typing import Any

from gslfit.checks import text_or
from gslfit.compat.lmfit import lineshapes
from gslfit.compat.lmfit.model import LmfitConventions, adopt
from gslfit.errors import ExpressionError, InputError
from gslfit.models import model as _model
from gslfit.models.library import special


class Interpreted:
    """A text as a function of arrays, run by asteval.

    Parameters
    ----------
    text : str
    script : str
        Run once, before.
    independent : sequence of str

    Raises
    ------
    ExpressionError
        If either can't be parsed or run.
    """

    def __init__(self, text: str, script: str, independent: Sequence[str]) -> None:
        from asteval import Interpreter
        self.text, self.script, self.independent = text, script, tuple(independent)
        self.interpreter = Interpreter()
        known = self.interpreter.symtable
        known.update({name: getattr(lineshapes, name) for name in lineshapes.functions})
        for what, code in (("init_script", script), ("expression", text)):
            try:
                tree = ast.parse(code)
                if what == "init_script":
                    self.interpreter.eval(code, show_errors=False, raise_errors=True)
            except Exception as error:      # whatever the caller's own code raises
                raise ExpressionError(f"the {what} can't be run: {type(error).__name__}: {error}", code) from error
        places = sorted((node.lineno, node.col_offset, node.id) for node in ast.walk(tree) if isinstance(node, ast.Name))
        names = dict.fromkeys(name for *_, name in places)
        lost = [name for name in self.independent if name not in names]
        if lost:
            raise InputError(f"the independent variable {lost[0]!r} is not in {text!r}")
        self.names = tuple(name for name in names if name not in known and name not in self.independent)
        self.argnames = [*self.independent, *self.names]        # what `gslfit.models` calls it with
        self.kwargs: list[tuple[str, Any]] = []
        self.__name__ = "_eval"

    def __call__(self, **values: Any) -> Any:
        self.interpreter.symtable.update(values)
        return self.interpreter.eval(self.text, show_errors=False, raise_errors=True)

    def __reduce__(self) -> tuple:
        return type(self), (self.text, self.script, self.independent)


class ExpressionModel(LmfitConventions, special.ExpressionModel):  # type: ignore[misc]
    """A model made of a text.

    Parameters
    ----------
    expr : str
        One expression, or several lines of assignments that end in one; it may call lmfit's line shapes.
    independent_vars : sequence of str, optional
        ``x``, if not given.
    init_script : str, optional
        Python for asteval, run once, whose names the text may use.
    nan_policy, **options
        As `Model` takes them.

    Raises
    ------
    InputError
        If an independent variable is not in the text.
    ExpressionError
        If the text or the script can't be parsed.
    """

    script = ""

    def __init__(self, expr: str, independent_vars: Sequence[str] | None = None, init_script: str | None = None, nan_policy: str = "raise",
                 name: str | None = None, **options: Any) -> None:
        self.script = (init_script or "").strip("\n")
        variables = ["x"] if independent_vars is None else list(independent_vars)
        if not self.script.strip():
            try:
                super().__init__(expr, variables, None, nan_policy, text_or("name", name, "_eval"), **options)     # lmfit's name for it
                return
            except ExpressionError:
                if not any(f"{shape}(" in expr for shape in lineshapes.functions):
                    raise
        self.expr = expr.strip()
        function = Interpreted(self.expr, self.script, variables)
        _model.Model.__init__(self, function, variables, function.names, nan_policy, "", name, **options)

    def __reduce__(self) -> tuple:
        return _again, (self.expr, self.independent_vars, self.script, self.nan_policy, self._name, self.param_hints)


def _again(expr: str, independent: Sequence[str], script: str, policy: str, name: str, hints: dict[str, Any]) -> Any:
    model = ExpressionModel(expr, independent, script, policy, name)
    model.param_hints = hints
    return adopt(model)
