"""Continuous markets: orders match on arrival, by price and then time (spec/nado.md, spec/decisions.md N1 to N14).

Beside the fixed-odds markets, with a book and a risk rule of its own. `engine.py` is the way in: commands and the time
go in, events or a refusal come out. It shares the conventions of the room around it and none of its state, so that the
engine can hold one `ContinuousState` and hand commands over.
"""
