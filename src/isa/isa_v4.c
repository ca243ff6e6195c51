/* Programs and lanes for x86-64-v4, whatever the rest is compiled for; chosen where the processor has it. */
#include "program/isa.h"

#ifdef ISA_X86
#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("arch=x86-64-v4"))), apply_to = function)
#else
#pragma GCC target("arch=x86-64-v4")
#endif
#define ISA v4
#define WIDTH 8
#include "isa_impl.h"
#if defined(__clang__)
#pragma clang attribute pop
#endif
#endif
