"""The demo company: a small, plausible CRM in which every role and every rule can be tried."""
