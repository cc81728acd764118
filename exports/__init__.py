"""The top floor: taking data out, with consent; it imports records and accounts."""
