"""What a type checker sees of the package."""
import re
import subprocess
import sys
from pathlib import Path

import pytest

from gslfit import models

SCRIPT = Path(__file__).parents[1] / "typing" / "user_script.py"


@pytest.mark.slow
def test_script_of_a_user(tmp_path):
    """A user's script passes ``mypy --strict``, and what it reads off parameters, results and intervals is of its type, not Any."""
    pytest.importorskip("mypy")
    text = SCRIPT.read_text(encoding="utf-8")
    names = re.findall(r"^(\w+)(?:: [^=\n]+)? = ", text, re.MULTILINE)
    told = [f"reveal_type({right})" for right in re.findall(r"^\w+: [^=\n]+ = (.+)$", text, re.MULTILINE)]
    script = tmp_path / "script.py"
    script.write_text(text + "\n" + "\n".join(told) + "\n", encoding="utf-8")
    done = subprocess.run([sys.executable, "-m", "mypy", "--strict", "--cache-dir", str(tmp_path / "cache"), str(script)], cwd=tmp_path,
                          capture_output=True, text=True, check=False)
    assert "error:" not in done.stdout, done.stdout
    revealed = re.findall(r'Revealed type is "(.*)"', done.stdout)
    assert len(revealed) == len(told) > 45 and len(names) > 50
    vague = [(right, kind) for right, kind in zip(told, revealed, strict=True) if re.fullmatch(r"Any|builtins\.dict\[.*Any\]", kind)]
    assert not vague


def test_script_runs():
    """The script runs as it is read."""
    done = subprocess.run([sys.executable, str(SCRIPT)], cwd=SCRIPT.parent, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_models_are_named_for_checkers():
    """Every class of the library is declared for type checkers, under its name."""
    source = Path(models.__file__).read_text(encoding="utf-8")
    declared = set(re.findall(r"^    class (\w+)\(LibraryModel\)", source, re.MULTILINE))
    declared |= set(re.findall(r"import (\w+) as \1$", source, re.MULTILINE))
    assert set(models.CLASSES) <= declared
    assert {name for name in declared if name.endswith("Model")} - {"CompositeModel", "Model"} <= set(models.CLASSES)
