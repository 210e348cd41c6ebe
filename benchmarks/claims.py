"""What every benchmark shares: its options, its table and its file of figures.

A benchmark is one program for one claim. It trains on `--train`, reads the labels of `--test` only to score, runs its
baselines in the same process on the same data, prints one table and writes the figures under keys that stay.
"""

import argparse
import json
import os
import platform
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np


def parser(claim: str) -> argparse.ArgumentParser:
    """--train DIR..., --test DIR..., --json FILE and --seed; `claim` is the program's docstring."""
    found = argparse.ArgumentParser(description=claim, formatter_class=argparse.RawDescriptionHelpFormatter)
    found.add_argument("--train", type=Path, nargs="+", metavar="DIR", help="what is learned from")
    found.add_argument("--test", type=Path, nargs="+", metavar="DIR", help="what it is judged on; labels only to score")
    found.add_argument("--json", type=Path, metavar="FILE", help="where the figures go")
    found.add_argument("--seed", type=int, default=1)
    return found


def table(headings: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """Plain text in columns; numbers with four digits."""
    cells = [list(headings), *([_cell(value) for value in row] for row in rows)]
    widths = [max(len(row[i]) for row in cells) for i in range(len(headings))]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in cells)


def write(path: Path | None, program: str, options: argparse.Namespace, figures: Mapping[str, Any]) -> None:
    """The figures, with what they were measured on. Nothing without a path."""
    if path is None:
        return
    found = {
        "benchmark": Path(program).stem,
        "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": {"cores": os.cpu_count(), "python": platform.python_version(), "loadavg": os.getloadavg()[0]},
        "train": [each.name for each in options.train or ()],
        "test": [each.name for each in options.test or ()],
        "seed": options.seed,
        "figures": figures,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(found, indent=1, default=_plain) + "\n", encoding="utf-8")


def figures_in(path: Path | None) -> dict[str, Any]:
    """What `write` put there before; none where nothing is."""
    if path is None or not path.exists():
        return {}
    return dict(json.loads(path.read_text(encoding="utf-8"))["figures"])


def _cell(value: Any) -> str:
    if isinstance(value, (float, np.floating)):
        return "-" if not np.isfinite(value) else f"{value:.4g}"
    return str(value)


def _plain(value: Any) -> Any:
    """Numpy's numbers as Python's."""
    return value.tolist() if isinstance(value, (np.generic, np.ndarray)) else str(value)
