"""The docs say what is so: commands exist, links lead somewhere, the reference is the code's own."""

import re
import tomllib
from pathlib import Path

import click
import pytest

from chaosprsa.cli import prsa
from chaosprsa.cli.group import COMMANDS
from chaosprsa.reference import PATH, reference

ROOT = Path(__file__).parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("deploy/*.md")])
NAMES = [str(page.relative_to(ROOT)) for page in PAGES]
NINE = ["init", "learn", "issues", "generate", "shadow", "trial", "recommend", "rollout", "report"]
pages = pytest.mark.parametrize("page", PAGES, ids=NAMES)


def anchors(text):
    """Heading anchors as GitHub makes them."""
    heads = re.findall(r"^#+ (.+)$", re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


def commands(text):
    """Every `chaos prsa ...` in a text, as (command, subcommand or nothing)."""
    return re.findall(r"\bchaos prsa ([a-z]+)(?: ([a-z]+)\b(?! ?[=:]))?", text)


def test_the_reference_is_what_the_code_says():
    assert PATH.read_text(encoding="utf-8") == reference(), "docs/reference.md is stale: make docs"


@pages
def test_links_lead_somewhere(page):
    text = page.read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"https?://", target):
            continue
        path, _, anchor = target.partition("#")
        there = (page.parent / path).resolve() if path else page
        assert there.exists(), target
        if anchor:
            assert anchor in anchors(there.read_text(encoding="utf-8")), target


@pages
def test_commands_in_the_docs_exist(page):
    for name, further in commands(page.read_text(encoding="utf-8")):
        assert name in COMMANDS, name
        command = prsa.get_command(click.Context(prsa), name)
        if isinstance(command, click.Group) and further:
            assert further in command.commands, f"{name} {further}"


@pages
def test_options_in_the_docs_exist(page):
    known = {
        option
        for name in COMMANDS
        for command in _all(prsa.get_command(click.Context(prsa), name))
        for option in command
    }
    for line in page.read_text(encoding="utf-8").splitlines():
        if "chaos prsa" in line:
            assert set(re.findall(r"(?<=\s)--[a-z][a-z-]+", line.split("chaos prsa", 1)[1])) <= known | {
                "--help",
                "--version",
            }, line


def _all(command):
    """The options of a command and of those below it."""
    if isinstance(command, click.Group):
        for inner in command.commands.values():
            yield from _all(inner)
    yield [name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)]


def test_the_readme_tables_the_nine_links_in_order():
    table = re.findall(r"^\| `chaos prsa (\w+)", (ROOT / "README.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert table == NINE


def test_the_picture_of_the_report_is_there_and_small():
    picture = ROOT / "docs" / "report.png"
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert picture.stat().st_size < 300_000


def test_paths_that_the_docs_name_exist():
    for page in PAGES:
        for path in re.findall(
            r"`((?:tests|deploy|docs|chaosprsa|loadtests)/[\w./-]*)`", page.read_text(encoding="utf-8")
        ):
            if "." in path or path.endswith("/"):
                assert (ROOT / path).exists(), f"{page.name}: {path}"


def test_rooms_that_the_architecture_names_exist():
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    heads = re.findall(r"^## (.+)$", text, re.MULTILINE)
    named = {name for head in heads for name in re.findall(r"`([\w/.]+)`", head)}
    assert named
    assert all((ROOT / "chaosprsa" / name).exists() for name in named), named


def test_every_room_has_its_paragraph():
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    rooms = {path.name for path in (ROOT / "chaosprsa").iterdir() if (path / "__init__.py").exists()}
    assert {room for room in rooms if f"`{room}/`" not in text} == set()


def test_the_license_is_the_one_that_the_package_declares():
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["license"]
    text = (ROOT / "LICENSE").read_text(encoding="utf-8")
    assert declared == "Apache-2.0"
    assert "Apache License" in text
    assert "Version 2.0, January 2004" in text
    assert len(text.splitlines()) > 190


def test_the_changelog_names_this_version():
    version = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    assert f"## {version}" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def test_a_line_is_short_enough_to_read_in_a_diff():
    for page in PAGES:
        if page.name == "reference.md":
            continue
        for number, line in enumerate(page.read_text(encoding="utf-8").splitlines(), start=1):
            assert len(line) <= 160 or line.startswith(("|", "    ", "!")), f"{page.name}, line {number}"
