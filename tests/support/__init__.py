"""What claims stand on: worlds, people, processes, servers, a second opinion."""
