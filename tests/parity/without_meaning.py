"""Cells without meaning: what an entry can't be asked, and why."""
RESIDUAL = "a residual carries its own weights, and points that don't count are masked in it"
NO_EXPRESSIONS = "SciPy's call takes start values and bounds, no fixed parameters and no expressions: the function is written with them"

WITHOUT_MEANING: dict[tuple[str, str], str] = {
    ("curve_fit", "fixed"): NO_EXPRESSIONS,
    ("curve_fit", "expr"): NO_EXPRESSIONS,
    ("curve_fit", "weight 0"): "SciPy's call takes sigma, no weights; a weight of 0 is an infinite sigma",
    ("curve_fit", "DataArray transposed"): "SciPy's call takes data of one axis",
    **{(entry, column): RESIDUAL for entry in ("minimize", "compat.minimize") for column in ("mask=", "weight 0", "sigma infinite")},
    **{(entry, column): "a residual of whole numbers or truth values has no derivative" for entry in ("minimize", "compat.minimize")
       for column in ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "bool")},
    **{(entry, column): "a residual shows no x" for entry in ("minimize", "compat.minimize")
       for column in ("dates as x", "spans of time as x")},
    **{(entry, "Series, other labels"): "one Series comes back from a residual: there is nothing to pair it with"
       for entry in ("minimize", "compat.minimize")},
    **{(entry, "mask="): "the names of lmfit's arguments are lmfit's: points are masked by numpy.ma there"
       for entry in ("compat Model.fit", "compat fit_batch")},
    **{(entry, "sigma infinite"): "lmfit takes weights, no errors: see the column of weight 0"
       for entry in ("compat Model.fit", "compat fit_batch")},
}
