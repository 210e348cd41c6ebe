"""The JSON Schema of every file that crosses a command, by the file's name: what `chaos prsa schema` prints."""

import importlib
from typing import Any

from chaosprsa.documents import DOCUMENTS, json_schema
from chaosprsa.errors import BadInput
from chaosprsa.settings import Settings

# Files that a room keeps for itself; the rooms are heavy, so they are imported when asked for.
_ROOMS_OWN = {
    "bundle": ("chaosprsa.models.bundle", "Manifest"),
    "lab-topology": ("chaosprsa.lab.topology", "LabTopology"),
    "snapshot": ("chaosprsa.cluster.snapshots", "Snapshot"),
}
NAMES = tuple(sorted((*DOCUMENTS, *_ROOMS_OWN, "settings")))


def schema_named(name: str) -> dict[str, Any]:
    """The schema of one of NAMES. Raises BadInput for another name, with those there are."""
    if name == "settings":
        return Settings.model_json_schema()
    if name in _ROOMS_OWN:
        module, noun = _ROOMS_OWN[name]
        return json_schema(name, getattr(importlib.import_module(module), noun))
    if name not in DOCUMENTS:
        raise BadInput(f"there is no document {name!r}; there are: {', '.join(NAMES)}")
    return json_schema(name)
