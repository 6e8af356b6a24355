"""The composition root: the only place that knows which parts make a running controller.

A live line, a rehearsal and a simulation differ in the arguments of
:func:`~sorter.app.assembly.assemble` and in nothing else. ``live`` gives it sockets and the
machine's clock, ``closed`` the clock and bus of somebody else. May import everything below
``rehearsal``.
"""
