from enum import IntEnum

LINES: dict[str, tuple[int, bool, int, str]]

class FitStatus(IntEnum):
    @property
    def success(self) -> bool: ...
    @property
    def ier(self) -> int: ...
    @property
    def prose(self) -> str: ...
    NOT_RUN = 0
    CONVERGED = 1
    CONVERGED_BY_GSL = 2
    MAX_NFEV = 3
    NO_PROGRESS = 4
    SINGULAR = 5
    AT_BOUND = 6
    BAD_DATA = 7
    TOO_FEW_POINTS = 8
    RANK_DEFICIENT = 9
    GRADIENT = 10
    STEP = 11
    CHISQUARE = 12
    EXACT = 13
    PRECISION = 14
    POLISHED = 15
    MAX_ITER = 16
    NONFINITE = 17
    STOPPED = 18
    INTERRUPTED = 19
    FAILED = 20
    NO_EFFECT = 21
    LOST_EFFECT = 22
    SILENCED = 23
    FLAT = 24
    SLOW = 25
    SADDLE = 26
    FAINT = 27
    NOT_POSITIVE = 28
    OUT_OF_SIGHT = 29
