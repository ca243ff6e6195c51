/* The guard between GSL and the caller's functions: see guard.h. */
#ifndef GSL_RANGE_CHECK_OFF
#define GSL_RANGE_CHECK_OFF     /* indices are in range by construction */
#endif
#include "guard.h"

#include <float.h>
#include <gsl/gsl_blas.h>
#include <gsl/gsl_errno.h>
#include <limits.h>
#include <math.h>
#include <string.h>

#include "common/clock.h"
#include "common/judgement.h"

#define PULSE_SECONDS 0.05
#define SMALLEST_STEP 1e-290    /* quotients of smaller ones underflow */
#define SEEN (1e3 * DBL_EPSILON)    /* of f: a change that is seen in its digits, ... */
#define LARGE 1e-3                  /* ... and one that is more than a difference should make, ... */
#define STRAIGHT 1e-2               /* ... if it is off a straight line by more than such a share */
#define TRIALS 16                   /* of steps, ... */
#define LONGER 1e6                  /* ... the second by so much longer or shorter than the first, the next by its square */
#define LONGEST_STEP 1e300
#define SAFE_EXPONENT 200       /* residuals within 2^-200 .. 2^200 can be squared and multiplied as GSL does */
#define UNEVEN_EXPONENT 10      /* columns whose lengths differ by more than 2^10 are too different for conjugate gradients */
#define LARGEST_UNIT 1000       /* units are within 2^-1000 .. 2^1000 */
#define NONE 1e4                /* instead of an exponent: there is none */

int gslfit_guard_init(gslfit_guard *g, size_t n, size_t p, int products)
{
    memset(g, 0, sizeof *g);
    g->scale = 1.0;
    g->bad = -1;
    g->x_seen = gsl_vector_alloc(p);
    g->x_work = gsl_vector_alloc(p);
    g->least = gsl_vector_alloc(p);
    g->units = gsl_vector_alloc(p);
    g->x_own = gsl_vector_alloc(p);
    g->u_own = gsl_vector_alloc(p);
    g->f_seen = gsl_vector_alloc(n);
    g->f_work = gsl_vector_alloc(n);
    g->f_work2 = gsl_vector_alloc(n);
    if (products)
        g->x_dense = gsl_vector_alloc(p);
    const int parameters = g->x_seen && g->x_work && g->least && g->units && g->x_own && g->u_own && (!products || g->x_dense);
    return parameters && g->f_seen && g->f_work && g->f_work2 ? GSL_SUCCESS : GSL_ENOMEM;
}

void gslfit_guard_free(gslfit_guard *g)
{
    gsl_vector *vectors[] = {g->x_seen, g->x_work, g->least, g->units, g->x_own, g->u_own, g->x_dense, g->f_seen, g->f_work, g->f_work2};
    for (size_t i = 0; i < sizeof vectors / sizeof *vectors; i++)
        gsl_vector_free(vectors[i]);
    gsl_matrix_free(g->dense);
}

/* Forget the last fit. The first residual after this is the start's. */
void gslfit_guard_start(gslfit_guard *g)
{
    g->nfev = g->njev = g->nfvv = g->rejected = 0;
    g->started = g->stop = g->bad_jacobian = g->dense_known = g->scaled = g->kept_f = 0;
    g->kept_J = NULL;
    g->scale = 1.0;
    g->bad = -1;
    if (g->h <= 0.0)
        g->h = g->centred ? cbrt(DBL_EPSILON) : sqrt(DBL_EPSILON);
    g->beat = gslfit_seconds();
    gsl_vector_set_all(g->x_seen, NAN);
}

static int same(const gsl_vector *a, const gsl_vector *b)
{
    for (size_t i = 0; i < a->size; i++)
        if (!(gsl_vector_get(a, i) == gsl_vector_get(b, i)))
            return 0;
    return 1;
}

static int all_finite(const gsl_vector *v)
{
    for (size_t i = 0; i < v->size; i++)
        if (!isfinite(v->data[i * v->stride]))
            return 0;
    return 1;
}

static long first_bad(const gsl_vector *v)
{
    for (size_t i = 0; i < v->size; i++)
        if (!isfinite(v->data[i * v->stride]))
            return (long) i;
    return -1;
}

/* Before any call: may it still be made? */
static int may_call(gslfit_guard *g)
{
    if (!g->stop && g->pulse) {
        double t = gslfit_seconds();
        if (t - g->beat > PULSE_SECONDS) {
            g->beat = t;
            if (g->pulse(g->who))
                g->stop = GSL_EFAILED;
        }
    }
    return g->stop;
}

/* The caller's residuals, as they are. */
static int raw_f(gslfit_guard *g, const gsl_vector *x, gsl_vector *f)
{
    if (may_call(g))
        return g->stop;
    if (g->max_nfev && g->nfev >= g->max_nfev)
        return g->stop = GSL_EMAXITER;
    g->nfev++;
    return g->stop = g->fn.f(x, g->fn.params, f);
}

/* A residual longer than any: GSL refuses the step that led to it and tries a shorter one. (A NaN would do in some of GSL's
   comparisons and be taken for progress in others.) */
static void refuse(gslfit_guard *g, gsl_vector *f)
{
    g->rejected++;
    gsl_vector_set_zero(f);
    gsl_vector_set(f, 0, DBL_MAX);
}

static void choose_scale(gslfit_guard *g, const gsl_vector *f)
{
    double largest = 0.0;
    int exponent;
    for (size_t i = 0; i < f->size; i++) {
        double a = fabs(gsl_vector_get(f, i)) * (g->root_weights ? g->root_weights[i] : 1.0);
        if (a > largest)
            largest = a;
    }
    g->size = 0.0;
    if (largest == 0.0)
        return;
    frexp(largest, &exponent);
    if (g->normalise || abs(exponent) > SAFE_EXPONENT)
        g->scale = ldexp(1.0, exponent < -LARGEST_UNIT ? LARGEST_UNIT : -exponent);
    g->size = largest * g->scale;
}

/* Multiply row i of what the caller gave by the factor that GSL sees. */
static double factor(const gslfit_guard *g, size_t i)
{
    return g->root_weights ? g->scale * g->root_weights[i] : g->scale;
}

static void weigh(const gslfit_guard *g, gsl_vector *f)
{
    if (!g->root_weights && g->scale == 1.0)
        return;
    for (size_t i = 0; i < f->size; i++)
        f->data[i * f->stride] *= factor(g, i);
}

static double largest(const gsl_vector *f)
{
    double most = 0.0;
    for (size_t i = 0; i < f->size; i++)
        most = fmax(most, fabs(gsl_vector_get(f, i)));
    return most;
}

/* What is known of the start by its residual. */
static void begin(gslfit_guard *g, const gsl_vector *x, const gsl_vector *f)
{
    g->started = 1;
    for (size_t j = 0; j < x->size; j++)
        gsl_vector_set(g->least, j, gsl_vector_get(x, j) == 0.0 ? 0.0 : NAN);
    g->largest = largest(f);
    choose_scale(g, f);
}

/* GSL's parameters, or a direction of theirs, as the caller has them. */
static const gsl_vector *own(const gslfit_guard *g, const gsl_vector *x, gsl_vector *room)
{
    if (!g->scaled)
        return x;
    for (size_t j = 0; j < x->size; j++)
        gsl_vector_set(room, j, gsl_vector_get(x, j) * gsl_vector_get(g->units, j));
    return room;
}

int gslfit_guard_f(const gsl_vector *x_given, void *guard, gsl_vector *f)
{
    gslfit_guard *g = guard;
    const gsl_vector *x = own(g, x_given, g->x_own);
    const int kept = g->kept_f && same(x, g->x_seen);
    g->kept_f = 0;
    if (!all_finite(x)) {
        if (g->stop)
            return g->stop;
        refuse(g, f);
        return GSL_SUCCESS;
    }
    if (kept)
        gsl_vector_memcpy(f, g->f_seen);
    else if (raw_f(g, x, f))
        return g->stop;
    if (!all_finite(f)) {
        if (!g->started) {
            g->bad = first_bad(f);
            return g->stop = GSL_EBADFUNC;
        }
        refuse(g, f);
        return GSL_SUCCESS;
    }
    if (!kept && (g->accelerated || (!g->fn.df && !g->fn.product))) {
        gsl_vector_memcpy(g->x_seen, x);
        gsl_vector_memcpy(g->f_seen, f);
    }
    if (!g->started)
        begin(g, x, f);
    weigh(g, f);
    if (!all_finite(f))
        refuse(g, f);
    return GSL_SUCCESS;
}

/* f at x with component j moved by h; sets *finite. */
static int moved_f(gslfit_guard *g, size_t j, double h, gsl_vector *f, int *finite)
{
    double xj = gsl_vector_get(g->x_work, j);
    gsl_vector_set(g->x_work, j, xj + h);
    int status = raw_f(g, g->x_work, f);
    gsl_vector_set(g->x_work, j, xj);
    *finite = !status && all_finite(f);
    return status;
}

/* Column j by differences over a step: the side that is asked for, the other side where f is not finite there. */
static int difference_column(gslfit_guard *g, size_t j, double step, gsl_matrix *J)
{
    double xj = gsl_vector_get(g->x_work, j);
    volatile double up = xj + step;
    double h = up - xj, ahead = h, behind = 0.0;
    const gsl_vector *high = g->f_work, *low = g->f_seen;
    int up_finite, down_finite = 0;
    if (moved_f(g, j, h, g->f_work, &up_finite))
        return g->stop;
    if (g->centred || !up_finite) {
        if (moved_f(g, j, -h, g->f_work2, &down_finite))
            return g->stop;
        if (down_finite) {
            low = g->f_work2;
            behind = h;
        }
        if (!up_finite) {
            high = g->f_seen;
            ahead = 0.0;
        }
    }
    if (!up_finite && !down_finite) {
        g->bad = (long) j;
        g->bad_jacobian = 1;
        return g->stop = GSL_EBADFUNC;
    }
    for (size_t i = 0; i < J->size1; i++)
        gsl_matrix_set(J, i, j, (gsl_vector_get(high, i) - gsl_vector_get(low, i)) / (ahead + behind));
    return GSL_SUCCESS;
}

/* Is the way that f_work holds, of a step, twice that of half the step? */
static int straight(gslfit_guard *g, size_t j, double step, double change)
{
    int finite;
    if (moved_f(g, j, 0.5 * step, g->f_work2, &finite) || !finite)
        return 0;
    gsl_vector_sub(g->f_work2, g->f_seen);
    gsl_blas_daxpy(-2.0, g->f_work2, g->f_work);
    return largest(g->f_work) <= STRAIGHT * change;
}

/* A step of a parameter whose size says nothing of its scale that moves f by a share h of itself, or so, or further along a straight line:
   where f is 1e12 a step of 1e-8 is lost in its rounding, where x are 1e-9 it leads out of a peak. 0 where there is none. */
static double seen_step(gslfit_guard *g, size_t j, double step, double size)
{
    double lost = 0.0, far = INFINITY, longer = LONGER;
    for (int i = 0; i < TRIALS && lost < LONGEST_STEP && far > SMALLEST_STEP; i++) {
        int finite;
        if (moved_f(g, j, step, g->f_work, &finite))
            return 0.0;
        gsl_vector_sub(g->f_work, g->f_seen);
        const double change = finite ? largest(g->f_work) : INFINITY;
        if (change <= SEEN * size)
            lost = step;
        else if (change <= LARGE * size)
            return step * (g->h * size / change);
        else if (finite && straight(g, j, step, change))
            return step;
        else
            far = step;
        if (g->stop)
            return 0.0;
        if (lost > 0.0 && far < INFINITY)
            step = sqrt(lost) * sqrt(far);
        else
            step = far < INFINITY ? fmax(step / longer, SMALLEST_STEP) : fmin(step * longer, LONGEST_STEP);
        longer *= longer;
    }
    return 0.0;
}

static int column_by_differences(gslfit_guard *g, size_t j, gsl_matrix *J)
{
    const double xj = gsl_vector_get(g->x_work, j), least = gsl_vector_get(g->least, j);
    const double own = xj == 0.0 ? g->h : fmax(g->h * fabs(xj), SMALLEST_STEP), step = xj == 0.0 && least > 0.0 ? least : fmax(own, least);
    if (difference_column(g, j, step, J) || (xj != 0.0 && isnan(least)))
        return g->stop;
    const gsl_vector column = gsl_matrix_column(J, j).vector;
    const double change = largest(&column) * step, size = fmax(largest(g->f_seen), g->largest);
    const int chosen = xj == 0.0 || step == least, lost = !(change > SEEN * size);
    if (!chosen && !(lost && least == 0.0))
        return GSL_SUCCESS;
    const int good = !lost && change <= LARGE * size;
    const double better = good ? step * (g->h * size / change) : seen_step(g, j, lost && !g->centred ? step * LONGER : step, size);
    if (better > 0.0 && !isnan(least))
        gsl_vector_set(g->least, j, better);        /* a good step is made better for the next time */
    return good || !(better > 0.0) || better == step ? g->stop : difference_column(g, j, better, J);
}

static int differences(gslfit_guard *g, const gsl_vector *x, gsl_matrix *J)
{
    if (!same(x, g->x_seen)) {
        if (raw_f(g, x, g->f_seen))
            return g->stop;
        gsl_vector_memcpy(g->x_seen, x);
    }
    gsl_vector_memcpy(g->x_work, x);
    for (size_t j = 0; j < x->size; j++)
        if (column_by_differences(g, j, J))
            return g->stop;
    return GSL_SUCCESS;
}

/* The Jacobian is finite, once weighed; else the calls end here. */
static int finish_jacobian(gslfit_guard *g, gsl_matrix *J)
{
    for (size_t i = 0; i < J->size1; i++) {
        double *row = J->data + i * J->tda, w = factor(g, i), sum = 0.0;
        for (size_t j = 0; j < J->size2; j++) {
            row[j] *= g->scaled ? w * gsl_vector_get(g->units, j) : w;
            sum += row[j] * 0.0;                /* NaN if any element is not finite */
        }
        if (sum != 0.0) {
            size_t j = 0;
            while (isfinite(row[j]))
                j++;
            g->bad = (long) (i * J->size2 + j);
            g->bad_jacobian = 1;
            return g->stop = GSL_EBADFUNC;
        }
    }
    return GSL_SUCCESS;
}

/* The caller's Jacobian, as it is. */
static int raw_df(gslfit_guard *g, const gsl_vector *x, gsl_matrix *J)
{
    if (may_call(g))
        return g->stop;
    g->njev++;
    return g->stop = g->fn.df ? g->fn.df(x, g->fn.params, J) : differences(g, x, J);
}

int gslfit_guard_df(const gsl_vector *x, void *guard, gsl_matrix *J)
{
    gslfit_guard *g = guard;
    const gsl_matrix *kept = g->kept_J;
    g->kept_J = NULL;
    if (kept)
        return gsl_matrix_memcpy(J, kept);
    return raw_df(g, own(g, x, g->x_own), J) ? g->stop : finish_jacobian(g, J);
}

/* A step along v for second differences: long enough where v is short, which GSL's own fixed multiple of v is not. */
static double length_along(const gsl_vector *x, const gsl_vector *v)
{
    double ratio = 0.0, h;
    for (size_t j = 0; j < x->size; j++)
        if (gsl_vector_get(x, j) != 0.0)
            ratio = fmax(ratio, fabs(gsl_vector_get(v, j) / gsl_vector_get(x, j)));
    h = ratio > 0.0 ? pow(DBL_EPSILON, 0.25) / ratio : 1.0;
    return fmin(fmax(h, 0.02), 1e8);
}

static int f_along(gslfit_guard *g, const gsl_vector *x, const gsl_vector *v, double h, gsl_vector *f)
{
    for (size_t j = 0; j < x->size; j++)
        gsl_vector_set(g->x_work, j, gsl_vector_get(x, j) + h * gsl_vector_get(v, j));
    return raw_f(g, g->x_work, f);
}

/* (f(x + hv) - 2 f(x) + f(x - hv)) / h^2; zero where f is not finite, which makes the step one without acceleration. */
static int second_difference(gslfit_guard *g, const gsl_vector *x, const gsl_vector *v, gsl_vector *fvv)
{
    double h = g->h_fvv > 0.0 ? g->h_fvv : length_along(x, v);
    if (same(x, g->x_seen))
        gsl_vector_memcpy(fvv, g->f_seen);
    else if (raw_f(g, x, fvv))
        return g->stop;
    if (f_along(g, x, v, h, g->f_work) || f_along(g, x, v, -h, g->f_work2))
        return g->stop;
    for (size_t i = 0; i < fvv->size; i++)
        gsl_vector_set(fvv, i, (gsl_vector_get(g->f_work, i) - 2.0 * gsl_vector_get(fvv, i) + gsl_vector_get(g->f_work2, i)) / (h * h));
    if (!all_finite(fvv))
        gsl_vector_set_zero(fvv);
    return GSL_SUCCESS;
}

int gslfit_guard_fvv(const gsl_vector *x_given, const gsl_vector *v_given, void *guard, gsl_vector *fvv)
{
    gslfit_guard *g = guard;
    const gsl_vector *x = own(g, x_given, g->x_own), *v = own(g, v_given, g->u_own);
    if (may_call(g))
        return g->stop;
    if (!all_finite(v)) {
        gsl_vector_set_zero(fvv);
        return GSL_SUCCESS;
    }
    g->nfvv += g->fn.fvv != NULL;
    g->stop = g->fn.fvv ? g->fn.fvv(x, v, g->fn.params, fvv) : second_difference(g, x, v, fvv);
    weigh(g, fvv);
    return g->stop;
}

/* The whole Jacobian, which is kept for the next product at the same x. */
static int dense_jacobian(gslfit_guard *g, const gsl_vector *x)
{
    if (!g->dense && !(g->dense = gsl_matrix_alloc(g->fn.n, g->fn.p)))
        return g->stop = GSL_ENOMEM;
    if (!g->dense_known || !same(x, g->x_dense)) {
        g->dense_known = 0;
        if (raw_df(g, x, g->dense) || finish_jacobian(g, g->dense))
            return g->stop;
        gsl_vector_memcpy(g->x_dense, x);
        g->dense_known = 1;
    }
    return GSL_SUCCESS;
}

/* The squares of J's columns are finite, and none is lost of a column (known of a dense J) along which a parameter's size is seen in f;
   else the calls end here. */
static int in_range(gslfit_guard *g, const gsl_matrix *JTJ)
{
    for (size_t j = 0; j < JTJ->size1; j++) {
        const double square = gsl_matrix_get(JTJ, j, j);
        int good = isfinite(square);
        if (good && square < DBL_MIN && !g->fn.product) {
            const gsl_vector column = gsl_matrix_column(g->dense, j).vector;
            const double x = gsl_vector_get(g->x_dense, j) / (g->scaled ? gsl_vector_get(g->units, j) : 1.0);
            good = largest(&column) * fabs(x) <= GSLFIT_NEGLIGIBLE * g->size;
        }
        if (!good) {
            g->bad = (long) j;
            g->bad_jacobian = GSLFIT_BAD_SQUARE;
            return g->stop = GSL_EBADFUNC;
        }
    }
    return GSL_SUCCESS;
}

/* J^T u, J u and J^T J by way of it. */
static int dense_product(gslfit_guard *g, CBLAS_TRANSPOSE_t transpose, const gsl_vector *x, const gsl_vector *u, gsl_vector *v,
                         gsl_matrix *JTJ)
{
    if (dense_jacobian(g, own(g, x, g->x_own)))
        return g->stop;
    if (v)
        gsl_blas_dgemv(transpose, 1.0, g->dense, u, 0.0, v);
    if (JTJ)
        gsl_blas_dsyrk(CblasLower, CblasTrans, 1.0, g->dense, 0.0, JTJ);
    return JTJ ? in_range(g, JTJ) : GSL_SUCCESS;
}

/* J^T J of the caller's, weighed; factor by factor, as their products may be out of range. */
static void weigh_squares(const gslfit_guard *g, gsl_matrix *JTJ)
{
    for (size_t i = 0; i < JTJ->size1; i++)
        for (size_t j = 0; j < JTJ->size2; j++) {
            const double one = g->scaled ? gsl_vector_get(g->units, i) : 1.0, other = g->scaled ? gsl_vector_get(g->units, j) : 1.0;
            gsl_matrix_set(JTJ, i, j, gsl_matrix_get(JTJ, i, j) * (g->scale * one) * (g->scale * other));
        }
}

int gslfit_guard_product(CBLAS_TRANSPOSE_t transpose, const gsl_vector *x, const gsl_vector *u, void *guard, gsl_vector *v,
                         gsl_matrix *JTJ)
{
    gslfit_guard *g = guard;
    if (!g->fn.product)
        return dense_product(g, transpose, x, u, v, JTJ);
    if (may_call(g))
        return g->stop;
    g->njev++;
    if (transpose == CblasTrans && u) {         /* J is diag(factor) times the caller's, so J^T u is its transpose times factor*u */
        gsl_vector_memcpy(g->f_work, u);
        weigh(g, g->f_work);
        u = g->f_work;
    }
    else if (u)
        u = own(g, u, g->u_own);
    if ((g->stop = g->fn.product(transpose, own(g, x, g->x_own), u, g->fn.params, v, JTJ)))
        return g->stop;
    if (transpose == CblasNoTrans && v)
        weigh(g, v);
    else if (v && g->scaled)
        gsl_vector_mul(v, g->units);
    if (JTJ)
        weigh_squares(g, JTJ);
    if ((v && !all_finite(v))) {
        g->bad = first_bad(v);
        g->bad_jacobian = 1;
        return g->stop = GSL_EBADFUNC;
    }
    return JTJ ? in_range(g, JTJ) : GSL_SUCCESS;
}

/* ---- the start, before a solver sees it ---- */

/* The exponents of J's columns at the start, by their largest elements as they are to be weighed; NONE of one that is zero. */
static void exponents_of(const gslfit_guard *g, const gsl_matrix *J, gsl_vector *exponents)
{
    double *most = exponents->data;             /* its stride is 1: it is the guard's own */
    gsl_vector_set_zero(exponents);
    for (size_t i = 0; i < J->size1; i++) {
        const double *row = J->data + i * J->tda, w = g->root_weights ? g->root_weights[i] : 1.0;
        for (size_t j = 0; j < J->size2; j++) {
            const double a = fabs(row[j]) * w;
            most[j] = a > most[j] ? a : most[j];
        }
    }
    for (size_t j = 0; j < J->size2; j++) {
        int exponent;
        frexp(most[j], &exponent);
        most[j] = most[j] > 0.0 ? exponent : NONE;
    }
}

/* The same by products with J, one for each parameter; where J^T f says that all is well they are left out. */
static int exponents_by_products(gslfit_guard *g, const gsl_vector *x, gsl_vector *exponents, int *good)
{
    int exponent, least = INT_MAX, most = -INT_MAX, zero = 0, size;
    gsl_vector *u = g->u_own;
    frexp(g->scale, &size);
    if (may_call(g) || (g->stop = g->fn.product(CblasTrans, x, g->f_seen, g->fn.params, u, NULL)))
        return g->stop;
    for (size_t j = 0; j < u->size; j++) {
        frexp(gsl_vector_get(u, j), &exponent);
        zero |= gsl_vector_get(u, j) == 0.0 || !isfinite(gsl_vector_get(u, j));
        least = exponent < least ? exponent : least;
        most = exponent > most ? exponent : most;
    }
    *good = g->size == 0.0 || (g->scale == 1.0 && !zero && abs(least) < SAFE_EXPONENT && abs(most) < SAFE_EXPONENT
                               && !(g->even && most - least > UNEVEN_EXPONENT));
    for (size_t j = 0; j < x->size && !*good; j++) {
        gsl_vector_set_basis(u, j);
        if (may_call(g) || (g->stop = g->fn.product(CblasNoTrans, x, u, g->fn.params, g->f_work, NULL)))
            return g->stop;
        const double top = largest(g->f_work);
        frexp(top, &exponent);
        gsl_vector_set(exponents, j, top > 0.0 ? exponent : NONE);
    }
    return GSL_SUCCESS;
}

static int within(int exponent, int least, int most)
{
    return exponent < least ? least : exponent > most ? most : exponent;
}

/* Units by the exponents of columns and of x: all columns are about 1 where some are out of range, or of very different sizes where that
   counts. A column that is zero will be, once it isn't, about as long as f is for parameters of size 1: GSL takes it for 1, so x is to be
   as large as f is. */
static void choose_units(gslfit_guard *g, const gsl_vector *x, const gsl_vector *exponents)
{
    int size, scale, exponent, extreme = 0, least = INT_MAX, most = -INT_MAX;
    frexp(g->scale, &scale);
    frexp(g->size, &size);                      /* as GSL sees it */
    for (size_t j = 0; j < x->size; j++) {
        if (gsl_vector_get(exponents, j) == NONE)
            continue;
        exponent = (int) gsl_vector_get(exponents, j) + scale - 1;
        extreme |= abs(exponent) > SAFE_EXPONENT;
        least = exponent < least ? exponent : least;
        most = exponent > most ? exponent : most;
    }
    extreme |= g->even && most - least > UNEVEN_EXPONENT;
    for (size_t j = 0; j < x->size; j++) {
        const double xj = gsl_vector_get(x, j);
        const int zero = gsl_vector_get(exponents, j) == NONE;
        int unit = !zero && extreme ? -((int) gsl_vector_get(exponents, j) + scale - 1) : 0;
        if (xj != 0.0) {
            frexp(xj, &exponent);
            if (zero && g->size > 0.0)
                unit = exponent - size;
            unit = within(unit, exponent - LARGEST_UNIT, exponent + LARGEST_UNIT);
        }
        unit = within(unit, -LARGEST_UNIT, LARGEST_UNIT);
        gsl_vector_set(g->units, j, ldexp(1.0, unit));
        g->scaled |= unit != 0;
    }
}

int gslfit_guard_prepare(gslfit_guard *g, gsl_vector *x, gsl_matrix *room)
{
    int good = 0;
    gsl_vector *exponents = g->units;
    if (raw_f(g, x, g->f_seen))
        return g->stop;
    gsl_vector_memcpy(g->x_seen, x);
    g->kept_f = 1;
    if (!all_finite(g->f_seen))                 /* the solver asks for it, and is told */
        return GSL_SUCCESS;
    begin(g, x, g->f_seen);
    if (!room && !g->fn.product && !(room = g->dense) && !(room = g->dense = gsl_matrix_alloc(g->fn.n, g->fn.p)))
        return g->stop = GSL_ENOMEM;
    if (g->fn.product ? exponents_by_products(g, x, exponents, &good) : raw_df(g, x, room))
        return g->stop;
    if (!g->fn.product)
        exponents_of(g, room, exponents);
    if (!good)
        choose_units(g, x, exponents);
    if (g->scaled)
        gsl_vector_div(x, g->units);
    if (!g->fn.product && finish_jacobian(g, room))
        return g->stop;
    if (room && room == g->dense)
        g->dense_known = !gsl_vector_memcpy(g->x_dense, g->x_seen);
    else
        g->kept_J = room;
    return GSL_SUCCESS;
}
