"""Plant and PLC together, on a virtual time that somebody else drives."""

from __future__ import annotations

from collections.abc import Sequence

from sorter.config.models import LineFile
from sorter.errors import ConfigError
from sorter.model.codes import ChuteBit, LineState
from sorter.model.mailbox import COMMAND_HEAD

from .belt import NEVER_NS
from .feed import FeedParcel
from .image import MailboxImage
from .plant import Plant
from .plc import Plc
from .plc_kernels import NEWS, NO_FIRE
from .scenario import ChuteJamFault, FailedDivertFault, JamFault, ScenarioFile
from .truth import TruthLedger


class Rig:
    """A simulated line with its PLC.

    PLC scans lie on a grid of simulated time. Scans in which nothing can happen are skipped; the
    result is the same as if they had run, down to the heartbeat.

    Parameters
    ----------
    scenario : ScenarioFile
    line_file : LineFile
    feed : sequence of FeedParcel
    seed : int

    Raises
    ------
    ConfigError
        When the scenario names a zone, chute or eye that the line does not have.
    """

    def __init__(
        self,
        scenario: ScenarioFile,
        line_file: LineFile,
        feed: Sequence[FeedParcel],
        seed: int = 0,
    ) -> None:
        _check_names(scenario, line_file)
        line = line_file.line
        self.image = MailboxImage.from_config(line_file.io.mailbox)
        self.plc = Plc(self.image, line, scenario.plc.boot_id)
        self.plant = Plant(scenario, line, feed, seed, self.plc)
        self.plant.on_belt_change = self._belt_changed
        self.scan_ns = round(scenario.plc.scan_ms * 1e6)
        self._now_ns = 0
        self._scan_at_ns = 0
        self._scanned_ns = -1
        self._news = False
        self._planned_fire = NO_FIRE
        self._fire_at_ns = NEVER_NS
        self._command_head = self.image.command[COMMAND_HEAD : COMMAND_HEAD + 2].tobytes()
        self._command_head_words = self.image.command[COMMAND_HEAD : COMMAND_HEAD + 2]
        encoder, tick = self.plant.encoder_now(), self.plant.tick_now()
        for chute in range(len(line.chutes)):
            self.plc.latch_chute(chute, int(ChuteBit.OPEN), encoder, tick)
        self.plant.set_line(LineState.EXECUTE, -1)
        self._scan(0)
        self._news = False

    # --- what others ask ------------------------------------------------------------------------
    @property
    def now_ns(self) -> int:
        """Simulated time."""
        return self._now_ns

    @property
    def truth(self) -> TruthLedger:
        """Where every parcel physically went."""
        return self.plant.truth

    @property
    def finished(self) -> bool:
        """Whether all parcels have come and none is on the line any more."""
        return self.plant.finished

    @property
    def parcels_on_line(self) -> int:
        """Parcels on the belt or falling into a chute."""
        return self.plant.parcels_on_line

    @property
    def parcels_waiting(self) -> int:
        """Parcels that wait at the inductions."""
        return self.plant.parcels_waiting

    @property
    def released(self) -> int:
        """Parcels that were put on the belt so far."""
        return len(self.plant.truth)

    @property
    def ended(self) -> int:
        """Parcels that have left the line."""
        return self.released - self.parcels_on_line

    def start_arrivals(self) -> None:
        """Let parcels come from now on; scheduled faults count from here too."""
        self.plant.now_ns = max(self.plant.now_ns, self._now_ns)
        self.plant.start()

    # --- time -----------------------------------------------------------------------------------
    def command_written(self) -> None:
        """Tell that the command block was written: new commands need a scan."""
        head = self._command_head_words.tobytes()
        if head != self._command_head:
            self._command_head = head
            self._scan_at_ns = min(self._scan_at_ns, self._next_grid_ns())

    def advance(self, until_ns: int) -> None:
        """Run to `until_ns`, with every scan that has work and one at the end."""
        while self.advance_to_news(until_ns) < until_ns:
            pass
        last_scan_ns = until_ns // self.scan_ns * self.scan_ns
        if last_scan_ns == until_ns and self._scanned_ns < until_ns:
            self._scan(until_ns)

    def advance_to_news(self, until_ns: int) -> int:
        """Run until a scan has posted something or taken commands over, or to `until_ns`.

        Returns
        -------
        int
            Simulated time now.
        """
        plant = self.plant
        scan_ns = self.scan_ns
        while True:
            scan_at_ns = self._scan_at_ns
            if plant.run(min(scan_at_ns, until_ns), scan_ns):
                self._scan_at_ns = scan_at_ns = min(
                    self._scan_at_ns, -(-plant.now_ns // scan_ns) * scan_ns
                )
            if scan_at_ns > until_ns:
                self._now_ns = max(self._now_ns, until_ns)
                return self._now_ns
            self._scan(scan_at_ns)
            if self._news:
                self._news = False
                return self._now_ns

    def advance_to_look(self, until_ns: int) -> None:
        """Run to the next news; without any, to the last scan that is due by `until_ns`.

        What a controller sees that looks then: a PLC whose heartbeat and encoder have moved on,
        although the scans in between were skipped.
        """
        last_scan_ns = until_ns // self.scan_ns * self.scan_ns
        if last_scan_ns <= self._now_ns:
            self.advance_to_news(until_ns)
        elif self.advance_to_news(last_scan_ns) >= last_scan_ns > self._scanned_ns:
            self._scan(last_scan_ns)
            self._news = False

    def _scan(self, at_ns: int) -> None:
        plant, plc = self.plant, self.plc
        plant.now_ns = self._now_ns = now_ns = max(plant.now_ns, at_ns)
        encoder, tick = plant.belt.sample(now_ns)
        fired = plc.scan(encoder, tick, at_ns // self.scan_ns)
        if fired >= NEWS:
            self._news = True
            fired -= NEWS
        for index in range(fired):
            plant.fire(*plc.fired(index))
        plc.latched = False
        self._scanned_ns = at_ns
        self._scan_at_ns = NEVER_NS
        self._plan_scan()

    def _plan_scan(self) -> None:
        """Plan the next scan that has work, as far as pending commands ask for one."""
        if self.plc.wants_scan:
            self._scan_at_ns = min(self._scan_at_ns, self._next_grid_ns())
        fire = self.plc.next_fire
        if fire == NO_FIRE:
            return
        if fire != self._planned_fire or self._fire_at_ns <= self._now_ns:
            self._planned_fire = fire
            belt = self.plant.belt
            due_ns = belt.time_of(belt.travel_of(fire))
            if due_ns < NEVER_NS:
                grid_ns = -(-due_ns // self.scan_ns) * self.scan_ns
                self._fire_at_ns = max(grid_ns, self._next_grid_ns())
            else:
                self._fire_at_ns = NEVER_NS
        if self._fire_at_ns < self._scan_at_ns:  # noqa: PLR1730 - a call to min() costs more
            self._scan_at_ns = self._fire_at_ns

    def _belt_changed(self) -> None:
        """Plan again: the count of the next fire comes at another time now."""
        self._planned_fire = NO_FIRE
        self._plan_scan()

    def _next_grid_ns(self) -> int:
        return (self._now_ns // self.scan_ns + 1) * self.scan_ns


def _check_names(scenario: ScenarioFile, line_file: LineFile) -> None:
    """Refuse a scenario that names what the line does not have."""
    line = line_file.line
    zones = {zone.name for zone in line.zones}
    chutes = {chute.name for chute in line.chutes}
    eyes = {eye.name for eye in line.photo_eyes if eye.inducts}
    problems = []
    for number, fault in enumerate(scenario.faults):
        if isinstance(fault, JamFault) and fault.zone not in zones:
            problems.append(f"faults[{number}].zone: the line has no zone {fault.zone}")
        if isinstance(fault, FailedDivertFault | ChuteJamFault) and fault.chute not in chutes:
            problems.append(f"faults[{number}].chute: the line has no chute {fault.chute}")
    for number, induction in enumerate(scenario.inductions):
        if induction.eye not in eyes:
            problems.append(f"inductions[{number}].eye: no inducting eye {induction.eye}")
    if not eyes:
        problems.append("the line has no inducting eye: nothing can come")
    if problems:
        raise ConfigError(f"scenario {scenario.name}: " + "; ".join(problems))
