"""ResourceQuotas: they refuse what is too much, and tell what is used."""

from collections.abc import Callable
from fractions import Fraction

from chaosprsa.lab import podstatus
from chaosprsa.lab.controllers.replicasets import key_of
from chaosprsa.lab.kinds import Kind, Obj
from chaosprsa.lab.quantities import exact, written
from chaosprsa.lab.resources import KINDS
from chaosprsa.lab.status import forbidden
from chaosprsa.lab.store import Change, Store
from chaosprsa.lab.work import Key, WorkQueue

Use = dict[str, Fraction]
COMPUTE = ("cpu", "memory", "ephemeral-storage")
COUNTED = ("services", "configmaps", "secrets", "resourcequotas", "pods")  # names without "count/"
SETTLE_S = 0.2  # many changes, one status


class Quotas:
    """The controller of the status; its keys are ResourceQuotas. `admit` is the store's admission."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.queue = WorkQueue(self._sync, store.turn)
        store.subscribe("resourcequotas", lambda _event, each: self.queue.add(key_of(each)), replay=True)
        store.on_change(self._changed)

    def _changed(self, plural: str, change: Change) -> None:
        if plural in {"events", "resourcequotas", "leases"} or (change.event == "MODIFIED" and plural != "pods"):
            return
        for quota in self._store.list("resourcequotas", change.obj["metadata"].get("namespace") or ""):
            self.queue.add_after(key_of(quota), SETTLE_S)

    def _sync(self, key: Key) -> None:
        quota = self._store.find("resourcequotas", *key)
        if quota is None:
            return
        hard = quota["spec"].get("hard") or {}
        used = _in_use(self._store, key[0], hard)
        told = {name: _shown(name, used.get(name, Fraction(0))) for name in hard}
        self._store.set_status("resourcequotas", quota, hard=hard, used=told)


def admission(store: Store) -> Callable[[Kind, Obj, Obj | None], None]:
    """Refuses, with 403, an object that a quota of its namespace has no room for."""

    def admit(kind: Kind, new: Obj, old: Obj | None) -> None:
        if not kind.namespaced or kind.plural == "events" or (old is not None and kind.plural != "pods"):
            return
        quotas = store.list("resourcequotas", new["metadata"]["namespace"])
        if not quotas:
            return
        asked = use_of(kind, new)
        if old is not None:
            before = use_of(kind, old)
            asked = {name: amount - before.get(name, Fraction(0)) for name, amount in asked.items()}
            asked = {name: amount for name, amount in asked.items() if amount > 0}
        for quota in quotas:
            _check(store, kind, new, quota, asked)

    return admit


def _check(store: Store, kind: Kind, new: Obj, quota: Obj, asked: Use) -> None:
    hard = quota["spec"].get("hard") or {}
    name, told = quota["metadata"]["name"], new["metadata"]["name"]
    if kind.plural == "pods":
        missing = {limit: names for limit in sorted(hard) if (names := _unsaid(new, limit))}
        if missing:
            said = "; ".join(f"{limit} for: {','.join(names)}" for limit, names in missing.items())
            raise forbidden(kind.plural, told, f"failed quota: {name}: must specify {said}", kind.group)
    limited = {limit for limit in hard if limit in asked}
    if not limited:
        return
    used = _in_use(store, new["metadata"]["namespace"], hard)
    over = [limit for limit in sorted(limited) if used.get(limit, Fraction(0)) + asked[limit] > exact(hard[limit])]
    if over:
        parts = {
            "requested": ",".join(f"{limit}={_shown(limit, asked[limit])}" for limit in over),
            "used": ",".join(f"{limit}={_shown(limit, used.get(limit, Fraction(0)))}" for limit in over),
            "limited": ",".join(f"{limit}={hard[limit]}" for limit in over),
        }
        why = f"exceeded quota: {name}, " + ", ".join(f"{part}: {text}" for part, text in parts.items())
        raise forbidden(kind.plural, told, why, kind.group)


def use_of(kind: Kind, obj: Obj) -> Use:
    """What one object counts for, by the quotas' own names."""
    one = Fraction(1)
    use: Use = {f"count/{kind.plural}.{kind.group}" if kind.group else f"count/{kind.plural}": one}
    if kind.plural in COUNTED and not kind.group:
        use[kind.plural] = one
    if kind.plural == "services" and obj["spec"]["type"] == "NodePort":
        use["services.nodeports"] = Fraction(len(obj["spec"].get("ports") or ()))
    if kind.plural == "pods":
        if (obj.get("status") or {}).get("phase") in podstatus.TERMINAL:
            return {}
        for part in ("requests", "limits"):
            for name in COMPUTE:
                amounts = [(each.get(part) or {}).get(name) for each in podstatus.resources_of(obj)]
                use[f"{part}.{name}"] = sum((exact(each) for each in amounts if each is not None), Fraction(0))
        use |= {name: use[f"requests.{name}"] for name in COMPUTE}
    return use


def _in_use(store: Store, namespace: str, hard: Obj) -> Use:
    total: Use = {}
    for plural in _counted_kinds(hard):
        kind = KINDS[plural]
        for obj in store.list(plural, namespace):
            for name, amount in use_of(kind, obj).items():
                if name in hard:
                    total[name] = total.get(name, Fraction(0)) + amount
    return total


def _counted_kinds(hard: Obj) -> set[str]:
    """The kinds that a quota's limits look at."""
    named = {name.removeprefix("count/").partition(".")[0] for name in hard}
    counted = {plural for plural in named if plural in KINDS}
    compute = any(name.removeprefix("requests.").removeprefix("limits.") in COMPUTE for name in hard)
    return counted | ({"pods"} if compute else set())


def _unsaid(pod: Obj, limit: str) -> list[str]:
    """The containers that do not say what the quota counts; only CPU and memory have to be said."""
    part, _, name = limit.rpartition(".")
    part = part or "requests"
    if name not in {"cpu", "memory"} or part not in {"requests", "limits"}:
        return []
    containers = pod["spec"]["containers"]
    return [each["name"] for each in containers if name not in ((each.get("resources") or {}).get(part) or {})]


def _shown(name: str, amount: Fraction) -> str:
    return written(amount, binary=name.endswith("memory") and amount >= 1024)
