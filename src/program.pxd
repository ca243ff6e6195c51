# points.h, program.h and curve.h as their headers have them.
from libc.stdint cimport int32_t, uint64_t

from gsl cimport gsl_matrix, gsl_vector

cdef extern from "objective/points.h" nogil:
    enum:
        MAX_VARIABLES
    ctypedef struct fit_points:
        long n
        const double *x[16]
        const double *y
        const double *weights
        int loss
        double scale
        const double *factor

cdef extern from "program/program.h" nogil:
    ctypedef struct opcode_fact:
        const char *name
        int arity
        const char *meaning
    const opcode_fact *gslfit_opcode_facts
    enum:
        OPCODE_COUNT
        MAX_FREE
        GSLFIT_NOTHING
    ctypedef struct instruction:
        int32_t op, out, a, b, c
    ctypedef struct measured_response:
        long n
        const double *x
        double step
        long count, centre
        const double *numbers
        int shift
        double moved
    ctypedef struct second_derivatives:
        int nfurther
        int npair, nepilogue
        const int32_t *pairs
        const instruction *epilogue
        const int32_t *elements
        int nscalar
    ctypedef struct program:
        int nx, nfree, ninput, nconstant
        int nprologue, nbody, nvalue
        const double *constants
        const instruction *prologue
        const instruction *body
        const int32_t *outputs
        int nscalar, nregister
        uint64_t linear, amplitudes
        const measured_response *response
        const second_derivatives *second
    ctypedef struct workspace:
        pass
    int gslfit_program_check(program *p, char *message, size_t size)
    workspace *gslfit_workspace_new(const program *p)
    void gslfit_workspace_free(workspace *w)
    void gslfit_workspace_evaluate(workspace *w, const double *v, const double *inputs, const double *const *x, long n, double *value,
                                   double *jacobian, long row, long column)
    const char *gslfit_isa_name()
    int gslfit_isa_choose(const char *name)

cdef extern from "program/linear_start.h" nogil:
    int gslfit_linear_start_of(const program *code, long n, const double *r, const double *J, const double *lengths, const double *v,
                               const double *low, const double *high, double *start)
    int gslfit_linear_fit(const program *code, const fit_points *data, const double *v, const double *inputs, const int *which, int count,
                          double *found, double *lengths, double *length)

cdef extern from "program/shapes.h" nogil:
    ctypedef struct shape_set:
        double *base
        double *q
        double *r
        double *across
        double *square
        double *products
        double *along
        unsigned char *good
    int gslfit_shapes(const program *p, const double *inputs, long count, const double *x, long n, const double *y, long fits,
                      const shape_set *s)
    int gslfit_shapes_score(const program *p, const double *inputs, long count, const double *x, long n, const double *y, double *score,
                            double *value)

cdef extern from "program/curve.h" nogil:
    ctypedef struct curve:
        workspace *space
        const fit_points *points
        const double *inputs
    int gslfit_curve_f(const gsl_vector *v, void *which, gsl_vector *f) noexcept
    int gslfit_curve_df(const gsl_vector *v, void *which, gsl_matrix *J) noexcept
