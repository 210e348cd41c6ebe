"""A small history and the clock the tests hold."""

from datetime import UTC, datetime

import numpy as np
import pandas as pd
import pytest

NOW = datetime(2026, 1, 10, tzinfo=UTC)


@pytest.fixture
def now() -> datetime:
    return NOW


@pytest.fixture
def rows() -> pd.DataFrame:
    """Two components, two metrics, an hour of minutes, in order."""
    minutes = pd.date_range("2026-01-01", periods=60, freq="min", tz="UTC").as_unit("ms")
    parts = [
        pd.DataFrame({"timestamp": minutes, "component": component, "metric": metric, "value": np.arange(60.0)})
        for component in ("cart", "gateway")
        for metric in ("cpu_usage_cores", "request_rate_per_s")
    ]
    return pd.concat(parts, ignore_index=True)
