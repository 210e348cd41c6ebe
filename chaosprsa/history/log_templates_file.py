"""log_templates.json: what the ids in the names of log metrics stand for.

{"<id>": {"template": text, "level": "error", "counts": {component: lines}}}
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from chaosprsa.errors import InvalidHistory
from chaosprsa.types import LogTemplate

TEMPLATES = "log_templates.json"


def templates_text(templates: Mapping[str, tuple[LogTemplate, ...]]) -> str:
    """The file's text; templates: by component. Same templates, same text."""
    values: dict[str, dict[str, Any]] = {}
    for component in sorted(templates):
        for each in templates[component]:
            known = values.setdefault(each.id, {"template": each.text, "level": each.level, "counts": {}})
            known["counts"][component] = each.count
    return json.dumps(values, indent=1, sort_keys=True) + "\n"


def read_templates(path: Path) -> dict[str, tuple[LogTemplate, ...]]:
    """By component, the most frequent first. Raises InvalidHistory."""
    try:
        return parsed_templates(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, ValueError, RecursionError, KeyError, TypeError, AttributeError) as error:
        reason = str(error)[:100]
        raise InvalidHistory(f"{path}: not log templates as this package writes them ({reason}); remove it") from None


def parsed_templates(text: str) -> dict[str, tuple[LogTemplate, ...]]:
    """The same of the text. Raises what a malformed one gives."""
    found: dict[str, list[LogTemplate]] = {}
    for name, value in json.loads(text).items():
        for component, count in value["counts"].items():
            template = LogTemplate(id=name, text=str(value["template"]), count=int(count), level=str(value["level"]))
            found.setdefault(component, []).append(template)
    return {
        component: tuple(sorted(found[component], key=lambda each: (-each.count, each.id)))
        for component in sorted(found)
    }
