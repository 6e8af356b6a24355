"""Says whether a status block can be that of a PLC which has just started.

The layout version is one small number, as other words are: where a map has shifted, a boot id of 1
passes for it. Believed, such a block is another start of the PLC: all that is known of the belt is
given up, and whatever stands in its words is taken for counts.
"""

from __future__ import annotations

from sorter.model import mailbox as wire
from sorter.model.codes import LineState
from sorter.model.frames import Words

NOT_STARTED = "the PLC has not started its program yet (boot id is 0)"


def problem_of_start(status: Words, boot_id: int) -> str:
    """Return why a block is not taken for a PLC's start; empty: it is one.

    Parameters
    ----------
    status : uint16[STATUS_WORDS]
    boot_id : int
        As read from it.
    """
    version = int(status[wire.STATUS_VERSION])
    if version != wire.LAYOUT_VERSION:
        return (
            f"mailbox layout version {version}, this controller speaks {wire.LAYOUT_VERSION}; "
            "update the PLC program or check the status address"
        )
    if not boot_id:
        return NOT_STARTED
    line_state, reserved = int(status[wire.STATUS_LINE_STATE]), int(status[wire.STATUS_RESERVED])
    if line_state > LineState.COMPLETED or reserved:
        return (
            f"line state {line_state} (0 to {LineState.COMPLETED}) and {reserved} in the reserved "
            f"word {wire.STATUS_RESERVED} (0) do not belong into a status block; check the status "
            "address"
        )
    return ""
