"""Puts uv, at one fixed version, into a folder of the project: with pip where there is one, else its wheel from PyPI.

python3 tools/get_uv.py .tools    ->    .tools/bin/uv
Standard library only: a fresh Debian has python3 and may have neither pip nor venv.
"""

import hashlib
import importlib.util
import io
import json
import platform
import subprocess
import sys
import urllib.request
import zipfile
from pathlib import Path

VERSION = "0.13.9"
INDEX = "https://pypi.org/simple/uv/"
TIMEOUT_S = 60


def with_pip(folder: Path) -> bool:
    """Install by pip, which knows the machine's own index and certificates; False where it can't."""
    if importlib.util.find_spec("pip") is None:
        return False
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--upgrade"]
    done = subprocess.run([*command, "--target", str(folder), f"uv=={VERSION}"], check=False, capture_output=True)
    return done.returncode == 0 and (folder / "bin" / "uv").exists()


def from_wheel(folder: Path) -> None:
    """Fetch this machine's wheel, check its published sha256, and unpack the program."""
    simple = urllib.request.Request(INDEX, headers={"Accept": "application/vnd.pypi.simple.v1+json"})
    with urllib.request.urlopen(simple, timeout=TIMEOUT_S) as answer:
        files = json.load(answer)["files"]
    system = "-manylinux" if platform.system() == "Linux" else "-macosx"
    names = (f"uv-{VERSION}-py3", system, platform.machine())
    wheel = next(file for file in files if all(name in file["filename"] for name in names))
    with urllib.request.urlopen(wheel["url"], timeout=TIMEOUT_S) as answer:
        content = answer.read()
    if hashlib.sha256(content).hexdigest() != wheel["hashes"]["sha256"]:
        sys.exit(f"{wheel['url']}: what came is not what PyPI published; try again")
    archive = zipfile.ZipFile(io.BytesIO(content))
    program = folder / "bin" / "uv"
    program.parent.mkdir(parents=True, exist_ok=True)
    program.write_bytes(archive.read(f"uv-{VERSION}.data/scripts/uv"))
    program.chmod(0o755)


def main() -> None:
    """Fetch uv unless this version is there."""
    folder = Path(sys.argv[1])
    stamp = folder / f"uv-{VERSION}"
    if stamp.exists():
        return
    if not with_pip(folder):
        try:
            from_wheel(folder)
        except OSError as error:
            sys.exit(f"uv {VERSION} can't be fetched from PyPI ({error}); check the network, then try again")
    stamp.touch()


if __name__ == "__main__":
    main()
