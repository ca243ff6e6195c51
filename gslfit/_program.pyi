OPCODES: dict[str, tuple[int, int, str]]
