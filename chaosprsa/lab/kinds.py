"""What the API knows of one kind of object: a row of the table in resources.py."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

Obj = dict[str, Any]
VERBS = ("create", "delete", "deletecollection", "get", "list", "patch", "update", "watch")


def nothing(_new: Obj, _old: Obj | None) -> None:
    """No defaults."""


def anything(_new: Obj, _old: Obj | None, _subresource: str) -> None:
    """No rules of its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One kind: where it is served, what it has, and its own rules.

    default: completes (new, old or None) in place, as the real API server does.
    check: raises StatusError 422 for (new, old or None, subresource).
    """

    kind: str
    plural: str
    group: str = ""
    version: str = "v1"
    namespaced: bool = True
    has_status: bool = False
    generation: bool = False
    scale: bool = False
    needs_version: bool = False  # an update without a resourceVersion is refused
    short: tuple[str, ...] = ()
    subresources: tuple[str, ...] = ()
    fields: tuple[str, ...] = ()  # field selectors beside metadata.name and metadata.namespace
    strategic: bool = True  # strategic-merge patches are known; custom objects have none
    default: Callable[[Obj, Obj | None], None] = nothing
    check: Callable[[Obj, Obj | None, str], None] = anything

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def singular(self) -> str:
        return self.kind.lower()
