"""The page as a whole: what it says, what it admits to be missing, and that nothing from data becomes markup."""

import dataclasses
import html.parser
import re

import pytest

from chaosprsa.documents import write_document, write_lines
from chaosprsa.errors import InvalidDocument
from chaosprsa.report import render_report
from chaosprsa.report.page import SECTIONS
from chaosprsa.types import Verdict
from chaosprsa.workspace import Workspace

VOID = {"meta", "link", "br", "hr", "img", "input"}
ATTACK = "<script>alert('x')</script>\"'&"


class Outline(html.parser.HTMLParser):
    """Tags, attributes and words of a page; asserts that every element that opens also closes."""

    def __init__(self, page):
        super().__init__()
        self.open, self.tags, self.words = [], [], []
        self.feed(page)
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)

    def all(self, tag):
        return [attributes for name, attributes in self.tags if name == tag]

    @property
    def text(self):
        return " ".join(" ".join(self.words).split())


@pytest.fixture
def render(settings, now):
    return lambda workspace: render_report(workspace, settings, now)


def test_the_page_is_well_formed_and_has_every_section(workspace, render):
    outline = Outline(render(workspace))
    assert [section["id"] for section in outline.all("section")] == [name for name, _, _ in SECTIONS]


def test_the_same_folder_gives_the_same_bytes(workspace, render):
    assert render(workspace) == render(workspace)


def test_the_page_asks_for_nothing_from_outside(workspace, render):
    outline = Outline(render(workspace))
    addresses = [value for _, attributes in outline.tags for key, value in attributes.items() if key in {"src", "href"}]
    assert all(address.startswith("#") or address == "data:," for address in addresses)
    assert not outline.all("script")
    assert "url(" not in render(workspace)
    assert "@import" not in render(workspace)


def test_every_link_inside_the_page_leads_somewhere_and_no_id_is_twice(workspace, render):
    outline = Outline(render(workspace))
    ids = [attributes["id"] for _, attributes in outline.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    assert {link["href"][1:] for link in outline.all("a")} <= set(ids)


def test_every_drawing_says_what_it_is_and_every_table_has_heads(workspace, render):
    outline = Outline(render(workspace))
    drawings = outline.all("svg")
    assert drawings
    assert all(drawing["role"] == "img" and drawing["aria-label"] for drawing in drawings)
    assert len(outline.all("table")) <= sum(head.get("scope") == "col" for head in outline.all("th"))
    assert all(head.get("scope") in {"col", "row"} for head in outline.all("th"))


def test_it_says_what_binds_what_surviving_costs_and_what_is_held_when(workspace, render):
    words = " ".join(" ".join(Outline(render(workspace)).words).split())
    for said in (
        "2 to 20 ×",  # noqa: RUF001  # bounds
        "with 2 replica(s) pod-kill on checkout would put p99 at 640 ms",
        "nothing within [safety]'s limits survives it",
        "4 such incidents in 30 days",
        "its window is 2.0 of 24 h, 99% begin in it",
        "5.62 USD over 24 h, 8.16 USD held always",
        "58 %",
    ):
        assert said in words, said


def test_the_headline_says_change_cost_and_survival(workspace, render):
    text = Outline(render(workspace)).text
    assert "Change gateway, catalogue, checkout and payment: 38.65 USD a month less, 16 %." in text
    assert "It survives 4 of 5 issues; the present allocation 2." in text


def test_an_empty_folder_is_a_page_that_says_which_command_fills_each_part(tmp_path, render):
    text = Outline(render(Workspace(tmp_path))).text
    for command in ("learn", "issues", "trial", "recommend", "shadow create"):
        assert f"chaos prsa {command}" in text


def test_a_plan_without_a_rollout_names_the_command_with_its_hash(workspace, render, nouns):
    (workspace.rollout / "outcome.json").unlink()
    assert f"chaos prsa rollout --approve {nouns.make_plan().hash}" in Outline(render(workspace)).text


def test_an_issue_that_was_not_played_is_said(workspace, render):
    (workspace.outcomes("next") / "traffic-surge-gateway" / "outcome.json").unlink()
    assert "chaos prsa trial traffic-surge-gateway --study next" in Outline(render(workspace)).text


@pytest.mark.parametrize(
    "name",
    [
        "issues/issues.jsonl",
        "generated/next/study.json",
        "outcomes/next/pod-kill-checkout/outcome.json",
        "recommendation/recommendation.json",
        "recommendation/plan.json",
        "rollout/outcome.json",
    ],
)
def test_a_half_written_file_is_refused_by_name(workspace, render, name):
    path = workspace.root / name
    path.write_text(path.read_text()[:200])
    with pytest.raises(InvalidDocument, match=re.escape(str(path))):
        render(workspace)


def test_words_from_data_never_become_markup(workspace, render, nouns):
    issue = nouns.make_issue(id="bad<b>", kind=ATTACK, components=(ATTACK, "gateway"), evidence=(ATTACK,))
    outcome = nouns.make_outcome(issue=issue, id=ATTACK, reasons=(ATTACK,), verdict=Verdict.FAILED)
    write_lines(workspace.issues / "issues.jsonl", [issue])
    write_document(workspace.outcomes("next") / "bad<b>" / "outcome.json", outcome)
    write_document(
        workspace.recommendation / "recommendation.json", nouns.make_recommendation(notes=(ATTACK,), currency=ATTACK)
    )
    write_document(workspace.rollout / "outcome.json", nouns.make_rollout(reasons=(ATTACK,)))
    page = render(workspace)
    outline = Outline(page)
    assert not outline.all("script")
    assert not outline.all("b")
    assert page.count("&lt;script&gt;") >= 8


def test_a_lapsed_recommendation_is_said_at_the_top(workspace, settings, now, nouns):
    later = nouns.make_recommendation().lapses_at
    text = Outline(render_report(workspace, settings, later)).text
    assert "This recommendation lapsed at 2026-11-26 09:30 UTC." in text


def test_a_rollout_of_another_plan_is_not_taken_for_this_recommendation(workspace, render, nouns):
    other = nouns.make_recommendation(lineage=nouns.lineage("recommendation", "another"))
    write_document(workspace.recommendation / "recommendation.json", other)
    assert "another plan than this recommendation" in Outline(render(workspace)).text


def test_a_parent_that_is_not_in_the_folder_is_named(workspace, render, nouns):
    assert f"in this folder: {nouns.ROOT.id}" in Outline(render(workspace)).text


def test_a_hundred_issues_and_trials_stay_a_page_of_a_few_megabytes(workspace, render, nouns):
    for number in range(100):
        outcome = nouns.make_outcome(issue=nouns.make_issue(id=f"issue-{number}"), id=f"outcome-{number}")
        write_document(workspace.outcomes("next") / f"issue-{number}" / "outcome.json", outcome)
    assert len(render(workspace)) < 6_000_000


def test_a_check_of_a_candidate_is_no_rehearsal_of_what_is_there_now(workspace, render, nouns):
    checked = nouns.make_outcome(verdict=Verdict.PASSED, id="outcome-again")
    write_document(workspace.outcomes("next") / "pod-kill-checkout-check-1" / "outcome.json", checked)
    text = Outline(render(workspace)).text
    assert "pod-kill on checkout, checked again with the candidate" in text
    assert "2 passed, 2 failed, 1 invalid" in text


def test_a_series_that_prometheus_did_not_have_is_a_dash_and_not_a_zero(workspace, render):
    payment = re.search(r'<th scope="row">payment</th>(<td class="r">.*?)</tr>', render(workspace))[1]
    cells = re.findall(r">([^<]+)</td>", payment)
    assert cells[:4] == ["\N{EN DASH}"] * 4
    assert cells[4:7] == ["0.41", "7 %", "\N{EN DASH}"]


def test_each_rung_is_shown_with_how_far_it_was_from_the_one_below(workspace, render):
    exact = re.search(r'<th scope="row">exact</th>(.*?)</tr>', render(workspace))[1]
    assert re.findall(r">([^<]+)</td>", exact) == ["3", "60", "1.2 h", "1.05", "4.3 %", "0", "71 %"]
    measured = re.search(r"Share of the SLO used, exact.*?<tbody>(.*?)</tbody>", render(workspace), re.DOTALL)[1]
    assert re.findall(r">([^<]+)</t[dh]>", measured) == ["pod-kill on checkout", "83 %", "87 %", "2.4 %", "5"]


def test_a_plan_that_changes_nothing_asks_for_no_approval(workspace, render, nouns):
    (workspace.rollout / "outcome.json").unlink()
    write_document(workspace.recommendation / "plan.json", dataclasses.replace(nouns.make_plan(), changes=()))
    text = Outline(render(workspace)).text
    assert "No rollout has been run: the plan changes nothing." in text
    assert "--approve" not in text


def test_of_many_issues_the_rehearsed_and_the_weightiest_are_shown_and_the_others_unfold(workspace, render, nouns):
    unlikely = [
        nouns.make_issue(id=f"issue-{number}", probability=0.001, start_s=60.0 * number) for number in range(40)
    ]
    write_lines(workspace.issues / "issues.jsonl", [*unlikely, *(nouns.make_issue(case) for case in nouns.CASES)])
    page = render(workspace)
    shown, unfolded = page.split("<summary>The other 33</summary>")
    assert all(f"{fault} on {component}" in shown for fault, component, *_ in nouns.CASES)
    assert 'href="#trial-next-' not in unfolded.split("</details>")[0]


def test_nothing_to_change_is_said_with_the_reason(workspace, render, nouns):
    answer = nouns.make_recommendation()
    held = tuple(dataclasses.replace(one, now=True, recommended=True) for one in answer.survivals)
    same = dataclasses.replace(answer, recommended=answer.now, directives=(), survivals=held)
    write_document(workspace.recommendation / "recommendation.json", same)
    assert (
        "Change nothing: what is there holds, and nothing cheaper that holds was found."
        in Outline(render(workspace)).text
    )
    same = dataclasses.replace(same, survivals=answer.survivals)
    write_document(workspace.recommendation / "recommendation.json", same)
    assert "Change nothing: no other allocation was shown to be better." in Outline(render(workspace)).text


def test_what_bandwidth_and_volumes_cost_has_a_row_so_that_the_rows_make_the_sum(workspace, nouns, render):
    plain = nouns.make_recommendation()
    assert "Bandwidth and volumes" not in render(workspace)
    dearer = nouns.make_recommendation(
        cost_now_month=plain.cost_now_month + 10, cost_recommended_month=plain.cost_recommended_month + 14.5
    )
    write_document(workspace.recommendation / "recommendation.json", dearer)
    assert "Bandwidth and volumes 10.00 USD 14.50 USD +4.50 USD" in Outline(render(workspace)).text
