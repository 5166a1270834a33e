"""The operator's routes: JSON of our own, in the envelopes of the SX dialect."""
