/* The table of judgement, line by line: what each kind of end is called. */
#include "common/judgement.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static int failures;

static void expect(int ok, const char *what) {
    if (!ok) printf("FAILED: %s\n", what);
    failures += !ok;
}

/* A minimum of two parameters, of full rank, some way from the start. */
typedef struct {
    gslfit_evidence e;
    double x[2], start[2], norms[2], first[2], slopes[2];
    signed char bounds[2];
    unsigned char flags[2];
} end;

static void plain(end *s) {
    *s = (end){.e = {.p = 2, .residual = 1, .first_residual = 10, .scale = 20, .cosine = 1e-9, .rank = 2},
               .x = {2, 3}, .start = {1, 1}, .norms = {5, 4}, .first = {6, 2}, .slopes = {1e-9, -1e-10}};
    s->e.x = s->x, s->e.start = s->start, s->e.norms = s->norms, s->e.first_norms = s->first, s->e.slopes = s->slopes;
    s->e.bounds = s->bounds;
}

static gslfit_verdict judge(end *s) { return gslfit_judge(&s->e, s->flags); }

static void test_minima(void) {
    end s;
    plain(&s);
    expect(judge(&s) == GSLFIT_MINIMUM && !s.flags[0] && !s.flags[1], "a minimum of full rank");
    s.e.rank = 1;
    expect(judge(&s) == GSLFIT_RANK_DEFICIENT && gslfit_is_success(GSLFIT_RANK_DEFICIENT), "(b) dependent columns");
    s.e.runs_off = 1;
    expect(judge(&s) == GSLFIT_NOT_MINIMUM, "(f) chi-square falls along the null space");
    plain(&s);
    s.e.unseen = 1;
    expect(judge(&s) == GSLFIT_MINIMUM, "its curvature is not known, and no step is left");
    s.e.cosine = 5e-6;
    expect(judge(&s) == GSLFIT_NOT_MINIMUM, "(f) nobody has looked");
    s.e.residual = 1e-14;
    expect(judge(&s) == GSLFIT_EXACT_FIT, "(a) there is nothing to look for");
    plain(&s);
    s.norms[1] = s.first[1] = s.slopes[1] = 0, s.e.rank = 1;
    expect(judge(&s) == GSLFIT_RANK_DEFICIENT && s.flags[1] == GSLFIT_SILENT, "(b) without effect from the first");
    plain(&s);
    s.e.cosine = 0.02;
    expect(judge(&s) == GSLFIT_NOT_MINIMUM, "(f) a slope is left");
    s.e.tolerance = 0.05;
    expect(judge(&s) == GSLFIT_MINIMUM, "the caller's own tolerance");
    plain(&s);
    s.e.cosine = NAN;
    expect(judge(&s) == GSLFIT_NOT_MINIMUM, "nothing is known of a NaN");
    plain(&s);
    s.e.cosine = -1, s.slopes[1] = -1e-3;
    expect(judge(&s) == GSLFIT_NOT_MINIMUM, "where the cosine is not known the slopes are asked");
}

/* Whether a length of 1 bends up to these beside it, by a parabola. */
static int bends(double below, double above) {
    const double beside[4] = {below, above, 1 + (below - 1) / 4, 1 + (above - 1) / 4};
    return gslfit_bends(1, beside, 1e-9);
}

/* A parameter that enters by its square, and is 0 where chi-square is least. */
static void test_bent(void) {
    end s;
    const unsigned char bent[2] = {0, 1};
    plain(&s);
    s.norms[1] = s.slopes[1] = 0, s.e.rank = 1;
    expect(judge(&s) == GSLFIT_LOST_EFFECT && s.flags[1] == (GSLFIT_SILENT | GSLFIT_LOST), "(c) an effect that is lost");
    s.e.bent = bent;
    expect(judge(&s) == GSLFIT_RANK_DEFICIENT && s.flags[1] == GSLFIT_SILENT, "(b) not where chi-square rises to both sides");
    s.e.cosine = 0.02;
    expect(judge(&s) == GSLFIT_NOT_MINIMUM, "(f) another one has a slope");
    expect(gslfit_is_even(1e-9, 2, 1) && !gslfit_is_even(5, 3, 1), "its column is next to none");
    expect(bends(1.5, 1.5), "it rises alike");
    expect(!bends(1, 1.5) && !bends(0.5, 1.5), "a plain, a slope");
    expect(!bends(1 + 1e-10, 1 + 1e-10), "no more than rounding");
    expect(!bends(NAN, 1.5) && !bends(1.5, NAN), "nothing is known of a NaN");
    expect(!gslfit_bends(1, (double[]){1.5, 1.5, 1.4, 1.1}, 1e-9), "it rises to a plain");
}

static void test_rounding(void) {
    end s;
    plain(&s);
    s.e.residual = 1e-14 * s.e.scale, s.e.cosine = 1, s.e.rank = 0;
    s.norms[0] = s.norms[1] = 0;
    expect(judge(&s) == GSLFIT_EXACT_FIT && s.flags[0] & GSLFIT_SILENT, "(a) comes before all others");
    plain(&s);
    s.e.residual = 1e-11 * s.e.scale, s.e.cosine = 1e-3;
    expect(judge(&s) == GSLFIT_MINIMUM, "a cosine is known to the residual's rounding only");
    s.e.cosine = 1e-2;
    expect(judge(&s) == GSLFIT_NOT_MINIMUM, "and no worse");
}

static void test_effects(void) {
    end s;
    plain(&s);
    s.e.first_residual = 1, s.norms[1] = 1e-9;
    expect(judge(&s) == GSLFIT_LOST_EFFECT && s.flags[1] == (GSLFIT_SILENT | GSLFIT_LOST), "(c) run off to a plain");
    s.bounds[0] = -1, s.slopes[0] = 0.3;
    expect(judge(&s) == GSLFIT_SILENCED && s.flags[0] == GSLFIT_HELD, "(c) silenced by what is held");
    s.e.looked = 1;
    expect(judge(&s) == GSLFIT_AT_BOUND, "(e) after a look from inside");
    plain(&s);
    s.norms[0] = s.norms[1] = 0, s.bounds[0] = -1;
    expect(judge(&s) == GSLFIT_SILENCED, "(c) all are silent, perhaps by one on its bound");
    s.e.looked = 1;
    expect(judge(&s) == GSLFIT_LOST_EFFECT, "(c) nothing has an effect after a look from inside");
    plain(&s);
    const unsigned char bent[2] = {1, 1}, one[2] = {0, 1};
    s.norms[0] = s.norms[1] = 1e-12, s.e.bent = bent, s.e.cosine = 0, s.e.rank = 0;
    expect(judge(&s) == GSLFIT_RANK_DEFICIENT, "(b) chi-square bends up at all that J says nothing of");
    s.e.bent = one;
    expect(judge(&s) == GSLFIT_LOST_EFFECT, "(c) but not at one of them");
    for (int side = -1; side <= 1; side += 2) {
        plain(&s);
        s.x[1] = side * INFINITY;
        expect(judge(&s) == GSLFIT_LOST_EFFECT && s.flags[1] == (GSLFIT_SILENT | GSLFIT_LOST), "(c) at infinity there is no minimum");
    }
    plain(&s);
    s.norms[0] = s.norms[1] = s.first[0] = s.first[1] = 0;
    expect(judge(&s) == GSLFIT_NO_EFFECT, "(d) nothing has an effect");
    plain(&s);
    s.e.unmoved = 1, s.e.cosine = 0.5;
    expect(judge(&s) == GSLFIT_NO_EFFECT, "(d) nothing moved");
    s.e.cosine = 1e-9;
    expect(judge(&s) == GSLFIT_MINIMUM, "a start at the minimum");
    plain(&s);
    s.x[1] = 1e-12, s.start[1] = 0;
    expect(judge(&s) == GSLFIT_MINIMUM, "a value of 0 is not a lost effect: its column is as long as ever");
    plain(&s);
    s.x[0] = s.start[0] = 1e-20, s.e.cosine = s.slopes[0] = 0.5;
    expect(judge(&s) == GSLFIT_NOT_MINIMUM, "a tiny parameter with a slope is not without effect");
}

static void test_silent_on_its_bound(void) {
    end s;
    plain(&s);
    s.bounds[1] = -1, s.norms[1] = s.slopes[1] = 0, s.e.rank = 1;
    expect(judge(&s) == GSLFIT_SILENCED && s.flags[1] == (GSLFIT_SILENT | GSLFIT_LOST), "on its bound without effect: nothing pushes it there");
    s.e.looked = 1;
    expect(judge(&s) == GSLFIT_AT_BOUND && s.flags[1] == GSLFIT_HELD, "(e) after a look from inside");
    s.first[1] = 0, s.e.looked = 0;
    expect(judge(&s) == GSLFIT_AT_BOUND && s.flags[1] == GSLFIT_HELD, "on its bound, and without effect from the first");
}

static void test_bounds(void) {
    end s;
    plain(&s);
    s.bounds[0] = -1, s.slopes[0] = 0.3, s.e.rank = 1;
    expect(judge(&s) == GSLFIT_AT_BOUND, "(e) pushed against the lower bound");
    s.slopes[0] = -0.3, s.e.cosine = 0.3;
    expect(judge(&s) == GSLFIT_NOT_MINIMUM && !s.flags[0], "pushed away from the lower bound");
    s.bounds[0] = 1, s.e.cosine = 1e-9;
    expect(judge(&s) == GSLFIT_AT_BOUND, "(e) pushed against the upper bound");
    s.e.cosine = 1e-3;
    expect(judge(&s) == GSLFIT_NOT_MINIMUM, "held, and the others are not at their minimum");
}

/* The same end in other units of the residual and of a parameter. */
static void test_units(void) {
    const double units[] = {1e-200, 1e-30, 1, 1e30, 1e200};
    for (int i = 0; i < 5; i++)
        for (int j = 0; j < 2; j++) {
            end s;
            plain(&s);
            if (j) s.e.first_residual = 1, s.norms[1] = 1e-9;
            s.e.residual *= units[i], s.e.first_residual *= units[i], s.e.scale *= units[i];
            for (int k = 0; k < 2; k++) s.norms[k] *= units[i], s.first[k] *= units[i];
            expect(judge(&s) == (j ? GSLFIT_LOST_EFFECT : GSLFIT_MINIMUM), "in any unit of the data");
            for (int k = 0; k < 2; k++) s.x[k] *= 1e100, s.start[k] *= 1e100, s.norms[k] *= 1e-100, s.first[k] *= 1e-100;
            expect(judge(&s) == (j ? GSLFIT_LOST_EFFECT : GSLFIT_MINIMUM), "in any unit of the parameters");
        }
}

int main(void) {
    test_minima();
    test_bent();
    test_rounding();
    test_effects();
    test_silent_on_its_bound();
    test_bounds();
    test_units();
    printf("judgement: %d failures\n", failures);
    return failures != 0;
}
