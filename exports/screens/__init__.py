"""What people see of exports: the request dialog, the log and its panel, the settings."""
