# GSL's declarations as its headers have them: verbatim names, no logic. Installed with gslfit for anyone's own Cython:
# `from gslfit cimport gsl`, then plug nogil functions into gslfit.multifit.Function_fdf.from_pointers.

cdef extern from "gsl/gsl_errno.h" nogil:
    enum:
        GSL_SUCCESS
        GSL_FAILURE
        GSL_CONTINUE
        GSL_EDOM
        GSL_EINVAL
        GSL_EFAILED
        GSL_ENOMEM
        GSL_EBADFUNC
        GSL_EMAXITER
        GSL_EBADTOL
        GSL_EBADLEN
        GSL_ESING
        GSL_EUNSUP
        GSL_EUNIMPL
        GSL_ENOPROG
        GSL_ETOLF
        GSL_ETOLX
        GSL_ETOLG
    const char *gsl_strerror(int gsl_errno)

cdef extern from "gsl/gsl_version.h" nogil:
    const char *gsl_version
    int GSL_MAJOR_VERSION
    int GSL_MINOR_VERSION

cdef extern from "gsl/gsl_vector.h" nogil:
    ctypedef struct gsl_block:
        size_t size
        double *data
    ctypedef struct gsl_vector:
        size_t size
        size_t stride
        double *data
        gsl_block *block
        int owner
    ctypedef struct gsl_vector_view:
        gsl_vector vector
    gsl_vector *gsl_vector_alloc(size_t n)
    gsl_vector *gsl_vector_calloc(size_t n)
    void gsl_vector_free(gsl_vector *v)
    double gsl_vector_get(const gsl_vector *v, size_t i)
    void gsl_vector_set(gsl_vector *v, size_t i, double x)
    void gsl_vector_set_zero(gsl_vector *v)
    int gsl_vector_memcpy(gsl_vector *dest, const gsl_vector *src)
    gsl_vector_view gsl_vector_view_array(double *base, size_t n)

cdef extern from "gsl/gsl_matrix.h" nogil:
    ctypedef struct gsl_matrix:
        size_t size1
        size_t size2
        size_t tda
        double *data
        gsl_block *block
        int owner
    ctypedef struct gsl_matrix_view:
        gsl_matrix matrix
    gsl_matrix *gsl_matrix_alloc(size_t n1, size_t n2)
    gsl_matrix *gsl_matrix_calloc(size_t n1, size_t n2)
    void gsl_matrix_free(gsl_matrix *m)
    double gsl_matrix_get(const gsl_matrix *m, size_t i, size_t j)
    void gsl_matrix_set(gsl_matrix *m, size_t i, size_t j, double x)
    int gsl_matrix_memcpy(gsl_matrix *dest, const gsl_matrix *src)
    gsl_matrix_view gsl_matrix_view_array(double *base, size_t n1, size_t n2)

cdef extern from "gsl/gsl_cblas.h" nogil:
    ctypedef enum CBLAS_TRANSPOSE_t "CBLAS_TRANSPOSE_t":
        CblasNoTrans
        CblasTrans
        CblasConjTrans

cdef extern from "gsl/gsl_multifit_nlin.h" nogil:
    int gsl_multifit_gradient(const gsl_matrix *J, const gsl_vector *f, gsl_vector *g)
    int gsl_multifit_covar(const gsl_matrix *J, double epsrel, gsl_matrix *covar)
    int gsl_multifit_test_delta(const gsl_vector *dx, const gsl_vector *x, double epsabs, double epsrel)
    int gsl_multifit_test_gradient(const gsl_vector *g, double epsabs)

    ctypedef struct gsl_multifit_function_fdf:
        int (*f)(const gsl_vector *x, void *params, gsl_vector *f) noexcept nogil
        int (*df)(const gsl_vector *x, void *params, gsl_matrix *df) noexcept nogil
        int (*fdf)(const gsl_vector *x, void *params, gsl_vector *f, gsl_matrix *df) noexcept nogil
        size_t n
        size_t p
        void *params
        size_t nevalf
        size_t nevaldf

    ctypedef struct gsl_multifit_fdfsolver_type:
        const char *name

    ctypedef struct gsl_multifit_fdfsolver:
        const gsl_multifit_fdfsolver_type *type
        gsl_multifit_function_fdf *fdf
        gsl_vector *x
        gsl_vector *f
        gsl_vector *dx
        gsl_vector *g
        size_t niter

    int gsl_multifit_fdfsolver_set(gsl_multifit_fdfsolver *s, gsl_multifit_function_fdf *fdf, const gsl_vector *x)
    int gsl_multifit_fdfsolver_wset(gsl_multifit_fdfsolver *s, gsl_multifit_function_fdf *f, const gsl_vector *x, const gsl_vector *wts)
    int gsl_multifit_fdfsolver_iterate(gsl_multifit_fdfsolver *s)
    int gsl_multifit_fdfsolver_jac(gsl_multifit_fdfsolver *s, gsl_matrix *J)
    void gsl_multifit_fdfsolver_free(gsl_multifit_fdfsolver *s)
    const char *gsl_multifit_fdfsolver_name(const gsl_multifit_fdfsolver *s)

    const gsl_multifit_fdfsolver_type *gsl_multifit_fdfsolver_lmsder
    const gsl_multifit_fdfsolver_type *gsl_multifit_fdfsolver_lmder
    const gsl_multifit_fdfsolver_type *gsl_multifit_fdfsolver_lmniel

cdef extern from "gsl/gsl_multifit_nlinear.h" nogil:
    ctypedef enum gsl_multifit_nlinear_fdtype:
        GSL_MULTIFIT_NLINEAR_FWDIFF
        GSL_MULTIFIT_NLINEAR_CTRDIFF

    ctypedef struct gsl_multifit_nlinear_fdf:
        int (*f)(const gsl_vector *x, void *params, gsl_vector *f) noexcept nogil
        int (*df)(const gsl_vector *x, void *params, gsl_matrix *df) noexcept nogil
        int (*fvv)(const gsl_vector *x, const gsl_vector *v, void *params, gsl_vector *fvv) noexcept nogil
        size_t n
        size_t p
        void *params
        size_t nevalf
        size_t nevaldf
        size_t nevalfvv

    ctypedef struct gsl_multifit_nlinear_trs:
        const char *name
    ctypedef struct gsl_multifit_nlinear_scale:
        const char *name
    ctypedef struct gsl_multifit_nlinear_solver:
        const char *name
    ctypedef struct gsl_multifit_nlinear_type:
        const char *name

    ctypedef struct gsl_multifit_nlinear_parameters:
        const gsl_multifit_nlinear_trs *trs
        const gsl_multifit_nlinear_scale *scale
        const gsl_multifit_nlinear_solver *solver
        gsl_multifit_nlinear_fdtype fdtype
        double factor_up
        double factor_down
        double avmax
        double h_df
        double h_fvv

    ctypedef struct gsl_multifit_nlinear_workspace:
        const gsl_multifit_nlinear_type *type
        gsl_multifit_nlinear_fdf *fdf
        gsl_vector *x
        gsl_vector *f
        gsl_vector *dx
        gsl_vector *g
        gsl_matrix *J
        size_t niter
        gsl_multifit_nlinear_parameters params

    gsl_multifit_nlinear_parameters gsl_multifit_nlinear_default_parameters()
    gsl_multifit_nlinear_workspace *gsl_multifit_nlinear_alloc(const gsl_multifit_nlinear_type *T,
                                                               const gsl_multifit_nlinear_parameters *params, size_t n, size_t p)
    void gsl_multifit_nlinear_free(gsl_multifit_nlinear_workspace *w)
    int gsl_multifit_nlinear_init(const gsl_vector *x, gsl_multifit_nlinear_fdf *fdf, gsl_multifit_nlinear_workspace *w)
    int gsl_multifit_nlinear_iterate(gsl_multifit_nlinear_workspace *w)
    double gsl_multifit_nlinear_avratio(const gsl_multifit_nlinear_workspace *w)
    int gsl_multifit_nlinear_rcond(double *rcond, const gsl_multifit_nlinear_workspace *w)
    const char *gsl_multifit_nlinear_name(const gsl_multifit_nlinear_workspace *w)
    const char *gsl_multifit_nlinear_trs_name(const gsl_multifit_nlinear_workspace *w)
    int gsl_multifit_nlinear_covar(const gsl_matrix *J, double epsrel, gsl_matrix *covar)

    const gsl_multifit_nlinear_type *gsl_multifit_nlinear_trust
    const gsl_multifit_nlinear_trs *gsl_multifit_nlinear_trs_lm
    const gsl_multifit_nlinear_trs *gsl_multifit_nlinear_trs_lmaccel
    const gsl_multifit_nlinear_trs *gsl_multifit_nlinear_trs_dogleg
    const gsl_multifit_nlinear_trs *gsl_multifit_nlinear_trs_ddogleg
    const gsl_multifit_nlinear_trs *gsl_multifit_nlinear_trs_subspace2D
    const gsl_multifit_nlinear_scale *gsl_multifit_nlinear_scale_levenberg
    const gsl_multifit_nlinear_scale *gsl_multifit_nlinear_scale_marquardt
    const gsl_multifit_nlinear_scale *gsl_multifit_nlinear_scale_more
    const gsl_multifit_nlinear_solver *gsl_multifit_nlinear_solver_cholesky
    const gsl_multifit_nlinear_solver *gsl_multifit_nlinear_solver_qr
    const gsl_multifit_nlinear_solver *gsl_multifit_nlinear_solver_svd

cdef extern from "gsl/gsl_multilarge_nlinear.h" nogil:
    ctypedef enum gsl_multilarge_nlinear_fdtype:
        GSL_MULTILARGE_NLINEAR_FWDIFF
        GSL_MULTILARGE_NLINEAR_CTRDIFF

    ctypedef struct gsl_multilarge_nlinear_fdf:
        int (*f)(const gsl_vector *x, void *params, gsl_vector *f) noexcept nogil
        int (*df)(CBLAS_TRANSPOSE_t TransJ, const gsl_vector *x, const gsl_vector *u, void *params, gsl_vector *v,
                  gsl_matrix *JTJ) noexcept nogil
        int (*fvv)(const gsl_vector *x, const gsl_vector *v, void *params, gsl_vector *fvv) noexcept nogil
        size_t n
        size_t p
        void *params
        size_t nevalf
        size_t nevaldfu
        size_t nevaldf2
        size_t nevalfvv

    ctypedef struct gsl_multilarge_nlinear_trs:
        const char *name
    ctypedef struct gsl_multilarge_nlinear_scale:
        const char *name
    ctypedef struct gsl_multilarge_nlinear_solver:
        const char *name
    ctypedef struct gsl_multilarge_nlinear_type:
        const char *name

    ctypedef struct gsl_multilarge_nlinear_parameters:
        const gsl_multilarge_nlinear_trs *trs
        const gsl_multilarge_nlinear_scale *scale
        const gsl_multilarge_nlinear_solver *solver
        gsl_multilarge_nlinear_fdtype fdtype
        double factor_up
        double factor_down
        double avmax
        double h_df
        double h_fvv
        size_t max_iter
        double tol

    ctypedef struct gsl_multilarge_nlinear_workspace:
        const gsl_multilarge_nlinear_type *type
        gsl_multilarge_nlinear_fdf *fdf
        gsl_vector *x
        gsl_vector *f
        gsl_vector *dx
        gsl_vector *g
        gsl_matrix *JTJ
        size_t n
        size_t p
        size_t niter
        gsl_multilarge_nlinear_parameters params

    gsl_multilarge_nlinear_parameters gsl_multilarge_nlinear_default_parameters()
    gsl_multilarge_nlinear_workspace *gsl_multilarge_nlinear_alloc(const gsl_multilarge_nlinear_type *T,
                                                                   const gsl_multilarge_nlinear_parameters *params, size_t n, size_t p)
    void gsl_multilarge_nlinear_free(gsl_multilarge_nlinear_workspace *w)
    int gsl_multilarge_nlinear_init(const gsl_vector *x, gsl_multilarge_nlinear_fdf *fdf, gsl_multilarge_nlinear_workspace *w)
    int gsl_multilarge_nlinear_iterate(gsl_multilarge_nlinear_workspace *w)
    double gsl_multilarge_nlinear_avratio(const gsl_multilarge_nlinear_workspace *w)
    int gsl_multilarge_nlinear_rcond(double *rcond, const gsl_multilarge_nlinear_workspace *w)
    int gsl_multilarge_nlinear_covar(gsl_matrix *covar, gsl_multilarge_nlinear_workspace *w)
    const char *gsl_multilarge_nlinear_name(const gsl_multilarge_nlinear_workspace *w)
    const char *gsl_multilarge_nlinear_trs_name(const gsl_multilarge_nlinear_workspace *w)

    const gsl_multilarge_nlinear_type *gsl_multilarge_nlinear_trust
    const gsl_multilarge_nlinear_trs *gsl_multilarge_nlinear_trs_lm
    const gsl_multilarge_nlinear_trs *gsl_multilarge_nlinear_trs_lmaccel
    const gsl_multilarge_nlinear_trs *gsl_multilarge_nlinear_trs_dogleg
    const gsl_multilarge_nlinear_trs *gsl_multilarge_nlinear_trs_ddogleg
    const gsl_multilarge_nlinear_trs *gsl_multilarge_nlinear_trs_subspace2D
    const gsl_multilarge_nlinear_trs *gsl_multilarge_nlinear_trs_cgst
    const gsl_multilarge_nlinear_scale *gsl_multilarge_nlinear_scale_levenberg
    const gsl_multilarge_nlinear_scale *gsl_multilarge_nlinear_scale_marquardt
    const gsl_multilarge_nlinear_scale *gsl_multilarge_nlinear_scale_more
    const gsl_multilarge_nlinear_solver *gsl_multilarge_nlinear_solver_cholesky
    const gsl_multilarge_nlinear_solver *gsl_multilarge_nlinear_solver_none

cdef extern from "gsl/gsl_rng.h" nogil:
    ctypedef struct gsl_rng_type:
        const char *name
    ctypedef struct gsl_rng:
        pass
    const gsl_rng_type *gsl_rng_mt19937
    gsl_rng *gsl_rng_alloc(const gsl_rng_type *T)
    void gsl_rng_set(const gsl_rng *r, unsigned long seed)
    void gsl_rng_free(gsl_rng *r)
    double gsl_rng_uniform(const gsl_rng *r)

cdef extern from "gsl/gsl_siman.h" nogil:
    ctypedef double (*gsl_siman_Efunc_t)(void *xp) noexcept nogil
    ctypedef void (*gsl_siman_step_t)(const gsl_rng *r, void *xp, double step_size) noexcept nogil
    ctypedef double (*gsl_siman_metric_t)(void *xp, void *yp) noexcept nogil
    ctypedef void (*gsl_siman_print_t)(void *xp) noexcept nogil
    ctypedef void (*gsl_siman_copy_t)(void *source, void *dest) noexcept nogil
    ctypedef void *(*gsl_siman_copy_construct_t)(void *xp) noexcept nogil
    ctypedef void (*gsl_siman_destroy_t)(void *xp) noexcept nogil
    ctypedef struct gsl_siman_params_t:
        int n_tries
        int iters_fixed_T
        double step_size
        double k
        double t_initial
        double mu_t
        double t_min
    void gsl_siman_solve(const gsl_rng *r, void *x0_p, gsl_siman_Efunc_t Ef, gsl_siman_step_t take_step,
                         gsl_siman_metric_t distance, gsl_siman_print_t print_position, gsl_siman_copy_t copyfunc,
                         gsl_siman_copy_construct_t copy_constructor, gsl_siman_destroy_t destructor, size_t element_size,
                         gsl_siman_params_t params)
