"""A keyword that an entry doesn't have: the error says so, and names only what that very entry takes."""
import inspect
import re

import numpy as np
import pandas
import pytest

import gslfit
from gslfit.minimizer.options import BATCH, FIT, MINIMIZE, SHARED
from gslfit.models import ExponentialModel

X = np.linspace(0, 4, 12)
Y = 2*np.exp(-X/1.5)
TEXT, START, MODEL = "A*exp(-x/tau)", {"A": 1., "tau": 1.}, ExponentialModel()
PARAMS = gslfit.Parameters()
PARAMS.add("tau", 1.)
TABLE = pandas.DataFrame({"cell": np.repeat([0, 1], 12), "x": np.tile(X, 2), "y": np.tile(Y, 2)})
ENTRIES = {
    "fit": (FIT, lambda **kws: gslfit.fit(TEXT, Y, x=X, **START, **kws)),
    "fit_batch": (BATCH, lambda **kws: gslfit.fit_batch(TEXT, np.array([Y, Y]), x=X, **START, **kws)),
    "fit_groups": (BATCH, lambda **kws: gslfit.fit_groups(TABLE, "cell", "x", "y", TEXT, **START, **kws)),
    "fit_shared": (SHARED, lambda **kws: gslfit.fit_shared(TEXT, np.array([Y, Y]), x=X, shared="tau", **START, **kws)),
    "fit_shared, a list": (SHARED, lambda **kws: gslfit.fit_shared(TEXT, [Y, Y[:9]], x=[X, X[:9]], shared="tau", **START, **kws)),
    "Model.fit_batch": (BATCH, lambda **kws: MODEL.fit_batch(np.array([Y, Y]), x=X, **kws)),
    "Model.fit_shared": (SHARED, lambda **kws: MODEL.fit_shared(np.array([Y, Y]), x=X, shared="decay", **kws)),
    "minimize": (MINIMIZE, lambda **kws: gslfit.minimize(lambda p: np.exp(-X/p["tau"]) - Y, PARAMS, **kws)),
}
OPTIONS = sorted({name for function in (gslfit.fit, gslfit.fit_batch, gslfit.fit_shared)
                  for name, each in inspect.signature(function).parameters.items() if each.kind is each.KEYWORD_ONLY and name != "x"})


def refusal(call, name, value):
    """Return what an entry says of a keyword, if it is none of its own."""
    try:
        call(**{name: value})
    except (ValueError, TypeError) as error:
        return str(error)
    return ""


@pytest.mark.parametrize("value", ["lmsder", 1.0])
@pytest.mark.parametrize("entry", ENTRIES)
@pytest.mark.filterwarnings("ignore")
def test_what_other_entries_take_and_what_is_misspelt(entry, value):
    kind, call = ENTRIES[entry]
    taken = kind.keywords | set(kind.takes) | ({*START, "amplitude", "decay", "x"} - {"method"})
    if kind is BATCH:
        taken |= {"yerr", "weights", "mask"}
    for option in OPTIONS:
        for name in (option, option[:-1], option + "s"):
            said = refusal(call, name, value) if name not in taken else ""
            meant = re.search("did you mean (.*)\\?", said)
            assert not meant or set(re.findall("'(\\w+)'", meant[1])) <= taken, said
        if option not in taken and kind is not MINIMIZE and option not in ("bounds", "vary"):
            assert f"{kind.name} has no option {option!r}" in refusal(call, option, value)


def test_of_fit_shared():
    with pytest.raises(TypeError, match="fit_shared has no option 'prior'$"):
        ENTRIES["fit_shared"][1](prior={"A": (1, 2)})
    with pytest.raises(TypeError, match="fit_shared has no option 'method'$"):
        ENTRIES["fit_shared"][1](method="lmsder")
