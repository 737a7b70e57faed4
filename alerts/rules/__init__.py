"""The rules: one thing to notice each, pure."""
