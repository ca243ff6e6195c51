"""What a confidence limit is worth."""
from enum import IntEnum

PROSE = ("none: the fit failed, or the parameter does not vary in it", "found", "infinite: it would lie beyond a bound",
         "in doubt: it was not looked at again", "found by refits one after the other",
         "infinite: chi-square levels off, or the model is not finite, before it is reached", "found on another branch of the profile",
         "found, and there are further ranges beyond it", "found round a lower minimum than the fit's")


class LimitStatus(IntEnum):
    """What a confidence limit is worth; `prose` says it in words.

    Examples
    --------
    >>> LimitStatus(2).name, LimitStatus.BEYOND_BOUND.prose
    ('BEYOND_BOUND', 'infinite: it would lie beyond a bound')
    """

    NONE = 0
    FOUND = 1
    BEYOND_BOUND = 2
    IN_DOUBT = 3
    REFITTED = 4
    UNBOUNDED = 5
    OTHER_BRANCH = 6
    SEVERAL_RANGES = 7
    LOWER_MINIMUM = 8

    @property
    def prose(self) -> str:
        """The same in words."""
        return PROSE[self]
