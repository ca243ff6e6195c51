"""Write docs/models.md: the library of models, from its tables. Run it with the installed package:

    python docs/make_models.py
"""
from pathlib import Path

from gslfit.models import CLASSES, ENTRIES, LMFIT_NAMES
from gslfit.models.library.further_entries import GSL_TYPES

HERE = Path(__file__).parent
HEAD = """# The library of models

Each model is a class of `gslfit.models`, made from one entry of a table: `gslfit/models/library/lmfit_entries.py` for those that lmfit 1.3
has too, with its names of classes and parameters, its start values, bounds and derived parameters;
`gslfit/models/library/further_entries.py` for the others. `guess(y, x=x)` estimates start values of one curve or of a batch;
[guesses](guesses.md) says how often they lead where they should.

```python
import numpy as np
from gslfit.models import GaussianModel, LinearModel

x = np.linspace(0, 10, 101)
y = 3*np.exp(-(x - 4)**2/2) + 0.1*x + 1
model = GaussianModel(prefix="g_") + LinearModel(prefix="l_")
result = model.fit(y, x=x)                                   # start values are guessed
print({name: round(value, 6) for name, value in result.best_values.items() if name.startswith("l_")})

curves = y + np.zeros((20, 30, 1))
maps = model.fit_batch(curves, x=x)                          # one program for all of them
print(maps.values["g_center"].shape)
```

```text
{'l_slope': 0.1, 'l_intercept': 1.0}
(20, 30)
```

- A parameter's start is a keyword of `fit` (`sigma=1.2` is the peak's, never an error of the data: that is `yerr=`), or comes from
  `make_params`, from hints (`set_param_hint`), or, where nothing was given, from `guess`.
- A model whose chi-square has several minima has several starts (sums of exponentials, for one): `fit` and `fit_batch` without start values
  fit from each in the lanes ([the table](guesses.md) counts them) and go on from the best. With start values nothing else is tried.
- `+ - * /` join models to one, which compiles as one program. A `prefix` keeps names apart.
- `Model("a*exp(-x/tau) + c")` is a model of a text, `Model(function)` of a function, traced where it can be.
- `save_model`, `load_model`, `save_modelresult`, `load_modelresult` write and read JSON. Formulas are texts in it, functions are names that
  the reader looks up in `funcdefs`; reading runs nothing.
- A sum of peaks on constants, lines and parabolas guesses too: peaks are numbered from left to right and have one sign.
  `sum_of_peaks("Voigt", 5, background="line")` makes one of any number of peaks.

Written by `docs/make_models.py`; `tests/models/test_models_table.py` holds it.
"""


def sections():
    """Titles and entries."""
    known, types = set(LMFIT_NAMES.values()), {entry.cls for entry in GSL_TYPES}
    yield "Models that lmfit has too", [entry for entry in ENTRIES.values() if entry.cls in known]
    yield "The fit types of Ruby/GSL", [entry for entry in ENTRIES.values() if entry.cls in types]
    yield "For the laboratory", [entry for entry in ENTRIES.values() if entry.cls not in known | types]


def described(entry):
    """One entry's paragraph."""
    lines = [f"### {entry.cls}", "", entry.about, ""]
    if entry.forms:
        lines += [f"- `form={form!r}`: `{inline(entry.text(form))}`" for form in entry.forms]
    elif entry.text():
        lines.append(f"- Formula: `{inline(entry.text())}`")
    if entry.slow:
        lines.append(f"- Not compiled: {entry.slow}.")
    if len(entry.independent) > 1:
        lines.append(f"- Independent variables: {', '.join(f'`{name}`' for name in entry.independent)}")
    shown = []
    for name, value in entry.defaults.items():
        hint = entry.hints.get(name, {})
        start = hint.get("value", value)
        bounds = [f"{word} {hint[key]:g}" for key, word in (("min", "at least"), ("max", "at most")) if key in hint]
        value = f"`{start}`" if isinstance(start, str) else f"{start:g}"
        shown.append(f"`{name}` = {value}" + (f" ({', '.join(bounds)})" if bounds else ""))
    lines += [f"- Parameters: {', '.join(shown)}"] if shown else []
    lines += [f"- Derived: {', '.join(f'`{name}`' for name in entry.derived)}"] if entry.derived else []
    lines += [f"- Reference: {entry.reference}"] if entry.reference else []
    return "\n".join(lines)


def inline(text):
    """Return a formula on one line; a very long one is cut."""
    text = "; ".join(line.strip() for line in text.splitlines())
    return text if len(text) <= 400 else text[:380] + " ..."


def page():
    """Return the whole page."""
    parts = [HEAD]
    for title, entries in sections():
        parts.append(f"## {title}\n")
        parts += [described(entry) + "\n" for entry in entries]
    parts.append(f"`ExpressionModel(text)` makes a model of a text. There are {len(CLASSES)} classes.\n")
    return "\n".join(parts)


if __name__ == "__main__":
    (HERE / "models.md").write_text(page(), encoding="utf-8")
