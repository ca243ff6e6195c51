/* Programs and lanes for one instruction set; the source that includes this says WIDTH and ISA. */
#include "program/kernels.h"
#include "lanes/lm_step.h"
#include "lanes/enclose.h"
#include "program/loss_rows.h"
#include "program/sums.h"
#include "program/loss_sums.h"
#include "program/whiten.h"
#include "program/convolve.h"
#include "program/long_columns.h"

#define ISA_NAME_(set) gslfit_isa_##set
#define ISA_NAME(set) ISA_NAME_(set)
#define ISA_STRING_(set) #set
#define ISA_STRING(set) ISA_STRING_(set)

static double dot(const double *a, const double *b, long n) { return gslfit_dot(a, b, n); }

const isa ISA_NAME(ISA) = {ISA_STRING(ISA), kernel_table,   sum_block,        sum_pairs,    dot,          rows_of_block, end_rows,
                           bent_sums,       whiten_columns, convolve_columns, long_forward, long_central, long_products, long_triangle,
                           long_update,     fit_lanes,      enclose_lanes};
