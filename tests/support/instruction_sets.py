"""The instruction sets of the C core, one after the other."""
from gslfit.curves._batch import instruction_set
from gslfit.errors import InputError

SETS = ("v4", "v3", "base")


def each_set(choose=instruction_set):
    """Yield the name of each that this processor has, chosen by the function given, the widest first; the one before is back afterwards."""
    before = choose()
    try:
        for name in SETS:
            try:
                choose(name)
            except InputError:
                continue
            yield name
    finally:
        choose(before)
