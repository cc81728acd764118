"""An app with a fifth kind of record: one model and its declaration, and nothing else."""
