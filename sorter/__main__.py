"""``python -m sorter``: the same as the ``sorter`` command."""

from sorter.cli import main

main()
