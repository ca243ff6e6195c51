#include "program.h"

const opcode_fact opcode_facts[OPCODE_COUNT] = {
#define FACT(NAME, name, arity, meaning) {#name, arity, meaning},
    OPCODES(FACT)
#undef FACT
};
