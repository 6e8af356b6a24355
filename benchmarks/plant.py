"""How fast the simulated plant and its PLC run, with a scripted controller that only fires."""

from __future__ import annotations

import struct
from pathlib import Path
from time import perf_counter

from plc_sim.arrivals import generate_feed
from plc_sim.rig import Rig
from plc_sim.scenario import ScenarioFile
from plc_sim.words import check_word, put_u32
from sorter.config.load import load_yaml_model
from sorter.config.models import LineFile
from sorter.model import mailbox as m
from sorter.model.codes import EventKind

LINE = Path(__file__).parent.parent / "config" / "line.yaml"
SECOND = 1_000_000_000


def measure(quick: bool) -> dict[str, float]:
    """Return parcels per second of wall time and us per parcel and per record of the default line.

    The scripted controller sends each parcel to the next chute of its half; its time is counted.
    """
    count = 5_000 if quick else 50_000
    line_file = load_yaml_model(LINE, LineFile)
    scenario = ScenarioFile(kind="scenario", name="benchmark")
    labels = [b"%012d" % row for row in range(count)]
    _run(scenario, line_file, labels[:200])
    best = min(_run(scenario, line_file, labels) for _ in range(2 if quick else 3))
    seconds, records = best
    return {
        "plant_parcels_per_s": count / seconds,
        "plant_us_per_parcel": seconds / count * 1e6,
        "plant_us_per_record": seconds / records * 1e6,
    }


def _run(scenario: ScenarioFile, line_file: LineFile, labels: list[bytes]) -> tuple[float, int]:
    rig = Rig(scenario, line_file, generate_feed(scenario.parcels, labels, 1), 1)
    image = rig.image
    command, status, events = image.command, image.status, image.events
    eyes = sorted(line_file.line.photo_eyes, key=lambda eye: eye.position_mm)
    inducts = {i: eye.position_mm for i, eye in enumerate(eyes) if eye.inducts}
    chutes = line_file.line.chutes
    ahead = {
        eye: [i for i, chute in enumerate(chutes) if 6000 < chute.position_mm - at < 50_000]
        for eye, at in inducts.items()
    }
    put_u32(command, m.COMMAND_EPOCH, 1, 0)
    command[m.COMMAND_BOOT_ID : m.COMMAND_BOOT_ID + 2] = status[
        m.STATUS_BOOT_ID : m.STATUS_BOOT_ID + 2
    ]
    rig.start_arrivals()
    seen = sent = 0
    header = struct.Struct("=24H")
    slot = struct.Struct("=12H")
    started = perf_counter()
    while not rig.finished:
        rig.advance_to_news(rig.now_ns + SECOND)
        words = header.unpack_from(status, 0)
        head = words[m.STATUS_EVENT_HEAD] << 16 | words[m.STATUS_EVENT_HEAD + 1]
        while seen < head:
            seen += 1
            event = slot.unpack_from(events, (seen % image.event_slots) * m.EVENT_WORDS * 2)
            if event[m.EVENT_KIND] != EventKind.PARCEL_PASSED or event[3] not in inducts:
                continue
            sent += 1
            targets = ahead[event[3]]
            target = targets[sent % len(targets)]
            chute = chutes[target]
            way = chute.position_mm - inducts[event[3]] - chute.actuation_distance_mm
            fire = (event[4] << 16 | event[5]) + round(way - chute.window_mm / 2)
            base = m.COMMAND_HEADER_WORDS + (sent % m.COMMAND_SLOTS) * m.COMMAND_SLOT_WORDS
            parcel = (sent >> 16, sent & 0xFFFF)
            count = (fire >> 16 & 0xFFFF, fire & 0xFFFF)
            command[base : base + 11] = (*parcel, 1, target, *parcel, *count, *count, 160)
            command[base + m.SLOT_CHECK] = check_word(command, base, m.SLOT_CHECK)
            command[m.COMMAND_HEAD : m.COMMAND_HEAD + 2] = parcel
        command[m.COMMAND_EVENT_ACK : m.COMMAND_EVENT_ACK + 2] = (seen >> 16, seen & 0xFFFF)
        scans = words[m.STATUS_SCAN_HEAD : m.STATUS_SCAN_HEAD + 2]
        command[m.COMMAND_SCAN_ACK : m.COMMAND_SCAN_ACK + 2] = scans
        rig.command_written()
    return perf_counter() - started, seen + (scans[0] << 16 | scans[1])
