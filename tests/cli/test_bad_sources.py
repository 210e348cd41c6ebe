"""`learn` on incidents and logs of any kind: read with notes, or exit code 2 and one message that names the file."""

import gzip
import json

import pytest

LINE = {"start": "2026-11-01T00:00:00Z", "end": "2026-11-01T01:00:00Z", "component": "cart", "kind": "oom"}


def learned(folder, *arguments):
    """What `learn --json` printed."""
    result = folder.run("learn", "--json", *arguments)
    assert result.exit_code == 0, (result.output, result.exception)
    return json.loads(result.stdout)


def many(count):
    starts = (f"2026-11-{1 + n % 9:02d}T0{n % 8}:00:00Z" for n in range(count))
    return "".join(json.dumps(LINE | {"start": start, "end": None}) + "\n" for start in starts)


@pytest.mark.parametrize(
    "content",
    [
        bytes(range(256)),
        b"[" * 100_000,
        b'{"start": NaN}',
        b'{"start": "yesterday", "component": "cart"}',
        b'{"start": "9999-12-31T23:59:59-14:00", "component": "cart"}',
        b'{"colour": "red"}',
        gzip.compress(b"{}" * 100, mtime=0)[:-9],
        b"---\ntitle: [\n---\n",
        json.dumps({"schema": "chaosprsa/incident/1", **LINE, "end": "2020-01-01T00:00:00Z"}).encode(),
    ],
)
def test_incidents_that_cant_be_used_end_with_2_and_the_files_name(folder, content):
    folder.settings()
    (folder.path / "bad.json").write_bytes(content)
    result = folder.run("learn", "--incidents", "bad.json")
    assert result.exit_code == 2
    assert isinstance(result.exception, SystemExit), repr(result.exception)
    assert "bad.json" in result.stderr
    assert len(result.stderr) < 1500
    assert not (folder.path / "models").exists()


def test_a_missing_file_of_incidents_and_of_logs_end_with_2(folder):
    for sources, name in (({"incidents": ["nowhere.json"]}, "nowhere.json"), ({"logs": ["no-logs/"]}, "no-logs")):
        folder.settings(**sources)
        result = folder.run("learn")
        assert result.exit_code == 2
        assert name in result.stderr


def test_incidents_of_several_formats_are_learned_together_and_what_was_guessed_is_said(folder):
    folder.settings(incidents=["incidents.jsonl"])
    (folder.path / "incidents.jsonl").write_text(many(30))
    event = {
        "kind": "Event", "type": "Warning", "reason": "OOMKilling", "firstTimestamp": "2026-11-05T10:00:00Z",
        "involvedObject": {"kind": "Pod", "name": "payment-6cfdd55578-gfj6q"},
    }  # fmt: skip
    (folder.path / "events").mkdir()
    (folder.path / "events" / "events.json").write_text(json.dumps({"kind": "List", "items": [event]}))
    told = learned(folder, "--incidents", "events/")
    assert told["incidents"] == 31
    assert any("30 incidents have no end at all" in note for note in told["notes"])
    assert any("there are no metrics" in note for note in told["notes"])


def test_logs_alone_are_learned_from_and_the_bundle_keeps_their_templates(folder):
    folder.settings(logs=["logs/"])
    (folder.path / "logs").mkdir()
    lines = (f"2026-11-01T{n // 60:02d}:{n % 60:02d}:10Z INFO order {n} placed\n" for n in range(180))
    (folder.path / "logs" / "checkout.log").write_text("".join(lines))
    told = learned(folder)
    assert any("180 log lines of 1 components" in note for note in told["notes"])
    (template,) = json.loads((folder.path / "models" / "log_templates.json").read_text()).values()
    assert template == {"template": "INFO order <*> placed", "level": "info", "counts": {"checkout": 180}}


def test_a_loki_that_does_not_answer_ends_with_2_and_its_url(folder):
    folder.settings(loki="http://127.0.0.1:9", timeout_s=1)
    result = folder.run("learn")
    assert result.exit_code == 2
    assert "Loki at http://127.0.0.1:9" in result.stderr
