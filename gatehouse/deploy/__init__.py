"""What runs Gatehouse on a server: image, broker configuration, and the secrets' maker."""
