"""A plan as a Chaos Toolkit experiment: it plays under plain `chaos run`, which plays its rollbacks whatever happens.

The whole plan stands in the experiment's configuration. Each activity checks the plan's hash against its content and
against the approval (CHAOSPRSA_APPROVAL), so an edited experiment changes nothing in production. An activity after one
that went wrong does nothing and says so; the method always ends, and the rollbacks settle or restore.
"""

from typing import Any

from chaosprsa.documents import to_json
from chaosprsa.settings import Settings
from chaosprsa.types import RolloutPlan

APPROVAL_VARIABLE = "CHAOSPRSA_APPROVAL"
PROMETHEUS_VARIABLE = "CHAOSPRSA_PROMETHEUS"
Activity = dict[str, Any]


def rollout_experiment(plan: RolloutPlan, settings: Settings) -> dict[str, Any]:
    """The experiment. Steps: the gate, canaries, the judge, promotion service by service, verification; rollbacks."""
    namespace, slo = plan.namespace, plan.slo
    services = [change.service for change in plan.changes]
    document: dict[str, Any] = {
        "version": "1.0.0",
        "title": f"Roll out plan {plan.hash} in {namespace}",
        "description": (
            f"Gives {', '.join(services) or 'nothing'} what recommendation "
            f"{plan.lineage.parents[0] if plan.lineage.parents else '(unknown)'} says, after a canary each, and puts "
            "everything back unless the objective is kept."
        ),
        "tags": ["chaosprsa", "rollout"],
        "configuration": {
            "plan": to_json(plan),
            "approval": _variable(APPROVAL_VARIABLE, ""),
            "prometheus_base_url": _variable(PROMETHEUS_VARIABLE, settings.sources.prometheus),
            "service_label": settings.cluster.service_label,
        },
        "runtime": {"hypothesis": {"strategy": "before-method-only"}, "rollbacks": {"strategy": "always"}},
        "steady-state-hypothesis": {
            "title": (
                f"{slo.service} answers {slo.latency_percentile:g} % of good requests within {slo.latency_ms:g} ms, "
                f"and {slo.success_ratio:.2%} of them well"
            ),
            "probes": [
                _activity("probe", "the objective is kept now", "slo_holds", namespace=namespace, seconds=plan.canary_s)
                | {"tolerance": {"type": "regex", "pattern": "^successful"}}
            ],
        },
        "method": [
            *_each("canary of", "start_canary", plan),
            _activity("probe", "judge the canaries", "judge_canary", namespace=namespace),
            *_each("promote", "promote", plan),
            _activity("action", "end the canaries", "end_canaries", namespace=namespace),
            _activity("probe", "verify", "verify", namespace=namespace),
        ],
        "rollbacks": [
            _activity("action", "settle or restore", "settle_or_restore", namespace=namespace),
            _activity("probe", "production is as it should be", "as_it_should_be", namespace=namespace)
            | {"tolerance": True},
        ],
    }
    if settings.cluster.context:
        document["secrets"] = {"kubernetes": {"KUBERNETES_CONTEXT": settings.cluster.context}}
        for one in (*document["steady-state-hypothesis"]["probes"], *document["method"], *document["rollbacks"]):
            one["provider"]["secrets"] = ["kubernetes"]
    return document


def _each(verb: str, function: str, plan: RolloutPlan) -> list[Activity]:
    """One action a service, in the plan's order."""
    return [
        _activity("action", f"{verb} {one.service}", function, namespace=plan.namespace, service=one.service)
        for one in plan.changes
    ]


def _variable(name: str, default: str) -> dict[str, str]:
    return {"type": "env", "key": name, "default": default}


def _activity(kind: str, name: str, function: str, **arguments: Any) -> Activity:
    module = f"chaosprsa.rollout.{'probes' if kind == 'probe' else 'actions'}"
    provider = {"type": "python", "module": module, "func": function, "arguments": arguments}
    return {"type": kind, "name": name, "provider": provider}
