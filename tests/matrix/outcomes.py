"""What came out of each row of the matrix when it was run last, as a table."""
import json
from pathlib import Path

RESULTS = Path(__file__).parent / "results.json"
MEANINGS = {
    "debian-13": "Debian 13 in a folder, its Python and GSL",
    "debian-sid": "Debian sid in a folder, its Python and GSL",
    "debian-sid-python3.15": "the same, with Python 3.15",
    "free-threaded": "CPython built with --disable-gil, and a fuzz of its threads",
    "clang": "this machine's Python, clang",
    "plain-c": "no vector extension of C, no vector libm",
    "base-instructions": "instructions that every x86-64 processor has",
    "oldest-gsl": "the oldest GSL that is supported",
    "arm64": "the C core alone, by qemu-user",
}


def table(results: Path = RESULTS) -> str:
    """Return the table of what is known of each row, in Markdown."""
    known = json.loads(results.read_text()) if results.exists() else {}
    lines = ["| row | what | day | result | versions |", "|---|---|---|---|---|"]
    for name, meaning in MEANINGS.items():
        row = known.get(name, {"day": "", "result": "not run", "said": "", "in": ""})
        said = f"{row['result']}: {row['said']}" if row["said"] else row["result"]
        lines.append(f"| `{name}` | {meaning} | {row['day']} | {said} | {row['in']} |")
    return "\n".join(lines)
