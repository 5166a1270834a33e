"""The Nado gateway dialect."""
