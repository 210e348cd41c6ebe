"""`chaos prsa recommend` and `rollout`."""

from pathlib import Path

import click

from chaosprsa.cli.options import exit_with, json_option, seed_option, settings_option, show, study_option
from chaosprsa.cli.recommended import explanation, recommendation_table
from chaosprsa.cli.text import plan_table, rollout_table
from chaosprsa.errors import BadInput
from chaosprsa.progress import one_step


@click.command()
@study_option
@click.option(
    "--check",
    "checked",
    type=click.IntRange(0, 100),
    default=2,
    show_default=True,
    help="How many issues the best candidate is played against again, the most binding first; 0: none.",
)
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "kustomize", "helm", "kubectl", "ahead"]),
    default="text",
    show_default=True,
    help="What is printed; all of them, and JSON, are written to recommendation/. ahead: floors by time, as a script.",
)
@seed_option
@settings_option
@json_option
def recommend(study: str, checked: int, form: str, seed: int, settings_file: Path, as_json: bool) -> None:
    """Find the cheapest allocation that survives the study's issues; write it, and its rollout, to recommendation/.

    Example: chaos prsa recommend --study next --format kubectl

    Exit codes: 0 written, 1 written, and nothing allowed survives every issue, 2 bad input, no cluster or Prometheus.
    """
    from chaosprsa.chain import answer
    from chaosprsa.chain.context import load
    from chaosprsa.documents import to_json

    with one_step("searching") as progress:
        context = load(settings_file, progress)
        found, plan = answer.recommend(context, study, seed, checked)
    if form == "text":
        text = recommendation_table(found, context.settings.price_list)
        text += f"\nNext: chaos prsa rollout --approve {plan.hash}"
    else:
        text = answer.as_others_apply_it(context, form).rstrip("\n")
    show(as_json, {"recommendation": to_json(found), "plan": to_json(plan)}, text)
    raise SystemExit(0 if all(survival.recommended for survival in found.survivals) else 1)


@click.command()
@click.argument("service", required=False)
@settings_option
@json_option
def explain(service: str | None, settings_file: Path, as_json: bool) -> None:
    """Why a service is given what the recommendation says: the issue and the resource that bind it, in words.

    SERVICE: one of [topology], whether it changes or stays; every one that changes without it.

    Example: chaos prsa explain checkout

    Exit codes: 0 told, 2 bad input or no recommendation yet.
    """
    from chaosprsa.chain import answer
    from chaosprsa.chain.context import load
    from chaosprsa.documents import to_json

    found = answer.read_recommendation(load(settings_file))
    known = [one.service for one in found.now.services]
    if service is not None and service not in known:
        raise BadInput(f"{service}: the recommendation names no such service; it has {', '.join(known)}")
    told = {
        "directives": [to_json(one) for one in found.directives if service in (None, one.target)],
        "bindings": [to_json(one) for one in found.bindings if service in (None, one.service)],
        "survivals": [to_json(one) for one in found.survivals if service in (None, one.component)],
    }
    show(as_json, told, explanation(found, service))


@click.command()
@click.option(
    "--approve", metavar="HASH", default="", help="The hash of the plan you have read; without it nothing is done."
)
@settings_option
@json_option
def rollout(approve: str, settings_file: Path, as_json: bool) -> None:
    """Roll the recommendation out to production: a canary, a judge, promotion; back to what was if anything is amiss.

    Without --approve it prints what would be done and the hash to approve.

    Example: chaos prsa rollout --approve 3f2a...

    Exit codes: 0 promoted and verified, 1 judged worse and put back, 2 refused, 3 inconclusive or invalid and put back.
    """
    from chaosprsa.chain import answer
    from chaosprsa.chain.context import load
    from chaosprsa.documents import to_json

    with one_step("rolling out") as progress:
        context = load(settings_file, progress)
        plan = answer.read_plan(context)
        if not approve:
            progress("nothing is done without an approval")
        outcome = answer.rollout(context, plan, approve) if approve else None
    if outcome is None:
        show(
            as_json,
            {"plan": to_json(plan)},
            plan_table(plan) + f"\nTo do this: chaos prsa rollout --approve {plan.hash}",
        )
        raise SystemExit(2)
    show(as_json, to_json(outcome), rollout_table(outcome))
    exit_with(outcome.verdict)
