"""German, with a clock of 24 hours."""
