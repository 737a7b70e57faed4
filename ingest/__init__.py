"""Moving it safely: MQTT sources, the journal, followers, series stores, dead letters."""
