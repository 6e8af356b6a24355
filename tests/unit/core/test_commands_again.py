"""A restarted controller repeats the commands that may not have reached the PLC."""

from __future__ import annotations

from tiny_line import TinyLine


def test_what_was_commanded_is_commanded_once_more() -> None:
    line = TinyLine(restock=[["shelf_a"]])
    parcel = line.known_parcel(at=1_000)
    first = parcel.commands[-1]
    line.state.command_again()
    line.runs_to(line.now + 10)
    line.runs_to(line.now + 10)
    assert parcel.commands == [first, first]
    assert line.fill_of("shelf_a") == (0, 1)


def test_behind_the_fire_count_the_plc_or_the_next_eye_decides() -> None:
    line = TinyLine(restock=[["shelf_a"]])
    parcel = line.known_parcel(at=1_000)
    line.state.command_again()
    line.hears_nothing_until(parcel.commands[-1][2])
    line.runs_to(line.now + 1)
    assert len(parcel.commands) == 1
    line.fires(parcel)
    parcel.enters("shelf_a")
    assert parcel.end == "SORTED shelf_a"


def test_what_was_taken_back_is_taken_back_once_more() -> None:
    line = TinyLine(restock=[["shelf_a"]])
    parcel = line.known_parcel(at=1_000)
    for chute in ("shelf_a", "outlet"):
        line.chute_becomes(chute)
    said = len(parcel.commands)
    assert parcel.commands[-1][0] == "CANCEL"
    line.state.command_again()
    line.runs_to(line.now + 10)
    assert [command[0] for command in parcel.commands[said:]] == ["CANCEL"]


def test_one_who_was_never_commanded_is_not_spoken_of() -> None:
    line = TinyLine()
    parcel = line.parcel(at=1_000)
    line.state.command_again()
    line.runs_to(line.now + 10)
    assert parcel.commands == []
