"""The ``sorter`` command, also by ``python -m``: loads nothing before Ctrl-C is provided for."""

from sorter.interrupts import ended_by_interrupt


def run() -> None:
    """Load the command and run it."""
    with ended_by_interrupt("sorter"):
        from sorter.cli import main  # noqa: PLC0415 - takes a third of a second
    main()


if __name__ == "__main__":
    run()
