"""Plain values every layer shares: codes, array columns, layout, plan, policy, frames.

Nothing here does I/O, knows a clock, or imports another package of this project. The wire layout
(:mod:`sorter.model.mailbox`) holds numbers only; both sides of the wire encode and decode by
themselves, so that a bug on one side cannot hide on the other.
"""
