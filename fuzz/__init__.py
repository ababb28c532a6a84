"""Fuzzing: everything that reads what somebody else wrote, fed with what nobody should write. See README.md."""
