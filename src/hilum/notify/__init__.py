"""Tells people what they should know: from the history, through the channels of ``notifications``."""
