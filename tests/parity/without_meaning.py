"""Cells without meaning: what an entry can't be asked, and why."""
RESIDUALS = ("minimize", "compat.minimize")
LMFITS = ("compat Model.fit", "compat fit_batch")
EXPRESSIONS = "SciPy's call takes start values and bounds, no fixed parameters and no expressions: the function is written with them"
WEIGHTS = ("weight 0", "NaN at weight 0", "weights masked", "weights, list", "weights, strided", "weights, Series", "weights, negative",
           "weights, a number", "weights too short", "weights by row")
ERRORS = ("sigma infinite", "NaN at an infinite sigma", "yerr, a number", "yerr, list", "sigma zero", "sigma negative")
MASKS = ("mask=", "NaN under mask=")
WHOLE = ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "bool")

WITHOUT_MEANING: dict[tuple[str, str], str] = {
    **{("curve_fit", column): EXPRESSIONS for column in ("fixed", "expr")},
    **{("curve_fit", column): "SciPy's call takes sigma, no weights; a weight of 0 is an infinite sigma" for column in WEIGHTS},
    ("curve_fit", "0-d array"): "one number stands for every point, as in SciPy: tests/curves/test_curve_fit_manners.py",
    ("curve_fit", "DataArray transposed"): "SciPy's call takes data of one axis",
    **{(entry, column): "a residual carries its own weights, and points that don't count are masked in it"
       for entry in RESIDUALS for column in (*WEIGHTS, *ERRORS, *MASKS)},
    **{(entry, column): "a residual of whole numbers or truth values has no derivative" for entry in RESIDUALS for column in WHOLE},
    **{(entry, column): "a residual shows no x" for entry in RESIDUALS for column in ("dates as x", "spans of time as x")},
    **{(entry, "Series, other labels"): "one Series comes back from a residual: there is nothing to pair it with" for entry in RESIDUALS},
    **{(entry, column): "the names of lmfit's arguments are lmfit's: points are masked by numpy.ma there"
       for entry in LMFITS for column in MASKS},
    **{(entry, column): "lmfit takes weights, no errors: see the columns of weights" for entry in LMFITS for column in ERRORS},
}
