"""Grafana dashboards as code: rendered to classic JSON, checked, mounted or pushed."""
