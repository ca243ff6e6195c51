# common/judgement.h as its header has it.
cdef extern from "common/judgement.h" nogil:
    double GSLFIT_ROUNDING, GSLFIT_CLOSE, GSLFIT_NEGLIGIBLE, GSLFIT_FALLEN, GSLFIT_BESIDE, GSLFIT_UNTOLD, GSLFIT_ZEROS, GSLFIT_LOWER
    double GSLFIT_TURNED_BY
    enum:
        GSLFIT_HELD
        GSLFIT_SILENT
        GSLFIT_LOST
    ctypedef enum gslfit_verdict:
        GSLFIT_NOT_MINIMUM
        GSLFIT_NO_EFFECT
        GSLFIT_LOST_EFFECT
        GSLFIT_SILENCED
        GSLFIT_AT_BOUND
        GSLFIT_RANK_DEFICIENT
        GSLFIT_EXACT_FIT
        GSLFIT_MINIMUM
    ctypedef struct gslfit_evidence:
        int p
        double residual, first_residual, scale, tolerance, cosine
        int rank
        const double *x
        const double *start
        const double *norms
        const double *first_norms
        const double *slopes
        const unsigned char *bent
        const unsigned char *bending
        const signed char *bounds
        int linear, unmoved, looked, runs_off, unseen, plain
    int gslfit_sort_columns(const gslfit_evidence *e, unsigned char *flags)
    gslfit_verdict gslfit_judge(const gslfit_evidence *e, unsigned char *flags)
    double gslfit_next_turn(double x, double start)
    bint gslfit_is_last_digit(double step, double x)
    bint gslfit_places_beside(double x, double reach, double low, double high, double *places)
    bint gslfit_bends(double length, const double *beside, double rounding)
    bint gslfit_is_even(double norm, double size, double length)

    ctypedef struct gslfit_way:
        double trial

    gslfit_way gslfit_way_begin(double norm, double size, double length)
    bint gslfit_way_next(gslfit_way *way, double rise)
    bint gslfit_came_in(double x, double start, double first_norm, double first_length)
    bint gslfit_may_be_bent(gslfit_verdict verdict)
    bint gslfit_is_success(gslfit_verdict verdict)
    double gslfit_scale(double data, double within)
    double gslfit_cosine_bound(double residual, double scale, double tolerance)
