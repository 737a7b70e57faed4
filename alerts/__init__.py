"""Judging and telling: rules, incidents, escalation, pages."""
