"""What speed is measured with; `make bench` runs it, docs/bench.md tells how to read it."""
