"""A formula's program, owned: opcodes, value and Jacobian at points, and the same for GSL's solvers."""


cdef extern from "program.h":
    ctypedef struct opcode_fact:
        const char *name
        int arity
        const char *meaning
    const opcode_fact *opcode_facts
    enum:
        OPCODE_COUNT


OPCODES = {opcode_facts[number].name.decode(): (number, opcode_facts[number].arity, opcode_facts[number].meaning.decode())
           for number in range(OPCODE_COUNT)}
