"""Graph -> program: order of instructions, scalars and registers.

The contract with the evaluator is in `docs/development.md`, "A formula's program". What depends on parameters alone goes to the prologue,
which runs once a step; the rest to the body. The value's instructions come first, since a trial step needs nothing else. Within each part
an operation follows its arguments as closely as it can (the argument that needs more registers first), a register is free again after its
last use, and the lowest free one is taken: few registers stay in the processor's first cache.
"""
from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from gslfit.formula._program import NOTHING
from gslfit.formula.graph import POINT, SCALAR, Graph, Node, below
from gslfit.formula.operations import OPERATIONS
from gslfit.records import Record

ARITY = {name: operation.arity for name, operation in OPERATIONS.items()}
Instruction = tuple[str, int, int, int, int]


class Second(Record):
    """What of a program Newton's steps need: the argument `second` of `Program`, before its operations have numbers."""

    further: tuple[Instruction, ...]
    pairs: tuple[tuple[int, int], ...]
    epilogue: tuple[Instruction, ...]
    elements: tuple[int, ...]


class Lowered(Record):
    """A program before its operations have numbers.

    `prologue` and `body` hold ``(operation, out, a, b, c)``; the arguments of `gslfit.formula._program.Program` otherwise.
    """

    independent: tuple[str, ...]
    free: tuple[str, ...]
    inputs: tuple[str, ...]
    constants: tuple[float, ...]
    prologue: tuple[Instruction, ...]
    body: tuple[Instruction, ...]
    nvalue: int
    outputs: tuple[int, ...]
    registers: int
    second: Second | None = None

    def encoded(self, opcodes: Mapping[str, tuple[int, int, str]]) -> dict:
        """Return the arguments of `Program`, by name."""
        def rows(instructions: tuple[Instruction, ...]) -> np.ndarray:
            numbered = [(opcodes[op][0], *rest) for op, *rest in instructions]
            return np.array(numbered, dtype=np.int32).reshape(len(numbered), 5)

        second = {} if self.second is None else {"second": (
            rows(self.second.further), np.array(self.second.pairs, np.int32).reshape(len(self.second.pairs), 2), rows(self.second.epilogue),
            np.array(self.second.elements, np.int32))}
        return {"nx": len(self.independent), "nfree": len(self.free), "ninput": len(self.inputs),
                "constants": np.array(self.constants, float),
                "prologue": rows(self.prologue), "body": rows(self.body), "nvalue": self.nvalue,
                "outputs": np.array(self.outputs, dtype=np.int32), **second}

    def listing(self) -> str:
        """Return the program for people: one instruction a line."""
        names = dict(enumerate((*self.free, *self.inputs)))
        names |= {len(names) + k: f"{value:.12g}" for k, value in enumerate(self.constants)}

        def scalar(number: int) -> str:
            return names.get(number, f"s{number}")

        def operand(number: int) -> str:
            if number < 0:
                return scalar(~number)
            return self.independent[number] if number < len(self.independent) else f"r{number}"

        def line(instruction: Instruction, show: object, out: str) -> str:
            op, _, *args = instruction
            count = ARITY[op]
            return f"    {out:<6} = {op:<10} {', '.join(show(arg) for arg in args[:count])}"  # type: ignore[operator]

        lines = ["once a step:"] if self.prologue else []
        lines += [line(row, scalar, f"s{row[1]}") for row in self.prologue]
        lines += ["at each point:"] + [line(row, operand, f"r{row[1]}") for row in self.body[:self.nvalue]]
        lines += [f"    value  = {operand(self.outputs[0])}", "derivatives:"]
        lines += [line(row, operand, f"r{row[1]}") for row in self.body[self.nvalue:]]
        lines += [f"    d/d{name} = {operand(out)}" for name, out in zip(self.free, self.outputs[1:], strict=True)]
        if self.second:
            lines += ["for second derivatives:"] + [line(row, operand, f"r{row[1]}") for row in self.second.further]
            first = len(names) + len(self.prologue)
            names |= {first + k: f"r.d/d{name}" for k, name in enumerate(self.free)}
            first += len(self.free)
            names |= {first + k: f"r.m{k}" for k in range(len(self.second.pairs))}
            lines += [f"    r.m{k}   = sum of r * {' * '.join(operand(part) for part in pair if part != NOTHING)}"
                      for k, pair in enumerate(self.second.pairs)]
            lines += ["once a step, after the sums:"] + [line(row, scalar, f"s{row[1]}") for row in self.second.epilogue]
            places = [(one, other) for k, one in enumerate(self.free) for other in self.free[:k + 1]]
            lines += [f"    r.d2/d{one}d{other} = {scalar(number)}"
                      for (one, other), number in zip(places, self.second.elements, strict=True) if number != NOTHING]
        return "\n".join(lines)


def need(order: list[Node]) -> dict[Node, int]:
    """Return about how many registers each node needs while it is computed (Sethi and Ullman's number)."""
    found: dict[Node, int] = {}
    for node in order:
        needs = sorted({arg: found[arg] for arg in node.args if arg.level == POINT and arg.args}.values(), reverse=True)
        found[node] = max((count + k for k, count in enumerate(needs)), default=1)
    return found


def schedule(roots: tuple[Node, ...], order: list[Node]) -> tuple[list[Node], list[int]]:
    """Return the point operations in the order in which they run, and how many of them are done after each root."""
    needs = need(order)
    done: set[Node] = set()
    listed: list[Node] = []
    ends: list[int] = []
    for root in roots:
        stack = [(root, False)]
        while stack:
            node, ready = stack.pop()
            if node in done or node.level < POINT or not node.args:
                continue
            if ready:
                done.add(node)
                listed.append(node)
                continue
            stack.append((node, True))
            stack += [(arg, False) for arg in sorted(node.args, key=lambda arg: needs[arg])]
        ends.append(len(listed))
    return listed, ends


def lower(graph: Graph, inputs: tuple[str, ...] = ()) -> Lowered:
    """Lower a graph to a program.

    Parameters
    ----------
    graph : Graph
        After the passes.
    inputs : tuple of str
        The parameters that are not free: a value per fit, not differentiated.

    Returns
    -------
    Lowered
    """
    parts = [node for pair in graph.pairs for node in pair if node]
    bends = [bend for bend in graph.bends if bend]
    order = below([*graph.roots, *parts])
    known = {*order, *graph.sums}
    after = [node for node in below(bends) if node not in known]
    place = {("par", name): k for k, name in enumerate((*graph.free, *inputs))}
    scalars: dict[Node, int] = {node: place[node.op, str(node.value)] for node in (*order, *after) if node.op == "par"}
    constants = [node for node in (*order, *after) if node.op == "const"]
    base = len(graph.free) + len(inputs)
    scalars |= {node: base + k for k, node in enumerate(constants)}

    def over_scalars(nodes: list[Node], first: int) -> tuple[Instruction, ...]:
        made: list[Instruction] = []
        for node in nodes:
            if node.args and node.level <= SCALAR:
                scalars[node] = first + len(made)
                args = [scalars[arg] for arg in node.args]
                made.append((node.op, scalars[node], *(args + [0, 0, 0])[:3]))  # type: ignore[arg-type]
        return tuple(made)

    first = base + len(constants)
    prologue = over_scalars(order, first)
    first += len(prologue)
    scalars |= {leaf: first + k for k, leaf in enumerate(graph.sums)}
    epilogue = over_scalars(after, first + len(graph.sums))
    listed, ends = schedule((*graph.roots, *parts), order)
    nvalue, nbody = ends[0], ends[len(graph.free)]
    registers = {node: graph.independent.index(str(node.value)) for node in order if node.op == "x"}
    last = {node: k for k, operation in enumerate(listed) for node in operation.args}
    free: list[int] = []
    top = len(graph.independent)
    body: list[Instruction] = []
    keep = {*graph.roots, *parts}

    def operand(node: Node) -> int:
        return registers[node] if node.level == POINT else ~scalars[node]

    for k, node in enumerate(listed):
        args = [operand(arg) for arg in node.args]
        for arg in dict.fromkeys(node.args):
            if last[arg] == k and arg.args and arg.level == POINT and arg not in keep:
                free.append(registers[arg])
        if free:
            free.sort(reverse=True)
            registers[node] = free.pop()
        else:
            registers[node], top = top, top + 1
        body.append((node.op, registers[node], *(args + [0, 0, 0])[:3]))  # type: ignore[arg-type]
    pairs = tuple((operand(one), operand(other) if other else NOTHING) for one, other in graph.pairs)
    elements = tuple(scalars[bend] if bend else NOTHING for bend in graph.bends)
    second = Second(tuple(body[nbody:]), pairs, epilogue, elements) if graph.bends else None
    return Lowered(graph.independent, graph.free, tuple(inputs), tuple(float(node.value) for node in constants),  # type: ignore[arg-type]
                   prologue, tuple(body[:nbody]), nvalue, tuple(operand(root) for root in graph.roots), top, second)

