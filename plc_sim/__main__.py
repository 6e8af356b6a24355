"""``python -m plc_sim``; loads nothing before Ctrl-C is provided for."""

from sorter.interrupts import ended_by_interrupt

if __name__ == "__main__":
    with ended_by_interrupt("plc_sim"):
        from plc_sim.command import run
    run()
