"""What proves the product; `make test` runs all of it."""
