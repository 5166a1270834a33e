"""What our own tests use, for yours: a sandbox in a process of its own, named accounts, signed requests."""
