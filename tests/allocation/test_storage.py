"""The class of a StatefulSet's volumes as a column of the space."""

import itertools

import numpy as np
import pytest

from chaosprsa.allocation.dimensions import EVERYWHERE, REPLICAS, STORAGE
from chaosprsa.allocation.explain import directives
from chaosprsa.allocation.search import search
from chaosprsa.errors import InvalidNoun
from chaosprsa.types import AllocationField, Declared, Storage, VolumeClass

STORE = 2


def declared_at(gold_month):
    """60 requests of 10 operations are 600 a second: bronze volumes carry 250 each, gold ones 1000."""
    classes = (
        VolumeClass(name="bronze", iops=250, volume_month=1.0),
        VolumeClass(name="silver", iops=500, volume_month=3.0),
        VolumeClass(name="gold", iops=1000, volume_month=gold_month),
    )
    volume = Storage(service="store", claim="data", operations_per_request=10, now="silver", classes=classes)
    return Declared(storages=(volume,))


def cheapest_of_all(objective, best):
    """By every number of store's pods and every class, the rest as it was found."""
    points = []
    for replicas, number in itertools.product(range(2, 13), range(3)):
        point = best.copy()
        point[STORE, [REPLICAS, STORAGE]] = replicas, number
        points.append(point)
    scores = objective(np.stack(points))
    return scores.cost_month[scores.feasible].min()


@pytest.mark.parametrize(("gold_month", "gold"), [(6.0, True), (60.0, False)])
def test_faster_volumes_are_taken_where_they_cost_less_than_more_pods(made, gold_month, gold):
    objective = made.objective_of(declared_at(gold_month))
    best = search(objective, 1, 8).best
    assert best.feasible
    assert best.cost_month <= 1.005 * cheapest_of_all(objective, best.point)
    assert (best.point[STORE, STORAGE] == 2) == gold
    assert (best.point[STORE, REPLICAS] == 2) == gold


def test_a_class_is_changed_in_place_and_called_by_its_name(made):
    objective = made.objective_of(declared_at(6.0))
    space, point = objective.space, objective.space.present.copy()
    point[STORE, STORAGE] = 2
    own = made.PRODUCTION["store"].cost_month(made.PRICES) + 4 * 3.0
    assert space.change_month(point[None], 0.1)[0] == pytest.approx(0.5 * 0.1 * own)
    assert space.further_month(point[None])[0] == pytest.approx(4 * 6.0)
    (told,) = directives(space, objective.rehearsal, point, 0.5, made.NOW, True)
    assert (told.field, told.from_, told.to) == (AllocationField.STORAGE, "silver", "gold")


def test_a_point_has_the_class_that_is_there_now(made):
    space = made.objective_of(declared_at(6.0)).space
    assert space.present[STORE, STORAGE] == 1
    assert np.array_equal(space.point(made.PRODUCTION)[:, EVERYWHERE:], space.present[:, EVERYWHERE:])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"now": "platinum"}, "has class platinum now, which is none of a, b"),
        ({"classes": (VolumeClass(name="b", iops=2, volume_month=1), VolumeClass(name="a", iops=1, volume_month=1))},
         "not in the order of their iops"),
        ({"operations_per_request": 0.0}, "operations_per_request is 0"),
    ],
)  # fmt: skip
def test_storage_that_cannot_be_is_refused(change, message):
    classes = tuple(VolumeClass(name=name, iops=at + 1, volume_month=1) for at, name in enumerate("ab"))
    given = {"service": "db", "claim": "data", "operations_per_request": 1.0, "now": "a", "classes": classes}
    with pytest.raises(InvalidNoun, match=message):
        Storage(**{**given, **change})
