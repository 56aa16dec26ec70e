"""Exports an experiment for `llmobs-trace export`: its formats, and what spreadsheets and browsers need."""
