"""The engine: a function with memory, `execute(command, now) -> events`. Pure and deterministic.

It imports no clock, no I/O, no randomness, no logging and no async: the same commands at the same times give
the same state on every supported Python. Read `commands.py`, `events.py`, then `engine.py`.
"""
