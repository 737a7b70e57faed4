"""The front door: command line, settings, start and stop, database and migrations."""
