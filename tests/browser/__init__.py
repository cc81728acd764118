"""Stories told in a real browser: one of them by `make test`, the others by `make test-rest`."""
