"""Conditions in a status: one a type, with the time at which it last changed its mind."""

from typing import Any

from chaosprsa.lab.kinds import Obj


def laid(conditions: Any, now: str, *news: Obj) -> list[Obj]:
    """The conditions with the news laid over: a transition time moves only when the status does.

    A lastUpdateTime of "" stands for now, or for what it was where nothing is new.
    """
    result = {each["type"]: each for each in conditions or ()}
    for new in news:
        old = result.get(new["type"])
        same = old is not None and old["status"] == new["status"]
        merged = {**new, "lastTransitionTime": old["lastTransitionTime"] if old is not None and same else now}
        if "lastUpdateTime" in new and not new["lastUpdateTime"]:
            told = old is not None and all(
                old.get(field) == new.get(field) for field in ("status", "reason", "message")
            )
            merged["lastUpdateTime"] = old["lastUpdateTime"] if old is not None and told else now
        result[new["type"]] = merged
    return list(result.values())


def of(obj: Obj, kind: str) -> Obj | None:
    """The condition of that type in an object's status."""
    return next((each for each in (obj.get("status") or {}).get("conditions") or () if each["type"] == kind), None)


def is_true(obj: Obj, kind: str) -> bool:
    """The condition is there and holds."""
    return (of(obj, kind) or {}).get("status") == "True"


def without(conditions: Any, kind: str) -> list[Obj]:
    """The conditions less one type."""
    return [each for each in conditions or () if each["type"] != kind]
