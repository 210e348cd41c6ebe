"""Claim: rolling features in one pass: 10 M samples a second on one core, 500 times tsfresh at equal features.

The eight features that precursors see (models/windows.py), of every window of 30 samples of seeded series: noise, a
walk, steps with flat stretches, spikes, a level of 1e9. The same run computes them on a smaller piece by tsfresh's own
extract_features in this process, by tsfresh's bare calculators without its framework, and by numpy on windows laid out
whole; it stops where any value differs by more than 1e-9. A rate is samples by the processor time of this process, the
median of the repeats, so that what else the machine does counts for neither side.

python benchmarks/features.py --repeats 7 --json benchmarks/results/features.json
"""

import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from claims import parser, table, write

from chaosprsa.models import features
from chaosprsa.models.features import rolling_features
from chaosprsa.models.windows import WINDOW_FEATURES, WINDOW_STEPS

FloatArray = npt.NDArray[np.float64]
SAMPLES = 10_080  # of a series: a week of minutes
GOALS = {"samples_per_s": 10e6, "times_tsfresh": 500.0}


def main() -> None:
    """Measure, compare, print, write."""
    options = parser(__doc__ or "")
    options.add_argument("--series", type=int, default=100)
    options.add_argument("--repeats", type=int, default=7)
    options.add_argument("--piece", type=int, default=1000, help="windows that tsfresh computes")
    given = options.parse_args()
    series = made(given.series, np.random.default_rng(given.seed))
    first_s, _ = timed(lambda: rolling_features(series, WINDOW_STEPS, WINDOW_FEATURES), 1)
    ours_s, ours = timed(lambda: rolling_features(series, WINDOW_STEPS, WINDOW_FEATURES), given.repeats)
    rates = {"compiled, rolling": series.size / ours_s}
    windows, expected = piece(series, ours, given.piece)
    worst = {}
    for name, compute, repeats in (
        ("numpy, windows laid out", in_numpy, given.repeats),
        ("tsfresh's calculators, bare", bare, max(5, given.repeats)),
        ("tsfresh extract_features", whole, max(5, given.repeats)),
    ):
        seconds, found = timed(lambda compute=compute: compute(windows), repeats)
        rates[name], worst[name] = len(windows) / seconds, differing(found, expected)
    others = longer(series, given.repeats)
    figures = figures_of(rates, worst, others, first_s - ours_s)
    rows = [(name, rate, rates["compiled, rolling"] / rate, worst.get(name, 0.0)) for name, rate in rates.items()]
    print(table(("features of 30-sample windows", "samples/s", "compiled is ... times", "largest difference"), rows))
    print(table(("compiled, other windows", "samples/s"), list(others.items())))
    print(f"compiling and starting, once a process: {first_s - ours_s:.2f} s of processor time")
    write(given.json, __file__, given, figures)
    if max(worst.values()) > 1e-9:
        sys.exit("a value differs from its peer's by more than 1e-9")


def made(count: int, rng: np.random.Generator) -> FloatArray:
    """Shape (count, SAMPLES): noise, walks, steps, spikes and small noise on a high level, in turn."""
    noise = rng.normal(size=(count, SAMPLES))
    kinds = [
        lambda x: x,
        np.cumsum,
        lambda x: np.repeat(np.round(x[: SAMPLES // 40] * 3), 40),
        lambda x: x + np.where(rng.random(SAMPLES) < 0.01, 1e4, 0.0),
        lambda x: 1e9 + 1e3 * x,
    ]
    return np.stack([kinds[i % len(kinds)](row) for i, row in enumerate(noise)])


def timed(call: Callable[[], Any], repeats: int) -> tuple[float, Any]:
    """The median of processor seconds, and the last result."""
    seconds = []
    for _ in range(repeats):
        start = time.process_time()
        found = call()
        seconds.append(time.process_time() - start)
    return float(np.median(seconds)), found


def piece(series: FloatArray, features_: FloatArray, count: int) -> tuple[FloatArray, FloatArray]:
    """Windows spread evenly over all series, and what the compiled features of the same windows are."""
    views = np.lib.stride_tricks.sliding_window_view(series, WINDOW_STEPS, axis=1).reshape(-1, WINDOW_STEPS)
    at = np.linspace(0, len(views) - 1, count).astype(int)
    return np.ascontiguousarray(views[at]), features_.reshape(-1, features_.shape[-1])[at]


def in_numpy(windows: FloatArray) -> FloatArray:
    """What the package does with few windows."""
    return features.extract(windows, WINDOW_FEATURES)


def bare(windows: FloatArray) -> FloatArray:
    """Tsfresh's functions one after the other, with nothing around them."""
    from tsfresh.feature_extraction import feature_calculators as theirs

    slope = [{"attr": "slope"}]
    return np.array(
        [
            (
                theirs.mean(x),
                theirs.standard_deviation(x),
                theirs.minimum(x),
                theirs.maximum(x),
                theirs.quantile(x, 0.9),
                theirs.mean_abs_change(x),
                next(iter(theirs.linear_trend(x, slope)))[1],
                theirs.autocorrelation(x, 1),
            )
            for x in windows
        ]
    )


def whole(windows: FloatArray) -> FloatArray:
    """Tsfresh as its manual says, without its pool of processes."""
    from tsfresh import extract_features
    from tsfresh.feature_extraction.settings import from_columns

    rows, width = windows.shape
    frame = pd.DataFrame(
        {"id": np.repeat(np.arange(rows), width), "time": np.tile(np.arange(width), rows), "x": windows.ravel()}
    )
    wanted = from_columns([f"x__{name}" for name in WINDOW_FEATURES])["x"]
    found = extract_features(
        frame, column_id="id", column_sort="time", default_fc_parameters=wanted, n_jobs=0, disable_progressbar=True
    ).sort_index()
    return np.asarray(found[[f"x__{name}" for name in WINDOW_FEATURES]].to_numpy(dtype=float))


def differing(found: FloatArray, expected: FloatArray) -> float:
    """The largest difference, relative above 1; infinite where one has a value and the other none."""
    if not np.array_equal(np.isnan(found), np.isnan(expected)):
        return float("inf")
    return float(np.nanmax(np.abs(found - expected) / np.maximum(1.0, np.abs(expected))))


def longer(series: FloatArray, repeats: int) -> dict[str, float]:
    """The rate for other widths, and without the quantile, which alone has to keep windows in order."""
    without = [name for name in WINDOW_FEATURES if not name.startswith("quantile")]
    cases = {
        "5 samples": (5, WINDOW_FEATURES),
        "60 samples": (60, WINDOW_FEATURES),
        "1,440 samples": (1440, WINDOW_FEATURES),
        "30 samples without the quantile": (WINDOW_STEPS, without),
    }
    return {
        name: series.size / timed(lambda width=width, names=names: rolling_features(series, width, names), repeats)[0]
        for name, (width, names) in cases.items()
    }


def figures_of(
    rates: dict[str, float], worst: dict[str, float], others: dict[str, float], compiling_s: float
) -> dict[str, float]:
    """Flat keys that stay."""
    ours = rates["compiled, rolling"]
    return {
        "ours.samples_per_s": ours,
        "ours.compiling_s": compiling_s,
        "ours.times_tsfresh": ours / rates["tsfresh extract_features"],
        "ours.times_tsfresh_bare": ours / rates["tsfresh's calculators, bare"],
        "ours.largest_difference": max(worst.values()),
        "numpy.samples_per_s": rates["numpy, windows laid out"],
        "tsfresh.samples_per_s": rates["tsfresh extract_features"],
        "tsfresh_bare.samples_per_s": rates["tsfresh's calculators, bare"],
        **{f"ours.{name.replace(',', '').replace(' ', '_')}.samples_per_s": rate for name, rate in others.items()},
        **{f"goal.{name}": value for name, value in GOALS.items()},
    }


if __name__ == "__main__":
    main()
