"""What is hashed, and who signed it: pure functions of their arguments."""
