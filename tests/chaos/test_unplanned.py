"""A parcel in a chute that the plan does not name for it fails a story, whatever is recorded."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from plc_sim.chaos.performing import Performance
from plc_sim.chaos.rules import Effect
from plc_sim.chaos.running import RunResult, Totals
from plc_sim.chaos.story import Story
from plc_sim.chaos.verdict import judge
from sorter.config.load import load_line
from sorter.host.registry import AnnouncedReturn, Registry
from sorter.model.codes import (
    NONE,
    Cause,
    DecisionReason,
    FinalDisposition,
    Grade,
    MissCause,
    OutcomeKind,
    ReturnReason,
    ScanVerdict,
)
from sorter.model.columns import (
    DECISION_WIDTH,
    OUTCOME_WIDTH,
    SCAN_WIDTH,
    DecisionColumn,
    OutcomeColumn,
    ScanColumn,
)
from sorter.model.frames import Decisions, Inputs, ScanRead
from sorter.model.returns import ReturnRecord
from sorter.rehearsal.account import account_for
from sorter.rehearsal.unplanned import unplanned_chutes
from sorter.runtime.journal import InlineJournal, RunInfo

LINE_PATH = Path(__file__).parents[2] / "config" / "line.yaml"
LINE = load_line(LINE_PATH)
PLAN, OVERFLOW, EXCEPTION = DecisionReason.PLAN, DecisionReason.OVERFLOW, DecisionReason.EXCEPTION
SHIRT, PHONE, HEAVY, UNGRADED = "RMA1", "RMA2", "RMA3", "RMA4"
"""Labels: restock_fashion, restock_electronics, restock_general but too heavy, and grade U."""
ENTRY = 5000


def announced() -> list[AnnouncedReturn]:
    def one(label: str, category: str, weight_g: int, grade: Grade = Grade.A) -> AnnouncedReturn:
        record = ReturnRecord(
            f"text:{label}", label, grade, category, ReturnReason.OTHER, False, 4500, "PL", 3
        )
        return AnnouncedReturn(record, weight_g=weight_g)

    return [
        one(SHIRT, "fashion", 600),
        one(PHONE, "electronics", 600),
        one(HEAVY, "toys", 21_000),
        one(UNGRADED, "toys", 600, Grade.U),
    ]


def chute_index(chute: str) -> int:
    return LINE.layout.chute_names.index(chute)


def outcome(kind: OutcomeKind, encoder: int, **cells: int) -> Decisions:
    row = np.full((1, OUTCOME_WIDTH), NONE, np.int64)
    row[0, [OutcomeColumn.PARCEL, OutcomeColumn.KIND, OutcomeColumn.ENCODER]] = 1, kind, encoder
    for name, value in cells.items():
        row[0, OutcomeColumn[name]] = value
    return Decisions(outcomes=row)


def decision(chute: str, reason: DecisionReason) -> Decisions:
    row = np.full((1, DECISION_WIDTH), NONE, np.int64)
    row[0, [DecisionColumn.PARCEL, DecisionColumn.CHUTE]] = 1, chute_index(chute)
    row[0, DecisionColumn.REASON] = reason
    return Decisions(decisions=row)


def write_run(
    folder: Path,
    label: str,
    chute: str,
    told: Sequence[Decisions] = (),
    *,
    code: str | None = None,
    read: Sequence[str] = (),
    cause: int = NONE,
) -> None:
    """Write what a run leaves behind in which one parcel came to lie in `chute`."""
    final = FinalDisposition.SORTED if cause == NONE else FinalDisposition.REJECTED
    index, code = chute_index(chute), code or label
    scanned = outcome(OutcomeKind.SCANNED, 700, VALUE=ScanVerdict.READ, CHUTE=0)
    told = [
        outcome(OutcomeKind.OPENED, 500, VALUE=0),
        scanned,
        *(told or [decision(chute, PLAN)]),
        outcome(OutcomeKind.CLOSED, ENTRY, VALUE=final, CHUTE=index, CAUSE=cause),
    ]
    journal = InlineJournal(
        folder / "journal.sqlite", RunInfo(LINE.layout, LINE.plan, LINE.files, {})
    )
    for number, decided in enumerate(told):
        inputs, reads = Inputs(7, 6, 500 + 100 * number), ()
        if decided is scanned:
            reads = (ScanRead(1, 0, 700, 0, (code.encode(),)),)
            inputs.scans = np.full((1, SCAN_WIDTH), NONE, np.int64)
            inputs.scans[0, [ScanColumn.SCANNER, ScanColumn.ENCODER]] = 0, 700
        journal.append(number, inputs, reads, decided)
    journal.close()
    truth = {
        "physical_id": 0, "label": label, "induct_eye": 0, "induct_count": 500,
        "sightings": [[0, 500, 7]], "codes_read": [[0, list(read) or [label]]],
        "end": "chute", "chute": chute, "end_count": ENTRY, "end_boot": 7, "faults": [],
    }  # fmt: skip
    (folder / "truth.jsonl").write_text(json.dumps(truth) + "\n")
    with Registry.create(folder / "returns.sqlite") as registry:
        registry.import_many(announced())


def sentences(folder: Path, *run: Any, **more: Any) -> list[str]:
    for old in folder.iterdir():
        old.unlink()
    write_run(folder, *run, **more)
    journal = folder / "journal.sqlite"
    account = account_for(journal, folder / "truth.jsonl")
    assert not account.comparison.findings, "record and truth agree: that is the point"
    return unplanned_chutes(account, journal, folder / "returns.sqlite", LINE)


def test_a_chute_of_its_stream_is_right_and_another_is_not(tmp_path: Path) -> None:
    assert sentences(tmp_path, SHIRT, "B09") == []
    (found,) = sentences(tmp_path, SHIRT, "B11")
    assert "'RMA1'" in found
    assert "lies in B11" in found
    assert "the plan names A03, A09, B09, A01, A06, B03 (stream restock_fashion)" in found
    assert sentences(tmp_path, PHONE, "B11") == []


def test_an_overflow_is_right_only_where_the_journal_says_so(tmp_path: Path) -> None:
    (found,) = sentences(tmp_path, SHIRT, "A14")
    assert found.endswith("for overflow A14, B06, A11, B01, B14, A16, B03")
    assert sentences(tmp_path, SHIRT, "A14", [decision("A14", OVERFLOW)]) == []
    assert len(sentences(tmp_path, SHIRT, "A14", [decision("B06", OVERFLOW)])) == 1
    assert len(sentences(tmp_path, SHIRT, "B17", [decision("B17", OVERFLOW)])) == 1, "not its own"
    # Moved away from there too late.
    missed = outcome(
        OutcomeKind.DEADLINE_MISSED, 4000, CHUTE=chute_index("A14"), CAUSE=MissCause.COMMAND_LATE
    )
    assert sentences(tmp_path, SHIRT, "A14", [decision("A03", PLAN), missed]) == []


def test_an_exception_belongs_to_its_outlet_with_its_cause(tmp_path: Path) -> None:
    (found,) = sentences(tmp_path, UNGRADED, "A14")
    assert found.endswith("the plan names A10 (exception ungraded)")
    (found,) = sentences(tmp_path, "RMA999", "A14")
    assert found.endswith("the plan names A08 (exception no_data)")
    assert sentences(tmp_path, SHIRT, "A08", cause=Cause.NO_DATA) == [], "a cause is recorded"
    assert sentences(tmp_path, SHIRT, "A08", [decision("A08", EXCEPTION)]) == []


def test_what_no_scale_has_told_in_time_cannot_be_known(tmp_path: Path) -> None:
    measured = outcome(OutcomeKind.MEASURED, 600, VALUE=21_000, CHUTE=0)
    (found,) = sentences(tmp_path, HEAVY, "A14", [measured, decision("A14", PLAN)])
    assert found.endswith("the plan names B05 (exception over_weight)")
    assert sentences(tmp_path, HEAVY, "A14", [decision("A14", PLAN)]) == []
    assert sentences(tmp_path, HEAVY, "A14", [decision("A14", PLAN), measured]) == []
    assert len(sentences(tmp_path, HEAVY, "A03", [decision("A03", PLAN)])) == 1


def test_another_label_that_was_read_on_it_is_the_one_that_counts(tmp_path: Path) -> None:
    assert sentences(tmp_path, SHIRT, "B11", code=PHONE, read=[PHONE]) == []
    (found,) = sentences(tmp_path, SHIRT, "B09", code=PHONE, read=[PHONE])
    assert "for the label read on it, 'RMA2', the plan names B11, A16" in found
    # Of its own size and weight, though: that is what a scale finds.
    told = [outcome(OutcomeKind.MEASURED, 600, VALUE=600, CHUTE=0), decision("A14", PLAN)]
    assert sentences(tmp_path, SHIRT, "A14", told, code=HEAVY, read=[HEAVY]) == []
    told = [outcome(OutcomeKind.MEASURED, 600, VALUE=21_000, CHUTE=0), decision("B11", PLAN)]
    (found,) = sentences(tmp_path, HEAVY, "B11", told, code=PHONE, read=[PHONE])
    assert found.endswith(
        "for the label read on it, 'RMA2', the plan names B05 (exception over_weight)"
    )
    # A label that nobody has announced says nothing beside one that somebody has.
    assert sentences(tmp_path, "RMA999", "B11", read=["RMA999", PHONE]) == []
    assert len(sentences(tmp_path, "RMA999", "B09", read=["RMA999", PHONE])) == 1


def test_the_verdict_fails_and_counts_it_whatever_the_faults(tmp_path: Path) -> None:
    story = Story(5, "modbus", 1, 20_000.0, 4.0, ())
    write_run(tmp_path, SHIRT, "B11")
    seen = Performance(tmp_path, drained=True)
    verdict = judge(story, seen, LINE_PATH)
    (details,) = (b.details for b in verdict.breaches if b.what == Effect.UNPLANNED_CHUTE.value)
    assert details[0] == "1 parcels, 0 explained by the faults"
    assert "lies in B11" in details[1]
    totals = Totals()
    totals.add(verdict)
    assert (totals.failed, totals.wrong_chute) == (1, 1)
    result = RunResult(story, verdict, 1.0, tmp_path).as_json()
    assert result["effects"] == {"unplanned_chute": 1}
    assert "lies in B11" in result["breaches"][Effect.UNPLANNED_CHUTE.value][1]
    sound = replace(seen, work_dir=tmp_path / "sound")
    sound.work_dir.mkdir()
    write_run(sound.work_dir, SHIRT, "B09")
    verdict = judge(story, sound, LINE_PATH)
    assert Effect.UNPLANNED_CHUTE not in verdict.effects
