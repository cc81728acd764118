"""What must hold: each file says of what, each test is a claim."""
