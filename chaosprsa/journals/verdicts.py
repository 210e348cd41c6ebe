"""From a Chaos Toolkit journal and what was measured to a verdict with its reasons. Pure.

Chaos Toolkit exits with 0 when an action raised or when the gate kept the method from running, so nothing here asks
for the exit code: the journal and the data decide. Anything missing is invalid, never a pass; a miss is failed; too
little data to tell is inconclusive.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from chaosprsa.errors import InvalidDocument
from chaosprsa.types import Verdict

Journal = Mapping[str, Any]
KNOWN_MAJOR = "1"  # of chaoslib's own version, which every journal carries
TOO_FEW = "are needed to judge"  # the words with which the probe `slo` refuses a thin log
_SEVERE_FIRST = (Verdict.INVALID, Verdict.FAILED, Verdict.INCONCLUSIVE, Verdict.PASSED)
Finding = tuple[Verdict, str]


def parse_journal(text: str, where: str) -> Journal:
    """A journal from its text. Raises InvalidDocument: not JSON, half written, not a journal, another version."""
    try:
        journal = json.loads(text)
    except json.JSONDecodeError as error:
        raise InvalidDocument(f"{where}: not JSON ({error}); chaos may have been killed while it wrote it") from None
    if not isinstance(journal, dict) or not {"chaoslib-version", "status", "steady_states", "run"} <= journal.keys():
        raise InvalidDocument(f"{where}: not a journal of Chaos Toolkit; expected what `chaos run` writes")
    version = str(journal["chaoslib-version"])
    if version.split(".", maxsplit=1)[0] != KNOWN_MAJOR:
        raise InvalidDocument(f"{where}: written by chaoslib {version}, this reads versions {KNOWN_MAJOR}.x")
    return journal


def verdict_of(journal: Journal) -> tuple[Verdict, tuple[str, ...]]:
    """What the journal alone says, with why; passed with no reasons when it has nothing against it."""
    return settle(findings(journal))


def settle(found: Iterable[Finding]) -> tuple[Verdict, tuple[str, ...]]:
    """The severest verdict, and every reason, the severest first."""
    ordered = sorted(found, key=lambda finding: _SEVERE_FIRST.index(finding[0]))
    return (ordered[0][0] if ordered else Verdict.PASSED), tuple(reason for _, reason in ordered)


def findings(journal: Journal) -> tuple[Finding, ...]:
    """Everything that the journal has against a pass."""
    gate = _gate(journal)
    if gate:  # the method never ran, so the rest of the journal says nothing new
        return (*gate, *_rollbacks(journal))
    return (*_status(journal), *_activities(journal), *_during(journal), *_after(journal), *_rollbacks(journal))


def _gate(journal: Journal) -> list[Finding]:
    before = journal["steady_states"].get("before")
    if not _probes(journal):
        return []
    if before is None:
        return [(Verdict.INVALID, "the gate was never checked: the journal has no steady state from before the method")]
    if not before.get("steady_state_met"):
        return [(Verdict.INVALID, f"gate unmet, so the method never ran: {_unmet(before)}")]
    return []


def _status(journal: Journal) -> list[Finding]:
    status = journal["status"]
    after = journal["steady_states"].get("after") or {}
    if status == "failed" and after.get("steady_state_met") is False:
        return []  # a probe failed after the method: _after says which
    if status != "completed":
        return [(Verdict.INVALID, f"the experiment was {status or 'never finished'}")]
    return []


def _activities(journal: Journal) -> list[Finding]:
    """Each activity of the method that failed, and those that were never reached."""
    runs = journal.get("run") or []
    failed = [
        (_weight([run]), f"{run['activity']['type']} {_name(run)!r} failed: {_exception(run)}")
        for run in runs
        if run.get("status") != "succeeded"
    ]
    declared = len(_experiment(journal).get("method") or [])
    if len(runs) < declared:
        failed.append((Verdict.INVALID, f"only {len(runs)} of {declared} activities of the method ran"))
    return failed


def _during(journal: Journal) -> list[Finding]:
    states = [state for state in journal["steady_states"].get("during") or [] if state]
    unmet = [state for state in states if not state.get("steady_state_met")]
    if not unmet:
        return []
    blind = [state for state in unmet if _blind(state)]
    if blind:
        return [(_weight(blind[0]["probes"]), f"while the method ran, {_unmet(blind[0])}")]
    return [(Verdict.FAILED, f"{len(unmet)} of {len(states)} times while the method ran, {_unmet(unmet[0])}")]


def _after(journal: Journal) -> list[Finding]:
    after = journal["steady_states"].get("after")
    if after is not None and not after.get("steady_state_met"):
        if _blind(after):
            return [(_weight(after["probes"]), f"after the method, {_unmet(after)}")]
        return [(Verdict.FAILED, f"the steady state deviated: {_unmet(after)}")]
    if journal.get("deviated"):
        return [(Verdict.FAILED, "the steady state deviated")]
    strategy = ((_experiment(journal).get("runtime") or {}).get("hypothesis") or {}).get("strategy", "default")
    expected = strategy in {"default", "after-method-only", "continuously", "continously"}
    if after is None and expected and _probes(journal) and journal["status"] == "completed":
        return [(Verdict.INVALID, "the journal has no steady state from after the method")]
    return []


def _rollbacks(journal: Journal) -> list[Finding]:
    """Rollbacks that failed or never ran, and probes among them whose tolerance isn't met."""
    declared = _experiment(journal).get("rollbacks") or []
    runs = journal.get("rollbacks") or []
    found: list[Finding] = []
    if len(runs) < len(declared):
        missing = declared[len(runs)].get("name", "unnamed")
        found.append((Verdict.INVALID, f"rollback {missing!r} never ran; put things back: chaos prsa restore"))
    for run in runs:
        if run.get("status") != "succeeded":
            reason = f"rollback {_name(run)!r} failed: {_exception(run)}; put things back: chaos prsa restore"
            found.append((Verdict.INVALID, reason))
        elif run["activity"].get("type") == "probe" and not _tolerated(run):
            reason = f"after the rollbacks the steady state is not back: {_name(run)!r} gave {_shown(run)}"
            found.append((Verdict.INVALID, reason))
    return found


def _tolerated(run: Mapping[str, Any]) -> bool:
    """Chaos Toolkit doesn't check tolerances outside the hypothesis, so the simple ones are checked here.

    Without a tolerance a probe must give something true.
    """
    output, tolerance = run.get("output"), run["activity"].get("tolerance", True)
    if isinstance(tolerance, bool):
        return bool(output) is tolerance
    bounds = tolerance.get("range") if isinstance(tolerance, dict) else tolerance
    if isinstance(bounds, list) and len(bounds) == 2 and isinstance(output, int | float):
        return bool(bounds[0] <= output <= bounds[1])
    if isinstance(tolerance, dict):  # a probe, regex or jsonpath tolerance: what the probe itself says must do
        return bool(output)
    return output in tolerance if isinstance(tolerance, list) else bool(output == tolerance)


def _experiment(journal: Journal) -> Mapping[str, Any]:
    found: Mapping[str, Any] = journal.get("experiment") or {}
    return found


def _probes(journal: Journal) -> Sequence[Any]:
    found: Sequence[Any] = (_experiment(journal).get("steady-state-hypothesis") or {}).get("probes") or ()
    return found


def _blind(state: Mapping[str, Any]) -> bool:
    """A probe that failed says nothing about the system, only that we couldn't look."""
    return any(probe.get("status") != "succeeded" for probe in state.get("probes") or [])


def _weight(runs: Sequence[Mapping[str, Any]]) -> Verdict:
    """What failed activities make of a trial: a probe of ours that found too few requests to judge can't tell."""
    failed = [run for run in runs if run.get("status") != "succeeded"]
    thin = [run for run in failed if _func(run) == "slo" and TOO_FEW in _exception(run)]
    return Verdict.INCONCLUSIVE if failed == thin else Verdict.INVALID


def _func(run: Mapping[str, Any]) -> str:
    provider = run["activity"].get("provider") or {}
    return str(provider.get("func", "")) if str(provider.get("module", "")).startswith("chaosprsa.") else ""


def _unmet(state: Mapping[str, Any]) -> str:
    """The last probe of an unmet steady state is the one that ended it."""
    probes = state.get("probes") or []
    if not probes:
        return "no probe ran"
    last = probes[-1]
    if last.get("status") != "succeeded":
        return f"probe {_name(last)!r} failed: {_exception(last)}"
    shown = "" if isinstance(last.get("output"), dict | list) else f" (it gave {_shown(last)})"
    return f"probe {_name(last)!r} was out of tolerance{shown}"


def _name(run: Mapping[str, Any]) -> str:
    return str(run["activity"].get("name", "unnamed"))


def _exception(run: Mapping[str, Any]) -> str:
    """The last line of a traceback, without chaoslib's own name before it."""
    lines = [line.strip() for line in "".join(run.get("exception") or []).splitlines() if line.strip()]
    last = lines[-1] if lines else "it never ended"
    return last.removeprefix("chaoslib.exceptions.ActivityFailed: ")[:300]


def _shown(run: Mapping[str, Any]) -> str:
    text = json.dumps(run.get("output"), default=str)
    return text if len(text) <= 120 else f"{text[:117]}..."


def wait_end(journal: Journal, until_s: float) -> datetime | None:
    """When the method's wait for this second of the load's clock ended; None where it never did."""
    for run in journal.get("run") or []:
        arguments = (run["activity"].get("provider") or {}).get("arguments") or {}
        if _func(run) == "wait_load" and arguments.get("until_s") == until_s and run.get("status") == "succeeded":
            return datetime.fromisoformat(run["end"])
    return None


def fault_begun(journal: Journal, start_s: float, end_s: float) -> datetime | None:
    """When the last activity that begins the fault had ended: those between the waits for its start and its end.

    None where the journal doesn't say, or the fault needs no activity (a surge is in the load).
    """
    began = wait_end(journal, start_s)
    if began is None:
        return None
    last = None
    for run in journal.get("run") or []:
        arguments = (run["activity"].get("provider") or {}).get("arguments") or {}
        if _func(run) == "wait_load" and arguments.get("until_s") == end_s:
            return last
        if run.get("end") and datetime.fromisoformat(run["start"]) >= began:
            last = datetime.fromisoformat(run["end"])
    return None
