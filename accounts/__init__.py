"""The ground floor: people, teams, permissions, access and audit; it knows no floor above it."""
