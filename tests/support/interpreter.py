"""A lowered program, run by NumPy (the oracle of the contract) and by the block evaluator in C."""
import numpy as np

from gslfit.formula._program import OPCODES, Program
from gslfit.formula.operations import OPERATIONS


def run(lowered, values, value_only=False):
    """Value and Jacobian of a `Lowered` program at points.

    Parameters
    ----------
    lowered : Lowered
    values : dict
        A number for each parameter, an array of shape (n) for each independent variable.
    value_only : bool
        Run only the instructions that the value needs.
    """
    scalars = {k: float(values[name]) for k, name in enumerate((*lowered.free, *lowered.inputs))}
    scalars |= {len(scalars) + k: constant for k, constant in enumerate(lowered.constants)}
    registers = {k: np.asarray(values[name], float) for k, name in enumerate(lowered.independent)}
    fixed = set(scalars)
    with np.errstate(all="ignore"):
        for op, out, *args in lowered.prologue:
            assert out not in fixed, "a prologue instruction writes over a parameter or constant"
            scalars[out] = float(OPERATIONS[op].value(*[scalars[arg] for arg in args[:OPERATIONS[op].arity]]))

        def operand(number):
            return registers[number] if number >= 0 else scalars[~number]

        for op, out, *args in lowered.body[:lowered.nvalue] if value_only else lowered.body:
            assert out >= len(lowered.independent), "an instruction writes over an independent variable"
            registers[out] = OPERATIONS[op].value(*[operand(arg) for arg in args[:OPERATIONS[op].arity]])
    n = np.shape(next(iter(registers.values())))
    if value_only:
        return np.broadcast_to(operand(lowered.outputs[0]), n)
    columns = [np.broadcast_to(operand(out), n) for out in lowered.outputs]
    return columns[0], np.stack(columns[1:], axis=-1) if lowered.free else np.zeros((*n, 0))


def run_native(lowered, values, value_only=False):
    """Return the same by the block evaluator in C."""
    program = Program(**lowered.encoded(OPCODES))
    x = np.broadcast_arrays(*[np.asarray(values[name], float) for name in lowered.independent])
    value, columns = program.evaluate([float(values[name]) for name in lowered.free], np.array([row.reshape(-1) for row in x]),
                                      [float(values[name]) for name in lowered.inputs], jacobian=not value_only)
    return value if value_only else (value, columns)
