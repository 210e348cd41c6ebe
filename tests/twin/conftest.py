"""The simulator that trials come from, as a fixture: `shop`."""

import importlib.util
import sys
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def shop():
    name, path = "shop_simulator", Path(__file__).parents[1] / "twin" / "shop_simulator.py"
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, path)
        sys.modules[name] = module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    return sys.modules[name]


@pytest.fixture(scope="session")
def outcomes(shop):
    """Seven trials of the shop at the shadow's scale."""
    return shop.trials()
