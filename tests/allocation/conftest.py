"""The simulator that trials come from, and a small known system, as fixtures: `shop`, `made`."""

import importlib.util
import sys
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def shop():
    return _module("shop_simulator", Path(__file__).parents[1] / "twin" / "shop_simulator.py")


@pytest.fixture(scope="session")
def made():
    """A system whose twin is known exactly, for what is declared of it."""
    return _module("declared_shop", Path(__file__).with_name("declared_shop.py"))


def _module(name, path):
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, path)
        sys.modules[name] = module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    return sys.modules[name]


@pytest.fixture(scope="session")
def outcomes(shop):
    """Seven trials of the shop at the shadow's scale."""
    return shop.trials()
