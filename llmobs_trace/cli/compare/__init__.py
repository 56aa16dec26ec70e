"""Compares two experiments for `llmobs-trace compare`: in words, as a table and as Markdown."""
