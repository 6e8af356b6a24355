"""Journals to try things on: the small line, and made-up steps."""

from pathlib import Path

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from sorter.config.load import load_line
from sorter.model.codes import EventKind, FinalDisposition, OutcomeKind, ScanVerdict
from sorter.model.columns import (
    CANDIDATE_WIDTH,
    COMMAND_WIDTH,
    DECISION_WIDTH,
    EVENT_WIDTH,
    OUTCOME_WIDTH,
    SCAN_WIDTH,
    ScanColumn,
)
from sorter.model.frames import Decisions, Inputs, ScanRead
from sorter.runtime.journal import RunInfo

CONFIG = Path(__file__).parents[3] / "config"
LINE = load_line(CONFIG / "small_line.yaml")
INFO = RunInfo(LINE.layout, LINE.plan, LINE.files, {"seed": "1"})


def rows(width, most=4):
    cells = st.integers(-(2**63), 2**63 - 1)
    return st.integers(0, most).flatmap(lambda n: arrays(np.int64, (n, width), elements=cells))


@st.composite
def steps(draw):
    """Arguments of ``append``: anything that fits the types."""
    scan_rows = draw(rows(SCAN_WIDTH))
    reads = tuple(
        ScanRead(
            row[ScanColumn.SEQ],
            row[ScanColumn.SCANNER],
            row[ScanColumn.ENCODER],
            row[ScanColumn.TICK],
            draw(st.lists(st.binary(max_size=40), max_size=3).map(tuple)),
            draw(st.booleans()),
        )
        for row in scan_rows.tolist()
    )
    inputs = Inputs(
        draw(st.integers(0, 2**32 - 1)),
        draw(st.integers(0, 17)),
        draw(st.integers(-(2**63), 2**63 - 1)),
        draw(rows(EVENT_WIDTH)),
        scan_rows,
    )
    decided = Decisions(
        draw(rows(COMMAND_WIDTH)),
        draw(rows(DECISION_WIDTH)),
        draw(rows(CANDIDATE_WIDTH)),
        draw(rows(OUTCOME_WIDTH)),
    )
    return draw(st.integers(0, 2**63 - 1)), inputs, reads, decided


def parcel_step(parcel, kind, seq, *, code=None, boot_id=7):
    """One event about one parcel, with one outcome and perhaps one scan."""
    encoder = seq * 100
    inputs = Inputs(boot_id, 6, encoder)
    inputs.events = np.array(
        [[seq, EventKind.PARCEL_PASSED, 0, encoder, seq * 10, 300, 0]], np.int64
    )
    reads = ()
    value, chute = 0, -1
    if kind == OutcomeKind.SCANNED:
        value = ScanVerdict.READ
        inputs.scans = np.full((1, SCAN_WIDTH), -1, np.int64)
        inputs.scans[0, [ScanColumn.SEQ, ScanColumn.ENCODER]] = seq, encoder
        reads = (ScanRead(seq, -1, encoder, -1, (code,)),)
    elif kind == OutcomeKind.CLOSED:
        value, chute = FinalDisposition.SORTED, 2
    decided = Decisions()
    decided.outcomes = np.array([[parcel, kind, value, chute, -1, encoder]], np.int64)
    return seq * 1_000_000, inputs, reads, decided


def parcel_life(parcel, first_seq, code=b"RMA-1", *, closed=True):
    """The steps of a parcel from opening to its end."""
    kinds = [OutcomeKind.OPENED, OutcomeKind.SCANNED, OutcomeKind.SEEN]
    kinds += [OutcomeKind.CLOSED] if closed else []
    return [parcel_step(parcel, kind, first_seq + i, code=code) for i, kind in enumerate(kinds)]


def assert_same(step, appended):
    """A step read back holds what was appended."""
    now_ns, inputs, reads, decided = appended
    assert step.now_ns == now_ns
    assert step.inputs.boot_id == inputs.boot_id
    assert step.inputs.line_state == inputs.line_state
    assert step.inputs.encoder_count == inputs.encoder_count
    assert step.reads == reads
    for ours, theirs in (
        (step.inputs.events, inputs.events),
        (step.inputs.scans, inputs.scans),
        (step.decided.commands, decided.commands),
        (step.decided.decisions, decided.decisions),
        (step.decided.candidates, decided.candidates),
        (step.decided.outcomes, decided.outcomes),
    ):
        assert ours.dtype == np.int64
        assert ours.shape == theirs.shape
        assert np.array_equal(ours, theirs)
