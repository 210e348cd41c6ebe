"""A candidate of the fluid twin on the exact rung: confirmed, or caught and mended."""

from dataclasses import replace

import numpy as np
import pytest

from chaosprsa.allocation.engine import Candidate, Case, Engine
from chaosprsa.allocation.ladder import climbed, nearer
from chaosprsa.allocation.load import EntryLoad
from chaosprsa.allocation.run import Run
from chaosprsa.progress import silent
from chaosprsa.settings_tables import SafetyTable
from chaosprsa.types import PolicyResult, Prices


class Mistaken(Engine):
    """Its fluid twin believes in less load than there is."""

    def _rehearsal(self, issues, slo, step_s):
        true = super()._rehearsal(issues, slo, step_s)
        return replace(true, worlds=replace(true.worlds, load_per_s=0.7 * true.worlds.load_per_s))


@pytest.fixture(scope="module")
def case(shop):
    return Case(
        issues=(shop.ISSUES[0], shop.ISSUES[4]),
        production=shop.doubled(shop.PRESENT),
        load=EntryLoad(base_per_s=30.0, peak_per_s=80.0),
        topology=shop.SHOP,
        slo=shop.SLO,
        prices=Prices(cpu_core_hour=0.04, memory_gib_hour=0.005),
        safety=SafetyTable(),
        seed=3,
        now=shop.NOON,
        phases_s=(40.0, 20.0),
        trials=0,
    )


def climbing(engine_of, case, outcomes, room=()):
    """Greedy search alone proposes; beside it stands what holds these smaller shares of the SLO."""
    engine = engine_of(case, outcomes)
    run = Run(engine, outcomes, 0.5)
    untuned = PolicyResult(kept=False, searched_return=0.0, tuned_return=0.0, reason="")
    found = [engine.roomier(engine.space.present, (), share, engine.space).point for share in (1.0, *room)]
    proposed = Candidate(found[0], (), untuned, others=tuple(found[1:]))
    return run, proposed, climbed(run, proposed, (), silent)


@pytest.fixture(scope="module")
def good(case, outcomes):
    return climbing(Engine, case, outcomes)


@pytest.fixture(scope="module")
def mended(case, outcomes):
    return climbing(Mistaken, case, outcomes)


def test_what_holds_on_both_twins_goes_on_with_few_repeats(good):
    run, proposed, found = good
    climb = run.climbs[0]
    assert np.array_equal(found.point, proposed.point)
    assert climb.plays < 0.5 * len(climb.points) * len(climb.issues) * climb.rules.most
    assert all(climb.survived(found.point).values())


def test_a_mistake_of_the_fluid_twin_is_caught_and_mended(mended):
    run, proposed, found = mended
    climb = run.climbs[0]
    assert False in climb.survived(proposed.point).values()
    assert False not in climb.survived(found.point).values()
    assert run.engine.price_month(found.point) > run.engine.price_month(proposed.point)
    assert climb.steps
    assert any("the fluid twin said" in note for note in run.notes)


def test_a_dearer_candidate_is_left_out_once_a_cheaper_one_holds(case, outcomes):
    run, proposed, found = climbing(Engine, case, outcomes, room=(0.9, 0.8))
    race, first = run.climbs[0].found, run.climbs[0].rules.first
    assert np.array_equal(found.point, proposed.point)
    assert len(race.values) == 3
    assert [len(rows) for rows in race.values[1:]] == [first, first]


def test_a_dearer_one_beside_it_is_taken_where_the_searched_one_misses(case, outcomes):
    run, proposed, found = climbing(Mistaken, case, outcomes, room=(0.5,))
    assert np.array_equal(found.point, proposed.others[0])
    assert not run.climbs[0].steps


def test_the_next_step_is_the_shorter_the_larger_the_difference(good):
    space = good[0].engine.space
    failed = space.low.copy()
    floors = [nearer(space, space.present, failed, reach).low for reach in (1.0, 0.7, 0.4)]
    assert np.array_equal(floors[0], space.low)
    assert (floors[0] <= floors[1]).all() and (floors[1] <= floors[2]).all() and (floors[1] < floors[2]).any()  # noqa: PT018
    assert ((floors[2] - space.low) % space.step == 0).all()
    assert (floors[2] <= space.present).all()
