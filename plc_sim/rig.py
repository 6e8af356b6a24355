"""Plant and PLC together, on a virtual time that somebody else drives."""

from __future__ import annotations

from collections.abc import Sequence

from sorter.config.documents import path_text
from sorter.config.models import LineFile
from sorter.errors import ConfigError
from sorter.model.codes import ChuteBit, LineState

from .feed import FeedParcel
from .image import MailboxImage
from .plant import Plant
from .plc import Plc
from .runner_faults import refusal_of_runner_faults
from .scenario import ScenarioFile
from .tamperings import count_tamperings
from .truth import TruthLedger


class Rig:
    """A simulated line with its PLC.

    PLC scans lie on a grid of simulated time. Scans in which nothing can happen are skipped; who
    looks finds the same as if they had run, down to the heartbeat.

    Parameters
    ----------
    scenario : ScenarioFile
    line_file : LineFile
    feed : sequence of FeedParcel
    seed : int

    Raises
    ------
    ConfigError
        When the scenario names a zone, chute or eye that the line does not have, or asks for
        faults that a line cannot make; see :mod:`plc_sim.runner_faults`.
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
        tamperings = count_tamperings(scenario, line)
        self.plc = Plc(self.image, line, scenario.plc.boot_id, tamperings)
        self.plant = plant = Plant(scenario, line, feed, seed, self.plc)
        self._scenario = scenario
        self._feed = feed
        self._settled_ns = -1
        self.scan_ns = round(scenario.plc.scan_ms * 1e6)
        encoder, tick = plant.encoder_now(), plant.tick_now()
        for chute in range(len(line.chutes)):
            self.plc.latch_chute(chute, int(ChuteBit.OPEN), encoder, tick)
        plant.controls.report_line(LineState.EXECUTE, -1)
        plant.run(0, self.scan_ns)

    # --- what others ask ------------------------------------------------------------------------
    @property
    def now_ns(self) -> int:
        """Simulated time."""
        return self.plant.now_ns

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
        self.plant.start()

    def begin_again(self, seed: int) -> None:
        """Let the parcels of the feed come once more, with other draws.

        Call it when :attr:`settled`; the truth ledger begins anew.
        """
        self._settled_ns = -1
        self.plant.begin_again(self._scenario, self._feed, seed)

    @property
    def settled(self) -> bool:
        """Whether the line has been empty for two laps, and nothing is going to happen any more."""
        if not self.finished or not self.plant.at_rest:
            self._settled_ns = -1
            return False
        if self._settled_ns < 0:
            line = self.plant.line
            self._settled_ns = self.now_ns + round(2e9 * line.length_mm / line.belt_speed_mm_s)
        return self.now_ns >= self._settled_ns

    # --- time -----------------------------------------------------------------------------------
    def command_written(self) -> None:
        """Tell that the command block was written: new commands need a scan."""
        self.plant.command_written()

    def advance(self, until_ns: int) -> None:
        """Run to `until_ns`; the status block shows the last scan by then."""
        self.plant.run(until_ns, 0)

    def advance_to_news(self, until_ns: int) -> int:
        """Run to the first scan behind which there is something new to read, or to `until_ns`.

        Returns
        -------
        int
            Simulated time now.
        """
        self.plant.run(until_ns, self.scan_ns)
        return self.plant.now_ns

    def advance_to_look(self, until_ns: int, look_ns: int) -> None:
        """Run to the first of a poller's looks that finds something new, or to `until_ns`.

        Parameters
        ----------
        until_ns : int
        look_ns : int
            Looks lie on the multiples of this, itself a multiple of the scan period.
        """
        self.plant.run(until_ns, look_ns)


def _check_names(scenario: ScenarioFile, line_file: LineFile) -> None:
    """Refuse a scenario that names what the line does not have."""
    problems = [
        f"{path_text(key_path)}: {problem}; {remedy}"
        for key_path, problem, remedy in scenario.problems_against(line_file)
    ]
    if not any(eye.inducts for eye in line_file.line.photo_eyes):
        problems.append("the line has no inducting eye: nothing can come")
    if refusal := refusal_of_runner_faults(scenario):
        problems.append(refusal)
    if problems:
        raise ConfigError(f"scenario {scenario.name}: " + "; ".join(problems))
