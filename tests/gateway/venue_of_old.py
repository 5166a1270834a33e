"""`overround` at the time of the signing vectors, where it stands still: `python venue_of_old.py ARGUMENTS...`"""

from __future__ import annotations

from tests.protocols.nado.vectors import NOW_MS

from overround.runtime.clock import MachineTime

MachineTime.wall_ns = staticmethod(lambda: NOW_MS * 1_000_000)
MachineTime.steady_ns = staticmethod(lambda: 0)

from overround.cli.main import main  # noqa: E402

main()
