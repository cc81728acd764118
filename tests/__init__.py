"""What proves the product; `make test` and `make test-rest` run all of it."""
