"""Sockets: HTTP in and out. Routes hand bytes to a protocol and its answer back."""
