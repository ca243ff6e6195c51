"""The library of models: entries, and the classes made from them."""
from gslfit.models.library.classes import CLASSES, ENTRIES, LibraryModel, _rebuilt  # noqa: F401  (pickles name it here)

__all__ = ["CLASSES", "ENTRIES", "LibraryModel"]
