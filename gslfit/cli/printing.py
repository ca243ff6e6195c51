"""What the command prints: tables, by rich, which is imported here when something is printed."""
from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from typing import Any

from gslfit.checks import package

WIDE = 200              # columns of what goes to a file or to another program


def console(stderr: bool = False) -> Any:
    """Return rich's console; what isn't a terminal gets plain lines that are not broken."""
    made = package("rich.console", "cli", "the command").Console
    stream = sys.stderr if stderr else sys.stdout
    return made(stderr=stderr, highlight=False, markup=False, soft_wrap=True, **({} if stream.isatty() else {"width": WIDE}))


def print_table(target: Any, heads: Sequence[str], rows: Iterable[Sequence[str]], left: Iterable[int] = (0,)) -> None:
    """Print a table: columns named in `left` begin at the left, the others end at the right."""
    package("rich", "cli", "the command")
    from rich.box import SIMPLE_HEAD
    from rich.segment import Segment, Segments
    from rich.table import Table
    table = Table(box=SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for place, head in enumerate(heads):
        table.add_column(head, justify="left" if place in set(left) else "right", overflow="fold")
    for row in rows:
        table.add_row(*row)
    lines = target.render_lines(table, pad=False)
    target.print(Segments([piece for line in lines for piece in (*_without_end(line), Segment.line())]), end="")


def _without_end(line: Sequence[Any]) -> list[Any]:
    """Return the pieces of a line without the blanks at its end, that fill the last column."""
    pieces = list(line)
    while pieces and not pieces[-1].text.rstrip():
        pieces.pop()
    if pieces:
        pieces[-1] = pieces[-1]._replace(text=pieces[-1].text.rstrip())
    return pieces


def warn(message: str) -> None:
    """Print a line to standard error."""
    print(f"gslfit: {' '.join(message.split())}", file=sys.stderr)
