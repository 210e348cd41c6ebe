"""deploy/: what is applied is well formed, allows what the code does, and no more than it says."""

import re
from pathlib import Path

import pytest
import yaml

from chaosprsa.cluster.kinds import APPLICABLE, FAULTS, KINDS
from chaosprsa.settings import read_settings
from chaosprsa.shadow import COPIED_KINDS, REACHES

DEPLOY = Path(__file__).parent.parent / "deploy"
WRITES = {"create", "update", "patch", "delete"}


def documents(folder):
    return [
        item
        for path in sorted((DEPLOY / folder).glob("*.yaml"))
        for item in yaml.safe_load_all(path.read_text())
        if item
    ]


def one(folder, kind, name):
    return next(item for item in documents(folder) if item["kind"] == kind and item["metadata"]["name"] == name)


def verbs(rules, kind):
    """What the rules allow on a kind of the code's table."""
    place = KINDS[kind]
    group = place.version.rpartition("/")[0]
    fit = (rule for rule in rules if group in rule["apiGroups"] and place.plural in rule["resources"])
    return {verb for rule in fit for verb in rule["verbs"]}


@pytest.mark.parametrize("folder", ["base", "rollout"])
def test_a_kustomization_names_every_file_beside_it(folder):
    kustomization = yaml.safe_load((DEPLOY / folder / "kustomization.yaml").read_text())
    files = {path.name for path in (DEPLOY / folder).glob("*.yaml")} - {"kustomization.yaml"}
    assert set(kustomization["resources"]) == files


@pytest.mark.parametrize("folder", ["base", "rollout"])
def test_every_object_has_what_the_api_asks_of_any(folder):
    for item in documents(folder):
        assert item["apiVersion"]
        assert item["kind"]
        assert item["kind"] == "Kustomization" or item["metadata"]["name"]


def test_the_base_has_the_kinds_it_is_for():
    kinds = {item["kind"] for item in documents("base")}
    wanted = {"ServiceAccount", "Namespace", "ClusterRole", "RoleBinding", "CronJob", "PersistentVolumeClaim"}
    assert wanted <= kinds


def test_the_shadow_s_role_allows_all_that_the_code_changes_there():
    rules = one("base", "ClusterRole", "chaosprsa-shadow")["rules"]
    for kind in (*APPLICABLE, *FAULTS, "Lease"):
        assert verbs(rules, kind) >= {"get", "list", *WRITES}, kind
    assert "delete" in verbs(rules, "Pod")
    assert any("pods/resize" in rule["resources"] for rule in rules)


def test_the_reader_of_production_sees_what_a_shadow_copies_but_secrets_and_changes_nothing():
    rules = one("base", "ClusterRole", "chaosprsa-production-read")["rules"]
    for kind in (*(kind for kind in COPIED_KINDS if kind != "Secret"), "ReplicaSet", "Pod"):
        assert verbs(rules, kind) >= {"get", "list"}, kind
    assert not verbs(rules, "Secret")
    assert not WRITES & {verb for rule in rules for verb in rule["verbs"]}


@pytest.mark.parametrize("folder", ["base", "rollout"])
def test_no_rule_has_a_wildcard_and_only_namespaces_are_bound_cluster_wide(folder):
    items = documents(folder)
    for item in items:
        for rule in item.get("rules", []):
            assert "*" not in (*rule["apiGroups"], *rule["resources"], *rule["verbs"])
    for binding in (item for item in items if item["kind"] == "ClusterRoleBinding"):
        rules = one(folder, "ClusterRole", binding["roleRef"]["name"])["rules"]
        assert {name for rule in rules for name in rule["resources"]} <= {"namespaces", "nodes"}
        assert all(rule.get("resourceNames") == ["shop-shadow"] for rule in rules if WRITES & set(rule["verbs"]))


@pytest.mark.parametrize("folder", ["base", "rollout"])
def test_every_binding_names_a_role_that_is_there(folder):
    roles = {(item["kind"], item["metadata"]["name"]) for item in documents(folder) if item["kind"].endswith("Role")}
    bindings = [item for item in documents(folder) if item["kind"].endswith("Binding")]
    assert {(binding["roleRef"]["kind"], binding["roleRef"]["name"]) for binding in bindings} == roles


def test_the_job_runs_alone_without_rights_over_its_node_and_is_not_tried_again():
    spec = one("base", "CronJob", "chaosprsa-rehearse")["spec"]
    assert spec["concurrencyPolicy"] == "Forbid"
    assert spec["jobTemplate"]["spec"]["backoffLimit"] == 0
    pod = spec["jobTemplate"]["spec"]["template"]["spec"]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["containers"][0]["securityContext"]["capabilities"] == {"drop": ["ALL"]}


def test_the_load_comes_from_a_namespace_that_the_shadow_lets_in():
    assert one("base", "Namespace", "chaosprsa")["metadata"]["labels"][REACHES] == "true"


def test_the_example_settings_are_valid():
    assert read_settings(DEPLOY / "base" / "chaosprsa.toml").shadow_namespace == "shop-shadow"


@pytest.mark.parametrize("name", ["github.yml", "gitlab.yml"])
def test_a_pipeline_rehearses_and_keeps_the_report(name):
    text = (DEPLOY / "pipelines" / name).read_text()
    assert yaml.safe_load(text)
    assert re.search(r"^\s*(- )?rehearse$", text, re.MULTILINE)
    assert "report.html" in text


def test_rehearse_calls_commands_that_exist_in_the_chain_s_order():
    from chaosprsa.cli.group import COMMANDS

    called = re.findall(r"^chaosprsa (\w+)", (DEPLOY / "rehearse").read_text(), re.MULTILINE)
    assert called == sorted(called, key=list(COMMANDS).index)
    assert "rollout" not in called
