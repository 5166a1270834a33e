"""The process without its sockets. Read `venue.py` first."""
