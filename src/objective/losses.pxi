# A loss by its number, as Python hands it over: `src/objective/losses.h`.
cdef extern from "objective/losses.h" nogil:
    enum:
        LOSS_LINEAR
        LOSS_COUNT


cdef int loss_of(int number) except -1:
    """Return the number, if a loss has it."""
    if not LOSS_LINEAR <= number < LOSS_COUNT:
        raise InputError(f"loss must be a number from {LOSS_LINEAR} to {LOSS_COUNT - 1}, not {number}")
    return number
