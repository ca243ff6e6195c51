# src/solver/fdfsolver.h, guard.h and loop.h, and src/common/status.h, as Cython sees them.
from gsl cimport (
    CBLAS_TRANSPOSE_t, gsl_matrix, gsl_multifit_fdfsolver, gsl_multifit_fdfsolver_type, gsl_multifit_nlinear_solver,
    gsl_multilarge_nlinear_solver, gsl_vector,
)

cdef extern from "solver/fdfsolver.h" nogil:
    int gslfit_covar(const gsl_matrix *J, double epsrel, gsl_matrix *covar)
    gsl_multifit_fdfsolver *gslfit_fdfsolver_alloc(const gsl_multifit_fdfsolver_type *type, size_t n, size_t p)

cdef extern from "solver/guard.h" nogil:
    ctypedef struct gslfit_function:
        int (*f)(const gsl_vector *x, void *params, gsl_vector *f) noexcept nogil
        int (*df)(const gsl_vector *x, void *params, gsl_matrix *J) noexcept nogil
        int (*fvv)(const gsl_vector *x, const gsl_vector *v, void *params, gsl_vector *fvv) noexcept nogil
        int (*product)(CBLAS_TRANSPOSE_t transpose, const gsl_vector *x, const gsl_vector *u, void *params, gsl_vector *v,
                       gsl_matrix *JTJ) noexcept nogil
        void *params
        size_t n
        size_t p

    enum:
        GSLFIT_BAD_SQUARE

    ctypedef struct gslfit_guard:
        gslfit_function fn
        const double *root_weights
        int normalise
        double scale
        int scaled
        gsl_vector *units
        int even
        int centred
        double h
        double h_fvv
        int accelerated
        size_t nfev
        size_t njev
        size_t nfvv
        size_t max_nfev
        int started
        int stop
        size_t rejected
        long bad
        int bad_jacobian
        int (*pulse)(void *who) noexcept nogil
        void *who

    int gslfit_guard_init(gslfit_guard *g, size_t n, size_t p, int products)
    void gslfit_guard_free(gslfit_guard *g)
    void gslfit_guard_start(gslfit_guard *g)
    int gslfit_guard_prepare(gslfit_guard *g, gsl_vector *x, gsl_matrix *room) noexcept
    int gslfit_guard_f(const gsl_vector *x, void *guard, gsl_vector *f) noexcept
    int gslfit_guard_df(const gsl_vector *x, void *guard, gsl_matrix *J) noexcept
    int gslfit_guard_fvv(const gsl_vector *x, const gsl_vector *v, void *guard, gsl_vector *fvv) noexcept
    int gslfit_guard_product(CBLAS_TRANSPOSE_t transpose, const gsl_vector *x, const gsl_vector *u, void *guard, gsl_vector *v,
                             gsl_matrix *JTJ) noexcept

    const gsl_multifit_nlinear_solver *multifit_mcholesky "GSLFIT_MCHOLESKY(multifit)"
    const gsl_multilarge_nlinear_solver *multilarge_mcholesky "GSLFIT_MCHOLESKY(multilarge)"

cdef extern from "common/status.h" nogil:
    ctypedef enum fit_status:
        FIT_FAILED
        FIT_MAX_ITER
        FIT_MAX_NFEV
        FIT_NONFINITE

cdef extern from "solver/loop.h" nogil:
    ctypedef struct gslfit_solver:
        void *state
        int (*iterate)(void *solver) noexcept nogil
        int (*jacobian)(void *solver, gsl_matrix *J) noexcept nogil
        const gsl_vector *x
        const gsl_vector *dx
        const gsl_vector *f
        const gsl_vector *g
        const gsl_matrix *JTJ
        int (*product)(void *solver, CBLAS_TRANSPOSE_t transpose, const gsl_vector *u, gsl_vector *v) noexcept nogil

    ctypedef struct gslfit_loop:
        gslfit_solver solver
        gslfit_guard *guard
        double xtol
        double ftol
        double gtol
        size_t max_iter
        int started
        int (*watch)(void *who) noexcept nogil
        void *who
        fit_status ending
        int code
        size_t niter
        size_t rank
        double fnorm
        double gradient
        double cosine
        gsl_matrix *J

    int gslfit_loop_init(gslfit_loop *l, size_t n, size_t p, int dense)
    void gslfit_loop_free(gslfit_loop *l)
    void gslfit_run(gslfit_loop *l)
