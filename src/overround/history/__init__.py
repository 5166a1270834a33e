"""Trades of the past, in tables beside the journal. A projection: whatever is lost here is read from the journal."""
