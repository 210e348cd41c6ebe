"""Floors ahead of time as others apply them: a script that waits for each moment, and placeholder pods. Pure.

No CronJob and no controller: the script sleeps until a directive begins, and what it began it ends. The placeholders
are the over-provisioning of kubernetes.io/docs/tasks/administer-cluster/node-overprovisioning; their priority is the
lowest that the cluster autoscaler still makes room for (--expendable-pods-priority-cutoff, -10).
"""

import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import yaml

from chaosprsa.manifests import Workload, find_workload, resources_json
from chaosprsa.types import Placeholder, Provisioning, Recommendation, Resources

FOLDER, FILES = "ahead", {"directives": "directives.sh", "placeholders": "placeholders.yaml"}
PRIORITY = -10
PAUSE_IMAGE = "registry.k8s.io/pause:3.10"
ROOM = "chaosprsa.io/room"
_CLASS = "chaosprsa-room"
_AT = 'at() { wait=$(($1 - $(date +%s))); if [ "$wait" -gt 0 ]; then sleep "$wait"; fi; shift; "$@"; }'


@dataclass(frozen=True, slots=True)
class _Timed:
    moment: datetime
    words: str
    command: str


def ahead_outputs(answer: Recommendation, workloads: Sequence[Workload]) -> dict[str, str]:
    """Text by name (FILES); where the recommendation is to be held always they say so. Raises BadInput: no workload."""
    plan = answer.provisioning
    if plan is None or not plan.ahead:
        reason = plan.reason if plan else "nothing was looked for"
        return dict.fromkeys(FILES, f"# {answer.id}: hold the recommendation always: {reason}.\n")
    return {"directives": _script(answer, plan, workloads), "placeholders": _manifests(answer, plan)}


def _script(answer: Recommendation, plan: Provisioning, workloads: Sequence[Workload]) -> str:
    head = (
        f"#!/bin/sh\nset -eu\n# {answer.id}: {plan.cost_ahead:.2f} {answer.currency} until {_clock(answer.lapses_at)}, "
        f"{plan.cost_always:.2f} with the recommendation held always.\n"
        "# Once the recommendation is rolled out: run this until its end; it puts the recommendation's floors back.\n"
    )
    timed = sorted(_timed(answer, plan, workloads), key=lambda one: one.moment)
    lines = [f"# {_clock(one.moment)}: {one.words}\nat {one.moment.timestamp():.0f} {one.command}\n" for one in timed]
    return "".join([head, _AT, "\n", *lines])


def _timed(answer: Recommendation, plan: Provisioning, workloads: Sequence[Workload]) -> Iterator[_Timed]:
    """Down to the usual, up ahead of each window, down after it, and back in the end."""
    ceilings = {one.service: one.ceiling for one in answer.autoscaling}

    def to(service: str, pods: int) -> str:
        workload = find_workload(workloads, service, answer.namespace)
        return floor_command(answer.namespace, workload, pods, ceilings.get(service, 0))

    for usual in plan.usual.services:
        held = answer.recommended[usual.service].replicas
        if usual.replicas != held:
            yield _Timed(
                answer.created, f"{usual.service} {held} -> {usual.replicas}", to(usual.service, usual.replicas)
            )
            back = f"{usual.service} {usual.replicas} -> {held}: this plan says nothing any more"
            yield _Timed(answer.lapses_at, back, to(usual.service, held))
    for floor in plan.floors:
        ready = f"ready by {_clock(floor.ready_by)}, {floor.cost:.2f} {answer.currency}, for {', '.join(floor.issues)}"
        up = f"{floor.service} {floor.usual} -> {floor.floor}, {ready}"
        yield _Timed(floor.begins, up, to(floor.service, floor.floor))
        if floor.lapses < answer.lapses_at:
            down = f"{floor.service} {floor.floor} -> {floor.usual}: the window is over"
            yield _Timed(floor.lapses, down, to(floor.service, floor.usual))
    yield from _room(answer.namespace, plan)


def _room(namespace: str, plan: Provisioning) -> Iterator[_Timed]:
    kubectl, file = f"kubectl -n {shlex.quote(namespace)}", '"$(dirname "$0")/placeholders.yaml"'
    for number, one in enumerate(plan.placeholders, start=1):
        name = _name(one, number)
        both = shlex.quote(f"{ROOM} in ({_CLASS},{name})")
        yield _Timed(one.begins, f"room for {one.pods} of {one.service}", f"{kubectl} apply -f {file} -l {both}")
        gone = f"{kubectl} delete deployment {shlex.quote(name)} --ignore-not-found"
        yield _Timed(one.lapses, f"no more room for {one.service}", gone)


def floor_command(namespace: str, workload: Workload, pods: int, ceiling: int) -> str:
    """Gives a workload at least so many pods: its autoscaler's floor where it has one, else its count.

    ceiling: the autoscaler's at least, once the recommendation is rolled out.
    """
    kubectl = f"kubectl -n {shlex.quote(namespace)}"
    if not workload.hpa:
        return f"{kubectl} scale {shlex.quote(f'{workload.kind.lower()}/{workload.name}')} --replicas={pods}"
    least = max(pods, 1)
    patch = shlex.quote(f'{{"spec":{{"minReplicas":{least},"maxReplicas":{max(workload.ceiling, ceiling, least)}}}}}')
    return f"{kubectl} patch hpa {shlex.quote(workload.hpa)} --type merge -p {patch}"


def _manifests(answer: Recommendation, plan: Provisioning) -> str:
    if not plan.placeholders:
        return f"# {answer.id}: the nodes have room for all floors; no placeholder is needed.\n"
    head = (
        f"# {answer.id}: room for floors that the nodes lack, or whose room is not known; directives.sh applies each "
        "when it is due.\n# They count in a quota, and make way for any pod of a higher priority.\n"
    )
    pods = [_deployment(answer.namespace, one, at) for at, one in enumerate(plan.placeholders, start=1)]
    return head + str(yaml.safe_dump_all([_priority_class(), *pods], sort_keys=False))


def _priority_class() -> dict[str, Any]:
    return {
        "apiVersion": "scheduling.k8s.io/v1",
        "kind": "PriorityClass",
        "metadata": {"name": _CLASS, "labels": {ROOM: _CLASS}},
        "value": PRIORITY,
        "preemptionPolicy": "Never",
        "description": "Pods that only keep room; any other may take it.",
    }


def _deployment(namespace: str, one: Placeholder, number: int) -> dict[str, Any]:
    name = _name(one, number)
    container = {"name": "pause", "image": PAUSE_IMAGE, "resources": resources_json(_reserved(one.resources))}
    spec = {"priorityClassName": _CLASS, "terminationGracePeriodSeconds": 0, "containers": [container]}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": namespace, "labels": {ROOM: name}},
        "spec": {
            "replicas": one.pods,
            "selector": {"matchLabels": {ROOM: name}},
            "template": {"metadata": {"labels": {ROOM: name}}, "spec": spec},
        },
    }


def _reserved(given: Resources) -> Resources:
    """What a pod reserves on its node, and no more."""
    return Resources(
        cpu_request_millicores=given.cpu_request_millicores,
        cpu_limit_millicores=given.cpu_request_millicores,
        memory_request_mib=given.memory_request_mib,
        memory_limit_mib=given.memory_request_mib,
    )


def _name(one: Placeholder, number: int) -> str:
    return f"{_CLASS}-{one.service}-{number}"


def _clock(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"
