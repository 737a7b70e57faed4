"""A community that is not there: people, homes and gates that speak in real devices' formats."""
