/* Programs and lanes for x86-64-v3, whatever the rest is compiled for; chosen where the processor has it. */
#include "program/isa.h"

#ifdef ISA_X86
#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("arch=x86-64-v3"))), apply_to = function)
#else
#pragma GCC target("arch=x86-64-v3")
#endif
#define ISA v3
#define WIDTH 4
#include "isa_impl.h"
#if defined(__clang__)
#pragma clang attribute pop
#endif
#endif
