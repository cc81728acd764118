"""What people see of records beside lists and forms: panels, pages of one record, the settings."""
