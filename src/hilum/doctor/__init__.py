"""Looks at everything that a gateway depends on, and tells what was found, what was expected, and what to do.

``check`` is what one look comes to. ``machine`` looks at clock, disks and ports, ``store`` at ledger and engines,
``peers`` at destinations, ``manners`` at senders; ``examination`` does all of it.
"""
