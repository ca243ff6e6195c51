/* Programs and lanes for any processor, and the list of those that were compiled. */
#include "program/isa.h"

#if defined(__GNUC__) && !defined(GSLFIT_PLAIN_C)
#define WIDTH 2
#else
#define WIDTH 1
#endif
#define ISA base
#include "isa_impl.h"

#ifdef ISA_X86
extern const isa gslfit_isa_v4, gslfit_isa_v3;
const isa *const gslfit_isas[] = {&gslfit_isa_v4, &gslfit_isa_v3, &gslfit_isa_base, NULL};
#else
const isa *const gslfit_isas[] = {&gslfit_isa_base, NULL};
#endif
