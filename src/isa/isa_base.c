/* The engine for any processor, and the list of those that were compiled. */
#include "program/engine.h"

#if defined(__GNUC__) && !defined(GSLFIT_PLAIN_C)
#define WIDTH 2
#else
#define WIDTH 1
#endif
#define ISA base
#include "isa_impl.h"

#ifdef ENGINE_X86
extern const isa isa_v4, isa_v3;
const isa *const isas[] = {&isa_v4, &isa_v3, &isa_base, NULL};
#else
const isa *const isas[] = {&isa_base, NULL};
#endif
