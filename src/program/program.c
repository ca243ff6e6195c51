#include "workspace.h"
#include "common/linalg.h"
#include "folding.h"

#include <math.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const opcode_fact gslfit_opcode_facts[OPCODE_COUNT] = {
#define FACT(NAME, name, arity, meaning) {#name, arity, meaning},
    OPCODES(FACT)
#undef FACT
};

/* ---- checking ---- */

static int largest(int a, int b) { return a > b ? a : b; }

/* How many instructions the body has, those of second derivatives among them. */
static int all_of_body(const program *p) { return p->nbody + (p->second ? p->second->nfurther : 0); }

/* Scalars and registers there are: one more than the greatest that is written. */
static void count_operands(program *p) {
    p->nscalar = p->nfree + p->ninput + p->nconstant;
    p->nregister = p->nx;
    for (int k = 0; k < p->nprologue; k++) p->nscalar = largest(p->nscalar, p->prologue[k].out + 1);
    for (int k = 0; k < all_of_body(p); k++) p->nregister = largest(p->nregister, p->body[k].out + 1);
}

static int is_operand(const program *p, int32_t operand, int body) {
    if (!body) return operand >= 0 && operand < p->nscalar;
    return operand >= 0 ? operand < p->nregister : ~operand < p->nscalar;
}

/* POWI's exponent is read once for all lanes: it must be a constant. */
static int is_power(const program *p, int32_t operand, int body) {
    int32_t scalar = body ? ~operand : operand;
    int first = p->nfree + p->ninput;
    if (scalar < first || scalar >= first + p->nconstant) return 0;
    double b = p->constants[scalar - first];
    return fabs(b) <= 1024 && b == floor(b);
}

static int check_part(const program *p, int body, char *message, size_t size) {
    const instruction *code = body ? p->body : p->prologue;
    const char *part = body ? "body" : "prologue";
    int count = body ? all_of_body(p) : p->nprologue, first = body ? p->nx : p->nfree + p->ninput + p->nconstant;
    for (int k = 0; k < count; k++) {
        const instruction *q = code + k;
        if (q->op < 0 || q->op >= OPCODE_COUNT)
            return snprintf(message, size, "instruction %d of the %s has no opcode %d", k, part, q->op), -1;
        const opcode_fact *fact = gslfit_opcode_facts + q->op;
        if (q->out < first || q->out >= MAX_OPERANDS)
            return snprintf(message, size, "instruction %d of the %s (%s) writes to %d; temporaries are %d to %d", k, part, fact->name,
                            q->out, first, MAX_OPERANDS - 1), -1;
        const int32_t operands[3] = {q->a, q->b, q->c};
        for (int j = 0; j < fact->arity; j++)
            if (!is_operand(p, operands[j], body))
                return snprintf(message, size, "instruction %d of the %s (%s) reads %d, which nothing writes", k, part, fact->name,
                                operands[j]), -1;
        if (q->op == OP_POWI && !is_power(p, q->b, body))
            return snprintf(message, size, "instruction %d of the %s: the exponent of powi must be a whole constant, at most 1024", k,
                            part), -1;
    }
    return 0;
}

/* The same for second derivatives; the epilogue's scalars are the program's and more. */
static int check_second(program *p, second_derivatives *d, char *message, size_t size) {
    const int first = p->nscalar + p->nfree + d->npair;
    program whole = *p;
    for (int k = 0; k < 2 * d->npair; k++)
        if (!(d->pairs[k] >= 0 ? d->pairs[k] < p->nregister : k % 2 && d->pairs[k] == GSLFIT_NOTHING))
            return snprintf(message, size, "operand %d of the pairs is %d, and no register", k, d->pairs[k]), -1;
    whole.nscalar = first;
    for (int k = 0; k < d->nepilogue; k++) whole.nscalar = largest(whole.nscalar, d->epilogue[k].out + 1);
    whole.prologue = d->epilogue;
    whole.nprologue = d->nepilogue;
    if (d->npair > MAX_PAIRS) return snprintf(message, size, "up to %d pairs are possible, not %d", MAX_PAIRS, d->npair), -1;
    if (check_part(&whole, 0, message, size)) return -1;
    for (int k = 0; k < d->nepilogue; k++)
        if (d->epilogue[k].out < first)
            return snprintf(message, size, "instruction %d of the epilogue writes to %d; temporaries begin at %d", k, d->epilogue[k].out,
                            first), -1;
    for (int k = 0; k < TRIANGLE(p->nfree); k++)
        if (d->elements[k] != GSLFIT_NOTHING && !is_operand(&whole, d->elements[k], 0))
            return snprintf(message, size, "element %d of the second derivatives is scalar %d, which nothing writes", k,
                            d->elements[k]), -1;
    d->nscalar = whole.nscalar;
    return 0;
}

static int jumps(const instruction *code, int count) {
    for (int i = 0; i < count; i++) {
        const int32_t op = code[i].op;
        if (op == OP_ABS || op == OP_MOD || op == OP_FMOD || (op >= OP_MIN && op <= OP_SELECT)) return 1;
    }
    return 0;
}

int gslfit_may_have_kinks(const program *p) { return jumps(p->prologue, p->nprologue) || jumps(p->body, p->nvalue); }

int gslfit_program_check(program *p, char *message, size_t size) {
    if (p->nx < 0 || p->nx > MAX_VARIABLES)
        return snprintf(message, size, "a program has up to %d independent variables, not %d", MAX_VARIABLES, p->nx), -1;
    if (p->nfree < 0 || p->nfree > MAX_FREE)
        return snprintf(message, size, "a program has up to %d free variables, not %d", MAX_FREE, p->nfree), -1;
    if (p->ninput < 0 || p->ninput + p->nconstant >= MAX_OPERANDS)
        return snprintf(message, size, "a program has up to %d inputs and constants", MAX_OPERANDS - 1), -1;
    if (p->response && (p->nx != 1 || p->response->n < 1 || p->response->count < 1 || p->response->shift >= p->nfree + p->ninput))
        return snprintf(message, size, "a response needs one independent variable, and is moved by a free variable or an input"), -1;
    if (p->nvalue < 0 || p->nvalue > p->nbody)
        return snprintf(message, size, "the body has %d instructions, the value can't need %d", p->nbody, p->nvalue), -1;
    count_operands(p);
    if (check_part(p, 0, message, size) || check_part(p, 1, message, size)) return -1;
    for (int k = 0; k <= p->nfree; k++)
        if (!is_operand(p, p->outputs[k], 1))
            return snprintf(message, size, "output %d is operand %d, which nothing writes", k, p->outputs[k]), -1;
    return p->second ? check_second(p, (second_derivatives *)p->second, message, size) : 0;
}

/* ---- the instruction set ---- */

static _Atomic(const isa *) chosen;     /* by whichever thread comes first; all would choose the same */

static int runs_here(const isa *set) {
#if defined(__x86_64__) && defined(__GNUC__)
    __builtin_cpu_init();
    if (!strcmp(set->name, "v4"))
        return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl")
               && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512cd");
    if (!strcmp(set->name, "v3"))
        return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi2");
#endif
    return !strcmp(set->name, "base");
}

int gslfit_isa_choose(const char *name) {
    for (const isa *const *set = gslfit_isas; *set; set++)
        if ((!name || !strcmp(name, (*set)->name)) && runs_here(*set)) {
            chosen = *set;
            return 0;
        }
    return -1;
}

const isa *gslfit_current_isa(void) {
    if (!chosen) gslfit_isa_choose(NULL);
    return chosen;
}

const char *gslfit_isa_name(void) { return gslfit_current_isa()->name; }

/* ---- binding: operands become pointers ---- */

static void find(workspace *w, const double **slot, int32_t operand) {
    if (operand < 0)
        *slot = w->scalars + (long)~operand * LANES;
    else if (operand >= w->program->nx)
        *slot = w->registers + (long)(operand - w->program->nx) * BLOCK;
    else
        w->fixes[w->nfix++] = (fix){slot, operand};
}

static void bind_instruction(workspace *w, const instruction *q) {
    const int arity = gslfit_opcode_facts[q->op].arity;
    const kernel *kernels = w->isa->kernels[q->op];
    int32_t operands[3] = {q->a, q->b, q->c};
    int kind = 0;
    for (int k = 0; k < arity; k++) kind |= (operands[k] < 0) << k;
    const double *sources[3] = {0};
    if (!kernels[kind])  /* no kernel for these scalars: spread each over a register of its own first */
        for (int k = 0; k < arity; k++)
            if (operands[k] < 0) {
                bound_instruction *spread = w->body + w->nbody++;
                const double *scalar = w->scalars + (long)~operands[k] * LANES;
                *spread = (bound_instruction){w->isa->kernels[OP_MOV][1], w->spread + k * BLOCK, scalar, 0, 0};
                sources[k] = spread->out;
                kind &= ~(1 << k);
            }
    bound_instruction *b = w->body + w->nbody++;
    *b = (bound_instruction){kernels[kind], w->registers + (long)(q->out - w->program->nx) * BLOCK, 0, 0, 0};
    const double **slots[3] = {&b->a, &b->b, &b->c};
    for (int k = 0; k < 3; k++) {
        if (k >= arity) *slots[k] = b->out;
        else if (sources[k]) *slots[k] = sources[k];
        else find(w, slots[k], operands[k]);
    }
}

/* Instructions over scalars. */
static void bind_scalars(workspace *w, bound_instruction *bound, const instruction *code, int count) {
    for (int k = 0; k < count; k++) {
        const instruction *q = code + k;
        const int arity = gslfit_opcode_facts[q->op].arity;
        double *s = w->scalars;
        double *out = s + (long)q->out * LANES;
        const double *b = arity > 1 ? s + (long)q->b * LANES : out, *c = arity > 2 ? s + (long)q->c * LANES : out;
        bound[k] = (bound_instruction){w->isa->kernels[q->op][0], out, s + (long)q->a * LANES, b, c};
    }
}

/* The value is always a register: a program that is constant over the points is spread over one. */
static void bind_value(workspace *w) {
    const int32_t operand = w->program->outputs[0];
    if (operand >= 0) {
        find(w, &w->value, operand);
    } else {
        w->value = w->spread + 3 * BLOCK;
        const double *scalar = w->scalars + (long)~operand * LANES;
        w->body[w->nbody++] = (bound_instruction){w->isa->kernels[OP_MOV][1], w->spread + 3 * BLOCK, scalar, w->value, w->value};
    }
    w->nvalue = w->nbody;
}

/* The Jacobian's columns: those that vary from point to point, and the scalars. */
static void bind_columns(workspace *w) {
    for (int j = 0; j < w->program->nfree; j++) {
        const int32_t operand = w->program->outputs[1 + j];
        w->place[j] = operand >= 0 ? w->ncolumn : -1;
        if (operand >= 0)
            find(w, &w->columns[w->ncolumn++], operand);
        else
            w->factor[j] = w->scalars + (long)~operand * LANES;
        w->ones |= operand < 0;
    }
}

/* What second derivatives need: registers that the residual is summed with. */
static void bind_second(workspace *w, const second_derivatives *d) {
    const program *p = w->program;
    double *ones = w->spread + 4 * BLOCK;
    for (int k = 0; k < BLOCK; k++) ones[k] = 1;
    for (int k = 0; k < d->nfurther; k++) bind_instruction(w, p->body + p->nbody + k);
    w->nall = w->nbody;
    for (int k = 0; k < 2 * d->npair; k++)
        if (d->pairs[k] != GSLFIT_NOTHING) find(w, &w->pairs[k % 2][k / 2], d->pairs[k]);
        else w->pairs[k % 2][k / 2] = ones;
    bind_scalars(w, w->epilogue, d->epilogue, d->nepilogue);
}

void gslfit_workspace_free(workspace *w) {
    if (!w) return;
    free(w->scalars);   /* with the registers behind them */
    free(w->prologue);  /* with the rest of the instructions */
    free(w->room);
    free(w->whitened);
    gslfit_folding_free(w->folding);
    free(w);
}

workspace *gslfit_workspace_new(const program *p) {
    workspace *w = calloc(1, sizeof *w);
    if (!w) return NULL;
    w->program = p;
    w->isa = gslfit_current_isa();
    const second_derivatives *second = p->second;
    const size_t scalars = (size_t)(second ? second->nscalar : p->nscalar) * LANES;
    const size_t registers = (size_t)(p->nregister - p->nx) * BLOCK, spread = (second ? 5 : 4) * BLOCK;
    const size_t nscalars = p->nprologue + (second ? second->nepilogue : 0);
    const size_t nbody = 4 * (size_t)all_of_body(p) + 1, nfix = 3 * (size_t)all_of_body(p) + p->nfree + 2 + (second ? 2 * MAX_PAIRS : 0);
    void *memory = NULL;
    w->prologue = malloc((nscalars + nbody) * sizeof *w->body + nfix * sizeof(fix));
    if (!w->prologue || posix_memalign(&memory, 64, (scalars + registers + spread + (size_t)(p->nfree + 3) * BLOCK) * sizeof(double))) {
        gslfit_workspace_free(w);
        return NULL;
    }
    w->epilogue = w->prologue + p->nprologue;
    w->body = w->prologue + nscalars;
    w->fixes = (fix *)(w->body + nbody);
    w->scalars = memset(memory, 0, scalars * sizeof(double));  /* the lanes without a fit; registers are written before they are read */
    w->registers = w->scalars + scalars;
    w->spread = w->registers + registers;
    w->scratch = w->spread + spread;
    for (int k = 0; k < p->nconstant; k++)
        for (int l = 0; l < LANES; l++) w->scalars[(p->nfree + p->ninput + k) * LANES + l] = p->constants[k];
    bind_scalars(w, w->prologue, p->prologue, p->nprologue);
    for (int k = 0; k < p->nvalue; k++) bind_instruction(w, p->body + k);
    bind_value(w);
    for (int k = p->nvalue; k < p->nbody; k++) bind_instruction(w, p->body + k);
    bind_columns(w);
    if (second) {
        const int own = w->nbody;
        bind_second(w, second);
        w->nbody = own;
    }
    if (!p->response || !gslfit_folding_new(w)) return w;
    gslfit_workspace_free(w);
    return NULL;
}

/* ---- evaluation ---- */

void gslfit_workspace_start(workspace *w) {
    for (int k = 0; k < w->program->nprologue; k++) w->prologue[k].run(w->prologue + k, 1);
}

void gslfit_workspace_block(workspace *w, const double *const *x, long offset, long points, int count) {
    for (int k = 0; k < w->nfix; k++) *w->fixes[k].slot = x[w->fixes[k].variable] + offset;
    const bound_instruction *end = w->body + count;
    for (const bound_instruction *b = w->body; b < end; b++) b->run(b, points);
}

int gslfit_workspace_loss(workspace *w, loss_kind loss) {
    void *memory = NULL;
    if (loss == LOSS_LINEAR) return 0;
    if (posix_memalign(&memory, 64, sizeof *w->room)) return -1;
    w->room = memset(memory, 0, sizeof *w->room);
    w->loss = loss;
    for (int l = 0; l < LANES; l++) {
        w->room->scale[l] = 1;
        w->room->least[l] = GSLFIT_LEAST_CURVATURE;
        w->room->pull[l] = 1;
        w->room->parts[l] = 1;
    }
    return 0;
}

void gslfit_workspace_scale(workspace *w, int lane, double scale) { w->room->scale[lane] = scale; }

void gslfit_workspace_stage(workspace *w, const workspace *other) {
    for (int l = 0; l < LANES; l++) {
        w->room->least[l] = other->room->least[0];
        w->room->stage[l] = other->room->stage[0];
    }
}

static loss_block rows_of(const workspace *w, const double *value, const double *y, const double *weights, double *cost) {
    loss_room *room = w->room;
    return (loss_block){w->loss,      value,        y,                weights, room->scale, room->least, room->stage,
                        room->pull,   room->slopes, room->curvatures, cost,    room->parts};
}

void gslfit_workspace_end_sums(workspace *w, double *sums) {
    if (!w->loss) return;
    const loss_block rows = rows_of(w, NULL, NULL, NULL, sums);
    w->isa->end_rows(&rows);
}

void gslfit_workspace_sum_columns(workspace *w, const block_columns *block, long points, double *sums, double *squared) {
    if (!w->loss) {
        w->isa->sum(block, points, sums);
        return;
    }
    /* the rows; what they cost is added to the first sum */
    const loss_block rows = rows_of(w, block->value, block->y, block->weights, sums);
    w->isa->rows(&rows, squared ? ROWS_ERRORS : ROWS_STEP, points);
    w->isa->bent_sum(block, w->room->slopes, w->room->curvatures, points, sums);
    if (squared) w->isa->bent_sum(block, w->room->curvatures, w->room->slopes, points, squared);
}

static block_columns evaluated(const workspace *w, const double *y, const double *weights) {
    return (block_columns){w->value, y, weights, w->columns, w->ncolumn, w->ones, w->scratch};
}

void gslfit_workspace_sum_block(workspace *w, const double *y, const double *weights, long points, double *sums) {
    const block_columns block = evaluated(w, y, weights);
    gslfit_workspace_sum_columns(w, &block, points, sums, NULL);
}

int gslfit_workspace_whiten(workspace *w, const double *triangle, long points) {
    void *memory = NULL;
    w->spread_ones = w->ones;
    for (int j = 0; j < w->program->nfree; j++)
        if (w->place[j] < 0) w->place[j] = w->ncolumn;
    w->ncolumn += w->ones;
    w->ones = 0;
    w->triangle = triangle;
    if (posix_memalign(&memory, 64, ((size_t)points * (w->ncolumn + 1) + 1) * LANES * sizeof(double))) return -1;
    w->whitened = memory;
    return 0;
}

static void multiply(double *out, const double *numbers, const double *weights, long size) {
    for (long i = 0; i < size; i++) out[i] = numbers[i] * weights[i];
}

/* Residuals and columns of a block that has been evaluated, weighted, to where all points' are. */
static void take_columns(workspace *w, const double *y, const double *weights, long points, double *const *columns, long offset) {
    const long size = points * LANES;
    double *residual = columns[0] + offset;
    for (long i = 0; i < size; i++) residual[i] = w->value[i] - y[i];
    if (weights) multiply(residual, residual, weights, size);
    for (int j = 0; j < w->ncolumn - w->spread_ones; j++)
        if (weights) multiply(columns[1 + j] + offset, w->columns[j], weights, size);
        else memcpy(columns[1 + j] + offset, w->columns[j], size * sizeof(double));
    for (long i = 0; w->spread_ones && i < size; i++) columns[w->ncolumn][offset + i] = weights ? weights[i] : 1;
}

static void whitened_sums(workspace *w, const double *const *x, const double *y, const double *weights, long points, double *sums) {
    static const double zeros[BLOCK] __attribute__((aligned(64)));
    double *columns[1 + MAX_FREE];
    const double *here[MAX_FREE + 1];
    for (int j = 0; j <= w->ncolumn; j++) columns[j] = w->whitened + j * points * LANES;
    for (long first = 0; first < points; first += POINTS) {
        const long count = first + POINTS < points ? POINTS : points - first, offset = first * LANES;
        gslfit_workspace_block(w, x, offset, count, w->nbody);
        take_columns(w, y + offset, weights ? weights + offset : NULL, count, columns, offset);
    }
    w->isa->whiten(w->triangle, points, columns, 1 + w->ncolumn);
    for (long first = 0; first < points; first += POINTS) {
        const long count = first + POINTS < points ? POINTS : points - first, offset = first * LANES;
        for (int j = 0; j < w->ncolumn; j++) here[j] = columns[1 + j] + offset;
        const block_columns block = {columns[0] + offset, zeros, NULL, here, w->ncolumn, 0, w->scratch};
        w->isa->sum(&block, count, sums);
    }
}

/* Blocks of about the same size. */
static long block_size(long points) {
    const long blocks = (points + POINTS - 1) / POINTS;
    return blocks ? (points + blocks - 1) / blocks : 1;
}

void gslfit_workspace_sums(workspace *w, const double *const *x, const double *y, const double *weights, long points, double *sums) {
    if (w->triangle || w->folding) {
        if (w->triangle) whitened_sums(w, x, y, weights, points, sums);
        else gslfit_folded_sums(w, y, weights, sums, NULL);
        return;
    }
    const long size = block_size(points);
    for (long first = 0; first < points; first += size) {
        const long count = first + size < points ? size : points - first;
        gslfit_workspace_block(w, x, first * LANES, count, w->nbody);
        gslfit_workspace_sum_block(w, y + first * LANES, weights ? weights + first * LANES : NULL, count, sums);
    }
    gslfit_workspace_end_sums(w, sums);
}

void gslfit_workspace_second(workspace *w, const double *const *x, const double *y, const double *weights, long points, double *sums) {
    const program *p = w->program;
    const long size = block_size(points);
    double *own = w->scalars + (long)(p->nscalar + p->nfree) * LANES;
    memset(own, 0, (size_t)p->second->npair * LANES * sizeof *own);
    for (long first = 0; first < points; first += size) {
        const long count = first + size < points ? size : points - first;
        gslfit_workspace_block(w, x, first * LANES, count, w->nall);
        const block_columns block = evaluated(w, y + first * LANES, weights ? weights + first * LANES : NULL);
        w->isa->sum(&block, count, sums);
        w->isa->sum_pairs(&block, w->pairs[0], w->pairs[1], p->second->npair, count, own);
    }
}

void gslfit_workspace_end_second(workspace *w) {
    for (int k = 0; k < w->program->second->nepilogue; k++) w->epilogue[k].run(w->epilogue + k, 1);
}

void gslfit_workspace_errors(workspace *w, const double *const *x, const double *y, const double *weights, long points, double *curved,
                             double *squared) {
    const long size = block_size(points);
    if (w->folding) {
        gslfit_folded_sums(w, y, weights, curved, squared);
        return;
    }
    for (long first = 0; first < points; first += size) {
        const long count = first + size < points ? size : points - first;
        gslfit_workspace_block(w, x, first * LANES, count, w->nbody);
        const block_columns block = evaluated(w, y + first * LANES, weights ? weights + first * LANES : NULL);
        gslfit_workspace_sum_columns(w, &block, count, curved, squared);
    }
}

static void set_lanes(double *scalar, double value) {
    for (int l = 0; l < LANES; l++) scalar[l] = value;
}

void gslfit_workspace_set(workspace *w, const double *v, const double *inputs) {
    const program *p = w->program;
    for (int k = 0; k < p->nfree; k++) set_lanes(w->scalars + k * LANES, v[k]);
    for (int k = 0; k < p->ninput; k++) set_lanes(w->scalars + (p->nfree + k) * LANES, inputs[k]);
    gslfit_workspace_start(w);
}

/* Column j of the Jacobian at `count` points of the block, into every stride-th place of `out`. */
static void put_column(const workspace *w, int j, long count, double *out, long stride) {
    if (w->place[j] < 0)
        for (long i = 0; i < count; i++) out[i * stride] = w->factor[j][0];
    else if (stride == 1)
        memcpy(out, w->columns[w->place[j]], count * sizeof *out);
    else
        for (long i = 0; i < count; i++) out[i * stride] = w->columns[w->place[j]][i];
}

void gslfit_workspace_evaluate(workspace *w, const double *v, const double *inputs, const double *const *x, long n, double *value,
                               double *jacobian, long row, long column) {
    const program *p = w->program;
    double tail[MAX_VARIABLES][BLOCK] __attribute__((aligned(64)));
    const double *block[MAX_VARIABLES];
    if (w->folding) {
        gslfit_folded_evaluate(w, v, inputs, x[0], n, value, jacobian, row, column);
        return;
    }
    gslfit_workspace_set(w, v, inputs);
    for (long first = 0; first < n; first += BLOCK) {
        const long count = n - first < BLOCK ? n - first : BLOCK;
        for (int j = 0; j < p->nx; j++) {
            memcpy(tail[j], x[j] + first, count * sizeof(double));
            for (long i = count; i < (count + LANES - 1) / LANES * LANES; i++) tail[j][i] = x[j][n - 1];
            block[j] = tail[j];
        }
        gslfit_workspace_block(w, block, 0, (count + LANES - 1) / LANES, jacobian ? w->nbody : w->nvalue);
        if (value) memcpy(value + first, w->value, count * sizeof(double));
        for (int j = 0; jacobian && j < p->nfree; j++) put_column(w, j, count, jacobian + first * row + j * column, row);
    }
}
