"""The models beyond lmfit's."""
from gslfit.models.entry import Entry

LAB: tuple[Entry, ...] = ()
