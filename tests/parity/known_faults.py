"""What is wrong today, cell by cell, with the reason: each is a strict xfail, so whoever mends a kind deletes its lines here."""

FAULTS: dict[tuple[str, str], str] = {
    ("curve_fit", "data times 1e-200"): "no standard errors: their squares are out of range",
    ("curve_fit", "data times 1e+200"): "no standard errors: their squares are out of range",
}

NAN_FAULTS: dict[tuple[str, str, str, str], str] = {
}

UNIT_FAULTS: dict[tuple[str, str, float], str] = {
    ("stderr, curve_fit", "scaled", 1e-200): "no standard errors: their squares are out of range",
    ("stderr, curve_fit", "scaled", 1e+200): "no standard errors: their squares are out of range",
    ("stderr, curve_fit", "known", 1e-200): "a standard error of 0: its square is out of range",
    ("stderr, curve_fit", "known", 1e+200): "no standard errors: their squares are out of range",
    ("stderr, curve_fit", "unscaled", 1e-200): "no standard errors: their squares are out of range",
    ("stderr, curve_fit", "unscaled", 1e+200): "a standard error of 0: its square is out of range",
    ("far start, curve_fit", "scaled", 1e-200): "no standard errors: their squares are out of range",
    ("far start, curve_fit", "scaled", 1e+200): "no standard errors: their squares are out of range",
}

# a view of "" stands for all of them
MIRROR_FAULTS: dict[tuple[str, str, str], str] = {
}

GUESS_FAULTS: dict[tuple[str, str, str], str] = {
}

# a way into an entry that differs from the entry itself: why it is wrong, or "" where it is right and the entry is not
VARIANT_FAULTS: dict[tuple[str, str], str] = {
}
