"""Mistakes in how the PLC is connected."""

from __future__ import annotations

from breakages.form_of_a_break import LINE, POLICY, Break

IO = {
    "blocks overlap": Break(
        LINE,
        "event_address: 1000",
        "event_address: 300",
        "io.modbus.event_address",
        "event_address: 300",
        "overlaps the command block, which takes 200 to 319",
        "start it at 320",
    ),
    "block beyond the registers": Break(
        LINE,
        "scan_address: 26000",
        "scan_address: 40000",
        "io.modbus.scan_address",
        "scan_address: 40000",
        "ends at 71999, beyond 65535",
        "start it at 33536 or before",
    ),
    "allowance shorter than a poll": Break(
        LINE,
        "poll_ms: 5\n",
        "poll_ms: 80\n",
        "line.tracking.io_allowance_ms",
        "io_allowance_ms",
        "no longer than one modbus cycle (80 ms)",
    ),
    "tag without its index": Break(
        LINE,
        "Mailbox.EventPage.{page}",
        "Mailbox.EventPage",
        "io.opcua.tags.event_page",
        "event_page:",
        "the same node id",
        "put {page}",
    ),
    "tag with a stray brace": Break(
        LINE,
        "Mailbox.Scan.{slot}",
        "'Mailbox.Scan.{slot'",
        "io.opcua.tags.scan_slot",
        "scan_slot:",
        "the same node id, or none",
    ),
    "not an OPC UA endpoint": Break(
        LINE,
        "opc.tcp://127",
        "http://127",
        "io.opcua.endpoint",
        "endpoint:",
        "is not an OPC UA endpoint",
        "like opc.tcp://",
    ),
    "no such plan file": Break(
        LINE,
        "sort_plan: sort_plan.yaml",
        "sort_plan: sort_plam.yaml",
        "service.sort_plan",
        "sort_plan: sort_plam",
        "there is no file",
        "it counts from",
    ),
    "plan file of another kind": Break(
        LINE,
        "sort_plan: sort_plan.yaml",
        "sort_plan: returns_policy.yaml",
        "kind",
        "kind:",
        "'returns_policy' is not allowed here",
        "expected 'sort_plan'",
        reported_in=POLICY,
        others=("unknown key",) * 4 + ("this key is missing",) * 2,
    ),
}
