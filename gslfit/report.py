"""Text and HTML of parameters, fits and confidence intervals, by their attributes: nothing of the package is imported."""
from collections.abc import Iterable, Mapping
from html import escape
from typing import Any

COLUMNS = ("value", "min", "max", "stderr", "vary", "expr", "brute_step")


def _attribute(par: Any, column: str) -> Any:
    """Return an attribute of a parameter; an expression that can't be evaluated shows as None, an absent bound as infinite."""
    try:
        value = getattr(par, column)
    except ValueError:
        return None
    if value is None and column in ("min", "max"):
        return float("-inf" if column == "min" else "inf")
    return value


def params_table(params: Mapping[str, Any], colwidth: int = 8, precision: int = 4, fmt: str = "g",
                 columns: Iterable[str] = COLUMNS) -> str:
    """Return a table of parameters, a line each.

    Parameters
    ----------
    params : Parameters
        The parameters.
    colwidth, precision, fmt : int, int, str
        Width of a column, digits and format of a number.
    columns : iterable of str
        Attributes to show.
    """
    columns = [*columns]
    name_width = max([len(name) for name in params] + [len("Name")])

    def cell(value: Any) -> str:
        if isinstance(value, float):
            return f"{value:>{colwidth}.{precision}{fmt}}"
        return f"{value!s:>{colwidth}}"

    head = " ".join([f"{'Name':{name_width}}", *(f"{column.title():>{colwidth}}" for column in columns)])
    lines = [" ".join([f"{name:{name_width}}", *(cell(_attribute(par, column)) for column in columns)]) for name, par in params.items()]
    return "\n".join([head, *lines])


def html_table(head: Iterable[str], rows: Iterable[Iterable[Any]], caption: str = "") -> str:
    """Return an HTML table, every cell escaped."""
    def row(cells: Iterable[Any], tag: str) -> str:
        return "<tr>" + "".join(f"<{tag}>{escape(str(cell))}</{tag}>" for cell in cells) + "</tr>"
    title = f"<caption>{escape(caption)}</caption>" if caption else ""
    return f"<table>{title}<thead>{row(head, 'th')}</thead><tbody>{''.join(row(cells, 'td') for cells in rows)}</tbody></table>"


def params_html(params: Mapping[str, Any]) -> str:
    """Return an HTML table of parameters, for notebooks."""
    def number(value: Any) -> str:
        return "" if value is None else f"{value:.8g}" if isinstance(value, float) else str(value)
    columns = ("value", "stderr", "init_value", "min", "max", "vary", "expr")
    heads = ("name", "value", "standard error", "initial value", "min", "max", "vary", "expression")
    return html_table(heads, ([name, *(number(_attribute(par, column)) for column in columns)] for name, par in params.items()))
