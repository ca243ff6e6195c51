"""`Record`: what `typing.NamedTuple` is, quickly made. typing compiles the text of each annotation, which takes longer than all else."""
from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import NamedTuple as Record
else:
    from collections import namedtuple

    class _Maker(type):
        """Makes a named tuple of a class's annotated names, with its defaults and its methods."""

        def __new__(cls, name: str, bases: tuple, body: dict) -> type:
            fields = body["__annotations__"]
            made = namedtuple(name, fields, defaults=[body[field] for field in fields if field in body], module=body["__module__"])
            for key, value in body.items():
                if key not in fields and key != "__module__":
                    setattr(made, key, value)
            return made

    Record = type.__new__(_Maker, "Record", (), {})
