"""Claim: `learn` takes 1,000 series of 10,080 points with 500 incidents in 60 s and 2 GB, and grows linearly.

A made history (benchmarks/made_history.py, seeded) of each size is written in the normal form, and `chaos prsa learn`
learns from it in a process of its own: its wall time, processor time and peak memory. The exponents are the slopes of
their logarithms over that of the size, above what a history of almost nothing takes. Then, in processes of their own,
a prediction for 1,000 components from their last six hours, and 10,000 issues from the largest bundle: medians of five.
Beside it, the same rolling features by pandas alone (no model), measured on the smallest history and scaled up, and by
tsfresh, from 200 windows.

python benchmarks/learn_scale.py --json benchmarks/results/learn_scale.json
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from claims import parser, table, write
from made_history import METRICS, made_history

from chaosprsa.history.files import write_history
from chaosprsa.models.windows import RECENT_FEATURES, WINDOW_FEATURES, WINDOW_STEPS
from chaosprsa.types import Topology

SETTINGS = """\
[cluster]
namespace = "shop"
[topology]
entry = "{entry}"
services = {services}
edges = {edges}
[slo.{entry}]
latency_ms = 300
[sources]
history = "history"
"""
GOALS = {"wall_s": 60.0, "peak_mb": 2048.0, "exponent": 1.1, "prediction_s": 1.0, "issues_s": 2.0}
PREDICT = """
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
import numpy as np
from chaosprsa.history.files import read_history
from chaosprsa.models.normals import normals_of
from chaosprsa.models.precursors import PrecursorModel
history = read_history(Path("history"), datetime(2027, 1, 1, tzinfo=UTC))
model = PrecursorModel(seed=1).fit(history, normals_of(history))
recent = history.last(timedelta(hours=6))
seconds = []
for _ in range(5):
    start = time.perf_counter()
    found = model.predict(recent)
    seconds.append(time.perf_counter() - start)
print(seconds[0], float(np.median(seconds)), len(found))
"""
ISSUES = """
import time
from datetime import timedelta
from pathlib import Path
import numpy as np
from chaosprsa.issues import draw_issues
from chaosprsa.models.bundle import load_bundle
bundle = load_bundle(Path("models"))
seconds, processor = [], []
for _ in range(5):
    start, worked = time.perf_counter(), time.process_time()
    drawn = draw_issues(bundle, timedelta(hours=24), 10_000, np.random.default_rng(1), bundle.window.end, 1)
    seconds.append(time.perf_counter() - start)
    processor.append(time.process_time() - worked)
print(seconds[0], float(np.median(seconds)), float(np.median(processor)), len(drawn))
"""


@dataclass(frozen=True, slots=True)
class Run:
    """What one process took."""

    wall_s: float
    processor_s: float
    peak_mb: float
    printed: str


def main() -> None:
    """Make, learn, predict, compare, print, write."""
    options = parser(__doc__ or "")
    options.add_argument("--series", type=int, nargs="+", default=[100, 300, 1000])
    options.add_argument("--points", type=int, default=10_080)
    options.add_argument("--incidents", type=int, default=500)
    given = options.parse_args()
    work = Path(tempfile.mkdtemp(prefix="learn-scale-"))
    try:
        figures = measured(given.series, given.points, given.incidents, given.seed, work)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    write(given.json, __file__, given, {**figures, **{f"goal.{name}": value for name, value in GOALS.items()}})


def measured(sizes: list[int], points: int, incidents: int, seed: int, work: Path) -> dict[str, float]:
    """Flat keys that stay."""
    figures: dict[str, float] = {}
    base = learnt(work, 5, 600, 20, seed)
    runs = {size: learnt(work, size, points, incidents, seed) for size in sizes}
    for size, run in runs.items():
        figures |= {
            f"ours.{size}.wall_s": run.wall_s,
            f"ours.{size}.processor_s": run.processor_s,
            f"ours.{size}.peak_mb": run.peak_mb,
        }
    rows = [
        (f"learn, {size} series x {points:,}", run.wall_s, run.processor_s, run.peak_mb) for size, run in runs.items()
    ]
    rows.insert(0, ("learn, 5 series x 600", base.wall_s, base.processor_s, base.peak_mb))
    print(table(("", "wall s", "processor s", "peak MB"), rows))
    for name in ("processor_s", "peak_mb", "wall_s"):
        above = [max(getattr(run, name) - getattr(base, name), 1e-3) for run in runs.values()]
        if len(sizes) > 1:
            figures[f"ours.{name}_exponent"] = float(np.polyfit(np.log(sizes), np.log(above), 1)[0])
            print(f"{name} above the base grows with the size to the power of {figures[f'ours.{name}_exponent']:.2f}")
    figures |= drawn(work / str(sizes[-1]))
    figures |= predicted(work, seed)
    figures |= peers(work / str(sizes[0]) / "history", sizes[0], sizes[-1])
    return figures


def learnt(work: Path, series: int, points: int, incidents: int, seed: int) -> Run:
    """`chaos prsa learn` on a made history, in a folder of its own."""
    folder = work / str(series)
    made(folder, series, points, incidents, seed)
    return run([str(Path(sys.executable).parent / "chaosprsa"), "learn", "--seed", "1"], folder)


def made(folder: Path, series: int, points: int, incidents: int, seed: int) -> None:
    """A history and settings that name its call graph."""
    history = made_history(max(1, series // len(METRICS)), points, incidents, np.random.default_rng(seed))
    write_history(history, folder / "history")
    (folder / "chaosprsa.toml").write_text(settings_of(history.topology))


def settings_of(topology: Topology | None) -> str:
    """The least that `learn` needs to be told."""
    assert topology is not None
    edges = [[edge.caller, edge.callee] for edge in topology.edges]
    return SETTINGS.format(entry=topology.entry, services=json.dumps(topology.services), edges=json.dumps(edges))


def run(command: list[str], folder: Path) -> Run:
    """Raises SystemExit with what it printed where it fails."""
    start = time.perf_counter()
    with (folder / "printed").open("w+b") as printed:
        process = subprocess.Popen(command, cwd=folder, stdout=printed, stderr=subprocess.STDOUT)
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        printed.seek(0)
        said = printed.read().decode()
    if process.returncode:
        sys.exit(f"{' '.join(command)} ended with {process.returncode}: {said}")
    return Run(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, said)


def drawn(folder: Path) -> dict[str, float]:
    """10,000 issues from the largest bundle."""
    printed = run([sys.executable, "-c", ISSUES], folder).printed.split()
    first, usual, processor, count = (float(each) for each in printed)
    print(f"{count:.0f} issues: {usual:.2f} s ({processor:.2f} s of a processor), the first time {first:.2f} s")
    return {
        "ours.issues_s": usual,
        "ours.issues_processor_s": processor,
        "ours.issues_first_s": first,
        "ours.issues": count,
    }


def predicted(work: Path, seed: int) -> dict[str, float]:
    """A prediction for 1,000 components, from a day of their metrics."""
    made(work / "5000", 5000, 1440, 500, seed)
    first, usual, count = (float(each) for each in run([sys.executable, "-c", PREDICT], work / "5000").printed.split())
    print(f"prediction for {count:.0f} components: {usual:.2f} s, the first time {first:.2f} s")
    return {"ours.prediction_s": usual, "ours.prediction_first_s": first, "ours.predicted_components": count}


def peers(history: Path, size: int, largest: int) -> dict[str, float]:
    """The windows' features alone, for as many series as the largest history has."""
    metrics = pd.read_parquet(history / "metrics.parquet")
    start = time.process_time()
    for _, values in metrics.groupby(["component", "metric"], sort=False)["value"]:
        by_pandas(values.reset_index(drop=True))
    pandas_s = (time.process_time() - start) * largest / size
    windows = np.lib.stride_tricks.sliding_window_view(metrics["value"].to_numpy(), WINDOW_STEPS)[
        :: len(metrics) // 200
    ]
    tsfresh_s = by_tsfresh(windows) * len(metrics) / len(windows) * largest / size
    print(table(("features alone, every window", "processor s"), [("pandas", pandas_s), ("tsfresh", tsfresh_s)]))
    return {"pandas_features.processor_s": pandas_s, "tsfresh_features.processor_s": tsfresh_s}


def by_pandas(values: pd.Series) -> None:
    """The features of windows.py as pandas offers them; the slope as a covariance with time."""
    clock = pd.Series(np.arange(len(values), dtype=float))
    whole, recent = values.rolling(WINDOW_STEPS), values.rolling(5)
    whole.mean(), whole.std(ddof=0), whole.min(), whole.max(), whole.quantile(0.9)
    values.diff().abs().rolling(WINDOW_STEPS - 1).mean()
    whole.cov(clock), whole.corr(values.shift())
    recent.mean(), recent.max(), recent.min()


def by_tsfresh(windows: np.ndarray) -> float:
    """Processor seconds of tsfresh's extract_features, without its pool."""
    from tsfresh import extract_features
    from tsfresh.feature_extraction.settings import from_columns

    rows, width = windows.shape
    frame = pd.DataFrame(
        {"id": np.repeat(np.arange(rows), width), "time": np.tile(np.arange(width), rows), "x": windows.ravel()}
    )
    wanted = from_columns([f"x__{name}" for name in dict.fromkeys((*WINDOW_FEATURES, *RECENT_FEATURES))])["x"]
    start = time.process_time()
    extract_features(
        frame, column_id="id", column_sort="time", default_fc_parameters=wanted, n_jobs=0, disable_progressbar=True
    )
    return time.process_time() - start


if __name__ == "__main__":
    main()
