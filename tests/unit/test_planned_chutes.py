"""What plan and policy say, walked as written, is what the kernels make of the same files."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sorter.config.load import LoadedLine, load_line
from sorter.core.disposition import preview
from sorter.host.registry import AnnouncedReturn, Registry
from sorter.host.resolver import RegistryHost
from sorter.model.codes import EXCEPTION_CAUSES, NONE, Cause, Grade, ReturnReason
from sorter.model.columns import ChuteColumn
from sorter.model.frames import ScanRead
from sorter.model.returns import ReturnRecord
from sorter.rehearsal.planned_chutes import Planned, PlannedChutes

CONFIG = Path(__file__).parents[2] / "config"
LINES = {name: load_line(CONFIG / name) for name in ("line.yaml", "small_line.yaml")}
CATEGORIES = LINES["line.yaml"].returns_policy_file.categories
LABEL = "RMA1"


def planned_by(line: LoadedLine) -> PlannedChutes:
    return PlannedChutes(line.line_file.line, line.sort_plan_file, line.returns_policy_file)


def announced(**values: object) -> AnnouncedReturn:
    record = ReturnRecord(
        f"text:{LABEL}", LABEL, Grade.A, "fashion", ReturnReason.WRONG_SIZE, False, 4500, "PL", 3
    )
    of_parcel = {
        name: values.pop(name) for name in list(values) if name in AnnouncedReturn.__slots__
    }
    return AnnouncedReturn(replace(record, **values), **of_parcel)


RETURNS = st.builds(
    lambda sizes, **values: announced(**values, **sizes),
    grade=st.sampled_from(Grade),
    category=st.sampled_from([*CATEGORIES, "unheard_of"]),
    reason=st.sampled_from(ReturnReason),
    hazmat=st.booleans() | st.just(False),
    value_cents=st.sampled_from([-1, 0, 3999, 4000, 29_999, 30_000, 49_999, 50_000, 900_000]),
    country=st.sampled_from(["PL", "GB", "XX"]),
    days_held=st.sampled_from([-1, 0, 14, 15, 30, 31]),
    sizes=st.fixed_dictionaries(
        {
            "length_mm": st.sampled_from([0, 300, 510, 610]),
            "width_mm": st.sampled_from([0, 200, 351, 450, 451]),
            "height_mm": st.sampled_from([0, 100, 301, 401]),
            "weight_g": st.sampled_from([0, 900, 10_001, 15_001, 20_000, 20_001]),
        }
    ),
)


def by_kernels(line: LoadedLine, item: AnnouncedReturn, *, known: bool = True) -> Planned:
    """What resolver, kernels and index tables make of a return."""
    with Registry.create(":memory:") as registry:
        if known:
            registry.import_many([item])
        host = RegistryHost(registry, line.policy)
        row = host.resolve([ScanRead(1, 0, 0, 0, (LABEL.encode(),))])[0]
    plan, layout = line.plan, line.layout
    measures = (item.length_mm, item.width_mm, item.height_mm, item.weight_g)
    length, width, height, weight = (measure or NONE for measure in measures)
    if item.length_mm:
        length = round(item.length_mm / layout.mm_per_count)
    got = preview(
        line.policy, layout, row,
        length_counts=length, width_mm=width, height_mm=height, weight_g=weight,
    )  # fmt: skip
    if got.cause != NONE:
        outlet = plan.fallback_chute
        if got.cause < len(EXCEPTION_CAUSES):
            outlet = int(plan.exception_chutes[got.cause])
        return Planned(Cause(got.cause).name.lower(), "", (layout.chute_names[outlet],))
    limits = layout.chutes[[ChuteColumn.MAX_LENGTH, ChuteColumn.MAX_WIDTH_MM,
                            ChuteColumn.MAX_HEIGHT_MM, ChuteColumn.MAX_WEIGHT_G]]  # fmt: skip
    fits = (np.array([[length], [width], [height], [weight]]) <= limits).all(axis=0)
    chutes: list[tuple[str, ...]] = []
    stream = got.stream
    while stream != NONE:
        cell = item.record.grade * len(plan.stream_names) + stream
        first, last = plan.cell_groups[cell], plan.cell_groups[cell + 1]
        members = plan.group_chutes[plan.group_starts[first] : plan.group_starts[last]]
        chutes.append(tuple(layout.chute_names[chute] for chute in members if fits[chute]))
        stream = int(plan.overflow[stream])
    return Planned("", plan.stream_names[got.stream], chutes[0], sum(chutes[1:], ()))


@settings(max_examples=200)
@given(item=RETURNS, name=st.sampled_from(sorted(LINES)))
def test_plan_and_policy_as_written_are_what_the_kernels_sort_by(
    item: AnnouncedReturn, name: str
) -> None:
    assert planned_by(LINES[name]).of(item) == by_kernels(LINES[name], item)


def test_a_return_that_nobody_announced_belongs_to_no_data() -> None:
    line = LINES["line.yaml"]
    expected = Planned("no_data", "", ("A08",))
    assert planned_by(line).of(None) == expected == by_kernels(line, announced(), known=False)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({}, ("restock_fashion", "A03 A09 B09 A01 A06 B03", "A14 B06 A11 B01 B14 A16 B03")),
        ({"category": "electronics", "grade": Grade.B}, ("refurbish", "A07", "B17")),
        ({"grade": Grade.D}, ("recycle", "A17", "")),
        ({"grade": Grade.D, "width_mm": 351}, ("recycle", "", "")),  # A17 has a small mouth
        ({"grade": Grade.U}, ("ungraded", "A10", "")),
        ({"hazmat": True}, ("hazmat", "A15", "")),
        ({"weight_g": 20_001, "days_held": 15}, ("over_weight", "B05", "")),
        ({"days_held": 15}, ("window_expired", "B08", "")),
    ],
)
def test_returns_of_the_return_centre(
    values: dict[str, object], expected: tuple[str, str, str]
) -> None:
    got = planned_by(LINES["line.yaml"]).of(announced(**values))
    assert (got.stream or got.cause, " ".join(got.chutes), " ".join(got.overflow)) == expected
