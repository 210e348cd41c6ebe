"""A comparison as text for a terminal."""

from chaosprsa.cli.text import table
from chaosprsa.types import Comparison, PolicyScore


def comparison_table(found: Comparison) -> str:
    """Without issues, then with them: cores, cost, what users would have missed; then what it stands on."""
    mean, most = found.requests_per_s
    columns = ("policy", "settings", "cores", f"{found.currency} a month", "late or failed", "failed", "objective")
    lines = []
    for issues in (False, True):
        rows = [_row(one) for one in found.scores if one.issues == issues]
        if rows:
            what = f"with {', '.join(found.issues)}" if issues else "without issues"
            lines += [what, table(columns, rows), ""]
    return "\n".join(
        [
            *lines,
            f"load   {found.load}: {found.duration_s / 60:.0f} min, mean {mean:.3g}, most {most:.3g} requests/s",
            f"twin   {found.twin}",
            f"pods   start in {found.pod_start_s:.0f} s",
            *(f"note   {note}" for note in found.notes),
        ]
    )


def _row(one: PolicyScore) -> tuple[str, ...]:
    return (
        one.policy,
        one.settings,
        f"{one.cores:.2f}",
        f"{one.cost_month:.2f}",
        f"{one.late_or_failed:.2%}",
        f"{one.failed:.2%}",
        "kept" if one.kept else "missed",
    )
