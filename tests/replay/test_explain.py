import json
import sqlite3

import pytest
import typer
from recorded_run import read_steps, record
from typer.testing import CliRunner

from sorter.commands import explain as explain_command
from sorter.errors import JournalError
from sorter.model.codes import Cause, Disposition, FinalDisposition, OutcomeKind, PassResult
from sorter.model.columns import OutcomeColumn
from sorter.runtime.explain import explain
from sorter.runtime.journal_store import JournalReader
from sorter.runtime.parcel_search import UnknownParcel


def rows_of(path):
    with JournalReader(path) as reader:
        return list(reader.parcels())


def first_row(path, wanted):
    return next(row for row in rows_of(path) if wanted(row))


def command_line(*arguments):
    app = typer.Typer()
    explain_command.register(app)
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def whats(story):
    return [moment.what for moment in story.moments]


def test_a_sorted_parcel_has_the_whole_story(recorded):
    path, _ = recorded
    row = first_row(path, lambda row: row.disposition == FinalDisposition.SORTED)
    (story,) = explain(path, str(row.parcel))
    assert story.parcel == row.parcel
    assert story.code == row.code
    what = whats(story)
    assert what[0] == "opened"
    assert what[-1] == "closed"
    for part in ("measured", "scan", "classified", "decision", "command", "eye", "slack", "passed"):
        assert part in what
    assert story.moments[0].time_s == story.moments[0].position_mm == 0
    eyes = [m for m in story.moments if m.what == "eye"]
    assert eyes[0].details["eye"] == "verify"
    # Verify eye and induct eye are 3,600 mm apart; half a count is a quarter of a millimetre.
    assert eyes[0].position_mm == pytest.approx(3600, abs=60)
    assert eyes[0].time_s == pytest.approx(eyes[0].position_mm / 1500, rel=0.02)
    assert abs(eyes[0].details["deviation_mm"]) < 60
    scan = next(m for m in story.moments if m.what == "scan")
    assert scan.details["scanner"] == "scanner"
    assert scan.details["codes"] == [row.code]
    decision = next(m for m in story.moments if m.what == "decision")
    verdicts = {c["chute"]: c["verdict"] for c in decision.details["candidates"]}
    assert verdicts[decision.details["chute"]] == "chosen"
    command = next(m for m in story.moments if m.what == "command")
    assert command.details["chute"] == decision.details["chute"]
    slack = next(m for m in story.moments if m.what == "slack")
    counts = slack.details["slack_counts"]
    assert slack.details["slack_ms"] == pytest.approx(counts * 0.5 / 1500 * 1000, abs=0.1)
    assert story.ending == f"sorted into {decision.details['chute']}"


def test_moments_of_the_eyes_are_in_order_of_way_and_time(recorded):
    for row in rows_of(recorded[0]):
        (story,) = explain(recorded[0], str(row.parcel))
        seen = [(m.time_s, m.position_mm) for m in story.moments if m.what in ("opened", "eye")]
        assert seen == sorted(seen)


def test_every_parcel_ends_in_its_story_as_in_its_row(recorded):
    for row in rows_of(recorded[0]):
        (story,) = explain(recorded[0], str(row.parcel))
        assert whats(story).count("closed") == 1
        disposition = FinalDisposition(row.disposition).name.lower()
        assert story.moments[-1].details["disposition"] == disposition


def test_nothing_about_a_parcel_is_left_out(recorded):
    path, _ = recorded
    row = rows_of(path)[0]
    (story,) = explain(path, str(row.parcel))
    told = sum(
        outcome[OutcomeColumn.PARCEL] == row.parcel
        for step in read_steps(path)
        for outcome in step.decided.outcomes.tolist()
    )
    assert told == sum(what not in ("decision", "command") for what in whats(story))


def test_a_parcel_is_found_by_its_code(recorded):
    row = first_row(recorded[0], lambda row: row.code is not None and "\x1d" not in row.code)
    assert row.parcel in [story.parcel for story in explain(recorded[0], row.code)]


def test_a_code_with_control_characters_can_be_typed(recorded):
    row = first_row(recorded[0], lambda row: row.code is not None and "\x1d" in row.code)
    typed = row.code.replace("\x1d", "\\x1d")
    assert row.parcel in [story.parcel for story in explain(recorded[0], typed)]


def test_a_no_read_says_so(recorded):
    row = first_row(recorded[0], lambda row: row.cause == Cause.NO_READ)
    (story,) = explain(recorded[0], str(row.parcel))
    scan = next(m for m in story.moments if m.what == "scan")
    assert scan.details["verdict"] == "no_read"
    assert scan.details["codes"] == []
    assert story.ending.endswith("(no_read)")


def test_a_failed_divert_shows_as_a_missed_pass(recorded):
    path, _ = recorded
    parcel = next(
        outcome[OutcomeColumn.PARCEL]
        for step in read_steps(path)
        for outcome in step.decided.outcomes.tolist()
        if outcome[OutcomeColumn.KIND] == OutcomeKind.PASSED
        and outcome[OutcomeColumn.VALUE] == PassResult.MISSED
    )
    (story,) = explain(path, str(parcel))
    missed = next(m for m in story.moments if m.what == "passed")
    assert missed.details["result"] == "missed"
    assert missed.text.startswith("missed at ")


def test_a_running_journal_tells_of_parcels_on_the_line(journal):
    row = rows_of(journal)[-1]
    with sqlite3.connect(journal) as database:
        # As a killed controller leaves it: steps up to the middle of the parcel's life.
        database.execute(
            "UPDATE runs SET ended_cleanly = 0, open_from_step = ?", (row.opened_step,)
        )
        database.execute("UPDATE runs SET next_step = ?", (row.opened_step + 2,))
        database.execute("DELETE FROM parcels WHERE parcel = ?", (row.parcel,))
    database.close()
    (story,) = explain(journal, str(row.parcel))
    assert story.ending == "still on the line when the journal ended"
    assert whats(story)[0] == "opened"
    assert "closed" not in whats(story)


def test_an_unknown_number_names_the_nearest(recorded):
    with pytest.raises(UnknownParcel, match=r"has the number .* the nearest numbers are 56, 57"):
        explain(recorded[0], "99999")


@pytest.mark.parametrize("wanted", ["RMA-NOT-HERE", "abc", "", "9" * 40, "\\", "²"])
def test_an_unknown_code_has_no_nearest_number(recorded, wanted):
    with pytest.raises(UnknownParcel, match="no parcel carried the code") as caught:
        explain(recorded[0], wanted)
    assert "nearest" not in str(caught.value)
    assert "or the number of the parcel" in str(caught.value)


@pytest.mark.parametrize("wanted", ["1", "abc"])
def test_a_journal_without_parcels_says_so(journal, wanted):
    with sqlite3.connect(journal) as database:
        database.execute("DELETE FROM parcels")
    database.close()
    with pytest.raises(UnknownParcel, match="the journal holds no parcels"):
        explain(journal, wanted)


def test_a_disposition_is_told_by_its_name(recorded):
    row = first_row(recorded[0], lambda row: row.disposition == FinalDisposition.SORTED)
    (story,) = explain(recorded[0], str(row.parcel))
    classified = next(m for m in story.moments if m.what == "classified")
    name = classified.details["disposition"].upper()
    assert name in Disposition.__members__
    assert classified.text == f"disposition {name}"
    decision = next(m for m in story.moments if m.what == "decision")
    assert f"(disposition {name})" in decision.text


def test_a_damaged_journal_is_an_error(journal):
    with sqlite3.connect(journal) as database:
        database.execute("UPDATE steps SET payload = zeroblob(20)")
    database.close()
    with pytest.raises(JournalError, match="step 1 is damaged"):
        explain(journal, "1")


def test_the_command_tells_the_story_in_plain_lines(recorded):
    result = command_line(recorded[0], 1)
    assert result.exit_code == 0
    lines = result.output.splitlines()
    assert lines[0].startswith("parcel 1, ")
    assert lines[1].split()[:5] == ["0.000", "s", "0", "mm", "opened"]
    assert "closed" in lines[-1]


def test_the_command_tells_the_story_as_json(recorded):
    (story,) = json.loads(command_line(recorded[0], 1, "--json").output)
    assert story["parcel"] == 1
    assert story["moments"][0]["what"] == "opened"


def test_the_command_uses_a_table_at_a_terminal(recorded, monkeypatch, capsys):
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    explain_command.explain_command(recorded[0], "1", as_json=False)
    assert "opened at induct" in capsys.readouterr().out


def test_the_command_exits_1_for_an_unknown_parcel_and_2_for_no_journal(recorded, tmp_path):
    unknown = command_line(recorded[0], 99999)
    assert unknown.exit_code == 1
    assert "the nearest numbers are" in unknown.output
    assert command_line(tmp_path / "none.sqlite", 1).exit_code == 2
    as_json = command_line(recorded[0], 99999, "--json")
    assert as_json.exit_code == 1
    assert "nearest" in json.loads(as_json.output)["error"]


def test_the_recorded_run_agrees_with_the_truth(recorded):
    _, summary = recorded
    assert (summary["unaccounted"], summary["truth_mismatches"]) == (0, 0), summary["details"]


def test_the_same_seed_gives_the_same_hash(recorded, tmp_path):
    _, summary = record(tmp_path)
    assert summary["journal_sha256"] == recorded[1]["journal_sha256"]
