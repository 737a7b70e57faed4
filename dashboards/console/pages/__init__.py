"""The console's pages, a module for each thing people look at."""
