"""Where each command's files lie below the working folder: one table, so that every command finds the others'.

chaosprsa.toml                     settings            init
models/                            the model bundle    learn
issues/                            issues.jsonl, alerts.json, telemetry/       issues
generated/STUDY/                   study.json, experiments and profiles        generate
outcomes/STUDY/ISSUE/              outcome.json, journal.json, load, series    trial
recommendation/                    recommendation.json, rollout plan and experiment, the Optuna study    recommend
                                   kustomize/, helm/, kubectl/: the same, as others apply it
                                   ahead/: floors by time, and placeholder pods
rollout/                           outcome.json, journal.json, earlier/        rollout
report.html                                                                   report
loads/                             profiles without an issue, for game days       load
backtest/                          backtest.html, backtest.json               backtest
comparison.json                    what other autoscalers would cost and miss    compare
.chaosprsa/                        snapshots, the lab's state, the stop file
"""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Workspace:
    """Paths below one working folder. Nothing is created here."""

    root: Path

    @property
    def settings(self) -> Path:
        return self.root / "chaosprsa.toml"

    @property
    def models(self) -> Path:
        return self.root / "models"

    @property
    def issues(self) -> Path:
        return self.root / "issues"

    def study(self, name: str) -> Path:
        return self.root / "generated" / name

    def outcomes(self, study: str) -> Path:
        return self.root / "outcomes" / study

    @property
    def recommendation(self) -> Path:
        return self.root / "recommendation"

    @property
    def rollout(self) -> Path:
        return self.root / "rollout"

    @property
    def report(self) -> Path:
        return self.root / "report.html"

    @property
    def loads(self) -> Path:
        return self.root / "loads"

    @property
    def backtest(self) -> Path:
        return self.root / "backtest"

    @property
    def comparison(self) -> Path:
        return self.root / "comparison.json"

    @property
    def state(self) -> Path:
        return self.root / ".chaosprsa"

    @property
    def snapshots(self) -> Path:
        return self.state / "snapshots"

    @property
    def lab(self) -> Path:
        return self.state / "lab"

    @property
    def stop_file(self) -> Path:
        return self.state / "stop"
