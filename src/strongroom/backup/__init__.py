"""Backups of a server's data, and the way back. See README.md in this folder."""
