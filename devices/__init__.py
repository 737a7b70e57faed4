"""What is out there: observations, device profiles, the registry, simulated devices."""
