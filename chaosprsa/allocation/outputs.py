"""A recommendation as others apply it: a Kustomize component, Helm values, kubectl commands. Pure.

Where an autoscaler owns the replicas they are its floor: a patch of `spec.replicas` would be undone at its next look.
Its ceiling is raised to what the worst surge needs, never lowered: room that nobody uses costs nothing. Its target is a
team's choice, so that a better one is only said.
"""

import json
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from chaosprsa.allocation.applying import Change, changes, target_of
from chaosprsa.manifests import Workload, find_workload, resources_json
from chaosprsa.types import Declared, Recommendation, ServiceAllocation

FILES = {"kustomize": "kustomization.yaml", "helm": "values.yaml", "kubectl": "commands.sh"}
_AUTOSCALER = {"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler"}


@dataclass(frozen=True, slots=True)
class _Move:
    workload: Workload
    before: ServiceAllocation
    after: ServiceAllocation
    ceiling: int = 0
    target: int | None = None

    @property
    def grows(self) -> bool:
        """Whether its pods together get more CPU, or as much."""
        now, then = self.before, self.after
        return then.replicas * then.resources.cpu_limit_millicores >= now.replicas * now.resources.cpu_limit_millicores

    @property
    def bounds(self) -> dict[str, int] | None:
        """The autoscaler's, where there is one."""
        if not self.workload.hpa:
            return None
        least = max(1, self.after.replicas)
        return {"minReplicas": least, "maxReplicas": max(self.workload.ceiling, self.ceiling, least)}


def outputs(answer: Recommendation, workloads: Sequence[Workload], declared: Declared | None = None) -> dict[str, str]:
    """Text by format (FILES). Only services that change are in it. Raises BadInput: one has no workload.

    declared: what else was searched; Helm values have no agreed keys for it, so they say where it is found.
    """
    moves = _moves(answer, workloads)
    further = changes(answer, workloads, declared) if declared else ()
    head = (
        f"# {answer.id}: {answer.cost_now_month:.2f} -> {answer.cost_recommended_month:.2f} {answer.currency} a month, "
        f"confidence {answer.confidence:.0%}; says nothing after {answer.lapses_at:%Y-%m-%d %H:%M} UTC.\n"
    )
    return {
        "kustomize": head
        + "# components: [this folder], in an overlay's kustomization.yaml\n"
        + "".join(f"# not here, see kubectl/: {change.words}\n" for change in further if not change.kustomized)
        + _yaml(_component(moves, further)),
        "helm": head
        + "# helm upgrade --reuse-values -f this file, for a chart with a subchart of each service's name, keys as\n"
        "# helm create writes them; where a service has a release of its own, give that what stands below its name\n"
        + "".join(f"# not here, see kustomize/ or kubectl/: {change.words}\n" for change in further)
        + _yaml({move.after.service: _values(move) for move in moves}),
        "kubectl": "#!/bin/sh\nset -eu\n"
        + head
        + "".join(f"{line}\n" for line in _commands(answer.namespace, moves, further)),
    }


def about_autoscalers(answer: Recommendation, workloads: Sequence[Workload]) -> tuple[str, ...]:
    """What a change of replicas means where an autoscaler owns them, in words."""
    return tuple(
        f"{move.after.service}: HorizontalPodAutoscaler {move.workload.hpa} owns its replicas, so its floor "
        f"{_moved(move.workload.floor, bounds['minReplicas'])}, its ceiling "
        f"{_moved(move.workload.ceiling, bounds['maxReplicas'])}, and it chooses between them"
        for move in _moves(answer, workloads)
        if (bounds := move.bounds) is not None and move.before.replicas != move.after.replicas
    )


def _moved(before: int, after: int) -> str:
    return f"stays at {after}" if before == after else f"moves from {before} to {after}"


def _moves(answer: Recommendation, workloads: Sequence[Workload]) -> list[_Move]:
    scaled = {one.service: one for one in answer.autoscaling}
    return [
        _Move(
            find_workload(workloads, after.service, answer.namespace),
            answer.now[after.service],
            after,
            ceiling=scaled[after.service].ceiling if after.service in scaled else 0,
            target=scaled[after.service].target if after.service in scaled else None,
        )
        for after in answer.recommended.services
        if after != answer.now[after.service]
    ]


def _yaml(values: Any) -> str:
    return str(yaml.safe_dump(values, sort_keys=False, allow_unicode=True))


def _component(moves: Sequence[_Move], further: Sequence[Change]) -> dict[str, Any]:
    patches = [_aimed(_named(patch), _yaml(patch)) for move in moves for patch in _patches(move)]
    patches += [_aimed(change.target, _yaml(change.patch)) for change in further if change.kustomized]
    return {"apiVersion": "kustomize.config.k8s.io/v1alpha1", "kind": "Component", "patches": patches}


def _aimed(target: dict[str, str], patch: str) -> dict[str, Any]:
    """A patch that is found by kind and name alone: without a target Kustomize also compares the namespace, which some
    bases write into each object and others leave to the overlay.
    """
    return {"target": target, "patch": patch}


def _named(patch: dict[str, Any]) -> dict[str, str]:
    return target_of(patch["apiVersion"], patch["kind"], patch["metadata"]["name"])


def _patches(move: _Move) -> Iterator[dict[str, Any]]:
    """Strategic merges: the workload's, and its autoscaler's."""
    workload, bounds = move.workload, move.bounds
    containers = [{"name": workload.container, "resources": resources_json(move.after.resources)}]
    spec: dict[str, Any] = {"template": {"spec": {"containers": containers}}}
    if bounds is None:
        spec = {"replicas": move.after.replicas, **spec}
    yield {"apiVersion": "apps/v1", "kind": workload.kind, "metadata": {"name": workload.name}, "spec": spec}
    if bounds is not None:
        yield {**_AUTOSCALER, "metadata": {"name": workload.hpa}, "spec": bounds}


def _values(move: _Move) -> dict[str, Any]:
    bounds = move.bounds
    replicas = {"replicaCount": move.after.replicas} if bounds is None else {"autoscaling": {"enabled": True, **bounds}}
    return {**replicas, "resources": resources_json(move.after.resources)}


def _commands(namespace: str, moves: Sequence[_Move], further: Sequence[Change]) -> Iterator[str]:
    """What is declared goes first where it grows, so that it is there before pods go, and last where it shrinks.

    Weights move between what grows and what shrinks.
    """
    for change in further:
        if change.grows:
            yield from _patch_commands(namespace, change)
    routes = [change for change in further if change.operations]
    growing = [move for move in moves if move.grows or not routes]
    for move in growing:
        yield from _move_commands(namespace, move)
    for change in routes:
        yield from _patch_commands(namespace, change)
    for move in moves:
        if move not in growing:
            yield from _move_commands(namespace, move)
    for change in further:
        if not change.grows and not change.operations:
            yield from _patch_commands(namespace, change)


def _move_commands(namespace: str, move: _Move) -> Iterator[str]:
    workload, bounds = move.workload, move.bounds
    target = shlex.quote(f"{workload.kind.lower()}/{workload.name}")
    kubectl = f"kubectl -n {shlex.quote(namespace)}"
    if move.before.resources != move.after.resources:
        given = resources_json(move.after.resources)
        named = " ".join(
            f"--{group}={','.join(f'{name}={amount}' for name, amount in values.items())}"
            for group, values in given.items()
        )
        yield f"{kubectl} set resources {target} -c {shlex.quote(workload.container)} {named}"
    if bounds is not None:
        patch = f'{{"spec":{{"minReplicas":{bounds["minReplicas"]},"maxReplicas":{bounds["maxReplicas"]}}}}}'
        yield f"{kubectl} patch hpa {shlex.quote(workload.hpa)} --type merge -p {shlex.quote(patch)}"
        if move.target and move.target != workload.target:
            now = f"{workload.target} %" if workload.target else "no target of CPU"
            yield f"# {workload.hpa}: {move.target} % of CPU requests would keep the headroom (it has {now})"
    elif move.before.replicas != move.after.replicas:
        yield f"{kubectl} scale {target} --replicas={move.after.replicas}"


def _patch_commands(namespace: str, change: Change) -> Iterator[str]:
    kubectl, name = f"kubectl -n {shlex.quote(namespace)}", shlex.quote(change.name)
    patch = shlex.quote(json.dumps(change.operations or change.merge, separators=(",", ":")))
    form = "json" if change.operations else "merge"
    if change.made_later:
        yield f"{kubectl} wait --for=create {change.resource}/{name} --timeout=300s"
    yield f"{kubectl} patch {change.resource} {name} --type {form} -p {patch}"
