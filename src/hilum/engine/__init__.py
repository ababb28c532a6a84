"""Step 6: a queued job goes in, a finished job comes out.

``port`` says what an engine is; ``folder``, ``process``, ``http`` and ``ray`` are the engines. ``policy`` decides what
follows from what an engine reports, and ``worker`` carries it out; ``questions`` and ``rests`` see to it that an engine
which hangs keeps nobody waiting for others. ``supervisor`` is a program of its own, which the process engine starts
once per attempt; ``attempt`` is what the two agree on.
"""
