"""The page: one HTML file with its style and drawings inside, no script, no request; a section a link of the chain."""

from collections.abc import Callable, Mapping
from datetime import datetime
from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from chaosprsa import __version__
from chaosprsa.faults import strength_in_words
from chaosprsa.report import words
from chaosprsa.report.contents import Contents, read_contents
from chaosprsa.report.sections import answer, impact, issues, learned, lineage, recommendation, rollout, search, trials
from chaosprsa.settings import Settings
from chaosprsa.workspace import Workspace

View = Callable[[Contents], Mapping[str, Any]]
SECTIONS: tuple[tuple[str, str, View], ...] = (
    ("answer", "The answer", answer.view),
    ("learned", "What was learned", learned.view),
    ("issues", "Issues to expect", issues.view),
    ("trials", "Rehearsals in the shadow", trials.view),
    ("impact", "Predicted against measured", impact.view),
    ("search", "The search", search.view),
    ("recommendation", "The recommendation in detail", recommendation.view),
    ("rollout", "The rollout", rollout.view),
    ("lineage", "Where it all came from", lineage.view),
)


def render_report(workspace: Workspace, settings: Settings, now: datetime) -> str:
    """The report on everything in the working folder; missing parts are said.

    Raises InvalidDocument for a file that is there and can't be read.
    """
    contents = read_contents(workspace, settings, now)
    sections = [
        {"id": name, "title": title, "html": rendered(f"{name}.html.j2", view(contents))}
        for name, title, view in SECTIONS
    ]
    page = {
        "sections": sections,
        "style": rendered("style.css", {}),
        "namespace": settings.cluster.namespace,
        "written": words.moment(now),
        "version": __version__,
    }
    return str(rendered("page.html.j2", page))


@cache
def _environment() -> Environment:
    """Everything from data is escaped; a name that a template misspells raises."""
    environment = Environment(
        loader=PackageLoader("chaosprsa.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals |= {"words": words, "strength": strength_in_words}
    return environment


def rendered(template: str, values: Mapping[str, Any]) -> Markup:
    """A template of this room with these values."""
    return Markup(_environment().get_template(template).render(values))  # noqa: S704  # a template has escaped it
