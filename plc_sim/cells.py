"""Names of the cells of the plant's memory: one vector of whole numbers, one of reals.

Kernels take two arrays instead of thirty, and the whole state of a floor can be looked at in one
place. Both vectors begin with single values; tables follow, each a number of rows of one width,
at the offset that the ``AT_`` cells hold (also for the tables of reals).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Reals = NDArray[np.float64]

NEVER_NS = 1 << 62
NOBODY = -1
"""No parcel, no chute, no text."""

# --- single whole numbers -------------------------------------------------------------------------
(
    NOW_NS,
    NUMBER,  # events planned so far: the order of those at the same place or time
    STARTED_NS,  # when parcels began to come, -1: not yet
    ROWS,  # parcels in the feed
    NEXT_ROW,
    SHARED,  # 1: some inductions have no arrival process of their own
    WAITING,
    FLYING,
    RELEASED,
    RING_SIZE,
    AGENDA_SIZE,
    AGENDA_ROOM,
    AGENDA_NEEDED,  # room that a kernel asks for before it goes on
    TIMER_SIZE,
    LOG_SIZE,
    LOG_ROOM,
    SINCE_NS,  # last start or stop of the belt
    PIECES,
    MARKS,
    TICK_START,
    STATIONS,
    SCANNERS,
    CHUTES,
    INDUCTIONS,
    SERVERS,
    READS,  # draws for scanners
    SLIPS,  # draws for slip on the belt
    JAMMED,  # parcel that has just got stuck
    STREAM_ENDED,  # 1: some stream of draws is used up
    PYTHON_AT_NS,  # next event that is not one of the kernels'
    SCAN_NS,
    SCAN_AT_NS,  # next scan that has work
    SCANNED_NS,  # last scan
    STOP_AT_NS,  # next look at news
    SHOWN,  # records posted, as the status block shows
    SEEN,  # of them seen at the last look
    COMMAND_WRITTEN,
    FIRED,  # diverters fired in the last scan
    FIRED_DONE,  # of them set in motion
    FROZEN,  # 1: the PLC's program stands
    HEARTBEAT_FROM,  # number on the grid of the scan at which the heartbeat was 0
    DOUBLE_FEEDS,  # 1: some parcels come two together
    AT_PARCELS,
    AT_ORDER,  # parcels in the order in which they were put on the belt
    AT_RING,  # parcels on the belt in the order of their phases
    AT_TIMERS,
    AT_LOG,
    AT_STATIONS,
    AT_CHUTES,
    AT_INDUCTIONS,
    AT_DRAWS,
    AT_READS,
    AT_FAILS,
    AT_SCANNERS,
    AT_CHAIN,  # parcel whose leading edge each station has latched and not posted
    AT_AGENDA,
    AT_PARCEL_MM,
    AT_RING_MM,
    AT_PIECES,
    AT_MARKS,
    AT_STATION_MM,
    AT_CHUTE_MM,
    AT_INDUCTION_MM,
    AT_SLIP_MM,
    AT_JITTER_MM,
    AT_CHAIN_MM,
    AT_AGENDA_MM,
    INT_CELLS,
) = range(68)

# --- single reals ---------------------------------------------------------------------------------
(
    SINCE_MM,
    SPEED_MM_NS,
    NS_PER_MM,
    COUNTS_PER_MM,
    MARK_MM,  # travel at which the encoder's base changed last
    BASE,
    LOOP_MM,  # 0: a line that ends
    GAP_MM,
    PITCH_MM,
    MARGIN_MM,  # how far a parcel may slip between firing and passing
    CALL_RATIO,
    NOMINAL_RATE,  # counts per mm when the encoder does not slip
    DARK_MM,  # belt travel up to which the PLC has latched nothing: it was not on
    REAL_CELLS,
) = range(14)

# --- parcels: one row per row of the feed ---------------------------------------------------------
(
    PARCEL_STATION,
    PARCEL_PASSES,  # of scanners
    PARCEL_ARRIVED_NS,
    PARCEL_INDUCTED_NS,
    PARCEL_INDUCT_EYE,
    PARCEL_INDUCT_COUNT,
    PARCEL_SIGHTINGS,
    PARCEL_END,
    PARCEL_CHUTE,
    PARCEL_END_COUNT,
    PARCEL_END_NS,
    PARCEL_FAULTS,  # four bits each, newest lowest
    PARCEL_NEXT,  # next in the queue of its induction, or of the take-away of its chute
    PARCEL_DUE_NS,  # from the start of arrivals
    PARCEL_INDUCTION,
    PARCEL_TEXT,  # row whose label scanners see on it; equal labels have one row
    TEXT_START,
    TEXT_LENGTH,
    PARCEL_FORCED,  # READ_ fault that the scenario asks for
    PARCEL_JAMS_AFTER,  # sightings, 0: it does not
    PARCEL_MEASURED_A,
    PARCEL_MEASURED_B,
    PARCEL_CELLS,
) = range(23)
(
    PARCEL_ANCHOR,
    PARCEL_PHASE,
    PARCEL_LEFT,
    PARCEL_LENGTH,
    PARCEL_GAP,  # the next of its induction is put on so close behind it; -1: it is not
    PARCEL_REALS,
) = range(6)

ON_LINE, IN_CHUTE, LINE_END, REMOVED = range(4)
"""Values of PARCEL_END."""
(
    FAULT_NO_READ,
    FAULT_MULTI_READ,
    FAULT_FAILED_DIVERT,
    FAULT_JAM,
    FAULT_SWAPPED_CODE,
    FAULT_SLOW_DIVERT,
    FAULT_DROPPED,  # from here in the order of the PLC's tamperings
    FAULT_DUPLICATED,
    FAULT_REORDERED,
    FAULT_DELAYED,
    FAULT_CORRUPTED,
    FAULT_STUCK_EYE,
    FAULT_DOUBLE_FEED,
    FAULT_PLC_RESTART,
) = range(1, 15)
READ_NO_READ, READ_MULTI, READ_SWAPPED = 1, 2, 4
"""Bits of a draw for a scanner, and values of PARCEL_FORCED."""

# --- log: what is only for the truth ledger -------------------------------------------------------
LOG_PARCEL, LOG_KIND, LOG_SOURCE, LOG_A, LOG_B, LOG_CELLS = range(6)
SIGHTING, READING, ENDED = range(3)

# --- agenda: what rides on the belt, by travel; timers: what takes time ---------------------------
AGENDA_NUMBER, AGENDA_KIND, AGENDA_WHO, AGENDA_WHAT, AGENDA_CELLS = range(5)
AGENDA_AT, AGENDA_FIRST, AGENDA_SECOND, AGENDA_REALS = range(4)
STATION_PASSED, CHUTE_MOUTH, DIVERTER_PASSED, WINDOW_COMES = range(4)
TIMER_AT_NS, TIMER_NUMBER, TIMER_KIND, TIMER_WHO, TIMER_CELLS = range(5)
ARRIVE_SHARED, ARRIVE_OWN, PARCEL_SERVED, BAG_CLOSED, BAG_CHANGED, FULL_SHOWS = range(6)

# --- belt: its starts and stops, and the jumps of its encoder -------------------------------------
PIECE_MM, PIECE_NS, PIECE_SPEED, PIECE_REALS = range(4)
JUMP_MM, JUMP_BASE, JUMP_RATE, JUMP_REALS = range(4)

# --- stations -------------------------------------------------------------------------------------
STATION_KIND, STATION_INDEX, STATION_STUCK, STATION_CELLS = range(4)
EYE, SCANNER, SCALE, END = range(4)
CHAIN_LEAD, CHAIN_END, CHAIN_REALS = range(3)
"""Travels at which parcels that touch were at a station: first leading edge, last trailing edge."""
(
    SCANNER_PREVIOUS,  # text that it saw last
    SCANNER_NO_READ,  # thresholds of a draw of 32 bits, while it misreads
    SCANNER_MULTI,
    SCANNER_SWAPPED,
    SCANNER_OWED,  # text that the next parcel gets, NOBODY: its own
    SCANNER_SALT,
    SCANNER_CELLS,
) = range(7)

# --- chutes ---------------------------------------------------------------------------------------
(
    CHUTE_COUNT,
    CHUTE_FIRST,
    CHUTE_LAST,
    CHUTE_BITS,
    CHUTE_OPEN,
    CHUTE_JAMMED,
    CHUTE_CALLED,
    CHUTE_BUSY,
    CHUTE_OPERATOR,
    CHUTE_CAPACITY,
    CHUTE_FIRED,
    CHUTE_FORCED_FAILURES,
    CHUTE_LATE_NS,  # how long after it is the PLC says that it is full
    CHUTE_FULL_STATE,  # FULL_ states while that is so
    CHUTE_CELLS,
) = range(15)
FULL_UNSAID, FULL_WAITS, FULL_SAID = range(3)
(
    CHUTE_POSITION,
    CHUTE_ACTUATION,
    CHUTE_ENTRY,
    CHUTE_USED,
    CHUTE_CAPACITY_MM,
    CHUTE_LATE_MM,  # belt travel by which its diverter acts late
    CHUTE_REALS,
) = range(7)
DIVERTER_DRAWS = 4096
"""Draws per diverter; they come round again after so many firings."""

# --- inductions -----------------------------------------------------------------------------------
(
    INDUCTION_FIRST,
    INDUCTION_LAST,
    INDUCTION_QUEUED,
    INDUCTION_PLAN,
    INDUCTION_BLOCKED,
    INDUCTION_SATURATED,
    INDUCTION_OWN,
    INDUCTION_STATION,
    INDUCTION_CELLS,
) = range(9)
INDUCTION_POSITION, INDUCTION_PLANNED, INDUCTION_REALS = range(3)

# --- draws of durations: a stream per induction, and three per chute ------------------------------
DRAW_BLOCK = 512
DRAW_NEXT = DRAW_BLOCK
"""Cell of a stream that holds which draw is next; the others are the draws."""
DRAW_CELLS = DRAW_BLOCK + 1
SERVICE, RESPONSE, CHANGE, CHUTE_STREAMS = range(4)
