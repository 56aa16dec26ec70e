"""Resends for `llmobs-trace resend` what ended processes left, and decides where it goes."""
