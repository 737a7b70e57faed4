"""Looking, and who may look: Grafana dashboards, the console, accounts, the audit."""
