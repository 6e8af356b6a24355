"""Who is refused is counted and named, and guesses of a password become slow."""

from __future__ import annotations

from typing import Any

from plc_sim.log_ins import BETWEEN_TRIES_S, FREE_TRIES, NAMES, LogIns


class Door:
    """A door with a hand-turned clock; who knocks has a wrong password unless said otherwise."""

    def __init__(self) -> None:
        self.said: list[dict[str, Any]] = []
        self.now_s = 100.0
        self.log_ins = LogIns(self.said.append, lambda: self.now_s)

    def is_looked_at(self, who: str = "controller", *, right: bool = False) -> bool:
        if self.log_ins.is_held_off(who):
            self.log_ins.failed(who, "not looked at")
            return False
        if right:
            self.log_ins.succeeded(who)
        else:
            self.log_ins.failed(who, "wrong")
        return True


def test_the_first_tries_are_looked_at_and_then_one_a_second() -> None:
    door = Door()
    assert all(door.is_looked_at() for _ in range(FREE_TRIES))
    assert not door.is_looked_at()
    assert door.is_looked_at("somebody else")
    looked_at = 0
    for _ in range(40):  # five seconds of tries, eight a second
        door.now_s += BETWEEN_TRIES_S / 8
        looked_at += door.is_looked_at()
    assert looked_at == 5
    assert door.log_ins.refused == FREE_TRIES + 1 + 1 + 40


def test_the_right_password_gets_in_within_a_second_of_trying() -> None:
    door = Door()
    for _ in range(100):
        door.is_looked_at()
    door.now_s += BETWEEN_TRIES_S
    assert door.is_looked_at(right=True)
    assert all(door.is_looked_at() for _ in range(FREE_TRIES)), "and begins anew"


def test_refusals_are_said_ever_more_rarely() -> None:
    door = Door()
    for _ in range(20):
        door.now_s += BETWEEN_TRIES_S
        assert door.is_looked_at()
    assert [said["in_a_row"] for said in door.said] == [1, 2, 4, 8, 16]
    assert door.said[0] == {"who": "controller", "why": "wrong", "in_a_row": 1}


def test_made_up_names_take_no_memory_and_write_no_odd_characters() -> None:
    door = Door()
    for number in range(2 * NAMES):
        door.is_looked_at(f"name {number}")
    assert len(door.log_ins._failures) == NAMES + 1
    assert not door.is_looked_at("yet another"), "they share what is left"
    door = Door()
    door.is_looked_at("\x1b[2J\n" + 1000 * "x" + "\ud800")
    who = door.said[0]["who"]
    assert who.isprintable()
    assert who.isascii()
    assert len(who) < 100
