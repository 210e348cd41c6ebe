"""Server-side apply: who applied what, so that what a manager no longer says is taken away and quarrels are told."""

from chaosprsa.lab.kinds import Obj
from chaosprsa.lab.patching import applied, conflicts
from chaosprsa.lab.requests import Asked, is_yes
from chaosprsa.lab.status import StatusError, invalid
from chaosprsa.lab.store import Change, Store


class Appliers:
    """The last applied configuration of each manager, by the object's uid."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._last: dict[str, dict[str, Obj]] = {}
        store.on_change(self._changed)

    def _changed(self, _plural: str, change: Change) -> None:
        if change.event == "DELETED":
            self._last.pop(change.obj["metadata"]["uid"], None)

    def apply(self, asked: Asked, config: Obj) -> tuple[Obj, bool]:
        """(the object, whether it is new). Raises StatusError 409 (another manager's field), 422 (no manager)."""
        manager = asked.query.get("fieldManager")
        if not manager:
            cause = ("fieldManager", "Required value: is required for apply patch")
            raise invalid("PatchOptions", "", "meta.k8s.io", [cause])
        current = self._store.find(*asked.key)
        if current is None:
            made = self._store.create(asked.kind.plural, config, dry_run=asked.dry_run)
            self._remember(made, manager, config, asked)
            return made, True
        known = self._last.get(current["metadata"]["uid"], {})
        others = {name: each for name, each in known.items() if name != manager}
        quarrels = conflicts(config, current, others)
        if quarrels and not is_yes(asked.query, "force"):
            raise _quarrel(asked, quarrels)
        wanted = applied(current, config, known.get(manager))
        made = self._store.update(
            asked.kind.plural,
            {**wanted, "metadata": {**wanted["metadata"], **_fixed(current, config)}},
            subresource=asked.part,
            dry_run=asked.dry_run,
        )
        self._remember(made, manager, config, asked)
        return made, False

    def _remember(self, made: Obj, manager: str, config: Obj, asked: Asked) -> None:
        if not asked.dry_run:
            self._last.setdefault(made["metadata"]["uid"], {})[manager] = config


def _fixed(current: Obj, config: Obj) -> Obj:
    """Identity is never applied away; a resourceVersion in the configuration is a condition."""
    told = (config.get("metadata") or {}).get("resourceVersion")
    metadata = {field: current["metadata"][field] for field in ("name", "uid") if field in current["metadata"]}
    return metadata | ({"resourceVersion": told} if told else {})


def _quarrel(asked: Asked, quarrels: list[tuple[str, str]]) -> StatusError:
    version = asked.kind.api_version
    causes = [
        {"reason": "FieldManagerConflict", "message": f'conflict with "{name}" using {version}', "field": path}
        for name, path in quarrels
    ]
    first = f"{causes[0]['message']}: {causes[0]['field']}"
    count = f"{len(quarrels)} conflict{'s' if len(quarrels) > 1 else ''}"
    return StatusError(409, f"Apply failed with {count}: {first}", details={"causes": causes})
