"""The backtest's page: what a sceptical reader looks at before trusting a forecast."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from markupsafe import Markup

from chaosprsa import __version__
from chaosprsa.report import words
from chaosprsa.report.charts import figure
from chaosprsa.report.charts.forecasts import band_chart, reliability_chart, residual_chart
from chaosprsa.report.page import rendered
from chaosprsa.types import Agreement, Backtest, IncidentBacktest, IncidentScore, LoadBacktest

MODEL_FIRST = 0
DRAWN = 3  # loads that are drawn; the others are in the table
KEPT = (0.85, 0.95)  # a 90 % interval keeps its word between these
SURE = 0.05


def render_backtest(found: Backtest, namespace: str) -> str:
    """One HTML file that opens offline."""
    return str(
        rendered(
            "backtest.html.j2",
            {
                "found": found,
                "namespace": namespace,
                "version": __version__,
                "style": rendered("style.css", {}),
                "facts": _facts(found),
                "verdicts": verdicts(found),
                "loads": [_load(each) for each in found.load],
                "bands": [(load.component, _drawn(load, found.origins)) for load in found.load[:DRAWN]],
                "incidents": None if found.incidents is None else _incidents(found.incidents),
            },
        )
    )


def verdicts(found: Backtest) -> tuple[str, ...]:
    """In a line each: what did better than counting, what did not, and whether its intervals kept their word."""
    lines = [_shortened(found)] if found.horizon_s < found.asked_s else []
    lines.append(_load_verdict(found.load) if found.load else "Load: no component had enough samples to be judged.")
    if found.incidents is None:
        return (*lines, "Incidents: too few to be judged.")
    judged = found.incidents
    lines.append(_incident_verdict("An incident anywhere", judged.anywhere, judged.base_rate))
    lines.append(_incident_verdict("An incident of a component", judged.by_component, judged.component_base_rate))
    gain = judged.log_likelihood - judged.poisson_log_likelihood
    better = "more" if gain > 0 else "less"
    lines.append(f"Each incident was {words.number(abs(gain))} nats {better} likely than a constant rate has it.")
    lines.append(_uniform_verdict(judged.uniform))
    return tuple(lines)


def _shortened(found: Backtest) -> str:
    followed, asked = words.seconds(found.horizon_s), words.seconds(found.asked_s)
    why = "the history has no more after each origin. Fewer --origins leave more."
    return f"Each forecast was followed for {followed}, not {asked} as asked: {why}"


def _load_verdict(loads: Sequence[LoadBacktest]) -> str:
    beaten = sum(all(each.scores[MODEL_FIRST].pinball <= other.pinball for other in each.scores[1:]) for each in loads)
    covered = sorted(each.scores[MODEL_FIRST].coverage for each in loads)
    middle = covered[len(covered) // 2]
    kept = "keep their word" if KEPT[0] <= middle <= KEPT[1] else "are too " + ("wide" if middle > 0.9 else "narrow")
    return (
        f"Load: better than every naive forecast at {beaten} of {words.plural(len(loads), 'component')}; its 90 % "
        f"intervals held {words.share(middle)} of the samples (median), so they {kept}."
    )


def _incident_verdict(what: str, scores: Sequence[IncidentScore], base_rate: float) -> str:
    if not base_rate:
        return f"{what}: nothing happened in the time that was judged, so there is little to tell forecasts apart by."
    model, others = scores[MODEL_FIRST], scores[1:]
    best = min(others, key=lambda each: each.brier)
    gain = 1 - model.brier / best.brier if best.brier > 0 else 0.0
    told = "better" if gain > 0 else "worse"
    return f"{what}: Brier score {words.share(abs(gain))} {told} than {best.method}."


def _uniform_verdict(uniform: Agreement) -> str:
    if uniform.p >= SURE:
        return "The gaps between incidents fit the model's clock."
    far = words.number(uniform.distance)
    return f"The gaps between incidents don't fit the model's clock (distance {far}): read its rates with care."


def _drawn(load: LoadBacktest, origins: Sequence[datetime]) -> Markup:
    return figure(lambda width: band_chart(load, origins, width))


def _facts(found: Backtest) -> list[tuple[str, str]]:
    window = found.window
    return [
        ("History", f"{words.moment(window.start)} to {words.moment(window.end)} ({words.lasting(window.duration)})"),
        ("Origins", f"{len(found.origins)}, from {words.moment(found.origins[0])} on"),
        ("Followed for", words.seconds(found.horizon_s)),
        ("Seed", str(found.seed)),
    ]


def _load(load: LoadBacktest) -> Mapping[str, Any]:
    best = min(each.pinball for each in load.scores)
    return {"load": load, "scores": [(each, each.pinball <= best) for each in load.scores]}


def _incidents(judged: IncidentBacktest) -> Mapping[str, Any]:
    return {
        "judged": judged,
        "tables": [
            ("An incident anywhere within a cell", judged.base_rate, judged.anywhere),
            ("An incident of one component within a cell", judged.component_base_rate, judged.by_component),
        ],
        "agreements": [
            ("Gaps on the model's clock against uniform", judged.uniform),
            ("The same with a constant rate", judged.poisson_uniform),
            ("Simulated gaps against those that came", judged.gaps),
            ("Simulated durations against those that came", judged.durations),
        ],
        "reliability": figure(lambda width: reliability_chart(judged.reliability, width)),
        "residuals": figure(lambda width: residual_chart(judged.residuals, width)) if judged.residuals else None,
    }
