"""What people, wear and bad luck can do to the floor and its PLC, each as one thing to do."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from sorter.model.codes import ChuteBit, EventKind, LineState

from . import cells as c
from .belt import jump_encoder, restart_counting, run_belt, slip_encoder
from .chance import CERTAIN
from .chutes import sense_chute
from .line_kernels import clear_stretch, plan_scan
from .plc import NO_SOURCE
from .way import MOST_FAULTS

UNREAD_NS = 1_000_000_000
"""How long a record may lie in a ring at most before a controller that is there has read it."""

if TYPE_CHECKING:
    from .plant import Plant


class FloorControls:
    """Hands on a plant.

    Parameters
    ----------
    plant : Plant
    """

    def __init__(self, plant: Plant) -> None:
        self._plant = plant
        self._running_speed = plant.line.belt_speed_mm_s * 1e-9

    # --- belt -------------------------------------------------------------------------------------
    def move_belt(self, moving: bool) -> None:
        """Start or stop the belt."""
        plant, memory = self._plant, self._plant.memory
        speed = self._running_speed if moving else 0.0
        if speed != memory.reals[c.SPEED_MM_NS]:
            run_belt(memory.ints, memory.reals, plant.now_ns, speed)
        self._plan_scan()

    def report_line(self, state: LineState, zone: int) -> None:
        """Let the PLC know what drives and safety circuit do; `zone` -1: all."""
        plant = self._plant
        source = NO_SOURCE if zone < 0 else zone
        plant.plc.latch_line_state(state, source, plant.encoder_now(), plant.tick_now())
        self._plan_scan()

    def jump_encoder(self, jump_mm: float) -> None:
        """Let the encoder jump against the belt."""
        plant, memory = self._plant, self._plant.memory
        jump_encoder(memory.ints, memory.reals, plant.travel_mm, jump_mm)
        self._plan_scan()

    def slip_encoder(self, error: float) -> None:
        """Let the encoder count wrong from now on; 0: right."""
        plant, memory = self._plant, self._plant.memory
        slip_encoder(memory.ints, memory.reals, plant.travel_mm, error)
        self._plan_scan()

    def clear_zone(self, zone: int) -> None:
        """Take every parcel of a zone off the belt, as an operator does, and report it."""
        limits = self._plant.line.zones[zone]
        self._clear(zone, limits.start_mm, limits.end_mm)

    def empty_belt(self) -> None:
        """Take every parcel off the belt; nobody reports it."""
        self._clear(-1, -np.inf, np.inf)

    def _clear(self, zone: int, from_mm: float, to_mm: float) -> None:
        plant = self._plant
        cells = plant.memory.ints
        # Each parcel that leaves lets every induction plan again.
        plant.make_room((int(cells[c.RING_SIZE]) + 1) * int(cells[c.INDUCTIONS]))
        memory = plant.memory
        clear_stretch(memory.ints, memory.reals, *plant.wires, zone, from_mm, to_mm)

    # --- sensors ----------------------------------------------------------------------------------
    def stick_eye(self, eye: int, stuck: bool) -> None:
        """Let an eye see nothing that passes, or see again."""
        ints = self._plant.memory.ints
        for station in range(int(ints[c.STATIONS])):
            cell = ints[c.AT_STATIONS] + station * c.STATION_CELLS
            if ints[cell + c.STATION_KIND] == c.EYE and ints[cell + c.STATION_INDEX] == eye:
                ints[cell + c.STATION_STUCK] = stuck

    def report_blocked(self, eye: int, counts: int) -> None:
        """Let the PLC post that an eye has been dark for so many counts."""
        plant = self._plant
        encoder, tick = plant.encoder_now(), plant.tick_now()
        plant.plc.latch(EventKind.EYE_BLOCKED, eye, encoder, tick, counts, 0)

    def misread(self, scanner: int, cell: int, share: float) -> None:
        """Let a scanner misread a share of what passes; `cell` is the SCANNER_ one of how."""
        ints = self._plant.memory.ints
        ints[ints[c.AT_SCANNERS] + scanner * c.SCANNER_CELLS + cell] = round(share * CERTAIN)

    # --- chutes and diverters ---------------------------------------------------------------------
    def jam_chute(self, chute: int, jammed: bool) -> None:
        """Jam a chute, or free it."""
        memory = self._plant.memory
        memory.ints[self._chute(chute) + c.CHUTE_JAMMED] = jammed
        sense_chute(memory.ints, memory.reals, self._plant.wires, chute)

    def say_full_late(self, chute: int, delay_ns: int) -> None:
        """Let a chute's sensor say `delay_ns` later than it should that it is full."""
        self._plant.memory.ints[self._chute(chute) + c.CHUTE_LATE_NS] = delay_ns

    def fail_diverts(self, chute: int, times: int) -> None:
        """Let a diverter not move the next times it is fired."""
        self._plant.memory.ints[self._chute(chute) + c.CHUTE_FORCED_FAILURES] += times

    def slow_diverter(self, chute: int, delay_ms: float) -> None:
        """Let a diverter act so much later than it should; 0: in time."""
        memory = self._plant.memory
        late_mm = delay_ms * 1e6 * self._running_speed
        cell = memory.ints[c.AT_CHUTE_MM] + chute * c.CHUTE_REALS
        memory.reals[cell + c.CHUTE_LATE_MM] = late_mm

    def _chute(self, chute: int) -> int:
        return int(self._plant.memory.ints[c.AT_CHUTES] + chute * c.CHUTE_CELLS)

    # --- the PLC ----------------------------------------------------------------------------------
    def freeze_plc(self) -> None:
        """Let the PLC's program stand; its latches go on."""
        self._plant.memory.ints[c.FROZEN] = 1

    def thaw_plc(self, missed_ns: int) -> None:
        """Let the PLC's program go on after it stood for `missed_ns`."""
        ints = self._plant.memory.ints
        ints[c.FROZEN] = 0
        ints[c.HEARTBEAT_FROM] += missed_ns // ints[c.SCAN_NS]
        self._scan_next()

    def restart_plc(self, starts: tuple[int, int]) -> None:
        """Let the PLC start; encoder and tick begin at `starts`, the mailbox is empty."""
        plant = self._plant
        ints, reals = plant.memory.ints, plant.memory.reals
        ints[c.FROZEN] = 0
        plant.plc.restart()
        restart_counting(ints, reals, plant.now_ns, plant.travel_mm, starts)
        plant.truth.begin_boot(plant.plc.boot_id)
        ints[c.HEARTBEAT_FROM] = plant.now_ns // ints[c.SCAN_NS]
        ints[c.SHOWN] = ints[c.FIRED] = ints[c.FIRED_DONE] = 0
        ints[c.SEEN] = -1
        encoder, tick = plant.encoder_now(), plant.tick_now()
        for chute in range(len(plant.line.chutes)):
            bits = ChuteBit(int(ints[self._chute(chute) + c.CHUTE_BITS]))
            plant.plc.latch_chute(chute, bits, encoder, tick)
        self._scan_next()

    def stop_plc(self) -> None:
        """Let the PLC lose what it knew: its program stands until it is started again.

        That is noted on each parcel it concerns: who is on the way, and who ended so lately that
        the record of it may not have been read.
        """
        plant, memory = self._plant, self._plant.memory
        self.freeze_plc()
        cells = memory.parcels[memory.order]
        lately = cells[:, c.PARCEL_END_NS] >= plant.now_ns - UNREAD_NS
        there = memory.order[(cells[:, c.PARCEL_END] == c.ON_LINE) | lately]
        faults = memory.parcels[:, c.PARCEL_FAULTS]
        there = there[faults[there] < MOST_FAULTS]
        faults[there] = faults[there] << 4 | c.FAULT_PLC_RESTART

    def shift_map(self, words: int) -> None:
        """Let the servers show every block so much too far up; 0: where it belongs."""
        self._plant.plc.image.shift = words

    def _scan_next(self) -> None:
        ints = self._plant.memory.ints
        scan_ns = ints[c.SCAN_NS]
        ints[c.SCAN_AT_NS] = (self._plant.now_ns // scan_ns + 1) * scan_ns

    def _plan_scan(self) -> None:
        memory = self._plant.memory
        plan_scan(memory.ints, memory.reals, self._plant.plc.memory)
