"""chaosprsa.toml -> Settings. Each field says its unit, its default and the default's reason.

The file is read once, by the command line; rooms get the values they need. An unknown or impossible field is refused
with the file, the table, the field and what was expected.
"""

import difflib
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, cast, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from chaosprsa.errors import InvalidSettings
from chaosprsa.settings_declared import BandwidthTable, CacheTable, StorageTable, WeightsTable
from chaosprsa.types import Bandwidth, Cache, Declared, Edge, EndpointShare, Prices, Route, Slo, Storage, Topology

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


class Table(BaseModel):
    """A TOML table: frozen, and closed to unknown fields."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class ClusterTable(Table):
    """[cluster]: which namespace is production."""

    namespace: Annotated[
        str,
        Field(
            min_length=1,
            max_length=63,
            description="Production's namespace; no default, so that nothing is changed by accident.",
        ),
    ]
    context: Annotated[str, Field(description="The kubeconfig's context; empty: the current one.")] = ""
    service_label: Annotated[
        str, Field(description='The pod label that names the service; "app", as most charts have it.')
    ] = "app"


class TopologyTable(Table):
    """[topology]: who calls whom."""

    entry: Annotated[str, Field(min_length=1, description="The service that users reach.")]
    services: Annotated[
        tuple[str, ...], Field(min_length=1, description="Workloads (Deployment or StatefulSet) by name.")
    ]
    stateful: Annotated[
        tuple[str, ...], Field(description="Those that are StatefulSets; the others are Deployments.")
    ] = ()
    edges: Annotated[
        tuple[tuple[str, str] | tuple[str, str, float], ...],
        Field(description="[caller, callee] or [caller, callee, calls a request]; 1 call where no number is given."),
    ] = ()


class SloTable(Table):
    """[slo.SERVICE]: what users are promised."""

    latency_ms: Annotated[float, Field(gt=0, description="Milliseconds; no default: only you know what you promised.")]
    latency_percentile: Annotated[
        float, Field(ge=50, le=99.99, description="Percent; 99, the usual one for user-facing calls.")
    ] = 99.0
    success_ratio: Annotated[
        float,
        Field(gt=0, le=1, description="Share of good answers while an issue lasts; 0.99, one bad answer in a hundred."),
    ] = 0.99


class PricesTable(Table):
    """[prices]: what capacity costs."""

    cpu_core_hour: Annotated[
        float,
        Field(
            ge=0,
            description="Per requested core and hour; 0.0331, a common list price split between CPU and memory.",
        ),
    ] = 0.0331
    memory_gib_hour: Annotated[
        float, Field(ge=0, description="Per requested GiB and hour; 0.0044, from the same price.")
    ] = 0.0044
    currency: Annotated[str, Field(description="Only printed; USD.")] = "USD"


class SourcesTable(Table):
    """[sources]: where the past comes from."""

    prometheus: Annotated[str, Field(description="Base URL; empty: none.")] = ""
    history: Annotated[
        str,
        Field(description="A folder in the normal form (metrics, incidents, topology); empty: none."),
    ] = ""
    incidents: Annotated[
        tuple[str, ...],
        Field(
            description="Files or folders of incidents: JSONL, Alertmanager, PagerDuty, Statuspage, Kubernetes Events, "
            "CSV, post-mortems (docs/history.md)."
        ),
    ] = ()
    logs: Annotated[
        tuple[str, ...],
        Field(
            description="Log files or folders of them, plain or gzip, and Loki exports; counted at the metrics' step."
        ),
    ] = ()
    loki: Annotated[str, Field(description="Loki's base URL; empty: none. It is asked for the metrics' time.")] = ""
    loki_query: Annotated[
        str, Field(description="LogQL that selects the lines; empty: those of [cluster] namespace.")
    ] = ""
    window_days: Annotated[
        float, Field(gt=0, description="How far back Prometheus is asked; 14 days, two whole weeks.")
    ] = 14.0
    step_s: Annotated[
        float,
        Field(gt=0, description="Resolution asked of Prometheus, seconds; 60, fine enough for incidents of minutes."),
    ] = 60.0
    timeout_s: Annotated[
        float, Field(gt=0, description="A query's time limit, seconds; 30, Prometheus' own order of magnitude.")
    ] = 30.0
    queries: Annotated[
        dict[str, str],
        Field(description="Metric name -> PromQL, one series a service (label `service`); built-in ones else."),
    ] = {}


class ShadowTable(Table):
    """[shadow]: the place where issues are rehearsed."""

    namespace: Annotated[str, Field(max_length=63, description="Empty: production's name with -shadow.")] = ""
    scale: Annotated[
        float,
        Field(
            gt=0,
            le=1,
            description="Share of production's replicas and load; 0.5, half still shows queueing over replicas.",
        ),
    ] = 0.5
    quota_headroom: Annotated[
        float,
        Field(ge=1, description="Quota as a multiple of what the shadow requests; 4, room for what a search tries."),
    ] = 4.0


class TrialTable(Table):
    """[trial]: how long the parts of a rehearsal are, in seconds, and where the load goes."""

    before_s: Annotated[float, Field(ge=2, description="Load before the fault; 60, a few scrapes.")] = 60.0
    fault_s: Annotated[
        float, Field(ge=2, description="The fault's length at most; 120, enough for queues to build.")
    ] = 120.0
    after_s: Annotated[float, Field(ge=2, description="Load after the fault; 60, enough to see recovery.")] = 60.0
    entry_url: Annotated[str, Field(description="Where the load is sent; empty: found from the entry's Service.")] = ""
    endpoints: Annotated[
        tuple[EndpointShare, ...], Field(description="The mix of requests; one path / where nothing is known.")
    ] = (EndpointShare(path="/", weight=1.0),)
    max_rate_per_s: Annotated[
        float,
        Field(
            gt=0,
            description="Requests a second at most; 500, what one Locust process sends undistorted.",
        ),
    ] = 500.0


class SafetyTable(Table):
    """[safety]: what must never be crossed."""

    max_replicas: Annotated[int, Field(ge=1, description="Per service; 20, more than most services ever have.")] = 20
    max_cpu_limit_millicores: Annotated[int, Field(ge=10, description="Per container; 4000, what fits most nodes.")] = (
        4000
    )
    max_memory_limit_mib: Annotated[int, Field(ge=16, description="Per container; 8192, what fits most nodes.")] = 8192
    min_replicas: Annotated[
        int,
        Field(
            ge=1,
            description="Per service; 2, so that one pod's end is no outage. A service that has fewer may keep them.",
        ),
    ] = 2
    canary_s: Annotated[
        float,
        Field(
            ge=1, description="How long a canary is watched, seconds; 300, Argo Rollouts' and Flagger's usual order."
        ),
    ] = 300.0
    settle_s: Annotated[
        float,
        Field(
            ge=1,
            description="How long production is watched after promotion, seconds; 120, several scrapes and HPA syncs.",
        ),
    ] = 120.0
    lapse_hours: Annotated[
        float, Field(gt=0, description="A recommendation says nothing after this, hours; 24, the default horizon.")
    ] = 24.0


class AllocationTable(Table):
    """[allocation]: what the search for the cheapest allocation holds to, and where its study is kept."""

    risk_level: Annotated[
        float,
        Field(
            ge=0,
            lt=1,
            description="The SLO is judged by the mean of the worst 1 - this of what may happen (CVaR); 0.9, the "
            "worst tenth, as an objective of nines asks for. 0: the mean of everything.",
        ),
    ] = 0.9
    risk_limit: Annotated[
        float,
        Field(
            gt=-0.1,
            description="The most that this may be, as a share of the SLO; 0, the SLO is held there. 0.1 lets it be "
            "missed by a tenth, -0.05 keeps a twentieth to spare.",
        ),
    ] = 0.0
    change_share: Annotated[
        float,
        Field(
            ge=0,
            description="What moving a service is taken to cost, as a share of what it costs a month (all of it where "
            "its pods restart, half where they don't); 0, a rollout is done by a machine. 0.05 leaves alone what "
            "saves less than a twentieth.",
        ),
    ] = 0.0
    trials: Annotated[
        int, Field(ge=0, le=100_000, description="Optuna's trials after greedy search; 64, seconds for a few services.")
    ] = 64
    storage: Annotated[
        str,
        Field(
            description="URL of Optuna's storage, which several workers may share (postgresql://..., sqlite:///...); "
            "empty: a file in recommendation/. Leave its password to the driver (PGPASSWORD, .pgpass)."
        ),
    ] = ""
    study: Annotated[
        str,
        Field(
            description="The study's name in that storage, for one system that is asked the same again; empty: named "
            "after the question, so that others lie beside it."
        ),
    ] = ""
    frontier: Annotated[
        bool, Field(description="Optuna looks for the whole front of cost against risk; false: the least cost only.")
    ] = False


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
    bandwidth: dict[str, BandwidthTable] = {}
    storage: dict[str, StorageTable] = {}
    cache: dict[str, CacheTable] = {}
    weights: dict[str, WeightsTable] = {}

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
