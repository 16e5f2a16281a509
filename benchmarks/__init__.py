"""Measurements of the plugin: see README.md beside this file."""
