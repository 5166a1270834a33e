"""The sandbox: a venue with funded keys and a small world, for people who write bots."""
