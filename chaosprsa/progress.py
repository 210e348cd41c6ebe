"""Says what is being done and how long is left, on standard error.

Rooms get a `Progress`: they call it with a sentence and, where it is known, the share that is done.
"""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bar


class Progress(Protocol):
    """What a room reports to: a sentence, and the share done (0 to 1) where it is known."""

    def __call__(self, doing: str, share: float | None = None) -> None: ...


def silent(doing: str, share: float | None = None) -> None:
    """For callers that want no display."""


class Steps:
    """Steps whose usual lengths are known: what is left is their sum, scaled by how long the past ones took."""

    def __init__(self, bar: Bar, expected_s: Mapping[str, float]) -> None:
        self._bar = bar
        self._expected_s = expected_s
        self._task = bar.add_task("", total=sum(expected_s.values()), left="")
        self._began = self._step_began = time.monotonic()
        self._now = ""
        self._done_s = 0.0

    def begin(self, step: str) -> None:
        """The step before has ended; this one begins."""
        self._close()
        self._now, self._step_began = step, time.monotonic()
        if not self._bar.console.is_terminal:
            self._bar.console.print(f"  {step} ...", highlight=False)  # a log has no bar to watch
        self(step)

    def __call__(self, doing: str, share: float | None = None) -> None:
        step_s = self._expected_s.get(self._now, 0.0)
        completed_s = self._done_s + step_s * min(max(share or 0.0, 0.0), 1.0)
        text = doing if doing == self._now else f"{self._now}: {doing}"
        left = f"about {self._left_s(completed_s):.0f} s left"
        self._bar.update(self._task, description=text[:72], completed=completed_s, left=left)

    def end(self) -> None:
        """All done."""
        self._close()
        self._bar.update(self._task, description="done", completed=sum(self._expected_s.values()), left="")

    def _left_s(self, completed_s: float) -> float:
        elapsed_s = self._step_began - self._began
        pace = elapsed_s / self._done_s if self._done_s > 0 else 1.0
        return (sum(self._expected_s.values()) - completed_s) * pace

    def _close(self) -> None:
        if self._now:
            self._bar.console.print(
                f"  {self._now} [dim]{time.monotonic() - self._step_began:.1f} s[/dim]", highlight=False
            )
            self._done_s += self._expected_s.get(self._now, 0.0)


@contextmanager
def steps(expected_s: Mapping[str, float]) -> Iterator[Steps]:
    """A bar with the time left on standard error, and a line for each finished step (only these without a terminal)."""
    left = TextColumn("[dim]{task.fields[left]}[/dim]")
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(bar_width=20), TimeElapsedColumn(), left)
    with Bar(*columns, console=Console(stderr=True), transient=True) as bar:
        yield Steps(bar, expected_s)


@contextmanager
def one_step(name: str) -> Iterator[Progress]:
    """A spinner for one command."""
    with steps({name: 1.0}) as display:
        display.begin(name)
        yield display
        display.end()
