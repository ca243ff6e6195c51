#include "judgement.h"

#include <math.h>

double gslfit_scale(double data, double within) { return fmax(data, fmin(within, GSLFIT_CANCELLED * data) / 16); }

double gslfit_cosine_bound(double residual, double scale, double tolerance) {
    return fmax(fmax(GSLFIT_CLOSE, tolerance), residual > 0 ? GSLFIT_ROUNDING * scale / residual : 1);
}

static double size_of(const gslfit_evidence *e, int k) { return fmax(fabs(e->x[k]), fabs(e->start[k])); }

/* A change of the residual that is none. */
static double unseen(const gslfit_evidence *e) { return fmax(GSLFIT_NEGLIGIBLE * e->residual, GSLFIT_ROUNDING * e->scale); }

/* Its own size changes nothing, with a column of this length. Where it began at 0, its size is not known until it has moved by what would
 * have been seen there. */
static int without_effect(const gslfit_evidence *e, int k, double norm) {
    const int known = e->start[k] != 0 || (e->first_norms && e->first_norms[k] * fabs(e->x[k]) > unseen(e));
    return !(norm > 0) || (known && norm * size_of(e, k) <= unseen(e));
}

/* Where the column is zero now, a parameter that began at 0 and stayed next to it had none: differences about such a value see nothing. */
static int had_effect(const gslfit_evidence *e, int k) {
    if (!e->first_norms || !(e->first_norms[k] > 0)) return 0;
    if (e->norms[k] > 0) return !without_effect(e, k, e->first_norms[k]);
    return e->start[k] != 0 || size_of(e, k) == 0 || e->first_norms[k] * size_of(e, k) > unseen(e);
}

static int exact(const gslfit_evidence *e) { return e->residual <= GSLFIT_ROUNDING * e->scale; }

static int silent(const gslfit_evidence *e, int k) {
    if (!(e->norms[k] > 0)) return 1;
    if (exact(e) && e->bending && e->bending[k]) return without_effect(e, k, e->norms[k]);
    if (!without_effect(e, k, e->norms[k]) || !had_effect(e, k)) return 0;
    const double share = e->norms[k] / e->first_norms[k], residual = fmax(e->residual, GSLFIT_ROUNDING * e->scale) / e->first_residual;
    return share <= GSLFIT_NEGLIGIBLE || share <= GSLFIT_FALLEN * residual;
}

/* On a bound, and not pushed away from it. */
static int held(const gslfit_evidence *e, int k) { return e->bounds && e->bounds[k] && !(e->slopes[k] * e->bounds[k] > 0); }

int gslfit_bends(double length, const double beside[4], double rounding) {
    const double left = beside[0] - length, right = beside[1] - length;
    return left > rounding && right > rounding && left > 0.25 * right && right > 0.25 * left /* false for a NaN */
           && beside[0] + length > 2 * beside[2] && beside[1] + length > 2 * beside[3];
}

#define WAYS 24 /* trials of a way */

gslfit_way gslfit_way_begin(double norm, double size, double length) {
    const double most = norm > 0 ? GSLFIT_EVEN * length / norm : 0;
    return (gslfit_way){size > 0 ? size : DBL_MIN, 0, most < DBL_MAX ? most : 0, WAYS};
}

int gslfit_way_next(gslfit_way *way, double rise) {
    const int lost = rise <= GSLFIT_SEEN;
    if (!lost && rise <= GSLFIT_FAR) return 0;
    *(lost ? &way->lost : &way->far) = way->trial;
    const int over = !(way->far > 2 * way->lost) || --way->left == 0;  /* the longest way is lost; or there is none between */
    way->trial = over ? 0 : sqrt(way->lost) * sqrt(way->far);
    return !over;
}

int gslfit_sort_columns(const gslfit_evidence *e, unsigned char *flags) {
    int left = 0;
    for (int k = 0; k < e->p; k++) {
        const int quiet = silent(e, k), lost = quiet && had_effect(e, k) && !(e->bent && e->bent[k]);
        flags[k] = lost ? GSLFIT_SILENT | GSLFIT_LOST : held(e, k) ? GSLFIT_HELD : quiet ? GSLFIT_SILENT : 0;
        left += !flags[k];
    }
    return left;
}

/* A parameter that lost its effect on its bound, and was looked at from inside, is held there. Returns whether there is one. */
static int hold_lost(const gslfit_evidence *e, unsigned char *flags) {
    int found = 0;
    for (int k = 0; k < e->p; k++) {
        if (!(flags[k] & GSLFIT_LOST) || !held(e, k)) continue;
        flags[k] = GSLFIT_HELD;
        found = 1;
    }
    return found;
}

/* The greatest slope of the columns that count: all that is known where nobody has worked out the cosine. */
static double steepest(const gslfit_evidence *e, const unsigned char *flags) {
    double most = 0;
    for (int k = 0; k < e->p; k++)
        if (!flags[k]) most = fmax(most, fabs(e->slopes[k]));
    return most;
}

/* A parameter that is no number ran off, whatever the model is there. Returns whether there is one. */
static int infinite(const gslfit_evidence *e, unsigned char *flags) {
    int found = 0;
    for (int k = 0; k < e->p; k++) {
        if (isfinite(e->x[k])) continue;
        flags[k] = GSLFIT_SILENT | GSLFIT_LOST;
        found = 1;
    }
    return found;
}

gslfit_verdict gslfit_judge(const gslfit_evidence *e, unsigned char *flags) {
    const int left = gslfit_sort_columns(e, flags);
    if (infinite(e, flags)) return GSLFIT_LOST_EFFECT;
    int lost = 0, holding = 0, touching = 0, none = e->p > 0, all_lost = e->p > 0;
    for (int k = 0; k < e->p; k++) {
        lost |= flags[k] & GSLFIT_LOST;
        all_lost &= (flags[k] & GSLFIT_SILENT) != 0;
        holding |= flags[k] & GSLFIT_HELD;
        touching |= e->bounds && e->bounds[k];
        none &= without_effect(e, k, e->norms[k]) && !had_effect(e, k);
    }
    if (exact(e)) return GSLFIT_EXACT_FIT;
    const double bound = gslfit_cosine_bound(e->residual, e->scale, e->tolerance), cosine = e->cosine < 0 ? steepest(e, flags) : e->cosine;
    const int low = cosine <= bound;  /* false for a NaN */
    if (none && e->linear && low && e->rank == left && left == e->p) return GSLFIT_MINIMUM;
    if (none) return GSLFIT_NO_EFFECT;
    if (e->unmoved && !low) return GSLFIT_NO_EFFECT;
    if (lost && all_lost) return touching && !e->looked ? GSLFIT_SILENCED : GSLFIT_LOST_EFFECT;
    if (lost && !e->looked) return touching ? GSLFIT_SILENCED : GSLFIT_LOST_EFFECT;
    if (lost) holding |= hold_lost(e, flags);
    if (lost && !holding) return GSLFIT_LOST_EFFECT;
    if (!low || e->runs_off) return GSLFIT_NOT_MINIMUM;
    if (e->unseen && !(cosine <= fmax(GSLFIT_SURE * bound, GSLFIT_ROUNDING * e->scale / e->residual))) return GSLFIT_NOT_MINIMUM;
    if (e->plain) return GSLFIT_LOST_EFFECT;
    if (holding) return GSLFIT_AT_BOUND;
    return left < e->p || e->rank < left ? GSLFIT_RANK_DEFICIENT : GSLFIT_MINIMUM;
}
