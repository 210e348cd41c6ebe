"""The tables of chaosprsa.toml, field by field: its unit, its default and the default's reason."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from chaosprsa.types import EndpointShare


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
