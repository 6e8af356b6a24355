"""A new parcel in the place of one that left without a record of it, and one that did not leave."""

from __future__ import annotations

import pytest
from tiny_line import Parcel, TinyLine

from sorter.model.codes import OutcomeKind
from sorter.model.columns import OutcomeColumn

OLD, NEW = 7, 8


def followed(line: TinyLine, **facts: int | str) -> Parcel:
    """A parcel that comes round because its chute is closed; every eye has seen it."""
    line.chute_becomes("bench")
    parcel = line.known_parcel(at=1_000, identity=OLD, category="electronics", **facts)
    parcel.passes("gate", "middle", "far")
    line.runs_to(parcel.at("last_resort") + 1_200)
    return parcel


def eye_missed(line: TinyLine, **facts: int | str) -> Parcel:
    """The same, but its last eye has not seen it."""
    line.chute_becomes("bench")
    parcel = line.known_parcel(at=1_000, identity=OLD, category="electronics", **facts)
    parcel.passes("gate", "middle")
    line.runs_to(parcel.at("last_resort") + 1_200)
    return parcel


def entry_awaited(line: TinyLine, **facts: int | str) -> Parcel:
    """The last diverter before the induction fired for it, and no entry was reported."""
    parcel = line.known_parcel(at=1_000, identity=OLD, category="furniture", **facts)
    parcel.passes("gate", "middle", "far")
    line.fires(parcel)
    line.runs_to(parcel.at("last_resort") + 1_200)
    assert parcel.story[-1] == "PASSED last_resort: MISSED"
    return parcel


def both(line: TinyLine, **facts: int | str) -> Parcel:
    """The last diverter fired for it, though the eye before had not seen it."""
    parcel = line.known_parcel(at=1_000, identity=OLD, category="furniture", **facts)
    parcel.passes("gate", "middle")
    line.fires(parcel)
    line.runs_to(parcel.at("last_resort") + 1_200)
    return parcel


def in_its_place(line: TinyLine, old: Parcel, off: int = 40, longer: int = 10) -> Parcel:
    """A parcel at the induction where the old one is expected; its edge is taken for the old's."""
    old.comes_round()
    there = line.parcel(at=old.at("induct") + off, length=old.length + longer)
    there.passes("induct")
    assert old.story[-1] == "SEEN induct"
    return there


@pytest.mark.parametrize(
    ("way", "grams", "label", "another"),
    [
        (followed, 500, NEW, False),  # two labels on one parcel
        (followed, None, NEW, False),
        (followed, 580, NEW, False),
        (followed, 2_000, NEW, True),
        (followed, 2_000, OLD, False),
        (followed, 2_000, None, False),
        (entry_awaited, 500, NEW, False),
        (entry_awaited, 510, NEW, False),
        (entry_awaited, 560, NEW, True),
        (entry_awaited, None, NEW, True),
        (entry_awaited, 2_000, OLD, False),  # its divert had failed
        (entry_awaited, 2_000, None, True),
        (entry_awaited, 560, None, False),
        (entry_awaited, None, None, False),
        (eye_missed, 500, NEW, False),
        (eye_missed, None, NEW, True),
        (eye_missed, 2_000, OLD, False),
        (eye_missed, 2_000, None, True),
        (eye_missed, None, None, False),
        (both, 500, NEW, False),
        (both, None, NEW, True),
        (both, None, OLD, False),
        (both, 500, None, False),
        (both, 560, None, True),
        (both, None, None, True),
    ],
)
def test_label_and_weight_say_whether_it_is_another_parcel(
    way: object, grams: int | None, label: int | None, another: bool
) -> None:
    line = TinyLine()
    old = way(line)  # type: ignore[operator]
    there = in_its_place(line, old)
    if grams is not None:
        there.weighs(grams)
    if label is None:
        there.scans(verdict="NO_READ")
    else:
        there.scans(identity=label)
    assert (old.end == "LOST: MISTRACKED") == another
    assert line.newest_parcel == old.id + another
    conflict = label == NEW and not another
    assert ("SCANNED CONFLICT" in old.story) == conflict


@pytest.mark.parametrize(
    ("way", "off", "longer", "another"),
    [
        (entry_awaited, 45, 15, False),
        (entry_awaited, -46, 0, True),
        (entry_awaited, 0, -16, True),
        (eye_missed, 80, 50, False),
        (followed, 80, 50, False),
    ],
)
def test_an_edge_that_fits_badly_tells_where_no_label_does(
    way: object, off: int, longer: int, another: bool
) -> None:
    line = TinyLine()
    old = way(line)  # type: ignore[operator]
    in_its_place(line, old, off, longer).scans(verdict="NO_READ")
    assert (old.end == "LOST: MISTRACKED") == another


@pytest.mark.parametrize("way", [entry_awaited, eye_missed, both])
@pytest.mark.parametrize(("off", "longer"), [(70, 10), (0, 60)])
def test_the_same_weight_keeps_no_label_that_is_anothers_where_the_edge_fits_badly(
    way: object, off: int, longer: int
) -> None:
    """Weight and size alone are found again on many a parcel."""
    line = TinyLine()
    old = way(line)  # type: ignore[operator]
    in_its_place(line, old, off, longer).weighs(500).scans(identity=NEW)
    assert old.end == "LOST: MISTRACKED"
    assert line.newest_parcel == old.id + 1


def test_the_new_parcel_has_a_record_from_its_own_edge_on() -> None:
    line = TinyLine()
    old = entry_awaited(line)
    new = in_its_place(line, old)
    new.weighs(900, width_mm=333).scans(identity=NEW)
    new.id = line.newest_parcel
    assert new.story[:4] == ["OPENED induct", "MEASURED 900", "SCANNED READ", "CLASSIFIED RESTOCK"]
    assert "CLASSIFIED MULTI_READ_CONFLICT" not in old.story
    edges = [
        row[OutcomeColumn.ENCODER]
        for _, decided in line.tape
        for row in decided.outcomes.tolist()
        if row[OutcomeColumn.PARCEL] == new.id and row[OutcomeColumn.KIND] == OutcomeKind.OPENED
    ]
    assert edges == [new.at("induct")]
    new.passes("gate")
    line.fires(new)
    new.enters("shelf_a")
    assert new.end == "SORTED shelf_a"
    assert line.fill_of("shelf_a") == (1, 0)
    assert line.state.tracked_count() == 0


def test_what_was_planned_for_the_lost_one_is_taken_back() -> None:
    line = TinyLine()
    old = entry_awaited(line)
    new = in_its_place(line, old)
    kind, chute, fire = old.commands[-1]
    assert (kind, chute) == ("FIRE", "last_resort")
    assert line.fill_of("last_resort") == (0, 1)
    new.scans(identity=NEW)
    assert old.commands[-1] == ("CANCEL", "last_resort", fire)
    assert line.fill_of("last_resort") == (0, 0)


def test_one_that_really_stayed_on_the_belt_goes_on_under_its_number() -> None:
    line = TinyLine()
    old = both(line)
    there = in_its_place(line, old)
    there.weighs().scans(identity=OLD).scans("side", identity=OLD).passes("gate", "middle", "far")
    line.fires(old)
    there.enters("last_resort")
    assert old.end == "REJECTED last_resort: NO_RULE"
    assert line.newest_parcel == old.id
    assert line.fill_of("last_resort") == (1, 0)


def test_a_label_that_was_found_again_ends_the_doubt_and_a_second_one_is_a_conflict() -> None:
    line = TinyLine()
    old = both(line)
    there = in_its_place(line, old)
    there.scans(identity=OLD).scans("side", identity=NEW)
    assert "CLASSIFIED MULTI_READ_CONFLICT" in old.story
    assert line.newest_parcel == old.id


@pytest.mark.parametrize(("grams", "another"), [(2_000, True), (500, False)])
def test_a_label_where_none_was_read_before_is_the_new_ones_when_it_weighs_otherwise(
    grams: int, another: bool
) -> None:
    line = TinyLine()
    old = line.inducts(at=1_000).weighs().scans(verdict="NO_READ").scans("side", verdict="NO_READ")
    old.passes("gate", "middle")
    line.fires(old)
    line.runs_to(old.at("last_resort") + 1_200)
    assert "PASSED no_read: MISSED" in old.story
    in_its_place(line, old).weighs(grams).scans(identity=NEW)
    assert (old.end == "LOST: MISTRACKED") == another
    assert line.newest_parcel == old.id + another


def test_a_label_that_comes_late_finds_the_new_parcel_where_it_is_by_then() -> None:
    line = TinyLine()
    old = entry_awaited(line)
    new = in_its_place(line, old)
    new.slips(-60)
    new.passes("gate")
    line.scans(at=new.at("top"), trailing=4_000, identity=NEW, category="electronics")
    new.id = line.newest_parcel
    assert new.id != old.id
    assert new.bound_for == "bench"
    assert new.commands[-1][2] == new.at("bench") - 230
    line.fires(new)
    new.enters("bench")
    assert new.end == "SORTED bench"
    assert not [words for words in new.story if words.startswith("EYE_MISSED")]


def test_a_full_table_has_room_for_the_new_one() -> None:
    line = TinyLine(rows=1)
    old = entry_awaited(line)
    in_its_place(line, old).scans(identity=NEW)
    assert (line.newest_parcel, line.state.tracked_count()) == (old.id + 1, 1)


def test_without_an_edge_of_its_own_the_new_one_is_met_by_the_next_eye() -> None:
    """The record of its edge at the induction was lost as well."""
    line = TinyLine()
    old = entry_awaited(line)
    old.comes_round()
    new = line.parcel(at=old.at("induct") + 40)
    line.runs_to(old.at("induct") + 1_000)
    assert old.story[-1] == "EYE_MISSED induct"
    new.scans(identity=NEW)
    assert old.end == "LOST: MISTRACKED"
    assert line.counted("STRAY_SCANS") == 1
    new.passes("gate")
    assert new.story[0] == "OPENED gate: TRACKING_LOST"


def test_what_stations_see_is_rather_of_a_parcel_that_its_last_eye_has_seen() -> None:
    line = TinyLine()
    old = entry_awaited(line)
    old.comes_round()
    new = line.parcel(at=old.at("induct") + 10, length=500).passes("induct")
    assert new.id != old.id
    new.slips(-10)
    line.runs_to(old.at("induct") + 1_000)
    new.weighs(900).scans(identity=NEW)
    assert "SCANNED READ" in new.story
    assert "MEASURED 900" in new.story
    line.runs_to(new.at("gate"))
    new.passes("gate")
    line.runs_to(new.at("gate") + 1_200)
    assert old.end == "LOST: MISTRACKED"
    assert new.bound_for == "shelf_a"


def test_an_answer_of_the_host_about_the_lost_one_is_not_the_new_ones() -> None:
    line = TinyLine()
    old = line.known_parcel(at=1_000, identity=OLD, known=0, seq=1).passes("gate", "middle")
    line.fires(old)
    line.runs_to(old.at("last_resort") + 1_200)
    assert "PASSED no_data: MISSED" in old.story
    in_its_place(line, old).scans(identity=NEW, known=0, seq=2)
    story = list(line.told)
    line.scans(at=line.now, trailing=0, seq=1)
    assert line.told == story
    assert line.counted("UNUSED_ANSWERS") == 1


@pytest.mark.parametrize(
    ("way", "grams", "another"),
    [
        (both, None, True),
        (both, 500, False),
        (entry_awaited, 2_000, True),
        (followed, 2_000, False),
    ],
)
def test_when_the_scanner_says_nothing_way_and_weight_decide(
    way: object, grams: int | None, another: bool
) -> None:
    line = TinyLine()
    old = way(line)  # type: ignore[operator]
    there = in_its_place(line, old)
    if grams is not None:
        there.weighs(grams)
    line.runs_to(there.at("top") + 1_200)
    assert (old.end == "LOST: MISTRACKED") == another
    assert line.newest_parcel == old.id + another
    if another:
        there.id = line.newest_parcel
        assert "CLASSIFIED NO_READ" in there.story
        assert there.bound_for == "no_read"
        there.scans("side", identity=NEW).passes("gate")
        assert there.bound_for == "shelf_a"
