"""Bandwidth as a column of the space: what it costs, what it binds, and which way out is the cheaper one."""

import itertools

import numpy as np
import pytest

from chaosprsa.allocation.dimensions import BANDWIDTH, CPU, DIMENSIONS, EVERYWHERE, REPLICAS
from chaosprsa.allocation.ranges import build_space
from chaosprsa.allocation.search import search, starts
from chaosprsa.allocation.swift import swift
from chaosprsa.settings_tables import SafetyTable
from chaosprsa.types import Bandwidth, Declared

WEB = 0


def declared_at(mbit_month, most=200):
    """60 answers a second of 250 KiB are 123 Mbit/s: more than three pods of 40 can send."""
    return Declared(
        bandwidths=(
            Bandwidth(
                service="web",
                kib_per_request=250,
                now_mbit=40,
                min_mbit=20,
                max_mbit=most,
                step_mbit=20,
                mbit_month=mbit_month,
            ),
        )
    )


def cheapest_of_all(objective, best):
    """By every number of web's pods, every bandwidth and CPU limit of theirs, the rest as it was found."""
    space, points = objective.space, []
    for replicas, mbit, cpu in itertools.product(range(2, 9), range(20, 201, 20), range(100, 601, 50)):
        point = best.copy()
        point[WEB, [REPLICAS, BANDWIDTH, CPU]] = replicas, mbit, cpu
        points.append(point)
    cost = space.cost_month(np.stack(points))
    for batch in np.array_split(np.argsort(cost, kind="stable"), 20):
        scores = objective(np.stack([points[at] for at in batch]))
        if scores.feasible.any():
            return scores.cost_month[scores.feasible].min()
    raise AssertionError("nothing is feasible")


@pytest.mark.parametrize("mbit_month", [0.02, 2.0])
def test_the_search_finds_the_cheapest_of_all_pods_and_bandwidths(made, mbit_month):
    objective = made.objective_of(declared_at(mbit_month))
    best = search(objective, 1, 8).best
    assert best.feasible
    assert best.cost_month <= 1.02 * cheapest_of_all(objective, best.point)


def test_where_bandwidth_binds_pods_get_more_of_it_or_else_there_are_more_pods(made):
    """A pod more costs more than its bandwidth; only where the links go no further it has to be."""
    wide = search(made.objective_of(declared_at(0.02)), 1, 0).best.point[WEB]
    narrow = search(made.objective_of(declared_at(0.02, most=60)), 1, 0).best.point[WEB]
    assert (wide[REPLICAS], wide[BANDWIDTH] > 60) == (2, True)
    assert narrow[REPLICAS] > 2
    assert narrow[BANDWIDTH] <= 60


def test_costs_are_of_every_pod_and_nothing_is_added_where_nothing_is_declared(made):
    space = made.objective_of(declared_at(0.5)).space
    plain = build_space(made.PRODUCTION, made.twin_of(), SafetyTable(max_replicas=12), made.PRICES)
    point = space.present[None]
    assert space.cost_month(point)[0] == pytest.approx(plain.cost_month(point[..., :EVERYWHERE])[0] + 4 * 40 * 0.5)
    assert plain.present.shape == (3, EVERYWHERE)
    assert space.present.shape == (3, len(DIMENSIONS))


def test_another_bandwidth_restarts_pods_so_moving_costs_all_of_the_share(made):
    space = made.objective_of(declared_at(0.5)).space
    point = space.present.copy()
    point[WEB, BANDWIDTH] = 60
    own = made.PRODUCTION["web"].cost_month(made.PRICES) + 4 * 40 * 0.5
    assert space.change_month(point[None], 0.1)[0] == pytest.approx(0.1 * own)


def test_the_sketch_and_the_fluid_twin_agree_on_where_bandwidth_binds(made):
    objective = made.objective_of(declared_at(0.02))
    found = swift(objective, starts(objective.space))
    less = found.point.copy()
    less[WEB, BANDWIDTH] -= 40
    assert found.feasible
    assert not objective(less[None]).feasible[0]


def test_what_nobody_declared_stays_as_it_is(made):
    space = made.objective_of(declared_at(0.02)).space
    others = np.arange(len(space.services)) != WEB
    assert (space.low[others, BANDWIDTH] == space.high[others, BANDWIDTH]).all()
