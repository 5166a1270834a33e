"""Benchmarks: how close the venue comes to the limits of the machine it runs on.

``python -m benchmarks [name ...]`` (or ``make bench``) runs the named ones, all by default. Each
prints one line per figure::

    signed-cancel  ratio 0.41  (median of 5 rounds; goal >= 0.35)

and the exit code is 1 when a figure misses a bound that its benchmark states (0 none, 2 when a
benchmark could not be run). Rounds are told on stderr while they pass.

**Ratios, not rates.** A rate tells about the machine and about who else used it at that moment. So
every rate is divided by that of a bare C loop which does the part of the work that cannot be
avoided, on the same core, in alternation; the medians of these ratios are what bounds are put on.

**Pinned.** The server, with all its threads, has one core, whatever produces load has another; two
cores are needed. Linux only.

**Real.** The server is the installed ``overround sandbox`` as a process of its own, with its
journal on the disk that holds this checkout (a memory file system would make commits free).

The rooms: ``harness`` pins, starts, stops, builds and compares; ``process`` reads what the kernel counted;
``sandbox`` knows the guests and posts for them; ``http_load``, ``websocket`` and ``bare_recover``
drive the C programs of ``load/``, which are built into ``build/benchmarks/`` when they changed;
every other module is one benchmark and holds its bounds as data. A new one is a function from
``Settings`` to figures, listed in ``__main__``.
"""
