"""Word layout of the two mailboxes between PLC and controller: numbers only.

``docs/wire-contract.md`` explains them with worked examples. Offsets count 16-bit words. A u32
takes two words; which comes first is configuration (``word_order``). One status read (header and
newest events) and one command write are one Modbus FC23 transaction: 120 <= 125 words read,
120 <= 121 words written.
"""

from __future__ import annotations

from typing import Final

LAYOUT_VERSION: Final = 1

# --- status block, PLC -> controller: header, then the newest events --------------------------
STATUS_VERSION: Final = 0
STATUS_BOOT_ID: Final = 1  # u32, another value after each PLC start, never 0
STATUS_HEARTBEAT: Final = 3  # u16, counts up once per PLC scan
STATUS_LINE_STATE: Final = 4  # PackML number
STATUS_EVENT_HEAD: Final = 5  # u32, sequence of the newest event; the first event is 1
STATUS_EVENT_OVERFLOW: Final = 7  # u16, events not stored because the ring was full
STATUS_SCAN_HEAD: Final = 8  # u32
STATUS_SCAN_OVERFLOW: Final = 10  # u16
STATUS_COMMAND_ACK: Final = 11  # u32, newest command sequence taken over
STATUS_ENCODER: Final = 13  # u32, count at this PLC scan, wraps
STATUS_TICK: Final = 15  # u32, 100 us since PLC start, wraps after 119 h
STATUS_EVENT_ACK: Final = 17  # u32, echo of the controller's acknowledgement
STATUS_SCAN_ACK: Final = 19  # u32
STATUS_CONTROLLER_EPOCH: Final = 21  # u32, echo: the epoch COMMAND_ACK counts in
STATUS_RESERVED: Final = 23
STATUS_HEADER_WORDS: Final = 24
WINDOW_SLOTS: Final = 8  # copies of the newest events, oldest first; unused ones are zero
EVENT_WORDS: Final = 12
STATUS_WORDS: Final = STATUS_HEADER_WORDS + WINDOW_SLOTS * EVENT_WORDS  # 120

# --- event slot -------------------------------------------------------------------------------
EVENT_SEQ: Final = 0  # u32
EVENT_KIND: Final = 2  # codes.EventKind
EVENT_SOURCE: Final = 3  # index of the eye, scale, chute or zone; 0xFFFF: none
EVENT_ENCODER: Final = 4  # u32, latched at the edge
EVENT_TICK: Final = 6  # u32, latched at the edge
EVENT_A: Final = 8  # u32, meaning by kind
EVENT_B: Final = 10  # u16, meaning by kind
EVENT_CHECK: Final = 11

# --- scan slot: one read result of one scanner -------------------------------------------------
SCAN_SEQ: Final = 0  # u32
SCAN_SCANNER: Final = 2
SCAN_ENCODER: Final = 3  # u32, count when the parcel's leading edge was at the scanner
SCAN_TICK: Final = 5  # u32
SCAN_CODE_COUNT: Final = 7  # 0 is a no-read
SCAN_FLAGS: Final = 8  # bit 0: a code did not fit and is missing
SCAN_BYTE_LENGTH: Final = 9  # bytes used of the payload
SCAN_PAYLOAD: Final = 10  # per code one length byte and its bytes; high byte of a word first
SCAN_PAYLOAD_WORDS: Final = 114
SCAN_CHECK: Final = 124
SCAN_WORDS: Final = 125
SCAN_FLAG_TRUNCATED: Final = 1

# --- command block, controller -> PLC: header, then the command window -------------------------
COMMAND_EPOCH: Final = 0  # u32, another value after each controller start, never 0
COMMAND_HEARTBEAT: Final = 2  # u16, counts up once per exchange
COMMAND_EVENT_ACK: Final = 3  # u32, newest event safe on disk
COMMAND_SCAN_ACK: Final = 5  # u32
COMMAND_HEAD: Final = 7  # u32, newest command sequence in the window; the first command is 1
COMMAND_BOOT_ID: Final = 9  # u32, PLC start that acknowledgements and commands are for; 0: unknown
COMMAND_RESERVED: Final = 11
COMMAND_HEADER_WORDS: Final = 12
COMMAND_SLOTS: Final = 9  # command with sequence s is in slot s % 9
COMMAND_SLOT_WORDS: Final = 12
COMMAND_WORDS: Final = COMMAND_HEADER_WORDS + COMMAND_SLOTS * COMMAND_SLOT_WORDS  # 120

# --- command slot -----------------------------------------------------------------------------
SLOT_SEQ: Final = 0  # u32
SLOT_KIND: Final = 2  # codes.CommandKind
SLOT_CHUTE: Final = 3
SLOT_PARCEL: Final = 4  # u32
SLOT_FIRE: Final = 6  # u32, encoder count at which to fire
SLOT_EXPIRY: Final = 8  # u32, encoder count after which the command must be refused
SLOT_HOLD: Final = 10  # u16, counts to keep the diverter engaged
SLOT_CHECK: Final = 11

# --- ring sizes and Modbus addresses unless configured otherwise --------------------------------
DEFAULT_EVENT_SLOTS: Final = 2048  # event with sequence s is in slot s % 2048
DEFAULT_SCAN_SLOTS: Final = 256
DEFAULT_STATUS_ADDRESS: Final = 0
DEFAULT_COMMAND_ADDRESS: Final = 200
DEFAULT_EVENT_ADDRESS: Final = 1000
DEFAULT_SCAN_ADDRESS: Final = 26000

# --- check word: c = CHECK_SEED; for each word but the last: c = rotate_left_16(c, 1) xor word ---
CHECK_SEED: Final = 0xA5A5
EVENT_PAGE_SLOTS: Final = 10  # OPC UA serves the event ring in array variables of this many slots
