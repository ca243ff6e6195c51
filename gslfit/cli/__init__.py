"""The command ``gslfit``: fits from the shell. `main` needs click; what a subcommand needs beyond is imported when it runs."""
from __future__ import annotations

import sys
from collections.abc import Sequence


def main(args: Sequence[str] | None = None) -> None:
    """Run the command; ends by SystemExit with the exit code.

    Parameters
    ----------
    args : sequence of str, optional
        Those of the process, if not given.
    """
    try:
        import click  # noqa: F401
    except ModuleNotFoundError as error:
        if error.name != "click":
            raise
        print("gslfit: the command needs click, which is not installed: pip install 'gslfit[cli]'", file=sys.stderr)
        raise SystemExit(2) from None
    from gslfit.cli.app import run
    raise SystemExit(run(args))
