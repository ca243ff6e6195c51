/* The one iteration loop, with its stopping test: see loop.h.

   The test is blind to the units of residuals and parameters. With theta the angle between the residual f and the space that the
   Jacobian's columns span, cos(theta)^2 is the part of chi-square that a full Gauss-Newton step promises to remove (Bates and Watts 1981,
   Technometrics 23, 179). The cheap tests of MINPACK (relative gradient per column, relative step, decrease of chi-square) only
   nominate a point; before it is called a minimum one QR decomposition on scaled columns has to agree, so that neither a short
   step taken in a collapsed trust region nor nearly parallel columns pass for convergence. */
#ifndef GSL_RANGE_CHECK_OFF
#define GSL_RANGE_CHECK_OFF     /* indices are in range by construction */
#endif
#include "loop.h"
#include "common/judgement.h"
#include "common/linalg.h"
#include "common/qr.h"

#include <float.h>
#include <gsl/gsl_blas.h>
#include <gsl/gsl_eigen.h>
#include <gsl/gsl_errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define RUNNING FIT_NOT_RUN     /* no ending yet */
#define RETRIES 8               /* further attempts after "no progress": each of GSL's makes 10 to 15 trial steps, ever shorter */
#define CLOSE_ANGLE 1e-5        /* a minimum for all purposes: the parameters are within about 1e-5 sqrt(n) standard errors of it */
#define CLOSE_STEP 1e-7
#define NOISE (100 * DBL_EPSILON)
#define CONJUGATE 4             /* products with J and with its transpose, for each parameter, that a Gauss-Newton step may take ... */
#define SOLVED 1e-6             /* ... until so much is left of the gradient */

int gslfit_loop_init(gslfit_loop *l, size_t n, size_t p, int dense)
{
    memset(l, 0, sizeof *l);
    l->column = calloc(6 * p, sizeof(double));
    l->flags = calloc(p, 1);
    if (!l->column || !l->flags)
        return GSL_ENOMEM;
    l->slope = l->column + p;
    l->step = l->slope + p;
    l->x_before = l->step + p;
    l->x_start = l->x_before + p;
    l->column_start = l->x_start + p;
    l->along = gsl_vector_alloc(n);
    if (!dense) {
        l->rest = gsl_vector_alloc(n);
        l->conjugate = gsl_vector_alloc(p);
        l->left = calloc(2 * p, sizeof(double));
        l->direction = l->left + p;
        return l->along && l->rest && l->conjugate && l->left ? GSL_SUCCESS : GSL_ENOMEM;
    }
    l->J = gsl_matrix_alloc(n, p);
    l->A = gsl_matrix_alloc(p, n);
    l->R = calloc(p, sizeof *l->R);
    l->order = calloc(p, sizeof *l->order);
    return l->along && l->J && l->A && l->R && l->order ? GSL_SUCCESS : GSL_ENOMEM;
}

void gslfit_loop_free(gslfit_loop *l)
{
    free(l->column);
    free(l->flags);
    gsl_matrix_free(l->J);
    gsl_matrix_free(l->A);
    gsl_vector_free(l->along);
    gsl_vector_free(l->rest);
    gsl_vector_free(l->conjugate);
    free(l->left);
    free(l->R);
    free(l->order);
}

static double length(const double *v, size_t n, size_t stride)
{
    double sum = 0.0;
    for (size_t i = 0; i < n; i++)
        sum += v[i * stride] * v[i * stride];
    return gslfit_norm(sum, v, n, stride);
}

/* Lengths of J's columns and their scalar products with f/|f|. */
static void columns(gslfit_loop *l)
{
    const gsl_matrix *J = l->J;
    const gsl_vector *f = l->solver.f;
    size_t p = J->size2;
    memset(l->column, 0, p * sizeof(double));
    memset(l->slope, 0, p * sizeof(double));
    for (size_t i = 0; i < J->size1; i++) {
        const double *row = J->data + i * J->tda;
        double fi = l->fnorm > 0.0 ? f->data[i * f->stride] / l->fnorm : 0.0;
        for (size_t j = 0; j < p; j++) {
            l->column[j] += row[j] * row[j];
            l->slope[j] += row[j] * fi;
        }
    }
    for (size_t j = 0; j < p; j++)
        l->column[j] = gslfit_norm(l->column[j], J->data + j, J->size1, J->tda);
}

/* The same from J^T J and J^T f; without J^T J the columns' lengths are unknown and left 0. */
static void products(gslfit_loop *l)
{
    for (size_t j = 0; j < l->solver.x->size; j++) {
        l->column[j] = l->solver.JTJ ? sqrt(gsl_matrix_get(l->solver.JTJ, j, j)) : 0.0;
        l->slope[j] = l->fnorm > 0.0 ? gsl_vector_get(l->solver.g, j) / l->fnorm : 0.0;
    }
}

/* QR on scaled columns: the cosine, the rank and the Gauss-Newton step. */
static void project_qr(gslfit_loop *l)
{
    size_t n = l->J->size1, p = l->J->size2;
    double *q = l->along->data;
    for (size_t j = 0; j < p; j++) {
        l->R[j] = l->A->data + j * l->A->tda;
        l->order[j] = (int) j;
        for (size_t i = 0; i < n; i++)
            l->R[j][i] = l->column[j] > 0.0 ? gsl_matrix_get(l->J, i, j) / l->column[j] : 0.0;
    }
    for (size_t i = 0; i < n; i++)
        q[i] = l->fnorm > 0.0 ? gsl_vector_get(l->solver.f, i) / l->fnorm : 0.0;
    int rank = gslfit_qr(l->R, l->order, (int) p, (long) n, (double) n * DBL_EPSILON, &q, 1);
    l->rank = (size_t) rank;
    l->cosine = length(q, l->rank, 1);
    gslfit_solve_upper(l->R, rank, q);
    memset(l->step, 0, p * sizeof(double));
    for (int k = 0; k < rank; k++)
        l->step[l->order[k]] = q[k];
}

/* The same by the eigenvalues of scaled J^T J. Without the memory for that the fit can't go on. */
static int project_normal(gslfit_loop *l)
{
    size_t p = l->solver.x->size;
    int status = GSL_ENOMEM;
    gsl_matrix *S = gsl_matrix_alloc(p, p), *V = gsl_matrix_alloc(p, p);
    gsl_vector *eigen = gsl_vector_alloc(p);
    gsl_eigen_symmv_workspace *work = gsl_eigen_symmv_alloc(p);
    if (!S || !V || !eigen || !work) {
        l->guard->stop = GSL_ENOMEM;
        goto done;
    }
    for (size_t i = 0; i < p; i++)
        for (size_t j = 0; j <= i; j++) {
            double scale = l->column[i] * l->column[j];
            gsl_matrix_set(S, i, j, scale > 0.0 ? gsl_matrix_get(l->solver.JTJ, i, j) / scale : 0.0);
        }
    if ((status = gsl_eigen_symmv(S, eigen, V, work)))
        goto done;
    double largest = gsl_vector_max(eigen), square = 0.0;
    l->rank = 0;
    memset(l->step, 0, p * sizeof(double));
    for (size_t k = 0; k < p; k++) {
        double lambda = gsl_vector_get(eigen, k), part = 0.0;
        if (!(lambda > (double) p * DBL_EPSILON * largest))
            continue;
        l->rank++;
        for (size_t j = 0; j < p; j++)
            if (l->column[j] > 0.0)
                part += gsl_matrix_get(V, j, k) * l->slope[j] / l->column[j];
        square += part * part / lambda;
        for (size_t j = 0; j < p; j++)
            l->step[j] += gsl_matrix_get(V, j, k) * part / lambda;
    }
    l->cosine = sqrt(square);
done:
    gsl_matrix_free(S);
    gsl_matrix_free(V);
    gsl_vector_free(eigen);
    if (work)
        gsl_eigen_symmv_free(work);
    return status;
}

static int times(gslfit_loop *l, CBLAS_TRANSPOSE_t transpose, const gsl_vector *u, gsl_vector *v)
{
    return l->solver.product(l->solver.state, transpose, u, v);
}

static double vector_length(const gsl_vector *v)
{
    return length(v->data, v->size, v->stride);
}

/* With products by J alone: the cosine for the one direction J g, a lower bound of what it is. No step. */
static double cosine_along_gradient(gslfit_loop *l)
{
    const gsl_vector *g = l->solver.g;
    gsl_vector *u = l->conjugate;
    double steepest = vector_length(g), Ju;
    if (steepest == 0.0 || l->fnorm == 0.0)
        return 0.0;
    for (size_t j = 0; j < u->size; j++)            /* of length 1: the product has the range that J has */
        gsl_vector_set(u, j, gsl_vector_get(g, j) / steepest);
    if (times(l, CblasNoTrans, u, l->along))
        return 1.0;
    Ju = vector_length(l->along);
    return Ju > 0.0 ? steepest / Ju / l->fnorm : 1.0;
}

/* Lengths of J's columns and their slopes, by a product for each. */
static int columns_by_products(gslfit_loop *l)
{
    gsl_vector *u = l->conjugate;
    for (size_t j = 0; j < u->size; j++) {
        gsl_vector_set_basis(u, j);
        int status = times(l, CblasNoTrans, u, l->along);
        if (status)
            return status;
        l->column[j] = vector_length(l->along);
        l->slope[j] = 0.0;
        for (size_t i = 0; i < l->along->size; i++)
            l->slope[j] += gsl_vector_get(l->along, i) * (gsl_vector_get(l->solver.f, i) / l->fnorm);
        if (l->column[j] > 0.0)
            l->gradient = fmax(l->gradient, fabs(l->slope[j]) / l->column[j]);
    }
    return GSL_SUCCESS;
}

/* J^T of what the step leaves of f/|f|, by columns of length 1; and its length. */
static int descent_left(gslfit_loop *l, double *steepness)
{
    gsl_vector left = gsl_vector_view_array(l->left, l->solver.x->size).vector;
    int status = times(l, CblasTrans, l->rest, &left);
    for (size_t j = 0; j < left.size; j++)
        l->left[j] = l->column[j] > 0.0 ? l->left[j] / l->column[j] : 0.0;
    *steepness = length(l->left, left.size, 1);
    return status;
}

/* The Gauss-Newton step on scaled columns and so the cosine, by conjugate gradients, which need products with J alone. As far as that goes
   in so many of them, the cosine is a lower bound; `step` is as project_qr leaves it. */
static int project_products(gslfit_loop *l)
{
    const size_t p = l->solver.x->size;
    double before, now, square = 0.0;
    int status;
    l->cosine = 0.0;
    if (l->fnorm == 0.0)
        return GSL_SUCCESS;
    status = columns_by_products(l);
    for (size_t i = 0; i < l->rest->size; i++)
        gsl_vector_set(l->rest, i, gsl_vector_get(l->solver.f, i) / l->fnorm);
    memset(l->step, 0, p * sizeof(double));
    memset(l->direction, 0, p * sizeof(double));
    if (status || (status = descent_left(l, &now)))
        return status;
    const double first = now;
    before = now;
    for (size_t turn = 0; turn < CONJUGATE * p && now > SOLVED * first; turn++) {
        const double beta = turn ? now / before * (now / before) : 0.0;
        for (size_t j = 0; j < p; j++) {
            l->direction[j] = l->left[j] + beta * l->direction[j];
            gsl_vector_set(l->conjugate, j, l->column[j] > 0.0 ? l->direction[j] / l->column[j] : 0.0);
        }
        if ((status = times(l, CblasNoTrans, l->conjugate, l->along)))
            return status;
        const double far = vector_length(l->along);
        if (!(far > 0.0))
            break;
        const double alpha = now / far * (now / far);
        square += now / far * (now / far) * now * now;
        for (size_t j = 0; j < p; j++)
            l->step[j] += alpha * l->direction[j];
        gsl_blas_daxpy(-alpha, l->along, l->rest);
        before = now;
        if ((status = descent_left(l, &now)))
            return status;
    }
    l->cosine = sqrt(square);
    return GSL_SUCCESS;
}

static int knows_columns(const gslfit_loop *l)
{
    return l->solver.jacobian || l->solver.JTJ;
}

/* The cosine and the Gauss-Newton step here, unless they are known. `step` holds |J_j| times the step over |f|. 0 if they can't be had. */
static int project(gslfit_loop *l)
{
    if (l->cosine >= 0.0)
        return 1;
    if (l->solver.jacobian) {
        project_qr(l);
        return 1;
    }
    return (l->solver.JTJ ? project_normal(l) : project_products(l)) == GSL_SUCCESS;
}

/* Bring everything the tests look at up to date. */
static int look(gslfit_loop *l)
{
    gslfit_solver *e = &l->solver;
    l->fnorm = length(e->f->data, e->f->size, e->f->stride);
    l->cosine = -1.0;
    if (e->jacobian) {
        int status = e->jacobian(e->state, l->J);
        if (status)
            return status;
        columns(l);
    }
    else
        products(l);
    l->gradient = 0.0;
    for (size_t j = 0; j < e->x->size; j++)
        if (l->column[j] > 0.0)
            l->gradient = fmax(l->gradient, fabs(l->slope[j]) / l->column[j]);
    if (!knows_columns(l))
        l->gradient = cosine_along_gradient(l);
    return l->guard->stop;
}

/* Is |dx_j| negligible beside |x_j|, or its effect beside |f|? `effect` is |J_j| |dx_j| / |f|. */
static int negligible(double dx, double x, double effect, double tol)
{
    return fabs(dx) <= tol * fabs(x) || effect <= tol;
}

static int small_step(const gslfit_loop *l, double tol)
{
    const gslfit_solver *e = &l->solver;
    for (size_t j = 0; j < e->x->size; j++) {
        double dx = gsl_vector_get(e->dx, j);
        double effect = l->column[j] > 0.0 ? l->column[j] * fabs(dx) / l->fnorm : (knows_columns(l) ? 0.0 : INFINITY);
        if (!negligible(dx, gsl_vector_get(e->x, j), effect, tol))
            return 0;
    }
    return 1;
}

/* Would the full Gauss-Newton step from here be negligible too? */
static int small_next(const gslfit_loop *l, double tol)
{
    if (!knows_columns(l))
        return l->cosine <= sqrt(tol);
    for (size_t j = 0; j < l->solver.x->size; j++) {
        double dx = l->column[j] > 0.0 ? l->step[j] * l->fnorm / l->column[j] : 0.0;
        if (!negligible(dx, gsl_vector_get(l->solver.x, j), fabs(l->step[j]), tol))
            return 0;
    }
    return 1;
}

/* How many times the steepest column's cosine that of all of them may be: where columns are known by products alone, and a solver of them
   comes no nearer, as if they were orthogonal and equally steep. */
static double confirming(const gslfit_loop *l)
{
    return knows_columns(l) ? 1.0 : sqrt((double) l->solver.x->size);
}

/* The stopping test after a step that took |f| from `before` to l->fnorm; before < 0 at the start. */
static fit_status converged(gslfit_loop *l, double before)
{
    if (l->fnorm == 0.0)
        return FIT_EXACT;
    if (l->gradient <= l->gtol && project(l) && l->gradient <= l->gtol && l->cosine <= l->gtol * confirming(l))
        return FIT_GRADIENT;
    if (before < 0.0)
        return RUNNING;
    if (small_step(l, l->xtol) && project(l) && small_next(l, l->xtol))
        return FIT_STEP;
    double decrease = 1.0 - (l->fnorm / before) * (l->fnorm / before);
    if (decrease <= l->ftol && l->gradient * l->gradient <= l->ftol && project(l) && l->cosine * l->cosine <= l->ftol)
        return FIT_CHISQUARE;
    return RUNNING;
}

/* GSL can't go on. Is this a minimum, to what double precision can tell? */
static int at_minimum(gslfit_loop *l)
{
    double model = 0.0;                 /* about the size of what the residual is the difference of */
    if (!knows_columns(l) && !project(l))
        return 0;
    for (size_t j = 0; j < l->solver.x->size; j++)
        model = fmax(model, l->column[j] * fmax(fabs(gsl_vector_get(l->solver.x, j)), fabs(l->x_start[j])));
    if (l->fnorm == 0.0 || l->fnorm <= NOISE * model)       /* what is left is the rounding of the model itself */
        return 1;
    if (!project(l))
        return 0;
    return l->cosine <= fmax(CLOSE_ANGLE, NOISE * model / l->fnorm) || (knows_columns(l) && small_next(l, fmax(l->xtol, CLOSE_STEP)));
}

static int moved(const gslfit_loop *l)
{
    for (size_t j = 0; j < l->solver.x->size; j++)
        if (gsl_vector_get(l->solver.x, j) != l->x_before[j])
            return 1;
    return 0;
}

/* What a status other than success means for the fit. */
static fit_status ending_of(gslfit_loop *l, int status)
{
    const gslfit_guard *g = l->guard;
    l->code = status;
    if (g->stop == GSL_EMAXITER)
        return FIT_MAX_NFEV;
    if (g->stop && g->bad_jacobian)
        return length(l->solver.f->data, l->solver.f->size, l->solver.f->stride) == 0.0 ? FIT_EXACT : FIT_NONFINITE;
    if (g->stop)
        return FIT_FAILED;
    if (status != GSL_ENOPROG && status != GSL_ETOLF && status != GSL_ETOLX && status != GSL_ETOLG)
        return FIT_FAILED;
    return at_minimum(l) ? FIT_PRECISION : FIT_NO_PROGRESS;
}

/* One step that lowers chi-square, or the ending. */
static fit_status advance(gslfit_loop *l)
{
    gslfit_solver *e = &l->solver;
    int status = GSL_SUCCESS;
    fit_status ending = RUNNING;
    double before = l->fnorm;
    for (size_t j = 0; j < e->x->size; j++)
        l->x_before[j] = gsl_vector_get(e->x, j);
    for (int attempt = 0; attempt <= RETRIES; attempt++) {
        status = e->iterate(e->state);
        if (status == GSL_SUCCESS && !moved(l)) {           /* lmniel gives up this way; it would do the same again */
            status = GSL_ENOPROG;
            attempt = RETRIES;
        }
        if (status == GSL_SUCCESS)
            break;
        ending = ending_of(l, status);
        if (ending != FIT_NO_PROGRESS || status != GSL_ENOPROG)
            return ending;
    }
    if (status)
        return ending;
    l->niter++;
    if ((status = look(l)))
        return ending_of(l, status);
    ending = converged(l, before);
    if (l->watch && l->watch(l->who) && !gslfit_well_ended(ending))
        return FIT_STOPPED;
    return ending;
}

/* Does J u vanish for a u without zeros, where J is known by its products alone? */
static int seems_zero(gslfit_loop *l)
{
    gsl_vector u = gsl_vector_view_array(l->step, l->solver.x->size).vector;
    for (size_t j = 0; j < u.size; j++)
        l->step[j] = 1.0 / (double) (1 + j);
    return times(l, CblasNoTrans, &u, l->along) == GSL_SUCCESS
           && vector_length(l->along) == 0.0;
}

/* What the one judgement (common/judgement.h) says of an end that the test above takes for a minimum: that, or why it is none. The caller's
   tolerances are the caller's: how steep it may be there is not asked again. */
static fit_status judged(gslfit_loop *l, fit_status ending)
{
    size_t p = l->solver.x->size;
    if (!gslfit_well_ended(ending) || ending == FIT_EXACT)
        return ending;
    if (!knows_columns(l))
        return l->gradient == 0.0 && seems_zero(l) ? FIT_NO_EFFECT : ending;
    gslfit_evidence e = {.p = (int) p, .residual = l->fnorm, .first_residual = l->fnorm_start, .tolerance = 1.0, .cosine = 0.0,
                         .rank = (int) l->rank, .x = l->x_before, .start = l->x_start, .norms = l->column, .first_norms = l->column_start,
                         .slopes = l->step};
    for (size_t j = 0; j < p; j++) {
        l->x_before[j] = gsl_vector_get(l->solver.x, j);
        l->step[j] = l->column[j] > 0.0 ? l->slope[j] / l->column[j] : 0.0;
        e.scale = fmax(e.scale, l->column[j] * fabs(l->x_before[j]));
    }
    if (e.scale == 0.0)
        e.scale = l->fnorm_start;
    switch (gslfit_judge(&e, l->flags)) {
    case GSLFIT_NO_EFFECT: return FIT_NO_EFFECT;
    case GSLFIT_LOST_EFFECT: return FIT_LOST_EFFECT;
    default: return ending;
    }
}

/* Run a solver that has been set to its start until it converges or can't. */
void gslfit_run(gslfit_loop *l)
{
    l->niter = l->rank = 0;
    l->code = 0;
    int status = look(l);
    if (!l->started) {
        for (size_t j = 0; j < l->solver.x->size; j++)
            l->x_start[j] = gsl_vector_get(l->solver.x, j);
        memcpy(l->column_start, l->column, l->solver.x->size * sizeof(double));
        l->fnorm_start = l->fnorm;
        l->started = 1;
    }
    l->ending = status ? ending_of(l, status) : converged(l, -1.0);
    while (l->ending == RUNNING)
        l->ending = l->niter >= l->max_iter ? FIT_MAX_ITER : advance(l);
    if (!l->guard->stop)
        project(l);                                          /* for the rank and the cosine in the outcome */
    if (l->guard->stop == GSL_ENOMEM) {                      /* whatever was asked when the memory ended has no answer */
        l->ending = FIT_FAILED;
        l->code = GSL_ENOMEM;
    }
    l->ending = judged(l, l->ending);
}
