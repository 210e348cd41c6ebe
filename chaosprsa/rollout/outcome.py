"""From a rollout's journal to its RolloutOutcome: steps, verdict, reasons. Pure."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from chaosprsa.documents import lineage
from chaosprsa.journals import Finding, Journal, settle
from chaosprsa.rollout.judge import SKIPPED, SUCCESSFUL, VERDICTS
from chaosprsa.types import RolloutOutcome, RolloutPlan, RolloutStep, Verdict

_STEPS = {
    "slo_holds": "gate",
    "start_canary": "canary",
    "judge_canary": "judge",
    "promote": "promote",
    "end_canaries": "end canaries",
    "verify": "verify",
    "settle_or_restore": "rollback",
    "as_it_should_be": "check",
}


def rollout_outcome(
    plan: RolloutPlan, journal: Journal | None, restored: bool, problems: tuple[str, ...], journal_path: str
) -> RolloutOutcome:
    """The outcome. restored: production was seen to be as it was before. problems: what went wrong around the run."""
    steps = steps_of(journal)
    found: list[Finding] = [(Verdict.INVALID, problem) for problem in problems]
    found += _findings(journal, steps)
    verdict, reasons = settle(found)
    if verdict is Verdict.PASSED:
        reasons = tuple(step.detail for step in steps if step.name in {"judge", "verify"})
    return RolloutOutcome(
        plan=plan,
        verdict=verdict,
        reasons=reasons,
        steps=steps,
        restored=restored,
        journal=journal_path,
        metrics=_metrics(journal),
        lineage=lineage("rollout", [plan.hash, verdict, reasons, [step.start for step in steps]], (plan.lineage,)),
    )


def _findings(journal: Journal | None, steps: tuple[RolloutStep, ...]) -> list[Finding]:
    if journal is None:
        return [(Verdict.INVALID, "there is no journal: chaos ended before it could write one")]
    found: list[Finding] = []
    names = {step.name for step in steps}
    if journal["status"] != "completed" and not _gate_ended_it(journal):
        found.append((Verdict.INVALID, f"the rollout was {journal['status'] or 'never finished'}"))
    gate = [step for step in steps if step.name == "gate"]
    if gate and gate[0].verdict is not Verdict.PASSED:
        seen = gate[0].verdict
        verdict = Verdict.INCONCLUSIVE if seen is Verdict.INCONCLUSIVE else Verdict.INVALID
        found.append((verdict, f"gate unmet, so nothing was begun: {gate[0].detail}"))
    elif "verify" not in names:
        found += [(Verdict.INVALID, "it was never verified")] if all(s.verdict is Verdict.PASSED for s in steps) else []
    found += [
        (step.verdict, f"{step.name}: {step.detail}")
        for step in steps
        if step.name != "gate" and step.verdict is not Verdict.PASSED
    ]
    if "rollback" not in names:
        found.append((Verdict.INVALID, "its rollbacks never ran; put things back: chaos prsa restore"))
    return found


def _gate_ended_it(journal: Journal) -> bool:
    before = journal["steady_states"].get("before")
    return before is not None and not before.get("steady_state_met")


def steps_of(journal: Journal | None) -> tuple[RolloutStep, ...]:
    """The gate, each activity that did something, and the rollbacks, in their order."""
    if journal is None:
        return ()
    gate = (journal["steady_states"].get("before") or {}).get("probes") or []
    runs = [*gate, *(journal.get("run") or []), *(journal.get("rollbacks") or [])]
    return tuple(step for step in map(_step, runs) if step is not None)


def _step(run: Mapping[str, Any]) -> RolloutStep | None:
    provider = run["activity"].get("provider") or {}
    name = _STEPS.get(str(provider.get("func", "")))
    if name is None:
        return None
    verdict, detail = _said(run, name)
    if verdict is None:
        return None
    start = datetime.fromisoformat(run["start"])
    end = datetime.fromisoformat(run["end"]) if run.get("end") else start
    return RolloutStep(name=name, start=start, end=end, verdict=verdict, detail=detail)


def _said(run: Mapping[str, Any], name: str) -> tuple[Verdict | None, str]:
    """(the step's verdict, its words); no verdict for a step that was skipped."""
    if run.get("status") != "succeeded":
        lines = "".join(run.get("exception") or ["it never ended"]).strip().splitlines()
        return Verdict.INVALID, lines[-1].removeprefix("chaoslib.exceptions.ActivityFailed: ")
    output = run.get("output")
    if isinstance(output, bool):
        words = "production is as it should be" if output else "production isn't as it should be: chaos prsa restore"
        return Verdict.PASSED if output else Verdict.INVALID, words
    if isinstance(output, str):
        phase, _, detail = output.partition(": ")
        return VERDICTS.get(phase, Verdict.INVALID), detail
    if not isinstance(output, Mapping):
        return Verdict.INVALID, f"{name} gave {output!r}"
    if output["phase"] == SKIPPED:
        return None, ""
    return VERDICTS.get(output["phase"], Verdict.INVALID), str(output["detail"])


def _metrics(journal: Journal | None) -> dict[str, float]:
    """Figures of the judge and of the verification, under their names."""
    found: dict[str, float] = {}
    for run in (journal or {}).get("run") or []:
        output, func = run.get("output"), (run["activity"].get("provider") or {}).get("func")
        if isinstance(output, Mapping) and func in {"judge_canary", "verify"}:
            prefix = "canary" if func == "judge_canary" else "after"
            found |= {f"{prefix}_{name}": float(value) for name, value in (output.get("measures") or {}).items()}
    return found


def was_kept(journal: Journal | None) -> bool:
    """Whether the rollbacks left the promoted allocation in place."""
    for run in (journal or {}).get("rollbacks") or []:
        output = run.get("output")
        if isinstance(output, Mapping) and output.get("phase") == SUCCESSFUL and output.get("restored") is False:
            return True
    return False


__all__ = ["rollout_outcome", "steps_of", "was_kept"]
