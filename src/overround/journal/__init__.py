"""What happened, durably and in order."""
