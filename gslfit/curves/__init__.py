"""Fits of formulas to curves: one curve, many curves, and SciPy's `curve_fit`."""
