"""Mistakes in the files of the control service."""

from __future__ import annotations

from breakages.form_of_a_break import LINE, Break

SERVICE = {
    "journal is the registry": Break(
        LINE,
        "journal: ../var/journal.sqlite",
        "journal: ../var/./returns.sqlite",
        "service.journal",
        "journal: ../var/./returns.sqlite",
        "is service.registry already",
        "a file of its own",
    ),
    "log into the sort plan": Break(
        LINE,
        "logs: {level: info}",
        "logs: {file: sort_plan.yaml}",
        "service.logs.file",
        "logs: {file",
        "is service.sort_plan already",
        "a file of its own",
    ),
    "reserve as large as the journal": Break(
        LINE,
        "max_mb: 4096, reserve_mb: 32",
        "max_mb: 64, reserve_mb: 64",
        "service.retention.reserve_mb",
        "reserve_mb: 64",
        "as large as the journal may get (64 MB)",
        "better 16",
    ),
}
