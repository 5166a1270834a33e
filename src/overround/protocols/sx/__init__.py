"""The SX Bet dialect."""
