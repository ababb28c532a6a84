"""Step 6: a queued job goes in, a finished job comes out.

``port`` says what an engine is; ``folder`` and ``process`` are two of them. ``policy`` decides what follows from what
an engine reports, and ``worker`` carries it out. ``supervisor`` is a program of its own, which the process engine
starts once per attempt; ``attempt`` is what the two agree on.
"""
