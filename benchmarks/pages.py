"""What the benchmarks share: the core that they run on, and the pages of documentation that they write."""
import os
import sys
from collections.abc import Iterable
from pathlib import Path


def pin(cores: Iterable[int] | None = None) -> None:
    """Keep to some of the cores, one if not given, where the system can."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))} if cores is None else cores)


def write(page: Path, text: str) -> None:
    """Write a page where the command line says `--write`."""
    if "--write" in sys.argv:
        page.write_text(text, encoding="utf-8")
