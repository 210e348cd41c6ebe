"""chaosprsa.toml -> Settings. Each field says its unit, its default and the default's reason.

The file is read once, by the command line; rooms get the values they need. An unknown or impossible field is refused
with the file, the table, the field and what was expected.
"""

import difflib
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast, get_args

from pydantic import BaseModel, Field, ValidationError

from chaosprsa.errors import InvalidSettings
from chaosprsa.settings_declared import BandwidthTable, CacheTable, StorageTable, WeightsTable
from chaosprsa.settings_tables import (
    AllocationTable,
    ClusterTable,
    PricesTable,
    SafetyTable,
    ShadowTable,
    SloTable,
    SourcesTable,
    Table,
    TopologyTable,
    TrialTable,
)
from chaosprsa.types import Bandwidth, Cache, Declared, Edge, Prices, Route, Slo, Storage, Topology

SMALLEST = """\
  [cluster]
  namespace = "shop"                 # only a name where there is no cluster
  [topology]
  entry = "web"                      # what users reach
  services = ["web", "cart"]         # as the history names them
  edges = [["web", "cart"]]          # caller, callee
  [slo.web]
  latency_ms = 300                   # what you promised
"""


class Settings(Table):
    """The whole file."""

    cluster: ClusterTable
    topology: TopologyTable
    slo: dict[str, SloTable]
    prices: PricesTable = PricesTable()
    sources: SourcesTable = SourcesTable()
    shadow: ShadowTable = ShadowTable()
    trial: TrialTable = TrialTable()
    safety: SafetyTable = SafetyTable()
    allocation: AllocationTable = AllocationTable()
    bandwidth: dict[str, BandwidthTable] = Field(default_factory=dict)
    storage: dict[str, StorageTable] = Field(default_factory=dict)
    cache: dict[str, CacheTable] = Field(default_factory=dict)
    weights: dict[str, WeightsTable] = Field(default_factory=dict)

    @property
    def declared(self) -> Declared:
        """What may be tried besides replicas, CPU and memory."""
        return Declared(
            bandwidths=tuple(Bandwidth(service=name, **dict(table)) for name, table in self.bandwidth.items()),
            storages=tuple(Storage(service=name, **dict(table)) for name, table in self.storage.items()),
            caches=tuple(Cache(service=name, **dict(table)) for name, table in self.cache.items()),
            routes=tuple(Route(name=name, **dict(table)) for name, table in self.weights.items()),
        )

    @property
    def call_graph(self) -> Topology:
        """The topology as a noun."""
        edges = tuple(
            Edge(caller=edge[0], callee=edge[1], calls_per_request=edge[2] if len(edge) == 3 else 1.0)
            for edge in self.topology.edges
        )
        return Topology(services=self.topology.services, edges=edges, entry=self.topology.entry)

    @property
    def workload_kinds(self) -> dict[str, str]:
        """Service -> Deployment or StatefulSet."""
        stateful = self.topology.stateful
        return {name: "StatefulSet" if name in stateful else "Deployment" for name in self.topology.services}

    @property
    def entry_slo(self) -> Slo:
        """The promise that trials and rollouts are judged by."""
        entry = self.topology.entry
        return Slo(service=entry, **self.slo[entry].model_dump())

    @property
    def price_list(self) -> Prices:
        return Prices(**self.prices.model_dump())

    @property
    def shadow_namespace(self) -> str:
        return self.shadow.namespace or f"{self.cluster.namespace}-shadow"


def read_settings(path: Path) -> Settings:
    """Read chaosprsa.toml. Raises InvalidSettings."""
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InvalidSettings(
            f"{path}: there is no such file. Write one with: chaos prsa init --namespace NAMESPACE, or, where there "
            "are only files: chaos prsa init --history DIR"
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidSettings(f"{path}: it can't be read: {error}") from None
    except tomllib.TOMLDecodeError as error:
        raise InvalidSettings(f"{path}: not TOML: {error}") from None
    return parse_settings(values, str(path))


def parse_settings(values: Mapping[str, Any], where: str) -> Settings:
    """Settings from a parsed file; `where` names it in messages."""
    try:
        settings = Settings.model_validate(values)
    except ValidationError as error:
        raise InvalidSettings(_explained(error, where)) from None
    _check(settings, where)
    return settings


def _check(settings: Settings, where: str) -> None:
    entry = settings.topology.entry
    if entry not in settings.slo:
        raise InvalidSettings(f"{where}: there is no [slo.{entry}]; the entry's objective is what trials are judged by")
    unknown = sorted(set(settings.slo) - set(settings.topology.services))
    if unknown:
        raise InvalidSettings(f"{where}, [slo.{unknown[0]}]: no such service in [topology] services")
    others = sorted(set(settings.slo) - {entry})
    if others:
        raise InvalidSettings(f"{where}, [slo.{others[0]}]: only the entry's objective is judged; remove this one")
    strangers = sorted(set(settings.topology.stateful) - set(settings.topology.services))
    if strangers:
        raise InvalidSettings(f"{where}, [topology]: stateful names {strangers[0]}, which is not among its services")
    try:
        settings.call_graph  # noqa: B018  # the noun's own invariants
    except ValueError as error:
        raise InvalidSettings(f"{where}, [topology]: {error}") from None
    try:
        strange = sorted(settings.declared.services - set(settings.topology.services))
    except ValueError as error:
        raise InvalidSettings(f"{where}: {error}") from None
    if strange:
        raise InvalidSettings(f"{where}: something is declared for {strange[0]}, which is not in [topology] services")
    stateless = sorted(set(settings.storage) - set(settings.topology.stateful))
    if stateless:
        raise InvalidSettings(
            f"{where}, [storage.{stateless[0]}]: only a StatefulSet's pods have volumes of their own; name it in "
            "[topology] stateful, or remove this table"
        )
    if settings.shadow_namespace == settings.cluster.namespace:
        raise InvalidSettings(f"{where}, [shadow]: namespace is production's own; a shadow needs its own")


def _explained(error: ValidationError, where: str) -> str:
    """The first thing that is wrong; a misspelt name before what it leaves missing; missing tables all at once."""
    problem = min(error.errors(), key=lambda each: each["type"] != "extra_forbidden")
    if problem["type"] == "missing" and len(problem["loc"]) == 1:
        names = [str(each["loc"][0]) for each in error.errors() if each["type"] == "missing" and len(each["loc"]) == 1]
        tables = ", ".join("[slo.ENTRY]" if name == "slo" else f"[{name}]" for name in names)
        return (
            f"{where}: missing: {tables}. Smallest file:\n{SMALLEST}Or let it be written: chaos prsa init --history DIR"
        )
    *within, field = [str(part) for part in problem["loc"]]
    table = f", [{'.'.join(within)}]" if within else ""
    if problem["type"] == "missing":
        return f"{where}{table}: {field} is missing; docs/reference.md lists every field, chaos prsa init writes them"
    if problem["type"] == "extra_forbidden":
        return f"{where}{table}: {field} is not a known field{_nearest(within, field)}"
    return f"{where}{table}: {field} is {problem['input']!r}, expected: {problem['msg']}{_slip(problem)}"


def _nearest(tables: list[str], field: str) -> str:
    model = table_of(tables[0])[0] if tables else Settings
    close = difflib.get_close_matches(field, list(model.model_fields), n=1)
    return f". Did you mean {close[0]}?" if close else f"; there are: {', '.join(model.model_fields)}"


def table_of(name: str) -> tuple[type[BaseModel], bool]:
    """(a table's class, whether there is one for each service or name) of one of Settings' fields."""
    annotation = Settings.model_fields[name].annotation
    kinds: tuple[Any, ...] = get_args(annotation)
    return (kinds[1], True) if kinds else (cast("type[BaseModel]", annotation), False)


def _slip(problem: Any) -> str:
    """A percentile of 995 is most likely 99.5."""
    if problem["loc"][-1] == "latency_percentile" and isinstance(problem["input"], int | float):
        for divisor in (10, 100):
            if 50 <= problem["input"] / divisor <= 99.99:
                return f". Did you mean {problem['input'] / divisor:g}?"
    return ""
