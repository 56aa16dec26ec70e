"""Holds what every command is made of.

arguments  those that several have
stores     the store that a command is about
deleting   asking before experiments are deleted
datadog    keys and address of Datadog, for those that go there
exits      how it ends
"""
