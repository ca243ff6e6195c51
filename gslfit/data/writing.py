"""Files that are there whole or not at all: a disk that is full, or a process that is killed, leaves what was there before."""
from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np


@contextmanager
def whole(file: str | Path, mode: str = "w", **options: Any) -> Iterator[IO[Any]]:
    """Open a file for writing that takes its name when all is written; until then it is called NAME.part.

    What is no ordinary file (a pipe, a device), and a file in a folder that takes no new ones, is written to directly.

    Parameters
    ----------
    file : str or Path
    mode : str
        "w" or "wb".
    **options
        For `open`.

    Raises
    ------
    OSError
        If it can't be written; then the file is what it was.
    """
    target = Path(os.path.realpath(file))
    part = target.with_name(f"{target.name}.part")
    if (target.exists() and not target.is_file()) or not os.access(target.parent, os.W_OK):
        with open(target, mode, **options) as stream:
            yield stream
        return
    try:
        with open(part, mode, **options) as stream:
            yield stream
        if target.exists():
            os.chmod(part, target.stat().st_mode & 0o7777)
        os.replace(part, target)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def write_text(file: str | Path, text: str) -> None:
    """Write a text in UTF-8."""
    with whole(file, encoding="utf-8") as stream:
        stream.write(text)


def write_npz(file: Any, arrays: Mapping[str, Any]) -> None:
    """Write arrays to a ``.npz``: a path, which gets that ending where it has another, or an open file."""
    if hasattr(file, "write"):
        np.savez(file, **arrays)
        return
    with whole(file if str(file).lower().endswith(".npz") else f"{file}.npz", "wb") as stream:
        np.savez(stream, **arrays)


def reserve(file: Path) -> None:
    """Take all of a file's place on the disk now: a write through a memory map ends the process where there is none left.

    Raises
    ------
    OSError
        If there is no place.
    """
    if not hasattr(os, "posix_fallocate"):
        return          # macOS: the first to miss the place is the process
    with open(file, "r+b") as stream:
        size = os.fstat(stream.fileno()).st_size
        try:
            if size:
                os.posix_fallocate(stream.fileno(), 0, size)
        except OSError as error:
            raise OSError(error.errno, f"{error.strerror}: {size} bytes are needed", str(file)) from None
