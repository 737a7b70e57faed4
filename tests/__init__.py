"""Tests by layer: unit, property, integration, fault, scenario, browser, docs; and the bench."""
