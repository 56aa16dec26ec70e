"""Holds what every command is made of: its arguments, the store that it is about, and how it ends."""
