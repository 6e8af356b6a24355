"""Append rows to the output buffers."""

from __future__ import annotations

from sorter.kernels.jit import kernel
from sorter.model.codes import CommandKind
from sorter.model.columns import CommandColumn, OutcomeColumn
from sorter.model.frames import Rows
from sorter.model.tracking import ParcelColumn, Register


@kernel("void(int64[:, ::1], int64[::1], int64, int64, int64, int64, int64, int64)")
def add_outcome(
    outcomes: Rows,
    registers: Rows,
    parcel: int,
    kind: int,
    value: int,
    chute: int,
    cause: int,
    encoder: int,
) -> None:
    """Append one outcome; count it as dropped when the buffer is full."""
    place = registers[Register.OUTCOMES]
    if place >= outcomes.shape[0]:
        registers[Register.DROPPED_OUTPUTS] += 1
        return
    outcomes[place, OutcomeColumn.PARCEL] = parcel
    outcomes[place, OutcomeColumn.KIND] = kind
    outcomes[place, OutcomeColumn.VALUE] = value
    outcomes[place, OutcomeColumn.CHUTE] = chute
    outcomes[place, OutcomeColumn.CAUSE] = cause
    outcomes[place, OutcomeColumn.ENCODER] = encoder
    registers[Register.OUTCOMES] = place + 1


@kernel("void(int64[:, ::1], int64[::1], int64, int64, int64, int64, int64)")
def add_command(
    commands: Rows,
    registers: Rows,
    kind: int,
    parcel: int,
    chute: int,
    fire: int,
    hold: int,
) -> None:
    """Append one command under the next command sequence.

    It expires at its fire count. Nothing is given up before that count, so a command that comes
    late but in time to fire must not be refused; behind it, firing could only hit a neighbour.
    """
    place = registers[Register.COMMANDS]
    if place >= commands.shape[0]:
        registers[Register.DROPPED_OUTPUTS] += 1
        return
    registers[Register.COMMAND_SEQ] += 1
    commands[place, CommandColumn.SEQ] = registers[Register.COMMAND_SEQ]
    commands[place, CommandColumn.KIND] = kind
    commands[place, CommandColumn.CHUTE] = chute
    commands[place, CommandColumn.PARCEL] = parcel
    commands[place, CommandColumn.FIRE] = fire
    commands[place, CommandColumn.EXPIRY] = fire
    commands[place, CommandColumn.HOLD] = hold
    registers[Register.COMMANDS] = place + 1


@kernel("void(int64[:, ::1], int64[::1], int64[:, ::1], int64)")
def add_cancel(commands: Rows, registers: Rows, parcels: Rows, row: int) -> None:
    """Append the command that takes back the divert commanded for a parcel."""
    add_command(
        commands,
        registers,
        CommandKind.CANCEL_DIVERT,
        parcels[ParcelColumn.ID, row],
        parcels[ParcelColumn.CHUTE, row],
        parcels[ParcelColumn.FIRE, row],
        0,
    )
