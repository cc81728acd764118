"""Stories told in a real browser; `make test` runs them last, alone."""
