import os
import subprocess
import sys
from pathlib import Path

PROGRAM = "from caller import double_more; print(double_more(3.0))"


def room(folder: Path, added: str) -> None:
    """A kernel that calls another one of the next file."""
    begin = "from chaosprsa.compiled import compiled\n\n\n@compiled\n"
    (folder / "callee.py").write_text(f"{begin}def double(x):\n    return 2 * x{added}\n")
    body = "def double_more(x):\n    return double(x)\n"
    (folder / "caller.py").write_text(f"from callee import double\n{begin}{body}")


def ran(folder: Path, cache: Path) -> str:
    environment = {**os.environ, "PYTHONPATH": str(folder), "XDG_CACHE_HOME": str(cache)}
    done = subprocess.run([sys.executable, "-c", PROGRAM], env=environment, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_a_kernel_is_compiled_again_when_one_that_it_calls_has_changed(tmp_path):
    """It kept the old one: numba looks at the kernel's own file alone."""
    room(tmp_path, "")
    assert ran(tmp_path, tmp_path / "cache") == "6.0"
    room(tmp_path, " + 1")
    assert ran(tmp_path, tmp_path / "cache") == "7.0"


def test_without_a_place_to_keep_it_a_kernel_works_all_the_same(tmp_path):
    room(tmp_path, "")
    (tmp_path / "cache").write_text("a file, no folder")
    assert ran(tmp_path, tmp_path / "cache") == "6.0"
