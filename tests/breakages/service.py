"""Mistakes in the files of the control service."""

from __future__ import annotations

from breakages.form_of_a_break import LINE, Break

SERVICE = {
    "metrics on a host with a port": Break(
        LINE,
        "metrics: {host: 127.0.0.1, port: 9464}",
        "metrics: {host: '127.0.0.1:9464', port: 9464}",
        "service.metrics.host",
        "metrics: {host: ",
        "'127.0.0.1:9464' is not allowed here",
        "without the port",
    ),
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
    "journal into the line file": Break(
        LINE,
        "journal: ../var/journal.sqlite",
        "journal: ./line.yaml",
        "service.journal",
        "journal: ./line.yaml",
        "'./line.yaml' is the line file itself already",
        "a file of its own",
    ),
    "log into the line file": Break(
        LINE,
        "logs: {level: info}",
        "logs: {file: line.yaml}",
        "service.logs.file",
        "logs: {file",
        "is the line file itself already",
        "a file of its own",
    ),
    "log into the private key": Break(
        LINE,
        "logs: {level: info}",
        "logs: {file: ../var/certs/controller/private_key.pem}",
        "service.logs.file",
        "logs: {file",
        "is io.certificates.private_key already",
        "a file of its own",
    ),
    "metrics for everybody, in plain text": Break(
        LINE,
        "metrics: {host: 127.0.0.1, port: 9464}",
        "metrics: {host: 0.0.0.0, port: 9464}",
        "service.metrics.host",
        "metrics: {host: 0.0.0.0",
        "plain HTTP on 0.0.0.0",
        "certificate and private_key",
    ),
    "metrics with half of what encrypts": Break(
        LINE,
        "metrics: {host: 127.0.0.1, port: 9464}",
        "metrics: {host: 0.0.0.0, private_key: key.pem}",
        "service.metrics.private_key",
        "private_key: key.pem",
        "without its other half",
        "or neither",
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
