"""The web console: what people open when they are paged."""
